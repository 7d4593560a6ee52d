"""The real gateway machine on its real store, with virtual radio, broker and time around it.

Decides what gateway/app.py decides, and no more: each input goes to the machine, its actions are
carried out at once, its timer is called when it is due. `kill` takes everything but the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
)
from gateway.store import FILE_NAME, SqliteStore
from kannuki import messages
from protocol.holder import Credential
from simulator.virtual.air import Contact, VirtualAir
from simulator.virtual.broker import VirtualBroker, VirtualClient
from simulator.virtual.clock import VirtualTime

SIGHT_EVERY_MS = 1000


class _GatewayLink:
    """simulator.virtual.air.Central: the gateway's end of one link."""

    def __init__(self, gateway: VirtualGateway, lock: str) -> None:
        self._gateway = gateway
        self._lock = lock

    def up(self, max_fragment: int) -> None:
        self._gateway.tell(lambda m, now: m.link_up(self._lock, max_fragment, now))

    def received(self, fragment: bytes) -> None:
        self._gateway.tell(lambda m, now: m.link_received(self._lock, fragment, now))

    def down(self, why: str) -> None:
        self._gateway.link_ended(self._lock)
        self._gateway.tell(lambda m, now: m.link_down(self._lock, why, now))


class _NoGateway:
    """The end of a link whose gateway was killed."""

    def up(self, max_fragment: int) -> None:
        return

    def received(self, fragment: bytes) -> None:
        return

    def down(self, why: str) -> None:
        return


class VirtualGateway:
    """`folder` keeps its store; `wall` gives Unix seconds; it runs and is online from the start."""

    def __init__(
        self,
        gateway_id: str,
        town: str,
        credentials: dict[str, Credential],
        folder: Path,
        time: VirtualTime,
        air: VirtualAir,
        broker: VirtualBroker,
        wall: Callable[[], float],
        random_bytes: Callable[[int], bytes],
        settings: Settings,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.id = gateway_id
        self.machine: Gateway | None = None
        self.notes: list[str] = []
        self._town = town
        self._credentials = credentials
        self._path = folder / FILE_NAME
        self._time = time
        self._air = air
        self._broker = broker
        self._wall = wall
        self._random_bytes = random_bytes
        self._settings = settings
        self._contacts: dict[str, Contact] = {}
        self._client: VirtualClient | None = None
        self._unsaid: list[Publish] = []
        self.start()
        time.at_every_step(self._step)

    # --- life ---

    def start(self) -> None:
        """The process starts on what its store holds, and connects to the broker."""
        self._store = SqliteStore(self._path)
        self.machine = Gateway(
            self.id,
            self._credentials,
            self._store,
            self._random_bytes,
            self._now(),
            self._settings,
            "virtual",
        )
        self.tell(lambda machine, now: machine.listening(True, now))
        self.join_broker()

    def kill(self) -> None:
        """The process dies: links drop, RAM is gone, the file stays."""
        self.machine = None
        if self._client is not None:
            self._client.leave()
            self._client = None
        self._unsaid.clear()
        for contact in self._contacts.values():
            contact.central = _NoGateway()
            self._air.hang_up(contact)
        self._contacts.clear()
        self._store.close()

    def join_broker(self) -> None:
        """The connection to the broker is there (again); what waited is said."""
        if self.machine is None or self._client is not None:
            return
        own = {
            messages.topic(self._town, device, "command"): device
            for device in (self.id, *self._credentials)
        }
        self._client = self._broker.join(
            own.__contains__, lambda topic, payload: self._command(own[topic], payload)
        )
        unsaid, self._unsaid = self._unsaid, []
        for publish in unsaid:
            self._publish(publish)
        self.tell(lambda machine, now: machine.broker_up(now))

    def lose_broker(self) -> None:
        """The connection to the broker is lost."""
        if self.machine is None or self._client is None:
            return
        self._client.leave()
        self._client = None
        self.tell(lambda machine, now: machine.broker_down(now))

    def waiting_events(self) -> int:
        """How many events its outbox holds; it must be running."""
        return self._store.waiting_events()

    # --- the machine ---

    def tell(self, take: Callable[[Gateway, Now], None]) -> None:
        """One input, and everything it brings about."""
        if self.machine is None:
            return
        take(self.machine, self._now())
        for action in self.machine.actions():
            self._carry_out(action)

    def link_ended(self, lock: str) -> None:
        """A link is over; the machine may ask for another."""
        self._contacts.pop(lock, None)

    def _now(self) -> Now:
        return Now(self._wall(), self._time.ms / 1000)

    def _command(self, device: str, payload: bytes) -> None:
        self.tell(lambda machine, now: machine.command(device, payload, now))

    def _step(self) -> None:
        if self.machine is None:
            return
        if self._time.ms % SIGHT_EVERY_MS == 0:
            for lock in filter(self._air.advertises, list(self._credentials)):
                self._sight(lock)
        if self.machine.next_timeout() <= self._time.ms / 1000:
            self.tell(lambda machine, now: machine.tick(now))

    def _sight(self, lock: str) -> None:
        self.tell(lambda machine, now: machine.sighted(lock, now))

    def _carry_out(self, action: Action) -> None:
        match action:
            case Connect(lock, _urgent):
                self._contacts[lock] = self._air.connect(lock, _GatewayLink(self, lock))
            case Send(lock, fragment) if lock in self._contacts:
                self._air.send(self._contacts[lock], fragment)
            case Disconnect(lock) if lock in self._contacts:
                self._air.hang_up(self._contacts[lock])
            case Publish():
                self._publish(action)
            case Note(lock, text):
                self.notes.append(f"{lock}: {text}")

    def _publish(self, publish: Publish) -> None:
        if self._client is None:
            self._unsaid.append(publish)
            return
        topic = messages.topic(self._town, publish.device, publish.channel)
        self._client.publish(topic, publish.payload, publish.retain)
