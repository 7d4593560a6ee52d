"""Runs child processes: starts them in order, waits until each is ready, restarts, stops.

Decides nothing about what the children do. A child is ready when it printed a JSON line with
`"ready": true` on stdout, when it listens on its port, when its probe says so, or at once. Children
die with this process, even when it is killed (kannuki.child; Linux ties that to the thread that
started them: keep the loop in the main thread). One that dies by itself is started again after a
backoff; one that was stopped stays stopped.

States of a child: stopped -> starting -> ready -> (dies) backoff -> starting ...
                   any -> stopped by `stop_child`; starting -> failed when it must not be restarted.
Invariant: at most one process per name lives at any time; `status` is true of the last change.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kannuki import child as child_program
from kannuki.backoff import Backoff
from kannuki.errors import KannukiError
from kannuki.proc import listens_on, started_ticks
from kannuki.status import withdraw, write_status

log = logging.getLogger(__name__)
PROBE_EVERY_S = 0.05
DRAIN_WITHIN_S = 1.0
LINE_LIMIT_BYTES = 1 << 20


class ChildFailed(KannukiError):
    """A child did not become ready; the message has the end of its log."""


@dataclass(frozen=True)
class ChildSpec:
    """What to run and when it counts as ready.

    env: added to this process's environment. ready: "line" (a JSON line with "ready": true on
    stdout), "port" (this process listens on `port`), a probe asked again and again until it says
    True, or None (at once). on_line gets every JSON object that the child prints.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    port: int | None = None
    ready: str | Callable[[], Awaitable[bool]] | None = "line"
    on_line: Callable[[dict[str, Any]], None] | None = None
    restart: Backoff | None = field(default_factory=Backoff)
    ready_within_s: float = 30.0
    stop_within_s: float = 5.0


