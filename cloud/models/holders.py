"""Who holds keys of a booking."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow


class BookingHolder(TownRow, Base):
    """Somebody who shall have a key of a booking: names for the clerk, no key and no account."""

    __tablename__ = "booking_holders"
    __table_args__ = (
        ForeignKeyConstraint(["booking_id"], ["bookings.booking_id"]),
        Index("ix_booking_holders_booking_id", "booking_id"),
    )

    holder_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    booking_id: Mapped[str] = mapped_column(String(24))
    name: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(String(200))
    is_lead: Mapped[bool]
    created_at: Mapped[int]
    removed_at: Mapped[int | None]
