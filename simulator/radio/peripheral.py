"""The radio of one board: a Bumble host in the peripheral role that behaves as NimBLE does.

Decides what a characteristic keeps of a write, what a notification is cut to, and when
advertising is refused. Keeps no state beyond `close`: a chip that reboots starts from nothing.
Events for the chip go to `emit(op, payload)` in the numbers of `simulator.chip._ops`.
"""

import asyncio
import errno
import itertools
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bumble import att, gatt
from bumble.core import UUID, BaseBumbleError
from bumble.device import AdvertisingType, Connection, Device
from bumble.hci import Address
from bumble.snoop import Snooper

from simulator.chip import _ops as ops
from simulator.radio.air import Air, Antenna

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 4  # the ESP32 port: CONFIG_BT_NIMBLE_MAX_CONNECTIONS
DEFAULT_BUFFER_BYTES = 20
CHIP_ANSWER_TIMEOUT_S = 25  # below ATT's 30 s transaction timeout
HCI_TIMEOUT_S = 5
CCCD = UUID.from_16_bits(0x2902)
READ_FLAG, WRITE_FLAGS, PROPERTY_FLAGS = 0x02, 0x0C, 0x7F


@dataclass
class Slot:
    """What NimBLE keeps for one characteristic or descriptor."""

    attribute: att.Attribute
    value: bytes = b""
    size: int = DEFAULT_BUFFER_BYTES
    append: bool = False

    def receive(self, data: bytes) -> None:
        self.value = ((self.value if self.append else b"") + data)[: self.size]


@dataclass
class _Wire:
    """Bumble's transport to an in-process controller; a loop turn apart, as a UART would be."""

    air: Air
    name: str
    sink: Any = None
    antenna: Antenna = field(init=False)
    terminated: Any = field(init=False)

    def __post_init__(self) -> None:
        self.terminated = asyncio.get_running_loop().create_future()
        self.antenna = self.air.attach(self.name, self._to_host)

    def _to_host(self, packet: bytes) -> None:
        if self.sink is not None:
            self.sink.on_packet(packet)

    def set_packet_sink(self, sink: Any) -> None:
        self.sink = sink

    def on_packet(self, packet: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.antenna.on_packet, packet)


def _describe(connection: Connection) -> bytes:
    """u16 handle | u8 address type | address, most significant byte first."""
    address = connection.peer_address
    head = struct.pack(">HB", connection.handle, 0 if address.is_public else 1)
    return head + bytes(reversed(bytes(address)))


