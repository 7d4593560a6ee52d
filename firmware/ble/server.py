"""The GATT server: bytes between `bluetooth.BLE` and the core's sessions.

Decides nothing about them. Interrupts only note what happened; `pump` hands it to the sessions in
order, outside of the interrupt, one event at a time: a peer that never stops writing must not keep
the motor and the sensors waiting, nor fill the heap. Advertises whenever a slot is free; the
advertisement carries the service and the lock's id, never its state.
"""

import asyncio
import struct

import bluetooth

from firmware.core.session import MAX_SLOTS, SEND
from protocol import gatt
from protocol.shim import Any

_IRQ_CENTRAL_CONNECT = 1
_IRQ_CENTRAL_DISCONNECT = 2
_IRQ_GATTS_WRITE = 3
_IRQ_MTU_EXCHANGED = 21

ADVERTISE_EVERY_US = 100_000  # a phone waits for one to find the lock and for one to connect

_MTU = 247
_RX_BUFFER_BYTES = 512
_RETRY_NOTIFY_MS = 10
_RETRY_NOTIFY_TIMES = 50
_MAX_WAITING_BYTES = 8192  # of all peers together: a longest message and what goes with it, twice
_EVENT_BYTES = 64  # what the heap pays for a write besides its bytes

_AD_FLAGS = b"\x02\x01\x06"
_AD_UUID128_COMPLETE = 0x07
_AD_NAME_COMPLETE = 0x09


class GattServer:
    """One service with RX and TX; `wake` is called from the interrupt when there is work."""

    def __init__(self, lock_id: str, wake: Any) -> None:
        self._wake = wake
        self._pending = []
        self._came_bytes = self._taken_bytes = 0  # each is counted up from one side only
        self._links = []
        self._must_advertise = False
        self._ble = bluetooth.BLE()
        self._ble.config(gap_name=gatt.advertised_name(lock_id), mtu=_MTU)
        self._ble.irq(self._irq)
        self._ble.active(True)
        service = bluetooth.UUID(gatt.SERVICE_UUID)
        rx = (bluetooth.UUID(gatt.RX_UUID), bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE)
        tx = (bluetooth.UUID(gatt.TX_UUID), bluetooth.FLAG_NOTIFY)
        ((self._rx, self._tx),) = self._ble.gatts_register_services(((service, (rx, tx)),))
        self._ble.gatts_set_buffer(self._rx, _RX_BUFFER_BYTES)
        name = gatt.advertised_name(lock_id).encode()
        self._advert = _AD_FLAGS + _field(_AD_UUID128_COMPLETE, bytes(service))
        self._scan_response = _field(_AD_NAME_COMPLETE, name)
        self._advertise()

    def pump(self, sessions: Any, at: int) -> bool:
        """Hand the oldest event of the radio to `sessions`; whether there are more."""
        if self._must_advertise:
            self._advertise()
        if self._pending:
            kind, handle, value = self._pending.pop(0)
            if kind == _IRQ_CENTRAL_CONNECT:
                sessions.connected(handle, at)
            elif kind == _IRQ_CENTRAL_DISCONNECT:
                sessions.disconnected(handle)
            elif kind == _IRQ_MTU_EXCHANGED:
                sessions.mtu_changed(handle, value)
            else:
                self._taken_bytes += len(value) + _EVENT_BYTES
                sessions.received(handle, value, at)
        return len(self._pending) > 0

    async def carry_out(self, actions: list) -> None:
        """Notify and hang up as the sessions say; a peer that is gone is no error."""
        for action in actions:
            if action[0] == SEND:
                await self._notify(action[1], action[2])
            else:
                self._hang_up(action[1])

    async def _notify(self, handle: int, fragment: bytes) -> None:
        for _ in range(_RETRY_NOTIFY_TIMES):
            if handle not in self._links:  # everybody else would wait for one who has left
                return
            try:
                self._ble.gatts_notify(handle, self._tx, fragment)
                return
            except OSError:  # no buffer left, or no such connection any more
                await asyncio.sleep_ms(_RETRY_NOTIFY_MS)

    def _hang_up(self, handle: int) -> None:
        try:
            self._ble.gap_disconnect(handle)
        except OSError:  # it is already going
            return

    def _irq(self, event: int, data: tuple) -> None:
        handle = data[0]
        if event == _IRQ_GATTS_WRITE:
            self._written(handle)
        elif event == _IRQ_MTU_EXCHANGED:
            self._pending.append((event, handle, data[1]))
        elif event == _IRQ_CENTRAL_CONNECT:
            self._links.append(handle)
            self._pending.append((event, handle, None))
            self._advertise()
        elif event == _IRQ_CENTRAL_DISCONNECT:
            if handle in self._links:
                self._links.remove(handle)
            self._pending.append((event, handle, None))
            self._advertise()
        self._wake()

    def _written(self, handle: int) -> None:
        """Keep a write for later; one too many is lost, and its message with it."""
        value = bytes(self._ble.gatts_read(self._rx))
        came = self._came_bytes + len(value) + _EVENT_BYTES
        if came - self._taken_bytes <= _MAX_WAITING_BYTES:
            self._came_bytes = came
            self._pending.append((_IRQ_GATTS_WRITE, handle, value))

    def _advertise(self) -> None:
        """Where the radio cannot just now, `pump` tries again."""
        self._must_advertise = False
        if len(self._links) <= MAX_SLOTS:
            try:
                self._ble.gap_advertise(
                    ADVERTISE_EVERY_US, self._advert, resp_data=self._scan_response
                )
            except OSError:
                self._must_advertise = True


def _field(kind: int, value: bytes) -> bytes:
    return struct.pack("BB", len(value) + 1, kind) + value
