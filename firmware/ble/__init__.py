"""Moves bytes between the radio and the core. Decides nothing."""
