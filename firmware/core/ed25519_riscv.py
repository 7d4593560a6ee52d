"""s * B + h * K in instructions of RV32IM, with the interface of ed25519_curve; import may fail.

Decides the layout of the memory that ed25519_rv32.run works in, and the way to the inverse
(Fermat's: its steps are the same for every number). Allocates only the few integers it starts and
ends with. Raises at import what a runtime raises that cannot take the instructions.

A lock has the module as ed25519_rv32_viper, which loads wherever viper does (provisioning/mpy.py).
The source needs an inline assembler, and so does its .mpy, which a runtime without one would take
for bytecode: hence one is asked for first.
"""

from array import array

from firmware.core import ed25519_curve as curve
from firmware.core.ed25519_program import BASE, COMB, DOUBLE, KEY, ONE_MORE, TO_AFFINE

try:
    from firmware.core.ed25519_rv32_viper import columns, run
except ImportError:
    exec("import micropython\n@micropython.asm_rv32\ndef probe():\n    c_nop()\n", {})
    from firmware.core.ed25519_rv32 import columns, run

# Memory in words: 16 elements of 8, rounds, start, up to 74 entries to load.
_ELEMENT = 8
_ROUNDS, _START, _ENTRIES = 128, 129, 130
_memory = array("I", bytes(4 * 204))
_memory_view = memoryview(_memory)


def _run(steps: bytes, base: bytes, key: bytes, rounds: int = 1, start: int = 0) -> None:
    _memory[_ROUNDS] = rounds
    _memory[_START] = start
    run(_memory, base, key, steps)


def encoded_double_scalar(s: int, base: bytes, h: int, key: bytes) -> bytes:
    """The 32 bytes of s * B + h * K, both scalars below L (see ed25519_curve.double_scalar)."""
    _reset()
    columns(curve.recoded(s if s & 1 else s + curve.L), _memory_view[_ENTRIES:], BASE)
    columns(curve.recoded(h - 1 | 1), _memory_view[_ENTRIES + 1 :], KEY)
    _run(COMB, base, key, curve.COLUMNS, len(DOUBLE))
    if not h & 1:
        _memory[_ENTRIES] = (curve.ENTRIES - 1) * curve.ENTRY_BYTES + KEY
        _run(ONE_MORE, base, key)
    return uniform_encoded()


def _reset() -> None:
    """The neutral point and a zero."""
    for i in range(_ELEMENT):
        for element in (1, 2, 3, 4, 15):
            _memory[element * _ELEMENT + i] = 0
    _memory[2 * _ELEMENT] = _memory[3 * _ELEMENT] = 1


def uniform_start() -> None:
    """Begin with the neutral point: this and the next two run the same steps for every number."""
    _reset()


def uniform_step(steps: bytes, entry: bytes) -> None:
    """Run `steps`, whose LOAD takes the 96 bytes of `entry`."""
    _memory[_ENTRIES] = 0
    _run(steps, entry, entry)


def uniform_encoded() -> bytes:
    """The 32 bytes of the point in elements 1..3."""
    for steps, rounds in TO_AFFINE:
        _run(steps, b"", b"", rounds)
    x, y = _integer(1), _integer(2)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _integer(element: int) -> int:
    """An element as a number below p."""
    raw = bytes(_memory_view[element * _ELEMENT : (element + 1) * _ELEMENT])
    return int.from_bytes(raw, "little") % curve.P
