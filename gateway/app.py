"""Puts the gateway together: the machine, its store, the radio links, the broker, the clock.

Decides nothing about doors. One task owns the machine: every input is queued to it, its actions are
carried out at once, and its timer runs on the loop's monotonic clock. A fault in the machine ends
the program (a supervisor starts it again; what matters is in SQLite), it is never swallowed.

MQTT: the broker forgets a command once the machine has taken it (a document to be carried: once it
is in SQLite), so a short break of the line loses none. The session is kept for minutes, not hours:
senders repeat a command until its answer comes, and an event until its acknowledgement comes, and a
broker that keeps all these repetitions for someone absent only fills its memory (Mosquitto drops
the expired ones no sooner than at the next connection). A new process begins with a clean session:
its locks may be others, and what a residents' session was doing went with the old one's RAM. Either
way a command acts once and never late: ids are remembered, and each says itself until when it is
good. Answers go to the one topic of that lock; a command that names another is not carried out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway import files
from gateway.files import Place
from gateway.health import notify
from gateway.health.monitor import HealthOptions, Monitor
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
from gateway.store import FILE_NAME, RESERVE_BYTES, SqliteStore
from kannuki import messages
from kannuki.broker_access import BrokerAccess, open_access
from kannuki.broker_options import Access
from kannuki.enrolment import FileError
from kannuki.errors import InputError, KannukiError
from kannuki.messages import GatewayState
from kannuki.mqtt import LinkSettings, MqttLink, Received, TlsSource, Will

log = logging.getLogger(__name__)

FILE_CHECK_EVERY_S = 1.0
FAREWELL_WITHIN_S = 1.0
STOP_WITHIN_S = 3.0
LEAVE_WITHIN_S = 1.0
SESSION_EXPIRY_S = 300
KEEPALIVE_S = 15
WILL_DELAY_S = 5
BEATS_EVERY_S = 20  # the town waits for two and a half of them
EVENT_EXPIRES_S = 30.0  # a few repetitions; the outbox sends it again


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
    access: Access = Access()
    health: HealthOptions = field(default_factory=HealthOptions)


class App:
    """One gateway process. `wall` gives Unix seconds of the town's clock."""

    def __init__(
        self,
        options: Options,
        place: Place,
        store: SqliteStore,
        wall: Callable[[], float],
        on_ready: Callable[[], None],
        monitor: Monitor,
        tls: TlsSource | None = None,
    ) -> None:
        self._options = options
        self._monitor = monitor
        self._tls = tls
        self._place = place
        self._wall = wall
        self._on_ready: Callable[[], None] | None = on_ready
        self._inputs: asyncio.Queue[Callable[[Now], None]] = asyncio.Queue()
        self._publisher = Publisher()
        self._own_state: Publish | None = None
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
        """Works until `stopping` is set, then says goodbye and hangs up, within STOP_WITHIN_S.

        What does not end by then (a Bluetooth service that hangs) is left behind: all that matters
        is in SQLite. A fault in any part ends the program.
        """
        watching = self._monitor.run(self._machine.survey, lambda: self._place)
        parts = [self._drive(), self._links.run(), self._talk(), self._watch_file(), watching]
        tasks = {asyncio.create_task(part, name=part.__name__) for part in parts}
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            self._monitor.stopping()
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in {waiting, *tasks}:
                task.cancel()
            closing = asyncio.create_task(self._links.close())
            await asyncio.wait({closing, *tasks}, timeout=STOP_WITHIN_S)

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
            self._monitor.machine_rests(self._now().at)
            rest_s = min(wait_s, self._monitor.rest_at_most_s)
            try:
                async with asyncio.timeout(rest_s):
                    take = await self._inputs.get()
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
                self._publisher.put(self._beating(action))
            case Note(lock, text):
                log.warning("%s: %s", lock, text, extra={"lock": lock})

    def _beating(self, publish: Publish) -> Publish:
        """Our own state is kept, to be said again while there is a connection."""
        if (publish.channel, publish.device) != ("state", self._place.gateway_id):
            return publish
        state = publish.message.model_copy(update={"beats_every_s": BEATS_EVERY_S})
        self._own_state = replace(publish, payload=messages.encode(state))
        return self._own_state

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
        """Keeps a connection; its subscriptions follow the set of locks."""
        link = MqttLink(
            self._link_settings(), random=random.random, on_connected=self._on_connected
        )
        for topic in self._command_topics():
            await link.subscribe(topic)
        async with link, asyncio.TaskGroup() as group:
            try:
                publishing = group.create_task(self._publisher.run(lambda p: self._say(link, p)))
                following = group.create_task(self._follow_place(link))
                await self._take_commands(link)
            finally:
                publishing.cancel()
                following.cancel()
                await self._farewell(link)

    def _command_topics(self) -> set[str]:
        place = self._place
        devices = [place.gateway_id, *place.credentials]
        return {messages.topic(place.town, device, "command") for device in devices}

    async def _follow_place(self, link: MqttLink) -> None:
        known = self._command_topics()
        while True:
            await self._place_changed.wait()
            self._place_changed.clear()
            wanted = self._command_topics()
            for topic in sorted(wanted - known):
                await link.subscribe(topic)
            for topic in sorted(known - wanted):
                await link.unsubscribe(topic)
            known = wanted
            await self._monitor.greet(link, self._place)

    def _link_settings(self) -> LinkSettings:
        place, told = self._place, self._options
        gone = messages.encode(GatewayState(online=False, version=told.version))
        topic = messages.topic(place.town, place.gateway_id, "state")
        return LinkSettings(
            told.broker_host,
            told.broker_port,
            client_id=client_id(place.town, place.gateway_id, self._tls is not None),
            tls=self._tls,
            will=Will(topic, gone, delay_s=WILL_DELAY_S),
            keepalive_s=KEEPALIVE_S,
            session_expiry_s=SESSION_EXPIRY_S,
            starts_clean=True,
        )

    async def _on_connected(self, link: MqttLink) -> None:
        """Runs as long as a connection does."""
        self._inputs.put_nowait(self._machine.broker_up)
        if self._on_ready is not None:
            on_ready, self._on_ready = self._on_ready, None
            on_ready()
        try:
            await self._monitor.greet(link, self._place)
            while True:
                await asyncio.sleep(BEATS_EVERY_S)
                if self._own_state is not None:
                    self._publisher.put(self._own_state)
        finally:
            self._inputs.put_nowait(self._machine.broker_down)

    async def _take_commands(self, link: MqttLink) -> None:
        """One command at a time: what we do not take, the broker holds back."""
        async for received in link.messages():
            device = self._addressee(received)
            if device is not None:
                await self._command(device, received.payload)

    def _addressee(self, received: Received) -> str | None:
        """Whose command this is; None for what is no command, or wants its answer elsewhere."""
        place, parts = self._place, messages.split_topic(received.topic)
        own = {place.gateway_id, *place.credentials}
        if parts is None or parts[0] != place.town or parts[1] not in own or received.retain:
            log.warning("not a command for us on %s", received.topic)
            return None
        answers_to = messages.topic(place.town, parts[1], "response")
        if received.response_topic not in (None, answers_to):
            log.warning("a command for %s wants its answer on a topic that is not its", parts[1])
            return None
        return parts[1]

    async def _command(self, device: str, payload: bytes) -> None:
        taken = asyncio.Event()

        def take(now: Now) -> None:
            self._machine.command(device, payload, now)
            taken.set()

        self._inputs.put_nowait(take)
        await taken.wait()

    async def _farewell(self, link: MqttLink) -> None:
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

    async def _say(self, link: MqttLink, publish: Publish) -> None:
        topic = messages.topic(self._place.town, publish.device, publish.channel)
        expires_after_s, correlation = publish.expiry_s, None
        if publish.channel == "event":
            expires_after_s = EVENT_EXPIRES_S
        elif publish.channel == "response":
            correlation = messages.correlation_of(publish.message)
        await link.publish(
            topic,
            publish.payload,
            retain=publish.retain,
            expires_after_s=expires_after_s,
            correlation=correlation,
        )

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


