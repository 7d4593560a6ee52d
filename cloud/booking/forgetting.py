"""What bookings do when a resident's account is deleted: forget the name, keep the use.

Decides that an account with bookings to come, or with money that is not settled, is not deleted
yet: somebody has to give them back or pay first.
"""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cloud.booking import states
from cloud.models import Booking, BookingHolder, GroupMember
from cloud.problems import Problem

_OPEN_MONEY = (states.COUNTER, states.INVOICE, states.UNPAID, states.REFUND_DUE)


def forget(session: Session, account_id: str, now: int) -> None:
    """A hook of cloud.people.forgetting. Raises Problem BOOKINGS_OPEN."""
    mine = select(Booking.booking_id).where(Booking.account_id == account_id)
    coming = (Booking.status.in_((states.PENDING, states.CONFIRMED))) & (Booking.ends_at > now)
    owing = Booking.payment_state.in_(_OPEN_MONEY) & (Booking.status != states.HELD)
    if session.scalar(mine.where(coming | owing).limit(1)) is not None:
        raise Problem("BOOKINGS_OPEN")
    session.execute(
        update(BookingHolder)
        .where(BookingHolder.booking_id.in_(mine))
        .values(name="", contact="", removed_at=now)
    )
    session.execute(
        update(Booking)
        .where(Booking.account_id == account_id)
        .values(
            account_id=None,
            holder_name="",
            holder_contact="",
            booker_name="",
            booked_by="",
            purpose="",
            version=Booking.version + 1,
        )
    )
    session.execute(delete(GroupMember).where(GroupMember.account_id == account_id))
