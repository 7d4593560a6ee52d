"""Derives proof keys and audit keys from the vault's X25519 keys. Signs nothing, stores nothing.

Decides no access: it derives for whoever holds this object, and hands out proof keys wrapped
wherever a device is to have them. Holds one key for each live epoch, at most two; what a lock
sealed under an epoch that has been retired is not believed any more, for that key may be a thief's.
Knows nothing of the issuer and its keys.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from cloud import keywrap
from cloud.keyfiles import KeyFile, read_vault_key
from cloud.ports import LockKey, LockKeyError, PinOrder, WrappedKey
from protocol import audit, cbor, keys
from protocol import pin as pins
from protocol import token as tokens
from protocol.crypto import hkdf_sha256

_TICKET_LABEL = "kannuki-relay-ticket"
_TICKET_BYTES = 18


class Vault:
    """A town's vault; implements ports.ProofKeys."""

    def __init__(self, key_files: Iterable[KeyFile], town: str) -> None:
        self._secrets = {key.epoch: key.secret for key in key_files}
        self._town = town

    @property
    def public_keys(self) -> dict[int, bytes]:
        """{epoch: X25519 key}"""
        return {epoch: crypto_scalarmult_base(key) for epoch, key in self._secrets.items()}

    def proof_key(self, lock: LockKey, raw_token: bytes) -> bytes:
        """The key that proves possession of `raw_token` at `lock`. Raises LockKeyError."""
        epoch = tokens.parse(raw_token)[1].epoch
        return keys.proof_key(self._kdk(lock, epoch), raw_token)

    def wrap_proof_key(self, lock: LockKey, raw_token: bytes, device_key: bytes) -> WrappedKey:
        """The same, for one device alone. Raises KeyWrapError for a bad device key."""
        return keywrap.wrap(self.proof_key(lock, raw_token), raw_token, device_key)

    def open_parcel(self, lock: LockKey, raw_parcel: bytes, seal: bytes) -> list[bytes]:
        """The raw records that this very lock hid in a parcel. Raises AuditError, LockKeyError."""
        epoch = audit.decode_parcel(raw_parcel).vault_epoch
        return audit.unpack(aes, self._kdk(lock, epoch), raw_parcel, seal)

    def pin(self, lock: LockKey, epoch: int, order: PinOrder) -> str:
        """The ten digits for `lock`. Raises PinError for a window that no PIN can say."""
        pin = pins.Pin(order.starts_at, order.quarters, order.serial)
        encrypt_block = aes(pins.pin_key(self._kdk(lock, epoch)))
        return str(pins.encode(encrypt_block, lock.lock_id, pin))

    def relay_tickets(self, bound_to: bytes) -> list[str]:
        """One for each live epoch, the newest first: who holds a link alone cannot make them."""
        named = cbor.encode([_TICKET_LABEL, self._town, bound_to])
        newest_first = sorted(self._secrets.items(), reverse=True)
        return [_text(hkdf_sha256(secret, named, _TICKET_BYTES)) for _, secret in newest_first]

    def _kdk(self, lock: LockKey, epoch: int) -> bytes:
        secret = self._secrets.get(epoch)
        if secret is None or len(lock.public_key) != keys.KEY_BYTES:
            raise LockKeyError("the vault has no such epoch")
        try:
            shared = crypto_scalarmult(secret, lock.public_key)
        except CryptoError:
            raise LockKeyError("no secret can be agreed with this key") from None
        own = crypto_scalarmult_base(secret)
        return keys.lock_kdk(shared, self._town, lock.lock_id, epoch, lock.public_key, own)


def open_vault(folder: Path, town: str, epochs: Iterable[int]) -> Vault:
    """The vault whose keys of these epochs lie in `folder`. Raises InputError."""
    return Vault([read_vault_key(folder, epoch) for epoch in epochs], town)


def aes(key: bytes) -> Callable[[bytes], bytes]:
    """AES-256 of single blocks, as protocol.crypto.Crypto asks for it (FIPS 197)."""
    cipher = Cipher(AES(key), ECB())  # noqa: S305 - one block; the mode is protocol.crypto.aes_ctr

    def encrypt_block(block: bytes) -> bytes:
        encryptor = cipher.encryptor()
        return encryptor.update(block) + encryptor.finalize()

    return encrypt_block


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
