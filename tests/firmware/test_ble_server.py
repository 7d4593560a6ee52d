"""The lock's radio when its controller is busy."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.firmware.standins import standins

CONNECT = 1
NEIGHBOUR = 1


class FakeBle:
    """`busy`: how often advertising fails yet."""

    def __init__(self) -> None:
        self.busy = 0
        self.advertised = 0

    def config(self, **_: Any) -> None: ...

    def irq(self, handler: Any) -> None:
        self.fire = handler

    def active(self, _: bool) -> None: ...

    def gatts_register_services(self, _: Any) -> tuple[tuple[int, int]]:
        return ((1, 2),)

    def gatts_set_buffer(self, *_: Any) -> None: ...

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


@pytest.fixture
def radio() -> Iterator[SimpleNamespace]:
    """A server on a fake controller: `ble`, `server`, `woken`."""
    ble, woken = FakeBle(), []
    fake = SimpleNamespace(BLE=lambda: ble, UUID=lambda text: text.encode())
    for number, flag in enumerate(("FLAG_WRITE", "FLAG_WRITE_NO_RESPONSE", "FLAG_NOTIFY")):
        setattr(fake, flag, 1 << number)
    with standins(bluetooth=fake) as import_module:
        module = import_module("firmware.ble.server")
        server = module.GattServer("aaaaaaaa", lambda: woken.append(1))
        yield SimpleNamespace(ble=ble, server=server, woken=woken)


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
