"""X25519 (RFC 7748): the one agreement a lock makes with its town's vault, at enrolment and boot.

Integers of any size; the ladder does the same steps for every scalar, but big-integer arithmetic
is not constant time. It runs a few times in a lock's life and never on a value a peer chooses.
"""

_P = (1 << 255) - 19
_A24 = 121665
_BASE = (9).to_bytes(32, "little")


def x25519(private_key: bytes, public_key: bytes) -> bytes:
    """The 32 shared bytes. Raises ValueError when the peer's key has small order (all zero)."""
    shared = _ladder(_clamp(private_key), _decode_u(public_key))
    if shared == 0:
        raise ValueError("the public key is of small order")
    return shared.to_bytes(32, "little")


def public_key(private_key: bytes) -> bytes:
    """The public half of 32 random bytes."""
    return x25519(private_key, _BASE)


def _clamp(raw: bytes) -> int:
    if len(raw) != 32:
        raise ValueError("an X25519 key has 32 bytes")
    scalar = int.from_bytes(raw, "little")
    return scalar & ((1 << 254) - 8) | (1 << 254)


def _decode_u(raw: bytes) -> int:
    if len(raw) != 32:
        raise ValueError("an X25519 key has 32 bytes")
    return (int.from_bytes(raw, "little") & ((1 << 255) - 1)) % _P


def _ladder(scalar: int, u: int) -> int:
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = (scalar >> t) & 1
        if swapped != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % _P, b * b % _P, d * a % _P, c * b % _P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P, u * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + _A24 * e) % _P
    if swapped:
        x2, z2 = x3, z3
    return x2 * pow(z2, _P - 2, _P) % _P
