"""Derives proof keys and audit keys from the vault's X25519 key. Signs nothing, stores nothing.

Decides no access: it derives for whoever holds this object, and hands out proof keys wrapped
wherever a device is to have them. Knows nothing of the issuer and its keys.
"""

from __future__ import annotations

from pathlib import Path

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from cloud import keywrap
from cloud.keyfiles import KeyFile, key_path, read_key
from cloud.ports import LockKey, LockKeyError, WrappedKey
from protocol import audit, keys
from protocol.crypto import same_bytes


class Vault:
    """One epoch of a town's vault; implements ports.ProofKeys."""

    def __init__(self, key: KeyFile, town: str) -> None:
        self._secret = key.secret
        self._town = town
        self._epoch = key.epoch

    @property
    def public_key(self) -> bytes:
        """X25519, 32 bytes."""
        return crypto_scalarmult_base(self._secret)

    @property
    def epoch(self) -> int:
        """The epoch that new tokens name."""
        return self._epoch

    def proof_key(self, lock: LockKey, raw_token: bytes) -> bytes:
        """The key that proves possession of `raw_token` at `lock`."""
        return keys.proof_key(self._kdk(lock), raw_token)

    def wrap_proof_key(self, lock: LockKey, raw_token: bytes, device_key: bytes) -> WrappedKey:
        """The same, for one device alone. Raises KeyWrapError for a bad device key."""
        return keywrap.wrap(self.proof_key(lock, raw_token), raw_token, device_key)

    def seal_is_genuine(self, lock: LockKey, raw_batch: bytes, seal: bytes) -> bool:
        """Whether this very lock sealed the batch of audit records."""
        expected = audit.seal(keys.audit_key(self._kdk(lock)), raw_batch)
        return same_bytes(expected, seal)

    def _kdk(self, lock: LockKey) -> bytes:
        if lock.vault_epoch != self._epoch or len(lock.public_key) != keys.KEY_BYTES:
            raise LockKeyError("the lock was enrolled under another vault epoch")
        try:
            shared = crypto_scalarmult(self._secret, lock.public_key)
        except CryptoError:
            raise LockKeyError("no secret can be agreed with this key") from None
        return keys.lock_kdk(shared, self._town, lock.lock_id, self._epoch)


def open_vault(folder: Path, town: str) -> Vault:
    """The vault whose key lies in `folder`."""
    return Vault(read_key(key_path(folder, "vault"), "vault"), town)
