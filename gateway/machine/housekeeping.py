"""One housekeeping visit to one lock: documents to it, its state and audit records from it.

Decides what is asked in which order: the state; then the keyset (which says who may withdraw), the
status list (a withdrawal should not wait for paper), the configuration, tokens of bookings that
begin soon and the newest acknowledgement; then records until there are none left. A signed time
goes in between as soon as the town's answer is there; the visit waits for it only when everything
else is done. One request at a time. Does not connect, publish or keep time. A lock that refuses our
token for the time alone still takes documents, which may change its mind.
Invariant: a visit cut short anywhere is repeated without loss.

`start`, `receive`, `time_answer` and `give_up_time` return steps (gateway/machine/steps.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.machine import lockstate
from gateway.machine.documents import Bookmarks, PaperChore, StatusChore
from gateway.machine.ports import Store
from gateway.machine.records import RecordsChore
from gateway.machine.steps import (
    AskTime,
    Broken,
    Failed,
    Finished,
    Remark,
    Say,
    Step,
    TimeJudged,
)
from gateway.machine.tokens import TokensChore
from gateway.machine.values import Settings
from gateway.machine.view import Chore, Request, View
from kannuki.messages import TokenPut
from protocol import holder, reasons, session, signedtime, timebound
from protocol.cose import CoseError
from protocol.holder import Credential, HolderSession
from protocol.session import Challenge
from protocol.signedtime import SignedTimeError
from protocol.timebound import TimeBound


class StateChore:
    """What the lock says of itself."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._asked = False

    def next(self) -> Request | None:
        """The state, once."""
        asked, self._asked = self._asked, True
        return None if asked else (session.REQUEST_STATE, None)

    def reply(self, reason: int, value: Any) -> list[Step]:
        """The state, checked."""
        if reason != session.OK:
            return [Failed(f"state refused: {reasons.name(reason)}", authentic=True)]
        try:
            return self._view.of_state(lockstate.read(value))
        except lockstate.StateError as error:
            raise Broken(str(error)) from error


class TimeChore:
    """The town's signed answer to the nonce of this session."""

    def __init__(self, view: View) -> None:
        self.awaited = False
        self._view = view
        self._document: bytes | None = None

    def bring(self, document: bytes) -> None:
        """The answer is here."""
        self.awaited = False
        self._document = document

    def next(self) -> Request | None:
        """The answer, once."""
        document, self._document = self._document, None
        return (session.REQUEST_TIME, document) if document is not None else None

    def reply(self, reason: int, value: Any) -> list[Step]:
        """What the lock makes of it."""
        if reason != session.OK:
            return [TimeJudged(False), Remark(f"signed time not taken: {reasons.name(reason)}")]
        bound = timebound.from_wire(*value) if _is_pair(value) else None
        if bound is None:
            raise Broken("a time that is no interval")
        return [TimeJudged(True), *self._view.keeps_time(bound)]


