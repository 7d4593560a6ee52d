"""A lock's real core on the virtual radio, in the process that asks for it.

Decides how the core's sessions are wired to one Bluetooth peripheral, as firmware/ble/server.py
does on the chip; the core runs under CPython. For measuring and for many locks at once: a
MicroPython process for each would measure this PC. `heard_at` and `said_at` tell when a message was
whole and when the first fragment of the answer left, by `clock`.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from firmware.core.session import HANG_UP, SEND
from protocol import frames, gatt
from protocol.frames import FrameError
from simulator.chip import _ops as ops
from simulator.chip.identity import address_of
from simulator.radio.air import Air
from simulator.radio.peripheral import Peripheral
from simulator.virtual.lock import VirtualLock

ADVERT_EVERY_US = 200_000
SENSE_EVERY_S = 0.5
SETTLE_MS = 20
BUFFER_BYTES = 512
_WRITE, _NOTIFY = 0x08 | 0x04, 0x10


class CorePeripheral:
    """One lock on the air. Use `start` and `close`."""

    def __init__(
        self, lock_id: str, lock: VirtualLock, air: Air, clock: Callable[[], float]
    ) -> None:
        self.lock_id = lock_id
        self.heard_at = self.said_at = 0.0
        self._lock = lock
        self._clock = clock
        self._peripheral = Peripheral(air, lock_id, address_of(lock_id), self._on_event)
        self._out: asyncio.Queue[tuple[int, bytes | None]] = asyncio.Queue()
        self._inboxes: dict[int, frames.Reassembler] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Powered, and advertising."""
        await self._peripheral.power_on()
        self._peripheral.set_mtu(185)
        self._rx, self._tx = self._peripheral.register(_services())
        self._peripheral.set_buffer(self._rx, BUFFER_BYTES, False)
        await self._advertise()
        work = (self._send(), self._sense())
        self._tasks = [asyncio.create_task(each, name=self.lock_id) for each in work]

    def close(self) -> None:
        """Power is cut."""
        for task in self._tasks:
            task.cancel()
        self._peripheral.close()

    async def _advertise(self) -> None:
        name = gatt.advertised_name(self.lock_id).encode()
        uuid = bytes.fromhex(gatt.SERVICE_UUID.replace("-", ""))[::-1]
        data = b"\x02\x01\x06" + bytes([17, 7]) + uuid
        more = bytes([len(name) + 1, 9]) + name
        await self._peripheral.advertise(ADVERT_EVERY_US, True, data, more)

    # --- what the radio tells ---

    def _on_event(self, op: int, payload: bytes) -> None:
        sessions, at = self._lock.core.sessions, self._lock.now_ms
        if op == ops.WRITTEN:
            token, link, handle = struct.unpack(">HHH", payload)
            self._written(link, self._peripheral.read(handle))
            self._peripheral.answer_access(token, 0)
        elif op == ops.CONNECTED:
            (link,) = struct.unpack_from(">H", payload)
            self._inboxes[link] = frames.Reassembler()
            sessions.connected(link, at)
        elif op == ops.DISCONNECTED:
            (link,) = struct.unpack_from(">H", payload)
            self._inboxes.pop(link, None)
            sessions.disconnected(link)
            self._out.put_nowait((link, None))
        elif op == ops.MTU_EXCHANGED:
            sessions.mtu_changed(*struct.unpack(">HH", payload))

    def _written(self, link: int, fragment: bytes) -> None:
        """Only to know when a message is whole does it join fragments; the core does so itself."""
        try:
            if link in self._inboxes and self._inboxes[link].push(fragment) is not None:
                self.heard_at = self._clock()
        except FrameError:
            self._inboxes[link] = frames.Reassembler()
        self._lock.core.sessions.received(link, fragment, self._lock.now_ms)
        self._drain()

    def _drain(self) -> None:
        for action in self._lock.core.sessions.drain():
            if action[0] == SEND:
                self._out.put_nowait((action[1], action[2]))
            elif action[0] == HANG_UP:
                self._out.put_nowait((action[1], b""))

    # --- what goes on by itself ---

    async def _send(self) -> None:
        """One thing after the other: a fragment, a hanging up (empty), an advert again (None)."""
        while True:
            link, fragment = await self._out.get()
            try:
                if fragment is None:
                    await self._advertise()
                elif fragment:
                    self.said_at = self._clock()
                    await self._peripheral.notify(link, self._tx, fragment)
                else:
                    await self._peripheral.disconnect(link)
            except OSError:
                continue  # whoever it was for is gone

    async def _sense(self) -> None:
        while True:
            await asyncio.sleep(SENSE_EVERY_S)
            self._lock.now_ms += int(SENSE_EVERY_S * 1000) - SETTLE_MS
            self._lock.advance(SETTLE_MS)
            self._drain()


def _services() -> bytes:
    """The lock's service as `simulator.radio.peripheral` reads it."""
    return (
        b"\x01"
        + _uuid(gatt.SERVICE_UUID)
        + b"\x02"
        + _uuid(gatt.RX_UUID)
        + struct.pack(">HB", _WRITE, 0)
        + _uuid(gatt.TX_UUID)
        + struct.pack(">HB", _NOTIFY, 0)
    )


def _uuid(text: str) -> bytes:
    return b"\x10" + bytes.fromhex(text.replace("-", ""))[::-1]
