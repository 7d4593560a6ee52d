"""A note beside the events that says which process runs this gateway, for `gateway check`.

Decides how a running gateway is found: by pid and start time together, which name one process for
ever. The note of a process that is gone says nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kannuki.proc import started_ticks
from kannuki.settings import write_file_whole

FILE_NAME = "gateway-run.json"


class RunNote(BaseModel):
    """`metrics`: where its metrics are served, as host:port; empty when they are not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    pid: int
    started_ticks: int
    version: str = ""
    metrics: str = ""


def write(folder: Path, version: str, metrics: str) -> None:
    """Says that this process runs the gateway of this folder. Raises InputError."""
    pid = os.getpid()
    note = RunNote(pid=pid, started_ticks=started_ticks(pid) or 0, version=version, metrics=metrics)
    write_file_whole(folder / FILE_NAME, note.model_dump_json().encode())


def withdraw(folder: Path) -> None:
    """The gateway ended in order."""
    (folder / FILE_NAME).unlink(missing_ok=True)


def find(folder: Path) -> RunNote | None:
    """The gateway that runs on this folder now; None when none does, or we may not look."""
    try:
        note = RunNote.model_validate_json((folder / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
    return note if started_ticks(note.pid) == note.started_ticks else None
