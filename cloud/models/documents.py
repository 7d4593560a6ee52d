"""What must go out to locks: status lists, configurations, keysets, acknowledgements."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow


class StatusOutbox(TownRow, Base):
    """The newest status list of each lock, sent until the lock is known to hold it."""

    __tablename__ = "status_outbox"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    version: Mapped[int]
    document: Mapped[bytes]  # the signed header
    entries: Mapped[bytes]
    acknowledged_version: Mapped[int]
    attempts: Mapped[int]
    next_attempt_at: Mapped[int]


class StatusHistory(TownRow, Base):
    """Entries of the versions that a lock may hold, so that a delta can start from them."""

    __tablename__ = "status_history"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[bytes]


class LockSettings(TownRow, Base):
    """A lock's configuration as the town last signed it; groups and figures are JSON."""

    __tablename__ = "lock_settings"

    lock_id: Mapped[str] = mapped_column(ForeignKey("locks.lock_id"), primary_key=True)
    version: Mapped[int]
    groups: Mapped[str] = mapped_column(Text)
    figures: Mapped[str] = mapped_column(Text)
    document: Mapped[bytes]


class DocumentOutbox(TownRow, Base):
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
