"""The gateway's machine among fake locks, under a clock that moves only when told."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gateway.machine import (
    Connect,
    Disconnect,
    Gateway,
    Note,
    Now,
    Publish,
    Send,
    Settings,
)
from gateway.machine import values as v
from gateway.store import SqliteStore
from kannuki import messages
from kannuki.messages import (
    AuditEvent,
    CommandResult,
    EventAck,
    LockState,
    Message,
    TimeAnswer,
    TimeRequest,
)
from protocol import audit
from protocol.holder import Credential
from tests.gateway.fakelock import (
    T0,
    FakeLock,
    aes,
    credential,
    deterministic,
    kdk_of,
    time_document,
)

GATEWAY = "gw-1"
START_AT = 1000.0


class World:
    """Carries actions to fake locks and back; everything that was published is kept."""

    def __init__(
        self,
        folder: Path,
        lock_ids: list[str],
        settings: Settings | None = None,
        latency_s: float = 0.01,
        credentials: dict[str, Credential] | None = None,
        out_of_range: Iterable[str] = (),
        open_store: Callable[[Path], SqliteStore] = SqliteStore,
    ) -> None:
        self.open_store = open_store
        self.at = START_AT
        self.wall_ahead = T0 - START_AT
        self.latency_s = latency_s
        self.find_within_s = 6.0
        self.path = folder / "gateway.sqlite"
        self.locks = {lock_id: FakeLock(lock_id) for lock_id in lock_ids}
        self.out_of_range = set(out_of_range)
        self.mute: set[str] = set()
        self.unwilling: set[str] = set()
        self.town_tells_time = True
        self.sign_time: Callable[[str, bytes, float], bytes] = time_document
        self.town_commits: Callable[[AuditEvent], bool] = lambda _event: False
        self.published: list[Publish] = []
        self.notes: list[Note] = []
        self.connects: list[tuple[float, str, bool]] = []
        self.most_links = 0
        self.settings = settings or Settings()
        self.credentials = credentials or {lock: credential(lock) for lock in lock_ids}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._linked: dict[str, int] = {}
        self._generation = itertools.count(1)
        self.start()

    # --- life ---

    def start(self) -> None:
        """A gateway process starts on the same data."""
        self.store = self.open_store(self.path)
        self.gateway = Gateway(
            GATEWAY,
            self.credentials,
            self.store,
            deterministic(f"gateway {self.at}"),
            self.now,
            self.settings,
            "test",
        )
        self.carry_out()

    def kill(self) -> None:
        """The process dies: links drop, RAM is gone, the file stays."""
        self.store.close()
        self._later.clear()
        self._linked.clear()
        for lock in self.locks.values():
            lock.hang_up()

    # --- time ---

    @property
    def now(self) -> Now:
        return Now(self.at + self.wall_ahead, self.at)

    def run(self, seconds: float) -> None:
        """Lets time pass, event by event."""
        end_at = self.at + seconds
        while True:
            next_at = self.gateway.next_timeout()
            if self._later:
                next_at = min(next_at, self._later[0][0])
            if next_at > end_at:
                break
            self._advance(max(next_at, self.at))
        self._advance(end_at)

    def until(self, condition: Callable[[], object], within_s: float = 120.0) -> None:
        """Lets time pass until something is so; fails when it never is."""
        end_at = self.at + within_s
        while not condition():
            assert self.at < end_at, "it never happened"
            self.run(0.05)

    def _advance(self, at: float) -> None:
        self.at = at
        for lock in self.locks.values():
            lock.wall = T0 + at - START_AT  # a lock has a clock of its own
        if self._later and self._later[0][0] <= at:
            heapq.heappop(self._later)[2]()
        else:
            self.gateway.tick(self.now)
            assert self.gateway.next_timeout() > at, "a timer that does not move spins"
        self.carry_out()

    def _after(self, delay_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._later, (self.at + delay_s, next(self._order), work))

    # --- the broker ---

    def broker_up(self) -> None:
        self.gateway.broker_up(self.now)
        self.carry_out()

    def broker_down(self) -> None:
        self.gateway.broker_down(self.now)
        self.carry_out()

    def command(self, device: str, message: Message | bytes) -> None:
        payload = message if isinstance(message, bytes) else messages.encode(message)
        self.gateway.command(device, payload, self.now)
        self.carry_out()

    def ack(self, *events: AuditEvent) -> None:
        self.command(GATEWAY, EventAck(ids=[event.id for event in events]))

    # --- what was said ---

    def results(self, command_id: str) -> list[CommandResult]:
        said = [p.message for p in self.published if p.channel == "response"]
        return [m for m in said if isinstance(m, CommandResult) and m.id == command_id]

    def result(self, command_id: str, within_s: float = 120.0) -> CommandResult:
        self.until(lambda: self.results(command_id), within_s)
        return self.results(command_id)[-1]

    def events(self) -> list[AuditEvent]:
        said = [p.message for p in self.published if p.channel == "event"]
        return [m for m in said if isinstance(m, AuditEvent)]

    def states(self, lock: str) -> list[LockState]:
        said = [p.message for p in self.published if (p.channel, p.device) == ("state", lock)]
        return [m for m in said if isinstance(m, LockState)]

    def time_requests(self) -> list[TimeRequest]:
        said = [p.message for p in self.published if p.channel == "request"]
        return [m for m in said if isinstance(m, TimeRequest)]

    def answer_time(self, request: TimeRequest, **changes: Any) -> None:
        """The town's answer, now, by its own clock."""
        document = self.sign_time(request.lock, request.nonce, T0 + self.at - START_AT)
        answer = TimeAnswer(id=request.id, document=document, expires_at=int(self.now.wall) + 5)
        self.command(request.lock, answer.model_copy(update=changes))

    def records_home(self, lock: str, kdk: bytes | None = None) -> list[bytes]:
        """What a cloud holds after these events: by epoch and seq, each once."""
        found = {}
        for event in self.events():
            if event.lock == lock:
                parcel = audit.decode_parcel(event.parcel)
                for raw in audit.unpack(aes, kdk or kdk_of(lock), event.parcel, event.seal):
                    found[parcel.journal_epoch, audit.decode_record(raw).seq] = raw
        return [found[key] for key in sorted(found)]

    # --- the radio ---

    def carry_out(self) -> None:
        for action in self.gateway.actions():
            if isinstance(action, Connect):
                self._connect(action)
            elif isinstance(action, Send):
                self._send(action)
            elif isinstance(action, Disconnect):
                self._hang_up(action.lock, v.CLOSED)
            elif isinstance(action, Publish):
                self._publish(action)
            else:
                self.notes.append(action)

    def _publish(self, action: Publish) -> None:
        self.published.append(action)
        request = action.message
        if self.town_tells_time and isinstance(request, TimeRequest):
            self._after(2 * self.latency_s, lambda: self.answer_time(request))
        elif isinstance(request, AuditEvent) and self.town_commits(request):
            self._after(2 * self.latency_s, lambda: self.ack(request))

    def _connect(self, action: Connect) -> None:
        lock = action.lock
        assert lock not in self._linked, "connected twice"
        self.connects.append((self.at, lock, action.urgent))
        number = self._linked[lock] = next(self._generation)
        self.most_links = max(self.most_links, len(self._linked))
        if lock in self.out_of_range:
            self._after(self.find_within_s, lambda: self._down(lock, number, v.OUT_OF_RANGE))
        elif lock in self.unwilling:
            self._after(1.0, lambda: self._down(lock, number, v.CONNECT_FAILED))
        else:
            self._after(self.latency_s, lambda: self._up(lock, number))

    def _up(self, lock: str, number: int) -> None:
        if self._linked.get(lock) == number:
            self.locks[lock].hang_up()
            self.gateway.link_up(lock, 100, self.now)

    def _send(self, action: Send) -> None:
        lock, fragment = action.lock, action.fragment
        number = self._linked.get(lock)
        assert number is not None, "sent without a link"
        assert len(fragment) <= 100, "a fragment beyond the link's bound"
        for answer in self.locks[lock].write(fragment):
            self._after(self.latency_s, lambda a=answer: self._receive(lock, number, a))

    def _receive(self, lock: str, number: int, fragment: bytes) -> None:
        if self._linked.get(lock) == number and lock not in self.mute:
            self.gateway.link_received(lock, fragment, self.now)

    def lose(self, lock: str) -> None:
        """The link drops by itself, if there is one."""
        self._hang_up(lock, v.LOST)

    def _hang_up(self, lock: str, why: str) -> None:
        number = self._linked.get(lock)
        if number is not None:
            self._after(self.latency_s, lambda: self._down(lock, number, why))

    def _down(self, lock: str, number: int, why: str) -> None:
        if self._linked.get(lock) == number:
            del self._linked[lock]
            self.locks[lock].hang_up()
            self.gateway.link_down(lock, why, self.now)

    def is_linked(self, lock: str) -> bool:
        return lock in self._linked
