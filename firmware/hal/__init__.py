"""Touches the chip: pins, clock, files. Decides nothing."""
