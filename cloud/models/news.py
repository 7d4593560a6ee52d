"""What came home: records, sightings of journals, alarms."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow


class AuditRecord(TownRow, Base):
    """A record as the lock wrote it, and its decoded columns for asking."""

    __tablename__ = "audit_records"
    __table_args__ = (Index("ix_audit_records_received", "town", "received_at"),)

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    journal_epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    raw: Mapped[bytes]
    time_lo: Mapped[int | None]
    time_hi: Mapped[int | None]
    event: Mapped[int]
    code: Mapped[int]
    source: Mapped[int]
    subject: Mapped[bytes | None] = mapped_column(LargeBinary(8), index=True)
    value: Mapped[int | None]
    received_at: Mapped[int]


class SeenHead(TownRow, Base):
    """Where somebody saw a lock's journal stand. `source`: phone (hearsay) or signed."""

    __tablename__ = "seen_heads"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    journal_epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    source: Mapped[str] = mapped_column(String(8))
    seen_at: Mapped[int]


class Alarm(TownRow, Base):
    """Something staff must look at. The same trouble again raises `times`, not rows."""

    __tablename__ = "alarms"
    __table_args__ = (UniqueConstraint("town", "kind", "device", "detail"),)

    alarm_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(String(300))
    first_at: Mapped[int]
    last_at: Mapped[int]
    times: Mapped[int]
