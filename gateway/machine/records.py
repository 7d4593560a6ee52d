"""Audit records on their way home: parcels from a lock into the outbox.

Decides where to read on and what a parcel's clear part must say to be taken. The records in it are
hidden from us, and are neither read nor made here: the chain is the cloud's to check, progress is
ours. Invariant: a parcel counts as fetched only when the outbox holds it.
"""

from __future__ import annotations

import base64
from typing import Any

from gateway.machine import lockstate
from gateway.machine.ports import Store, StoredEvent
from gateway.machine.steps import Broken, Failed, Fetched, Step
from gateway.machine.view import Request, View
from kannuki import messages
from kannuki.messages import AuditEvent
from protocol import audit, reasons, session
from protocol.audit import AuditError, Parcel
from protocol.crypto import MAC_BYTES, sha256
from protocol.forms import is_bytes


class RecordsChore:
    """Parcels until one is empty. Needs the lock's state."""

    def __init__(self, view: View, store: Store, gateway_id: str, max_records: int) -> None:
        self._view = view
        self._store = store
        self._gateway_id = gateway_id
        self._max_records = max_records
        self._next_seq: int | None = None
        self._over = False

    def next(self) -> Request | None:
        """The next parcel."""
        self._over = self._over or not self._store.has_room()  # what is not read stays there
        if self._over:
            return None
        if self._next_seq is None:
            self._next_seq = self._first_wanted()
        return session.REQUEST_AUDIT, [self._next_seq, self._max_records]

    def reply(self, reason: int, value: Any) -> list[Step]:
        """Puts a parcel in the outbox."""
        if reason != session.OK:
            return [Failed(f"records refused: {reasons.name(reason)}", authentic=True)]
        raw_parcel, seal = _sealed(value)
        parcel = self._parcel(raw_parcel)
        if parcel.count == 0:
            self._over = True
            return []
        last = self._last(parcel)
        event = AuditEvent(
            id=_event_id(parcel, last, raw_parcel, seal),
            lock=self._view.lock,
            parcel=raw_parcel,
            seal=seal,
        )
        stored = StoredEvent(0, event.id, "event", self._gateway_id, messages.encode(event))
        self._store.put_event(stored, self._view.lock, parcel.journal_epoch, last + 1)
        self._next_seq = last + 1
        return [Fetched()]

    def _first_wanted(self) -> int:
        """Where to read on. A head that fell back means another journal: read it all again."""
        reported = self._view.reported
        assert reported is not None
        stored = self._store.next_seq(self._view.lock, reported.journal_epoch)
        if stored is None or reported.head_seq < stored - 1:
            return reported.oldest_seq
        return max(stored, reported.oldest_seq)

    def _parcel(self, raw_parcel: bytes) -> Parcel:
        assert self._view.reported is not None
        try:
            parcel = audit.decode_parcel(raw_parcel)
        except AuditError as error:
            raise Broken(f"a parcel that cannot be read: {error}") from error
        journal = (self._view.lock, self._view.reported.journal_epoch)
        if (parcel.lock_id, parcel.journal_epoch) != journal:
            raise Broken("a parcel of another journal")
        return parcel

    def _last(self, parcel: Parcel) -> int:
        """The seq of its last record, as the lock says."""
        assert self._next_seq is not None
        last = parcel.first_seq + parcel.count - 1
        goes_on = parcel.first_seq >= self._next_seq and last < lockstate.LARGEST
        if not goes_on or parcel.count > self._max_records:
            raise Broken("records that do not go on where we asked")
        return int(last)


def _sealed(value: Any) -> tuple[bytes, bytes]:
    is_pair = isinstance(value, list) and len(value) == 2
    if not is_pair or not isinstance(value[0], bytes) or not is_bytes(value[1], MAC_BYTES):
        raise Broken("an audit reply that is no [parcel, seal]")
    return value[0], value[1]


def _event_id(parcel: Parcel, last: int, raw_parcel: bytes, seal: bytes) -> str:
    """Names the records; the digest tells a lock's other history under the same numbers apart."""
    digest = base64.urlsafe_b64encode(sha256(raw_parcel, seal)[:9]).decode()
    named = f"{parcel.journal_epoch:x}-{parcel.first_seq:x}-{last:x}"
    return f"{parcel.lock_id}-{named}-{digest}"
