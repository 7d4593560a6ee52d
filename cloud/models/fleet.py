"""What gateways and locks last said of themselves."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownKeyedRow, TownRow


class GatewayRow(TownKeyedRow, Base):
    """What a gateway, or its will, last said."""

    __tablename__ = "gateways"

    gateway_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    online: Mapped[bool]
    version: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[int]
    waiting_events: Mapped[int]
    heard_at: Mapped[int]


class LockReport(TownRow, Base):
    """What a gateway last told of a lock. `gateway_id`: the last one that reached it."""

    __tablename__ = "lock_reports"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    gateway_id: Mapped[str | None] = mapped_column(String(32))
    reachable: Mapped[bool]
    seen_at: Mapped[int]
    bolt: Mapped[str] = mapped_column(String(10))
    door: Mapped[str] = mapped_column(String(10))
    status_version: Mapped[int]
    keyset_version: Mapped[int]
    config_version: Mapped[int]
    head_seq: Mapped[int]
    acked_seq: Mapped[int]
    keypad: Mapped[str] = mapped_column(String(10))
    held_open: Mapped[bool]
    lost_records: Mapped[int]
    battery: Mapped[int | None]  # per cent; None: it does not say
    firmware: Mapped[str] = mapped_column(String(20))  # "": it does not say
    time_lo: Mapped[int | None]
    time_hi: Mapped[int | None]
    heard_at: Mapped[int]


class LockReach(TownRow, Base):
    """Which gateways have reached a lock, and when: `lost_at` once one of them no longer does."""

    __tablename__ = "lock_reach"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    gateway_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    reached_at: Mapped[int]
    lost_at: Mapped[int | None]
