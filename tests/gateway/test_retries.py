"""Failures of bleak, BlueZ and D-Bus: what each means, what is tried again, and what is let go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)

from gateway import links as links_module
from gateway.links import BleakLinks
from gateway.machine import values as v
from gateway.radiofaults import TRIES, Fault, classify
from gateway.scanning import Scanning
from protocol import gatt
from tests.gateway.fakelock import LOCK_A, LOCK_B

FAILED = "org.bluez.Error.Failed"
OFF = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)
ABORT = BleakDBusError(FAILED, ["le-connection-abort-by-local"])
BUSY = BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])
FORGOTTEN = BleakDeviceNotFoundError("AA:BB", "Device with address AA:BB was not found.")
ATT = BleakGATTProtocolError(BleakGATTProtocolErrorCode.WRITE_NOT_PERMITTED)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OFF, Fault.NO_ADAPTER),
        (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), Fault.NO_ADAPTER),
        (BleakError("No powered Bluetooth adapters found."), Fault.NO_ADAPTER),
        (BleakError("adapter 'hci0' not found"), Fault.NO_ADAPTER),
        (
            BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["org.bluez"]),
            Fault.NO_SERVICE,
        ),
        (FileNotFoundError(2, "no socket"), Fault.NO_SERVICE),
        (ConnectionResetError(), Fault.NO_SERVICE),
        (EOFError(), Fault.NO_SERVICE),
        (BUSY, Fault.IN_PROGRESS),
        (BleakDBusError(FAILED, ["Operation already in progress"]), Fault.IN_PROGRESS),
        (ABORT, Fault.ABORTED),
        (BleakDBusError(FAILED, ["Software caused connection abort"]), Fault.ABORTED),
        (BleakError("failed to discover services, device disconnected"), Fault.ABORTED),
        (BleakError("Not connected"), Fault.ABORTED),
        (FORGOTTEN, Fault.DEVICE_GONE),
        (
            BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", ["no such device"]),
            Fault.DEVICE_GONE,
        ),
        (BleakError("device 'dev_AA' not found"), Fault.DEVICE_GONE),
        (ATT, Fault.ATT),
        (BleakDBusError(FAILED, ["Operation failed with ATT error: 0x0e"]), Fault.ATT),
        (BleakCharacteristicNotFoundError(gatt.RX_UUID), Fault.NOT_A_LOCK),
        (LookupError("no characteristic"), Fault.NOT_A_LOCK),
        (TimeoutError(), Fault.TIMEOUT),
        (BleakDBusError(FAILED, ["something new"]), Fault.OTHER),
        (BleakDBusError(FAILED, []), Fault.OTHER),
        (RuntimeError("our bug"), Fault.OTHER),
    ],
)
def test_each_failure_has_its_meaning(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault


def test_only_passing_failures_are_tried_again_and_none_that_nobody_knows() -> None:
    again = {fault for fault in Fault if fault.helps_to_retry}
    assert again == {Fault.IN_PROGRESS, Fault.ABORTED, Fault.DEVICE_GONE}
    assert not any(fault.helps_to_retry for fault in Fault if fault.is_ours)


# --- the life of a link among failures, with bleak played by a script ---

Deed = Exception | Callable[[], Any] | None


class Radio:
    """Plays bleak: each connect does the next deed of the script (the last one goes on)."""

    def __init__(self, *script: Deed) -> None:
        self.script = list(script)
        self.connects: list[float] = []
        self.connecting = self.most_connecting = 0
        self.disconnects = 0
        self.is_linked = False

    def client(self, device: Any, disconnected_callback: Any) -> SimpleNamespace:
        found = SimpleNamespace(max_write_without_response_size=100)
        services = SimpleNamespace(get_characteristic=lambda uuid: found)
        return SimpleNamespace(
            connect=self.connect,
            disconnect=self.disconnect,
            services=services,
            start_notify=self.start_notify,
            write_gatt_char=self.write,
        )

    async def connect(self) -> None:
        self.connects.append(asyncio.get_running_loop().time())
        self.connecting += 1
        self.most_connecting = max(self.most_connecting, self.connecting)
        deed = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        try:
            await asyncio.sleep(0)
            if isinstance(deed, Exception):
                raise deed
            if deed is not None:
                await deed()
            self.is_linked = True
        finally:
            self.connecting -= 1

    async def disconnect(self) -> None:
        self.disconnects += 1
        self.is_linked = False

    async def start_notify(self, _tx: Any, _heard: Any) -> None: ...

    async def write(self, _rx: Any, _data: bytes, response: bool) -> None:
        raise ATT


class Ear:
    """gateway.links.Listener."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, Any]] = []
        self.news = asyncio.Event()

    def up(self, lock: str, max_fragment: int) -> None:
        self._note("up", lock, max_fragment)

    def down(self, lock: str, why: str) -> None:
        self._note("down", lock, why)

    def received(self, lock: str, fragment: bytes) -> None: ...

    def sighted(self, lock: str) -> None: ...

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self.news.set()

    async def until(self, kind: str, count: int = 1) -> tuple[str, str, Any]:
        async with asyncio.timeout(20):
            while len(found := [e for e in self.events if e[0] == kind]) < count:
                self.news.clear()
                await self.news.wait()
        return found[-1]


