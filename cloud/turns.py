"""Whose turn it is to write to a SQLite file: a queue, where SQLite itself has only polling.

SQLite lets one writer in and has the others look again after sleeps that grow to 100 ms. Under a
rush somebody is passed over until the time is up, and is told of a fault. Here writers wait
instead: the threads of a process on a lock of its own, and one thread of each process in the
kernel's queue for a file beside the database. SQLite's own lock stays what keeps the data whole;
this decides only the order, and who is asked to come again.

Invariant: nobody holds a turn across anything but one transaction. A process that dies gives its
turn back, as the kernel closes its file.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAITS_S = 20.0


class NoTurn(Exception):
    """The wait was too long; nothing was begun."""


class Turns:
    """The turns of one process at one file; to be shared by its threads."""

    def __init__(self, database: Path | None, waits_s: float = WAITS_S) -> None:
        """Without a path: a database in memory, which no other process sees."""
        self._path = database and database.with_name(f"{database.name}-turn")
        self._waits_s = waits_s
        self._here = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """The turn, for the length of the block. Raises NoTurn after `waits_s`."""
        if not self._here.acquire(timeout=self._waits_s):
            raise NoTurn
        try:
            with self._among_processes():
                yield
        finally:
            self._here.release()

    @contextmanager
    def _among_processes(self) -> Iterator[None]:
        # Only one thread of a process stands here, so that a process that hangs with its turn costs
        # the others one thread each; the rest give up above.
        if self._path is None:
            yield
            return
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
