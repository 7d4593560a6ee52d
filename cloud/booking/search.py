"""Free times of rooms, for a day or some days: three queries, however many rooms there are.

Decides what counts as taken: bookings and holds with their buffers; a hold that is over does not,
for whoever books there sweeps it. Invariant: what is offered here can be booked at this moment by
somebody the room takes, and what is not cannot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.booking import places, windows
from cloud.booking.hours import day_of, days_from, whole_day
from cloud.booking.policy import MAX_BUFFER_MINUTES, Rules
from cloud.booking.spans import Span, subtract
from cloud.booking.states import HELD, HOLDS_ROOM
from cloud.calendar import HORIZON_S
from cloud.models import Booking, Facility, Room

MAX_DAYS = 31
_MARGIN_S = MAX_BUFFER_MINUTES * 60
_STEP_S = 30 * 60  # where a room has no rules


def free(
    session: Session,
    now: int,
    first: date,
    days: int,
    *,
    facility_id: str | None = None,
    room_id: str | None = None,
    minutes: int | None = None,
    people: int | None = None,
    without: str | None = None,
) -> list[dict[str, Any]]:
    """The free windows of each room that fits, by day; with `minutes`, where a use can start.

    `without`: a booking that is about to move: its own time counts as free.
    """
    found = _rooms(session, facility_id, room_id, people)
    rooms = [room for room, _ in found]
    wanted = list(days_from(first, days))
    closed = places.closed_days(session, rooms, wanted)
    taken = taken_spans(session, rooms, wanted, now, without)
    return [
        _line(room, facility, wanted, closed.get(room.room_id, frozenset()), taken, now, minutes)
        for room, facility in found
    ]


def taken_spans(
    session: Session, rooms: Iterable[Room], days: list[date], now: int, without: str | None = None
) -> dict[str, list[Span]]:
    """{room_id: [what it is kept for, buffers included]}"""
    first, last = whole_day(days[0]).starts_at, whole_day(days[-1]).ends_at
    query = (
        select(Booking.room_id, Booking.held_from, Booking.held_to)
        .where(Booking.room_id.in_([room.room_id for room in rooms]))
        .where(Booking.status.in_(HOLDS_ROOM))
        .where((Booking.status != HELD) | (Booking.hold_until > now))
        .where(Booking.held_from < last + _MARGIN_S, Booking.held_to > first - _MARGIN_S)
    )
    if without is not None:
        query = query.where(Booking.booking_id != without)
    taken: dict[str, list[Span]] = defaultdict(list)
    for room_id, held_from, held_to in session.execute(query):
        taken[room_id].append(Span(held_from, held_to))
    return taken


def _rooms(
    session: Session, facility_id: str | None, room_id: str | None, people: int | None
) -> list[tuple[Room, Facility]]:
    query = (
        select(Room, Facility)
        .join(Facility, (Facility.town == Room.town) & (Facility.facility_id == Room.facility_id))
        .where(Room.active, Facility.active)
        .order_by(Facility.facility_id, Room.room_id)
    )
    if facility_id is not None:
        query = query.where(Facility.facility_id == facility_id)
    if room_id is not None:
        query = query.where(Room.room_id == room_id)
    if people is not None:
        query = query.where(Room.capacity.is_(None) | (Room.capacity >= people))
    return [(room, facility) for room, facility in session.execute(query)]


def _line(
    room: Room,
    facility: Facility,
    days: list[date],
    closed: frozenset[date],
    taken: dict[str, list[Span]],
    now: int,
    minutes: int | None,
) -> dict[str, Any]:
    rules = places.rules_in(facility, room.room_id)
    return {
        "room_id": room.room_id,
        "facility_id": facility.facility_id,
        "name": places.in_languages(room.names, room.name) | {"ja": room.name},
        "capacity": room.capacity,
        "assurance": places.Place(room, facility, rules, closed).assurance,
        "slot_minutes": rules.slot_minutes if rules else _STEP_S // 60,
        "shortest_minutes": rules.shortest_minutes if rules else _STEP_S // 60,
        "longest_minutes": rules.longest_minutes if rules else 24 * 60,
        "days": [_day(rules, d, closed, taken[room.room_id], now, minutes) for d in days],
    }


def _day(
    rules: Rules | None,
    day: date,
    closed: frozenset[date],
    taken: list[Span],
    now: int,
    minutes: int | None,
) -> dict[str, Any]:
    found = _windows(rules, day, closed, taken, now)
    told: dict[str, Any] = {
        "day": day.isoformat(),
        "closed": day in closed,
        "windows": [{"starts_at": w.starts_at, "ends_at": w.ends_at} for w in found],
    }
    if minutes is not None:
        told["starts"] = [at for window in found for at in _starts(rules, window, minutes)]
    return told


def _windows(
    rules: Rules | None, day: date, closed: frozenset[date], taken: list[Span], now: int
) -> list[Span]:
    if rules is not None:
        found = windows.free_windows(rules, day, closed, taken, now)
    else:
        left = Span(max(now, whole_day(day).starts_at), whole_day(day).ends_at)
        found = subtract([left], taken) if day_of(now) <= day else []
    return [w for w in found if w.starts_at <= now + HORIZON_S]


def _starts(rules: Rules | None, window: Span, minutes: int) -> list[int]:
    if rules is not None:
        return windows.starts_in(rules, window, minutes)
    first = -(-window.starts_at // _STEP_S) * _STEP_S
    return list(range(first, window.ends_at - minutes * 60 + 1, _STEP_S))
