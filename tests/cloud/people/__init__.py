"""Tests of cloud/people, and of the endpoints that belong to it."""
