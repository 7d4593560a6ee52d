"""Who shall have a key of a booking: the list as data, for the resident and the clerk.

Decides how many there may be. Links and credentials of each are made elsewhere; here are names and
contacts, and a removed holder stays as a row, so that a log that names them can be read.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.booking import states
from cloud.booking.places import rules_of
from cloud.bookings import RandomBytes
from cloud.keyring.outbox import ask_for_keys
from cloud.models import Booking, BookingHolder
from cloud.problems import Problem

DEFAULT_MOST = 10


def holders_of(session: Session, booking_id: str) -> list[BookingHolder]:
    """Those who are not removed, the first first."""
    query = (
        select(BookingHolder)
        .where(BookingHolder.booking_id == booking_id, BookingHolder.removed_at.is_(None))
        .order_by(BookingHolder.created_at, BookingHolder.holder_id)
    )
    return list(session.scalars(query))


def most_holders(session: Session, booking: Booking) -> int:
    """How many keys of this booking there may be, the booker's own included."""
    room = bookings.find_room(session, booking.room_id or "")
    rules = rules_of(session, room) if room is not None else None
    return rules.holders_max if rules is not None else DEFAULT_MOST


def add(
    session: Session,
    random_bytes: RandomBytes,
    booking: Booking,
    now: int,
    *,
    name: str,
    contact: str,
) -> BookingHolder:
    """One more. Raises Problem TOO_MANY_HOLDERS, BOOKING_ENDED."""
    if booking.status in states.ENDED or booking.ends_at <= now:
        raise Problem("BOOKING_ENDED")
    most = most_holders(session, booking)
    if len(holders_of(session, booking.booking_id)) + 1 >= most:
        raise Problem("TOO_MANY_HOLDERS", count=most)
    holder = BookingHolder(
        holder_id=bookings.new_id(random_bytes),
        booking_id=booking.booking_id,
        name=name,
        contact=contact,
        is_lead=False,
        created_at=now,
    )
    session.add(holder)
    booking.updated_at = now
    ask_for_keys(session, {booking.booking_id}, now)
    return holder


def remove(session: Session, booking: Booking, holder_id: str, now: int) -> BookingHolder:
    """No longer one. Raises Problem UNKNOWN_HOLDER."""
    holder = session.get(BookingHolder, holder_id)
    if holder is None or holder.booking_id != booking.booking_id or holder.removed_at is not None:
        raise Problem("UNKNOWN_HOLDER")
    holder.removed_at = now
    ask_for_keys(session, {booking.booking_id}, now)
    return holder


def as_dict(holder: BookingHolder) -> dict[str, Any]:
    """For JSON."""
    return {"holder_id": holder.holder_id, "name": holder.name, "contact": holder.contact}
