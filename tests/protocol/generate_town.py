"""The town of the vectors: fixed keys, real Ed25519 and X25519. They protect nothing.

Decides which keys the vectors are made with; generate_vectors.py says what is made.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey

from protocol import cose, keys, keyset
from protocol import token as tokens
from protocol.keyset import IssuerKey, Keyset
from tests.protocol import support
from tests.protocol.support import AHEAD_S, EPOCH, LOCK, T0, TOWN, WEEK_S, YEAR_S

_NAMES = (
    "booking staff status time config firmware emergency ack root other_root lock stranger new_root"
).split()
SEEDS = {name: bytes([value]) * 32 for value, name in enumerate(_NAMES, 1)}
_RESIDENT = tokens.UNLOCK | tokens.UNLOCK_REMOTE
_EMERGENCY = tokens.UNLOCK | tokens.EVACUATE
# role, permissions, max_lifetime_s, max_ahead_s
ROLES = {
    "booking": (keyset.ROLE_BOOKING, _RESIDENT, 2 * 86400, AHEAD_S),
    "staff": (keyset.ROLE_STAFF, tokens.ALL_PERMISSIONS, WEEK_S, AHEAD_S),
    "status": (keyset.ROLE_STATUS, 0, 0, 0),
    "time": (keyset.ROLE_TIME, 0, 0, 0),
    "config": (keyset.ROLE_CONFIG, 0, 0, 0),
    "firmware": (keyset.ROLE_FIRMWARE, 0, 0, 0),
    "emergency": (keyset.ROLE_EMERGENCY, _EMERGENCY, YEAR_S, AHEAD_S),
    "ack": (keyset.ROLE_ACK, 0, 0, 0),
}
LOCK_PRIVATE = bytes([0x51]) * 32
VAULT_PRIVATE = bytes([0x52]) * 32
NEXT_VAULT_PRIVATE = bytes([0x53]) * 32
LOCK_NONCE = bytes(range(0x10, 0x20))
HOLDER_NONCE = bytes(range(0x20, 0x30))


def x25519_public(private: bytes) -> bytes:
    """The public half."""
    public = X25519PrivateKey.from_private_bytes(private).public_key()
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def x25519(private: bytes, public: bytes) -> bytes:
    """RFC 7748: 32 bytes."""
    own = X25519PrivateKey.from_private_bytes(private)
    return own.exchange(X25519PublicKey.from_public_bytes(public))


LOCK_PUBLIC = x25519_public(LOCK_PRIVATE)
VAULT_PUBLIC = x25519_public(VAULT_PRIVATE)
NEXT_VAULT_PUBLIC = x25519_public(NEXT_VAULT_PRIVATE)
SHARED = x25519(VAULT_PRIVATE, LOCK_PUBLIC)


def kdk(lock_id: str = LOCK, epoch: int = EPOCH) -> bytes:
    """The kdk of the lock's one key pair under any name; in reality each lock has its own."""
    return keys.lock_kdk(SHARED, TOWN, lock_id, epoch, LOCK_PUBLIC, VAULT_PUBLIC)


KDK = kdk()


def public_key(name: str) -> bytes:
    """Ed25519."""
    return bytes(SigningKey(SEEDS[name]).verify_key)


def kid(name: str) -> bytes:
    """The key id."""
    return keys.key_id(public_key(name))


def sign(name: str, payload: bytes, context: bytes = b"") -> bytes:
    """The envelope of `payload` under the key called `name`."""
    to_sign = cose.to_sign(kid(name), payload, context)
    signature = SigningKey(SEEDS[name]).sign(to_sign).signature
    return cose.encode(kid(name), payload, signature)


def issue(name: str = "booking", **claims: Any) -> bytes:
    """A token, the usual one but for `claims`."""
    return sign(name, tokens.encode_claims(support.make_token(**claims)))


def issuer_keys() -> list[IssuerKey]:
    """The rows of the town's keyset."""
    return [IssuerKey(public_key(name), *row) for name, row in ROLES.items()]


def make_keyset(**changes: Any) -> Keyset:
    """The town's keyset, some members replaced."""
    members = {
        "town": TOWN,
        "version": 1,
        "issued_at": T0 - 30 * 86400,
        "keys": issuer_keys(),
        "vaults": {EPOCH: VAULT_PUBLIC},
        "roots": (public_key("root"), public_key("other_root")),
    }
    return Keyset(**{**members, **changes})


def largest_keyset() -> Keyset:
    """As many keys as there may be, some of roles that nobody knows yet, and extreme numbers."""
    most = (1 << 53) - 1
    rows = [IssuerKey(bytes([n]) * 32, n + 1, most, most, most) for n in range(keyset.MAX_KEYS)]
    vaults = {1: VAULT_PUBLIC, 255: NEXT_VAULT_PUBLIC}
    return make_keyset(town="町" * 32, keys=rows, vaults=vaults, issued_at=(1 << 40) - 2)


def document_row(name: str, payload: bytes, context: bytes) -> dict[str, str]:
    """A signed document, taken apart."""
    return {
        "context": context.decode(),
        "signer": name,
        "public_key": public_key(name).hex(),
        "payload": payload.hex(),
        "sig_structure": cose.to_sign(kid(name), payload, context).hex(),
        "document": sign(name, payload, context).hex(),
    }
