"""Ed25519 verification (RFC 8032) with libsodium's verdict for every input.

Decides: S < L; the public key canonical and not of small order; R not of small order; the
equation checked by comparing R's bytes. Which arithmetic computes it is decided once, at the boot
test, the first of these that the runtime takes and that knows the right answers: the instructions
of ed25519_rv32, the machine words of ed25519_viper, the integers of ed25519_curve. If all of them
fail, nothing verifies until the next boot.

A key's table (6,272 bytes with its checksum) is built on first use, or fetched from a `tables`
port: an object with `read_into(name, buffer) -> bool` and `write(name, content)`. Memory for tables
is taken at import, in one piece each, while the heap is still whole. Inputs are
public, so timing tells nothing. Signing is in ed25519_sign.
"""

import hashlib
from binascii import hexlify, unhexlify

from firmware.core import ed25519_curve as curve
from firmware.core.sha512 import sha512

P = curve.P
L = curve.L
MAX_KEYS = 1  # with the base point's: 13 kB; another key's is read from the port again
_BASE_NAME = "base"
_CHECKSUM_BYTES = 32
_SLOT_BYTES = curve.TABLE_BYTES + _CHECKSUM_BYTES
_ORDER8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7

# y coordinates (sign bit off, possibly not reduced) of points of small order: libsodium's list.
_SMALL_ORDER_Y = (0, 1, _ORDER8_Y, P - _ORDER8_Y, P - 1, P, P + 1)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) by `public_key` (32 bytes) covers `message`.

    False, never an exception, for byte strings of any other length or content.
    """
    if not _state:
        boot()
    if _state[0] is None or len(public_key) != 32 or len(signature) != 64:
        return False
    raw_r, s = bytes(signature[:32]), int.from_bytes(signature[32:], "little")
    if s >= L or _small_order(raw_r):
        return False
    public_key = bytes(public_key)
    table = _key_table(public_key)
    if table is None:
        return False
    return _holds(_state[0], public_key, table, message, raw_r, s)


def _holds(
    encoded_double_scalar: object,
    public_key: bytes,
    table: bytes,
    message: bytes,
    raw_r: bytes,
    s: int,
) -> bool:
    """Whether s * B - h * A has the bytes of R."""
    h = int.from_bytes(sha512(b"".join((raw_r, public_key, bytes(message)))), "little") % L
    return encoded_double_scalar(s, _base, h, table) == raw_r


def _small_order(raw: bytes) -> bool:
    return int.from_bytes(raw, "little") & ((1 << 255) - 1) in _SMALL_ORDER_Y


def decode_key(raw: bytes) -> tuple | None:
    """(x, y) of a public key, or None when not canonical, off the curve or of small order."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P or _small_order(raw):
        return None
    x = curve.recover_x(y, sign)
    return None if x is None else (x, y)


# --- boot ---

# Names of arithmetics, the best first.
INSTRUCTIONS, WORDS, INTEGERS = "rv32 instructions", "machine words", "integers"

# No viper, a module of another architecture, no memory for it: integers do as well.
FAST_IMPORT_FAILS = (ImportError, SyntaxError, ValueError, MemoryError)

_state = []  # [encoded_double_scalar or None, the name of the arithmetic or why there is none]
_base = bytearray(_SLOT_BYTES)
_keys = [(None, bytearray(_SLOT_BYTES)) for _ in range(MAX_KEYS)]  # used last at the end
_port = []

# The key -B (its negative is B, so no second table is needed) and signatures of one message: with
# h even and S odd, and the other way round.
_KNOWN_KEY = b"\x58" + b"\x66" * 30 + b"\xe6"
_KNOWN_MESSAGE = b"kannuki"
_KNOWN_SIGNATURES = (
    "70ed1653531020b82f146c8a90565ef30d69ade354457a9a5bfc42e8066947dd"
    "03c0b4acbe79a0a3cf0e3a21a455e52113b668b40e7564f31bc51896f36adf05",
    "b2f51abc835de38487186f28de5a378593c053684655296f2380e14a3fe847c8"
    "9a355540a6d471082223f8797ab36c3cf04f2b561efff4268747ced0b8485d04",
)


