"""The chip's clocks: a real-time clock that was set at enrolment, and milliseconds since boot."""

import time

from machine import RTC

from protocol.shim import Callable
from protocol.timebound import TimeBound

_NEVER_SET_BEFORE_YEAR = 2026
_DAYS_BEFORE_1970 = 719468


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 (the well-known era arithmetic of the proleptic Gregorian calendar)."""
    year -= month <= 2
    era, month = year // 400, (month + 9) % 12
    year_of_era = year - era * 400
    day_of_year = (153 * month + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146097 + day_of_era - _DAYS_BEFORE_1970


def trusted_clock() -> Callable:
    """A clock port over the RTC: an exact TimeBound, or None when the RTC was never set.

    Wire version 0 trusts the clock that was set at enrolment; signed time replaces it.
    """
    rtc = RTC()

    def now() -> TimeBound | None:
        year, month, day, _, hour, minute, second, _ = rtc.datetime()
        if year < _NEVER_SET_BEFORE_YEAR:
            return None
        days = _days_from_civil(year, month, day)
        unix_s = ((days * 24 + hour) * 60 + minute) * 60 + second
        return TimeBound(unix_s, unix_s)

    return now


class Uptime:
    """Milliseconds since it was made, growing without end (ticks_ms wraps around)."""

    def __init__(self) -> None:
        self._last = time.ticks_ms()
        self._total = 0

    def ms(self) -> int:
        """Must be called at least every three days."""
        now = time.ticks_ms()
        self._total += time.ticks_diff(now, self._last)
        self._last = now
        return self._total
