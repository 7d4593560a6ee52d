"""Which PIN says a booking's window: it begins on a quarter hour and has one of 14 lengths.

Decides the start and the length alone: the shortest that covers the booking with the ten minutes
around it; where the next length overshoots that end by more than a quarter hour (the lengths grow
coarse), the shortest that covers the bare booking, because what is left open belongs to whoever
comes next. None where twelve hours are not enough.
"""

from __future__ import annotations

from protocol.pin import LENGTHS_QUARTERS, QUARTER_S

PAD_S = 600


def plan(starts_at: int, ends_at: int) -> tuple[int, int] | None:
    """(start, quarters) for a booking [starts_at, ends_at), Unix seconds."""
    padded = _cover(starts_at - PAD_S, ends_at + PAD_S)
    if padded is not None and _end(padded) - (ends_at + PAD_S) < QUARTER_S:
        return padded
    return _cover(starts_at, ends_at)


def _cover(starts_at: int, ends_at: int) -> tuple[int, int] | None:
    start = starts_at // QUARTER_S * QUARTER_S
    needed = -(-(ends_at - start) // QUARTER_S)
    longer = [quarters for quarters in LENGTHS_QUARTERS if quarters >= needed]
    return (start, longer[0]) if longer else None


def _end(window: tuple[int, int]) -> int:
    start, quarters = window
    return start + quarters * QUARTER_S
