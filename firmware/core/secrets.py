"""What never leaves a lock: its X25519 and its Ed25519 private halves, and what they are used for.

Decides the form of the secret file: the X25519 scalar, the Ed25519 seed, and the two public halves,
which are kept so that no start has to compute them. Agrees on key-derivation keys with the town's
vault, and signs the head of the journal; hands out nothing else.
"""

from firmware.core.x25519 import public_key, x25519
from protocol import audit, cose
from protocol.audit import Head
from protocol.keys import KEY_BYTES, key_id, lock_kdk
from protocol.keyset import Keyset
from protocol.shim import Any, Callable

SECRET_FILE = "lock.key"


class Secrets:
    """`raw`: the four keys of 32 bytes each. Raises ValueError for any other length."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 4 * KEY_BYTES:
            raise ValueError("a lock's secrets have 128 bytes")
        parts = [raw[at : at + KEY_BYTES] for at in range(0, len(raw), KEY_BYTES)]
        self._scalar, self._seed, self.public_key, self.signing_key = parts

    def kdks(self, lock_id: str, keyset: Keyset) -> dict:
        """{vault epoch: kdk} for every epoch that the keyset lets live."""
        kdks = {}
        for epoch, vault_key in keyset.vaults.items():
            shared = x25519(self._scalar, vault_key)
            kdks[epoch] = lock_kdk(shared, keyset.town, lock_id, epoch, self.public_key, vault_key)
        return kdks

    def sign_head(self, head: Head, nonce: bytes) -> bytes:
        """The lock's own word on where its journal stands: a COSE_Sign1."""
        payload, kid = audit.encode_head(head, nonce), key_id(self.signing_key)
        to_sign = cose.to_sign(kid, payload, audit.HEAD_CONTEXT)
        signature = _signer().sign(self._seed, self.signing_key, to_sign)
        return cose.encode(kid, payload, signature)


def make(random_bytes: Callable) -> bytes:
    """A new lock's secrets, as they are stored."""
    scalar, seed = random_bytes(KEY_BYTES), random_bytes(KEY_BYTES)
    return scalar + seed + public_key(scalar) + _signer().public_key(seed)


def _signer() -> Any:
    """Loaded when a head is asked for, which is seldom: it takes 10 kB of a heap that has few."""
    from firmware.core import ed25519_sign

    return ed25519_sign


def load(storage: Any) -> Secrets:
    """The secrets of an enrolled lock. Raises ValueError when there are none."""
    return Secrets(storage.read(SECRET_FILE) or b"")
