"""Decides: access, sessions, door, journal. Touches no pin, no radio, no clock."""
