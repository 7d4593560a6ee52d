"""The gateway: commands in, fragments out, fragments in, events out.

Decides which part of the machine an input concerns, and what follows from it for the others. Knows
no loop, radio, broker or clock: inputs are method calls with the time, outputs are actions taken
with `actions()`; call `tick` when `next_timeout()` is reached. It cannot open a door: it holds
housekeeping tokens alone.

Each visit and each relay begins with a connection of its own (gateway/machine/sharing.py says whose
turn it is); a relay's begins with our introduction, so that the lock grants the resident's session
more time. Invariants: every input is answered or counted; nothing raises for what a peer sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.machine import relay, steps, values
from gateway.machine.documents import Bookmarks
from gateway.machine.errands import ErrandDesk
from gateway.machine.hearing import Hearing
from gateway.machine.herald import Herald
from gateway.machine.housekeeping import Visit
from gateway.machine.introduction import Introductions
from gateway.machine.link import Phase, Use
from gateway.machine.outbox import Outbox
from gateway.machine.ports import StorageError, Store, StoredEvent
from gateway.machine.relay import RelayDesk
from gateway.machine.scheduler import Scheduler, Urgency
from gateway.machine.sharing import LinkShare
from gateway.machine.survey import Survey
from gateway.machine.timekeeping import TimeDesk
from gateway.machine.tokens import TokenDesk
from gateway.machine.values import Action, Counters, Note, Now, Settings
from kannuki import messages
from kannuki.messages import (
    CommandResult,
    DocumentPut,
    EventAck,
    PayloadError,
    RelayClose,
    RelayOpen,
    RelaySend,
    StatusPut,
    TimeAnswer,
    TokenPut,
)
from protocol import statuslist
from protocol.cose import CoseError
from protocol.frames import FrameError
from protocol.holder import Credential
from protocol.timebound import TimeBound

BEAT_S = 30.0

LockCommand = StatusPut | DocumentPut | TokenPut | RelayOpen | RelaySend | RelayClose


@dataclass
class _Visiting:
    """A visit under way: it has `ends_at` in all and `reply_by_at` for the next answer."""

    visit: Visit
    ends_at: float
    reply_by_at: float
    time_by_at: float = float("inf")  # when it stops waiting for a signed time
    has_progressed: bool = False
    has_news: bool = False  # a document came for this lock meanwhile
    has_set_time: bool = False

    def due_at(self) -> float:
        return min(self.ends_at, self.time_by_at if self.visit.is_waiting else self.reply_by_at)


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
        self._visits: dict[str, _Visiting] = {}
        self._bookmarks = Bookmarks()
        self._scheduler = Scheduler(self._settings)
        self._hearing = Hearing(self._settings)
        self._relays = RelayDesk(self._settings)
        self._links = LinkShare(
            self._settings,
            self._scheduler,
            self._relays,
            self._actions,
            self.counters,
            interrupted=lambda lock: self._visits.pop(lock, None),
        )
        self._introductions = Introductions(random_bytes)
        self._times = TimeDesk(self._settings)
        self._tokens = TokenDesk()
        self._outbox = Outbox(store, self._settings)
        started_at = max(0, int(now.wall))
        self._herald = Herald(gateway_id, version, started_at, store, self._actions, self.counters)
        self._errands = ErrandDesk(store, self._herald, self.counters)
        self._beat_at = now.at + BEAT_S
        self.adopt(credentials, now)

    # --- inputs ---

    def adopt(self, credentials: Mapping[str, Credential], now: Now) -> None:
        """From now on these are our locks."""
        for lock in [lock for lock in self._credentials if lock not in credentials]:
            self._let_go(lock, now)
        self._credentials = dict(credentials)
        for lock in credentials:
            self._links.add(lock)
            self._scheduler.add(lock, now.at, self._errands.urgency(lock))
            self._hearing.add(lock, now.at)
        self._pump(now)

    def command(self, device: str, payload: bytes, now: Now) -> None:
        """A payload from the command topic of this gateway or of one of its locks."""
        try:
            command = messages.decode("command", payload)
        except PayloadError:
            self.counters.add("garbage_commands")
            return
        self.counters.add("commands")
        self._outbox.receiver_speaks()
        if isinstance(command, EventAck):
            self._on_ack(command)
        elif isinstance(command, TimeAnswer):
            self._on_time_answer(device, command, now)
        else:
            assert isinstance(command, LockCommand)
            self._on_lock_command(device, command, now)
        self._pump(now)

    def link_up(self, lock: str, max_fragment: int, now: Now) -> None:
        """A Connect succeeded; fragments have at most `max_fragment` bytes."""
        link = self._links.find(lock, Phase.CONNECTING)
        if link is None:
            self.counters.add("stray_link_events")
            return
        link.up(max_fragment)
        self._hearing.heard(lock, now.at)
        if link.use is Use.RELAY:
            self._introduce(lock, now)
        else:
            self._begin_visit(lock, now)
        self._pump(now)

    def link_received(self, lock: str, fragment: bytes, now: Now) -> None:
        """A fragment from the lock."""
        link = self._links.find(lock, Phase.UP)
        if link is None:
            self.counters.add("stray_link_events")
            return
        self._hearing.heard(lock, now.at)
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
        if self._links.find(lock, Phase.CONNECTING, Phase.UP, Phase.CLOSING) is None:
            self.counters.add("stray_link_events")
            return
        use = self._links.down(lock, now)
        self._introductions.drop(lock)
        if use is Use.RELAY:
            self._carry_relay(self._relays.link_down(lock, why), now)
            self._scheduler.hurry(lock, now.at)
        elif use is Use.HOUSEKEEPING:
            talked = self._visits.pop(lock, None) is not None
            self._visit_failed(lock, why, now, in_reach=talked)
        self._pump(now)

    def sighted(self, lock: str, now: Now) -> None:
        """The lock was heard advertising."""
        self._hearing.heard(lock, now.at)
        self._scheduler.sighted(lock, now.at)
        self._pump(now)

    def listening(self, is_on: bool, now: Now) -> None:
        """Somebody begins, or ceases, to listen for advertisements: only then is silence news."""
        self._hearing.listening(is_on, now.at)
        self._pump(now)

    def radio(self, works: bool, now: Now) -> None:
        """The radio of this computer works (again), or does not: no lock is to blame."""
        self._hearing.radio(works, now.at)
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
        self._look_after_the_silent(now)
        for lock, use in self._links.give_up_overdue(now):
            if use is Use.RELAY:
                self._carry_relay(self._relays.link_down(lock, values.CONNECT_FAILED), now)
            else:
                self._visit_failed(lock, values.CONNECT_FAILED, now)
        if now.at >= self._beat_at:
            self._beat_at = now.at + BEAT_S
            self._errands.expire(now.wall)
            for lock, result in self._tokens.expire(now.wall):
                self._herald.answer(lock, result)
            self._herald.tell_own_state()
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
        times += [self._links.next_due_at(), self._hearing.next_due_at()]
        times += [visiting.due_at() for visiting in self._visits.values()]
        return min(time for time in times if time is not None)

    @property
    def locks(self) -> list[str]:
        """The ids of our locks."""
        return list(self._credentials)

    def survey(self) -> Survey:
        """How things stand; changes nothing."""
        waiting: int | None = None
        first: list[StoredEvent] = []
        try:
            first, waiting = self._store.events_after(0, 1), self._store.waiting_events()
        except StorageError:
            self.counters.add("storage_errors")
        return Survey(
            is_online=self._herald.is_online,
            is_storing=bool(first or waiting == 0) and self._store.has_room(),
            links_for_residents=self._links.in_use(Use.RELAY),
            links_for_housekeeping=self._links.in_use(Use.HOUSEKEEPING),
            max_links=self._settings.max_links,
            waiting_events=waiting,
            oldest_number=first[0].number if first else None,
            locks={lock: self._herald.state(lock) for lock in self._credentials},
            counts=dict(self.counters.counts),
        )

    def _pump(self, now: Now) -> None:
        """Starts whatever can start now."""
        self._links.share(now)
        self._send_events(now)

    # --- commands ---

    def _on_lock_command(
        self,
        lock: str,
        command: LockCommand,
        now: Now,
    ) -> None:
        if lock not in self._credentials:
            unknown = CommandResult(id=command.id, ok=False, error=values.UNKNOWN_LOCK)
            self._herald.answer(lock, unknown)
        elif isinstance(command, StatusPut | DocumentPut):
            self._on_put(lock, command, now)
        elif isinstance(command, TokenPut):
            self._on_token(lock, command, now)
        elif isinstance(command, RelayOpen | RelaySend) and not self._is_ours(command):
            self._on_others_relay(lock, command, now)
        else:
            self._carry_relay(self._relays.command(lock, command, now), now)

    def _on_put(self, lock: str, command: StatusPut | DocumentPut, now: Now) -> None:
        self._errands.command(lock, command, now)
        self._scheduler.hurry(lock, now.at, self._errands.urgency(lock))
        if isinstance(command, StatusPut):
            withdrawing = _list_of(command)
            if withdrawing is not None:
                self._answer(lock, self._tokens.withdraw(lock, withdrawing))
        if lock in self._visits:
            self._visits[lock].has_news = True

    def _on_token(self, lock: str, command: TokenPut, now: Now) -> None:
        """The next visit brings it; one that begins before that is worth a visit of its own."""
        self._answer(lock, self._tokens.command(lock, command, now))
        if self._tokens.begins_by(lock, now.wall + self._settings.sync_interval_s):
            self._scheduler.hurry(lock, now.at, Urgency.TOKENS)
            if lock in self._visits:
                self._visits[lock].has_news = True

    def _answer(self, lock: str, results: Iterable[CommandResult]) -> None:
        for result in results:
            self._herald.answer(lock, result)

    # --- several gateways at one lock ---

    def _is_ours(self, command: RelayOpen | RelaySend) -> bool:
        """Both of two gateways hear what a lock is told; the town says which of them acts."""
        return command.via in (None, self._gateway_id)

    def _on_others_relay(self, lock: str, command: RelayOpen | RelaySend, now: Now) -> None:
        """Another gateway has this session: whatever we hold of it gives the lock free."""
        self.counters.add("relays_of_others")
        self._carry_relay(self._relays.abandon(lock, command.session), now)

    def _on_ack(self, command: EventAck) -> None:
        try:
            self._outbox.acknowledged(command.ids)
            self.counters.add("events_acknowledged", len(command.ids))
        except StorageError:
            self.counters.add("storage_errors")

    def _on_time_answer(self, device: str, command: TimeAnswer, now: Now) -> None:
        """Signed time is for the visit that asked; to any other it is worth nothing.

        It answers a nonce, so our own clock, which may be wrong, has no say in whether it is late.
        """
        lock = self._times.answered(command.id)
        visiting = self._visits.get(lock) if lock is not None else None
        found = None
        if visiting is not None and device in (lock, self._gateway_id):
            found = visiting.visit.time_answer(command.document)
        if lock is None or found is None:
            self.counters.add("stray_time_answers")
        else:
            self._carry_visit(lock, found, now)

    def _let_go(self, lock: str, now: Now) -> None:
        """A lock that is no longer in our file."""
        self._carry_relay(self._relays.drop(lock), now)
        self._errands.drop(lock)
        self._answer(lock, self._tokens.drop(lock))
        self._visits.pop(lock, None)
        self._links.let_go(lock, now)
        self._scheduler.remove(lock)
        self._hearing.remove(lock)
        self._herald.forget(lock)
        self._times.forget(lock)
        self._bookmarks.remove(lock)

    # --- relay ---

    def _introduce(self, lock: str, now: Now) -> None:
        """Say who we are before we pass on what a resident says."""
        greeting = self._introductions.begin(lock, self._credentials[lock])
        if greeting is None:
            self._carry_relay(self._relays.link_up(lock, now), now)
        else:
            self._links.say(lock, greeting)

    def _on_introduced(self, lock: str, message: bytes, now: Now) -> None:
        answer, known = self._introductions.receive(lock, message)
        if answer is not None:
            self._links.say(lock, answer)
        elif known:
            self._carry_relay(self._relays.link_up(lock, now), now)
        else:
            self.counters.add("introductions_refused")
            self._links.hang_up(lock, now)  # the relay connects again, as a stranger

    def _carry_relay(self, taken: Iterable[relay.Step], now: Now) -> None:
        for step in taken:
            if isinstance(step, relay.Tell):
                self._links.say(step.lock, step.message)
            elif isinstance(step, relay.Answer):
                self._herald.answer(step.lock, step.result, step.expires_at - now.wall)
            elif self._links.is_for(step.lock, Use.RELAY):
                self._links.hang_up(step.lock, now)
                self._scheduler.hurry(step.lock, now.at)

    # --- housekeeping ---

    def _begin_visit(self, lock: str, now: Now) -> None:
        self._errands.expire(now.wall)

        def wants_time(time: TimeBound) -> bool:
            return self._herald.is_online and self._times.wants(lock, time, now.at)

        visit = Visit(
            lock,
            self._credentials[lock],
            self._store,
            self._random_bytes,
            self._gateway_id,
            self._settings,
            wants_time,
            self._bookmarks,
            lambda: self._tokens.to_carry(lock, now.wall),
        )
        ends_at = now.at + self._settings.round_within_s
        self._visits[lock] = _Visiting(visit, ends_at, now.at + self._settings.reply_within_s)
        self._carry_visit(lock, visit.start(), now)

    def _on_visit_message(self, lock: str, message: bytes, now: Now) -> None:
        visiting = self._visits[lock]
        visiting.reply_by_at = now.at + self._settings.reply_within_s
        try:
            found = visiting.visit.receive(message, now.wall)
        except StorageError as error:
            found = [steps.Failed(f"storage: {error}", authentic=True)]
        self._carry_visit(lock, found, now)

    def _carry_visit(self, lock: str, found: Iterable[steps.Step], now: Now) -> None:
        for step in found:
            match step:
                case steps.Say(message):
                    self._links.say(lock, message)
                case steps.Learnt(state):
                    self._herald.learnt(lock, state)
                case steps.Fetched():
                    self._visits[lock].has_progressed = True
                    self.counters.add("events_stored")
                case steps.PartTaken():
                    self._visits[lock].has_progressed = True
                case steps.Carried(what, version):
                    self._errands.carried(lock, what, version)
                case steps.NotCarried(what, error):
                    self._errands.not_carried(lock, what, error)
                case steps.AskTime(nonce):
                    self._ask_time(lock, nonce, now)
                case steps.TimeJudged(taken):
                    self._visits[lock].has_set_time |= taken
                    self._times.judged(lock, taken, now.at)
                    self.counters.add("times_taken" if taken else "times_refused")
                case steps.TokenJudged(command_id, error):
                    self.counters.add("tokens_refused" if error else "tokens_taken")
                    self._answer(lock, self._tokens.judged(lock, command_id, error))
                case steps.Remark(text):
                    self._actions.append(Note(lock, text))
                case steps.Finished() | steps.Failed():
                    self._end_visit(lock, step, now)

    def _ask_time(self, lock: str, nonce: bytes, now: Now) -> None:
        self._visits[lock].time_by_at = now.at + self._times.patience_s(lock)
        self._herald.ask(self._times.ask(lock, nonce), self._settings.time_answer_within_s)
        self.counters.add("times_asked")

    def _end_visit(self, lock: str, how: steps.Finished | steps.Failed, now: Now) -> None:
        visiting = self._visits.pop(lock)
        self._links.hang_up(lock, now)
        if isinstance(how, steps.Finished):
            self.counters.add("visits_finished")
            self._introductions.forgive(lock)
            news = self._errands.has_pending(lock) or self._tokens.to_carry(lock, now.wall)
            again_soon = visiting.has_news and bool(news)
            self._scheduler.succeeded(lock, now.at, again_soon)
        else:
            self._visit_failed(lock, how.why, now, in_reach=True, reached=how.authentic)
            if visiting.has_set_time:  # what it refused for its clock's sake it may grant now
                self._scheduler.hurry(lock, now.at)

    def _end_late_visits(self, now: Now) -> None:
        for lock, visiting in list(self._visits.items()):
            if now.at < visiting.due_at():
                continue
            if visiting.visit.is_waiting:
                self.counters.add("times_missed")
                self._times.missed(lock)
                self._carry_visit(lock, visiting.visit.give_up_time(), now)
            elif visiting.has_progressed and now.at < visiting.reply_by_at:
                del self._visits[lock]
                self._links.hang_up(lock, now)
                self._scheduler.succeeded(lock, now.at, again_soon=True)
            else:
                self._end_visit(lock, steps.Failed("no answer in time"), now)

    def _visit_failed(
        self, lock: str, why: str, now: Now, in_reach: bool = False, reached: bool = False
    ) -> None:
        """in_reach: there was a link; reached: the lock proved who it is, so it is reachable."""
        if lock not in self._credentials:
            return
        self.counters.add("visits_failed")
        failures = self._scheduler.failed(lock, now.at, in_reach)
        self._actions.append(Note(lock, f"housekeeping failed ({failures} in a row): {why}"))
        is_missed = self._hearing.is_missed(lock)
        if not reached and (is_missed or failures >= self._settings.unreachable_after):
            self._herald.unreachable(lock)

    def _look_after_the_silent(self, now: Now) -> None:
        """Looks soon for a lock that is not heard; says so when it stays silent."""
        for lock in self._hearing.newly_missed(now.at):
            self.counters.add("locks_missed")
            self._scheduler.missed(lock, now.at)
        for lock in self._hearing.newly_gone(now.at):
            self._actions.append(Note(lock, "not heard any more: out of reach or without power"))
            self._herald.unreachable(lock)

    # --- events ---

    def _send_events(self, now: Now) -> None:
        try:
            events = self._outbox.to_send(now.at)
        except StorageError:
            self.counters.add("storage_errors")
            return
        self._herald.send(events)


def _list_of(command: StatusPut) -> statuslist.StatusList | None:
    """The status list in a command, if its form is one; who signed it is the lock's to check."""
    try:
        _, header = statuslist.parse(command.document)
        return statuslist.in_memory(header, command.entries)
    except (CoseError, statuslist.StatusListError):
        return None
