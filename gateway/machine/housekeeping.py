"""One housekeeping visit to one lock: its state, a status list to it, its audit records from it.

Decides what is asked in which order: state first, then the pending status list (a revocation should
not wait for paper), then records until there are none left. Does not connect, publish or keep time.
Invariant: a record counts as fetched only when the outbox holds it; a visit cut short anywhere is
repeated without loss.

`start` and `receive` return steps:

    Say(message)                   to the lock
    Learnt(state)                  the lock's state, under its MAC
    Fetched()                      the outbox has one event more
    Carried(version)               the lock holds this version of the status list now
    NotCarried(error)              the lock (or its size) refuses the pending document
    Finished()                     the visit is over; nothing is left
    Failed(why, authentic)         it is over; authentic when the lock itself said so
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.machine import lockstate
from gateway.machine.ports import Store, StoredEvent
from kannuki import messages
from kannuki.messages import AuditEvent, LockState
from protocol import audit, frames, holder, reasons, session
from protocol.audit import AuditError
from protocol.crypto import sha256
from protocol.holder import Credential, HolderSession

_REQUEST_OVERHEAD_BYTES = 64


@dataclass(frozen=True)
class Say:
    """A message for the lock."""

    message: bytes


@dataclass(frozen=True)
class Learnt:
    """The lock's state."""

    state: LockState


@dataclass(frozen=True)
class Fetched:
    """The outbox holds one more event."""


@dataclass(frozen=True)
class Carried:
    """The lock holds this version, or a later one."""

    version: int


@dataclass(frozen=True)
class NotCarried:
    """The pending document cannot be given to this lock."""

    error: str


@dataclass(frozen=True)
class Finished:
    """All done."""


@dataclass(frozen=True)
class Failed:
    """Not done."""

    why: str
    authentic: bool = False


Step = Say | Learnt | Fetched | Carried | NotCarried | Finished | Failed


class _Broken(Exception):
    """The lock says something that no lock of ours should say."""


