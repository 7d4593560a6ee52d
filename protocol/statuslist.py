"""The status list: which tokens and PINs of one lock the town has withdrawn.

Decides whether a name is listed, the form of the signed header, and how a newer list is made from
an older one. The header is a COSE_Sign1 under a key with role "status"; its payload is

    [lock_id, version, issued_at, kept_from_hour, [[kid, audience / null, iat], ...], count, digest]

and names the entries by their number and SHA-256, so that a lock can take them in parts, or make
them from those it has and a few additions (a delta), and needs to hold none of them in memory.
An entry is 8 bytes: the first 6 of a cti or PIN name, then, big endian, the hour in which it
expires (rounded up, hours since 1970 modulo 65536). Entries are sorted, to be bisected where they
lie. A list holds every entry whose hour is not before kept_from_hour (0: nothing was ever dropped);
a lock takes none that drops an entry before its own clock says that it has expired, or a row of
min_iat while it believes the row's key. Such rows withdraw in one step what one key issued, for one
audience or all (null), before a second.
"""

from protocol import cbor, cose, forms
from protocol.crypto import HASH_BYTES, sha256
from protocol.forms import are_uints, is_bytes
from protocol.keys import KID_BYTES
from protocol.shim import Any, Callable, Iterable
from protocol.timebound import is_time
from protocol.token import is_group_id, is_lock_id

CONTEXT = b"kannuki-status"
PREFIX_BYTES = 6
ENTRY_BYTES = 8
MAX_ENTRIES = 2000
MAX_MIN_IAT_ROWS = 16
HOUR_S = 3600
_HOURS = 1 << 16


class StatusListError(ValueError):
    """A header, or entries, of another form."""


class StatusHeader:
    """version: never falls on a lock; min_iat: rows (kid, audience or None, Unix second)."""

    def __init__(
        self,
        lock_id: str,
        version: int,
        issued_at: int,
        kept_from_hour: int,
        min_iat: list,
        count: int,
        digest: bytes,
    ) -> None:
        self.lock_id = lock_id
        self.version = version
        self.issued_at = issued_at
        self.kept_from_hour = kept_from_hour
        self.min_iat = min_iat
        self.count = count
        self.digest = digest

    def keeps(self, older: "StatusHeader", kids: Any) -> bool:
        """Whether everything that rows of `older` withdrew stays withdrawn, for keys in `kids`.

        A row may be replaced by a later second, or by one for every audience; it may go with its
        key.
        """
        for kid, audience, least in older.min_iat:
            if kid in kids and not self._covers(kid, audience, least):
                return False
        return True

    def _covers(self, kid: bytes, audience: str | None, least: int) -> bool:
        return any(
            row_kid == kid and row_audience in (None, audience) and row_least >= least
            for row_kid, row_audience, row_least in self.min_iat
        )


class StatusList:
    """A header and `read(offset, size) -> bytes` over its entries, wherever they lie.

    `read` may raise OSError, which passes through.
    """

    def __init__(self, header: StatusHeader, read: Callable) -> None:
        self.header = header
        self.read = read

    @property
    def version(self) -> int:
        return self.header.version

    def revokes(self, cti: bytes, kid: bytes, audience: str, issued_at: int) -> bool:
        """Whether the token that key `kid` issued at this second is withdrawn."""
        for row_kid, row_audience, least in self.header.min_iat:
            if row_kid == kid and row_audience in (None, audience) and issued_at < least:
                return True
        return self.lists(cti)

    def lists(self, name: bytes) -> bool:
        """Whether a cti or PIN name (its first 6 bytes count) is among the entries."""
        prefix = name[:PREFIX_BYTES]
        low, high = 0, self.header.count
        while low < high:
            middle = (low + high) // 2
            found = self.read(middle * ENTRY_BYTES, PREFIX_BYTES)
            if found == prefix:
                return True
            if found < prefix:
                low = middle + 1
            else:
                high = middle
        return False


def in_memory(header: StatusHeader, entries: bytes) -> StatusList:
    """The list whose entries are at hand. Raises StatusListError when they are not the header's."""
    if len(entries) != header.count * ENTRY_BYTES or sha256(entries) != header.digest:
        raise StatusListError("the entries are not those of the header")
    return StatusList(header, lambda offset, size: entries[offset : offset + size])


def empty(lock_id: str) -> StatusList:
    """The list of a lock that has never been told of a revocation: version 0."""
    return in_memory(StatusHeader(lock_id, 0, 0, 0, [], 0, sha256()), b"")


