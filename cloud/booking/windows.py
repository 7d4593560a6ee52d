"""Which windows of a room can be booked: hours, slots, notice, lengths, buffers.

Decides it twice from one set of rules: for one wanted window with the reason when it cannot be
(`refusal`), and for a day as a whole (`free_windows`). Does not know who asks, nor the database.
Invariant: a window on the slots' grid is inside one of `free_windows` and neither too short nor too
long, exactly if `refusal` finds nothing and its span with buffers touches nothing taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from cloud.booking.hours import TOWN_ZONE, day_of, openings
from cloud.booking.policy import Rules
from cloud.booking.spans import Span, subtract


@dataclass(frozen=True)
class Refusal:
    """Why not: a code of the texts, and what fills its places."""

    code: str
    places: dict[str, Any] = field(default_factory=dict)


def held_span(rules: Rules | None, wanted: Span) -> Span:
    """What a use keeps others out of: itself, setting up before, cleaning after."""
    if rules is None:
        return wanted
    return wanted.widened(rules.setup_minutes * 60, rules.cleaning_minutes * 60)


def refusal(rules: Rules, closed: Collection[date], wanted: Span, now: int) -> Refusal | None:
    """The first rule that forbids a resident this window; None when none does."""
    return (
        _wrong_length(rules, wanted)
        or outside_hours(rules, closed, wanted)
        or _off_the_grid(rules, closed, wanted)
        or _wrong_moment(rules, wanted, now)
    )


def outside_hours(rules: Rules, closed: Collection[date], wanted: Span) -> Refusal | None:
    """Nobody is lent a room while the house is closed."""
    day = day_of(wanted.starts_at)
    open_spans = openings(rules, day, closed)
    if _opening_of(open_spans, wanted) is not None:
        return None
    if day in closed:
        return Refusal("CLOSED_DAY", {"day": day.isoformat()})
    if not open_spans:
        return Refusal("CLOSED_WEEKDAY", {"day": day.isoformat()})
    hours = "、".join(f"{clock_text(s.starts_at)}-{closing_text(s)}" for s in open_spans)
    return Refusal("OUTSIDE_HOURS", {"hours": hours})


def free_windows(
    rules: Rules, day: date, closed: Collection[date], taken: Iterable[Span], now: int
) -> list[Span]:
    """The longest windows of a day, on the grid, in which anything of a fair length can be booked.

    `taken`: spans with their own buffers (held_from, held_to).
    """
    if not earliest_and_last_day(rules, now)[0] <= day <= earliest_and_last_day(rules, now)[1]:
        return []
    setup, cleaning = rules.setup_minutes * 60, rules.cleaning_minutes * 60
    away = [span.widened(cleaning, setup) for span in taken]
    windows = []
    for opening in openings(rules, day, closed):
        from_now = Span(max(opening.starts_at, now + rules.notice_minutes * 60), opening.ends_at)
        for left in subtract([from_now], away):
            window = _on_grid(rules, opening, left)
            if window.seconds >= rules.shortest_minutes * 60:
                windows.append(window)
    return windows


def starts_in(rules: Rules, window: Span, minutes: int) -> list[int]:
    """Where a use of so many minutes can start inside a free window."""
    if not is_fair_length(rules, minutes):
        return []
    step = rules.slot_minutes * 60
    return list(range(window.starts_at, window.ends_at - minutes * 60 + 1, step))


def is_fair_length(rules: Rules, minutes: int) -> bool:
    """Whole slots, not too short and not too long."""
    fits = rules.shortest_minutes <= minutes <= rules.longest_minutes
    return fits and minutes % rules.slot_minutes == 0


def earliest_and_last_day(rules: Rules, now: int) -> tuple[date, date]:
    """The days for which residents can book at this moment."""
    today = day_of(now)
    return day_of(now + rules.notice_minutes * 60), today + timedelta(days=rules.ahead_days)


def clock_text(at: int) -> str:
    """The local time of day, 09:00."""
    return datetime.fromtimestamp(at, TOWN_ZONE).strftime("%H:%M")


def closing_text(span: Span) -> str:
    """The end as people write it: midnight at the end of the day is 24:00."""
    text = clock_text(span.ends_at)
    return "24:00" if text == "00:00" else text


def _wrong_length(rules: Rules, wanted: Span) -> Refusal | None:
    if wanted.seconds <= 0:
        return Refusal("ENDS_BEFORE_START")
    if wanted.seconds < rules.shortest_minutes * 60:
        return Refusal("TOO_SHORT_USE", {"minutes": rules.shortest_minutes})
    if wanted.seconds > rules.longest_minutes * 60:
        return Refusal("TOO_LONG_USE", {"minutes": rules.longest_minutes})
    return None


def _off_the_grid(rules: Rules, closed: Collection[date], wanted: Span) -> Refusal | None:
    opening = _opening_of(openings(rules, day_of(wanted.starts_at), closed), wanted)
    step = rules.slot_minutes * 60
    assert opening is not None
    if (wanted.starts_at - opening.starts_at) % step or wanted.seconds % step:
        places = {"minutes": rules.slot_minutes, "opens": clock_text(opening.starts_at)}
        return Refusal("NOT_ON_A_SLOT", places)
    return None


def _wrong_moment(rules: Rules, wanted: Span, now: int) -> Refusal | None:
    if wanted.starts_at < now:
        return Refusal("IN_THE_PAST")
    if wanted.starts_at < now + rules.notice_minutes * 60:
        by = moment_text(wanted.starts_at - rules.notice_minutes * 60)
        return Refusal("TOO_SHORT_NOTICE", {"by": by})
    if day_of(wanted.starts_at) > earliest_and_last_day(rules, now)[1]:
        return Refusal("TOO_FAR_FOR_ROOM", {"days": rules.ahead_days})
    return None


def moment_text(at: int) -> str:
    """A moment for people, in the town's zone: 2026-12-05 10:00."""
    return datetime.fromtimestamp(at, TOWN_ZONE).strftime("%Y-%m-%d %H:%M")


def _opening_of(open_spans: list[Span], wanted: Span) -> Span | None:
    return next((span for span in open_spans if span.contains(wanted)), None)


def _on_grid(rules: Rules, opening: Span, left: Span) -> Span:
    step = rules.slot_minutes * 60
    first = -(-(left.starts_at - opening.starts_at) // step)
    last = (left.ends_at - opening.starts_at) // step
    return Span(opening.starts_at + first * step, opening.starts_at + last * step)
