"""Links to locks over Bluetooth LE, with bleak.

Decides how a lock is found, connected and hung up; moves fragments. Does not know what they mean or
when a link is wanted. Invariant: each `connect` ends in exactly one `down`, after at most one `up`,
whatever bleak, BlueZ or D-Bus do meanwhile. Connections are made one at a time (BlueZ answers
"in progress" otherwise), residents' first, and not during discovery.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic

from gateway.machine import values
from gateway.scanning import Scanning
from gateway.turnstile import Turnstile
from protocol import gatt
from protocol.frames import MAX_FRAGMENT_BYTES, MIN_FRAGMENT_BYTES

log = logging.getLogger(__name__)

FIND_WITHIN_S = 6.0
CONNECT_WITHIN_S = 12.0
WRITE_WITHIN_S = 10.0
HANG_UP_WITHIN_S = 8.0


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
    ) -> None:
        self._listener = listener
        self._find_within_s = find_within_s
        self._scanning = Scanning(listener.sighted, random, on_listening)
        self._turnstile = Turnstile()
        self._links: dict[str, _Link] = {}
        self._lives: set[asyncio.Task[None]] = set()

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

    async def close(self) -> None:
        """Hangs up everywhere."""
        for lock in list(self._links):
            self.disconnect(lock)
        if self._lives:
            await asyncio.wait(set(self._lives))

    # --- the life of one link ---

    async def _live(self, link: _Link) -> None:
        link.work = asyncio.create_task(self._work(link))
        if link.why == values.CLOSED:  # given up before it began
            link.work.cancel()
        try:
            await asyncio.wait({link.work})
            _tell_why(link)
            await self._hang_up(link)
        finally:
            if self._links.get(link.lock) is link:
                del self._links[link.lock]
            self._listener.down(link.lock, link.why)

    async def _work(self, link: _Link) -> None:
        device = await self._scanning.find(link.lock, self._find_within_s)
        if device is None:
            link.why = values.OUT_OF_RANGE
            return
        async with self._turnstile.turn(link.urgent), self._scanning.paused():
            link.client = BleakClient(device, disconnected_callback=lambda _client: link.lost.set())
            self._scanning.forget(link.lock)
            await asyncio.wait_for(link.client.connect(), CONNECT_WITHIN_S)
            self._scanning.remember(link.lock, device)
        await self._carry(link, link.client)

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
            writing = client.write_gatt_char(rx, fragment, response=True)
            await asyncio.wait_for(writing, WRITE_WITHIN_S)

    async def _hang_up(self, link: _Link) -> None:
        if link.client is None:
            return
        hanging_up = asyncio.create_task(link.client.disconnect())
        done, _ = await asyncio.wait({hanging_up}, timeout=HANG_UP_WITHIN_S)
        if not done:
            hanging_up.cancel()
        elif not hanging_up.cancelled() and hanging_up.exception() is not None:
            log.info("%s: hanging up: %s", link.lock, hanging_up.exception())


def _tell_why(link: _Link) -> None:
    """Takes the result of the work. bleak, BlueZ and D-Bus fail in many ways; all mean: down."""
    work = link.work
    if work is None or work.cancelled():
        return
    error = work.exception()
    if error is not None:
        log.info("%s: %s: %s: %s", link.lock, link.why, type(error).__name__, error)


def _characteristic(client: BleakClient, uuid: str) -> BleakGATTCharacteristic:
    found = client.services.get_characteristic(uuid)
    if found is None:
        raise LookupError(f"no characteristic {uuid}: not a lock, or an old one")
    return found


def _max_fragment(rx: BleakGATTCharacteristic) -> int:
    """What one write may carry: ATT MTU less 3, and an attribute's largest value."""
    return max(MIN_FRAGMENT_BYTES, min(rx.max_write_without_response_size, MAX_FRAGMENT_BYTES))
