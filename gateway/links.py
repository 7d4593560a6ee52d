"""Links to locks over Bluetooth LE, with bleak.

Decides how a lock is found, connected and hung up, and when a connection that failed is made again
(gateway/radiofaults.py says what a failure means); moves fragments. Does not know what they mean or
when a link is wanted. Connections are made one at a time (BlueZ answers "in progress" otherwise),
residents' first, and not during discovery; a try that failed leaves the turn to others before the
next. A lock that BlueZ is "still busy" with, say after this program was killed in the middle of a
connection, is taken from BlueZ's list and heard anew.

Invariants: each `connect` ends in exactly one `down`, after at most one `up`, whatever bleak, BlueZ
or D-Bus do meanwhile; nothing that they do not finish holds up `down` or the end of the program for
longer than LET_GO_WITHIN_S and HANG_UP_WITHIN_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice

from gateway.machine import values
from gateway.radiofaults import TRIES, Fault, classify, wait_s
from gateway.scanning import Scanning
from gateway.turnstile import Turnstile
from protocol import gatt
from protocol.frames import MAX_FRAGMENT_BYTES, MIN_FRAGMENT_BYTES

log = logging.getLogger(__name__)

FIND_WITHIN_S = 6.0
CONNECT_WITHIN_S = 12.0
WRITE_WITHIN_S = 10.0
HANG_UP_WITHIN_S = 5.0
LET_GO_WITHIN_S = 3.0  # for bleak to end what was cancelled
CLOSE_WITHIN_S = 3.0  # at the end of the program: BlueZ hangs up for whoever leaves the bus
FORGET_WITHIN_S = 3.0


class Listener(Protocol):
    """Who is told. Called in the event loop; must not block or raise."""

    def up(self, lock: str, max_fragment: int) -> None:
        """Connected and subscribed."""

    def received(self, lock: str, fragment: bytes) -> None:
        """One notification."""

    def down(self, lock: str, why: str) -> None:
        """The link is over; `why` is one of the texts in gateway.machine.values."""

    def sighted(self, lock: str) -> None:
        """A lock advertises."""


class _Link:
    """One connect and what became of it."""

    def __init__(self, lock: str, urgent: bool) -> None:
        self.lock = lock
        self.urgent = urgent
        self.why = values.CONNECT_FAILED
        self.client: BleakClient | None = None
        self.outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.work: asyncio.Task[None] | None = None


class BleakLinks:
    """All links of this computer's adapter. `run` must be running for locks to be found."""

    def __init__(
        self,
        listener: Listener,
        random: Callable[[], float],
        find_within_s: float = FIND_WITHIN_S,
        on_listening: Callable[[bool], None] = lambda is_on: None,
        on_radio: Callable[[bool], None] = lambda works: None,
    ) -> None:
        self._listener = listener
        self._find_within_s = find_within_s
        self._scanning = Scanning(listener.sighted, random, on_listening, on_radio)
        self._turnstile = Turnstile()
        self._links: dict[str, _Link] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._leftovers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Scans until cancelled."""
        await self._scanning.run()

    def connect(self, lock: str, urgent: bool) -> None:
        """Begins to connect; `up` or `down` follows."""
        link = self._links[lock] = _Link(lock, urgent)
        life = asyncio.create_task(self._live(link), name=f"link {lock}")
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    def disconnect(self, lock: str) -> None:
        """Hangs up or gives up; `down` follows."""
        link = self._links.get(lock)
        if link is None or (link.work is not None and link.work.done()):
            return
        link.why = values.CLOSED
        if link.work is not None:
            link.work.cancel()

    def send(self, lock: str, fragment: bytes) -> None:
        """Queues one fragment; nothing happens on a link that is gone."""
        link = self._links.get(lock)
        if link is not None:
            link.outgoing.put_nowait(fragment)

    @property
    def fault(self) -> Fault | None:
        """Why this computer's radio does not work, as far as scanning shows; None: it does."""
        return self._scanning.fault

    async def close(self) -> None:
        """Hangs up everywhere, as far as that can be done soon."""
        for lock in list(self._links):
            self.disconnect(lock)
        if self._lives:
            _, late = await asyncio.wait(set(self._lives), timeout=CLOSE_WITHIN_S)
            for life in late:
                log.warning("%s does not end; left to BlueZ", life.get_name())
                life.cancel()
        for leftover in set(self._leftovers):
            leftover.cancel()

    # --- the life of one link ---

    async def _live(self, link: _Link) -> None:
        link.work = asyncio.create_task(self._work(link))
        if link.why == values.CLOSED:  # given up before it began
            link.work.cancel()
        try:
            await asyncio.wait({link.work})
            self._tell_why(link)
            await self._hang_up(link)
        finally:
            if self._links.get(link.lock) is link:
                del self._links[link.lock]
            self._listener.down(link.lock, link.why)

    async def _work(self, link: _Link) -> None:
        client = await self._connected(link)
        if client is not None:
            await self._carry(link, client)

    async def _connected(self, link: _Link) -> BleakClient | None:
        """Connects, again where that may help. None: the lock is not there."""
        for failures in range(1, TRIES + 1):
            device = await self._scanning.find(link.lock, self._find_within_s)
            if device is None:
                is_ours = self.fault is not None and self.fault.is_ours
                link.why = values.NO_RADIO if is_ours else values.OUT_OF_RANGE
                return None
            try:
                return await self._try(link, device)
            except Exception as error:  # whatever it is: classified, told, or tried again
                fault = classify(error)
                if failures == TRIES or not fault.helps_to_retry:
                    raise
                log.info("%s: %s, once more: %s", link.lock, fault.value, error)
                await self._prepare_again(link, device, fault, failures)
        raise AssertionError("the last try returns or raises")

    async def _try(self, link: _Link, device: BLEDevice) -> BleakClient:
        async with self._turnstile.turn(link.urgent), self._scanning.paused():
            link.lost.clear()
            client = link.client = BleakClient(
                device, disconnected_callback=lambda _client: link.lost.set()
            )
            self._scanning.forget(link.lock)
            await self._make(link, client)
            self._scanning.remember(link.lock, device)
            return client

    async def _make(self, link: _Link, client: BleakClient) -> None:
        """Connects within CONNECT_WITHIN_S. Gives up on time even if bleak does not."""
        making = asyncio.create_task(client.connect(), name=f"connect {link.lock}")
        try:
            done, _ = await asyncio.wait({making}, timeout=CONNECT_WITHIN_S)
            if not done:
                raise TimeoutError("no connection in time")
            making.result()
        finally:
            if not making.done():
                await self._let_go(link.lock, client, making)

    async def _let_go(self, lock: str, client: BleakClient, making: asyncio.Task[None]) -> None:
        making.cancel()
        try:
            await asyncio.wait({making}, timeout=LET_GO_WITHIN_S)
        finally:
            if not making.done():
                log.warning("%s: bleak does not let go of a connection being made", lock)
                self._leave_behind(lock, client, making)

    def _leave_behind(self, lock: str, client: BleakClient, making: asyncio.Task[None]) -> None:
        """Should it still connect, nobody else would hang up."""

        async def hang_up_later() -> None:
            await asyncio.wait({making})
            if not making.cancelled() and making.exception() is None:
                await self._disconnect(lock, client)

        leftover = asyncio.create_task(hang_up_later(), name=f"leftover {lock}")
        self._leftovers.add(leftover)
        leftover.add_done_callback(self._leftovers.discard)

    async def _prepare_again(
        self, link: _Link, device: BLEDevice, fault: Fault, failures: int
    ) -> None:
        await self._hang_up(link)
        if fault is Fault.IN_PROGRESS and failures > 1:
            await _take_from_bluez(device)
        elif not fault.needs_new_handle:
            self._scanning.remember(link.lock, device)
        await asyncio.sleep(wait_s(failures))

    async def _carry(self, link: _Link, client: BleakClient) -> None:
        """Subscribes, then writes what is queued until the link is lost."""
        rx, tx = _characteristic(client, gatt.RX_UUID), _characteristic(client, gatt.TX_UUID)
        await client.start_notify(
            tx, lambda _from, data: self._listener.received(link.lock, bytes(data))
        )
        link.why = link.why if link.why == values.CLOSED else values.LOST
        self._listener.up(link.lock, _max_fragment(rx))
        writing = asyncio.create_task(self._write(link, client, rx))
        losing = asyncio.create_task(link.lost.wait())
        try:
            await asyncio.wait({writing, losing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            losing.cancel()
            writing.cancel()
            await asyncio.wait({writing, losing})
        if not writing.cancelled():
            writing.result()

    async def _write(self, link: _Link, client: BleakClient, rx: BleakGATTCharacteristic) -> None:
        while True:
            fragment = await link.outgoing.get()
            async with asyncio.timeout(WRITE_WITHIN_S):
                await client.write_gatt_char(rx, fragment, response=True)

    def _tell_why(self, link: _Link) -> None:
        """Takes the result of the work. All failures mean: down; some, that no lock is to blame."""
        work = link.work
        if work is None or not work.done() or work.cancelled():
            return
        error = work.exception()
        if error is None:
            return
        fault = classify(error)
        if fault.is_ours and link.why == values.CONNECT_FAILED:
            link.why = values.NO_RADIO
        said = f"{type(error).__name__}: {error}"
        log.info("%s: %s: %s (%s)", link.lock, link.why, fault.value, said)

    async def _hang_up(self, link: _Link) -> None:
        if link.client is not None:
            await self._disconnect(link.lock, link.client)

    async def _disconnect(self, lock: str, client: BleakClient) -> None:
        hanging_up = asyncio.create_task(client.disconnect())
        done, _ = await asyncio.wait({hanging_up}, timeout=HANG_UP_WITHIN_S)
        if not done:
            hanging_up.cancel()
        elif not hanging_up.cancelled() and hanging_up.exception() is not None:
            log.info("%s: hanging up: %s", lock, hanging_up.exception())


async def _take_from_bluez(device: BLEDevice) -> None:
    """Has BlueZ forget a device, with whatever it still thinks to be doing with it."""
    from dbus_fast import BusType, Message  # there is none but on Linux, nor any BlueZ
    from dbus_fast.aio import MessageBus

    path = str(device.details["path"])
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        async with asyncio.timeout(FORGET_WITHIN_S):
            await bus.connect()
            await bus.call(
                Message(
                    destination="org.bluez",
                    path=path.rpartition("/")[0],
                    interface="org.bluez.Adapter1",
                    member="RemoveDevice",
                    signature="o",
                    body=[path],
                )
            )
    except Exception as error:  # noqa: BLE001 - it was an attempt to help
        log.info("BlueZ does not forget %s: %s", device.name, error)
    finally:
        bus.disconnect()


def _characteristic(client: BleakClient, uuid: str) -> BleakGATTCharacteristic:
    found = client.services.get_characteristic(uuid)
    if found is None:
        raise LookupError(f"no characteristic {uuid}: not a lock, or an old one")
    return found


def _max_fragment(rx: BleakGATTCharacteristic) -> int:
    """What one write may carry: ATT MTU less 3, and an attribute's largest value."""
    return max(MIN_FRAGMENT_BYTES, min(rx.max_write_without_response_size, MAX_FRAGMENT_BYTES))
