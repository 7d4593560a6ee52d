"""The group of Ed25519 in integers of any size: runs on every MicroPython and on CPython.

Decides nothing about signatures. It builds a point's comb table and computes s * B + h * K from
two tables. All inputs are public, so timing tells nothing.

A table serves a signed comb of 7 teeth and 37 columns: entry i (0..63) is the sum over the teeth
t of +-2**(37 t) * K, plus for tooth 6 and for the bits set in i; the other 64 sums are their
negatives. Entry 64 is K. An entry is three numbers of 32 bytes, little-endian: (y + x) / 2,
(y - x) / 2, d * x * y. An eighth tooth would save a seventh of the time for twice the memory.
"""

P = (1 << 255) - 19
L = (1 << 252) + 27742317777372353535851937790883648493
BASE_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
BASE_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
ENTRY_BYTES = 96
ENTRIES = 65
TABLE_BYTES = ENTRIES * ENTRY_BYTES
COLUMNS = 37
_TEETH = 7
_BATCH = 16  # a lock has little memory in one piece
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_HALF = (P + 1) >> 1
_SQRT_M1 = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_BITS = COLUMNS * _TEETH
_SIGN = 1 << (_TEETH - 1)  # of a column: tooth 6


# --- points: extended coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, T = XY/Z ---


def _double(p: tuple) -> tuple:
    x, y, z, _ = p
    a, b = x * x % P, y * y % P
    e, g, h = 2 * x * y, b - a, -a - b
    f = g - 2 * z * z % P
    e %= P
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


def _negative(q: tuple) -> tuple:
    """-q, both in the form of `_cached`."""
    return q[1], q[0], q[2], P - q[3]


def _add_entry(p: tuple, table: memoryview, index: int, negative: bool) -> tuple:
    """p plus (or minus) an entry of a table; halves saved the doubling of Z."""
    x, y, z, t = p
    at = index * ENTRY_BYTES
    plus = int.from_bytes(table[at : at + 32], "little")
    minus = int.from_bytes(table[at + 32 : at + 64], "little")
    c = t * int.from_bytes(table[at + 64 : at + 96], "little") % P
    if negative:
        plus, minus, c = minus, plus, -c
    a, b = (y - x) * minus, (y + x) * plus
    e, f, g, h = (b - a) % P, z - c, z + c, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


# --- tables ---


def build_table(table: bytearray, x: int, y: int) -> None:
    """Write the comb table of an affine point to the first TABLE_BYTES of `table`."""
    point = (x, y, 1, x * y % P)
    teeth = _teeth(point)
    current = teeth[-1]
    for tooth in teeth[:-1]:
        current = _add(current, _negative(_cached(tooth)))
    steps = [_cached(_double(tooth)) for tooth in teeth[:-1]]
    batch = [(ENTRIES - 1, point), (0, current)]
    for count in range(1, 1 << len(steps)):
        bit = _lowest_bit(count)
        index = count ^ (count >> 1)  # Gray code: one tooth changes its sign at a time
        current = _add(current, steps[bit] if index >> bit & 1 else _negative(steps[bit]))
        batch.append((index, current))
        if len(batch) >= _BATCH:
            _pack(table, batch)
    _pack(table, batch)


def _teeth(point: tuple) -> list:
    """2**(32 t) * point for each tooth t."""
    teeth = [point]
    for _ in range(_TEETH - 1):
        for _ in range(COLUMNS):
            point = _double(point)
        teeth.append(point)
    return teeth


def _lowest_bit(number: int) -> int:
    bit = 0
    while not number >> bit & 1:
        bit += 1
    return bit


def _pack(table: bytearray, batch: list) -> None:
    """Write the affine entries of `batch` (which it empties), all with one inversion."""
    before, product = [], 1
    for _, point in batch:
        before.append(product)
        product = product * point[2] % P
    inverse = invert(product)
    while batch:
        index, (x, y, z, _) = batch.pop()
        own = inverse * before.pop() % P
        inverse = inverse * z % P
        _pack_entry(table, index, x * own % P, y * own % P)


def _pack_entry(table: bytearray, index: int, x: int, y: int) -> None:
    at = index * ENTRY_BYTES
    for number in ((y + x) * _HALF % P, (y - x) * _HALF % P, _D * x % P * y % P):
        table[at : at + 32] = number.to_bytes(32, "little")
        at += 32


# --- scalars ---


def recoded(odd: int) -> bytes:
    """An odd scalar as 259 bits, each 1 for plus and 0 for minus its power of two."""
    return ((odd + (1 << _BITS) - 1) >> 1).to_bytes((_BITS + 7) // 8, "little")


def column(bits: bytes, at: int) -> int:
    """The seven signs of a column, tooth 6 in the highest bit."""
    found = 0
    for tooth in range(_TEETH):
        found |= ((bits[at >> 3] >> (at & 7)) & 1) << tooth
        at += COLUMNS
    return found


def double_scalar(s: int, base: bytes, h: int, key: bytes) -> tuple:
    """(X, Y, Z) of s * B + h * K, both scalars below L, from the tables of B and K.

    B has order L, so an even s may grow by L. K may have any order: an even h is taken as h - 1,
    and K is added once more.
    """
    tables = (
        (memoryview(base), recoded(s if s & 1 else s + L)),
        (memoryview(key), recoded(h - 1 | 1)),
    )
    point = (0, 1, 1, 0)
    for at in range(COLUMNS - 1, -1, -1):
        point = _double(point)
        for table, bits in tables:
            signs = column(bits, at)
            plus = signs & _SIGN
            index = (signs if plus else ~signs) & (_SIGN - 1)
            point = _add_entry(point, table, index, not plus)
    if not h & 1:
        point = _add_entry(point, memoryview(key), ENTRIES - 1, False)
    return point[:3]


def encoded_double_scalar(s: int, base: bytes, h: int, key: bytes) -> bytes:
    """The 32 bytes of s * B + h * K."""
    return encoded(double_scalar(s, base, h, key))


def invert(a: int) -> int:
    """1/a modulo P by Euclid (MicroPython's pow knows no negative exponent)."""
    b, s, t = P, 1, 0
    while b:
        q, r = divmod(a, b)
        a, b, s, t = b, r, t, s - q * t
    return s % P


def encoded(point: tuple) -> bytes:
    """The 32 bytes of (X, Y, Z)."""
    inverse = invert(point[2])
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def recover_x(y: int, sign: int) -> int | None:
    """The x of that parity on the curve, or None when there is none."""
    u, v = (y * y - 1) % P, (_D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7 % P, (P - 5) // 8, P) % P
    check = v * x * x % P
    if check == P - u:
        x = x * _SQRT_M1 % P
    elif check != u:
        return None
    return P - x if x & 1 != sign else x
