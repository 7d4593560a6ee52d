"""The tables of a town: rooms, locks, bookings, credentials, what came home, what must go out.

Decides names, types and the constraints that both databases can state; what only one of them can
(no double booking) is in the migration. Times are integer Unix seconds, UTC. No column holds a
proof key, a PIN or a link's secret: of a secret, only its SHA-256.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

CONFIRMED = "confirmed"
PENDING = "pending"  # holds its room, opens nothing
CANCELLED = "cancelled"
HOLDS_ROOM = (CONFIRMED, PENDING)

NO_OVERLAP = "bookings_no_overlap"


class Base(DeclarativeBase):
    """Every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, bytes: LargeBinary}


class Setting(Base):
    """Facts about this database itself, such as the town it belongs to."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Room(Base):
    """A room that the town lends."""

    __tablename__ = "rooms"

    room_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)


class Lock(Base):
    """An enrolled lock; `room_id` is null once another lock hangs at that door."""

    __tablename__ = "locks"

    lock_id: Mapped[str] = mapped_column(String(8), primary_key=True)
    room_id: Mapped[str | None] = mapped_column(ForeignKey("rooms.room_id"), unique=True)
    public_key: Mapped[bytes]  # X25519
    signing_key: Mapped[bytes | None]  # Ed25519; null: enrolled before locks had one
    journal_epoch: Mapped[int]
    enrolled_at: Mapped[int]


class Booking(Base):
    """One use of one room, [starts_at, ends_at). A cancelled one stays: it keeps old news out."""

    __tablename__ = "bookings"
    __table_args__ = (
        UniqueConstraint("uid", "recurrence_id"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("status IN ('confirmed', 'pending', 'cancelled')", name="known_status"),
        CheckConstraint("room_id IS NOT NULL OR status = 'cancelled'", name="has_room"),
        Index("ix_bookings_room_time", "room_id", "starts_at"),
    )

    booking_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    room_id: Mapped[str | None] = mapped_column(ForeignKey("rooms.room_id"))
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

    room: Mapped[Room | None] = relationship()


class CalendarSeries(Base):
    """The newest word about a UID as a whole, so that an older file changes nothing."""

    __tablename__ = "calendar_series"

    uid: Mapped[str] = mapped_column(String(255), primary_key=True)
    sequence: Mapped[int]
    dtstamp: Mapped[int]


class Credential(Base):
    """A signed token of one booking for one lock. A token without its proof key opens nothing."""

    __tablename__ = "credentials"

    cti: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), index=True)
    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), index=True)
    raw_token: Mapped[bytes]
    not_before: Mapped[int]
    expires_at: Mapped[int]
    issued_at: Mapped[int]
    revoked_at: Mapped[int | None]


class KeyLink(Base):
    """The link that a resident holds; bound to the first device that claims it."""

    __tablename__ = "key_links"

    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ticket_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), index=True)
    device_key: Mapped[bytes | None]  # P-256, uncompressed
    created_at: Mapped[int]
    claimed_at: Mapped[int | None]
    replaced_at: Mapped[int | None]


class StatusOutbox(Base):
    """The newest status list of each lock, sent until the lock is known to hold it."""

    __tablename__ = "status_outbox"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    version: Mapped[int]
    document: Mapped[bytes]  # the signed header
    entries: Mapped[bytes]
    acknowledged_version: Mapped[int]
    attempts: Mapped[int]
    next_attempt_at: Mapped[int]


class StatusHistory(Base):
    """Entries of the versions that a lock may hold, so that a delta can start from them."""

    __tablename__ = "status_history"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[bytes]


class MinIssuedAt(Base):
    """All that one key issued before a second, for one audience or ('') all, is withdrawn."""

    __tablename__ = "min_issued_at"

    kid: Mapped[bytes] = mapped_column(LargeBinary(4), primary_key=True)
    audience: Mapped[str] = mapped_column(String(9), primary_key=True)
    least: Mapped[int]


class LockSettings(Base):
    """A lock's configuration as the town last signed it; groups and figures are JSON."""

    __tablename__ = "lock_settings"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    version: Mapped[int]
    groups: Mapped[str] = mapped_column(Text)
    figures: Mapped[str] = mapped_column(Text)
    document: Mapped[bytes]


class DocumentOutbox(Base):
    """The newest document of each kind for each lock, sent until the lock is known to hold it.

    `what`: keyset, config or ack; `version` of an ack: the sequence number that it acknowledges.
    """

    __tablename__ = "document_outbox"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    what: Mapped[str] = mapped_column(String(10), primary_key=True)
    version: Mapped[int]
    document: Mapped[bytes]
    acknowledged_version: Mapped[int]
    attempts: Mapped[int]
    next_attempt_at: Mapped[int]


class AuditRecord(Base):
    """A record as the lock wrote it, and its decoded columns for asking."""

    __tablename__ = "audit_records"

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


class SeenHead(Base):
    """Where somebody saw a lock's journal stand. `source`: phone (hearsay) or signed."""

    __tablename__ = "seen_heads"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    journal_epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    source: Mapped[str] = mapped_column(String(8))
    seen_at: Mapped[int]


class Alarm(Base):
    """Something staff must look at. The same trouble again raises `times`, not rows."""

    __tablename__ = "alarms"
    __table_args__ = (UniqueConstraint("kind", "device", "detail"),)

    alarm_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(String(300))
    first_at: Mapped[int]
    last_at: Mapped[int]
    times: Mapped[int]


class GatewayRow(Base):
    """What a gateway, or its will, last said."""

    __tablename__ = "gateways"

    gateway_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    online: Mapped[bool]
    version: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[int]
    waiting_events: Mapped[int]
    heard_at: Mapped[int]


class LockReport(Base):
    """What a gateway last told of a lock. `gateway_id` is known once a record came home by it."""

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
    time_lo: Mapped[int | None]
    time_hi: Mapped[int | None]
    heard_at: Mapped[int]
