"""Time as an interval, honest about doubt: the true time lies in [lo, hi], both Unix seconds.

Decides how an interval relates to a token's window [not_before, expires_at). Reads no clock.
"""

BEFORE, INSIDE, AFTER, UNSURE = "before", "inside", "after", "unsure"


class TimeBound:
    """`lo` <= true time <= `hi`. A trusted clock has lo == hi."""

    def __init__(self, lo: int, hi: int) -> None:
        if lo > hi:
            raise ValueError("lo is after hi")
        self.lo = lo
        self.hi = hi

    def relation(self, not_before: int, expires_at: int) -> str:
        """Where now lies relative to the window: BEFORE, INSIDE, AFTER, or UNSURE."""
        if not_before <= self.lo and self.hi < expires_at:
            return INSIDE
        if self.lo >= expires_at:
            return AFTER
        if self.hi < not_before:
            return BEFORE
        return UNSURE
