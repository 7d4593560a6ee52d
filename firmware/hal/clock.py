"""The chip's clocks: its real-time clock (RTC), in UTC, and milliseconds since boot.

Decides how a date becomes Unix seconds and back, and when the RTC has nothing to say. What its
readings are worth is decided in firmware/core/timekeeper.py.
"""

import time

from machine import RTC

_NEVER_SET_BEFORE_YEAR = 2026  # power was lost: an ESP32 then begins at 2000 or 1970
_LAST_YEAR = 2099  # an RTC keeps two digits of the year
_DAYS_BEFORE_1970 = 719468
_DAY_S = 86400


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 (the well-known era arithmetic of the proleptic Gregorian calendar)."""
    year -= month <= 2
    era, month = year // 400, (month + 9) % 12
    year_of_era = year - era * 400
    day_of_year = (153 * month + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146097 + day_of_era - _DAYS_BEFORE_1970


def _civil_from_days(days: int) -> tuple:
    """(year, month, day) of a number of days from 1970-01-01: the way back."""
    era, day_of_era = divmod(days + _DAYS_BEFORE_1970, 146097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year_of_era + era * 400 + (month <= 2), month, day


class ChipRtc:
    """The RTC port of a TimeKeeper over `machine.RTC`."""

    def __init__(self) -> None:
        self._rtc = RTC()

    def read(self) -> int | None:
        """Unix seconds; None when it was never set, or lost its power since."""
        year, month, day, _, hour, minute, second, _ = self._rtc.datetime()
        if year < _NEVER_SET_BEFORE_YEAR:
            return None
        days = _days_from_civil(year, month, day)
        return ((days * 24 + hour) * 60 + minute) * 60 + second

    def set(self, unix_s: int) -> None:
        """Set it, at the beginning of this second. A year that it cannot show changes nothing."""
        days, second = divmod(unix_s, _DAY_S)
        year, month, day = _civil_from_days(days)
        if not _NEVER_SET_BEFORE_YEAR <= year <= _LAST_YEAR:
            return
        weekday = (days + 3) % 7  # Monday is 0; 1970-01-01 was a Thursday
        clock = (second // 3600, second // 60 % 60, second % 60)
        self._rtc.datetime((year, month, day, weekday) + clock + (0,))


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
