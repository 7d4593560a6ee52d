"""Opening hours on real days: from a policy's week and closed days to spans of Unix seconds.

Decides in the town's zone; a zone with summer time would give longer and shorter days here and
nowhere else. Reads no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.booking.policy import Rules, minute_of_day
from cloud.booking.spans import Span

TOWN_ZONE = ZoneInfo("Asia/Tokyo")


def day_of(at: int, zone: ZoneInfo = TOWN_ZONE) -> date:
    """The local day of a moment."""
    return datetime.fromtimestamp(at, zone).date()


def moment_of(day: date, minutes: int, zone: ZoneInfo = TOWN_ZONE) -> int:
    """Unix seconds of a local time of day, given in minutes after midnight (1440: the next)."""
    later, minutes = divmod(minutes, 24 * 60)
    local = datetime.combine(day + timedelta(days=later), time(minutes // 60, minutes % 60), zone)
    return int(local.timestamp())


def whole_day(day: date, zone: ZoneInfo = TOWN_ZONE) -> Span:
    """From midnight to midnight."""
    return Span(moment_of(day, 0, zone), moment_of(day, 24 * 60, zone))


def days_from(first: date, count: int) -> Iterator[date]:
    """`count` days in a row."""
    return (first + timedelta(days=number) for number in range(count))


def openings(
    rules: Rules, day: date, closed: Collection[date], zone: ZoneInfo = TOWN_ZONE
) -> list[Span]:
    """When the room is open on a day; nothing on a closed day."""
    if day in closed:
        return []
    hours = rules.hours.of(day.weekday())
    return [
        Span(moment_of(day, minute_of_day(a), zone), moment_of(day, minute_of_day(b), zone))
        for a, b in hours
    ]
