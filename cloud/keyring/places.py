"""Where a booking or a lock belongs, for rights that hold in one facility alone."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cloud.database import town_of
from cloud.models import Lock, Room


def facility_of_room(session: Session, room_id: str | None) -> str | None:
    """The facility of a room; None: of the town as a whole."""
    room = session.get(Room, (town_of(session), room_id)) if room_id is not None else None
    return room.facility_id if room is not None else None


def facility_of_lock(session: Session, lock: Lock) -> str | None:
    """The facility of the door at which a lock hangs."""
    return facility_of_room(session, lock.room_id)