def build(
    lock_id: str,
    version: int,
    issued_at: int,
    revoked: Iterable,
    min_iat: list | None = None,
    kept_from_hour: int = 0,
) -> tuple:
    """(StatusHeader, entries) of `revoked`, pairs (cti or PIN name, expires_at: Unix seconds).

    Names that give the same entry share one. Raises StatusListError when there are too many.
    """
    entries = sorted(
        {
            entry(name, expires_at)
            for name, expires_at in revoked
            if _hour(expires_at) >= kept_from_hour
        }
    )
    if len(entries) > MAX_ENTRIES:
        raise StatusListError("more than 2000 entries: raise min_iat instead")
    if not all(is_kept(raw_entry, kept_from_hour) for raw_entry in entries):
        raise StatusListError("an entry ends more than 3.7 years after the first hour kept")
    raw = b"".join(entries)
    rows = list(min_iat or [])
    header = StatusHeader(
        lock_id, version, issued_at, kept_from_hour, rows, len(entries), sha256(raw)
    )
    return header, raw


def entry(name: bytes, expires_at: int) -> bytes:
    """The 8 bytes that withdraw a cti or PIN name until it expires by itself."""
    if len(name) < PREFIX_BYTES:
        raise StatusListError("a name has at least 6 bytes")
    return name[:PREFIX_BYTES] + (_hour(expires_at) % _HOURS).to_bytes(2, "big")


def is_kept(raw_entry: bytes, kept_from_hour: int) -> bool:
    """Whether an entry's hour is `kept_from_hour` or later, within 3.7 years; 0 keeps all."""
    if kept_from_hour == 0:
        return True
    hour = int.from_bytes(raw_entry[PREFIX_BYTES:ENTRY_BYTES], "big")
    return (hour - kept_from_hour) % _HOURS < _HOURS // 2


def merge(older: StatusList, additions: bytes, kept_from_hour: int) -> Iterable:
    """The entries, one by one and sorted, of `older` still kept and the sorted `additions`."""
    at, count = 0, older.header.count
    added, added_end = 0, len(additions)
    old = None
    while at < count or old is not None or added < added_end:
        if old is None and at < count:
            old = older.read(at * ENTRY_BYTES, ENTRY_BYTES)
            at += 1
            if not is_kept(old, kept_from_hour):
                old = None
            continue
        new = additions[added : added + ENTRY_BYTES]
        if old is None or (new and new < old):
            added += ENTRY_BYTES
            yield new
        else:
            if new == old:
                added += ENTRY_BYTES
            yield old
            old = None


def encode(header: StatusHeader) -> bytes:
    """The payload that the status key signs."""
    payload = cbor.encode(
        [
            header.lock_id,
            header.version,
            header.issued_at,
            header.kept_from_hour,
            [list(row) for row in header.min_iat],
            header.count,
            header.digest,
        ]
    )
    decode(payload)
    return payload


def decode(payload: bytes) -> StatusHeader:
    """The header in a payload. Raises StatusListError for anything but our one form."""
    members = forms.array(payload, 7, StatusListError)
    lock_id, version, issued_at, kept_from_hour, rows, count, digest = members
    _need(is_lock_id(lock_id) and are_uints(version, kept_from_hour, count) and is_time(issued_at))
    _need(version > 0 and count <= MAX_ENTRIES and is_bytes(digest, HASH_BYTES))
    _need(isinstance(rows, list) and len(rows) <= MAX_MIN_IAT_ROWS)
    min_iat = [_row(row) for row in rows]
    return StatusHeader(lock_id, version, issued_at, kept_from_hour, min_iat, count, digest)


def parse(document: bytes) -> tuple:
    """(Signed, StatusHeader) of an unverified document. Raises CoseError or StatusListError."""
    signed = cose.decode(document)
    return signed, decode(signed.payload)


def check_order(previous: bytes, raw_entry: bytes) -> None:
    """Raise StatusListError unless `raw_entry` may follow `previous` (b"": it is the first)."""
    _need(len(raw_entry) == ENTRY_BYTES and previous < raw_entry)


def _row(row: Any) -> tuple:
    _need(isinstance(row, list) and len(row) == 3)
    kid, audience, least = row
    _need(is_bytes(kid, KID_BYTES) and is_time(least))
    _need(audience is None or is_lock_id(audience) or is_group_id(audience))
    return kid, audience, least


def _hour(expires_at: int) -> int:
    return -(-expires_at // HOUR_S)


def _need(condition: bool) -> None:
    forms.need(condition, StatusListError)
