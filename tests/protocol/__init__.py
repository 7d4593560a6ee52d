"""Tests of the words on the wire. The same files run under pytest and inside MicroPython."""
