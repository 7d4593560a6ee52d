"""Unit, property, attack and system tests, mirrored after the rooms."""
