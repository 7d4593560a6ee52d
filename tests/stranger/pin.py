"""The PIN of pin.md, by FF1 (NIST SP 800-38G, algorithms 7 and 8) with radix 10 and 10 numerals."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.stranger.cbor import encode
from tests.stranger.wire import FOREVER, derived

QUARTERS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48]
HALF = 10**5  # u = v = 5 numerals, so b = 3 bytes and d = 8 of the MAC's


def _round(key: bytes, tweak: bytes, i: int, half: int) -> int:
    p = bytes([1, 2, 1, 0, 0, 10, 10, 5, 0, 0, 0, 10]) + len(tweak).to_bytes(4, "big")
    q = tweak + bytes((-len(tweak) - 4) % 16) + bytes([i]) + half.to_bytes(3, "big")
    cbc = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return int.from_bytes(cbc.update(p + q)[-16:][:8], "big")


def encrypt(key: bytes, tweak: bytes, value: int) -> int:
    a, b = divmod(value, HALF)
    for i in range(10):
        a, b = b, (a + _round(key, tweak, i, b)) % HALF
    return a * HALF + b


def decrypt(key: bytes, tweak: bytes, value: int) -> int:
    a, b = divmod(value, HALF)
    for i in reversed(range(10)):
        a, b = (b - _round(key, tweak, i, a)) % HALF, a
    return a * HALF + b


def digits(kdk: bytes, lock: str, starts_at: int, quarters: int, serial: int) -> str:
    value = (starts_at // 900 * 16 + QUARTERS.index(quarters)) * 32 + serial
    return f"{encrypt(derived(kdk, 'pin'), lock.encode(), value):010d}"


def read(kdk: bytes, lock: str, typed: str) -> tuple[int, int, int] | None:
    """(starts_at, quarters, serial) of ten digits, or None: no PIN at all."""
    value = decrypt(derived(kdk, "pin"), lock.encode(), int(typed))
    rest, serial = divmod(value, 32)
    quarter, code = divmod(rest, 16)
    return (quarter * 900, QUARTERS[code], serial) if code < len(QUARTERS) else None


def opens(starts_at: int, quarters: int, lo: int, hi: int | None, doubt_s: int) -> bool:
    """Whether the window counts as open at a door that bears this much doubt about the time."""
    ends_at, latest = starts_at + quarters * 900, FOREVER if hi is None else hi
    if starts_at <= lo and latest < ends_at:
        return True
    return latest - lo <= min(doubt_s, 900) and lo < ends_at and starts_at <= latest


def name(lock: str, starts_at: int, quarters: int, serial: int) -> bytes:
    return hashlib.sha256(encode(["kannuki-pin", lock, starts_at, quarters, serial])).digest()[:8]
