"""The keyset: the one document by which a town's root says which keys its locks believe.

Decides the form of the document, which successor a lock takes, and who may follow as root; does
not check the signature (protocol/verify.py). A keyset is a COSE_Sign1 under a root key with the
context below; its payload is

    [town, version, issued_at,
     [[role, public_key, permissions, max_lifetime_s, max_ahead_s], ...],
     [[epoch, vault_public_key], ...],      X25519; one or two live epochs
     [root, root]]                          Ed25519; either signs

It has no end: a lock that hears nothing for years still opens. Versions never go back, and one
document replaces at most one root, so that whoever holds the other can still mend it.
"""

from protocol import cbor, cose, forms
from protocol.forms import are_uints, is_bytes, is_uint
from protocol.keys import KEY_BYTES, key_id
from protocol.shim import Any
from protocol.timebound import is_time

CONTEXT = b"kannuki-keyset"
MAX_KEYS = 16
MAX_VAULTS = 2
ROOTS = 2
MAX_TOWN_CHARS = 32

# Roles of a key. Append only.
ROLE_BOOKING = 1  # tokens of residents
ROLE_STAFF = 2  # tokens of staff and gateways
ROLE_STATUS = 3  # status lists
ROLE_TIME = 4  # answers to a lock's nonce
ROLE_CONFIG = 5  # door configuration and groups
ROLE_FIRMWARE = 6  # firmware manifests
ROLE_EMERGENCY = 7  # tokens that are good in doubt about the time, and raise an alarm
ROLE_ACK = 8  # acknowledgements of audit records


class KeysetError(ValueError):
    """The payload is not a keyset of our one form."""


class IssuerKey:
    """One row: what `public_key` may sign.

    permissions: the most a token may grant; max_lifetime_s bounds expires_at - not_before,
    max_ahead_s bounds not_before - issued_at.
    """

    def __init__(
        self,
        public_key: bytes,
        role: int,
        permissions: int,
        max_lifetime_s: int,
        max_ahead_s: int,
    ) -> None:
        self.public_key = public_key
        self.role = role
        self.permissions = permissions
        self.max_lifetime_s = max_lifetime_s
        self.max_ahead_s = max_ahead_s


class Keyset:
    """keys: {kid: IssuerKey}; vaults: {epoch: X25519 key}; roots: two Ed25519 keys."""

    def __init__(
        self, town: str, version: int, issued_at: int, keys: list, vaults: dict, roots: tuple
    ) -> None:
        self.town = town
        self.version = version
        self.issued_at = issued_at
        self.keys = {key_id(key.public_key): key for key in keys}
        self.vaults = vaults
        self.roots = roots
        if len(self.keys) != len(keys):
            raise KeysetError("two keys have one key id: make one of them anew")

    def root_named(self, kid: bytes) -> bytes | None:
        """The root key that a document names, or None."""
        for root in self.roots:
            if key_id(root) == kid:
                return root
        return None

    def may_be_followed_by(self, newer: "Keyset") -> bool:
        """Whether `newer`, signed by one of these roots, may replace this keyset."""
        kept = [root for root in newer.roots if root in self.roots]
        return newer.town == self.town and newer.version > self.version and len(kept) > 0


def encode(keyset: Keyset) -> bytes:
    """The payload that a root signs. Raises KeysetError when `decode` would refuse it.

    Rows are sorted, because a dict keeps no order on MicroPython.
    """
    rows = [
        [k.role, k.public_key, k.permissions, k.max_lifetime_s, k.max_ahead_s]
        for k in keyset.keys.values()
    ]
    rows.sort()
    vaults = [[epoch, key] for epoch, key in sorted(keyset.vaults.items())]
    members = [keyset.town, keyset.version, keyset.issued_at, rows, vaults, list(keyset.roots)]
    payload = cbor.encode(members)
    decode(payload)
    return payload


def decode(payload: bytes) -> Keyset:
    """The keyset in a payload. Raises KeysetError for anything but our one form."""
    town, version, issued_at, rows, vaults, roots = forms.array(payload, 6, KeysetError)
    _need(isinstance(town, str) and 0 < len(town) <= MAX_TOWN_CHARS)
    _need(is_uint(version) and version > 0 and is_time(issued_at))
    return Keyset(town, version, issued_at, _keys(rows), _vaults(vaults), _roots(roots))


def parse(document: bytes) -> tuple:
    """(Signed, Keyset) of an unverified document. Raises CoseError or KeysetError."""
    signed = cose.decode(document)
    return signed, decode(signed.payload)


def _keys(rows: Any) -> list:
    _need(isinstance(rows, list) and 0 < len(rows) <= MAX_KEYS)
    keys = []
    for row in rows:
        _need(isinstance(row, list) and len(row) == 5)
        role, public_key, permissions, max_lifetime_s, max_ahead_s = row
        _need(are_uints(role, permissions, max_lifetime_s, max_ahead_s) and role > 0)
        _need(is_bytes(public_key, KEY_BYTES))
        keys.append(IssuerKey(public_key, role, permissions, max_lifetime_s, max_ahead_s))
    return keys


def _vaults(rows: Any) -> dict:
    _need(isinstance(rows, list) and 0 < len(rows) <= MAX_VAULTS)
    vaults = {}
    for row in rows:
        _need(isinstance(row, list) and len(row) == 2)
        epoch, key = row
        _need(is_uint(epoch) and 0 < epoch < 256 and is_bytes(key, KEY_BYTES))
        _need(epoch not in vaults)
        vaults[epoch] = key
    return vaults


def _roots(rows: Any) -> tuple:
    _need(isinstance(rows, list) and len(rows) == ROOTS)
    _need(all(is_bytes(root, KEY_BYTES) for root in rows))
    _need(key_id(rows[0]) != key_id(rows[1]))
    return tuple(rows)


def _need(condition: bool) -> None:
    forms.need(condition, KeysetError)