class Child:
    """One supervised program; see `Supervisor.start`."""

    def __init__(self, spec: ChildSpec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.state = "stopped"
        self.info: dict[str, Any] = {}
        self.restarts = 0
        self.exit_code: int | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.is_ready = asyncio.Event()
        self._changed = changed
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The pid while a process lives, else None."""
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process else None

    def note(self) -> dict[str, Any]:
        """This child's line in the status file."""
        return {
            "name": self.spec.name,
            "state": self.state,
            "pid": self.pid,
            "port": self.info.get("port", self.spec.port),
            "log": str(self.spec.log),
            "restarts": self.restarts,
            "exit_code": self.exit_code,
        }

    async def start(self) -> None:
        """Starts it and waits until it is ready; raises ChildFailed."""
        self._stopping = False
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")
            self._keeper.add_done_callback(self._keeper_ended)
        ready = asyncio.create_task(self.is_ready.wait())
        try:
            await asyncio.wait(
                {ready, self._keeper},
                timeout=self.spec.ready_within_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            ready.cancel()
        if not self.is_ready.is_set():
            reason = self._why_not_ready()
            await self.stop()
            self._to("failed")
            raise ChildFailed(*reason)

    def _why_not_ready(self) -> tuple[str, str]:
        ended = self.exit_code is not None
        how = f"ended with {self.exit_code}" if ended else "did not become ready"
        return f"{self.spec.name} {how}: {tail(self.spec.log)}", f"read {self.spec.log}"

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after `stop_within_s`; it stays stopped."""
        self._stopping = True
        await self._end_process()
        if self._keeper is not None:
            if self.state != "backoff":  # its last words belong into the log
                await asyncio.wait({self._keeper}, timeout=DRAIN_WITHIN_S)
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._end_process()  # one that was being started meanwhile
        self._to("stopped")

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        """A fault of ours (an on_line that raises) must not leave a child unsupervised."""
        if keeper.cancelled() or keeper.exception() is None:
            return
        log.error("supervision of %s failed", self.spec.name, exc_info=keeper.exception())
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        self._to("failed")

    async def _end_process(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self.spec.stop_within_s):
                await process.wait()
        except TimeoutError:
            log.warning("%s did not stop in time; killed", self.spec.name)
            process.kill()
            await process.wait()
        self.exit_code = process.returncode

    async def _keep(self) -> None:
        """Runs the program again and again, until cancelled or not to be restarted."""
        failures = 0
        while True:
            started_at = time.monotonic()
            await self._run_once()
            if self._stopping:
                return
            policy = self.spec.restart
            if policy is None:
                self._to("failed" if self.exit_code else "stopped")
                return
            failures = policy.failures_after(failures, time.monotonic() - started_at)
            delay_s = policy.delay_s(failures, random.random())
            log.warning(
                "%s ended with %s; again in %.1f s", self.spec.name, self.exit_code, delay_s
            )
            self._to("backoff")
            await asyncio.sleep(delay_s)
            self.restarts += 1

    async def _run_once(self) -> None:
        self.is_ready.clear()
        self.exit_code, self.info = None, {}
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.spec.log, "ab", buffering=0) as log_file:
            self.process = await self._spawn(log_file.fileno())
            self._to("starting")
            waiting = asyncio.create_task(self._wait_ready())
            try:
                await self._read_stdout(log_file.write)
                self.exit_code = await self.process.wait()
            finally:
                waiting.cancel()
                self.is_ready.clear()

    async def _spawn(self, log_descriptor: int) -> asyncio.subprocess.Process:
        wrapper = [sys.executable, "-I", "-S", child_program.__file__, str(os.getpid())]
        return await asyncio.create_subprocess_exec(
            *wrapper,
            *self.spec.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_descriptor,
            env={**os.environ, **self.spec.env},
            cwd=self.spec.cwd,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which stops them in order
            limit=LINE_LIMIT_BYTES,
        )

    async def _read_stdout(self, keep: Callable[[bytes], Any]) -> None:
        assert self.process is not None and self.process.stdout is not None
        while True:
            try:
                line = await self.process.stdout.readline()
            except ValueError:  # a line over the limit; the reader has dropped it
                log.warning("%s printed a line over %d bytes", self.spec.name, LINE_LIMIT_BYTES)
                continue
            if not line:
                return
            keep(line)
            self._take_line(line)

    def _take_line(self, line: bytes) -> None:
        if not line.startswith(b"{"):
            return
        try:
            said = json.loads(line)
        except ValueError:
            return  # not for us: a program may print what it likes; it is kept in the log
        if said.get("ready") is True and self.spec.ready == "line":
            self.info = said
            self._to_ready()
        if self.spec.on_line is not None:
            self.spec.on_line(said)

    async def _wait_ready(self) -> None:
        if self.spec.ready == "line":
            return
        while not await self._probe():
            await asyncio.sleep(PROBE_EVERY_S)
        self._to_ready()

    async def _probe(self) -> bool:
        if self.spec.ready == "port":
            assert self.process is not None and self.spec.port is not None
            return listens_on(self.process.pid, self.spec.port)
        return not callable(self.spec.ready) or await self.spec.ready()

    def _to_ready(self) -> None:
        self._to("ready")
        self.is_ready.set()

    def _to(self, state: str) -> None:
        self.state = state
        self._changed()


class Supervisor:
    """Children by name, in the order in which they were started.

    Use as an async context manager; leaving stops all, last started first. `meta` is free text for
    the status notes (the page's address, the clock's offset); call `publish` after changing it.
    """

    def __init__(self, name: str, data_dir: Path, registry: Path) -> None:
        self.name = name
        self.data_dir = data_dir
        self.registry = registry
        self.meta: dict[str, Any] = {}
        self.children: dict[str, Child] = {}

    async def __aenter__(self) -> Supervisor:
        self.publish()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self, spec: ChildSpec) -> Child:
        """Starts a child, waits until it is ready. Raises ChildFailed; a name is used once."""
        if spec.name in self.children:
            raise ValueError(f"there is already a child named {spec.name}")
        child = self.children[spec.name] = Child(spec, self.publish)
        await child.start()
        return child

    async def stop_child(self, name: str) -> None:
        """Stops one child; it stays stopped until `start_child`."""
        await self.children[name].stop()

    async def start_child(self, name: str) -> Child:
        """Starts a stopped child again and waits until it is ready."""
        await self.children[name].start()
        return self.children[name]

    async def stop(self) -> None:
        """Stops all, last started first, and takes the notes away."""
        for child in reversed(self.children.values()):
            await child.stop()
        withdraw(os.getpid(), self.data_dir, self.registry)

    def status(self) -> dict[str, Any]:
        """The notes as they are published; see kannuki.status."""
        return {
            "name": self.name,
            "pid": os.getpid(),
            "started_ticks": started_ticks(os.getpid()),
            "data_dir": str(self.data_dir),
            "meta": self.meta,
            "children": [child.note() for child in self.children.values()],
        }

    def publish(self) -> None:
        """Writes the status notes; called at every change of a child."""
        write_status(self.status(), self.data_dir, self.registry)


def tail(path: Path, lines: int = 5, max_bytes: int = 4000) -> str:
    """The end of a log, for a message."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - max_bytes))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(its log is empty)"


def port_answers(port: int, host: str = "127.0.0.1") -> Callable[[], Awaitable[bool]]:
    """A probe: something accepts TCP connections there."""

    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    return probe


async def until_signal(*signals: signal.Signals) -> None:
    """Waits for SIGINT or SIGTERM (or those named): how a program stays up until told to stop."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    wanted = signals or (signal.SIGINT, signal.SIGTERM)
    for number in wanted:
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
