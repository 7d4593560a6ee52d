"""Notes of running supervisors: side by side, and none of the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kannuki import status
from kannuki.proc import started_ticks


def note(pid: int, ticks: int | None, name: str = "demo") -> dict[str, Any]:
    return {"name": name, "pid": pid, "started_ticks": ticks, "children": []}


def test_a_living_note_is_found_in_both_places_until_withdrawn(tmp_path: Path) -> None:
    pid, registry = os.getpid(), tmp_path / "run"
    mine = note(pid, started_ticks(pid))
    status.write_status(mine, tmp_path / "data", registry)
    assert status.read_all_status(registry, "demo") == [mine]
    assert json.loads((tmp_path / "data" / "status.json").read_text()) == mine
    assert status.read_all_status(registry, "other") == []
    status.withdraw(pid, tmp_path / "data", registry)
    assert status.read_all_status(registry) == []


def test_notes_of_a_dead_parent_and_of_a_reused_pid_are_dropped(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    status.write_status(note(dead.pid, 1), tmp_path / "a", tmp_path / "run")
    status.write_status(note(os.getpid(), 1), tmp_path / "b", tmp_path / "run")
    assert status.read_all_status(tmp_path / "run") == []
    assert list((tmp_path / "run").iterdir()) == []


def test_a_zombie_is_dead() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.read()
    ended.stdout.close()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert started_ticks(ended.pid) is None
    ended.wait()


def test_garbage_in_the_registry_is_dropped(tmp_path: Path) -> None:
    for number, text in enumerate(("", "{", "[]", "{}", '{"pid": "x", "started_ticks": null}')):
        (tmp_path / f"{number}.json").write_text(text)
    assert status.read_all_status(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_no_registry_means_nothing_runs(tmp_path: Path) -> None:
    assert status.read_all_status(tmp_path / "never made") == []
