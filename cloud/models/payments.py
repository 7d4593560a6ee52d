"""Money: what was asked of a payment service, what it said, and a line for every yen that moved.

Never a card, an account number or anything else that a payment service knows of a person.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownKeyedRow, TownRow


class PaymentOrder(TownRow, Base):
    """One way to a checkout. `state`: open, paid, failed."""

    __tablename__ = "payment_orders"
    __table_args__ = (
        ForeignKeyConstraint(["booking_id"], ["bookings.booking_id"]),
        CheckConstraint("yen > 0", name="some_yen"),
        Index("ix_payment_orders_booking_id", "booking_id"),
    )

    reference: Mapped[str] = mapped_column(String(24), primary_key=True)
    booking_id: Mapped[str] = mapped_column(String(24))
    yen: Mapped[int]
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[int]
    expires_at: Mapped[int]


class PaymentEvent(TownKeyedRow, Base):
    """A message of the payment service that was taken: the same id again changes nothing."""

    __tablename__ = "payment_events"

    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    reference: Mapped[str] = mapped_column(String(24))
    received_at: Mapped[int]


class PaymentEntry(TownRow, Base):
    """Yen that came in (`paid`) or went back (`refunded`); rows are only added."""

    __tablename__ = "payment_entries"
    __table_args__ = (
        ForeignKeyConstraint(["booking_id"], ["bookings.booking_id"]),
        CheckConstraint("yen > 0", name="some_yen"),
        CheckConstraint("kind IN ('paid', 'refunded')", name="known_kind"),
        Index("ix_payment_entries_booking_id", "booking_id"),
    )

    entry_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    booking_id: Mapped[str] = mapped_column(String(24))
    kind: Mapped[str] = mapped_column(String(8))
    yen: Mapped[int]
    method: Mapped[str] = mapped_column(String(10))
    taken_by: Mapped[str] = mapped_column(String(80))
    taken_at: Mapped[int]
    note: Mapped[str] = mapped_column(String(200))
