"""Signed documents on their way to a lock: which one, whole or in pieces, from where on.

Decides how a status list travels: as a delta when the lock holds its base and the additions fit a
message, else in parts, from the offset that the lock wants. A transfer cut short goes on at the
next visit. Believes the lock's authenticated replies, but lets none of them make it go round in
circles. Signatures are the lock's to check.
"""

from __future__ import annotations

from typing import Any

from gateway.machine.lockstate import is_number
from gateway.machine.ports import Pending, Store, What
from gateway.machine.steps import Broken, PartTaken, Remark, Step
from gateway.machine.values import Settings
from gateway.machine.view import Request, View
from protocol import reasons, session, statuslist
from protocol.crypto import sha256
from protocol.frames import MAX_MESSAGE_BYTES
from protocol.statuslist import ENTRY_BYTES, HOUR_S

REQUEST_OVERHEAD_BYTES = 64  # message type, counter, operation, CBOR heads, MAC
MAX_JUMPS_BACK = 1  # in one visit: a lock that was restarted wants a list from the start


class PaperChore:
    """A document that goes in one request: keyset, configuration, acknowledgement."""

    def __init__(self, view: View, store: Store, what: What, operation: int) -> None:
        self._view = view
        self._store = store
        self._what = what
        self._operation = operation
        self._offered = False

    def next(self) -> Request | None:
        """The newest document, once, unless the lock holds it."""
        pending = None if self._offered else wanted(self._view, self._store, self._what)
        self._offered = True
        return (self._operation, pending.document) if pending else None

    def reply(self, reason: int, value: Any) -> list[Step]:
        """The version that the lock now holds."""
        if reason != session.OK:
            return self._view.refuses(self._what, reason)
        if not is_number(value):
            raise Broken(f"a version of the {self._what} that is no number")
        return self._view.holds(self._what, value)


class Bookmarks:
    """How far each lock has come with which status list. In RAM: the lock knows it too."""

    def __init__(self) -> None:
        self._at: dict[str, tuple[bytes, int]] = {}

    def find(self, lock: str, document: bytes) -> int:
        """Where to go on."""
        digest, offset = self._at.get(lock, (b"", 0))
        return offset if digest == sha256(document) else 0

    def put(self, lock: str, document: bytes, offset: int) -> None:
        """The lock wants the list from here on."""
        self._at[lock] = (sha256(document), offset)

    def remove(self, lock: str) -> None:
        """The lock has it all, or is no longer ours."""
        self._at.pop(lock, None)


class StatusChore:
    """The status list: a delta if that will do, else parts."""

    def __init__(self, view: View, store: Store, settings: Settings, bookmarks: Bookmarks) -> None:
        self._view = view
        self._store = store
        self._settings = settings
        self._bookmarks = bookmarks
        self._begun = self._over = self._may_delta = self._delta_asked = False
        self._pending = Pending(0, b"")
        self._offset = 0
        self._jumps_back = 0

    def next(self) -> Request | None:
        """The delta, then parts until the lock has all of it."""
        if not self._begun:
            self._begun = True
            self._begin()
        if self._over:
            return None
        if self._delta_fits():
            self._delta_asked = True
            pending = self._pending
            argument = [pending.document, pending.base_version, pending.additions]
            return session.REQUEST_STATUS_DELTA, argument
        piece = self._pending.entries[self._offset : self._offset + self._piece_bytes()]
        return session.REQUEST_STATUS_PART, [self._pending.document, self._offset, piece]

    def reply(self, reason: int, value: Any) -> list[Step]:
        """The offset that the lock wants next, or the version that it holds."""
        is_delta, self._delta_asked = self._delta_asked, False
        if reason != session.OK and is_delta:
            return [Remark(f"status delta not taken: {reasons.name(reason)}")]
        if reason != session.OK:
            self._over = True
            return self._refused(reason)
        next_offset, version = _progress(value)
        if next_offset is None:
            return self._adopted(version)
        if is_delta:
            raise Broken("a status delta that is not taken whole")
        return self._go_on_at(next_offset)

    def _begin(self) -> None:
        pending = wanted(self._view, self._store, "status")
        if pending is None:
            self._over = True
            return
        self._pending = pending
        self._offset = self._bookmarks.find(self._view.lock, pending.document)
        # A delta would throw away the parts that the lock has already.
        self._may_delta = not self._offset and pending.base_version == self._view.version("status")

    def _delta_fits(self) -> bool:
        """Whether to try the delta: once at most."""
        additions = self._pending.additions
        if not self._may_delta or additions is None:
            return False
        self._may_delta = False
        return len(additions) <= self._room()

    def _refused(self, reason: int) -> list[Step]:
        """A lock whose clock is behind takes no list that has dropped entries; later it will."""
        header, time = statuslist.parse(self._pending.document)[1], self._view.time
        lo = min(time.hi, max(time.lo, header.issued_at))  # as the lock reckons
        if header.kept_from_hour * HOUR_S > lo:
            return [Remark("status not taken now: the lock's clock is behind the list")]
        return self._view.refuses("status", reason)

    def _adopted(self, version: int) -> list[Step]:
        if version < self._pending.version:
            raise Broken("a status list that is taken and not held")
        self._over = True
        self._bookmarks.remove(self._view.lock)
        return self._view.holds("status", version)

    def _go_on_at(self, offset: int) -> list[Step]:
        if offset >= len(self._pending.entries):
            raise Broken("a part of the status list that does not exist")
        advanced = offset > self._offset
        self._jumps_back += not advanced
        if self._jumps_back > MAX_JUMPS_BACK:
            raise Broken("parts of the status list in circles")
        self._offset = offset
        self._bookmarks.put(self._view.lock, self._pending.document, offset)
        return [PartTaken()] if advanced else []

    def _piece_bytes(self) -> int:
        size = min(self._settings.status_piece_bytes, self._room())
        return max(size - size % ENTRY_BYTES, ENTRY_BYTES)

    def _room(self) -> int:
        return MAX_MESSAGE_BYTES - REQUEST_OVERHEAD_BYTES - len(self._pending.document)


def wanted(view: View, store: Store, what: What) -> Pending | None:
    """The pending document of this kind, if the lock does not hold it or a newer one."""
    pending = store.pending(view.lock, what)
    return pending if pending is not None and pending.version > view.version(what) else None


def _progress(value: Any) -> tuple[int | None, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise Broken("a status reply that is no [next offset, version]")
    next_offset, version = value
    if not (next_offset is None or is_number(next_offset)) or not is_number(version):
        raise Broken("a status reply without numbers")
    return next_offset, version
