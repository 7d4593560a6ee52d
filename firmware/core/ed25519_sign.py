"""Ed25519 signing (RFC 8032, deterministic) with the lock's own key, for the audit's head.

Decides how the secret is kept from whoever times the lock: in machine words no branch and no
address depends on it; the same instructions run for every seed and message of a length. Where the
boot test left only integers of any size, signing still works, but they are NOT constant time
(their length shows in the time); a lock that cannot sign has no audit, which is worse than a leak
that needs many well timed signatures. Every signature is verified before it is given out, so
neither a fault of the chip nor a public key of another seed lets the secret be computed from two.
"""

from firmware.core import ed25519
from firmware.core import ed25519_curve as curve
from firmware.core.ed25519_program import DOUBLE, ENTRY, FULL_T, SUM
from firmware.core.sha512 import sha512

_COLUMN = DOUBLE + ENTRY + SUM + FULL_T + b"\0"
_ORDER = curve.L.to_bytes(32, "little")
_ONE = b"\1" + bytes(31)
_TOP = b"\x08" + bytes(3)  # bit 259: the sign of a recoded number's highest bit


class SigningFault(Exception):
    """No arithmetic works, or a signature did not verify: nothing is given out."""


def public_key(seed: bytes) -> bytes:
    """The 32 bytes of the key whose secret is `seed` (32 bytes)."""
    multiply, reduced, _ = _arithmetic()
    return multiply(reduced(_clamped(sha512(_checked(seed)))))


def sign(seed: bytes, own_public_key: bytes, message: bytes) -> bytes:
    """The 64 bytes of the signature of `message`. Raises SigningFault rather than a bad one.

    `own_public_key` is `public_key(seed)`; with another one SigningFault is raised.
    """
    multiply, reduced, multiply_add = _arithmetic()
    digest, message = sha512(_checked(seed)), bytes(message)
    nonce = reduced(sha512(digest[32:] + message))
    raw_r = multiply(nonce)
    h = int.from_bytes(sha512(raw_r + own_public_key + message), "little") % curve.L
    s = multiply_add(h.to_bytes(32, "little"), reduced(_clamped(digest)), nonce)
    signature = raw_r + bytes(s)
    if not ed25519.verify(own_public_key, message, signature):
        raise SigningFault("a signature does not verify, or the key is another's")
    return signature


def _checked(seed: bytes) -> bytes:
    if len(seed) != 32:
        raise ValueError("a seed has 32 bytes")
    return bytes(seed)


def _clamped(digest: bytes) -> bytes:
    scalar = bytearray(digest[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    return scalar


def _arithmetic() -> tuple:
    """(multiply the base point, reduce modulo L, multiply and add modulo L)."""
    name = ed25519.arithmetic()
    if name == ed25519.INSTRUCTIONS:
        from firmware.core import ed25519_riscv as field
    elif name == ed25519.WORDS:
        from firmware.core import ed25519_fast as field
    elif name == ed25519.INTEGERS:
        return _multiply, _reduced, _multiply_add
    else:
        raise SigningFault(name)
    return _uniform(field)


# --- the same instructions for every secret ---


def _uniform(field: object) -> tuple:
    from firmware.core.ed25519_sign_viper import horner, make_odd, select

    def total_of(addend: bytes, bits: bytes, total: bytearray) -> bytearray:
        """total * 2**n + bits * addend modulo L; with no bits total + addend."""
        horner(total, bytearray(addend + _ORDER + bytes(32)), bits, 8 * len(bits))
        return total

    def reduced(number: bytes) -> bytearray:
        # The highest 31 bytes are below the order already.
        return total_of(_ONE, number[:-31], bytearray(number[-31:] + b"\0"))

    def multiply_add(h: bytes, secret: bytes, nonce: bytes) -> bytearray:
        return total_of(nonce, b"", total_of(secret, h, bytearray(32)))

    def multiply(scalar: bytes) -> bytes:
        bits = bytearray(scalar + _TOP)
        make_odd(bits, _ORDER)
        table, entry = ed25519.base_table(), bytearray(curve.ENTRY_BYTES)
        field.uniform_start()
        for at in range(curve.COLUMNS - 1, -1, -1):
            select(table, bits, at, entry)
            field.uniform_step(_COLUMN, entry)
        return field.uniform_encoded()

    return multiply, reduced, multiply_add


# --- integers: not constant time ---


def _reduced(number: bytes) -> bytes:
    return (int.from_bytes(number, "little") % curve.L).to_bytes(32, "little")


def _multiply_add(h: bytes, secret: bytes, nonce: bytes) -> bytes:
    h, secret, nonce = [int.from_bytes(raw, "little") for raw in (h, secret, nonce)]
    return ((h * secret + nonce) % curve.L).to_bytes(32, "little")


def _multiply(scalar: bytes) -> bytes:
    table = ed25519.base_table()
    return curve.encoded_double_scalar(int.from_bytes(scalar, "little"), table, 0, table)
