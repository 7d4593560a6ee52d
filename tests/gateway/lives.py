"""Many lives of one gateway program: each a process of its own, killed by whoever asked for it.

`python -m tests.gateway.lives MISTAKE SOCKET ARGUMENT...` imports the program once and then, for
each line `start` on standard input, forks a process that runs `kannuki gateway run ARGUMENT...`;
`kill` ends it with SIGKILL. Each line is answered by one: the process id, or how it ended. Starting
Python anew would take longer than the lives do. MISTAKE is `none`, or one that must be found out.

The program is the real one but for its radio: links go to a Unix socket, behind which the locks
live on (tests/gateway/street.py). A frame there is two bytes of length and the fragment; the first
names the lock, and its answer says that the link is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from gateway import app
from gateway.links import Listener
from gateway.machine import StoredEvent
from gateway.machine.values import CLOSED, LOST, OUT_OF_RANGE
from gateway.store import SqliteStore
from kannuki.cli import main

MAX_FRAGMENT = 244
SIGHT_EVERY_S = 1.0


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next fragment. Raises EOFError at the end of the link."""
    (size,) = struct.unpack(">H", await reader.readexactly(2))
    return await reader.readexactly(size)


def frame(fragment: bytes) -> bytes:
    return struct.pack(">H", len(fragment)) + fragment


class StoresLate(SqliteStore):
    """A classic mistake: the position moves at once, the event is stored with the next."""

    _late: StoredEvent | None = None

    def put_event(self, event: StoredEvent, lock: str, journal_epoch: int, next_seq: int) -> None:
        late, self._late = self._late, event
        super().put_event(late or event, lock, journal_epoch, next_seq)


MISTAKES: dict[str, type[SqliteStore]] = {"none": SqliteStore, "stores_late": StoresLate}


class SocketLinks:
    """gateway.links.BleakLinks, with a socket for a radio."""

    path = ""

    def __init__(self, listener: Listener, random: Callable[[], float], **_more: object) -> None:
        self._listener = listener
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._writers: dict[str, asyncio.StreamWriter] = {}

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def connect(self, lock: str, urgent: bool) -> None:
        self._lives[lock] = asyncio.create_task(self._live(lock))

    def disconnect(self, lock: str) -> None:
        if lock in self._lives:
            self._lives[lock].cancel()

    def send(self, lock: str, fragment: bytes) -> None:
        if lock in self._writers:
            self._writers[lock].write(frame(fragment))

    async def close(self) -> None:
        lives = list(self._lives.values())
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)

    async def _live(self, lock: str) -> None:
        why = OUT_OF_RANGE
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
            with contextlib.closing(writer):
                writer.write(frame(lock.encode()))
                await read_frame(reader)
                why = LOST
                self._writers[lock] = writer
                self._listener.sighted(lock)
                self._listener.up(lock, MAX_FRAGMENT)
                while True:
                    self._listener.received(lock, await read_frame(reader))
        except asyncio.CancelledError:
            why = CLOSED
        except (EOFError, OSError):
            pass
        finally:
            self._writers.pop(lock, None)
            del self._lives[lock]
            self._listener.down(lock, why)


def live(socket_path: str, arguments: list[str]) -> NoReturn:
    """The child: a gateway until it is killed."""
    code = 1
    try:
        os.close(0)
        os.dup2(2, 1)
        SocketLinks.path = socket_path
        app.BleakLinks = SocketLinks
        code = main(["gateway", "run", *arguments]) or 0
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run in the child
        traceback.print_exc()
    os._exit(code)


def serve(socket_path: str, arguments: list[str]) -> None:
    pid = 0
    for line in sys.stdin:
        if line.strip() == "start":
            pid = os.fork() or live(socket_path, arguments)
            print(pid, flush=True)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            pid = 0
    if pid:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    app.SqliteStore = MISTAKES[sys.argv[1]]
    serve(sys.argv[2], sys.argv[3:])
