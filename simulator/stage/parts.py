"""The programs of the demo as its supervisor lists them, and the switch that kills one.

Decides which may be killed from the page: those in the status file that are not scenery, and of
these only the very process that is a child of the supervisor now. A name is looked up, never used
as a path or in a command.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

MAX_STATUS_BYTES = 1_000_000
SCENERY = ("world", "stage", "bluetooth", "bus")  # without these nothing can be seen
KINDS = ("broker", "gateway", "cloud", "phone", "lock")
_ALIASES = {"mosquitto": "broker", "phones": "phone", "chip": "lock", "board": "lock"}
_WORD = re.compile(r"[a-z]+")


def kind_of(name: str) -> str:
    """What a child is, told by the first word of its name: broker, gateway, ..., else 'scenery'."""
    word = _WORD.match(name.lower())
    first = word.group() if word else ""
    first = _ALIASES.get(first, first)
    if first in KINDS:
        return first
    return "scenery" if first in SCENERY else "other"


def read_status(file: Path) -> dict[str, Any] | None:
    """The supervisor's notes, or None when there are none that make sense."""
    try:
        if file.stat().st_size > MAX_STATUS_BYTES:
            return None
        notes = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_sound = isinstance(notes, dict) and isinstance(notes.get("children"), list)
    return notes if is_sound else None


def parts_of(notes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """[{name, kind, state, pid, port, restarts, may_kill}] in the order of the file."""
    children = notes["children"] if notes else []
    return [_part(each) for each in children if _is_named(each)]


def _is_named(child: Any) -> bool:
    return isinstance(child, dict) and isinstance(child.get("name"), str)


def _part(child: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(child["name"])
    pid = _count(child.get("pid"))
    return {
        "name": child["name"][:80],
        "kind": kind,
        "state": str(child.get("state", ""))[:20],
        "pid": pid,
        "port": _count(child.get("port")),
        "restarts": _count(child.get("restarts")) or 0,
        "may_kill": kind in KINDS and pid is not None,
    }


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parent_of(pid: int) -> int | None:
    """The parent's pid (proc(5), field 4); None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def kill_part(file: Path, name: str) -> str | None:
    """`kill -9` of the listed part; None when done, else the code of why not."""
    notes = read_status(file)
    if notes is None:
        return "PARTS_DOWN"
    part = next((each for each in parts_of(notes) if each["name"] == name), None)
    if part is None:
        return "UNKNOWN_PART"
    if part["kind"] not in KINDS:
        return "NOT_KILLABLE"
    pid = part["pid"]
    if pid is None or pid <= 1 or parent_of(pid) != notes.get("pid"):
        return "PART_NOT_RUNNING"
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return "PART_NOT_RUNNING"
    except PermissionError:
        return "NOT_KILLABLE"
    return None
