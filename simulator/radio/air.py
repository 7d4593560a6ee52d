"""The air: virtual Bluetooth LE controllers on one link, one for each host that attaches.

Decides who hears whom, who wins a race for one connection, and when a link is lost.
A host speaks HCI in H4 framing, over TCP (`Air.serve_client`) or in process (`Air.attach`).
A host that goes away takes its links with it: the peers see a supervision timeout, at once.
Invariant: a link has two ends. A central whose peer no longer advertises stays without a link.

Known gaps: RSSI is constant, no packet is lost, no connection interval passes, legacy
advertising only (no extended or periodic advertising, no filter lists, no directed advertising).
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bumble import core, hci, ll
from bumble.controller import Connection, Controller, LegacyAdvertiser
from bumble.link import LocalLink
from bumble.transport.common import PacketParser

log = logging.getLogger(__name__)

RSSI_DBM = -50
MAX_HANDLE = 0x0EFF
CONNECTABLE = hci.HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType.ADV_IND
Report = hci.HCI_LE_Advertising_Report_Event


@dataclass(frozen=True)
class Advert:
    """One advertising event on the air."""

    address: hci.Address
    data: bytes
    scan_response: bytes
    connectable: bool


class AirLink(LocalLink):
    """Carries packets between exactly the two ends of a link; adverts only to who listens."""

    controllers: set["AirController"]  # type: ignore[assignment]  # only ours are ever added

    def __init__(self) -> None:
        super().__init__()
        self._handles = itertools.cycle(range(1, MAX_HANDLE + 1))

    def next_handle(self) -> int:
        """A connection handle that no controller uses: captures of many boards stay readable."""
        used = {link.handle for c in self.controllers for link in c.le_connections.values()}
        return next(handle for handle in self._handles if handle not in used)

    def end_of(self, own: hci.Address, peer: hci.Address) -> "AirController | None":
        for controller in self.controllers:
            link = controller.le_connections.get(peer)
            if link is not None and link.self_address == own:
                return controller
        return None

    def advertiser_at(self, address: hci.Address) -> "AirController | None":
        for controller in self.controllers:
            advertiser = controller.le_legacy_advertiser
            if advertiser.enabled and advertiser.address == address:
                return controller
        return None

    def advertise(self, sender: Controller, advert: Advert) -> None:
        loop = asyncio.get_running_loop()
        for controller in self.controllers:
            if controller is not sender and controller.is_listening:
                loop.call_soon(controller.hear, advert)

    def send_advertising_pdu(self, sender_controller: Controller, packet: Any) -> None:
        # Only ConnectInd comes this way. It is delivered at once, so that of two centrals that
        # heard one advert the first gets the link and the second finds nobody advertising.
        if isinstance(packet, ll.ConnectInd):
            advertiser = self.advertiser_at(packet.advertiser_address)
            if advertiser is not None:
                advertiser.on_ll_advertising_pdu(packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: Any,
        data: bytes,
    ) -> None:
        link = sender_controller.le_connections.get(destination_address)
        if link is None:
            return
        peer = self.end_of(destination_address, link.self_address)
        if peer is not None:
            asyncio.get_running_loop().call_soon(
                peer.on_link_acl_data, link.self_address, transport, data
            )

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: Any
    ) -> None:
        peer = self.end_of(receiver_address, sender_address)
        if peer is not None:
            asyncio.get_running_loop().call_soon(peer.on_ll_control_pdu, sender_address, packet)


class AirAdvertiser(LegacyAdvertiser):
    """Sends its advert every interval (HCI counts it in 0.625 ms) as long as it is enabled."""

    controller: "AirController"

    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        interval_s = max(self.advertising_interval_min, 0x20) * 0.000625
        loop = asyncio.get_running_loop()
        self.timer_handle = loop.call_later(interval_s, self._on_timer_fired)

    def send_advertising_data(self) -> None:
        if self.enabled:
            connectable = self.advertising_type == CONNECTABLE
            advert = Advert(
                self.address, self.advertising_data, self.scan_response_data, connectable
            )
            self.controller.link.advertise(self.controller, advert)


class AirController(Controller):
    """A Bumble controller with the corners closed that a long-running simulation falls into."""

    link: AirLink
    le_features = Controller.le_features & ~(
        hci.LeFeatureMask.LE_EXTENDED_ADVERTISING | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
    )
    le_acl_data_packet_length = 251  # as an ESP32's

    def __init__(self, name: str, sink: Any, link: AirLink, public_address: str) -> None:
        super().__init__(name, host_sink=sink, link=link, public_address=public_address)
        self.le_legacy_advertiser = AirAdvertiser(self)

    @property
    def is_listening(self) -> bool:
        return bool(self.le_scan_enable or self.pending_le_connection)

    def allocate_connection_handle(self) -> int:
        return self.link.next_handle()

    def hear(self, advert: Advert) -> None:
        if self.le_scan_enable:
            self._report(advert.address, Report.EventType.ADV_IND, advert.data)
            if self.le_scan_type == 1 and advert.scan_response:
                self._report(advert.address, Report.EventType.SCAN_RSP, advert.scan_response)
        pending = self.pending_le_connection
        if pending and advert.connectable and pending.peer_address == advert.address:
            self.create_le_connection(advert.address)

    def _report(self, address: hci.Address, kind: int, data: bytes) -> None:
        report = Report.Report(
            event_type=kind,
            address_type=address.address_type,
            address=address,
            data=data,
            rssi=RSSI_DBM,
        )
        self.send_hci_packet(Report([report]))

    def create_le_connection(self, peer_address: hci.Address) -> None:
        if self.link.advertiser_at(peer_address) is not None:
            super().create_le_connection(peer_address)

    def on_hci_le_create_connection_cancel_command(self, _command: Any) -> Any:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(self._tell_cancelled, pending.peer_address)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def _tell_cancelled(self, peer: hci.Address) -> None:
        """Core 5.4 Vol 4 Part E 7.8.13: a cancelled attempt completes with Unknown Connection."""
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=peer.address_type,
                peer_address=peer,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )

    def on_ll_control_pdu(self, sender_address: hci.Address, packet: Any) -> None:
        if sender_address in self.le_connections:  # else: both ends hung up at the same moment
            super().on_ll_control_pdu(sender_address, packet)

    def fall_silent(self) -> None:
        """The host is gone: stop advertising, let every peer see the link time out."""
        self.le_legacy_advertiser.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None
        for link in list(self.le_connections.values()):
            self._lose(link)
        self.le_connections.clear()
        self.link.remove_controller(self)

    def _lose(self, link: Connection) -> None:
        peer = self.link.end_of(link.peer_address, link.self_address)
        if peer is not None:
            timeout = ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
            peer.on_ll_control_pdu(link.self_address, timeout)


class Antenna:
    """One host's attachment to the air: feed it HCI bytes, it calls `send` with HCI packets."""

    def __init__(self, link: AirLink, name: str, public_address: str, send: Callable) -> None:
        self._send: Callable[[bytes], None] | None = send
        self._link = link
        self._parser = PacketParser(self)
        self.fault: str | None = None
        self.controller = AirController(name, _Sink(self.deliver), link, public_address)

    def feed(self, data: bytes) -> bool:
        """Take HCI bytes from the host. False: they were garbage, `fault` says how."""
        try:
            self._parser.feed_data(data)
        except core.InvalidPacketError as error:
            self.fault = str(error)
        return self.fault is None

    def on_packet(self, packet: bytes) -> None:
        """One framed packet from the host (called by the parser)."""
        try:
            self.controller.on_packet(packet)
        except Exception as error:  # whatever a hostile packet raises in the controller
            self.fault = f"{type(error).__name__}: {error}"
            log.debug("bad HCI packet %s", packet.hex(), exc_info=True)

    def deliver(self, packet: bytes) -> None:
        if self._send is not None:
            self._send(packet)

    def close(self) -> None:
        if self._send is not None:
            self._send = None
            self.controller.fall_silent()


@dataclass(frozen=True)
class _Sink:
    on_packet: Callable[[bytes], None]


class Air:
    """Every controller of one simulated town. Must be made inside a running event loop."""

    def __init__(self) -> None:
        self.link = AirLink()
        self.counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    def attach(self, name: str, send: Callable[[bytes], None]) -> Antenna:
        number = next(self._numbers) & 0xFFFFFF
        public = f"A0:00:00:{number >> 16:02X}:{number >> 8 & 255:02X}:{number & 255:02X}/P"
        self.counts["hosts"] += 1
        return Antenna(self.link, name, public, send)

    async def serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        antenna = self.attach("tcp", writer.write)
        try:
            while data := await reader.read(65536):
                if not antenna.feed(data):
                    self.counts["garbage_clients"] += 1
                    log.warning("air: client dropped, not HCI: %s", antenna.fault)
                    break
        except ConnectionError:
            log.debug("air: client reset its connection")
        finally:
            antenna.close()
            writer.close()
