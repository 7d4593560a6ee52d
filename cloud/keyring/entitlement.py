"""Which bookings have keys: `keyed` decides it; here it is a condition on rows as well."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_

from cloud.booking.states import CAN_BE_LATER, CONFIRMED, PAID_ENOUGH, keyed
from cloud.models import Booking

__all__ = ["keyed", "keyed_rows"]


def keyed_rows() -> ColumnElement[bool]:
    """What `keyed` says, for the database to ask; a test holds the two against each other."""
    later = and_(Booking.pay_later, Booking.payment_state.in_(CAN_BE_LATER))
    return and_(Booking.status == CONFIRMED, or_(Booking.payment_state.in_(PAID_ENOUGH), later))
