"""What the gateway tells the town: its own state, its locks' states, answers, events, questions.

Decides what is said, when it is said again, and for how long it is worth saying. Does not learn
anything by itself. States are retained, so they are repeated on every connection; an answer is
forgotten after a minute, because the asker asks again.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.machine.ports import StorageError, Store, StoredEvent
from gateway.machine.values import Action, Counters, Note, Publish
from kannuki import messages
from kannuki.messages import CommandResult, GatewayState, LockState, TimeRequest

RESULT_KEEPS_S = 60.0
FULL_TEXT = "the disk is full: records stay in the locks until there is room on it"
ROOM_TEXT = "the disk has room again: records are read from the locks"


class Herald:
    """Appends to `actions`, which the gateway hands out."""

    def __init__(
        self,
        gateway_id: str,
        version: str,
        started_at: int,
        store: Store,
        actions: list[Action],
        counters: Counters,
    ) -> None:
        self._gateway_id = gateway_id
        self._version = version
        self._started_at = started_at
        self._store = store
        self._actions = actions
        self._counters = counters
        self._states: dict[str, LockState] = {}
        self._told: GatewayState | None = None
        self._online = False
        self._is_full = False

    @property
    def is_online(self) -> bool:
        """Whether there is anyone to ask."""
        return self._online

    def broker_up(self) -> None:
        """Says everything that is retained."""
        self._online = True
        self._told = None
        self.tell_own_state()
        for lock, state in self._states.items():
            self._publish_state(lock, state)

    def broker_down(self) -> None:
        """States wait for the next connection."""
        self._online = False

    def state(self, lock: str) -> LockState | None:
        """What a lock last said, as it is told."""
        return self._states.get(lock)

    def forget(self, lock: str) -> None:
        """This lock is no longer ours."""
        self._states.pop(lock, None)

    def learnt(self, lock: str, state: LockState) -> None:
        """A lock's own words."""
        self._states[lock] = state
        self._publish_state(lock, state)

    def unreachable(self, lock: str) -> None:
        """A lock was not reached for too long; what it last said is still told."""
        last = self._states.get(lock)
        if last is None:
            self.learnt(lock, LockState(reachable=False, seen_at=0))
        elif last.reachable:
            self.learnt(lock, last.model_copy(update={"reachable": False}))

    def tell_own_state(self) -> None:
        """Says that the gateway is there, if that is news."""
        try:
            waiting = self._store.waiting_events()
        except StorageError:
            self._counters.add("storage_errors")
            return
        self._note_room(self._store.has_room())
        state = GatewayState(
            online=True,
            version=self._version,
            started_at=self._started_at,
            waiting_events=waiting,
            outbox_full=self._is_full,
        )
        if self._online and state != self._told:
            self._told = state
            self._retain(self._gateway_id, messages.encode(state))

    def answer(self, device: str, result: CommandResult, within_s: float = RESULT_KEEPS_S) -> None:
        """Answers a command; nobody waits for it longer than `within_s`."""
        expiry_s = max(1.0, min(within_s, RESULT_KEEPS_S))
        payload = messages.encode(result.model_copy(update={"gateway": self._gateway_id}))
        self._actions.append(Publish("response", device, payload, expiry_s=expiry_s))

    def send(self, events: Iterable[StoredEvent]) -> None:
        """Events from the outbox, as they were stored."""
        for event in events:
            self._actions.append(Publish(event.channel, event.device, event.payload))

    def ask(self, request: TimeRequest, within_s: float) -> None:
        """Asks something that is worthless after `within_s`."""
        payload = messages.encode(request)
        self._actions.append(Publish("request", self._gateway_id, payload, expiry_s=within_s))

    def _note_room(self, has_room: bool) -> None:
        """Tells the log when the outbox stops or goes on growing."""
        if has_room == self._is_full:
            self._is_full = not has_room
            text = FULL_TEXT if self._is_full else ROOM_TEXT
            self._actions.append(Note(self._gateway_id, text))

    def _publish_state(self, lock: str, state: LockState) -> None:
        if self._online:
            signed = state.model_copy(update={"gateway": self._gateway_id})
            self._retain(lock, messages.encode(signed))

    def _retain(self, device: str, payload: bytes) -> None:
        self._actions.append(Publish("state", device, payload, retain=True))
