"""A small town for tests of the key page: the real service on a port of this machine, and the real
core of one lock behind a gateway's relay and behind a radio made of the browser's own bindings.

Decides nothing; time stands still unless a test moves it (`pass_time`). The whole way over real
Bluetooth, broker and gateway is the business of the bench's own town.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from playwright.async_api import Page

from cloud import bookings, fleet, keylinks
from cloud.models.base import Base
from cloud.relay import RelayHub
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from kannuki.messages import CommandResult, GatewayState, Message, RelayClose, RelayOpen, RelaySend
from protocol import frames, gatt, session
from protocol.keys import key_id
from tests.cloud.support import Town, open_town
from tests.cloud.test_with_lock import LOCK, Street, tell_time
from tests.firmware.town import Peer
from tests.firmware.town import Town as Stand

MTU = 185
RADIO = Path(__file__).with_name("pages") / "radio.js"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@dataclass
class KeyTown:
    """`reached`: whether a gateway reaches the lock. `at_door`: the lock id on the air, or None."""

    town: Town
    street: Street
    origin: str
    reached: str | None = None  # the error that the gateway tells instead of an answer
    at_door: str | None = LOCK
    stranger: Stand | None = None  # another lock that answers to this one's name
    relayed: dict[str, Peer] = field(default_factory=dict)
    radio_peers: dict[int, Peer] = field(default_factory=dict)

    @property
    def service(self) -> Any:
        return self.town.service

    def link(self, begins_in_s: int = 0, lasts_s: int = 3600, room_id: str = "room-1") -> str:
        """A confirmed booking; the link that its resident gets."""
        return self.booked(begins_in_s, lasts_s, room_id)[1]

    def booked(
        self, begins_in_s: int = 0, lasts_s: int = 3600, room_id: str = "room-1"
    ) -> tuple[str, str]:
        """(booking id, link)"""
        now = self.service.clock()
        starts_at = now + begins_in_s
        with self.service.database.write() as opened:
            signers, random_bytes = self.service.signers, self.service.random_bytes
            when = {"starts_at": starts_at, "ends_at": starts_at + lasts_s}
            booking = bookings.create(
                opened, random_bytes, now, room_id=room_id, holder_name="試験", **when
            )
            secret = keylinks.new_link(opened, signers, booking, random_bytes, now)
        return booking.booking_id, self.service.key_link(secret)

    def pass_time(self, seconds: int) -> None:
        """For the town, the world and the lock."""
        self.street.pass_time(seconds)
        tell_time(self.street)

    def lose_time(self) -> None:
        """The lock's power was cut, and its clock's battery is dead."""
        self.street.lock.power_off()
        self.street.lock.rtc.stopped = True
        self.street.lock.power_on()

    def openings(self) -> int:
        """How often the bolt came back since the town began."""
        self.street.lock.carry_out()
        self.street.lock.advance(1000)
        return self.street.lock.happened.count("bolt_retracted")

    def settle(self) -> None:
        """The worker of the keys does what is asked for."""
        self.town.settle()

    def kid(self) -> bytes:
        """Whose signature is under residents' tokens."""
        return key_id(self.service.signers.issuer.public_key)

    def stored(self, what: type[Base]) -> int:
        """How many rows of a kind have come home."""
        with self.service.database.read() as opened:
            return opened.query(what).count()

    # --- the gateway

    def gateway(self, online: bool) -> None:
        """The building's gateway comes, or goes (as its will tells)."""
        state = GatewayState(online=online, version="1", started_at=self.street.now)
        with self.service.database.write() as opened:
            fleet.note_gateway(opened, "gw-1", state, self.service.clock())

    async def answer(self, _lock_id: str, command: Message) -> CommandResult | None:
        if isinstance(command, RelayClose):
            peer = self.relayed.pop(command.session, None)
            if peer is not None:
                peer.leave()
            return None
        assert isinstance(command, RelayOpen | RelaySend)
        if self.reached is not None:
            return CommandResult(id=command.id, ok=False, error=self.reached)
        if isinstance(command, RelayOpen):
            peer = self.relayed[command.session] = self.street.connect()
            peer.attempt(self.street.keeper(), session.COMMAND_SYNC)
        peer = self.relayed[command.session]
        peer.received.clear()
        peer.send(command.message)
        self.street.lock.carry_out()
        if not peer.received:
            return CommandResult(id=command.id, ok=False, error="TIMEOUT")
        return CommandResult(id=command.id, ok=True, message=peer.received[-1])

    # --- the radio

    async def give_radio(self, page: Page) -> None:
        """This page's browser has Bluetooth, and the lock `at_door` is in reach."""
        await page.context.expose_function("radioFind", self._find)
        await page.context.expose_function("radioConnect", self._connect)
        await page.context.expose_function("radioWrite", self._write)
        await page.context.expose_function("radioLeave", self._leave)
        await page.context.add_init_script(path=RADIO)

    def _find(self, name: str) -> bool:
        return self.at_door is not None and name == gatt.advertised_name(self.at_door)

    def _connect(self) -> int:
        peer = (self.stranger or self.street).connect(MTU)
        self.radio_peers[peer.handle] = peer
        return peer.handle

    def _write(self, handle: int, piece: str) -> list[str]:
        peer = self.radio_peers[handle]
        peer.received.clear()
        peer.write(base64.b64decode(piece))
        self.street.lock.carry_out()
        self.street.lock.advance(200)
        pieces = [p for whole in peer.received for p in frames.fragment(whole, MTU - 3)]
        return [base64.b64encode(each).decode() for each in pieces]

    def _leave(self, handle: int) -> None:
        peer = self.radio_peers.pop(handle, None)
        if peer is not None:
            peer.leave()


@asynccontextmanager
async def key_town(folder: Path) -> AsyncIterator[KeyTown]:
    """The town, served at http://key.localhost:PORT; its lock knows the time."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://key.localhost:{listener.getsockname()[1]}"
    with open_town(folder, hung=0) as town:
        town.service = replace(town.service, key_page_url=f"{origin}/")
        running = KeyTown(town, Street(town), origin)
        tell_time(running.street)
        async with _serving(running, listener):
            running.gateway(online=True)
            yield running


@asynccontextmanager
async def _serving(running: KeyTown, listener: socket.socket) -> AsyncIterator[None]:
    service = running.service
    port = listener.getsockname()[1]
    urls = SiteUrls(book=f"http://book.localhost:{port}", key=running.origin)

    async def send(lock_id: str, command: Message, _expires_after_s: float) -> None:
        result = await running.answer(lock_id, command)
        if result is not None:
            hub.on_result(result)

    loop = asyncio.get_running_loop()
    hub = RelayHub(send, service.clock, loop.time, service.random_bytes, lambda: True, 5.0)
    context = ApiContext(
        service,
        "みさき市",
        hub,
        lambda: None,
        b"staff-secret-of-tests",
        Limiter(loop.time, 0),
        urls,
    )
    config = uvicorn.Config(
        create_sites([context]), log_config=None, access_log=False, lifespan="off"
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
