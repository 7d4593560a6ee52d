"""Doors, radio, time and faults made of software; runs the real firmware, gateway and cloud."""
