"""The lock's radio when peers flood it or the controller is busy."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

CONNECT, DISCONNECT, WRITE = 1, 2, 3
STRANGER, NEIGHBOUR = 1, 2


class FakeBle:
    """`busy`: how often advertising fails yet; `written`: what the last write left in RX."""

    def __init__(self) -> None:
        self.busy = 0
        self.advertised = 0
        self.written = b""

    def config(self, **_: Any) -> None: ...

    def irq(self, handler: Any) -> None:
        self.fire = handler

    def active(self, _: bool) -> None: ...

    def gatts_register_services(self, _: Any) -> tuple[tuple[int, int]]:
        return ((1, 2),)

    def gatts_set_buffer(self, *_: Any) -> None: ...

    def gatts_read(self, _: int) -> bytes:
        return self.written

    def gap_advertise(self, *_: Any, **__: Any) -> None:
        if self.busy:
            self.busy -= 1
            raise OSError(16)
        self.advertised += 1


class Heard:
    """The sessions' side; keeps what it is handed."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def connected(self, handle: int, at: int) -> None:
        self.all.append(("connected", handle))

    def disconnected(self, handle: int) -> None:
        self.all.append(("disconnected", handle))

    def received(self, handle: int, fragment: bytes, at: int) -> None:
        self.all.append((handle, fragment))


@pytest.fixture
def radio(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A server on a fake controller: `ble`, `server`, `module`, `woken`."""
    ble, woken = FakeBle(), []
    fake = SimpleNamespace(BLE=lambda: ble, UUID=lambda text: text.encode())
    for number, flag in enumerate(("FLAG_WRITE", "FLAG_WRITE_NO_RESPONSE", "FLAG_NOTIFY")):
        setattr(fake, flag, 1 << number)
    monkeypatch.setitem(sys.modules, "bluetooth", fake)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "firmware.ble.server", raising=False)
    module = importlib.import_module("firmware.ble.server")
    server = module.GattServer("aaaaaaaa", lambda: woken.append(1))
    monkeypatch.delitem(sys.modules, "firmware.ble.server")
    return SimpleNamespace(ble=ble, server=server, module=module, woken=woken)


def write(radio: SimpleNamespace, handle: int, fragment: bytes) -> None:
    radio.ble.written = fragment
    radio.ble.fire(WRITE, (handle, 1))


def test_a_peer_that_floods_loses_what_is_too_much_and_nobody_else_does(
    radio: SimpleNamespace,
) -> None:
    most = radio.module.MAX_WAITING_WRITES
    for i in range(1000):
        write(radio, STRANGER, i.to_bytes(2, "big"))
    write(radio, NEIGHBOUR, b"hello")
    radio.ble.fire(DISCONNECT, (STRANGER,))
    heard = Heard()
    radio.server.pump(heard, 0)
    assert heard.all[:most] == [(STRANGER, i.to_bytes(2, "big")) for i in range(most)]
    assert heard.all[most:] == [(NEIGHBOUR, b"hello"), ("disconnected", STRANGER)]
    assert radio.server.dropped_writes == 1000 - most


def test_a_flood_that_was_handed_on_makes_room_again(radio: SimpleNamespace) -> None:
    for _ in range(3):
        for _ in range(radio.module.MAX_WAITING_WRITES):
            write(radio, STRANGER, b"x")
        radio.server.pump(Heard(), 0)
    assert radio.server.dropped_writes == 0


def test_a_busy_controller_stops_neither_the_lock_nor_its_advertising(
    radio: SimpleNamespace,
) -> None:
    before = radio.ble.advertised
    radio.ble.busy = 2
    radio.ble.fire(CONNECT, (NEIGHBOUR,))
    assert radio.woken
    heard = Heard()
    for _ in range(3):
        radio.server.pump(heard, 0)
    assert heard.all == [("connected", NEIGHBOUR)]
    assert radio.ble.advertised == before + 1
