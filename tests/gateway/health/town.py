"""A gateway's App with fake locks in place of its radio, in this process and on this loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import app as gateway_app
from gateway import files
from gateway.app import App, Options
from gateway.health.monitor import HealthOptions, Monitor
from gateway.health.notify import Notifier, Watchdog
from gateway.machine import Settings
from gateway.machine import values as v
from kannuki.broker import BrokerFiles, write_config
from kannuki.enrolment import GatewayFile, LockCredential, write_file
from kannuki.parts import require_program
from protocol.holder import Credential
from tests.gateway.fakelock import T0, TOWN, FakeLock, credential

GATEWAY = "gw-1"
BOUND_S = 20.0


def write_gateway_file(path: Path, keys: dict[str, Credential]) -> Path:
    entries = [
        LockCredential(lock_id=lock, token=key.raw_token, proof_key=key.proof_keys[lock])
        for lock, key in keys.items()
    ]
    content = GatewayFile(town=TOWN, gateway_id=GATEWAY, locks=entries)
    write_file(path, content, secret=True)
    return path


class FakeLinks:
    """gateway.links.BleakLinks, with FakeLocks at the other end."""

    def __init__(
        self,
        listener: Any,
        _random: Callable[[], float],
        on_listening: Callable[[bool], None] = lambda _is_on: None,
        on_radio: Callable[[bool], None] = lambda _is_there: None,
    ) -> None:
        self._listener = listener
        self._on_listening = on_listening
        self._on_radio = on_radio
        self._locks = {lock: FakeLock(lock) for lock in ("aaaaaaaa", "bbbbbbbb", "cccccccc")}
        self.absent = {"cccccccc"}
        self._up: set[str] = set()

    async def run(self) -> None:
        self._on_radio(True)
        self._on_listening(True)
        while True:
            for lock in self._locks.keys() - self.absent:
                self._listener.sighted(lock)
            await asyncio.sleep(0.2)

    def connect(self, lock: str, urgent: bool) -> None:
        self._up.add(lock)
        self._soon(lambda: self._connected(lock))

    def disconnect(self, lock: str) -> None:
        if lock in self._up:
            self._up.discard(lock)
            self._soon(lambda: self._listener.down(lock, v.CLOSED))

    def send(self, lock: str, fragment: bytes) -> None:
        if lock in self._up:
            for answer in self._locks[lock].write(fragment):
                self._soon(lambda a=answer: self._answer(lock, a))

    async def close(self) -> None:
        for lock in list(self._up):
            self.disconnect(lock)
        await asyncio.sleep(0)

    def _connected(self, lock: str) -> None:
        if lock not in self._up:
            return
        if lock in self.absent:
            self._up.discard(lock)
            self._listener.down(lock, v.OUT_OF_RANGE)
            return
        self._locks[lock].hang_up()
        self._listener.up(lock, 100)

    def _answer(self, lock: str, fragment: bytes) -> None:
        if lock in self._up:
            self._listener.received(lock, fragment)

    def _soon(self, work: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_soon(work)


def make_app(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    locks: list[str],
    broker_port: int,
    health: HealthOptions | None = None,
    notifier: Notifier | None = None,
    watchdog_period_s: float = 0.0,
) -> App:
    """Not running yet; its clock stands at T0. Must be called on the loop."""
    monkeypatch.setattr(gateway_app, "BleakLinks", FakeLinks)
    path = write_gateway_file(folder / "gateway.json", {lock: credential(lock) for lock in locks})
    settings = Settings(
        sync_interval_s=0.5, first_retry_s=0.1, unreachable_after=1, relay_open_within_s=2.0
    )
    options = Options(
        path,
        broker_host="127.0.0.1",
        broker_port=broker_port,
        data_dir=folder / "data",
        settings=settings,
        clock_offset_s=0.0,
        version="1.2.3",
        health=health or HealthOptions(),
    )
    store = gateway_app.open_store(options.data_dir)
    notifier = notifier or Notifier()
    monitor = Monitor(
        options.health,
        options.data_dir,
        options.version,
        notifier,
        Watchdog(notifier, watchdog_period_s),
        lambda: float(T0),
    )
    place = files.read_place(path)
    return App(options, place, store, lambda: float(T0), lambda: None, monitor)


@contextlib.asynccontextmanager
async def running(app: App) -> AsyncIterator[App]:
    """Runs it while inside."""
    stopping = asyncio.Event()
    task = asyncio.create_task(app.run(stopping))
    try:
        yield app
    finally:
        stopping.set()
        await asyncio.wait_for(task, BOUND_S)


async def until(condition: Callable[[], object]) -> None:
    """Waits for something to become so."""
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, port: int) -> AsyncIterator[None]:
    """A broker, ready when it listens."""
    place = BrokerFiles(folder.resolve(), port)
    write_config(place)
    child = await asyncio.create_subprocess_exec(
        str(require_program("mosquitto")), "-c", str(place.config), env=dict(os.environ)
    )
    try:
        async with asyncio.timeout(BOUND_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.wait()
