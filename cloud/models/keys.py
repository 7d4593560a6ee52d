"""Tokens that were issued, links that residents hold, what was withdrawn."""

from __future__ import annotations

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow


class Credential(TownRow, Base):
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


class KeyLink(TownRow, Base):
    """The link that a resident holds; bound to the first device that claims it."""

    __tablename__ = "key_links"

    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ticket_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.booking_id"), index=True)
    device_key: Mapped[bytes | None]  # P-256, uncompressed
    created_at: Mapped[int]
    claimed_at: Mapped[int | None]
    replaced_at: Mapped[int | None]


class MinIssuedAt(TownRow, Base):
    """All that one key issued before a second, for one audience or ('') all, is withdrawn."""

    __tablename__ = "min_issued_at"

    kid: Mapped[bytes] = mapped_column(LargeBinary(4), primary_key=True)
    audience: Mapped[str] = mapped_column(String(9), primary_key=True)
    least: Mapped[int]
