"""Keyed hashing on both runtimes, and the port through which signatures are checked.

HMAC and HKDF are ours because MicroPython has neither; SHA-256 comes from `hashlib`, which both
runtimes have. Public-key operations, AES and randomness are not decided here: the composition
root hands in a `Crypto`.
"""

import hashlib

from protocol.shim import Callable

HASH_BYTES = 32
MAC_BYTES = 16
AES_BLOCK_BYTES = 16
_BLOCK_BYTES = 64
_INNER_PAD = int.from_bytes(b"\x36" * _BLOCK_BYTES, "big")  # integers: no loop, less garbage
_OUTER_PAD = int.from_bytes(b"\x5c" * _BLOCK_BYTES, "big")


class Crypto:
    """What a verifier needs from outside.

    verify_signature(public_key: 32 bytes, message, signature: 64 bytes) -> bool
        Ed25519 with libsodium's verdict (docs/spec/token.md).
    random_bytes(n) -> n bytes from the system's cryptographic source.
    aes(key: 32 bytes) -> a function that encrypts one block of 16 bytes (FIPS 197).
    """

    def __init__(self, verify_signature: Callable, random_bytes: Callable, aes: Callable) -> None:
        self.verify_signature = verify_signature
        self.random_bytes = random_bytes
        self.aes = aes


def sha256(*parts: bytes) -> bytes:
    """SHA-256 (FIPS 180-4) over the concatenation of `parts`."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) over the concatenation of `parts`: 32 bytes."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key)
    padded = int.from_bytes(key + bytes(_BLOCK_BYTES - len(key)), "big")
    inner = sha256((padded ^ _INNER_PAD).to_bytes(_BLOCK_BYTES, "big"), *parts)
    return sha256((padded ^ _OUTER_PAD).to_bytes(_BLOCK_BYTES, "big"), inner)


def hkdf_sha256(secret: bytes, info: bytes, length: int = HASH_BYTES, salt: bytes = b"") -> bytes:
    """HKDF-SHA256 (RFC 5869) of `secret`: `length` bytes, at most 255 * 32."""
    if not 0 < length <= 255 * HASH_BYTES:
        raise ValueError("HKDF length out of range")
    pseudorandom = hmac_sha256(salt or bytes(HASH_BYTES), secret)
    out = block = b""
    while len(out) < length:
        block = hmac_sha256(pseudorandom, block, info, bytes([len(out) // HASH_BYTES + 1]))
        out += block
    return out[:length]


def aes_ctr(encrypt_block: Callable, data: bytes) -> bytes:
    """`data` under AES in counter mode (NIST SP 800-38A), the counter from 0: keys serve once."""
    out = bytearray(data)
    for at in range(0, len(out), AES_BLOCK_BYTES):
        block = encrypt_block((at // AES_BLOCK_BYTES).to_bytes(AES_BLOCK_BYTES, "big"))
        for i in range(min(AES_BLOCK_BYTES, len(out) - at)):
            out[at + i] ^= block[i]
    return bytes(out)


def same_bytes(a: bytes, b: bytes) -> bool:
    """Whether a == b, in a time that depends on the length alone."""
    if len(a) != len(b):
        return False
    difference = 0
    for i in range(len(a)):
        difference |= a[i] ^ b[i]
    return difference == 0
