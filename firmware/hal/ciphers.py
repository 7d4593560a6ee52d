"""AES of the chip's own library, in the shape that protocol.crypto.Crypto asks for."""

import cryptolib

from protocol.shim import Callable

_MODE_ECB = 1


def aes(key: bytes) -> Callable:
    """A function that encrypts one block of 16 bytes under `key` (16 or 32 bytes)."""
    return cryptolib.aes(key, _MODE_ECB).encrypt
