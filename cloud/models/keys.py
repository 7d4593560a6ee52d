"""Keys that were asked for, issued, delivered and withdrawn; links that residents hold."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow

_LIVE = text("revoked_at IS NULL")
_OPEN_WORK = text("done < wanted")


class KeyWork(TownRow, Base):
    """The outbox: a booking whose keys shall be brought in step. Due while `done` < `wanted`."""

    __tablename__ = "key_work"
    __table_args__ = (
        Index(
            "ix_key_work_due",
            "town",
            "next_attempt_at",
            sqlite_where=_OPEN_WORK,
            postgresql_where=_OPEN_WORK,
        ),
    )

    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), primary_key=True)
    wanted: Mapped[int]
    done: Mapped[int]
    attempts: Mapped[int]
    next_attempt_at: Mapped[int]


class Credential(TownRow, Base):
    """A signed token of one holder for one lock. A token without its proof key opens nothing.

    `listed_version`: the first status list of the lock that withdraws it.
    """

    __tablename__ = "credentials"
    __table_args__ = (
        Index(
            "uq_credentials_live",
            "town",
            "booking_id",
            "holder_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index("ix_credentials_begins", "town", "not_before"),
    )

    cti: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), index=True)
    holder_id: Mapped[str] = mapped_column(String(24), default="")
    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), index=True)
    raw_token: Mapped[bytes]
    not_before: Mapped[int]
    expires_at: Mapped[int]
    issued_at: Mapped[int]
    revoked_at: Mapped[int | None]
    listed_version: Mapped[int | None]


class TokenAhead(TownRow, Base):
    """A token on its way to its lock ahead of its use; `taken_at`: the lock has it."""

    __tablename__ = "tokens_ahead"

    cti: Mapped[bytes] = mapped_column(ForeignKey("credentials.cti"), primary_key=True)
    attempts: Mapped[int]
    next_attempt_at: Mapped[int]
    taken_at: Mapped[int | None]


class KeyLink(TownRow, Base):
    """The link that a holder holds; bound to the first device that claims it.

    `ticket_sha256` is known once it is claimed; `closes_at`: unclaimed, it lives until then;
    `ended_as`: why it is dead (cloud/keylinks.py).
    """

    __tablename__ = "key_links"

    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ticket_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), index=True)
    holder_id: Mapped[str] = mapped_column(String(24), default="")
    device_key: Mapped[bytes | None]  # P-256, uncompressed
    created_at: Mapped[int]
    claimed_at: Mapped[int | None]
    closes_at: Mapped[int | None]
    replaced_at: Mapped[int | None]
    ended_as: Mapped[str | None] = mapped_column(String(12))


class KeyDelivery(TownRow, Base):
    """The letters to a holder; `turn` tells a later wish from an earlier one.

    `told`: how the booking stood in the last letter that went; `telling`: in one that may have
    gone (cloud/keyring/delivery.py).
    """

    __tablename__ = "key_deliveries"

    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), primary_key=True)
    holder_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    turn: Mapped[int]
    why: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int]
    asked_at: Mapped[int]
    next_attempt_at: Mapped[int]
    sent_at: Mapped[int | None]
    link_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    told: Mapped[str | None] = mapped_column(String(80))
    telling: Mapped[str | None] = mapped_column(String(80))


class IssuedPin(TownRow, Base):
    """A number that was told for a keypad, by what it says; its digits are nowhere."""

    __tablename__ = "issued_pins"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    starts_at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quarters: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    serial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ends_at: Mapped[int]
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), index=True)
    holder_id: Mapped[str] = mapped_column(String(24))
    name: Mapped[bytes] = mapped_column(LargeBinary(8), index=True)
    vault_epoch: Mapped[int]
    issued_at: Mapped[int]
    revoked_at: Mapped[int | None]
    listed_version: Mapped[int | None]


class StaffKey(TownRow, Base):
    """A token by which a member of staff opens one door, and why."""

    __tablename__ = "staff_keys"

    cti: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    staff_id: Mapped[str] = mapped_column(String(40), index=True)
    staff_name: Mapped[str] = mapped_column(String(200))
    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), index=True)
    booking_id: Mapped[str | None] = mapped_column(ForeignKey("bookings.booking_id"))
    reason: Mapped[str] = mapped_column(String(300))
    raw_token: Mapped[bytes]
    ticket_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    not_before: Mapped[int]
    expires_at: Mapped[int]
    issued_at: Mapped[int]
    revoked_at: Mapped[int | None]
    listed_version: Mapped[int | None]


class MinIssuedAt(TownRow, Base):
    """All that one key issued before a second, for one audience or ('') all, is withdrawn."""

    __tablename__ = "min_issued_at"

    kid: Mapped[bytes] = mapped_column(LargeBinary(4), primary_key=True)
    audience: Mapped[str] = mapped_column(String(9), primary_key=True)
    least: Mapped[int]
