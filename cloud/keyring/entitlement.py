"""Which bookings have keys: the one place that keys ask. Decides nothing beyond that."""

from __future__ import annotations

from sqlalchemy import ColumnElement

from cloud.models import CONFIRMED, Booking


def keyed(booking: Booking) -> bool:
    """Whether the holders of this booking shall have keys while it is not over."""
    return booking.status == CONFIRMED


def keyed_rows() -> ColumnElement[bool]:
    """The same as a condition on the table."""
    return Booking.status == CONFIRMED
