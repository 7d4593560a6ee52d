"""s * B + h * K in machine words, with the interface of ed25519_curve; importing it may fail.

Decides the program of point formulas that ed25519_viper.run interprets over one piece of memory,
and the layout of that memory. It allocates nothing but the few integers it starts and ends with.
Raises at import what a runtime without viper raises (see ed25519.FAST_IMPORT_FAILS).
"""

from array import array

from firmware.core import ed25519_curve as curve
from firmware.core.ed25519_steps_viper import columns, invert, normalize, pack
from firmware.core.ed25519_viper import run

# Memory in elements of 20 words: 1..4 are X, Y, Z, T; 5..7 the entry; 8..14 temporary; 15 zero;
# 16..19 control; 20..23 scratch of products; and while dividing 22..25 are f, g, d, e.
_ELEMENT = 20
_CONTROL = 16 * _ELEMENT
_WORDS = _CONTROL + 8
_ROUNDS, _START = _CONTROL + 4, _CONTROL + 5
_memory = array("I", bytes(4 * _ELEMENT * 26))
_memory_view = memoryview(_memory)
_packed = bytearray(33)

_MUL, _ADD, _SUB, _SQR, _LOAD, _CARRY = 1, 2, 3, 4, 5, 6


def _program(*steps: tuple) -> bytes:
    return b"".join(bytes(step) for step in steps)


_SUM = _program(
    (_LOAD, 0, 0, 0),
    (_SUB, 8, 2, 1),
    (_MUL, 10, 8, 6),
    (_ADD, 8, 2, 1),
    (_MUL, 11, 8, 5),
    (_MUL, 12, 4, 7),
    (_SUB, 8, 11, 10),
    (_ADD, 9, 11, 10),
    (_SUB, 10, 3, 12),
    (_ADD, 11, 3, 12),
    (_MUL, 1, 8, 10),
    (_MUL, 2, 11, 9),
    (_MUL, 3, 10, 11),
)
_FULL_T = _program((_MUL, 4, 8, 9))  # not needed before a doubling
_DOUBLE = _program(
    (_SQR, 10, 1, 1),
    (_SQR, 11, 2, 2),
    (_SQR, 12, 3, 3),
    (_MUL, 13, 1, 2),
    (_ADD, 9, 10, 11),
    (_SUB, 14, 10, 11),
    (_SUB, 8, 15, 13),
    (_SUB, 8, 8, 13),
    (_ADD, 12, 12, 12),
    (_ADD, 12, 12, 14),
    (_CARRY, 10, 12, 12),
    (_MUL, 1, 8, 10),
    (_MUL, 2, 14, 9),
    (_MUL, 3, 10, 14),
    (_MUL, 4, 8, 9),
)
_COMB = _DOUBLE + _SUM + _FULL_T + _SUM + b"\0"
_ONE_MORE = _FULL_T + _SUM + b"\0"
_AFFINE = _program((_MUL, 1, 1, 24), (_MUL, 2, 2, 24)) + b"\0"
_KEY, _BASE = 2, 0


def _run(program: bytes, base: bytes, key: bytes, rounds: int = 1, start: int = 0) -> None:
    _memory[_ROUNDS] = rounds
    _memory[_START] = start
    run(_memory, base, key, program)


def encoded_double_scalar(s: int, base: bytes, h: int, key: bytes) -> bytes:
    """The 32 bytes of s * B + h * K, both scalars below L (see ed25519_curve.double_scalar)."""
    _reset()
    columns(curve.recoded(s if s & 1 else s + curve.L), _memory_view[_WORDS:], _BASE)
    columns(curve.recoded(h - 1 | 1), _memory_view[_WORDS + 1 :], _KEY)
    _run(_COMB, base, key, curve.COLUMNS, len(_DOUBLE))
    if not h & 1:
        _memory[_WORDS] = (curve.ENTRIES - 1) * curve.ENTRY_BYTES + _KEY
        _run(_ONE_MORE, base, key)
    return _encoded(base)


def _reset() -> None:
    """The neutral point, a zero, and the constants that every carry needs."""
    for i in range(_ELEMENT):
        for element in (1, 2, 3, 4, 15):
            _memory[element * _ELEMENT + i] = 0
    _memory[2 * _ELEMENT] = _memory[3 * _ELEMENT] = 1
    constants = (0xFFFFFFFF, 1 << 31, (1 << 31) - (1 << 18), (1 << 31) - (1 << 18) + 4096)
    for i, constant in enumerate(constants):
        _memory[_CONTROL + i] = constant


def _encoded(tables: bytes) -> bytes:
    """The 32 bytes of the point in elements 1..3."""
    m, e = _memory, _ELEMENT
    m[23 * e : 24 * e] = m[3 * e : 4 * e]
    for i in range(e):
        m[22 * e + i] = 8191
        m[24 * e + i] = m[25 * e + i] = 0
    m[22 * e], m[23 * e - 1], m[25 * e] = 8192 - 19, 255, 1
    normalize(m, 23, 0xFFFFFFFF, 0)
    control = array("I", (0xFFFFFFFF, 0))
    invert(m, control)
    _run(_AFFINE, tables, tables)
    x, y = _integer(1), _integer(2)
    if control[1]:
        x, y = (curve.P - x) % curve.P, (curve.P - y) % curve.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _integer(element: int) -> int:
    """An element as a number below p; 32 p are added limb by limb so that none is negative."""
    normalize(_memory, element, 0xFFFFFFFF, 8191)
    pack(_memory, element, _packed)
    return int.from_bytes(_packed, "little") % curve.P