class Peripheral:
    """One switched-on radio. `address` has six bytes, most significant first."""

    def __init__(
        self,
        air: Air,
        name: str,
        address: bytes,
        emit: Callable[[int, bytes], None],
        snooper: Snooper | None = None,
    ) -> None:
        self._emit = emit
        self._slots: dict[int, Slot] = {}
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._access = asyncio.Lock()
        self._tokens = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self.links: dict[int, Connection] = {}
        self._wire = _Wire(air, name)
        self.address_text = address.hex(":").upper()
        where = Address(self.address_text)
        self.device = Device.with_hci(name, where, self._wire, self._wire)
        self.device.host.snooper = snooper
        self.device.on("connection", self._connected)

    async def power_on(self) -> None:
        async with asyncio.timeout(HCI_TIMEOUT_S):
            await self.device.power_on()

    def close(self) -> None:
        """Power is cut: links are lost, nobody is told by us."""
        for answer in self._answers.values():
            answer.cancel()
        for task in self._tasks:
            task.cancel()
        self._wire.antenna.close()
        self._wire.sink = None

    # --- GAP

    async def advertise(
        self, interval_us: int, connectable: bool, data: bytes, more: bytes
    ) -> None:
        if connectable and len(self.links) >= MAX_CONNECTIONS:
            raise OSError(errno.ENOMEM, "no free connection")
        kind = (
            AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
            if connectable
            else AdvertisingType.UNDIRECTED_SCANNABLE
        )
        await self.device.start_advertising(
            advertising_type=kind,
            advertising_data=data,
            scan_response_data=more,
            advertising_interval_min=interval_us / 1000,
            advertising_interval_max=interval_us / 1000,
        )

    async def stop_advertising(self) -> None:
        await self.device.stop_advertising()

    async def disconnect(self, handle: int) -> None:
        async with asyncio.timeout(HCI_TIMEOUT_S):
            await self._link(handle).disconnect()

    def _link(self, handle: int) -> Connection:
        if handle not in self.links:
            raise OSError(errno.ENOTCONN, "no such connection")
        return self.links[handle]

    def _connected(self, connection: Connection) -> None:
        self.links[connection.handle] = connection
        who = _describe(connection)
        connection.on("disconnection", lambda _: self._disconnected(connection.handle, who))
        connection.on("connection_att_mtu_update", lambda *_: self._mtu_changed(connection))
        self._emit(ops.CONNECTED, who)

    def _disconnected(self, handle: int, who: bytes) -> None:
        self.links.pop(handle, None)
        self._emit(ops.DISCONNECTED, who)

    def _mtu_changed(self, connection: Connection) -> None:
        self._emit(ops.MTU_EXCHANGED, struct.pack(">HH", connection.handle, connection.att_mtu))

    # --- GATT server

    def set_mtu(self, mtu: int) -> None:
        if not 23 <= mtu <= 517:
            raise OSError(errno.EINVAL, "MTU is 23 to 517")
        self.device.gatt_server.max_mtu = mtu

    def register(self, packed: bytes) -> list[int]:
        """Handles of every characteristic and descriptor, in the order given."""
        if self._slots:
            raise OSError(errno.EALREADY, "services are registered already")
        handles: list[int] = []
        for uuid, characteristics in _Services(packed).read():
            made = [self._characteristic(*each) for each in characteristics]
            self.device.add_service(gatt.Service(uuid, made))
            for characteristic in made:
                described = [d for d in characteristic.descriptors if d.type != CCCD]
                handles += [self._keep(attribute) for attribute in (characteristic, *described)]
        return handles

    def _keep(self, attribute: att.Attribute) -> int:
        self._slots[attribute.handle] = Slot(attribute)
        return attribute.handle

    def _characteristic(
        self, uuid: UUID, flags: int, descriptors: list[tuple[UUID, int]]
    ) -> gatt.Characteristic:
        made = [gatt.Descriptor(each, _permissions(bits), b"") for each, bits in descriptors]
        properties = gatt.Characteristic.Properties(flags & PROPERTY_FLAGS)
        new = gatt.Characteristic(uuid, properties, _permissions(flags), b"", made)
        for attribute in (new, *made):
            attribute.value = att.AttributeValueV2(
                read=lambda bearer, a=attribute: self._peer_reads(bearer, a),
                write=lambda bearer, value, a=attribute: self._peer_writes(bearer, a, value),
            )
        return new

    def _slot(self, handle: int) -> Slot:
        if handle not in self._slots:
            raise OSError(errno.EINVAL, "no such handle")
        return self._slots[handle]

    def read(self, handle: int) -> bytes:
        slot = self._slot(handle)
        value = slot.value
        if slot.append:
            slot.value = b""
        return value

    async def write(self, handle: int, value: bytes, send_update: bool) -> None:
        slot = self._slot(handle)
        slot.value = value
        slot.size = max(slot.size, len(value))
        if send_update:
            await self.device.notify_subscribers(slot.attribute, value)

    async def notify(self, link: int, handle: int, value: bytes | None) -> None:
        slot = self._slot(handle)
        data = slot.value if value is None else value
        await self.device.notify_subscriber(self._link(link), slot.attribute, data, force=True)

    def indicate(self, link: int, handle: int, value: bytes | None) -> None:
        slot, connection = self._slot(handle), self._link(link)
        data = slot.value if value is None else value
        task = asyncio.create_task(self._indicate(connection, slot, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _indicate(self, link: Connection, slot: Slot, data: bytes) -> None:
        status = 0
        try:
            await self.device.indicate_subscriber(link, slot.attribute, data, force=True)
        except (BaseBumbleError, TimeoutError):
            status = errno.ETIMEDOUT
        payload = struct.pack(">HHB", link.handle, slot.attribute.handle, status)
        self._emit(ops.INDICATE_DONE, payload)

    def set_buffer(self, handle: int, size: int, append: bool) -> None:
        slot = self._slot(handle)
        slot.size, slot.append = size, append

    # --- what a peer does: the chip's irq runs before the peer hears back, one at a time

    async def _peer_reads(self, bearer: Connection, attribute: att.Attribute) -> bytes:
        if not attribute.permissions & att.Attribute.Permissions.READABLE:
            raise att.ATT_Error(att.ErrorCode.READ_NOT_PERMITTED, attribute.handle)
        async with self._access:
            refusal = await self._ask_chip(ops.READ_ASKED, bearer, attribute.handle)
            if refusal:
                raise att.ATT_Error(refusal, attribute.handle)
            return self._slots[attribute.handle].value

    async def _peer_writes(
        self, bearer: Connection, attribute: att.Attribute, value: bytes
    ) -> None:
        if not attribute.permissions & att.Attribute.Permissions.WRITEABLE:
            raise att.ATT_Error(att.ErrorCode.WRITE_NOT_PERMITTED, attribute.handle)
        async with self._access:
            self._slots[attribute.handle].receive(bytes(value))
            await self._ask_chip(ops.WRITTEN, bearer, attribute.handle)

    async def _ask_chip(self, op: int, bearer: Connection, handle: int) -> int:
        token = next(self._tokens) & 0xFFFF
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        self._emit(op, struct.pack(">HHH", token, bearer.handle, handle))
        try:
            async with asyncio.timeout(CHIP_ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            return int(att.ErrorCode.UNLIKELY_ERROR)
        finally:
            self._answers.pop(token, None)

    def answer_access(self, token: int, refusal: int) -> None:
        answer = self._answers.get(token)
        if answer is not None and not answer.done():
            answer.set_result(refusal)


def _permissions(flags: int) -> att.Attribute.Permissions:
    permissions = att.Attribute.Permissions(0)
    if flags & READ_FLAG:
        permissions |= att.Attribute.Permissions.READABLE
    if flags & WRITE_FLAGS:
        permissions |= att.Attribute.Permissions.WRITEABLE
    return permissions


class _Services:
    """Reads what `bluetooth._pack_services` wrote. Raises ValueError on anything else."""

    def __init__(self, packed: bytes) -> None:
        self._left = packed

    def _take(self, count: int) -> bytes:
        if count > len(self._left):
            raise ValueError("service table ends too early")
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def _uuid(self) -> UUID:
        size = self._take(1)[0]
        if size not in (2, 16):
            raise ValueError("a UUID has 2 or 16 bytes")
        return UUID.from_bytes(self._take(size))

    def _characteristic(self) -> tuple[UUID, int, list[tuple[UUID, int]]]:
        uuid = self._uuid()
        flags, count = struct.unpack(">HB", self._take(3))
        descriptors = [(self._uuid(), struct.unpack(">H", self._take(2))[0]) for _ in range(count)]
        return uuid, flags, descriptors

    def read(self) -> list[tuple[UUID, list[tuple[UUID, int, list[tuple[UUID, int]]]]]]:
        return [
            (self._uuid(), [self._characteristic() for _ in range(self._take(1)[0])])
            for _ in range(self._take(1)[0])
        ]
