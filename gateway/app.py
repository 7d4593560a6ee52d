"""Puts the gateway together: the machine, its store, the radio links, the broker, the clock.

Decides nothing about doors. One task owns the machine: every input is queued to it, its actions are
carried out at once, and its timer runs on the loop's monotonic clock. A fault in the machine ends
the program (a supervisor starts it again; what matters is in SQLite), it is never swallowed.

MQTT: aiomqtt has no manual acknowledgement, so the broker forgets a command once it sits in our
RAM. A kill then loses the command, not its effect twice: the sender repeats a command until its
answer comes, and an event until its acknowledgement comes. The session is therefore a clean one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import files
from gateway.files import Place
from gateway.links import BleakLinks
from gateway.machine import (
    Action,
    Connect,
    Disconnect,
    Gateway,
    Note,
    Now,
    Publish,
    Send,
    Settings,
    StorageError,
)
from gateway.publishing import Publisher
from gateway.store import FILE_NAME, SqliteStore
from kannuki import messages
from kannuki.enrolment import FileError
from kannuki.errors import InputError, KannukiError
from kannuki.messages import GatewayState
from kannuki.mqtt import LinkSettings, MqttLink, Will

log = logging.getLogger(__name__)

FILE_CHECK_EVERY_S = 1.0
FAREWELL_WITHIN_S = 2.0


@dataclass(frozen=True)
class Options:
    """What `gateway run` was told. Time is time.time() + clock_offset_s."""

    gateway_file: Path
    broker_host: str
    broker_port: int
    data_dir: Path
    settings: Settings
    clock_offset_s: float
    version: str


class App:
    """One gateway process. `wall` gives Unix seconds of the town's clock."""

    def __init__(
        self,
        options: Options,
        place: Place,
        store: SqliteStore,
        wall: Callable[[], float],
        on_ready: Callable[[], None],
    ) -> None:
        self._options = options
        self._place = place
        self._wall = wall
        self._on_ready: Callable[[], None] | None = on_ready
        self._inputs: asyncio.Queue[Callable[[Now], None]] = asyncio.Queue()
        self._publisher = Publisher()
        self._links = BleakLinks(
            self, random.random, on_listening=self._listening, on_radio=self._radio
        )
        self._place_changed = asyncio.Event()
        self._machine = Gateway(
            place.gateway_id,
            place.credentials,
            store,
            os.urandom,
            self._now(),
            options.settings,
            options.version,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Works until `stopping` is set, then says goodbye and hangs up."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._drive()),
                group.create_task(self._links.run()),
                group.create_task(self._talk()),
                group.create_task(self._watch_file()),
            ]
            await stopping.wait()
            for task in tasks:
                task.cancel()
        await self._links.close()

    # --- the machine ---

    def _now(self) -> Now:
        return Now(self._wall(), asyncio.get_running_loop().time())

    async def _drive(self) -> None:
        """The one place where the machine is called."""
        while True:
            for action in self._machine.actions():
                self._carry_out(action)
            wait_s = self._machine.next_timeout() - self._now().at
            if wait_s <= 0:
                self._machine.tick(self._now())
                await asyncio.sleep(0)
                continue
            try:
                take = await asyncio.wait_for(self._inputs.get(), wait_s)
            except TimeoutError:
                continue
            take(self._now())

    def _carry_out(self, action: Action) -> None:
        match action:
            case Connect(lock, urgent):
                self._links.connect(lock, urgent)
            case Send(lock, fragment):
                self._links.send(lock, fragment)
            case Disconnect(lock):
                self._links.disconnect(lock)
            case Publish():
                self._publisher.put(action)
            case Note(lock, text):
                log.warning("%s: %s", lock, text)

    # --- inputs from the radio (gateway.links.Listener) ---

    def up(self, lock: str, max_fragment: int) -> None:
        """A link is up."""
        self._inputs.put_nowait(lambda now: self._machine.link_up(lock, max_fragment, now))

    def received(self, lock: str, fragment: bytes) -> None:
        """A lock said something."""
        self._inputs.put_nowait(lambda now: self._machine.link_received(lock, fragment, now))

    def down(self, lock: str, why: str) -> None:
        """A link is gone."""
        self._inputs.put_nowait(lambda now: self._machine.link_down(lock, why, now))

    def sighted(self, lock: str) -> None:
        """A lock advertises."""
        self._inputs.put_nowait(lambda now: self._machine.sighted(lock, now))

    def _listening(self, is_on: bool) -> None:
        """The scanner begins or ceases to hear locks."""
        self._inputs.put_nowait(lambda now: self._machine.listening(is_on, now))

    def _radio(self, works: bool) -> None:
        """The adapter or the Bluetooth service came or went."""
        self._inputs.put_nowait(lambda now: self._machine.radio(works, now))

    # --- the broker ---

    async def _talk(self) -> None:
        """Keeps a connection; makes a new one when the set of locks, and so of topics, changes."""
        while True:
            self._place_changed.clear()
            talking = asyncio.create_task(self._talk_for(self._place))
            changing = asyncio.create_task(self._place_changed.wait())
            try:
                await asyncio.wait({talking, changing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changing.cancel()
                talking.cancel()
                await asyncio.wait({talking, changing})
            if not talking.cancelled():
                talking.result()

    async def _talk_for(self, place: Place) -> None:
        link = MqttLink(
            self._link_settings(place), random=random.random, on_connected=self._on_connected
        )
        for device in [place.gateway_id, *place.credentials]:
            await link.subscribe(messages.topic(place.town, device, "command"))
        async with link, asyncio.TaskGroup() as group:
            try:
                publishing = group.create_task(self._publisher.run(lambda p: _say(link, place, p)))
                await self._take_commands(link, place)
            finally:
                publishing.cancel()
                await self._farewell(link, place)

    def _link_settings(self, place: Place) -> LinkSettings:
        gone = messages.encode(GatewayState(online=False, version=self._options.version))
        return LinkSettings(
            self._options.broker_host,
            self._options.broker_port,
            client_id=f"kannuki-gateway-{place.town}-{place.gateway_id}",
            will=Will(messages.topic(place.town, place.gateway_id, "state"), gone),
        )

    async def _on_connected(self, _link: MqttLink) -> None:
        """Runs as long as a connection does."""
        self._inputs.put_nowait(self._machine.broker_up)
        if self._on_ready is not None:
            on_ready, self._on_ready = self._on_ready, None
            on_ready()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._inputs.put_nowait(self._machine.broker_down)

    async def _take_commands(self, link: MqttLink, place: Place) -> None:
        """One command at a time: the link's bounded inbox holds back what is too much."""
        own = {place.gateway_id, *place.credentials}
        async for received in link.messages():
            parts = messages.split_topic(received.topic)
            if parts is None or parts[0] != place.town or parts[1] not in own or received.retain:
                log.warning("not a command for us on %s", received.topic)
                continue
            await self._command(parts[1], received.payload)

    async def _command(self, device: str, payload: bytes) -> None:
        taken = asyncio.Event()

        def take(now: Now) -> None:
            self._machine.command(device, payload, now)
            taken.set()

        self._inputs.put_nowait(take)
        await taken.wait()

    async def _farewell(self, link: MqttLink, place: Place) -> None:
        """An orderly end sends no will, so say it ourselves if the broker is there."""
        if not link.is_connected:
            return
        will = link.settings.will
        assert will is not None
        try:
            async with asyncio.timeout(FAREWELL_WITHIN_S):
                await link.publish(will.topic, will.payload, retain=True)
        except (TimeoutError, KannukiError) as error:
            log.info("no farewell to the broker: %s", error)

    # --- the gateway file ---

    async def _watch_file(self) -> None:
        """Adopts a changed file; keeps what it had when the new one cannot be used."""
        path = self._options.gateway_file
        known = files.stamp(path)
        while True:
            await asyncio.sleep(FILE_CHECK_EVERY_S)
            found = files.stamp(path)
            if found is None or found == known:
                continue
            known = found
            try:
                self._adopt(files.read_place(path))
            except FileError as error:
                log.error("the gateway file is not adopted: %s", error)

    def _adopt(self, place: Place) -> None:
        if (place.town, place.gateway_id) != (self._place.town, self._place.gateway_id):
            log.error("the gateway file now names another gateway: restart to become it")
            return
        same_topics = place.credentials.keys() == self._place.credentials.keys()
        self._place = place
        self._inputs.put_nowait(lambda now: self._machine.adopt(place.credentials, now))
        log.info("adopted the gateway file: %d locks", len(place.credentials))
        if not same_topics:
            self._place_changed.set()


async def _say(link: MqttLink, place: Place, publish: Publish) -> None:
    await link.publish(
        messages.topic(place.town, publish.device, publish.channel),
        publish.payload,
        retain=publish.retain,
        expires_after_s=publish.expiry_s,
    )


def open_store(data_dir: Path) -> SqliteStore:
    """The store in its folder, made if need be. Raises InputError that says what is wrong."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteStore(data_dir / FILE_NAME)
    except OSError as error:
        text = f"cannot use {data_dir}: {error.strerror}"
        raise InputError(text, "name another --data-dir") from error
    except StorageError as error:
        text = f"cannot use the data in {data_dir}: {error}"
        raise InputError(text, "update kannuki, or name another --data-dir") from error


def place_of(path: Path) -> Place:
    """The gateway file, for a start. Raises InputError."""
    try:
        return files.read_place(path)
    except FileError as error:
        raise InputError(str(error), "get the gateway's file from the town's service") from error


async def run(options: Options, wall: Callable[[], float], on_ready: Callable[[], None]) -> None:
    """Runs a gateway until SIGTERM or SIGINT."""
    place = place_of(options.gateway_file)
    store = open_store(options.data_dir)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await App(options, place, store, wall, on_ready).run(stopping)
    finally:
        store.close()
