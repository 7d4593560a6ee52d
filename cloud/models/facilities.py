"""Facilities: houses with rooms, how they lend them, and when they are closed."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, String, Text, true
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownKeyedRow

MAIN = "main"  # rooms that nobody put into a facility belong to this one


class Facility(TownKeyedRow, Base):
    """A house. `names` and `find` are JSON {language: words}; `policy` is cloud.booking.policy."""

    __tablename__ = "facilities"

    facility_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    names: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(String(300))
    find: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(String(40))
    assurance: Mapped[str] = mapped_column(String(8))  # cloud.people.levels
    active: Mapped[bool] = mapped_column(server_default=true())
    policy: Mapped[str | None] = mapped_column(Text)  # null: rooms are lent without rules
    policy_version: Mapped[int]
    created_at: Mapped[int]
    updated_at: Mapped[int]


class ClosedDay(TownKeyedRow, Base):
    """A day on which a facility, or (`room_id` not '') one room of it, is not lent."""

    __tablename__ = "closed_days"
    __table_args__ = (
        ForeignKeyConstraint(
            ["town", "facility_id"], ["facilities.town", "facilities.facility_id"]
        ),
    )

    facility_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    room_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # 2026-12-29
    reason: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[int]
