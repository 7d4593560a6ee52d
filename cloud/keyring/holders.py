"""Who holds the keys of a booking: each person with a link, a credential and a device of their own.

Decides that every booking has a leading holder, whoever booked unless a row says otherwise, and
that this one's keys go by the id '' for good: a booking from before there were rows keeps its key.
Changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.models import Booking, BookingHolder

LEAD = ""


@dataclass(frozen=True)
class Holder:
    """A person; `contact` is where a link may be sent."""

    holder_id: str
    name: str = field(repr=False)
    contact: str = field(repr=False)


def holders_of(session: Session, booking: Booking) -> list[Holder]:
    """The holders of a booking, the leading one first."""
    rows = _rows(session, booking.booking_id)
    lead = next((row for row in rows if row.is_lead), None)
    named = (lead.name, lead.contact) if lead else (booking.holder_name, booking.holder_contact)
    others = [Holder(row.holder_id, row.name, row.contact) for row in rows if row is not lead]
    return [Holder(LEAD, *named), *others]


def find_holder(session: Session, booking: Booking, holder_id: str) -> Holder | None:
    """The holder of this id, while the booking names them."""
    for holder in holders_of(session, booking):
        if holder.holder_id == holder_id:
            return holder
    return None


def _rows(session: Session, booking_id: str) -> list[BookingHolder]:
    query = select(BookingHolder).where(
        BookingHolder.booking_id == booking_id, BookingHolder.removed_at.is_(None)
    )
    return list(session.scalars(query.order_by(BookingHolder.holder_id)))
