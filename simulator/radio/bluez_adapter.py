"""One simulated computer's adapter and devices, as `org.bluez` shows them.

Decides what a scan reports, who gets the radio next, and what a D-Bus client's death ends.
Values, notifications and MTU of a link are in `bluez_link`. Owns no process and no socket.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from bumble.core import AdvertisingData, BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeout
from bumble.device import Advertisement, Connection, Device
from bumble.hci import Address
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from simulator.radio import bluez_link
from simulator.radio.bluez_link import Link, long_uuid, sender_of
from simulator.radio.bluez_tree import Answer, BluezError, Tree

log = logging.getLogger(__name__)

ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
ROOT, HCI0 = "/org/bluez", "/org/bluez/hci0"
CONNECT_TIMEOUT_S = 20
ATTEMPT_TIMEOUT_S = 1
Kind = AdvertisingData.Type
UUID_LISTS = (
    Kind.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    Kind.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    Kind.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    Kind.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
)


def _adapter_properties(address: str) -> dict[str, Variant]:
    return {
        "Address": Variant("s", address),
        "AddressType": Variant("s", "random"),
        "Name": Variant("s", "simulated"),
        "Alias": Variant("s", "simulated"),
        "Class": Variant("u", 0),
        "Powered": Variant("b", True),
        "PowerState": Variant("s", "on"),
        "Discoverable": Variant("b", False),
        "DiscoverableTimeout": Variant("u", 0),
        "Pairable": Variant("b", False),
        "PairableTimeout": Variant("u", 0),
        "Discovering": Variant("b", False),
        "UUIDs": Variant("as", []),
        "Modalias": Variant("s", "usb:v1D6Bp0246d0542"),
        "Roles": Variant("as", ["central"]),
    }


def _device_properties(address: Address) -> dict[str, Variant]:
    text = address.to_string(False)
    no = Variant("b", False)
    return {
        "Address": Variant("s", text),
        "AddressType": Variant("s", "public" if address.is_public else "random"),
        "Alias": Variant("s", text.replace(":", "-")),
        "Adapter": Variant("o", HCI0),
        "Paired": no,
        "Bonded": no,
        "Trusted": no,
        "Blocked": no,
        "LegacyPairing": no,
        "Connected": no,
        "ServicesResolved": no,
        "UUIDs": Variant("as", []),
    }


def _advertised_properties(advert: Advertisement) -> dict[str, Variant]:
    data, found = advert.data, {"RSSI": Variant("n", advert.rssi)}
    makers = dict(data.get_all(Kind.MANUFACTURER_SPECIFIC_DATA))
    if makers:
        values = {company: Variant("ay", bytes(value)) for company, value in makers.items()}
        found["ManufacturerData"] = Variant("a{qv}", values)
    name = data.get(Kind.COMPLETE_LOCAL_NAME) or data.get(Kind.SHORTENED_LOCAL_NAME)
    if name:
        found["Name"] = found["Alias"] = Variant("s", name)
    lists: Any = [each for kind in UUID_LISTS for each in data.get_all(kind)]
    uuids = [long_uuid(uuid) for each in lists for uuid in each]
    if uuids:
        found["UUIDs"] = Variant("as", uuids)
    return found


class Bluez:
    """One computer's adapter hci0 and the devices it knows."""

    def __init__(self, device: Device, bus: MessageBus, address: str) -> None:
        self._device = device
        self._tree = Tree(bus)
        self._known: dict[str, Address] = {}
        self._links: dict[str, Link] = {}
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[str, asyncio.Event] = {}
        self._scanners: set[str] = set()
        self._tuning = asyncio.Lock()
        self._initiating = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._address = address
        self._register_methods()
        device.on("advertisement", self._advertised)
        bus.add_message_handler(self._on_signal)

    def announce(self) -> None:
        empty: dict[str, Variant] = {}
        self._tree.add(ROOT, {"org.bluez.AgentManager1": empty})
        gatt_manager = {"org.bluez.GattManager1": empty}
        self._tree.add(HCI0, {ADAPTER: _adapter_properties(self._address), **gatt_manager})

    def withdraw(self) -> None:
        for path in list(self._links):
            self._link_lost(path)
        for path in [*self._known, HCI0, ROOT]:
            self._tree.remove(path)

    def _register_methods(self) -> None:
        on, link = self._tree.method, self._on_characteristic
        on(ADAPTER, "SetDiscoveryFilter", self._accept)
        on(ADAPTER, "GetDiscoveryFilters", self._discovery_filters)
        on(ADAPTER, "StartDiscovery", self._start_discovery)
        on(ADAPTER, "StopDiscovery", self._stop_discovery)
        on(ADAPTER, "RemoveDevice", self._remove_device)
        on(DEVICE, "Connect", self._connect)
        on(DEVICE, "Disconnect", self._disconnect)
        on("org.bluez.AgentManager1", "RegisterAgent", self._accept)
        on("org.bluez.AgentManager1", "RequestDefaultAgent", self._accept)
        on("org.bluez.AgentManager1", "UnregisterAgent", self._accept)
        on(bluez_link.CHARACTERISTIC, "ReadValue", link(lambda at, m: at.read(m.path)))
        on(
            bluez_link.CHARACTERISTIC,
            "WriteValue",
            link(lambda at, m: at.write(m.path, bytes(m.body[0]), m.body[1])),
        )
        on(
            bluez_link.CHARACTERISTIC,
            "StartNotify",
            link(lambda at, m: at.start_notify(m.path, sender_of(m))),
        )
        on(
            bluez_link.CHARACTERISTIC,
            "StopNotify",
            link(lambda at, m: at.stop_notify(m.path, sender_of(m))),
        )
        on(bluez_link.DESCRIPTOR, "ReadValue", link(lambda at, m: at.read_descriptor(m.path)))

    def _on_characteristic(self, action: Callable) -> Callable:
        async def act(message: Message) -> Answer:
            device = "/".join((message.path or "").split("/")[:5])
            if device not in self._links:
                raise BluezError("Failed", "Not connected")
            return await action(self._links[device], message)

        return act

    async def _accept(self, message: Message) -> Answer:
        return None

    # --- scanning

    async def _discovery_filters(self, message: Message) -> Answer:
        return "as", [["UUIDs", "RSSI", "Transport", "DuplicateData"]]

    async def _start_discovery(self, message: Message) -> Answer:
        if sender_of(message) in self._scanners:
            raise BluezError("InProgress", "Operation already in progress")
        self._scanners.add(sender_of(message))
        await self._tune()
        return None

    async def _stop_discovery(self, message: Message) -> Answer:
        if sender_of(message) not in self._scanners:
            raise BluezError("Failed", "No discovery started")
        self._scanners.discard(sender_of(message))
        await self._tune()
        return None

    async def _tune(self) -> None:
        """Scan exactly while somebody discovers or waits for a device."""
        async with self._tuning:
            wanted = bool(self._scanners or self._heard)
            if wanted and not self._device.is_scanning:
                await self._device.start_scanning(filter_duplicates=False)
            elif not wanted and self._device.is_scanning:
                await self._device.stop_scanning()
        discovering = Variant("b", bool(self._scanners))
        if self._tree.get(HCI0, ADAPTER)["Discovering"] != discovering:
            self._tree.set(HCI0, ADAPTER, Discovering=discovering)

    def _advertised(self, advert: Advertisement) -> None:
        path = f"{HCI0}/dev_{advert.address.to_string(False).replace(':', '_')}"
        if path in self._heard and advert.is_connectable:
            self._heard[path].set()
        if not self._scanners:
            return
        found = _advertised_properties(advert)
        if path not in self._known:
            self._known[path] = advert.address
            self._tree.add(path, {DEVICE: {**_device_properties(advert.address), **found}})
            return
        old = self._tree.get(path, DEVICE)
        news = {k: v for k, v in found.items() if k == "RSSI" or old.get(k) != v}
        self._tree.set(path, DEVICE, **news)

    async def _remove_device(self, message: Message) -> Answer:
        path = message.body[0]
        if path not in self._known:
            raise BluezError("DoesNotExist", "Does Not Exist")
        await self._hang_up(path)
        del self._known[path]
        self._tree.remove(path)
        return None

    # --- links

    async def _connect(self, message: Message) -> Answer:
        path = message.path or ""
        if path in self._connecting:
            raise BluezError("InProgress", "Operation already in progress")
        if path in self._links:
            return None
        task = self._connecting[path] = asyncio.create_task(self._make_link(path))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            self._connecting.pop(path, None)
        if task.cancelled():
            raise BluezError("Failed", "br-connection-canceled")
        task.result()  # raises why it failed
        return None

    async def _make_link(self, path: str) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await self._reach(path)
        except TimeoutError:
            raise BluezError("Failed", "br-connection-page-timeout") from None
        except BaseBumbleError as error:
            raise BluezError("Failed", f"le-connection-unknown: {error}") from error
        link = self._links[path] = Link(self._tree, path, connection)
        connection.on("disconnection", lambda _: self._link_lost(path, link))
        self._tree.set(path, DEVICE, Connected=Variant("b", True))
        try:
            uuids = await link.resolve()
        except BluezError:
            self._link_lost(path, link)
            raise BluezError("Failed", "le-connection-abort-by-local") from None
        resolved, uuids_now = Variant("b", True), Variant("as", uuids)
        self._tree.set(path, DEVICE, ServicesResolved=resolved, UUIDs=uuids_now)

    async def _reach(self, path: str) -> Connection:
        """Ask for a link. The radio can ask for one at a time, so nobody asks for a device that
        does not answer while others wait: after a first failure, only once it was heard."""
        if self._initiating.locked():
            await self._hear(path)
        while True:
            try:
                return await self._attempt(path)
            except (BumbleTimeout, TimeoutError):
                log.info("%s: does not answer, or another central was faster", path)
            await self._hear(path)

    async def _attempt(self, path: str) -> Connection:
        """One request to the controller. Once made it runs to its end, even if nobody waits."""
        attempt = asyncio.ensure_future(self._initiate(path))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            self._later(self._drop(attempt))
            raise

    async def _initiate(self, path: str) -> Connection:
        async with self._initiating:
            return await self._device.connect_le(self._known[path], timeout=ATTEMPT_TIMEOUT_S)

    async def _drop(self, attempt: Awaitable[Connection]) -> None:
        await (await attempt).disconnect()

    async def _hear(self, path: str) -> None:
        heard = self._heard[path] = asyncio.Event()
        try:
            await self._tune()
            await heard.wait()
        finally:
            self._heard.pop(path, None)
            self._later(self._tune())

    def _link_lost(self, path: str, link: Link | None = None) -> None:
        current = self._links.get(path)
        if current is None or (link is not None and current is not link):
            return
        del self._links[path]
        current.lose()
        no = Variant("b", False)
        self._tree.set(path, DEVICE, ServicesResolved=no)
        self._tree.set(path, DEVICE, Connected=no)

    async def _disconnect(self, message: Message) -> Answer:
        await self._hang_up(message.path or "")
        return None

    async def _hang_up(self, path: str) -> None:
        connecting = self._connecting.get(path)
        if connecting is not None:
            connecting.cancel()
        link = self._links.get(path)
        if link is not None:
            try:
                await link.disconnect()
            except BluezError:
                log.debug("%s: link was lost while hanging up", path)

    # --- D-Bus clients that vanish

    def _on_signal(self, message: Message) -> None:
        if message.message_type == MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _, new_owner = message.body
            if not new_owner:
                self._later(self._forget(name))

    async def _forget(self, client: str) -> None:
        if client in self._scanners:
            self._scanners.discard(client)
            await self._tune()
        for link in list(self._links.values()):
            try:
                await link.forget_listener(client)
            except BluezError:
                log.debug("link lost while ending notifications of %s", client)

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (BaseBumbleError, KeyError, TimeoutError) as error:
            log.debug("radio did not follow: %r", error)
