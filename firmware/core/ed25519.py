"""Ed25519 verification (RFC 8032) with libsodium's verdict for every input.

Decides: S < L; the public key canonical and not of small order; R not of small order; the
equation checked by comparing R's bytes. Integers of any size, so it runs on every MicroPython;
all inputs are public, so timing tells nothing. Signing is not here.
"""

from firmware.core.sha512 import sha512

P = (1 << 255) - 19
L = (1 << 252) + 27742317777372353535851937790883648493
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_SQRT_M1 = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_BASE_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
_BASE_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
_ORDER8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
_WINDOW_BITS = 4
_MAX_CACHED_KEYS = 4

# y coordinates (sign bit off, possibly not reduced) of points of small order: libsodium's list.
_SMALL_ORDER_Y = (0, 1, _ORDER8_Y, P - _ORDER8_Y, P - 1, P, P + 1)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) by `public_key` (32 bytes) covers `message`.

    False, never an exception, for byte strings of any other length or content.
    """
    if len(public_key) != 32 or len(signature) != 64:
        return False
    raw_r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L or _small_order(raw_r):
        return False
    table = _negated_key_table(bytes(public_key))
    if table is None:
        return False
    h = int.from_bytes(sha512(bytes(raw_r) + bytes(public_key) + bytes(message)), "little") % L
    return _encode_point(_double_scalar(s, _base_table(), h, table)) == raw_r


def _small_order(raw: bytes) -> bool:
    return int.from_bytes(raw, "little") & ((1 << 255) - 1) in _SMALL_ORDER_Y


# --- points: extended coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, T = XY/Z ---


def _double(p: tuple) -> tuple:
    x, y, z, _ = p
    a, b, c = x * x, y * y, 2 * z * z
    e, g = 2 * x * y, b - a
    f, h = g - c, -a - b
    return e * f % P, g * h % P, f * g % P, e * h % P


def _cached(p: tuple) -> tuple:
    x, y, z, t = p
    return (y - x) % P, (y + x) % P, 2 * z % P, 2 * _D * t % P


def _add(p: tuple, q: tuple) -> tuple:
    """p + q, q in the form of `_cached`."""
    x, y, z, t = p
    a, b, c, d = (y - x) * q[0], (y + x) * q[1], t * q[3], z * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


_NEUTRAL = (0, 1, 1, 0)


def _table(point: tuple) -> list:
    """Cached multiples 1..15 of `point`; index 0 is unused."""
    step = _cached(point)
    multiples = [None, step]
    for _ in range(2, 1 << _WINDOW_BITS):
        point = _add(point, step)
        multiples.append(_cached(point))
    return multiples


def _double_scalar(s: int, base: list, h: int, key: list) -> tuple:
    """s * B + h * K by interleaved windows, K and B given as tables."""
    point = _NEUTRAL
    for shift in range(252, -1, -_WINDOW_BITS):
        if point is not _NEUTRAL:
            for _ in range(_WINDOW_BITS):
                point = _double(point)
        digit = (s >> shift) & 15
        if digit:
            point = _add(point, base[digit])
        digit = (h >> shift) & 15
        if digit:
            point = _add(point, key[digit])
    return point


def _invert(a: int) -> int:
    """1/a modulo P by Euclid (MicroPython's pow knows no negative exponent)."""
    b, s, t = P, 1, 0
    while b:
        q, r = divmod(a, b)
        a, b, s, t = b, r, t, s - q * t
    return s % P


def _encode_point(p: tuple) -> bytes:
    inverse = _invert(p[2])
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode_point(raw: bytes) -> tuple | None:
    """The point in 32 bytes, or None when not canonical, off the curve or of small order."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P or _small_order(raw):
        return None
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _recover_x(y: int, sign: int) -> int | None:
    u, v = (y * y - 1) % P, (_D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7 % P, (P - 5) // 8, P) % P
    check = v * x * x % P
    if check == P - u:
        x = x * _SQRT_M1 % P
    elif check != u:
        return None
    return P - x if x & 1 != sign else x


# --- tables ---

_base = []
_keys = {}


def _base_table() -> list:
    if not _base:
        _base.extend(_table((_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % P)))
    return _base


def _negated_key_table(public_key: bytes) -> list | None:
    """Multiples of -A; the few issuers' tables are kept. None for a key that is refused."""
    if public_key in _keys:
        return _keys[public_key]
    point = _decode_point(public_key)
    if point is None:
        return None
    x, y, z, t = point
    if len(_keys) >= _MAX_CACHED_KEYS:
        _keys.clear()
    _keys[public_key] = _table((P - x, y, z, P - t))
    return _keys[public_key]
