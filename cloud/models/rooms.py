"""Rooms, and the locks that hang at them."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownKeyedRow, TownRow
from cloud.models.facilities import MAIN


class Room(TownKeyedRow, Base):
    """A room that the town lends. `names` and `find` are JSON {language: words}."""

    __tablename__ = "rooms"
    __table_args__ = (
        UniqueConstraint("town", "name"),
        ForeignKeyConstraint(
            ["town", "facility_id"], ["facilities.town", "facilities.facility_id"]
        ),
    )

    room_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    facility_id: Mapped[str] = mapped_column(String(32), default=MAIN)
    names: Mapped[str] = mapped_column(Text, default="{}")
    find: Mapped[str] = mapped_column(Text, default="{}")
    capacity: Mapped[int | None]  # null: nobody counted
    active: Mapped[bool] = mapped_column(default=True)


class Lock(TownRow, Base):
    """An enrolled lock; `room_id` is null once another lock hangs at that door."""

    __tablename__ = "locks"
    __table_args__ = (
        ForeignKeyConstraint(["town", "room_id"], ["rooms.town", "rooms.room_id"]),
        UniqueConstraint("town", "room_id"),
    )

    lock_id: Mapped[str] = mapped_column(String(8), primary_key=True)
    room_id: Mapped[str | None] = mapped_column(String(32))
    public_key: Mapped[bytes]  # X25519
    signing_key: Mapped[bytes | None]  # Ed25519; null: enrolled before locks had one
    journal_epoch: Mapped[int]
    enrolled_at: Mapped[int]
