"""Names and derivations of keys: what the vault and the lock both compute.

Decides nothing about who may hold a key. Every derivation is HKDF-SHA256 with a CBOR `info` that
names its purpose, so that no key is ever used for two things. The X25519 agreement that yields
`shared_secret` is done by the caller.
"""

from protocol import cbor
from protocol.crypto import hkdf_sha256, sha256

KEY_BYTES = 32
KID_BYTES = 4


def key_id(public_key: bytes) -> bytes:
    """The 4 bytes by which tokens and documents name an Ed25519 key: SHA-256(key), cut."""
    return sha256(public_key)[:KID_BYTES]


def lock_kdk(
    shared_secret: bytes,
    town: str,
    lock_id: str,
    epoch: int,
    lock_public_key: bytes,
    vault_public_key: bytes,
) -> bytes:
    """The key-derivation key that one lock shares with the town's vault in one vault epoch.

    Both X25519 public keys are bound, so that no other pair of keys leads to the same kdk.
    """
    named = ["kannuki-kdk", town, lock_id, epoch, lock_public_key, vault_public_key]
    return hkdf_sha256(shared_secret, cbor.encode(named))


def proof_key(kdk: bytes, raw_token: bytes) -> bytes:
    """The key that proves possession of `raw_token` at one lock (after RFC 9202 section 3.3)."""
    return hkdf_sha256(kdk, cbor.encode(["kannuki-pop", KEY_BYTES, raw_token]))


def audit_key(kdk: bytes) -> bytes:
    """The key under which a lock seals the records that others carry home."""
    return hkdf_sha256(kdk, cbor.encode(["kannuki-audit", KEY_BYTES]))


def audit_cipher_key(kdk: bytes, salt: bytes) -> bytes:
    """The AES-256 key that hides one parcel of records from whoever carries it."""
    return hkdf_sha256(kdk, cbor.encode(["kannuki-audit-cipher", KEY_BYTES, salt]))
