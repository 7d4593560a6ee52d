"""The device tree: exactly the files that a lock gets, as firmware/manifest.json lists them.

Decides which file goes where. Simulator, flasher and size report all build this same tree, so
what is tested is what is shipped.
"""

from __future__ import annotations

import json
from pathlib import Path

from kannuki.errors import InputError

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
                raise InputError(f"{manifest} lists {pattern}, which matches no file",
                                 "correct the manifest")
            for source in sources:
                tree[_place(target, source)] = source.read_bytes()
    return tree


def _place(target: str, source: Path) -> str:
    return target if target.endswith(".py") else f"{target}/{source.name}"
