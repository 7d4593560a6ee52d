"""Where a booking or a lock belongs: for rights within a facility, and for those who come."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.orm import Session

from cloud.bookings import find_room
from cloud.database import town_of
from cloud.models import Booking, Facility, Lock


def facility_of_room(session: Session, room_id: str | None) -> str | None:
    """The facility of a room; None: of the town as a whole."""
    room = find_room(session, room_id) if room_id is not None else None
    return room.facility_id if room is not None else None


def facility_of_lock(session: Session, lock: Lock) -> str | None:
    """The facility of the door at which a lock hangs."""
    return facility_of_room(session, lock.room_id)


def visit_line(session: Session, booking: Booking) -> dict[str, Any]:
    """What the key page shows of a booking: the place, the way there, the time; nobody's name.

    `room`, `facility`, `how_to_find`: words in the town's first language; `rooms`, `facilities`,
    `ways`: {language: words}.
    """
    room = find_room(session, booking.room_id) if booking.room_id is not None else None
    house = session.get(Facility, (town_of(session), room.facility_id)) if room else None
    rooms = json.loads(room.names) if room else {}
    houses = json.loads(house.names) if house else {}
    ways = _ways(json.loads(house.find) if house else {}, json.loads(room.find) if room else {})
    return {
        "booking_id": booking.booking_id,
        "room_id": booking.room_id,
        "room": room.name if room else "",
        "facility": houses.get("ja", ""),
        "how_to_find": ways.get("ja", ""),
        "rooms": rooms,
        "facilities": houses,
        "ways": ways,
        "address": house.address if house else "",
        "phone": house.phone if house else "",
        "starts_at": booking.starts_at,
        "ends_at": booking.ends_at,
    }


def _ways(to_house: dict[str, str], to_room: dict[str, str]) -> dict[str, str]:
    """The way to the house and then to the room, in each language that has either."""
    langs = sorted({*to_house, *to_room})
    return {
        lang: "\n".join(filter(None, (to_house.get(lang), to_room.get(lang)))) for lang in langs
    }
