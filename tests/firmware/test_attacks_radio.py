"""Attacks on the loop around the core: floods of writes, peers that leave, a loop that breaks.

The real firmware/app.py and firmware/ble/server.py run on stand-ins of the chip's modules.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.core.door import OFF, RETRACT
from firmware.core.session import HANG_UP, SEND
from tests.firmware.standins import standins

CONNECT, DISCONNECT, WRITE = 1, 2, 3
ENOTCONN = 107


class Flag:
    """As the chip's ThreadSafeFlag: who waits for one that is set does not give up its turn."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    async def wait(self) -> None:
        while not self._is_set:
            await asyncio.sleep(0)
        self._is_set = False


class Radio:
    """`bluetooth.BLE` with one characteristic; a peer that left is told of by OSError."""

    def __init__(self) -> None:
        self.handler: Any = None
        self.value = b""
        self.left: set[int] = set()
        self.attempts = 0

    def config(self, **settings: object) -> None: ...
    def active(self, on: bool) -> None: ...
    def gatts_set_buffer(self, handle: int, size: int) -> None: ...
    def gap_advertise(self, *args: object, **details: object) -> None: ...

    def irq(self, handler: Any) -> None:
        self.handler = handler

    def gatts_register_services(self, services: object) -> tuple[tuple[int, int]]:
        return ((1, 2),)

    def gatts_read(self, handle: int) -> bytes:
        return self.value

    def gatts_notify(self, handle: int, characteristic: int, value: bytes) -> None:
        self.attempts += 1
        if handle in self.left:
            raise OSError(ENOTCONN)

    def gap_disconnect(self, handle: int) -> None:
        if handle in self.left:
            raise OSError(ENOTCONN)

    def happens(self, event: int, handle: int, value: bytes = b"") -> None:
        """The chip interrupts."""
        self.value = value
        self.handler(event, (handle, 0, b""))


class Heard:
    """Stands for the core's sessions."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def connected(self, handle: int, at: int) -> None:
        self.events.append(("connected", handle))

    def disconnected(self, handle: int) -> None:
        self.events.append(("disconnected", handle))

    def received(self, handle: int, fragment: bytes, at: int) -> None:
        self.events.append(("received", handle, fragment))

    def drain(self) -> list[tuple[Any, ...]]:
        return []


class Pins:
    """Stands for the board: what the motor was told last."""

    def __init__(self) -> None:
        self.driven = OFF

    def sensors(self) -> None:
        return None

    def drive(self, direction: int) -> None:
        self.driven = direction


class Keys:
    """Stands for a keypad at which nobody is."""

    def keys(self) -> str:
        return ""


class Core:
    """Stands for a lock whose bolt is on its way; it senses `senses` times and breaks then."""

    def __init__(self, senses: int) -> None:
        self.sessions = Heard()
        self.door = SimpleNamespace(drive=RETRACT)
        self.senses = senses
        self.sensed = 0

    def sense(self, sensors: object, at: int) -> int:
        if self.sensed == self.senses:
            raise MemoryError
        self.sensed += 1
        return RETRACT


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The app and its radio, on stand-ins; `restarts` counts what machine.reset was asked."""
    radio, restarts = Radio(), []
    flags = dict.fromkeys(("FLAG_WRITE", "FLAG_WRITE_NO_RESPONSE", "FLAG_NOTIFY"), 1)
    parts = dict.fromkeys(("ADC", "Pin", "RTC", "UART"))
    fakes = {
        "bluetooth": SimpleNamespace(BLE=lambda: radio, UUID=lambda text: text.encode(), **flags),
        "machine": SimpleNamespace(
            reset_cause=lambda: 1, reset=lambda: restarts.append(1), **parts
        ),
        "cryptolib": SimpleNamespace(aes=None),
    }
    monkeypatch.setattr(asyncio, "ThreadSafeFlag", Flag, raising=False)
    monkeypatch.setattr(asyncio, "sleep_ms", lambda ms: asyncio.sleep(0), raising=False)
    monkeypatch.setattr(sys, "print_exception", lambda failure: None, raising=False)
    with standins(**fakes) as import_module:
        app = import_module("firmware.app")
        monkeypatch.setattr(app, "time", SimpleNamespace(sleep_ms=lambda ms: None))
        server = import_module("firmware.ble.server").GattServer("aaaaaaaa", lambda: None)
        yield SimpleNamespace(app=app, radio=radio, server=server, restarts=restarts)


