"""Which kinds of boards a bench can work on: found by entry points, so no room is imported here.

Decides nothing about boards. Group `kannuki.boards`: name -> callable(target: Path) -> Board.
"""

from __future__ import annotations

from pathlib import Path

from kannuki.commands import find
from kannuki.errors import MissingPart
from provisioning.enrol import Board

GROUP = "kannuki.boards"


def open_board(kind: str, target: Path) -> Board:
    """The board of `kind` at `target` (an image file for a simulated chip)."""
    point = find(GROUP).get(kind)
    if point is None:
        known = ", ".join(sorted(find(GROUP))) or "none"
        raise MissingPart(
            f"no board of kind '{kind}'; known here: {known}",
            "make setup  (in a clone, it brings the simulated board)",
        )
    board: Board = point.load()(target)
    return board
