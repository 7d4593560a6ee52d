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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from kannuki.errors import InputError, KannukiError
from kannuki.parts import require_program
from provisioning import mpy, slim

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
ROOTS = {"main", "run"}  # what starts on a lock: /main.py, and the bench at enrolment
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
    found = list(_found(listed["files"], manifest, architecture))
    texts = _slimmed([source for target, source in found if not _is_plain(target)], root)

    def placed(target: str, source: Path) -> tuple[str, bytes]:
        if _is_plain(target):
            return target, source.read_bytes()
        name = source.relative_to(root).as_posix()
        return f"{target}/{_stem(source)}.mpy", _module(texts[name], source, name, architecture)

    with ThreadPoolExecutor() as several:  # the compiler is a program of its own
        return dict(several.map(placed, *zip(*found, strict=True)))


def _found(
    files: dict[str, str], manifest: Path, architecture: str | None
) -> Iterator[tuple[str, Path]]:
    """(target, source) of every file that a lock of that architecture gets."""
    for target, patterns in files.items():
        for pattern in patterns.split():
            sources = sorted(manifest.parent.parent.glob(pattern))
            if not sources:
                raise InputError(
                    f"{manifest} lists {pattern}, which matches no file", "correct the manifest"
                )
            yield from ((target, each) for each in sources if _fits(each.stem, architecture))


def _is_plain(target: str) -> bool:
    """A file named by its target is copied; one in a folder is a module, and compiled."""
    return target.endswith(".py")


def _slimmed(sources: list[Path], root: Path) -> dict[str, bytes]:
    """{file: text} of all modules together; those with machine code stay as they are."""
    files = {source.relative_to(root).as_posix(): source for source in sources}
    texts = {_dotted(file): source.read_text("utf-8") for file, source in files.items()}
    fixed = {_dotted(file) for file, source in files.items() if _is_native(source)}
    slimmed = _slim(tuple(texts.items()), frozenset(fixed))
    return {file: slimmed[_dotted(file)].encode() for file in files}


@cache
def _slim(texts: tuple[tuple[str, str], ...], fixed: frozenset[str]) -> dict[str, str]:
    return slim.slim(dict(texts), set(fixed), ROOTS)


def _dotted(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_native(source: Path) -> bool:
    return source.stem.endswith((_NATIVE, _RISCV))


def _stem(source: Path) -> str:
    return source.stem + _NATIVE if source.stem.endswith(_RISCV) else source.stem


def _fits(module: str, architecture: str | None) -> bool:
    """Whether a lock of that architecture gets the module."""
    if module.endswith(_RISCV):
        return architecture == RISCV
    return architecture is not None or not module.endswith(_NATIVE)


def _module(text: bytes, source: Path, name: str, architecture: str | None) -> bytes:
    content = _compiled(text, name, architecture if _is_native(source) else None)
    return _loadable(content) if source.stem.endswith(_RISCV) else content


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
            (program, "-O3", *options, "-s", name, "-o", str(compiled), str(plain)),
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
