"""An RV32IMC core that runs the machine code of compiled modules, and counts instructions.

Decides the few things around such code: where it lies, and the four entries of MicroPython's table
of functions that viper code calls. Nothing of MicroPython itself runs here, so counts are those of
machine code only; bytecode around it is not in them. Needs the package unicorn (extra `dev`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from provisioning import mpy
from provisioning.tree import RISCV, device_tree

_CODE, _TRAPS, _FUNCTION, _ARGUMENTS = 0x10000, 0x100000, 0x110000, 0x120000
_STACK, _STACK_BYTES, _HEAP, _HEAP_BYTES = 0x200000, 0x10000, 0x300000, 0x40000
_TABLE, _CONTEXT, _CONSTANTS = _FUNCTION + 0x100, _FUNCTION + 0x40, _FUNCTION + 0x80
_RETURN, _CONVERT, _CHECK_COUNTS = _TRAPS, _TRAPS + 16, _TRAPS + 32
_NONE = 0x4E4F4E45
_JUMP_BACK = b"\x82\x80"  # c.jr ra


class Core:
    """One module's functions: `call(name, ...)` with integers and buffers (which it may change)."""

    def __init__(self, compiled: bytes) -> None:
        import unicorn
        from unicorn import riscv_const

        self._riscv = riscv_const
        self._core = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        for place, size in (
            (_CODE, 0x20000),
            (_TRAPS, 0x1000),
            (_FUNCTION, 0x1000),
            (_ARGUMENTS, 0x1000),
            (_STACK, _STACK_BYTES),
            (_HEAP, _HEAP_BYTES),
        ):
            self._core.mem_map(place, size)
        self.instructions: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.code_bytes = 0
        self._places: dict[str, tuple[int, int]] = {}
        self._lengths: dict[tuple[int, int], int] = {}
        self._executed = 0
        self._load(mpy.functions(compiled))
        self._core.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        self._core.hook_add(unicorn.UC_HOOK_CODE, self._trap, None, _TRAPS, _TRAPS + 0xFFF)

    def _load(self, functions: list[mpy.Function]) -> None:
        place = _CODE
        for function in functions:
            self._core.mem_write(place, function.code)
            self._places[function.name] = (place, function.kind)
            self.code_bytes += len(function.code)
            place += len(function.code) + 15 & ~15
        self._core.mem_write(_TRAPS, _JUMP_BACK * 64)
        self._word(_FUNCTION + 4, _CONTEXT)
        self._word(_CONTEXT + 12, _CONSTANTS)
        self._word(_CONSTANTS, _TABLE)
        self._word(_TABLE, _NONE)
        self._word(_TABLE + 4 * 3, _CONVERT)
        self._word(_TABLE + 4 * 44, _CHECK_COUNTS)

    def _word(self, place: int, value: int) -> None:
        self._core.mem_write(place, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def _block(self, core: Any, address: int, size: int, _: Any) -> None:
        if _TRAPS <= address < _TRAPS + 0x1000:
            return
        if (address, size) not in self._lengths:
            self._lengths[address, size] = _count(bytes(core.mem_read(address, size)))
        self._executed += self._lengths[address, size]

    def _trap(self, core: Any, address: int, _size: int, _data: Any) -> None:
        """The runtime's part: objects are already numbers and addresses here."""
        if address not in (_RETURN, _CONVERT, _CHECK_COUNTS):
            raise AssertionError(f"machine code called entry {address:x}, which is not there")

    def call(self, name: str, *arguments: Any) -> None:
        """Run a function on copies of the buffers, then copy them back."""
        words, buffers, place = [], [], _HEAP
        for argument in arguments:
            if isinstance(argument, int):
                words.append(argument & 0xFFFFFFFF)
                continue
            view = memoryview(argument).cast("B")
            self._core.mem_write(place, bytes(view))
            buffers.append((view, place))
            words.append(place)
            place += len(view) + 31 & ~15
        before = self._executed
        self._start(name, words)
        self.instructions[name] = self.instructions.get(name, 0) + self._executed - before
        self.calls[name] = self.calls.get(name, 0) + 1
        for view, at in buffers:
            if not view.readonly:
                view[:] = self._core.mem_read(at, len(view))

    def _start(self, name: str, words: list[int]) -> None:
        place, kind = self._places[name]
        if kind == mpy.VIPER:
            for i, word in enumerate(words):
                self._word(_ARGUMENTS + 4 * i, word)
            words = [_FUNCTION, len(words), 0, _ARGUMENTS]
        register, kept = self._riscv, {}
        for i in range(12):
            kept[i] = 0x5A5A0000 + i
            self._core.reg_write(getattr(register, f"UC_RISCV_REG_S{i}"), kept[i])
        for i, word in enumerate(words):
            self._core.reg_write(getattr(register, f"UC_RISCV_REG_A{i}"), word)
        top = _STACK + _STACK_BYTES - 64
        self._core.reg_write(register.UC_RISCV_REG_SP, top)
        self._core.reg_write(register.UC_RISCV_REG_RA, _RETURN)
        self._core.emu_start(place, _RETURN)
        assert self._core.reg_read(register.UC_RISCV_REG_SP) == top
        for i, value in kept.items():
            assert self._core.reg_read(getattr(register, f"UC_RISCV_REG_S{i}")) == value
        if kind == mpy.VIPER:
            assert self._core.reg_read(register.UC_RISCV_REG_A0) == _NONE

    def function(self, name: str) -> Callable[..., None]:
        """A function as Python sees it."""
        return lambda *arguments: self.call(name, *arguments)


def _count(code: bytes) -> int:
    """Instructions in a run of code: those whose two lowest bits are set have four bytes."""
    at = found = 0
    while at < len(code):
        at += 4 if code[at] & 3 == 3 else 2
        found += 1
    return found


MACHINE_CODE = {
    "ed25519_rv32_viper": ("run", "columns"),
    "ed25519_viper": ("run",),
    "ed25519_steps_viper": ("columns", "normalize", "invert", "pack"),
    "ed25519_sign_viper": ("horner", "make_odd", "select"),
    "sha512_viper": ("compress",),
}
_PACKAGE = "firmware.core"


class Firmware:
    """The lock's Ed25519, its machine code run by emulated cores and all else by this Python."""

    def __init__(self, cores: dict[str, Core]) -> None:
        self.cores = cores
        self.ed25519 = importlib.import_module(f"{_PACKAGE}.ed25519")
        self.curve = importlib.import_module(f"{_PACKAGE}.ed25519_curve")
        self.sign = importlib.import_module(f"{_PACKAGE}.ed25519_sign")
        self.sha512 = importlib.import_module(f"{_PACKAGE}.sha512")._fast_sha512()
        self.ed25519.sha512 = self.sign.sha512 = self.sha512

    def counted(self, work: Callable[[], Any]) -> dict[str, int]:
        """Instructions of each module that `work` ran."""
        before = {name: sum(core.instructions.values()) for name, core in self.cores.items()}
        work()
        after = {name: sum(core.instructions.values()) for name, core in self.cores.items()}
        return {name: after[name] - before[name] for name in after if after[name] != before[name]}


@contextmanager
def firmware(tree: dict[str, bytes], without: tuple[str, ...] = ()) -> Iterator[Firmware]:
    """Fresh copies of the lock's modules over the machine code in `tree` (see device_tree).

    A module in `without` is not there, as on a lock whose runtime cannot load it.
    """
    package = importlib.import_module(_PACKAGE)
    kept = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    attributes = dict(vars(package))
    for name in kept:
        del sys.modules[name]
    try:
        cores = {}
        for name, functions in MACHINE_CODE.items():
            if name not in without:
                cores[name] = Core(tree[f"/lib/firmware/core/{name}.mpy"])
                sys.modules[f"{_PACKAGE}.{name}"] = module = ModuleType(name)
                for function in functions:
                    setattr(module, function, cores[name].function(function))
        yield Firmware(cores)
    finally:
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        for name in set(vars(package)) - set(attributes):
            delattr(package, name)
        vars(package).update(attributes)


def _is_ours(module: str) -> bool:
    return module.startswith((f"{_PACKAGE}.ed25519", f"{_PACKAGE}.sha512"))


def figures(public_key: bytes, signed: bytes, signature: bytes) -> dict[str, int]:
    """Instructions in machine code, by what they are for; {} without unicorn.

    Bytecode around the machine code is not in them: nothing of MicroPython runs here.
    """
    if importlib.util.find_spec("unicorn") is None:
        return {}
    tree = device_tree(architecture=RISCV)
    found: dict[str, int] = {}
    for name, without in (("", ()), ("_in_viper", ("ed25519_rv32_viper",))):
        with firmware(tree, without) as lock:
            verify, seed = lock.ed25519.verify, bytes(32)
            own = lock.sign.public_key(seed)
            work = {
                "cold_verify": lambda: verify(public_key, signed, signature),  # noqa: B023
                "sign": lambda: lock.sign.sign(seed, own, signed),  # noqa: B023
            }
            for label, once in work.items():
                once()  # builds the key's table
                found[f"rv32_{label}{name}"] = sum(lock.counted(once).values())
            used = [core for core in lock.cores.values() if core.calls]
            found[f"rv32_code_bytes{name}"] = sum(core.code_bytes for core in used)
    return found
