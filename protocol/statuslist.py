"""The status list: which tokens of one lock the town has withdrawn.

Decides whether a cti is revoked and whether a document has the right form. A document is a
COSE_Sign1 under a key with role "status"; its payload is
[lock_id, version, issued_at, base_hour, min_iat, entries], entries being 8 bytes each: the first
6 bytes of a cti and, as 2 bytes big endian, the hours from base_hour after which the token has
expired. Entries are sorted, so that a lock can bisect them where they lie.
"""

from protocol import cbor, cose
from protocol.cbor import CborError
from protocol.shim import Iterable
from protocol.token import CTI_BYTES, is_lock_id

CONTEXT = b"kannuki-status"
PREFIX_BYTES = 6
ENTRY_BYTES = 8
MAX_ENTRIES = 2000
_HOUR_S = 3600
_MAX_HOURS = 0xFFFF


class StatusListError(ValueError):
    """The payload is not a status list of our one form."""


class StatusList:
    """version: never falls on a lock; min_iat: tokens issued before it are revoked (0: none)."""

    def __init__(
        self,
        lock_id: str,
        version: int,
        issued_at: int,
        base_hour: int,
        min_iat: int,
        entries: bytes,
    ) -> None:
        self.lock_id = lock_id
        self.version = version
        self.issued_at = issued_at
        self.base_hour = base_hour
        self.min_iat = min_iat
        self.entries = entries

    def revokes(self, cti: bytes, issued_at: int) -> bool:
        """Whether the token with this cti, issued at this Unix second, is withdrawn."""
        return issued_at < self.min_iat or self._holds(cti[:PREFIX_BYTES])

    def _holds(self, prefix: bytes) -> bool:
        low, high = 0, len(self.entries) // ENTRY_BYTES
        while low < high:
            middle = (low + high) // 2
            at = middle * ENTRY_BYTES
            found = self.entries[at : at + PREFIX_BYTES]
            if found == prefix:
                return True
            if found < prefix:
                low = middle + 1
            else:
                high = middle
        return False


def empty(lock_id: str) -> StatusList:
    """The list of a lock that has never been told of a revocation: version 0."""
    return StatusList(lock_id, 0, 0, 0, 0, b"")


def build(
    lock_id: str, version: int, issued_at: int, min_iat: int, revoked: Iterable
) -> StatusList:
    """A list from `revoked`, pairs of (cti: 8 bytes, expires_at: Unix seconds)."""
    base_hour = issued_at // _HOUR_S
    entries = sorted(_entry(cti, expires_at, base_hour) for cti, expires_at in revoked)
    if len(entries) > MAX_ENTRIES:
        raise StatusListError("more than 2000 entries: raise min_iat instead")
    return StatusList(lock_id, version, issued_at, base_hour, min_iat, b"".join(entries))


def encode(status: StatusList) -> bytes:
    """The payload that the status key signs."""
    return cbor.encode(
        [
            status.lock_id,
            status.version,
            status.issued_at,
            status.base_hour,
            status.min_iat,
            status.entries,
        ]
    )


def decode(payload: bytes) -> StatusList:
    """The list in a payload. Raises StatusListError for anything but our one form."""
    try:
        members = cbor.decode(payload)
    except CborError as error:
        raise StatusListError(str(error))
    if not isinstance(members, list) or len(members) != 6:
        raise StatusListError("unexpected members")
    lock_id, numbers, entries = members[0], members[1:5], members[5]
    if not is_lock_id(lock_id) or not isinstance(entries, bytes):
        raise StatusListError("unexpected members")
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        raise StatusListError("unexpected members")
    _check_entries(entries)
    return StatusList(lock_id, numbers[0], numbers[1], numbers[2], numbers[3], entries)


def parse(document: bytes) -> tuple:
    """(Signed, StatusList) of an unverified document. Raises CoseError or StatusListError."""
    signed = cose.decode(document)
    return signed, decode(signed.payload)


def _entry(cti: bytes, expires_at: int, base_hour: int) -> bytes:
    if len(cti) != CTI_BYTES:
        raise StatusListError("cti has 8 bytes")
    hours = -(-expires_at // _HOUR_S) - base_hour
    return cti[:PREFIX_BYTES] + min(max(hours, 0), _MAX_HOURS).to_bytes(2, "big")


def _check_entries(entries: bytes) -> None:
    if len(entries) % ENTRY_BYTES or len(entries) > MAX_ENTRIES * ENTRY_BYTES:
        raise StatusListError("entries have 8 bytes each, at most 2000")
    for at in range(ENTRY_BYTES, len(entries), ENTRY_BYTES):
        if entries[at - ENTRY_BYTES : at] > entries[at : at + ENTRY_BYTES]:
            raise StatusListError("entries are not sorted")
