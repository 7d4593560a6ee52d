"""Which events of the outbox are on their way, and which are sent again.

Decides pace and order; keeps nothing (gateway/machine/ports.Store does). Events go out oldest
first, at most a window of them unacknowledged. The window begins small, on each connection, and
grows with every acknowledgement: a gateway or a line that comes and goes does not bury a slow town
under the same events. What follows when an acknowledgement does not come depends on what else is
heard:

- Nothing at all: the receiver is away. We go back to the oldest and send that one alone, less and
  less often, until it is acknowledged; then the window opens again. Days without a receiver cost
  next to nothing on a bad line, and when it is back everything comes to it in order.
- Later ones are acknowledged: it was lost, and is sent again at once. If that does not help, nobody
  can digest it: it is passed over, so that it holds up no other, and tried again after all the
  others, less and less often.
- The oldest is such an event and it alone was sent: now and then, and when one has come in, the
  newest goes along, right after an unanswered try, so that a receiver that comes back hardly ever
  hears that one first.

Invariants: an event leaves the store only by its acknowledgement; each one that stays is sent again
for ever; memory holds a window of names and no more.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from gateway.machine.ports import StorageError, Store, StoredEvent
from gateway.machine.values import Settings

FIRST_WINDOW = 4
PATIENT_ROUNDS = 4  # without an answer, before it is asked less often and the newest goes along
NEWEST_EVERY = 20  # rounds, from then on
SLOWEST = 6  # times resend_after_s: how long to wait between tries at a receiver that is away
AGAIN_SLOWEST = 60  # times resend_after_s: and between tries with what was passed over


@dataclass(frozen=True)
class _Sent:
    number: int
    order: int  # of its sending, among all
    at: float
    again: bool = False  # later ones came through before: silence is its own, not the receiver's


class Outbox:
    """Every `at` is monotonic seconds."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._online = False
        self._orders = itertools.count(1)
        self._begin()

    def broker_up(self) -> None:
        """Whatever was on its way may be lost: begin again with the oldest."""
        self._online = True
        self._begin()

    def broker_down(self) -> None:
        """Nothing is sent until it is back."""
        self._online = False

    def receiver_speaks(self) -> None:
        """It says something, whatever it is: if it was away, it is worth a try now."""
        self._silent_rounds = min(self._silent_rounds, 1)

    def acknowledged(self, ids: list[str]) -> None:
        """The receiver has committed these."""
        self._store.forget_events(ids)
        for event_id in ids:
            sent = self._flight.pop(event_id, None)
            if sent is not None:
                self._window = min(self._window + 1, self._settings.outbox_window)
                self._answered = max(self._answered, sent.order)
                self._has_news = True

    def next_due_at(self) -> float | None:
        """When something may have to be sent again."""
        if not self._online:
            return None
        times = [self._late_at(sent) for sent in self._flight.values() if self._is_behind(sent)]
        silent_at = self._silent_at()
        if silent_at is not None:
            times.append(silent_at)
        if self._may_try_again():
            times.append(self._again_at)
        return min(times, default=None)

    def to_send(self, at: float) -> list[StoredEvent]:
        """Events to send now."""
        if not self._online:
            return []
        if self._has_news:
            self._has_news, self._heard_at, self._silent_rounds = False, at, 0
        self._pass_over(at)
        try:
            self._look_for_new()
            silent_at = self._silent_at()
            if silent_at is not None and silent_at <= at:
                self._go_back()
            return [
                *self._send_lost(at),
                *self._send_next(at),
                *self._send_passed_over(at),
                *self._send_newest(at),
            ]
        except StorageError:
            self._again_at = max(self._again_at, at + self._settings.resend_after_s)
            raise

    # --- what is not acknowledged ---

    def _begin(self) -> None:
        self._flight: dict[str, _Sent] = {}  # in the order of sending
        self._lost: list[int] = []  # numbers of events to send again at once
        self._window = min(FIRST_WINDOW, self._settings.outbox_window)
        self._cursor = 0  # read up to here
        self._floor = 0  # whatever is left up to here was passed over in this pass
        self._known = 0  # and up to here in one before
        self._answered = 0  # the latest sending that was acknowledged
        self._heard_at = float("-inf")
        self._has_news = False
        self._silent_rounds = 0
        self._again_s = self._settings.resend_after_s
        self._again_at = float("-inf")
        self._newest_is_due = False
        self._newest_tried = 0
        self._is_new = False  # the newest has not gone along yet

    def _pass_over(self, at: float) -> None:
        """Later ones are acknowledged, this one is not: once more, then go on without it."""
        late = [
            (key, sent)
            for key, sent in self._flight.items()
            if self._is_behind(sent) and self._late_at(sent) <= at
        ]
        for key, sent in late:
            del self._flight[key]
            if not sent.again:
                self._lost.append(sent.number)
            elif self._floor < sent.number <= self._cursor:
                self._floor = sent.number
        if late:
            self._again_at = max(self._again_at, at + self._again_s)

    def _go_back(self) -> None:
        """Nobody answers."""
        self._silent_rounds += 1
        self._newest_is_due = self._is_new or _takes_newest(self._silent_rounds)
        for sent in sorted(self._flight.values(), key=lambda sent: sent.number):
            if not sent.again:
                break
            self._floor = max(self._floor, sent.number)  # back to the oldest that may be taken
        self._window = min(FIRST_WINDOW, self._settings.outbox_window)
        self._flight.clear()
        self._lost.clear()
        self._cursor = self._floor

    def _is_behind(self, sent: _Sent) -> bool:
        return sent.again or sent.order < self._answered

    def _late_at(self, sent: _Sent) -> float:
        return sent.at + self._settings.resend_after_s

    def _silent_at(self) -> float | None:
        """When to say that nobody answers. A slow receiver's every answer puts it off."""
        sent_at = [sent.at for sent in self._flight.values() if not self._is_behind(sent)]
        if not sent_at:
            return None
        return max(self._heard_at, sent_at[0]) + self._settings.resend_after_s * self._slowness()

    def _slowness(self) -> int:
        doublings = self._silent_rounds - PATIENT_ROUNDS
        if doublings < 1 or self._is_new or _takes_newest(self._silent_rounds + 1):
            return 1
        return SLOWEST if doublings > SLOWEST else min(2**doublings, SLOWEST)

    # --- what is sent ---

    def _room(self) -> int:
        return (1 if self._silent_rounds else self._window) - len(self._flight)

    def _send_lost(self, at: float) -> list[StoredEvent]:
        """What was overtaken, once more."""
        events: list[StoredEvent] = []
        while self._lost:
            found = self._store.events_after(self._lost[0] - 1, 1)
            if found and found[0].number == self._lost[0] and found[0].id not in self._flight:
                events += self._sent(found, at, again=True)
            del self._lost[0]
        return events

    def _send_next(self, at: float) -> list[StoredEvent]:
        """On from where we were."""
        events: list[StoredEvent] = []
        while (room := self._room()) > 0:
            page = self._store.events_after(self._cursor, room)
            if page:
                self._cursor = page[-1].number
            events += self._sent([e for e in page if e.id not in self._flight], at)
            if len(page) < room:
                break
        return events

    def _may_try_again(self) -> bool:
        return bool(self._floor) and not self._silent_rounds and self._room() > 0

    def _send_passed_over(self, at: float) -> list[StoredEvent]:
        """There is nothing else: once more from the start."""
        if not self._floor:
            if not self._flight:
                self._again_s = self._settings.resend_after_s
            return []
        if not self._may_try_again() or at < self._again_at:
            return []
        slowest_s = AGAIN_SLOWEST * self._settings.resend_after_s
        self._again_s = min(2 * self._again_s, slowest_s)
        self._again_at = at + self._again_s
        self._known = max(self._known, self._floor)
        self._cursor = self._floor = 0
        return self._send_next(at)

    def _look_for_new(self) -> None:
        """Only where it could wait for long."""
        newest = self._store.newest_event() if self._silent_rounds >= PATIENT_ROUNDS else None
        self._is_new = newest is not None and newest.number > self._newest_tried

    def _send_newest(self, at: float) -> list[StoredEvent]:
        """Whether the receiver is away, or the oldest is what it cannot digest."""
        due, self._newest_is_due = self._newest_is_due, False
        newest = self._store.newest_event() if due else None
        if newest is None:
            return []
        self._newest_tried, self._is_new = newest.number, False
        return self._sent([newest], at) if newest.number > self._cursor else []

    def _sent(self, events: list[StoredEvent], at: float, again: bool = False) -> list[StoredEvent]:
        for event in events:
            is_known = again or event.number <= self._known
            self._flight[event.id] = _Sent(event.number, next(self._orders), at, is_known)
        return events


def _takes_newest(silent_round: int) -> bool:
    later = silent_round - PATIENT_ROUNDS
    return later >= 0 and later % NEWEST_EVERY == 0
