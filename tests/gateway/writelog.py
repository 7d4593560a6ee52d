"""What a database writes to its files, and what each cut through that log leaves behind.

Decides what a disk may have kept when the process or the power goes. `kept_by_a_kill`: everything
written so far (the kernel has it). `kept_by_a_power_cut`: what was synced, and of the rest any
sectors, some torn out of the middle of a write. Names of files are taken to be durable at once: the
log does not say when SQLite syncs the folder.

The recorder is a VFS of SQLite, by apsw; the store runs on it as it is. The VFS has no
shared memory, so the connection is an exclusive one; the writes are the same.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR_BYTES = 512
SUFFIXES = ("-wal", "-journal", "-shm")

Files = dict[str, bytes]  # by suffix: "" is the database itself


@dataclass(frozen=True)
class Write:
    suffix: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    suffix: str
    size: int


@dataclass(frozen=True)
class Sync:
    suffix: str


@dataclass(frozen=True)
class Delete:
    suffix: str


@dataclass(frozen=True)
class Done:
    """The store has returned from its `number`th call: what it promised is promised."""

    number: int


Entry = Write | Truncate | Sync | Delete | Done


class Recorder(apsw.VFS):
    """Writes through to the real files and keeps a log."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.log: list[Entry] = []
        self._path = path
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        return _File(self.name_of(path), self.log, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        super().xDelete(name, syncdir)
        self.log.append(Delete(self.name_of(name)))

    def name_of(self, path: str) -> str:
        """The suffix of a file of our database."""
        base = str(self._path)
        assert path.startswith(base), path
        return path[len(base) :]


class _File(apsw.VFSFile):
    def __init__(self, suffix: str, log: list[Entry], name: Any, flags: list[int]) -> None:
        self._suffix, self._log = suffix, log
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._log.append(Write(self._suffix, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._log.append(Truncate(self._suffix, size))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._log.append(Sync(self._suffix))


@dataclass
class _Answer:
    rows: list[Any]
    rowcount: int

    def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Any]:
        return self.rows


@dataclass
class Connection:
    """As much of sqlite3.Connection as a store needs, by apsw on a Recorder."""

    path: Path
    vfs: Recorder
    checkpoint_pages: int
    extra: tuple[str, ...] = ()  # statements that come after the store's own pragmas

    def __post_init__(self) -> None:
        self._database = apsw.Connection(str(self.path), vfs=self.vfs.name)
        self.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.wal_autocheckpoint(self.checkpoint_pages)

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> _Answer:
        try:
            rows = list(self._database.execute(query, values))
            if "synchronous" in query:
                for statement in self.extra:
                    self._database.execute(statement)
        except apsw.Error as error:
            raise sqlite3.OperationalError(str(error)) from error
        return _Answer(rows, self._database.changes())

    def executemany(self, query: str, values: list[tuple[Any, ...]]) -> _Answer:
        return _Answer([], sum(self.execute(query, each).rowcount for each in values))

    def executescript(self, script: str) -> None:
        self.execute(script)

    @property
    def in_transaction(self) -> bool:
        return self._database.in_transaction

    def close(self) -> None:
        self._database.close()


# --- what a cut leaves ---


@dataclass
class Disk:
    """The files after a prefix of the log."""

    now: dict[str, bytearray]
    durable: dict[str, bytes] = field(default_factory=dict)
    unsynced: list[Write | Truncate] = field(default_factory=list)

    def apply(self, entry: Entry) -> None:
        if isinstance(entry, Sync):
            self.unsynced = [each for each in self.unsynced if each.suffix != entry.suffix]
            if entry.suffix in self.now:
                self.durable[entry.suffix] = bytes(self.now[entry.suffix])
        elif isinstance(entry, Delete):
            self.now.pop(entry.suffix, None)
            self.durable.pop(entry.suffix, None)
            self.unsynced = [each for each in self.unsynced if each.suffix != entry.suffix]
        elif isinstance(entry, Write | Truncate):
            _change(self.now, entry)
            self.unsynced.append(entry)

    def kept_by_a_kill(self) -> Files:
        return {suffix: bytes(content) for suffix, content in self.now.items()}

    def kept_by_a_power_cut(self, chance: random.Random) -> Files:
        """One of the many things that may be there."""
        found = {suffix: bytearray(content) for suffix, content in self.durable.items()}
        keeps = chance.choice([0.0, 0.1, 0.5, 0.9])
        pieces = [piece for entry in self.unsynced for piece in _sectors(entry)]
        for piece in pieces:
            if chance.random() < keeps:
                _change(found, piece)
        return {suffix: bytes(content) for suffix, content in found.items()}


def _sectors(entry: Write | Truncate) -> Iterator[Write | Truncate]:
    """A write may arrive in part: cut at the sectors of the disk."""
    if not isinstance(entry, Write):
        yield entry
        return
    at, end = entry.offset, entry.offset + len(entry.data)
    while at < end:
        until = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Write(entry.suffix, at, entry.data[at - entry.offset : until - entry.offset])
        at = until


def _change(files: dict[str, bytearray], entry: Write | Truncate) -> None:
    content = files.setdefault(entry.suffix, bytearray())
    if isinstance(entry, Truncate):
        del content[entry.size :]
        content.extend(bytes(entry.size - len(content)))
        return
    end = entry.offset + len(entry.data)
    content.extend(bytes(max(0, end - len(content))))
    content[entry.offset : end] = entry.data


def lay_out(files: Files, path: Path) -> None:
    """Puts these files at `path`, and no other."""
    for suffix in ("", *SUFFIXES):
        target = path.with_name(path.name + suffix)
        if suffix in files:
            target.write_bytes(files[suffix])
        else:
            target.unlink(missing_ok=True)
