"""This computer: can its clock be right, is there room for events, is the database sound.

Decides what is too little. A wrong clock opens nothing by itself (locks believe signed time only),
but commands expire by it and logs mislead, so it is told.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from gateway.health import host
from gateway.health.findings import Finding, days, size
from gateway.store import FILE_NAME, MIGRATIONS

LEAST_FREE = 50 * 1000**2  # about a hundred thousand events
GOOD_FREE = 500 * 1000**2
DAMAGE_SHOWN = 3
EARLY_S = 300.0  # files are written by computers whose clocks differ a little

SET_CLOCK = "sudo timedatectl set-ntp true; is the network up, and UDP port 123 allowed out?"


def judge_clock(wall: float, not_before: float, sync: host.ClockSync | None) -> Finding:
    """`not_before`: a moment that has surely passed."""
    if wall < not_before - EARLY_S:
        late = days(not_before - wall)
        text = f"this computer's clock is at least {late} behind: its papers are younger than that"
        return Finding("clock", "CLOCK_IN_THE_PAST", text, SET_CLOCK)
    if sync is None:
        text = "this computer does not say whether its clock follows a time server"
        return Finding("clock", "CLOCK_UNKNOWN", text, SET_CLOCK)
    if not sync.is_synchronised:
        text = "this computer's clock follows no time server, so it drifts"
        return Finding("clock", "CLOCK_UNSYNCHRONISED", text, SET_CLOCK)
    return Finding("clock", "CLOCK_OK", "this computer's clock follows a time server")


def check_folder(path: Path) -> Finding:
    """Whether events can be kept, and for how long."""
    nearest = host.nearest_folder(path)
    remedy = "name another --data-dir, or give this user the folder"
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data", "DATA_UNWRITABLE", f"cannot write to {path}", remedy)
    try:
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(bytes(65536))
            probe.flush()
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        code = "DATA_FULL" if is_full else "DATA_UNWRITABLE"
        text = f"cannot write to {path}: {error.strerror}"
        return Finding("data", code, text, "free some space" if is_full else remedy)
    return _judge_room(path, host.room(path))


def _judge_room(path: Path, room: host.Room | None) -> Finding:
    if room is None:
        text = f"the disk of {path} does not answer"
        return Finding("data", "DATA_UNWRITABLE", text, "is the card worn out? replace it")
    text = f"{size(room.free)} free for events in {path}"
    if room.free < LEAST_FREE:
        return Finding("data", "DATA_FULL", f"only {text}", "free some space")
    if room.free < GOOD_FREE:
        return Finding("data", "DATA_NEARLY_FULL", f"only {text}", "free some space soon")
    return Finding("data", "DATA_OK", text)


def check_database(data_dir: Path) -> Finding:
    """Reads every page; writes nothing."""
    path = data_dir / FILE_NAME
    if not _is_there(path):
        return Finding("database", "DATABASE_NONE", "nothing is kept yet: no gateway ran here")
    remedy = f"stop the gateway, move {path} away (keep it), start it again"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            damage = [row[0] for row in database.execute(f"PRAGMA quick_check({DAMAGE_SHOWN})")]
            waiting = _waiting(database) if damage == ["ok"] else 0
    except sqlite3.DatabaseError as error:
        return _unreadable(path, error, remedy)
    if version > len(MIGRATIONS):
        text = f"{path} was made by a newer version of kannuki"
        return Finding("database", "DATABASE_NEWER", text, "update kannuki")
    if damage != ["ok"]:
        text = f"{path} is damaged ({damage[0]})"
        return Finding("database", "DATABASE_DAMAGED", text, f"{remedy}; is the card worn out?")
    return Finding("database", "DATABASE_OK", f"sound; {_events(waiting)} for the town to take")


def _unreadable(path: Path, error: sqlite3.DatabaseError, remedy: str) -> Finding:
    if isinstance(error, sqlite3.OperationalError):  # no right to it, or in use; not its content
        text = f"{path} cannot be read: {error}"
        return Finding("database", "DATABASE_UNREADABLE", text, "run this as the gateway's user")
    return Finding("database", "DATABASE_DAMAGED", f"{path} is damaged ({error})", remedy)


def _waiting(database: sqlite3.Connection) -> int:
    try:
        return int(database.execute("SELECT count(*) FROM outbox").fetchone()[0])
    except sqlite3.OperationalError:  # the first start never came to its end
        return 0


def _events(count: int) -> str:
    return "1 event waits" if count == 1 else f"{count} events wait"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # and the opening of it says why it cannot be read
