"""Status lists for tests on both runtimes: signed by sums, entries made by number, never all held.

`Town` stands for whoever has the status key, `bring` for the holder that carries a list in parts.
"""

from protocol import cose, reasons, statuslist
from protocol.crypto import sha256
from protocol.session import OK
from protocol.statuslist import ENTRY_BYTES, HOUR_S, StatusHeader

LOCK, KID = "kitaguch", b"stat"
NOW = 1_790_000_000
HOUR = NOW // HOUR_S
PIECE_BYTES = 2048


def document(header: StatusHeader) -> bytes:
    """The header signed."""
    payload = statuslist.encode(header)
    return cose.encode(KID, payload, signature(payload))


def signature(payload: bytes) -> bytes:
    return sha256(b"status key", payload) + bytes(32)


def trusted(signed: cose.Signed) -> bool:
    return signed.signature == signature(signed.payload)


def raw_entry(name: int, hour: int) -> bytes:
    return statuslist.entry(name.to_bytes(6, "big"), hour * HOUR_S)


def pack(entries: set) -> bytes:
    """Entries as they lie in a list."""
    return b"".join(sorted(entries))


def signed(
    version: int, raw: bytes, kept_from_hour: int = HOUR, issued_at: int = NOW, lock: str = LOCK
) -> bytes:
    """The document of a list with these entries."""
    count = len(raw) // ENTRY_BYTES
    return document(StatusHeader(lock, version, issued_at, kept_from_hour, [], count, sha256(raw)))


def bring(store, listed: bytes, raw: bytes, lo: int = NOW, piece_bytes: int = PIECE_BYTES) -> tuple:
    """The last (reason, value) of a whole list, brought as a gateway does."""
    offset = 0
    while True:
        piece = raw[offset : offset + piece_bytes]
        reason, value = store.take_part(listed, offset, piece, lo, trusted)
        if reason != OK or value is None:
            return reason, value
        if value == offset:
            return reasons.MALFORMED, value  # no way on
        offset = value


def held(store) -> bytes:
    """The entries of the list in force."""
    return store.current.read(0, store.current.header.count * ENTRY_BYTES)
