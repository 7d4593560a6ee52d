"""The status list on flash: taken in parts or as a delta, never held in memory, never half there.

Decides which list counts and whether another may take its place; whom to trust is asked of the
caller. There are two files. One holds the list in force; a newer one is made in the other and its
last bytes are written only when everything has been checked, so that a file is whole if and only
if its list may count. A boot takes the newest whole file. A file is, big endian,

    CRC-32 of the rest of this head and of the document, 4 bytes
    length of the document, 2 bytes
    hour since 1970 that surely had begun when the list was taken, 4 bytes
    the signed document, then the entries

A newer list must hold every entry that the old one holds and that it does not rightly call past:
whoever steals a status key can withdraw, but nobody can give back. An entry has 16 bits of its
hour; which hour that is follows from the lock's own clock when the list was taken, never from what
a list says of itself. Storage is the port of firmware/hal/storage.py; the file being made grows by
`append`, CHUNK_BYTES at a time, and nothing reads more than that at once.
"""

import binascii
import hashlib

from protocol import reasons, statuslist
from protocol.cose import CoseError
from protocol.crypto import sha256
from protocol.forms import are_uints
from protocol.session import OK
from protocol.shim import Any, Callable, Iterable
from protocol.statuslist import (
    ENTRY_BYTES,
    HOUR_S,
    PREFIX_BYTES,
    StatusHeader,
    StatusList,
    StatusListError,
)

NAMES = ("status.a", "status.b")
CHUNK_BYTES = 512
MAX_DOCUMENT_BYTES = 768  # sixteen rows of min_iat and the largest numbers make 568

_CRC_BYTES = 4
_HEAD_BYTES = 10
_MAX_HOUR = 0xFFFFFFFF
_HOURS = 1 << 16
_PAST_HOURS = 1 << 14  # an entry ended at most 1.9 years before its list was taken
_BEHIND_ALL = b"\xff" * (ENTRY_BYTES + 1)
_EIO = 5


