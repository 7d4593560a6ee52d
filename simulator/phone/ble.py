"""Speaks to a lock over Bluetooth LE as a phone does: unmodified bleak, whole messages.

Decides how long to look and to wait; what to say is decided by protocol/holder.py. Every failure
of the radio is a `RadioError` with a text code, never an exception of bleak's.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from protocol import frames, gatt
from protocol.frames import FrameError
from simulator.phone.opening import TransportError

FIND_WITHIN_S = 8.0
CONNECT_WITHIN_S = 10.0
ANSWER_WITHIN_S = 8.0


class RadioError(TransportError):
    """UNREACHABLE (not found, no link) or TIMEOUT (no answer)."""


async def find_lock(lock_id: str, within_s: float = FIND_WITHIN_S) -> BLEDevice:
    """The advertising lock with this id. Raises RadioError."""
    name = gatt.advertised_name(lock_id)
    try:
        device = await BleakScanner.find_device_by_filter(
            lambda _, advertisement: advertisement.local_name == name, timeout=within_s
        )
    except (BleakError, OSError, EOFError) as error:
        raise RadioError("UNREACHABLE", f"the radio failed: {error}") from error
    if device is None:
        raise RadioError("UNREACHABLE", f"no lock {lock_id} in range")
    return device


class LockLink:
    """One connection to one lock; use as an async context manager."""

    def __init__(self, lock_id: str, find_within_s: float = FIND_WITHIN_S) -> None:
        self._lock_id = lock_id
        self._find_within_s = find_within_s
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._reassembler = frames.Reassembler()
        self._client: BleakClient | None = None
        self._rx: BleakGATTCharacteristic | None = None

    async def __aenter__(self) -> LockLink:
        device = await find_lock(self._lock_id, self._find_within_s)
        client = BleakClient(device, disconnected_callback=self._gone, timeout=CONNECT_WITHIN_S)
        try:
            await client.connect()
            await client.start_notify(gatt.TX_UUID, self._notified)
            self._rx = client.services.get_characteristic(gatt.RX_UUID)
        except (BleakError, OSError, EOFError, TimeoutError) as error:
            await _hang_up(client)
            raise RadioError("UNREACHABLE", f"cannot connect: {error}") from error
        self._client = client
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await _hang_up(self._client)

    async def send(self, message: bytes) -> None:
        """Write one whole message. Raises RadioError."""
        assert self._client is not None
        if self._rx is None:
            raise RadioError("UNREACHABLE", "the device is no lock of ours")
        for fragment in frames.fragment(message, self._rx.max_write_without_response_size):
            try:
                await self._client.write_gatt_char(self._rx, fragment, response=True)
            except (BleakError, OSError, EOFError) as error:
                raise RadioError("UNREACHABLE", f"the link broke: {error}") from error

    async def receive(self, within_s: float = ANSWER_WITHIN_S) -> bytes:
        """The lock's next whole message. Raises RadioError."""
        try:
            async with asyncio.timeout(within_s):
                message = await self._inbox.get()
        except TimeoutError as error:
            raise RadioError("TIMEOUT", "the lock did not answer") from error
        if message is None:
            raise RadioError("UNREACHABLE", "the link broke")
        return message

    def _notified(self, _characteristic: object, fragment: bytearray) -> None:
        try:
            message = self._reassembler.push(bytes(fragment))
        except FrameError:
            return  # the holder times out; nothing in here is trusted anyway
        if message is not None:
            self._inbox.put_nowait(message)

    def _gone(self, _client: BleakClient) -> None:
        self._inbox.put_nowait(None)


async def _hang_up(client: BleakClient) -> None:
    try:
        await client.disconnect()
    except (BleakError, OSError, EOFError):
        return  # it is gone already
