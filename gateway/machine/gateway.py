"""The gateway: commands in, fragments out, fragments in, events out.

Decides how residents and housekeeping share a few radio links. Knows no loop, radio, broker or
clock: inputs are method calls with the time, outputs are actions taken with `actions()`; call
`tick` when `next_timeout()` is reached. It cannot open a door: it holds housekeeping tokens alone.

A lock's link goes DOWN -> CONNECTING -> UP -> CLOSING -> DOWN and has one use at a time. A resident
comes first: housekeeping at that lock hangs up at once and keeps its turn, housekeeping elsewhere
gives up its link when none is free. Each visit and each relay begins with a connection of its own;
a relay's begins with our introduction, so that the lock grants the resident's session more time.
Invariants: at most `max_links` links are not DOWN; every input is answered or counted; nothing
raises for what a peer sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.machine import housekeeping, relay, values
from gateway.machine.errands import ErrandDesk
from gateway.machine.herald import Herald
from gateway.machine.housekeeping import Visit
from gateway.machine.introduction import Introductions
from gateway.machine.link import Link, Phase, Use
from gateway.machine.outbox import Outbox
from gateway.machine.ports import StorageError, Store
from gateway.machine.relay import RelayDesk
from gateway.machine.scheduler import Scheduler
from gateway.machine.values import (
    Action,
    Connect,
    Counters,
    Disconnect,
    Note,
    Now,
    Send,
    Settings,
)
from kannuki import messages
from kannuki.messages import (
    CommandResult,
    EventAck,
    PayloadError,
    RelayClose,
    RelayOpen,
    RelaySend,
    StatusPut,
)
from protocol.frames import FrameError
from protocol.holder import Credential

BEAT_S = 30.0


@dataclass
class _Visiting:
    """A visit under way: it has `ends_at` in all and `reply_by_at` for the next answer."""

    visit: Visit
    ends_at: float
    reply_by_at: float
    fetched: int = 0

    def due_at(self) -> float:
        return min(self.ends_at, self.reply_by_at)


class Gateway:
    """One gateway. `credentials` by lock id; `now` is when it starts."""

    def __init__(
        self,
        gateway_id: str,
        credentials: Mapping[str, Credential],
        store: Store,
        random_bytes: Callable[[int], bytes],
        now: Now,
        settings: Settings | None = None,
        version: str = "",
    ) -> None:
        self.counters = Counters()
        self._gateway_id = gateway_id
        self._settings = settings or Settings()
        self._store = store
        self._random_bytes = random_bytes
        self._actions: list[Action] = []
        self._credentials: dict[str, Credential] = {}
        self._links: dict[str, Link] = {}
        self._visits: dict[str, _Visiting] = {}
        self._scheduler = Scheduler(self._settings)
        self._relays = RelayDesk(self._settings)
        self._introductions = Introductions(random_bytes)
        self._errands = ErrandDesk(store)
        self._outbox = Outbox(store, self._settings)
        started_at = max(0, int(now.wall))
        self._herald = Herald(gateway_id, version, started_at, store, self._actions, self.counters)
        self._beat_at = now.at + BEAT_S
        self.adopt(credentials, now)

    # --- inputs ---

    def adopt(self, credentials: Mapping[str, Credential], now: Now) -> None:
        """From now on these are our locks."""
        for lock in [lock for lock in self._credentials if lock not in credentials]:
            self._let_go(lock, now)
        self._credentials = dict(credentials)
        for lock in credentials:
            self._links.setdefault(lock, Link())
            self._scheduler.add(lock, now.at)
        self._pump(now)

    def command(self, device: str, payload: bytes, now: Now) -> None:
        """A payload from the command topic of this gateway or of one of its locks."""
        try:
            command = messages.decode("command", payload)
        except PayloadError:
            self.counters.add("garbage_commands")
            return
        self.counters.add("commands")
        assert isinstance(command, EventAck | StatusPut | RelayOpen | RelaySend | RelayClose)
        if isinstance(command, EventAck):
            self._on_ack(command)
        elif device not in self._credentials:
            self._herald.answer(device, _refused(command.id, values.UNKNOWN_LOCK))
        elif isinstance(command, StatusPut):
            self._on_status_put(device, command, now)
        else:
            self._carry_relay(self._relays.command(device, command, now), now)
        self._pump(now)

    def link_up(self, lock: str, max_fragment: int, now: Now) -> None:
        """A Connect succeeded; fragments have at most `max_fragment` bytes."""
        link = self._links.get(lock)
        if link is None or link.phase is not Phase.CONNECTING:
            self.counters.add("stray_link_events")
            return
        link.up(max_fragment)
        if link.use is Use.RELAY:
            self._introduce(lock, now)
        else:
            self._begin_visit(lock, now)
        self._pump(now)

    def link_received(self, lock: str, fragment: bytes, now: Now) -> None:
        """A fragment from the lock."""
        link = self._links.get(lock)
        if link is None or link.phase is not Phase.UP:
            self.counters.add("stray_link_events")
            return
        try:
            message = link.join(fragment)
        except FrameError:
            self.counters.add("garbage_fragments")
            return
        if message is None:
            return
        if link.use is Use.RELAY and self._introductions.is_under_way(lock):
            self._on_introduced(lock, message, now)
        elif link.use is Use.RELAY:
            self._carry_relay(self._relays.received(lock, message, now), now)
        else:
            self._on_visit_message(lock, message, now)
        self._pump(now)

    def link_down(self, lock: str, why: str, now: Now) -> None:
        """The link is gone, or could not be made; `why` is one of the texts in values.py."""
        link = self._links.get(lock)
        if link is None or link.phase is Phase.DOWN:
            self.counters.add("stray_link_events")
            return
        use = link.use
        link.down()
        self._introductions.drop(lock)
        if use is Use.RELAY:
            self._carry_relay(self._relays.link_down(lock, why), now)
            self._scheduler.hurry(lock, now.at)
        elif use is Use.HOUSEKEEPING:
            talked = self._visits.pop(lock, None) is not None
            self._visit_failed(lock, why, now, in_reach=talked)
        if lock not in self._credentials:
            del self._links[lock]
        self._pump(now)

    def sighted(self, lock: str, now: Now) -> None:
        """The lock was heard advertising."""
        self._scheduler.sighted(lock, now.at)
        self._pump(now)

    def broker_up(self, now: Now) -> None:
        """Connected and subscribed: say everything that is retained, and what waits."""
        self._outbox.broker_up()
        self._herald.broker_up()
        self._pump(now)

    def broker_down(self, now: Now) -> None:
        """No connection to the broker; the locks are kept in order all the same."""
        self._outbox.broker_down()
        self._herald.broker_down()

    def tick(self, now: Now) -> None:
        """Time has passed."""
        self._carry_relay(self._relays.tick(now), now)
        self._end_late_visits(now)
        for lock, link in list(self._links.items()):
            if link.overdue(now):
                self._on_overdue(lock, link, now)
        if now.at >= self._beat_at:
            self._beat_at = now.at + BEAT_S
            self._beat(now)
        self._pump(now)

    # --- outputs ---

    def actions(self) -> list[Action]:
        """What is to be done since the last call, in order."""
        taken = list(self._actions)
        self._actions.clear()
        return taken

    def next_timeout(self) -> float:
        """The monotonic time by which `tick` is to be called."""
        times = [self._beat_at, self._relays.next_due_at(), self._outbox.next_due_at()]
        times += [visiting.due_at() for visiting in self._visits.values()]
        times += [
            link.deadline_at
            for link in self._links.values()
            if link.phase in (Phase.CONNECTING, Phase.CLOSING)
        ]
        if self._free_links() > 0:
            times.append(self._scheduler.next_due_at(self._idle_locks()))
        return min(time for time in times if time is not None)

    @property
    def locks(self) -> list[str]:
        """The ids of our locks."""
        return list(self._credentials)

    # --- sharing the links ---

    def _pump(self, now: Now) -> None:
        """Starts whatever can start now."""
        short = self._serve_residents(now)
        if not short:
            self._serve_due(now)
        self._send_events(now)

    def _serve_residents(self, now: Now) -> bool:
        """Connects relays that wait for a link; True when there are fewer links than residents."""
        waiting = 0
        for lock in self._relays.wants_link():
            link = self._links[lock]
            if link.use is Use.HOUSEKEEPING:
                self._give_to_resident(lock, link, now)
            elif link.phase is Phase.DOWN and self._free_links() > 0:
                self._connect(lock, Use.RELAY, now)
            elif link.phase is Phase.DOWN:
                waiting += 1
        self._make_room(waiting, now)
        return waiting > 0

    def _give_to_resident(self, lock: str, link: Link, now: Now) -> None:
        """The same lock: a connection being made is taken over, one in use is ended."""
        if link.phase is Phase.CONNECTING:
            link.use = Use.RELAY
            self._scheduler.put_off(lock, now.at)
        else:
            self._interrupt(lock, now)

    def _make_room(self, wanted: int, now: Now) -> None:
        """Other locks' housekeeping hangs up, those still connecting first."""
        wanted -= sum(link.phase is Phase.CLOSING for link in self._links.values())
        victims = [lk for lk, link in self._links.items() if link.use is Use.HOUSEKEEPING]
        victims.sort(key=lambda lock: self._links[lock].phase is Phase.UP)
        for lock in victims[: max(0, wanted)]:
            self._interrupt(lock, now)

    def _interrupt(self, lock: str, now: Now) -> None:
        self._visits.pop(lock, None)
        self._scheduler.put_off(lock, now.at)
        self.counters.add("visits_interrupted")
        self._hang_up(lock, now)

    def _serve_due(self, now: Now) -> None:
        idle = set(self._idle_locks())
        for lock in self._scheduler.due(now.at):
            if self._free_links() <= 0:
                return
            if lock in idle:
                self._scheduler.started(lock, now.at)
                self._connect(lock, Use.HOUSEKEEPING, now)

    def _idle_locks(self) -> list[str]:
        return [
            lock
            for lock in self._credentials
            if self._links[lock].phase is Phase.DOWN and not self._relays.has(lock)
        ]

    def _free_links(self) -> int:
        taken = sum(link.phase is not Phase.DOWN for link in self._links.values())
        return self._settings.max_links - taken

    def _connect(self, lock: str, use: Use, now: Now) -> None:
        self._links[lock].connecting(use, now.at + self._settings.connect_within_s)
        self._actions.append(Connect(lock, urgent=use is Use.RELAY))

    def _hang_up(self, lock: str, now: Now) -> None:
        link = self._links[lock]
        if link.phase in (Phase.CONNECTING, Phase.UP):
            link.closing(now.at + self._settings.hang_up_within_s)
            self._actions.append(Disconnect(lock))

    def _on_overdue(self, lock: str, link: Link, now: Now) -> None:
        """An adapter that says nothing is told once more; the link is not lent out meanwhile."""
        self.counters.add("links_overdue")
        if link.phase is Phase.CLOSING:
            link.closing(now.at + self._settings.hang_up_within_s)
            self._actions.append(Disconnect(lock))
            return
        use = link.use
        self._hang_up(lock, now)
        if use is Use.RELAY:
            self._carry_relay(self._relays.link_down(lock, values.CONNECT_FAILED), now)
        else:
            self._visit_failed(lock, values.CONNECT_FAILED, now)

    def _let_go(self, lock: str, now: Now) -> None:
        """A lock that is no longer in our file."""
        self._carry_relay(self._relays.drop(lock), now)
        self._publish_answers(lambda: self._errands.drop(lock))
        self._visits.pop(lock, None)
        self._hang_up(lock, now)
        self._scheduler.remove(lock)
        self._herald.forget(lock)
        if self._links[lock].phase is Phase.DOWN:
            del self._links[lock]

    # --- relay ---

    def _introduce(self, lock: str, now: Now) -> None:
        """Say who we are before we pass on what a resident says."""
        greeting = self._introductions.begin(lock, self._credentials[lock])
        if greeting is None:
            self._carry_relay(self._relays.link_up(lock, now), now)
        else:
            self._say(lock, greeting)

    def _on_introduced(self, lock: str, message: bytes, now: Now) -> None:
        answer, known = self._introductions.receive(lock, message)
        if answer is not None:
            self._say(lock, answer)
        elif known:
            self._carry_relay(self._relays.link_up(lock, now), now)
        else:
            self.counters.add("introductions_refused")
            self._hang_up(lock, now)  # the relay connects again, as a stranger

    def _carry_relay(self, steps: Iterable[relay.Step], now: Now) -> None:
        for step in steps:
            if isinstance(step, relay.Tell):
                self._say(step.lock, step.message)
            elif isinstance(step, relay.Answer):
                self._herald.answer(step.lock, step.result, step.expires_at - now.wall)
            elif self._links[step.lock].use is Use.RELAY:
                self._hang_up(step.lock, now)
                self._scheduler.hurry(step.lock, now.at)

    # --- housekeeping ---

    def _begin_visit(self, lock: str, now: Now) -> None:
        self._publish_answers(lambda: self._errands.expire(now.wall))
        visit = Visit(
            lock,
            self._credentials[lock],
            self._store,
            self._random_bytes,
            self._gateway_id,
            self._settings.max_records,
        )
        ends_at = now.at + self._settings.round_within_s
        self._visits[lock] = _Visiting(visit, ends_at, now.at + self._settings.reply_within_s)
        self._carry_visit(lock, visit.start(), now)

    def _on_visit_message(self, lock: str, message: bytes, now: Now) -> None:
        visiting = self._visits[lock]
        visiting.reply_by_at = now.at + self._settings.reply_within_s
        try:
            steps = visiting.visit.receive(message, now.wall)
        except StorageError as error:
            steps = [housekeeping.Failed(f"storage: {error}", authentic=True)]
        self._carry_visit(lock, steps, now)

    def _carry_visit(self, lock: str, steps: Iterable[housekeeping.Step], now: Now) -> None:
        for step in steps:
            if isinstance(step, housekeeping.Say):
                self._say(lock, step.message)
            elif isinstance(step, housekeeping.Learnt):
                self._herald.learnt(lock, step.state)
            elif isinstance(step, housekeeping.Fetched):
                self._visits[lock].fetched += 1
                self.counters.add("events_stored")
            elif isinstance(step, housekeeping.Carried):
                version = step.version
                self._publish_answers(partial(self._errands.carried, lock, version))
            elif isinstance(step, housekeeping.NotCarried):
                error = step.error
                self._publish_answers(partial(self._errands.not_carried, lock, error))
            else:
                self._end_visit(lock, step, now)

    def _end_visit(
        self, lock: str, how: housekeeping.Finished | housekeeping.Failed, now: Now
    ) -> None:
        self._visits.pop(lock, None)
        self._hang_up(lock, now)
        if isinstance(how, housekeeping.Finished):
            self.counters.add("visits_finished")
            self._introductions.forgive(lock)
            self._scheduler.succeeded(lock, now.at, again_soon=self._has_errand(lock))
        else:
            self._visit_failed(lock, how.why, now, in_reach=True, reached=how.authentic)

    def _has_errand(self, lock: str) -> bool:
        """Whether a status list arrived while we were there."""
        try:
            return self._store.pending_status(lock) is not None
        except StorageError:
            return False

    def _end_late_visits(self, now: Now) -> None:
        for lock, visiting in list(self._visits.items()):
            if now.at < visiting.due_at():
                continue
            if visiting.fetched and now.at < visiting.reply_by_at:
                del self._visits[lock]
                self._hang_up(lock, now)
                self._scheduler.succeeded(lock, now.at, again_soon=True)
            else:
                self._end_visit(lock, housekeeping.Failed("no answer in time"), now)

    def _visit_failed(
        self, lock: str, why: str, now: Now, in_reach: bool = False, reached: bool = False
    ) -> None:
        """in_reach: there was a link; reached: the lock proved who it is, so it is reachable."""
        if lock not in self._credentials:
            return
        self.counters.add("visits_failed")
        failures = self._scheduler.failed(lock, now.at, in_reach)
        self._actions.append(Note(lock, f"housekeeping failed ({failures} in a row): {why}"))
        if not reached and failures >= self._settings.unreachable_after:
            self._herald.unreachable(lock)

    # --- what is told ---

    def _beat(self, now: Now) -> None:
        self._publish_answers(lambda: self._errands.expire(now.wall))
        self._herald.tell_own_state()

    def _on_status_put(self, lock: str, command: StatusPut, now: Now) -> None:
        try:
            answers = self._errands.command(lock, command, now)
        except StorageError:
            self.counters.add("storage_errors")
            answers = [(lock, _refused(command.id, values.STORAGE))]
        for device, result in answers:
            self._herald.answer(device, result)
        self._scheduler.hurry(lock, now.at)

    def _publish_answers(self, settle: Callable[[], list[tuple[str, CommandResult]]]) -> None:
        """Publishes what `settle` has made durable; on a broken store they stay open errands."""
        try:
            answers = settle()
        except StorageError:
            self.counters.add("storage_errors")
            return
        for device, result in answers:
            self._herald.answer(device, result)

    def _on_ack(self, command: EventAck) -> None:
        try:
            self._outbox.acknowledged(command.ids)
            self.counters.add("events_acknowledged", len(command.ids))
        except StorageError:
            self.counters.add("storage_errors")

    def _send_events(self, now: Now) -> None:
        try:
            events = self._outbox.to_send(now.at)
        except StorageError:
            self.counters.add("storage_errors")
            return
        self._herald.send(events)

    def _say(self, lock: str, message: bytes) -> None:
        link = self._links[lock]
        if link.phase is Phase.UP:
            self._actions.extend(Send(lock, fragment) for fragment in link.cut(message))


def _refused(command_id: str, error: str) -> CommandResult:
    return CommandResult(id=command_id, ok=False, error=error)
