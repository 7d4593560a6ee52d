"""Bookings, and what calendars said of them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.models.base import Base, TownKeyedRow, TownRow
from cloud.models.rooms import Room

CONFIRMED = "confirmed"
PENDING = "pending"  # holds its room, opens nothing
CANCELLED = "cancelled"
HOLDS_ROOM = (CONFIRMED, PENDING)

NO_OVERLAP = "bookings_no_overlap"


class Booking(TownRow, Base):
    """One use of one room, [starts_at, ends_at). A cancelled one stays: it keeps old news out."""

    __tablename__ = "bookings"
    __table_args__ = (
        ForeignKeyConstraint(["town", "room_id"], ["rooms.town", "rooms.room_id"]),
        UniqueConstraint("town", "uid", "recurrence_id"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("status IN ('confirmed', 'pending', 'cancelled')", name="known_status"),
        CheckConstraint("room_id IS NOT NULL OR status = 'cancelled'", name="has_room"),
        Index("ix_bookings_room_time", "town", "room_id", "starts_at"),
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

    room: Mapped[Room | None] = relationship(viewonly=True)


class CalendarSeries(TownKeyedRow, Base):
    """The newest word about a UID as a whole, so that an older file changes nothing."""

    __tablename__ = "calendar_series"

    uid: Mapped[str] = mapped_column(String(255), primary_key=True)
    sequence: Mapped[int]
    dtstamp: Mapped[int]
