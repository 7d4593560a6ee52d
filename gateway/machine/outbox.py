"""Which events of the outbox are on their way, and which are sent again.

Decides pace and order; keeps nothing (gateway/machine/ports.Store does). Events go out oldest
first, at most a window of them unacknowledged. What follows when an acknowledgement does not come
depends on what else is heard:

- Nothing at all: the receiver is away. We go back to the oldest and send that one alone, less and
  less often, until it is acknowledged; then the window opens again. Days without a receiver cost
  next to nothing on a bad line, and when it is back everything comes to it in order.
- Later ones are acknowledged: nobody can digest this one. It is passed over, so that it holds up no
  other, and tried again after all the others, less and less often.
- The oldest is such an event and it alone was sent: now and then the newest goes along, right after
  an unanswered try, so that a receiver that comes back hardly ever hears that one first.

Invariants: an event leaves the store only by its acknowledgement; each one that stays is sent again
for ever; memory holds a window of names and no more.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from gateway.machine.ports import StorageError, Store, StoredEvent
from gateway.machine.values import Settings

PATIENT_ROUNDS = 4  # without an answer, before it is asked less often and the newest goes along
NEWEST_EVERY = 20  # rounds, from then on
SLOWEST = 6  # times resend_after_s: how long to wait between tries at a receiver that is away
AGAIN_SLOWEST = 60  # times resend_after_s: and between tries with what was passed over


@dataclass(frozen=True)
class _Sent:
    number: int
    order: int  # of its sending, among all
    at: float
    again: bool = False  # it was passed over before: its silence says nothing of the receiver


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
        silent_at = self._silent_at()
        if silent_at is not None and silent_at <= at:
            self._go_back()
        try:
            return [*self._send_next(at), *self._send_passed_over(at), *self._send_newest(at)]
        except StorageError:
            self._again_at = max(self._again_at, at + self._settings.resend_after_s)
            raise

    # --- what is not acknowledged ---

    def _begin(self) -> None:
        self._flight: dict[str, _Sent] = {}  # in the order of sending
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

    def _pass_over(self, at: float) -> None:
        """Later ones are acknowledged, this one is not: go on without it."""
        late = [
            (key, sent)
            for key, sent in self._flight.items()
            if self._is_behind(sent) and self._late_at(sent) <= at
        ]
        for key, sent in late:
            del self._flight[key]
            if self._floor < sent.number <= self._cursor:
                self._floor = sent.number
        if late:
            self._again_at = max(self._again_at, at + self._again_s)

    def _go_back(self) -> None:
        """Nobody answers."""
        self._silent_rounds += 1
        self._newest_is_due = _takes_newest(self._silent_rounds)
        self._flight.clear()
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
        if doublings < 1 or _takes_newest(self._silent_rounds + 1):
            return 1
        return SLOWEST if doublings > SLOWEST else min(2**doublings, SLOWEST)

    # --- what is sent ---

    def _room(self) -> int:
        window = 1 if self._silent_rounds else self._settings.outbox_window
        return window - len(self._flight)

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

    def _send_newest(self, at: float) -> list[StoredEvent]:
        """Whether the receiver is away, or the oldest is what it cannot digest."""
        due, self._newest_is_due = self._newest_is_due, False
        newest = self._store.newest_event() if due else None
        if newest is None or newest.number <= self._cursor:
            return []
        return self._sent([newest], at)

    def _sent(self, events: list[StoredEvent], at: float) -> list[StoredEvent]:
        for event in events:
            again = event.number <= self._known
            self._flight[event.id] = _Sent(event.number, next(self._orders), at, again)
        return events


def _takes_newest(silent_round: int) -> bool:
    later = silent_round - PATIENT_ROUNDS
    return later >= 0 and later % NEWEST_EVERY == 0