def boot(tables: object = None) -> str:
    """Test and choose the arithmetic, take the port of tables; says what `arithmetic` says."""
    _state.clear()
    for i in range(MAX_KEYS):
        _keys[i] = (None, _keys[i][1])
    _port.clear()
    if tables is not None:
        _port.append(tables)
    _fill(_base, _BASE_NAME, curve.BASE_X, curve.BASE_Y)
    for name, encoded_double_scalar in candidates():
        if _is_sound(encoded_double_scalar):
            _state.extend((encoded_double_scalar, name))
            return name
    _state.extend((None, "every arithmetic failed its known answers: replace the board"))
    return _state[1]


def arithmetic() -> str:
    """The arithmetic chosen at boot, or why nothing is verified."""
    return _state[1] if _state else boot()


def base_table() -> bytes:
    """The table of the base point, filled."""
    arithmetic()
    return _base


def candidates() -> object:
    """(name, arithmetic), the best first; the next is imported only when it is asked for."""
    for name, found in ((INSTRUCTIONS, _instructions), (WORDS, _words)):
        try:
            yield name, found()
        except FAST_IMPORT_FAILS:
            continue
    yield INTEGERS, curve.encoded_double_scalar


def _instructions() -> object:
    from firmware.core.ed25519_riscv import encoded_double_scalar

    return encoded_double_scalar


def _words() -> object:
    from firmware.core.ed25519_fast import encoded_double_scalar

    return encoded_double_scalar


def _is_sound(encoded_double_scalar: object) -> bool:
    try:
        return _knows_the_answers(encoded_double_scalar)
    except MemoryError:
        return False


def _knows_the_answers(encoded_double_scalar: object) -> bool:
    """Good signatures pass; with a bit changed in S or in R they do not."""
    for known, changed in zip(_KNOWN_SIGNATURES, (32, 0)):
        raw = bytearray(unhexlify(known))
        if not _known_holds(encoded_double_scalar, raw):
            return False
        raw[changed] ^= 1
        if _known_holds(encoded_double_scalar, raw):
            return False
    return True


def _known_holds(encoded_double_scalar: object, raw: bytes) -> bool:
    raw_r, s = bytes(raw[:32]), int.from_bytes(raw[32:], "little")
    return _holds(encoded_double_scalar, _KNOWN_KEY, _base, _KNOWN_MESSAGE, raw_r, s)


# --- tables ---


def _key_table(public_key: bytes) -> bytes | None:
    """The table of -A; those used last stay in memory. None for a key that is refused."""
    for i in range(MAX_KEYS - 1, -1, -1):
        if _keys[i][0] == public_key:
            _keys.append(_keys.pop(i))
            return _keys[-1][1]
    point = decode_key(public_key)
    if point is None:
        return None
    slot = _keys.pop(0)[1]
    _keys.insert(0, (None, slot))
    _fill(slot, hexlify(public_key).decode(), P - point[0], point[1])
    _keys.pop(0)
    _keys.append((public_key, slot))
    return slot


def _fill(slot: bytearray, name: str, x: int, y: int) -> None:
    """From the port if it has the table whole, else built (and given to the port)."""
    view = memoryview(slot)
    table = view[: curve.TABLE_BYTES]
    if _port and _port[0].read_into(name, slot):
        if _checksum(name, table) == bytes(view[curve.TABLE_BYTES :]):
            return
    curve.build_table(slot, x, y)
    view[curve.TABLE_BYTES :] = _checksum(name, table)
    if _port:
        _port[0].write(name, slot)


def _checksum(name: str, table: memoryview) -> bytes:
    digest = hashlib.sha256(name.encode())
    digest.update(table)
    return digest.digest()
