"""What the machine asks of lasting storage: the outbox, the inbox, the audit positions.

Decides the promises, not the means (gateway/store.py keeps them with SQLite). Invariant: a method
that changes something has made it durable when it returns, whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

What = Literal["status", "keyset", "config", "ack"]


class StorageError(Exception):
    """Nothing was stored: the disk is full, gone or broken."""


@dataclass(frozen=True)
class StoredEvent:
    """One row of the outbox. `number` grows with each event put in."""

    number: int
    id: str
    channel: str
    device: str
    payload: bytes


@dataclass(frozen=True)
class Handled:
    """A durable command seen before: its answer (a payload), or None while work is on."""

    lock: str
    answer: bytes | None


@dataclass(frozen=True)
class Errand:
    """A durable command without an answer yet: to bring this kind of document to the lock."""

    id: str
    lock: str
    what: What
    version: int


@dataclass(frozen=True)
class Pending:
    """A document still to be carried. A status list comes with its entries, and maybe a delta."""

    version: int
    document: bytes
    entries: bytes = b""
    base_version: int | None = None
    additions: bytes | None = None


class Store(Protocol):
    """Raises StorageError from any method."""

    def put_event(self, event: StoredEvent, lock: str, journal_epoch: int, next_seq: int) -> None:
        """Adds an event (its number is given here) and moves the lock's audit position with it.

        The same id again replaces nothing; the position moves all the same.
        """

    def events_after(self, number: int, limit: int) -> list[StoredEvent]:
        """The oldest events with greater numbers."""

    def newest_event(self) -> StoredEvent | None:
        """The event put in last."""

    def has_room(self) -> bool:
        """Whether the outbox may grow; when not, records are left in their locks. Never raises."""

    def forget_events(self, ids: list[str]) -> None:
        """Their receiver has committed them. Unknown ids are no error."""

    def waiting_events(self) -> int:
        """How many events the outbox holds."""

    def next_seq(self, lock: str, journal_epoch: int) -> int | None:
        """The first record not yet put in the outbox; None for a journal never seen."""

    def handled(self, command_id: str) -> Handled | None:
        """What is known of a durable command."""

    def accept(self, errand: Errand, pending: Pending, expires_at: int) -> None:
        """Remembers the command, and the document if none newer of its kind waits for the lock."""

    def pending(self, lock: str, what: What) -> Pending | None:
        """The document of this kind still to be carried to a lock."""

    def has_pending(self, lock: str) -> bool:
        """Whether any document waits for a lock."""

    def errands(self, lock: str, what: What) -> list[Errand]:
        """Durable commands of a kind for a lock that have no answer yet."""

    def answer(self, lock: str, what: What, answers: dict[str, bytes], carried: int | None) -> None:
        """Keeps answers by command id. Forgets the lock's pending document of this kind when its
        version is at most `carried`, or when no command waits for it any more."""

    def expired(self, wall: float) -> list[Errand]:
        """Errands whose command has expired."""

    def sweep(self, wall: float) -> None:
        """Forgets answered commands that have expired: their repetition has no effect anyway."""
