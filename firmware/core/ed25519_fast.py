"""s * B + h * K in machine words, with the interface of ed25519_curve; importing it may fail.

Decides the layout of the memory in which ed25519_viper.run interprets the point formulas of
ed25519_program. It allocates nothing but the few integers it starts and ends with.
Raises at import what a runtime without viper raises (see ed25519.FAST_IMPORT_FAILS).
"""

from array import array

from firmware.core import ed25519_curve as curve
from firmware.core.ed25519_program import BASE, COMB, DOUBLE, KEY, MUL, ONE_MORE, TO_AFFINE, program
from firmware.core.ed25519_steps_viper import columns, invert, normalize, pack
from firmware.core.ed25519_viper import run

# Memory in elements of 20 words: 1..4 are X, Y, Z, T; 5..7 the entry; 8..14 temporary; 15 zero;
# 16..19 control; 20..23 scratch of products; and while dividing 22..25 are f, g, d, e.
_ELEMENT = 20
_CONTROL = 16 * _ELEMENT
_WORDS = _CONTROL + 6
_ROUNDS, _START = _CONTROL + 4, _CONTROL + 5
_memory = array("I", bytes(4 * _ELEMENT * 26))
_memory_view = memoryview(_memory)
_packed = bytearray(33)

_AFFINE = program((MUL, 1, 1, 24), (MUL, 2, 2, 24)) + b"\0"


def _run(program: bytes, base: bytes, key: bytes, rounds: int = 1, start: int = 0) -> None:
    _memory[_ROUNDS] = rounds
    _memory[_START] = start
    run(_memory, base, key, program)


def encoded_double_scalar(s: int, base: bytes, h: int, key: bytes) -> bytes:
    """The 32 bytes of s * B + h * K, both scalars below L (see ed25519_curve.double_scalar)."""
    _reset()
    columns(curve.recoded(s if s & 1 else s + curve.L), _memory_view[_WORDS:], BASE)
    columns(curve.recoded(h - 1 | 1), _memory_view[_WORDS + 1 :], KEY)
    _run(COMB, base, key, curve.COLUMNS, len(DOUBLE))
    if not h & 1:
        _memory[_WORDS] = (curve.ENTRIES - 1) * curve.ENTRY_BYTES + KEY
        _run(ONE_MORE, base, key)
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


def uniform_start() -> None:
    """Begin with the neutral point: this and the next two run the same steps for every number."""
    _reset()


def uniform_step(steps: bytes, entry: bytes) -> None:
    """Run `steps`, whose LOAD takes the 96 bytes of `entry`."""
    _memory[_WORDS] = 0
    _run(steps, entry, entry)


def uniform_encoded() -> bytes:
    """The 32 bytes of the point in elements 1..3, without the division that is quicker for some."""
    for steps, rounds in TO_AFFINE:
        _run(steps, b"", b"", rounds)
    x, y = _integer(1), _integer(2)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _integer(element: int) -> int:
    """An element as a number below p; 32 p are added limb by limb so that none is negative."""
    normalize(_memory, element, 0xFFFFFFFF, 8191)
    pack(_memory, element, _packed)
    return int.from_bytes(_packed, "little") % curve.P