class StatusStore:
    """`current`: the StatusList in force. It reads the file: OSError when that fails.

    Ask for `current` anew each time: the file of a list that was replaced is written over.
    """

    def __init__(self, storage: Any, lock_id: str) -> None:
        self._storage = storage
        self._lock_id = lock_id
        self._upload = None
        self._adopt(_newest(storage, lock_id))

    @property
    def document(self) -> bytes | None:
        """The signed header of the list in force; None without one, or when it is unreadable."""
        try:
            return None if self._kept is None else self._kept.document()
        except OSError:
            return None

    def take_part(
        self, document: Any, offset: Any, piece: Any, lo: Any, trusted: Callable
    ) -> tuple:
        """(reason, value) for a piece of a whole list, `offset` bytes behind its first entry.

        lo: what the lock's clock surely has reached, the document's issued_at included.
        trusted(signed) -> bool checks the signature, once per upload. The value is the offset
        wanted next, whatever was sent (nothing is taken that does not fit there), or None when
        `current` is this list, or was as new before.
        """
        if not (_is_document(document) and are_uints(offset, lo) and _are_entries(piece)):
            return reasons.MALFORMED, None
        upload = self._upload
        if upload is None or upload.document_digest != sha256(document):
            reason, signed, header = self._examine(document, lo)
            if header is None:
                return reason, None
            if offset > 0:
                return OK, 0
            if not trusted(signed):
                return reasons.BAD_SIGNATURE, None
            upload = self._upload = self._candidate(document, header, lo)
        elif offset != upload.taken:
            return OK, upload.taken
        return self._take(upload, _split(piece))

    def take_delta(
        self, document: Any, base_version: Any, additions: Any, lo: Any, trusted: Callable
    ) -> tuple:
        """(reason, None) for a list made of the one in force and `additions`, sorted entries."""
        if not (_is_document(document) and are_uints(base_version, lo) and _are_entries(additions)):
            return reasons.MALFORMED, None
        reason, signed, header = self._examine(document, lo)
        if header is None:
            return reason, None
        if base_version != self.current.version:
            return reasons.OTHER_BASE, None
        if not trusted(signed):
            return reasons.BAD_SIGNATURE, None
        base = StatusList(self.current.header, _Window(self.current).read)
        merged = statuslist.merge(base, additions, header.kept_from_hour)
        reason, value = self._take(self._candidate(document, header, lo), merged)
        # The merged list can only be whole or wrong: what stops short is no upload to go on with.
        return (reasons.MALFORMED, None) if value is not None else (reason, None)

    def abandon(self) -> None:
        """Whom to trust has changed: a list begun before must prove its signature once more."""
        self._upload = None

    def _examine(self, document: bytes, lo: int) -> tuple:
        """(reason, Signed, StatusHeader): the last two are None unless it is a newer list."""
        try:
            signed, header = statuslist.parse(document)
        except (CoseError, StatusListError):
            return reasons.MALFORMED, None, None
        if header.lock_id != self._lock_id:
            return reasons.WRONG_LOCK, None, None
        if header.version <= self.current.version:
            return OK, None, None
        if header.kept_from_hour * HOUR_S > lo:
            return reasons.MALFORMED, None, None
        return OK, signed, header

    def _candidate(self, document: bytes, header: StatusHeader, lo: int) -> "_Candidate":
        """A list to be made in the other file, in the place of any that was begun there."""
        self._upload = None
        name = NAMES[self._kept is not None and self._kept.name == NAMES[0]]
        hour = min(lo // HOUR_S, _MAX_HOUR)
        guard = _Guard(self.current, self._kept.hour if self._kept else 0, header.kept_from_hour)
        return _Candidate(_Kept(self._storage, name, document, header, hour), document, guard)

    def _take(self, candidate: "_Candidate", entries: Iterable) -> tuple:
        """Add entries; the list counts when they were the last ones."""
        try:
            for raw_entry in entries:
                candidate.add(raw_entry)
            if not candidate.is_complete():
                return OK, candidate.taken
            candidate.finish()
        except StatusListError:
            self._upload = None
            return reasons.MALFORMED, None
        except OSError:
            self._upload = None
            return reasons.STORAGE, None
        self._upload = None
        self._adopt(candidate.kept)
        return OK, None

    def _adopt(self, kept: "_Kept | None") -> None:
        self._kept = kept
        if kept is None:
            self.current = statuslist.empty(self._lock_id)
        else:
            self.current = StatusList(kept.header, kept.read)


class _Kept:
    """A list in a file; `hour`: of the lock's clock when it was taken."""

    def __init__(
        self, storage: Any, name: str, document: bytes, header: StatusHeader, hour: int
    ) -> None:
        self.name = name
        self.header = header
        self.hour = hour
        self.storage = storage
        self._document_bytes = len(document)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes of the entries. Raises OSError."""
        first = _HEAD_BYTES + self._document_bytes
        return _read(self.storage, self.name, first + offset, size)

    def document(self) -> bytes:
        return _read(self.storage, self.name, _HEAD_BYTES, self._document_bytes)

    def is_whole(self) -> bool:
        """Whether the entries in the file are those that the header names."""
        state, size = hashlib.sha256(), self.header.count * ENTRY_BYTES
        try:
            for at in range(0, size, CHUNK_BYTES):
                state.update(self.read(at, min(CHUNK_BYTES, size - at)))
        except OSError:
            return False
        return state.digest() == self.header.digest


class _Candidate:
    """A list in the making. Raises StatusListError for entries that are not the header's.

    The last bytes stay in the buffer until `finish` has checked everything.
    """

    def __init__(self, kept: _Kept, document: bytes, guard: "_Guard") -> None:
        self.kept = kept
        self.document_digest = sha256(document)
        self.taken = 0
        self._guard = guard
        self._state = hashlib.sha256()
        self._previous = b""
        self._writer = _Writer(kept.storage, kept.name)
        head = len(document).to_bytes(2, "big") + kept.hour.to_bytes(4, "big")
        self._head = _crc(head, document) + head + document

    def is_complete(self) -> bool:
        return self.taken == self.kept.header.count * ENTRY_BYTES

    def add(self, raw_entry: bytes) -> None:
        if self.is_complete():
            raise StatusListError("more entries than the header says")
        statuslist.check_order(self._previous, raw_entry)
        self._guard.let_pass(raw_entry)
        self._state.update(raw_entry)
        self._put(raw_entry)
        self._previous = raw_entry
        self.taken += ENTRY_BYTES

    def finish(self) -> None:
        self._guard.let_pass(_BEHIND_ALL)
        if self._state.digest() != self.kept.header.digest:
            raise StatusListError("the entries are not those of the header")
        self._put(b"")
        self._writer.flush()

    def _put(self, data: bytes) -> None:
        """Nothing is written before there is an entry to write, or the list is good without."""
        if self._head:
            self._writer.put(self._head)
            self._head = b""
        self._writer.put(data)


class _Writer:
    """Gathers appends of CHUNK_BYTES; keeps the last ones back, at least a byte, until `flush`."""

    def __init__(self, storage: Any, name: str) -> None:
        self._storage = storage
        self._name = name
        self._buffer = bytearray(CHUNK_BYTES)
        self._used = 0
        self._begun = False

    def put(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._used == CHUNK_BYTES:
                self.flush()
            size = min(len(data) - at, CHUNK_BYTES - self._used)
            self._buffer[self._used : self._used + size] = data[at : at + size]
            self._used += size
            at += size

    def flush(self) -> None:
        if not self._begun:
            self._storage.delete(self._name)
            self._begun = True
        self._storage.append(self._name, memoryview(self._buffer)[: self._used])
        self._used = 0


class _Window:
    """`read` of a list for those who go through it in order: a chunk of the file at a time."""

    def __init__(self, source: StatusList) -> None:
        self._source = source
        self._size = source.header.count * ENTRY_BYTES
        self._first = 0
        self._chunk = b""

    def read(self, offset: int, size: int) -> bytes:
        at = offset - self._first
        if at < 0 or at + size > len(self._chunk):
            self._chunk = b""  # the heap has no room for two
            self._chunk = self._source.read(offset, min(CHUNK_BYTES, self._size - offset))
            self._first, at = offset, 0
        return self._chunk[at : at + size]


class _Guard:
    """Sees that a newer list drops no entry of the older one before it is past."""

    def __init__(self, older: StatusList, hour: int, kept_from_hour: int) -> None:
        self._window = _Window(older)
        self._size = older.header.count * ENTRY_BYTES
        self._at = 0
        self._next = b""
        self._first_hour = hour - _PAST_HOURS
        self._kept_from_hour = kept_from_hour

    def let_pass(self, raw_entry: bytes) -> None:
        """The newer list's next entry: what the older one has before it is missing."""
        while self._look() and self._next <= raw_entry:
            if self._next != raw_entry and self._hour() >= self._kept_from_hour:
                raise StatusListError("an entry still in force is missing")
            self._next = b""
            self._at += ENTRY_BYTES

    def _look(self) -> bool:
        """Have the older list's next entry at hand; False when there is none."""
        if not self._next and self._at < self._size:
            self._next = self._window.read(self._at, ENTRY_BYTES)
        return len(self._next) > 0

    def _hour(self) -> int:
        """The hour in which the older list's next entry ends, since 1970."""
        hour = int.from_bytes(self._next[PREFIX_BYTES:], "big")
        return self._first_hour + (hour - self._first_hour) % _HOURS


def _newest(storage: Any, lock_id: str) -> _Kept | None:
    """The newest list of this lock in a whole file."""
    found = [kept for kept in (_open(storage, name) for name in NAMES) if kept is not None]
    for kept in sorted(found, key=lambda kept: -kept.header.version):
        if kept.header.lock_id == lock_id and kept.is_whole():
            return kept
    return None


def _open(storage: Any, name: str) -> _Kept | None:
    """The list in a file, its entries not looked at; None when the head is torn or rotten."""
    try:
        head = _read(storage, name, 0, _HEAD_BYTES)
        size = int.from_bytes(head[_CRC_BYTES:-4], "big")
        document = _read(storage, name, _HEAD_BYTES, min(size, MAX_DOCUMENT_BYTES))
        if _crc(head[_CRC_BYTES:], document) != head[:_CRC_BYTES]:
            return None
        header = statuslist.parse(document)[1]
    except (OSError, CoseError, StatusListError):
        return None
    return _Kept(storage, name, document, header, int.from_bytes(head[-4:], "big"))


def _read(storage: Any, name: str, offset: int, size: int) -> bytes:
    """Exactly `size` bytes of a file. Raises OSError when it has fewer."""
    data = storage.read(name, offset, size)
    if data is None or len(data) != size:
        raise OSError(_EIO)
    return data


def _crc(head: bytes, document: bytes) -> bytes:
    return (binascii.crc32(document, binascii.crc32(head)) & 0xFFFFFFFF).to_bytes(4, "big")


def _is_document(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) <= MAX_DOCUMENT_BYTES


def _are_entries(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) % ENTRY_BYTES == 0


def _split(piece: bytes) -> Iterable:
    for at in range(0, len(piece), ENTRY_BYTES):
        yield piece[at : at + ENTRY_BYTES]
