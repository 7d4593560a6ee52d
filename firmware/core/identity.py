"""Who a lock is: its town, its name, its first roots. Written at enrolment and never changed.

Decides the form of /identity.cbor: a CBOR map with the keys below (append only). Secrets are not
in it: the lock's own private keys lie in a file of their own. Whom the lock believes today stands
in its keyset, which a root of this file signed or a successor of it.
"""

from firmware.core.documents import DocumentStore
from protocol import cbor, keyset
from protocol.cbor import CborError
from protocol.cose import CoseError
from protocol.forms import are_uints, is_bytes, is_uint
from protocol.keys import KEY_BYTES
from protocol.keyset import MAX_TOWN_CHARS, ROOTS, Keyset, KeysetError
from protocol.shim import Any
from protocol.token import is_lock_id

IDENTITY_FILE = "identity.cbor"
KEYSET_NAME = "keyset"
CONFIG_NAME = "config"

_TOWN, _LOCK_ID, _JOURNAL_EPOCH, _ROOTS, _ENROLLED_TIME = 1, 2, 3, 4, 5
_MEMBERS = (_TOWN, _LOCK_ID, _JOURNAL_EPOCH, _ROOTS, _ENROLLED_TIME)


class NotEnrolled(ValueError):
    """There is no identity, or one that cannot be read: such a lock must not start."""


class Identity:
    """roots: two Ed25519 keys; enrolled_time: what the bench said, (Unix seconds, error_s)."""

    def __init__(
        self, town: str, lock_id: str, journal_epoch: int, roots: tuple, enrolled_time: tuple
    ) -> None:
        self.town = town
        self.lock_id = lock_id
        self.journal_epoch = journal_epoch
        self.roots = roots
        self.enrolled_time = enrolled_time


def encode(identity: Identity) -> bytes:
    """The content of IDENTITY_FILE. Raises NotEnrolled for what `decode` would refuse."""
    raw = cbor.encode(
        {
            _TOWN: identity.town,
            _LOCK_ID: identity.lock_id,
            _JOURNAL_EPOCH: identity.journal_epoch,
            _ROOTS: list(identity.roots),
            _ENROLLED_TIME: list(identity.enrolled_time),
        }
    )
    decode(raw)
    return raw


def decode(raw: bytes) -> Identity:
    """The identity in `raw`. Raises NotEnrolled."""
    try:
        members = cbor.decode(raw)
    except CborError as error:
        raise NotEnrolled("the identity cannot be read: {}".format(error))
    _need(isinstance(members, dict) and len(members) == len(_MEMBERS), "members are missing")
    _need(all(name in members for name in _MEMBERS), "members are missing")
    town, roots, time = members[_TOWN], members[_ROOTS], members[_ENROLLED_TIME]
    _need(isinstance(town, str) and 0 < len(town) <= MAX_TOWN_CHARS, "it names no town")
    _need(is_lock_id(members[_LOCK_ID]), "it names no lock")
    _need(is_uint(members[_JOURNAL_EPOCH]), "its journal has no epoch")
    _need(isinstance(roots, list) and len(roots) == ROOTS, "it names no two roots")
    _need(all(is_bytes(root, KEY_BYTES) for root in roots), "a root has 32 bytes")
    _need(isinstance(time, list) and len(time) == 2 and are_uints(*time), "it has no time")
    return Identity(town, members[_LOCK_ID], members[_JOURNAL_EPOCH], tuple(roots), tuple(time))


def load(storage: Any) -> Identity:
    """The identity of an enrolled lock. Raises NotEnrolled."""
    raw = storage.read(IDENTITY_FILE)
    if raw is None:
        raise NotEnrolled("this lock is not enrolled")
    return decode(raw)


def load_keyset(storage: Any) -> Keyset:
    """The keyset in force; its signature was checked when it was taken. Raises NotEnrolled."""
    document = DocumentStore(storage, KEYSET_NAME).load()
    try:
        return keyset.parse(document)[1]
    except (CoseError, KeysetError, TypeError):
        raise NotEnrolled("this lock has no keyset that can be read")


def _need(condition: bool, complaint: str) -> None:
    if not condition:
        raise NotEnrolled("the identity cannot be read: " + complaint)
