"""The days of a recurrence rule (RFC 5545 section 3.3.10), within bounds. Pure.

Decides which rules a room can be booked by: daily, weekly, monthly or yearly at one time of day,
with INTERVAL, COUNT, UNTIL, BYDAY, BYMONTH, BYMONTHDAY, BYSETPOS and WKST. Walks days instead of
searching for the next match, so that a rule which never matches costs no more than any other.
Invariant: work is bounded by the days between the start (with COUNT) or the window, and `ends_on`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Any

_DAY = timedelta(days=1)
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS = {
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYDAY",
    "BYMONTH",
    "BYMONTHDAY",
    "BYSETPOS",
    "WKST",
}
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
MAX_INTERVAL = 1000


class RuleError(ValueError):
    """A rule that we do not lay out."""


@dataclass(frozen=True)
class Rule:
    """A rule whose defaults have been taken from its first day."""

    frequency: str
    starts_on: date
    interval: int = 1
    count: int | None = None
    weekdays: frozenset[tuple[int | None, int]] = frozenset()  # (ordinal or None, 0 Monday)
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    positions: frozenset[int] = frozenset()
    week_start: int = 0
    in_month: bool = field(default=False)  # ordinals of BYDAY count within a month, not a year


def read_rule(parts: Mapping[str, Any], starts_on: date) -> Rule:
    """The rule in icalendar's parts {NAME: [value, ...]}. Raises RuleError."""
    frequency = str(_single(parts, "FREQ", "")).upper()
    if frequency not in _FREQUENCIES or not set(parts) <= _PARTS:
        raise RuleError("only FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, at one time of day")
    interval = _single(parts, "INTERVAL", 1)
    count = _single(parts, "COUNT", None)
    if not _is_within(interval, 1, MAX_INTERVAL) or (count is not None and count < 1):
        raise RuleError("INTERVAL or COUNT is out of range")
    weekdays = frozenset(_weekday(value) for value in parts.get("BYDAY", []))
    months = _numbers(parts, "BYMONTH", 1, 12)
    month_days = _numbers(parts, "BYMONTHDAY", -31, 31)
    if any(n for n, _ in weekdays) and frequency not in ("MONTHLY", "YEARLY"):
        raise RuleError("numbered weekdays need FREQ=MONTHLY or YEARLY")
    if month_days and frequency == "WEEKLY":
        raise RuleError("BYMONTHDAY does not go with FREQ=WEEKLY")
    if not weekdays and not month_days:
        weekdays, month_days, months = _defaults(frequency, starts_on, months)
    return Rule(
        frequency,
        starts_on,
        interval,
        count,
        weekdays,
        months,
        month_days,
        _numbers(parts, "BYSETPOS", -366, 366),
        _WEEKDAYS.index(str(_single(parts, "WKST", "MO")).upper()),
        frequency == "MONTHLY" or bool(months),
    )


def days(rule: Rule, opens_on: date, ends_on: date) -> Iterator[date]:
    """Days from `opens_on` to `ends_on`, both included; counted from the rule's start."""
    begin = rule.starts_on if rule.count else max(rule.starts_on, opens_on)
    last = date(ends_on.year + 1, 1, 7) if rule.positions else ends_on  # positions need it whole
    walked = _walk(date(begin.year, 1, 1) - 7 * _DAY, last)
    matching = (day for day in walked if _is_in_turn(rule, day) and _matches(rule, day))
    number = 0
    for day in _at_positions(rule, matching):
        if day < rule.starts_on:
            continue
        if day > ends_on:
            return
        number += 1
        if rule.count is not None and number > rule.count:
            return
        if day >= opens_on:
            yield day


def _walk(day: date, last: date) -> Iterator[date]:
    while day <= last:
        yield day
        day += _DAY


def _period(rule: Rule, day: date) -> int:
    """The number of the day's period on a scale of its frequency."""
    if rule.frequency == "DAILY":
        return day.toordinal()
    if rule.frequency == "WEEKLY":
        return (day.toordinal() - 1 - rule.week_start) // 7
    return day.year * 12 + day.month if rule.frequency == "MONTHLY" else day.year


def _is_in_turn(rule: Rule, day: date) -> bool:
    return (_period(rule, day) - _period(rule, rule.starts_on)) % rule.interval == 0


def _matches(rule: Rule, day: date) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    if rule.month_days and not rule.month_days & {day.day, day.day - _month_length(day) - 1}:
        return False
    return not rule.weekdays or any(_is_weekday(rule, day, *w) for w in rule.weekdays)


def _is_weekday(rule: Rule, day: date, ordinal: int | None, weekday: int) -> bool:
    if day.weekday() != weekday:
        return False
    if not ordinal:
        return True
    if rule.in_month:
        place, length = day.day, _month_length(day)
    else:
        place = day.timetuple().tm_yday
        length = date(day.year, 12, 31).timetuple().tm_yday
    return ordinal in ((place - 1) // 7 + 1, -((length - place) // 7 + 1))


def _at_positions(rule: Rule, matching: Iterator[date]) -> Iterator[date]:
    if not rule.positions:
        yield from matching
        return
    for _, group in groupby(matching, lambda day: _period(rule, day)):
        members = list(group)
        for index, day in enumerate(members):
            if rule.positions & {index + 1, index - len(members)}:
                yield day


def _month_length(day: date) -> int:
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return (following - _DAY).day


def _defaults(
    frequency: str, starts_on: date, months: frozenset[int]
) -> tuple[frozenset[tuple[int | None, int]], frozenset[int], frozenset[int]]:
    """(weekdays, month_days, months) that a rule without BYDAY and BYMONTHDAY means."""
    if frequency == "WEEKLY":
        return frozenset({(None, starts_on.weekday())}), frozenset(), months
    if frequency == "DAILY":
        return frozenset(), frozenset(), months
    if frequency == "YEARLY" and not months:
        months = frozenset({starts_on.month})
    return frozenset(), frozenset({starts_on.day}), months


def _weekday(value: Any) -> tuple[int | None, int]:
    text = str(value).upper()
    if text[-2:] not in _WEEKDAYS:
        raise RuleError("BYDAY names no weekday")
    ordinal = int(text[:-2]) if text[:-2] else None
    if ordinal is not None and not 0 < abs(ordinal) <= 53:
        raise RuleError("BYDAY is out of range")
    return ordinal, _WEEKDAYS.index(text[-2:])


def _numbers(parts: Mapping[str, Any], name: str, low: int, high: int) -> frozenset[int]:
    values = [int(value) for value in parts.get(name, [])]
    if not all(value and low <= value <= high for value in values):
        raise RuleError(f"{name} is out of range")
    return frozenset(values)


def _single(parts: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    values = parts.get(name, [otherwise])
    if len(values) != 1:
        raise RuleError(f"{name} has one value")
    return values[0]


def _is_within(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and low <= value <= high
