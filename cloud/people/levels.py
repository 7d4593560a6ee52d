"""Levels of assurance: how sure the town is of who somebody is. Pure.

Decides their order, and nothing about how one is reached: that is the provider table's word.
A level is a word in files, rows and answers; its order is this list's.
"""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal["none", "aal1", "aal2", "aal3"]
NONE: Level = "none"
ORDER: tuple[Level, ...] = get_args(Level)


def reaches(level: str, minimum: str) -> bool:
    """Whether `level` is as good as `minimum`. An unknown word reaches nothing."""
    if minimum not in ORDER or level not in ORDER:
        return False
    return ORDER.index(level) >= ORDER.index(minimum)  # type: ignore[arg-type]


def highest(levels: list[Level]) -> Level:
    """The best of them; `none` for nothing."""
    return max(levels, key=ORDER.index, default=NONE)