def client_id(town: str, name: str, is_certified: bool) -> str:
    """Who a program is at its broker: with a certificate, exactly whom that names."""
    return messages.identity(town, name) if is_certified else f"kannuki-gateway-{town}-{name}"


def ends_of(tls: BrokerAccess | None) -> Callable[[], dict[str, float]]:
    """Until when the certificates in use are good, asked anew each time."""
    return lambda: tls.current.ends() if tls is not None and tls.current is not None else {}


def open_store(data_dir: Path, reserve_bytes: int = RESERVE_BYTES) -> SqliteStore:
    """The store in its folder, made if need be. Raises InputError that says what is wrong."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteStore(data_dir / FILE_NAME, reserve_bytes)
    except OSError as error:
        text = f"cannot use {data_dir}: {error.strerror}"
        raise InputError(text, "name another --data-dir") from error
    except StorageError as error:
        text = f"cannot use the data in {data_dir}: {error}"
        remedy = "see that this disk can be written and has room, or name another --data-dir"
        raise InputError(text, remedy) from error


def place_of(path: Path) -> Place:
    """The gateway file, for a start. Raises InputError."""
    try:
        return files.read_place(path)
    except FileError as error:
        raise InputError(str(error), "get the gateway's file from the town's service") from error


async def run(options: Options, wall: Callable[[], float], on_ready: Callable[[], None]) -> None:
    """Runs a gateway until SIGTERM or SIGINT."""
    place = place_of(options.gateway_file)
    identity = messages.identity(place.town, place.gateway_id)
    # Certificates are judged by the computer's own clock, as OpenSSL does.
    tls = open_access(options.access, options.broker_host, identity, time.time)
    store = open_store(options.data_dir, options.settings.disk_reserve_bytes)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    notifier, watchdog = notify.from_environment()
    version, data_dir = options.version, options.data_dir
    monitor = Monitor(options.health, data_dir, version, notifier, watchdog, wall, ends_of(tls))
    try:
        await App(options, place, store, wall, on_ready, monitor, tls).run(stopping)
    finally:
        store.close()
        notifier.close()