class Visit:
    """One connection's worth of housekeeping. Methods may raise ports.StorageError.

    `wants_time(TimeBound)`: whether a lock in this much doubt is to be brought a signed time now.
    """

    def __init__(
        self,
        lock: str,
        credential: Credential,
        store: Store,
        random_bytes: Callable[[int], bytes],
        gateway_id: str,
        settings: Settings,
        wants_time: Callable[[TimeBound], bool],
        bookmarks: Bookmarks,
        tokens_to_carry: Callable[[], list[TokenPut]] = list,
    ) -> None:
        self.is_waiting = False  # for a signed time, and for nothing else
        self._lock = lock
        self._wants_time = wants_time
        self._session = HolderSession(credential, session.COMMAND_SYNC, random_bytes)
        self._refused: str | None = None
        self._view = view = View(lock)
        self._time = TimeChore(view)
        self._state: Chore = StateChore(view)
        self._asked: Chore = self._state
        self._documents: list[Chore] = [
            PaperChore(view, store, "keyset", session.REQUEST_KEYSET),
            StatusChore(view, store, settings, bookmarks),
            PaperChore(view, store, "config", session.REQUEST_CONFIG),
        ]
        self._ours_alone: list[Chore] = [
            TokensChore(view, tokens_to_carry),
            PaperChore(view, store, "ack", session.REQUEST_ACK),
            RecordsChore(view, store, gateway_id, settings.max_records),
        ]
        self._chores: list[Chore] = []

    def start(self) -> list[Step]:
        """The greeting."""
        return _said(self._session.start())

    def receive(self, message: bytes, wall: float) -> list[Step]:
        """Steps after one whole message from the lock."""
        self._view.wall = wall
        steps: list[Step] = []
        for name, *values in self._session.receive(message):
            try:
                steps += self._on_event(name, values)
            except Broken as error:
                steps.append(Failed(str(error)))
        return steps

    def time_answer(self, document: bytes) -> list[Step] | None:
        """Steps after the town's answer; None when it is not for this visit."""
        if not self._time.awaited or not self._answers_us(document):
            return None
        self._time.bring(document)
        return self._stop_waiting()

    def give_up_time(self) -> list[Step]:
        """The town's answer took too long."""
        self._time.awaited = False
        return self._stop_waiting()

    # --- the session ---

    def _on_event(self, name: str, values: list[Any]) -> list[Step]:
        if name == holder.SEND:
            return [Say(values[0])]
        if name == holder.OUTCOME:
            return self._on_outcome(values[0])
        if name == holder.REPLY:
            return self._on_reply(values[0], values[1])
        if name == holder.ADVISORY:
            return [Failed(f"refused ({reasons.name(values[0])})")]
        if name == holder.WRONG_ROOM:
            return [Failed("another lock answered under this name")]
        return [Failed(str(values[0]))]

    def _on_outcome(self, outcome: session.Outcome) -> list[Step]:
        if outcome.reason == session.OK:
            self._chores = [self._state, *self._documents, *self._ours_alone]
            return self._go_on()
        self._refused = f"the lock refuses our token: {reasons.name(outcome.reason)}"
        if not session.stays_open(outcome.reason):
            return [Failed(self._refused, authentic=True)]
        self._chores = list(self._documents)
        self._view.of_challenge(self._challenge())
        return [*self._ask_time(self._challenge().time), *self._go_on()]

    def _on_reply(self, reason: int, value: Any) -> list[Step]:
        steps = self._asked.reply(reason, value)
        if steps and isinstance(steps[-1], Failed):
            return steps
        if self._asked is self._state and self._view.reported is not None:
            steps += self._ask_time(self._view.reported.time)
        return steps + self._go_on()

    def _go_on(self) -> list[Step]:
        """The next request, or the end; a time that is at hand goes first."""
        for chore in (self._time, *self._chores):
            request = chore.next()
            if request is not None:
                self._asked = chore
                return _said(self._session.request(*request))
        self.is_waiting = self._time.awaited
        return [] if self.is_waiting else [self._end()]

    def _end(self) -> Step:
        return Finished() if self._refused is None else Failed(self._refused, authentic=True)

    def _challenge(self) -> Challenge:
        challenge: Any = self._session.challenge
        assert isinstance(challenge, Challenge), "there is no outcome without a challenge"
        return challenge

    # --- the time ---

    def _ask_time(self, time: TimeBound) -> list[Step]:
        if not self._wants_time(time):
            return []
        self._time.awaited = True
        return [AskTime(self._challenge().nonce)]

    def _answers_us(self, document: bytes) -> bool:
        try:
            _, answer = signedtime.parse(document)
        except (CoseError, SignedTimeError):
            return False
        nonce = self._challenge().nonce
        return bool(answer.lock_id == self._lock and answer.nonce == nonce)

    def _stop_waiting(self) -> list[Step]:
        waited, self.is_waiting = self.is_waiting, False
        return self._go_on() if waited else []


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _said(events: list[tuple[Any, ...]]) -> list[Step]:
    return [Say(event[1]) for event in events]
