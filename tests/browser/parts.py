"""What the browser tests need of this machine: Chromium, Node, and the packages from npm.

Decides what is missing and what to type. A missing part ends the run with exit code 3, as it does
for the command; nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from kannuki.errors import MissingPart
from kannuki.parts import find_program, require_program

NODE_FOLDER = Path(__file__).resolve().parent / "node"
MISSING_PART = 3


def chromium() -> Path:
    """The system's Chromium. Raises MissingPart."""
    return find_program("chromium-browser") or require_program("chromium")


def node() -> Path:
    """The Node that pip brings. Raises MissingPart."""
    return require_program("node")


def npm_file(package: str, *path: str) -> Path:
    """A file of an npm package. Raises MissingPart."""
    found = NODE_FOLDER.joinpath("node_modules", package, *path)
    if not found.exists():
        raise MissingPart(f"the npm package '{package}' is missing", "packaging/setup.sh test")
    return found


def needed(find: Callable[[], Path]) -> Path:
    """What `find` finds; without it no browser test can run, and the run ends with 3."""
    try:
        return find()
    except MissingPart as missing:
        _end(missing)


def _end(missing: MissingPart) -> NoReturn:
    pytest.exit(f"{missing}\n  -> {missing.remedy}", returncode=MISSING_PART)
