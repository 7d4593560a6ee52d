"""The public notes of a running supervisor: which child has which pid, port and log.

Decides the shape and place of the notes: `status.json` in the data folder, and one file for each
supervisor in the user's runtime folder, so that `kannuki demo status` finds all that run. Notes of
a parent that is gone are dropped by whoever reads them. Written by rename: readers see all or none.

Shape: {name, pid, started_ticks, data_dir, meta, children: [{name, state, pid, port, log,
restarts, exit_code}]}
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kannuki.proc import started_ticks

FILE_NAME = "status.json"


def write_atomic(path: Path, text: str) -> None:
    """Writes a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def write_status(status: dict[str, Any], data_dir: Path, registry: Path) -> None:
    """Publishes the notes of this process in both places."""
    text = json.dumps(status, ensure_ascii=False, indent=1) + "\n"
    write_atomic(data_dir / FILE_NAME, text)
    write_atomic(registry / f"{status['pid']}.json", text)


def withdraw(pid: int, data_dir: Path, registry: Path) -> None:
    """Takes the notes away; the program ended in order."""
    (registry / f"{pid}.json").unlink(missing_ok=True)
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def read_all_status(registry: Path, name: str | None = None) -> list[dict[str, Any]]:
    """Notes of all supervisors that run (of this name), oldest first; removes stale notes."""
    found = [note for path in registry.glob("*.json") if (note := _read_live(path))]
    wanted = [note for note in found if name is None or note["name"] == name]
    return sorted(wanted, key=lambda note: note["started_ticks"])


def _read_live(path: Path) -> dict[str, Any] | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        note = None
    if not _is_live(note):
        path.unlink(missing_ok=True)
        return None
    return note


def _is_live(note: Any) -> bool:
    if not isinstance(note, dict) or not isinstance(note.get("name"), str):
        return False
    pid, ticks = note.get("pid"), note.get("started_ticks")
    return isinstance(pid, int) and isinstance(ticks, int) and started_ticks(pid) == ticks
