"""Which bookings have keys: the one place that keys ask. Decides nothing beyond that."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_

from cloud.booking import states
from cloud.models import Booking


def keyed(booking: Booking) -> bool:
    """Whether the holders of this booking shall have keys while it is not over."""
    return states.keyed(booking)


def keyed_rows() -> ColumnElement[bool]:
    """The same as a condition on the table."""
    return and_(
        Booking.status == states.CONFIRMED,
        or_(
            Booking.payment_state.in_(states.PAID_ENOUGH),
            and_(Booking.pay_later, Booking.payment_state.in_(states.CAN_BE_LATER)),
        ),
    )
