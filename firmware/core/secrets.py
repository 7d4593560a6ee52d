"""What never leaves a lock: its X25519 and its Ed25519 private halves, and what they are used for.

Decides the form of the secret file: the X25519 scalar, the Ed25519 seed, and the two public halves,
which are kept so that no start has to compute them. Agrees on key-derivation keys with the town's
vault, and signs the head of the journal; hands out nothing else.
"""

import sys

from firmware import core
from firmware.core.x25519 import public_key, x25519
from protocol import audit, cose
from protocol.audit import Head
from protocol.keys import KEY_BYTES, key_id, lock_kdk
from protocol.keyset import Keyset
from protocol.shim import Any, Callable

SECRET_FILE = "lock.key"
_SIGNER = "firmware.core.ed25519_sign"


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
        signature = _with_signer(lambda signer: signer.sign(self._seed, self.signing_key, to_sign))
        return cose.encode(kid, payload, signature)


def make(random_bytes: Callable) -> bytes:
    """A new lock's secrets, as they are stored."""
    scalar, seed = random_bytes(KEY_BYTES), random_bytes(KEY_BYTES)
    return scalar + seed + public_key(scalar) + _with_signer(lambda signer: signer.public_key(seed))


def _with_signer(work: Callable) -> bytes:
    """`work` of the signing module, which is in memory for as long as it takes.

    Heads are asked for seldom, and 10 kB are a good part of what a lock has left.
    """
    was_there = _SIGNER in sys.modules
    from firmware.core import ed25519_sign

    try:
        return work(ed25519_sign)
    finally:
        if not was_there:
            _unload()


def _unload() -> None:
    for name in (_SIGNER, _SIGNER + "_viper"):
        if name in sys.modules:
            del sys.modules[name]
            delattr(core, name[name.rindex(".") + 1 :])


def load(storage: Any) -> Secrets:
    """The secrets of an enrolled lock. Raises ValueError when there are none."""
    return Secrets(storage.read(SECRET_FILE) or b"")