@contextlib.asynccontextmanager
async def bench(
    monkeypatch: pytest.MonkeyPatch, radio: Radio, found: bool = True
) -> AsyncIterator[tuple[BleakLinks, Ear]]:
    """Links on a scripted radio; every lock is heard whenever it is looked for."""
    forgotten: list[str] = []

    async def find(lock: str, within_s: float) -> Any:
        return (
            SimpleNamespace(name=lock, details={"path": "/org/bluez/hci0/dev"}) if found else None
        )

    async def forget(device: Any) -> None:
        forgotten.append(device.name)

    monkeypatch.setattr(links_module, "BleakClient", radio.client)
    monkeypatch.setattr(links_module, "_take_from_bluez", forget)
    ear = Ear()
    links = BleakLinks(ear, lambda: 0.5)
    monkeypatch.setattr(links._scanning, "find", find)
    links.forgotten = forgotten  # type: ignore[attr-defined]
    try:
        yield links, ear
    finally:
        await links.close()


@pytest.mark.parametrize("error", [ABORT, BUSY, FORGOTTEN])
async def test_a_failure_that_passes_is_overcome_within_one_connect(monkeypatch, error) -> None:
    radio = Radio(error, None)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=True)
        assert await ear.until("up") == ("up", LOCK_A, 100)
        assert len(radio.connects) == 2
        assert radio.disconnects == 1, "what was half made is undone first"


@pytest.mark.parametrize("error", [ABORT, BUSY, FORGOTTEN])
async def test_a_failure_that_stays_is_told_after_a_few_tries_ever_further_apart(
    monkeypatch, error
) -> None:
    radio = Radio(error)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        assert await ear.until("down") == ("down", LOCK_A, v.CONNECT_FAILED)
        first, second, third = radio.connects
        assert len(radio.connects) == TRIES
        assert third - second > second - first
        assert [event[0] for event in ear.events] == ["down"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OFF, v.NO_RADIO),
        (FileNotFoundError(2, "no bus"), v.NO_RADIO),
        (TimeoutError(), v.CONNECT_FAILED),
        (ATT, v.CONNECT_FAILED),
        (LookupError("no characteristic"), v.CONNECT_FAILED),
        (RuntimeError("new"), v.CONNECT_FAILED),
    ],
)
async def test_what_no_haste_can_mend_is_told_at_once_and_who_is_to_blame(
    monkeypatch, error, why
) -> None:
    radio = Radio(error)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        assert await ear.until("down") == ("down", LOCK_A, why)
        assert len(radio.connects) == 1


async def test_a_lock_that_bluez_stays_busy_with_is_taken_from_its_list(monkeypatch) -> None:
    radio = Radio(BUSY, BUSY, None)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        await ear.until("up")
        assert links.forgotten == [LOCK_A]  # type: ignore[attr-defined]


async def test_an_error_on_a_link_that_was_up_is_a_lost_link(monkeypatch) -> None:
    radio = Radio(None)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        await ear.until("up")
        links.send(LOCK_A, b"x")
        assert await ear.until("down") == ("down", LOCK_A, v.LOST)
        assert not radio.is_linked
        assert len(radio.connects) == 1


async def test_between_two_tries_another_lock_has_its_turn(monkeypatch) -> None:
    radio = Radio(ABORT, None, None)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        links.connect(LOCK_B, urgent=False)
        await ear.until("up", 2)
        assert [event[1] for event in ear.events] == [LOCK_B, LOCK_A]
        assert radio.most_connecting == 1


