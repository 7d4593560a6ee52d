"""Which events of the outbox are on their way, and which are sent again.

Decides pace and order; keeps nothing (gateway/machine/ports.Store does). At most a window of events
waits for acknowledgement at once; one that is not acknowledged in time goes to the end of the line,
so an event that nobody can digest holds up no other. Invariant: an event leaves the store only by
its acknowledgement.
"""

from __future__ import annotations

from gateway.machine.ports import Store, StoredEvent
from gateway.machine.values import Settings


class Outbox:
    """Every `at` is monotonic seconds."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._sent_at: dict[str, float] = {}
        self._last_number = 0
        self._online = False

    def broker_up(self) -> None:
        """Whatever was on its way may be lost: begin again with the oldest."""
        self._online = True
        self._sent_at.clear()
        self._last_number = 0

    def broker_down(self) -> None:
        """Nothing is sent until it is back."""
        self._online = False

    def acknowledged(self, ids: list[str]) -> None:
        """The receiver has committed these."""
        self._store.forget_events(ids)
        for event_id in ids:
            self._sent_at.pop(event_id, None)

    def next_due_at(self) -> float | None:
        """When something may have to be sent again."""
        if not self._online or not self._sent_at:
            return None
        return min(self._sent_at.values()) + self._settings.resend_after_s

    def to_send(self, at: float) -> list[StoredEvent]:
        """Events to send now."""
        if not self._online:
            return []
        self._give_up_waiting(at)
        events = self._next_events()
        self._sent_at.update((event.id, at) for event in events)
        return events

    def _give_up_waiting(self, at: float) -> None:
        after_s = self._settings.resend_after_s  # reckoned as in next_due_at, to the last bit
        late = [key for key, sent_at in self._sent_at.items() if sent_at + after_s <= at]
        for event_id in late:
            del self._sent_at[event_id]

    def _next_events(self) -> list[StoredEvent]:
        """On from where we were, then once more from the start."""
        events = self._read_on()
        if len(self._sent_at) + len(events) < self._settings.outbox_window:
            self._last_number = 0
            taken = {event.id for event in events}
            events += [event for event in self._read_on() if event.id not in taken]
        return events[: self._settings.outbox_window - len(self._sent_at)]

    def _read_on(self) -> list[StoredEvent]:
        room = self._settings.outbox_window - len(self._sent_at)
        if room <= 0:
            return []
        page = self._store.events_after(self._last_number, self._settings.outbox_window)
        fresh = [event for event in page if event.id not in self._sent_at][:room]
        if fresh:
            self._last_number = fresh[-1].number
        return fresh