def run(app: Any, server: Any, core: Core, pins: Pins) -> None:
    """The app's two loops until one of them breaks."""

    async def loops() -> None:
        flag, uptime = Flag(), SimpleNamespace(ms=lambda: 0)
        sensing = asyncio.create_task(app._sense_forever(core, pins, Keys(), uptime, flag))
        await app._serve_while(sensing, server, core, pins, uptime, flag)
        await sensing

    with pytest.raises(MemoryError):
        asyncio.run(asyncio.wait_for(loops(), 5))


def test_a_peer_that_never_stops_writing_does_not_stop_the_sensors(
    chip: SimpleNamespace,
) -> None:
    core = Core(senses=50)
    chip.radio.happens(CONNECT, 7)
    heard = core.sessions.received

    def write_again(handle: int, fragment: bytes, at: int) -> None:
        heard(handle, fragment, at)
        assert len(core.sessions.events) < 10_000, "the sensors were never read"
        chip.radio.happens(WRITE, 7, fragment)

    core.sessions.received = write_again  # type: ignore[method-assign]
    chip.radio.happens(WRITE, 7, b"\xc0!")
    run(chip.app, chip.server, core, Pins())
    assert core.sensed == 50


def test_a_loop_that_breaks_is_noticed_though_the_radio_is_silent(
    chip: SimpleNamespace,
) -> None:
    core = Core(senses=3)
    run(chip.app, chip.server, core, Pins())
    assert core.sensed == 3


def test_whatever_breaks_the_loops_stops_the_motor_and_restarts_the_board(
    chip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins, core = Pins(), Core(senses=3)
    core.trust = SimpleNamespace(lock_id="aaaaaaaa")  # type: ignore[attr-defined]
    core.journal = SimpleNamespace(head_seq=1)  # type: ignore[attr-defined]
    app = chip.app
    monkeypatch.setattr(app, "gc", SimpleNamespace(collect=int, threshold=int))
    monkeypatch.setattr(app, "Uptime", lambda: SimpleNamespace(ms=lambda: 0))
    monkeypatch.setattr(app, "Board", lambda: pins)
    monkeypatch.setattr(app, "SerialKeypad", Keys)
    monkeypatch.setattr(app, "FileStorage", lambda folder: None)
    monkeypatch.setattr(app, "FlashTables", lambda folder: None)
    monkeypatch.setattr(app.ed25519, "boot", lambda tables: "")
    monkeypatch.setattr(app, "load", lambda storage, board, uptime: core)
    app.main()
    assert (pins.driven, chip.restarts, core.sensed) == (OFF, [1], 3)


def test_a_board_that_is_not_enrolled_is_left_to_the_bench(
    chip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(folder: str) -> None:
        raise chip.app.NotEnrolled

    monkeypatch.setattr(chip.app, "FileStorage", missing)
    with pytest.raises(chip.app.NotEnrolled):
        chip.app.main()
    assert chip.restarts == []


def test_a_flood_of_writes_does_not_fill_the_heap_and_later_ones_count_again(
    chip: SimpleNamespace,
) -> None:
    heard = Heard()
    chip.radio.happens(CONNECT, 7)
    for _ in range(1000):
        chip.radio.happens(WRITE, 7, bytes(500))
    chip.radio.happens(DISCONNECT, 7)
    while chip.server.pump(heard, 0):
        pass
    held = sum(len(event[2]) for event in heard.events if event[0] == "received")
    assert 4096 <= held <= 8192
    assert heard.events[-1] == ("disconnected", 7)
    chip.radio.happens(CONNECT, 8)
    chip.radio.happens(WRITE, 8, b"\xc0!")
    while chip.server.pump(heard, 0):
        pass
    assert heard.events[-1] == ("received", 8, b"\xc0!")


def test_a_peer_that_leaves_in_the_middle_of_an_answer_keeps_nobody_waiting(
    chip: SimpleNamespace,
) -> None:
    chip.radio.happens(CONNECT, 7)
    chip.radio.left.add(7)
    chip.radio.happens(DISCONNECT, 7)
    answer = [(SEND, 7, bytes(19))] * 50 + [(HANG_UP, 7)]
    asyncio.run(chip.server.carry_out(answer))
    assert chip.radio.attempts == 0
