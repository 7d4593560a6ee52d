"""Writes tests/vectors/ed25519_edges.json: signatures at every edge with libsodium's verdicts.

    python -m tests.firmware.generate_ed25519_edges

Keys and R of mixed order, of small order and in non-canonical form; S above L; changed bits.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import nacl.exceptions
import nacl.signing

from firmware.core import ed25519_curve as curve
from tests.firmware.test_chip_ed25519 import BASE, TORSION, add, encode, multiply

TARGET = Path(__file__).resolve().parent.parent / "vectors" / "ed25519_edges.json"
ROUNDS = 2


def libsodium(key: bytes, message: bytes, signature: bytes) -> bool:
    """The verdict that ours must equal."""
    try:
        nacl.signing.VerifyKey(key).verify(message, signature)
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


def challenge(raw_r: bytes, key: bytes, message: bytes) -> int:
    """The h of the equation."""
    return int.from_bytes(hashlib.sha512(raw_r + key + message).digest(), "little") % curve.L


def signed(secret: int, nonce: int, key: bytes, raw_r: bytes, message: bytes) -> bytes:
    """A signature whose equation holds but for components of small order."""
    s = (nonce + challenge(raw_r, key, message) * secret) % curve.L
    return raw_r + s.to_bytes(32, "little")


def mixed(draw: random.Random, of_key: int, of_r: int) -> tuple[bytes, bytes, bytes]:
    """A key and an R with so many times the point of order 8 added."""
    secret, nonce = draw.randrange(curve.L), draw.randrange(curve.L)
    key = encode(add(multiply(secret, BASE), multiply(of_key, TORSION)))
    raw_r = encode(add(multiply(nonce, BASE), multiply(of_r, TORSION)))
    message = draw.randbytes(draw.randrange(200))
    return key, message, signed(secret, nonce, key, raw_r, message)


def exact(draw: random.Random, of_key: int) -> tuple[bytes, bytes, bytes]:
    """Such a signature whose parts of small order cancel: libsodium accepts it."""
    of_r = -of_key * draw.choice((1, 3, 5, 7)) % 8
    while True:
        key, message, signature = mixed(draw, of_key, of_r)
        if (challenge(signature[:32], key, message) * of_key + of_r) % 8 == 0:
            return key, message, signature


def edges(draw: random.Random) -> Iterator[tuple[bytes, bytes, bytes]]:
    """All cases of one round."""
    for of_key in range(8):
        yield exact(draw, of_key)
        yield exact(draw, of_key)
        yield mixed(draw, of_key, draw.randrange(8))
        yield mixed(draw, 0, of_key)
    key, message, good = mixed(draw, 0, 0)
    s = int.from_bytes(good[32:], "little")
    yield key, message, good[:32] + (s + curve.L).to_bytes(32, "little")
    yield key, message, good[:32] + curve.L.to_bytes(32, "little")
    for y in [curve.P + n for n in range(19)]:
        for sign in (0, 1):
            raw = (y | sign << 255).to_bytes(32, "little")
            yield raw, message, good
            yield key, message, signed(0, 0, key, raw, message)
    for n in range(8):
        raw = encode(multiply(n, TORSION))
        yield raw, message, raw + bytes(32)
        yield key, message, signed(1, 0, key, raw, message)


def main() -> None:
    draw = random.Random(8032)
    cases = [
        [*(part.hex() for part in case), libsodium(*case)]
        for _ in range(ROUNDS)
        for case in edges(draw)
    ]
    text = ",\n".join(json.dumps(case) for case in cases)
    TARGET.write_text(f"[\n{text}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