class Visit:
    """One connection's worth of housekeeping. Methods may raise ports.StorageError."""

    def __init__(
        self,
        lock: str,
        credential: Credential,
        store: Store,
        random_bytes: Callable[[int], bytes],
        gateway_id: str,
        max_records: int,
    ) -> None:
        self._lock = lock
        self._store = store
        self._gateway_id = gateway_id
        self._max_records = max_records
        self._session = HolderSession(credential, session.COMMAND_SYNC, random_bytes)
        self._asked = 0
        self._reported: lockstate.Reported | None = None
        self._status_version = 0
        self._next_seq = 0

    def start(self) -> list[Step]:
        """The greeting."""
        return self._said(self._session.start())

    def receive(self, message: bytes, wall: float) -> list[Step]:
        """Steps after one whole message from the lock."""
        steps: list[Step] = []
        for name, *values in self._session.receive(message):
            try:
                steps += self._on_event(name, values, wall)
            except _Broken as error:
                steps.append(Failed(str(error)))
        return steps

    def _on_event(self, name: str, values: list[Any], wall: float) -> list[Step]:
        if name == holder.SEND:
            return [Say(values[0])]
        if name == holder.OUTCOME:
            return self._on_outcome(values[0])
        if name == holder.REPLY:
            return self._on_reply(values[0], values[1], wall)
        if name == holder.ADVISORY:
            return [Failed(f"refused ({reasons.name(values[0])})")]
        if name == holder.WRONG_ROOM:
            return [Failed("another lock answered under this name")]
        return [Failed(str(values[0]))]

    def _on_outcome(self, outcome: session.Outcome) -> list[Step]:
        if outcome.reason != session.OK:
            reason = reasons.name(outcome.reason)
            return [Failed(f"the lock refuses our token: {reason}", authentic=True)]
        return self._ask(session.REQUEST_STATE, None)

    def _on_reply(self, reason: int, value: Any, wall: float) -> list[Step]:
        if self._asked == session.REQUEST_STATUS_LIST:
            return self._on_status_held(reason, value, wall)
        if reason != session.OK:
            name = reasons.name(reason)
            return [Failed(f"request {self._asked} refused: {name}", authentic=True)]
        if self._asked == session.REQUEST_STATE:
            return self._on_state(value, wall)
        return self._on_records(value)

    def _on_state(self, value: Any, wall: float) -> list[Step]:
        try:
            self._reported = lockstate.read(value)
        except lockstate.StateError as error:
            raise _Broken(str(error)) from error
        self._status_version = self._reported.status_version
        self._next_seq = self._first_wanted(self._reported)
        return [self._learnt(wall), *self._offer_status()]

    def _first_wanted(self, reported: lockstate.Reported) -> int:
        """Where to read on. A head that fell back means another journal: read it all again."""
        stored = self._store.next_seq(self._lock, reported.journal_epoch)
        if stored is None or reported.head_seq < stored - 1:
            return reported.oldest_seq
        return max(stored, reported.oldest_seq)

    def _learnt(self, wall: float) -> Learnt:
        assert self._reported is not None
        return Learnt(self._reported.published(max(0, int(wall)), self._status_version))

    # --- the status list ---

    def _offer_status(self) -> list[Step]:
        pending = self._store.pending_status(self._lock)
        held: list[Step] = [Carried(self._status_version)]
        if pending is None or pending[0] <= self._status_version:
            return held + self._ask_records()
        if len(pending[1]) + _REQUEST_OVERHEAD_BYTES > frames.MAX_MESSAGE_BYTES:
            return [*held, NotCarried("TOO_LARGE"), *self._ask_records()]
        return held + self._ask(session.REQUEST_STATUS_LIST, pending[1])

    def _on_status_held(self, reason: int, value: Any, wall: float) -> list[Step]:
        if reason != session.OK:
            return [NotCarried(_error_text(reason)), *self._ask_records()]
        if not _is_number(value):
            raise _Broken("a status version that is no number")
        self._status_version = value
        return [self._learnt(wall), Carried(value), *self._ask_records()]

    # --- audit records ---

    def _ask_records(self) -> list[Step]:
        return self._ask(session.REQUEST_AUDIT, [self._next_seq, self._max_records])

    def _on_records(self, value: Any) -> list[Step]:
        raw_batch, seal = _sealed(value)
        batch = self._batch(raw_batch)
        if not batch.records:
            return [Finished()]
        first, last = self._span(batch.records)
        event = AuditEvent(
            id=_event_id(batch, first, last, raw_batch, seal),
            lock=self._lock,
            batch=raw_batch,
            seal=seal,
        )
        stored = StoredEvent(0, event.id, "event", self._gateway_id, messages.encode(event))
        self._store.put_event(stored, self._lock, batch.journal_epoch, last + 1)
        self._next_seq = last + 1
        return [Fetched(), *self._ask_records()]

    def _batch(self, raw_batch: bytes) -> audit.Batch:
        assert self._reported is not None
        try:
            batch = audit.decode_batch(raw_batch)
        except AuditError as error:
            raise _Broken(f"a batch that cannot be read: {error}") from error
        if (batch.lock_id, batch.journal_epoch) != (self._lock, self._reported.journal_epoch):
            raise _Broken("a batch of another journal")
        return batch

    def _span(self, records: list[bytes]) -> tuple[int, int]:
        """First and last seq. The chain is the cloud's to check; progress is ours."""
        try:
            seqs = [audit.decode_record(raw).seq for raw in records]
        except AuditError as error:
            raise _Broken(f"a record that cannot be read: {error}") from error
        rising = all(a + 1 == b for a, b in itertools.pairwise(seqs))
        if not rising or seqs[0] < self._next_seq or seqs[-1] >= lockstate.LARGEST:
            raise _Broken("records that do not go on where we asked")
        return seqs[0], seqs[-1]

    # --- the session ---

    def _ask(self, operation: int, argument: Any) -> list[Step]:
        self._asked = operation
        return self._said(self._session.request(operation, argument))

    def _said(self, events: list[tuple[Any, ...]]) -> list[Step]:
        return [Say(event[1]) for event in events]


def _sealed(value: Any) -> tuple[bytes, bytes]:
    is_pair = isinstance(value, list) and len(value) == 2
    if not is_pair or not all(isinstance(part, bytes) for part in value):
        raise _Broken("an audit reply that is no [batch, seal]")
    return value[0], value[1]


def _event_id(batch: audit.Batch, first: int, last: int, raw_batch: bytes, seal: bytes) -> str:
    """The same records fetched twice get the same id, so that they are one event."""
    digest = base64.urlsafe_b64encode(sha256(raw_batch, seal)[:9]).decode()
    return f"{batch.lock_id}-{batch.journal_epoch:x}-{first:x}-{last:x}-{digest}"


def _error_text(reason: int) -> str:
    return reasons.NAMES.get(reason, "REFUSED")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < lockstate.LARGEST
