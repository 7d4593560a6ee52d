"""What the gateway must not forget: outbox, inbox, audit positions, pending documents. SQLite.

Decides durability: each method is one transaction on a WAL database with synchronous=FULL, so what
it has stored survives `kill -9` and, on honest disks, a power cut. Rows leave by acknowledgement
only, so the disk alone bounds the outbox: 100,000 events are some 400 MB. `has_room` says when less
than a reserve is left on it; records then stay in their locks, and the reserve serves what must
still be written: documents for locks, answers, the deletion of events. A full disk is a
StorageError, and nothing is half stored. After a fault of the disk the file is opened anew.

A file that is damaged, or a newer program's, is a StoreFault with a remedy: it is no StorageError,
because going on would forget. Nothing is repaired or removed here. One connection, one thread.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from gateway.machine import Errand, Handled, Pending, Settings, StorageError, StoredEvent, What
from kannuki.errors import InputError

FILE_NAME = "gateway.sqlite"
BUSY_MS = 5000
RESERVE_BYTES = Settings().disk_reserve_bytes  # SQLite's log and its index want some 10 MB of it

MIGRATIONS = (
    """
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        channel TEXT NOT NULL,
        device TEXT NOT NULL,
        payload BLOB NOT NULL
    );
    CREATE TABLE audit_position (
        lock TEXT NOT NULL,
        journal_epoch INTEGER NOT NULL,
        next_seq INTEGER NOT NULL,
        PRIMARY KEY (lock, journal_epoch)
    ) WITHOUT ROWID;
    CREATE TABLE inbox (
        id TEXT PRIMARY KEY,
        lock TEXT NOT NULL,
        version INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        answer BLOB
    ) WITHOUT ROWID;
    CREATE INDEX inbox_open ON inbox (lock) WHERE answer IS NULL;
    CREATE TABLE pending_status (
        lock TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        document BLOB NOT NULL
    ) WITHOUT ROWID;
    """,
    # Wire version 1. Records and status lists of version 0 mean nothing to anyone any more: records
    # are read again from the locks, which keep them until the town has signed for them, and a put
    # without an answer is forgotten, so that its repetition is taken up as a new one.
    """
    DELETE FROM outbox;
    DELETE FROM audit_position;
    DROP TABLE pending_status;
    DELETE FROM inbox WHERE answer IS NULL;
    ALTER TABLE inbox ADD COLUMN what TEXT NOT NULL DEFAULT 'status';
    DROP INDEX inbox_open;
    CREATE INDEX inbox_open ON inbox (lock, what) WHERE answer IS NULL;
    CREATE TABLE pending_document (
        lock TEXT NOT NULL,
        what TEXT NOT NULL,
        version INTEGER NOT NULL,
        document BLOB NOT NULL,
        entries BLOB NOT NULL,
        base_version INTEGER,
        additions BLOB,
        PRIMARY KEY (lock, what)
    );
    """,
)


class StoreFault(InputError):
    """The file cannot be used, and a person must see to it."""


def connect(path: Path) -> sqlite3.Connection:
    """The connection of a gateway: every transaction is begun and ended by hand."""
    return sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)


def free_bytes(folder: Path) -> int:
    """What may still be written on this disk, reckoned as for other people than root."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class SqliteStore:
    """gateway.machine.Store on a file. Raises StorageError and StoreFault, also when opened."""

    def __init__(
        self,
        path: Path,
        reserve_bytes: int = RESERVE_BYTES,
        *,
        connect: Callable[[Path], Any] = connect,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._path = path
        self._reserve_bytes = reserve_bytes
        self._connect = connect
        self._free_bytes = free_bytes
        self._is_stale = False  # the disk failed: open the file anew
        self._refused = False  # the last change found no room
        with self._translated():
            self._database = self._open()
            self._waiting = self._count()

    def close(self) -> None:
        """Closes the file; what was stored stays."""
        self._database.close()

    # --- outbox ---

    def put_event(self, event: StoredEvent, lock: str, journal_epoch: int, next_seq: int) -> None:
        """Event and audit position, both or neither."""
        with self._changing() as database:
            added = database.execute(
                "INSERT INTO outbox (id, channel, device, payload) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO NOTHING",
                (event.id, event.channel, event.device, event.payload),
            ).rowcount
            database.execute(
                "INSERT INTO audit_position VALUES (?, ?, ?) "
                "ON CONFLICT (lock, journal_epoch) DO UPDATE SET next_seq = excluded.next_seq",
                (lock, journal_epoch, next_seq),
            )
        self._waiting += added

    def events_after(self, number: int, limit: int) -> list[StoredEvent]:
        """The oldest events with greater numbers."""
        rows = self._rows(
            "SELECT number, id, channel, device, payload FROM outbox "
            "WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [StoredEvent(*row) for row in rows]

    def newest_event(self) -> StoredEvent | None:
        """The event put in last."""
        rows = self._rows(
            "SELECT number, id, channel, device, payload FROM outbox ORDER BY number DESC LIMIT 1"
        )
        return StoredEvent(*rows[0]) if rows else None

    def forget_events(self, ids: list[str]) -> None:
        """Deletes acknowledged events."""
        with self._changing() as database:
            gone = database.executemany(
                "DELETE FROM outbox WHERE id = ?", [(key,) for key in ids]
            ).rowcount
        self._waiting -= gone

    def waiting_events(self) -> int:
        """How many events the outbox holds."""
        return self._waiting

    def has_room(self) -> bool:
        """Whether the disk has more than the reserve, unused pages of our own file counted."""
        try:
            if self._refused:
                self._try_a_change()
            free = self._free_bytes(self._path.parent)
            if free <= self._reserve_bytes:
                free += self._unused_bytes()
        except (StorageError, OSError):
            return False
        return free > self._reserve_bytes

    def next_seq(self, lock: str, journal_epoch: int) -> int | None:
        """The first record not yet put in the outbox."""
        rows = self._rows(
            "SELECT next_seq FROM audit_position WHERE lock = ? AND journal_epoch = ?",
            (lock, journal_epoch),
        )
        return rows[0][0] if rows else None

    # --- inbox ---

    def handled(self, command_id: str) -> Handled | None:
        """What is known of a command."""
        rows = self._rows("SELECT lock, answer FROM inbox WHERE id = ?", (command_id,))
        return Handled(*rows[0]) if rows else None

    def accept(self, errand: Errand, pending: Pending, expires_at: int) -> None:
        """The command, and its document unless a newer one of its kind is pending."""
        with self._changing() as database:
            database.execute(
                "INSERT INTO inbox (id, lock, what, version, expires_at) VALUES (?, ?, ?, ?, ?)",
                (errand.id, errand.lock, errand.what, errand.version, expires_at),
            )
            database.execute(
                "INSERT INTO pending_document VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (lock, what) DO UPDATE SET version = excluded.version, "
                "document = excluded.document, entries = excluded.entries, "
                "base_version = excluded.base_version, additions = excluded.additions "
                "WHERE excluded.version >= version",
                (errand.lock, errand.what, *astuple(pending)),
            )

    def pending(self, lock: str, what: What) -> Pending | None:
        """The document of this kind still to be carried."""
        rows = self._rows(
            "SELECT version, document, entries, base_version, additions FROM pending_document "
            "WHERE lock = ? AND what = ?",
            (lock, what),
        )
        return Pending(*rows[0]) if rows else None

    def has_pending(self, lock: str) -> bool:
        """Whether any document waits for a lock."""
        return bool(self._rows("SELECT 1 FROM pending_document WHERE lock = ? LIMIT 1", (lock,)))

    def errands(self, lock: str, what: What) -> list[Errand]:
        """Commands of a kind for a lock that have no answer yet."""
        rows = self._rows(
            "SELECT id, lock, what, version FROM inbox "
            "WHERE lock = ? AND what = ? AND answer IS NULL",
            (lock, what),
        )
        return [Errand(*row) for row in rows]

    def answer(self, lock: str, what: What, answers: dict[str, bytes], carried: int | None) -> None:
        """Keeps answers; the pending document goes once it was carried or nobody waits for it."""
        with self._changing() as database:
            database.executemany(
                "UPDATE inbox SET answer = ? WHERE id = ?",
                [(answer, command_id) for command_id, answer in answers.items()],
            )
            database.execute(
                "DELETE FROM pending_document AS p WHERE lock = ? AND what = ? "
                "AND (version <= ? OR NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.lock = p.lock "
                "AND inbox.what = p.what AND answer IS NULL AND inbox.version = p.version))",
                (lock, what, -1 if carried is None else carried),
            )

    def expired(self, wall: float) -> list[Errand]:
        """Commands past their time without an answer."""
        rows = self._rows(
            "SELECT id, lock, what, version FROM inbox WHERE answer IS NULL AND expires_at <= ?",
            (wall,),
        )
        return [Errand(*row) for row in rows]

    def sweep(self, wall: float) -> None:
        """Forgets answered commands that have expired."""
        if not self._rows(
            "SELECT 1 FROM inbox WHERE answer IS NOT NULL AND expires_at <= ? LIMIT 1", (wall,)
        ):
            return
        with self._changing() as database:
            database.execute(
                "DELETE FROM inbox WHERE answer IS NOT NULL AND expires_at <= ?", (wall,)
            )

    # --- the file ---

    def _open(self) -> Any:
        database = self._connect(self._path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise self._damaged(found)
            self._migrate(database)
        except BaseException:
            database.close()  # and with it the lock that a half-done step holds
            raise
        return database

    def _migrate(self, database: Any) -> None:
        """Brings the file up to date, step by step, each step whole. Refuses a newer file."""
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            text = f"{self._path} was made by a newer version of kannuki (schema {version})"
            raise StoreFault(text, "install that version again, or name another --data-dir")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            mark = f"PRAGMA user_version = {number}"
            database.executescript(f"BEGIN IMMEDIATE; {script}; {mark}; COMMIT;")

    def _current(self) -> Any:
        """The connection; a new one when the disk failed under the old one."""
        if self._is_stale:
            self._database.close()
            self._database = self._open()
            self._waiting = self._count()
            self._is_stale = False
        return self._database

    def _count(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)

    def _unused_bytes(self) -> int:
        (pages,), (size,) = self._rows("PRAGMA freelist_count") + self._rows("PRAGMA page_size")
        return int(pages * size)

    def _try_a_change(self) -> None:
        """One that changes nothing, but is written. Raises StorageError."""
        with self._changing() as database:
            database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._current().execute(query, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        """One transaction: all of it is durable, or none of it happened."""
        with self._translated():
            database = self._current()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            self._refused = False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._damaged(str(error)) from error
            self._refused |= code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
            self._is_stale |= code == sqlite3.SQLITE_IOERR
            raise StorageError(f"{self._path.name}: {error}") from error

    def _damaged(self, why: str) -> StoreFault:
        names = f"{self._path.name}, {self._path.name}-wal and {self._path.name}-shm"
        return StoreFault(
            f"{self._path} is damaged: {why}",
            f"move {names} out of {self._path.parent}, keep them for whoever looks into it, and "
            "start again: the locks still hold every record that the town has not signed for, and "
            "the town sends its documents again",
        )
