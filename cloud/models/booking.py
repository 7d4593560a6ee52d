"""Bookings, who holds their keys, and what calendars said of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.booking.states import (
    CANCELLED,
    CONFIRMED,
    FREE,
    HOLDS_ROOM,
    METHODS,
    PAYMENT_STATES,
    PENDING,
    SETTLED,
    STATUSES,
)
from cloud.models.base import Base, TownKeyedRow, TownRow
from cloud.models.rooms import Room

__all__ = [
    "CANCELLED",
    "CONFIRMED",
    "HOLDS_ROOM",
    "MAX_HELD_S",
    "NO_OVERLAP",
    "PENDING",
    "Booking",
    "BookingHolder",
    "CalendarSeries",
]

NO_OVERLAP = "bookings_no_overlap"
MAX_HELD_S = 33 * 86_400  # the longest imported use with its buffers; bounds the guard's search


def _listed(words: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"


def _own_start(context: Any) -> Any:
    return context.get_current_parameters()["starts_at"]


def _own_end(context: Any) -> Any:
    return context.get_current_parameters()["ends_at"]


class Booking(TownRow, Base):
    """One use of one room, [starts_at, ends_at). A cancelled one stays: it keeps old news out.

    The room is kept from others for [held_from, held_to), which includes setting up and cleaning.
    `version` rises with every change: a change that saw an older one fails (StaleDataError).
    `payment_state` is computed (cloud.booking.states), never set by hand. Amounts are yen.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        ForeignKeyConstraint(["town", "room_id"], ["rooms.town", "rooms.room_id"]),
        UniqueConstraint("town", "uid", "recurrence_id"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint(f"status IN {_listed(STATUSES)}", name="known_status"),
        CheckConstraint(
            f"room_id IS NOT NULL OR status NOT IN {_listed(HOLDS_ROOM)}", name="has_room"
        ),
        CheckConstraint("held_from <= starts_at AND held_to >= ends_at", name="held_span"),
        CheckConstraint(
            f"status NOT IN {_listed(HOLDS_ROOM)} OR held_to - held_from <= {MAX_HELD_S}",
            name="held_not_for_ever",
        ),
        CheckConstraint("status <> 'held' OR hold_until IS NOT NULL", name="hold_ends"),
        CheckConstraint(f"payment_state IN {_listed(PAYMENT_STATES)}", name="known_payment"),
        CheckConstraint(f"payment_method IN {_listed(METHODS)}", name="known_method"),
        CheckConstraint(
            "fee_yen >= 0 AND refund_due_yen >= 0 AND refunded_yen >= 0 "
            "AND refund_due_yen + refunded_yen <= paid_yen",
            name="money",
        ),
        Index("ix_bookings_room_time", "town", "room_id", "starts_at"),
        Index("ix_bookings_held", "town", "room_id", "held_from"),
        Index("ix_bookings_starts_at", "town", "starts_at"),
        Index("ix_bookings_account_id", "town", "account_id"),
        Index("ix_bookings_group_id", "town", "group_id"),
    )

    booking_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    room_id: Mapped[str | None] = mapped_column(String(32))
    holder_name: Mapped[str] = mapped_column(String(200))
    holder_contact: Mapped[str] = mapped_column(String(200))
    starts_at: Mapped[int]
    ends_at: Mapped[int]
    status: Mapped[str] = mapped_column(String(10))
    uid: Mapped[str] = mapped_column(String(255))
    recurrence_id: Mapped[str] = mapped_column(String(16))  # UTC; '' outside a series
    sequence: Mapped[int]
    dtstamp: Mapped[int]
    created_at: Mapped[int]
    updated_at: Mapped[int]

    held_from: Mapped[int] = mapped_column(default=_own_start)
    held_to: Mapped[int] = mapped_column(default=_own_end)
    hold_until: Mapped[int | None]
    version: Mapped[int] = mapped_column()

    account_id: Mapped[str | None] = mapped_column(String(24))  # whose it is; null: nobody's
    group_id: Mapped[str | None] = mapped_column(String(24))
    channel: Mapped[str] = mapped_column(String(10), default="machine")
    booked_by: Mapped[str] = mapped_column(String(80), default="")  # account:..., staff:...
    booker_name: Mapped[str] = mapped_column(String(200), default="")
    purpose: Mapped[str] = mapped_column(String(300), default="")
    people: Mapped[int | None]
    category: Mapped[str] = mapped_column(String(12), default="resident")

    fee_yen: Mapped[int] = mapped_column(default=0)
    full_fee_yen: Mapped[int] = mapped_column(default=0)
    reduction_percent: Mapped[int] = mapped_column(default=0)
    paid_yen: Mapped[int] = mapped_column(default=0)
    refund_due_yen: Mapped[int] = mapped_column(default=0)
    refunded_yen: Mapped[int] = mapped_column(default=0)
    payment_method: Mapped[str] = mapped_column(String(10), default=FREE)
    payment_state: Mapped[str] = mapped_column(String(12), default=SETTLED)
    pay_later: Mapped[bool] = mapped_column(default=False)

    reasons: Mapped[str] = mapped_column(String(300), default="")  # why a clerk decides
    decided_by: Mapped[str] = mapped_column(String(80), default="")
    decided_at: Mapped[int | None]
    decision_note: Mapped[str] = mapped_column(String(300), default="")

    room: Mapped[Room | None] = relationship(viewonly=True)

    __mapper_args__ = {"version_id_col": version}


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


class CalendarSeries(TownKeyedRow, Base):
    """The newest word about a UID as a whole, so that an older file changes nothing."""

    __tablename__ = "calendar_series"

    uid: Mapped[str] = mapped_column(String(255), primary_key=True)
    sequence: Mapped[int]
    dtstamp: Mapped[int]
