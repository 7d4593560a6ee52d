"""What belongs to which facility: so that each member of staff sees their own houses, no others.

`facilities` is what a principal may see (Principal.facilities): None is the whole town. What
belongs to no room (a gateway, a lock that was taken down) belongs to the town as a whole.
"""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.models import Booking, Facility, Lock, Room
from cloud.people.principals import Principal
from cloud.problems import Problem

Facilities = frozenset[str] | None


def facilities_of(session: Session, shown: Facilities) -> list[Facility]:
    """The facilities to show, in the order of their names."""
    query = select(Facility).order_by(Facility.facility_id)
    if shown is not None:
        query = query.where(Facility.facility_id.in_(shown))
    return list(session.scalars(query))


def facility_of_booking(session: Session, booking: Booking) -> str | None:
    """Where a booking is; None when its room is gone."""
    room = session.get(Room, (booking.town, booking.room_id)) if booking.room_id else None
    return room.facility_id if room is not None else None


def facility_of_lock(session: Session, lock_id: str) -> str | None:
    """Where a lock hangs; None for a lock that hangs nowhere, or something that is no lock."""
    query = (
        select(Room.facility_id)
        .join(Lock, Lock.room_id == Room.room_id)
        .where(Lock.lock_id == lock_id)
    )
    return session.scalar(query)


def booking_for(session: Session, who: Principal, action: str, booking_id: str) -> Booking:
    """The booking, for somebody who may do `action` there. Raises Problem UNKNOWN_BOOKING."""
    booking = session.get(Booking, booking_id)
    if booking is None or not who.may(action, facility_of_booking(session, booking)):
        raise Problem("UNKNOWN_BOOKING")
    return booking


def name_of(facility: Facility, lang: str = "ja") -> str:
    """A facility's name; its id where nobody gave it one."""
    try:
        names = json.loads(facility.names)
    except ValueError:
        names = {}
    told = names.get(lang) or names.get("ja") if isinstance(names, dict) else None
    return str(told) if told else facility.facility_id
