"""One Bluetooth link of a simulated computer, as BlueZ shows it: services, values, notifications.

Decides how ATT results become org.bluez errors, and that an operation pending when the link
drops ends in an error instead of a wait. Enforces the MTU on what this computer writes.

Differences from bluetoothd: no long writes (it would split them), no AcquireWrite/AcquireNotify,
services 0x1800 and 0x1801 are not shown, no descriptors can be written.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from bumble import att, core, gatt_client
from bumble.device import Connection, Peer
from dbus_fast import Message, Variant

from simulator.radio.bluez_tree import Answer, BluezError, Tree

SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
DESCRIPTOR = "org.bluez.GattDescriptor1"
OUR_MTU = 517
MAX_VALUE_BYTES = 512
FLAGS = ((2, "read"), (4, "write-without-response"), (8, "write"), (16, "notify"), (32, "indicate"))
HIDDEN_SERVICES = (
    "00001800-0000-1000-8000-00805f9b34fb",
    "00001801-0000-1000-8000-00805f9b34fb",
)
REFUSALS: dict[int, tuple[str, str]] = {
    att.ErrorCode.READ_NOT_PERMITTED: ("NotPermitted", "Read not permitted"),
    att.ErrorCode.WRITE_NOT_PERMITTED: ("NotPermitted", "Write not permitted"),
    att.ErrorCode.INSUFFICIENT_AUTHORIZATION: ("NotAuthorized", "Not authorized"),
    att.ErrorCode.REQUEST_NOT_SUPPORTED: ("NotSupported", "Not supported"),
    att.ErrorCode.INVALID_ATTRIBUTE_LENGTH: ("InvalidArguments", "Invalid Length"),
}


def long_uuid(uuid: core.UUID) -> str:
    raw = uuid.to_bytes()
    if len(raw) == 16:
        return uuid.to_hex_str("-").lower()
    return f"0000{int.from_bytes(raw, 'little'):04x}-0000-1000-8000-00805f9b34fb"


class Link:
    """A connected device at D-Bus path `path`."""

    def __init__(self, tree: Tree, path: str, connection: Connection) -> None:
        self._tree = tree
        self._path = path
        self._connection = connection
        self._peer = Peer(connection)
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._characteristics: dict[str, gatt_client.CharacteristicProxy[bytes]] = {}
        self._descriptors: dict[str, gatt_client.DescriptorProxy] = {}
        self._listeners: dict[str, set[str]] = {}
        self.is_resolved = False

    # --- life

    async def attempt(self, operation: Coroutine[Any, Any, Any]) -> Any:
        """Run an ATT operation; whatever goes wrong comes out as a BluezError."""
        task = asyncio.ensure_future(operation)
        try:
            await asyncio.wait({task, self._lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
        if not task.done() or task.cancelled():
            raise BluezError("Failed", "Not connected")
        return _result(task)

    def lose(self) -> None:
        """The link is gone: fail what waits, take its objects off the tree."""
        if not self._lost.done():
            self._lost.set_result(None)
        self._tree.remove_below(self._path)
        self._listeners.clear()

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    async def disconnect(self) -> None:
        if not self.is_lost:
            await self.attempt(self._connection.disconnect())

    # --- discovery

    async def resolve(self) -> list[str]:
        """Exchange MTU, discover everything, put it on the tree; returns service UUIDs."""
        await self.attempt(self._peer.request_mtu(OUR_MTU))
        services = await self.attempt(self._peer.discover_services())
        shown = [each for each in services if long_uuid(each.uuid) not in HIDDEN_SERVICES]
        for service in shown:
            await self._add_service(service)
        self.is_resolved = True
        return [long_uuid(each.uuid) for each in shown]

    async def _add_service(self, service: gatt_client.ServiceProxy) -> None:
        path = f"{self._path}/service{service.handle:04x}"
        properties = {
            "UUID": Variant("s", long_uuid(service.uuid)),
            "Primary": Variant("b", True),
            "Device": Variant("o", self._path),
            "Includes": Variant("ao", []),
            "Handle": Variant("q", service.handle),
        }
        self._tree.add(path, {SERVICE: properties})
        for characteristic in await self.attempt(service.discover_characteristics()):
            await self._add_characteristic(path, characteristic)

    async def _add_characteristic(
        self, service: str, characteristic: gatt_client.CharacteristicProxy[bytes]
    ) -> None:
        handle = characteristic.handle - 1  # BlueZ names the declaration, not the value
        path = f"{service}/char{handle:04x}"
        flags = [name for bit, name in FLAGS if int(characteristic.properties) & bit]
        properties = {
            "UUID": Variant("s", long_uuid(characteristic.uuid)),
            "Service": Variant("o", service),
            "Value": Variant("ay", b""),
            "Flags": Variant("as", flags),
            "MTU": Variant("q", self._connection.att_mtu),
            "Handle": Variant("q", handle),
        }
        if "notify" in flags or "indicate" in flags:
            properties["Notifying"] = Variant("b", False)
        self._characteristics[path] = characteristic
        self._tree.add(path, {CHARACTERISTIC: properties})
        for descriptor in await self.attempt(characteristic.discover_descriptors()):
            self._add_descriptor(path, descriptor)

    def _add_descriptor(self, parent: str, descriptor: gatt_client.DescriptorProxy) -> None:
        path = f"{parent}/desc{descriptor.handle:04x}"
        properties = {
            "UUID": Variant("s", long_uuid(descriptor.type)),
            "Characteristic": Variant("o", parent),
            "Value": Variant("ay", b""),
            "Handle": Variant("q", descriptor.handle),
        }
        self._descriptors[path] = descriptor
        self._tree.add(path, {DESCRIPTOR: properties})

    # --- values

    async def read(self, path: str) -> Answer:
        proxy = self._characteristics[path]
        value = bytes(await self.attempt(self._peer.gatt_client.read_value(proxy)))
        self._tree.set(path, CHARACTERISTIC, Value=Variant("ay", value))
        return "ay", [value]

    async def read_descriptor(self, path: str) -> Answer:
        proxy = self._descriptors[path]
        return "ay", [bytes(await self.attempt(self._peer.gatt_client.read_value(proxy)))]

    async def write(self, path: str, value: bytes, options: dict[str, Variant]) -> None:
        flags = self._tree.get(path, CHARACTERISTIC)["Flags"].value
        asked = options["type"].value if "type" in options else None
        with_response = asked == "request" if asked else "write" in flags
        if len(value) > MAX_VALUE_BYTES:
            raise BluezError("InvalidArguments", "Invalid Length")
        if len(value) > self._connection.att_mtu - 3:
            raise BluezError("Failed", "Failed to initiate write")
        client = self._peer.gatt_client
        await self.attempt(client.write_value(self._characteristics[path], value, with_response))

    async def start_notify(self, path: str, listener: str) -> None:
        listeners = self._listeners.setdefault(path, set())
        if listener in listeners:
            raise BluezError("InProgress", "Already notifying")
        listeners.add(listener)
        if len(listeners) > 1:
            return
        proxy = self._characteristics[path]
        try:
            await self.attempt(self._peer.subscribe(proxy, self._notified(path)))
        except BluezError:
            listeners.discard(listener)
            raise
        self._tree.set(path, CHARACTERISTIC, Notifying=Variant("b", True))

    def _notified(self, path: str) -> Any:
        return lambda value: self._tree.set(path, CHARACTERISTIC, Value=Variant("ay", bytes(value)))

    async def stop_notify(self, path: str, listener: str) -> None:
        listeners = self._listeners.get(path, set())
        if listener not in listeners:
            raise BluezError("Failed", "No notify session started")
        listeners.discard(listener)
        if not listeners:
            await self.attempt(self._peer.unsubscribe(self._characteristics[path]))
            self._tree.set(path, CHARACTERISTIC, Notifying=Variant("b", False))

    async def forget_listener(self, listener: str) -> None:
        """A D-Bus client vanished: end its notifications."""
        for path in [path for path, who in self._listeners.items() if listener in who]:
            await self.stop_notify(path, listener)


def _result(task: asyncio.Future[Any]) -> Any:
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, att.ATT_Error):
        plain = ("Failed", f"Operation failed with ATT error: 0x{int(error.error_code):02x}")
        raise BluezError(*REFUSALS.get(error.error_code, plain)) from error
    if isinstance(error, (core.BaseBumbleError, TimeoutError, KeyError)):
        raise BluezError("Failed", "Not connected") from error
    raise error


def sender_of(message: Message) -> str:
    return message.sender or ""
