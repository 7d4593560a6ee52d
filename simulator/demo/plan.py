"""What the demo makes of a calendar: when it begins, which rooms there are, which bookings it uses.

Pure: decides from bytes and facts, touches nothing. Whatever the file lacks (a second booking now,
one that comes later), the demo books itself, so that any calendar works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloud.bookings import match_room
from cloud.calendar import CalendarError, first_confirmed_start, read_calendar
from cloud.models import Room
from kannuki.errors import InputError

BEFORE_FIRST_S = 300
MIN_LOCKS = 3
MAX_LOCKS = 8
SPARE_ROOMS = ("第1会議室", "和室", "音楽室")
PAD_S = 600  # the issuer's padding: a key works this long before and after its booking
RELEASED_BEFORE_S = 72 * 3600


@dataclass(frozen=True)
class Plan:
    """begins_at: the town's time at start, Unix seconds; the first `MAX_LOCKS` rooms get locks."""

    begins_at: int
    rooms: tuple[str, ...]

    @property
    def locked_rooms(self) -> tuple[str, ...]:
        """Rooms with a lock."""
        return self.rooms[:MAX_LOCKS]


def make_plan(ics: bytes, name: str, begins_at: int | None) -> Plan:
    """The plan for a calendar file called `name`. Raises InputError when it cannot be read."""
    try:
        begins_at = begins_at or first_confirmed_start(ics) - BEFORE_FIRST_S
        content = read_calendar(ics, begins_at)
    except CalendarError as error:
        raise InputError(
            f"{name}: {error}", "correct the calendar, or choose another file"
        ) from None
    rooms = _rooms([booking.room for booking in content.bookings], content.name)
    for spare in SPARE_ROOMS:
        if len(rooms) < MIN_LOCKS and spare not in rooms:
            rooms.append(spare)
    return Plan(begins_at, tuple(rooms))


def _rooms(places: list[str], calendar: str) -> list[str]:
    """One room for each place that a calendar names, in order of first use.

    Exports put the building in front of the room; the building is the calendar's own name.
    """
    rooms: list[str] = []
    for place in places:
        name = _without_building(place or calendar or SPARE_ROOMS[0], calendar)
        if match_room(name, [Room(room_id="", name=room) for room in rooms]) is None:
            rooms.append(name)
    return rooms


def _without_building(place: str, building: str) -> str:
    room = place.removeprefix(building).strip()
    return room if room and " " not in room and "　" not in room else place


@dataclass(frozen=True)
class Cast:
    """Which booking plays which part; None: the demo must make one itself.

    Bookings are the staff view's rows: booking_id, room_id, starts_at, ends_at, status.
    """

    offline: dict[str, Any] | None
    relay: dict[str, Any] | None
    early: dict[str, Any] | None
    revoked: dict[str, Any] | None


def choose(bookings: list[dict[str, Any]], rooms: set[str], now: int) -> Cast:
    """Parts for the confirmed bookings in `rooms` (ids of rooms with a lock), in order of start."""
    usable = sorted(
        (b for b in bookings if b["status"] == "confirmed" and b["room_id"] in rooms),
        key=lambda b: (b["starts_at"], b["room_id"]),
    )
    current = [b for b in usable if b["starts_at"] - PAD_S <= now and now < b["ends_at"]]
    latest = now + RELEASED_BEFORE_S
    later = [b for b in usable if now + 2 * PAD_S < b["starts_at"] < latest]
    taken: set[str] = set()
    offline, relay, revoked = (_one_per_room(current, taken) for _ in range(3))
    return Cast(offline, relay, later[0] if later else None, revoked)


def _one_per_room(bookings: list[dict[str, Any]], taken: set[str]) -> dict[str, Any] | None:
    for booking in bookings:
        if booking["room_id"] not in taken:
            taken.add(booking["room_id"])
            return booking
    return None