# --- what does not end by itself ---


async def stubborn(seconds: float) -> None:
    """Ignores that it is cancelled, as a D-Bus call in bleak can, and then succeeds."""
    ends_at = asyncio.get_running_loop().time() + seconds
    while (left := ends_at - asyncio.get_running_loop().time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(left)


async def test_a_connect_that_ignores_its_end_holds_up_neither_the_lock_nor_the_others(
    monkeypatch,
) -> None:
    monkeypatch.setattr(links_module, "LET_GO_WITHIN_S", 0.05)
    radio = Radio(lambda: stubborn(0.6), None)
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        await asyncio.sleep(0.05)
        links.disconnect(LOCK_A)
        assert await ear.until("down") == ("down", LOCK_A, v.CLOSED)
        links.connect(LOCK_B, urgent=False)
        await ear.until("up")
        links.disconnect(LOCK_B)
        await ear.until("down", 2)
        assert radio.connecting == 1, "bleak is still at it"
        hung_up = radio.disconnects
        while radio.connecting:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)
        assert radio.disconnects == hung_up + 1, "and what it made in the end is undone"
        assert not radio.is_linked


async def test_a_connect_that_never_ends_is_given_up_in_time(monkeypatch) -> None:
    monkeypatch.setattr(links_module, "CONNECT_WITHIN_S", 0.1)
    radio = Radio(lambda: asyncio.sleep(3600))
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        assert await ear.until("down") == ("down", LOCK_A, v.CONNECT_FAILED)
        assert radio.connecting == 0


async def test_the_program_ends_though_bleak_does_not(monkeypatch) -> None:
    """A connect being made that ignores its end once took the whole program's patience."""
    monkeypatch.setattr(links_module, "LET_GO_WITHIN_S", 0.05)
    monkeypatch.setattr(links_module, "CLOSE_WITHIN_S", 0.5)
    radio = Radio(lambda: stubborn(1.5))
    async with bench(monkeypatch, radio) as (links, ear):
        links.connect(LOCK_A, urgent=True)
        links.connect(LOCK_B, urgent=False)
        await asyncio.sleep(0.05)
        await links.close()
        assert radio.connecting == 1, "it did not wait for bleak"
        assert sorted(event[1] for event in ear.events) == [LOCK_A, LOCK_B]
    while radio.connecting:  # the loop of this test must not end with it either
        await asyncio.sleep(0.05)


async def test_the_radios_own_trouble_is_not_put_down_to_a_lock(monkeypatch) -> None:
    async with bench(monkeypatch, Radio(None), found=False) as (links, ear):
        links.connect(LOCK_A, urgent=False)
        assert (await ear.until("down"))[2] == v.OUT_OF_RANGE
        links._scanning.fault = Fault.NO_ADAPTER
        links.connect(LOCK_A, urgent=False)
        assert (await ear.until("down", 2))[2] == v.NO_RADIO


@pytest.mark.parametrize("ticks", range(8))
async def test_a_link_given_up_in_the_moment_of_an_answer_is_given_up(ticks: int) -> None:
    """A resident waits for it; a cancellation that comes with the answer must not be forgotten."""
    answered = asyncio.get_running_loop().create_future()

    class Client:
        async def write_gatt_char(self, *_args: Any, **_more: Any) -> None:
            await answered

    link = links_module._Link(LOCK_A, urgent=False)
    link.outgoing.put_nowait(b"x")
    links = BleakLinks(SimpleNamespace(sighted=lambda lock: None), lambda: 0.5)
    writing = asyncio.create_task(links._write(link, Client(), None))
    await asyncio.sleep(0.01)
    answered.set_result(None)
    for _ in range(ticks):
        await asyncio.sleep(0)
    writing.cancel()
    ended, _ = await asyncio.wait({writing}, timeout=1.0)
    assert ended


@pytest.mark.parametrize("ticks", range(8))
async def test_a_search_given_up_in_the_moment_of_a_sighting_is_given_up(ticks: int) -> None:
    scanning = Scanning(lambda lock: None, lambda: 0.5)
    finding = asyncio.create_task(scanning.find(LOCK_A, 30.0))
    await asyncio.sleep(0.01)
    scanning._news.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    finding.cancel()
    ended, _ = await asyncio.wait({finding}, timeout=1.0)
    assert ended and finding.cancelled()
