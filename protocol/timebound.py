"""Time as an interval, honest about doubt: the true time lies in [lo, hi], both Unix seconds.

Decides how an interval relates to a window [start, end), and its form on the wire:
[lo, hi], or [lo, null] when nobody knows how late it is. Reads no clock.
"""

from protocol.forms import is_uint
from protocol.shim import Any

BEFORE, INSIDE, AFTER, UNSURE = "before", "inside", "after", "unsure"
FOREVER = (1 << 40) - 1  # later than any time on the wire; as `hi`: nobody knows


class TimeBound:
    """`lo` <= true time <= `hi`. Raises ValueError for an empty or impossible interval."""

    def __init__(self, lo: int, hi: int = FOREVER) -> None:
        if not 0 <= lo <= hi <= FOREVER:
            raise ValueError("lo is after hi, or beyond any time")
        self.lo = lo
        self.hi = hi

    @property
    def doubt(self) -> int:
        """Seconds between the ends."""
        return self.hi - self.lo

    def relation(self, start: int, end: int) -> str:
        """Where now lies relative to the window [start, end): BEFORE, INSIDE, AFTER, UNSURE."""
        if start <= self.lo and self.hi < end:
            return INSIDE
        if self.lo >= end:
            return AFTER
        if self.hi < start:
            return BEFORE
        return UNSURE


def is_time(value: Any) -> bool:
    """Whether `value` is a time as documents and messages write one: FOREVER is none."""
    return is_uint(value) and value < FOREVER


def unknown() -> TimeBound:
    """The bound of a clock that was never set."""
    return TimeBound(0)


def to_wire(bound: TimeBound) -> list:
    """[lo, hi / None]."""
    return [bound.lo, None if bound.hi == FOREVER else bound.hi]


def from_wire(lo: Any, hi: Any) -> TimeBound | None:
    """The bound in two members; None when they are none, or spell FOREVER out as a number."""
    if not is_time(lo) or not (hi is None or is_time(hi)):
        return None
    hi = FOREVER if hi is None else hi
    return TimeBound(lo, hi) if lo <= hi else None
