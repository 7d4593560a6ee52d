"""Whose turn it is: which locks are visited next when there are fewer links than locks.

Decides when a lock is due, in what order, which locks are in good standing, and how long to leave
an unreachable one alone. Does not connect, and does not say how many links there are
(gateway/machine/sharing.py). Invariants: a lock that is due is never passed over for ever, however
many others are in or out of range, and however urgent; the wait after failures is bounded, and ends
early when the lock is seen.

Urgency is a head start in seconds, not a class of its own: what is urgent overtakes, and what is
not still moves up. A lock is in good standing when its last visit was finished within `quick_s`.
Any other (never visited yet, out of reach, silent, slow, cut short) is a suspect: nobody knows how
long it will hold a link, so it gets a lane of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from gateway.machine.values import Settings

SIGHT_LASTS_S = 30.0
UNSEEN_PENALTY_S = 60.0
AGAIN_AFTER_S = 1.0


class Urgency(IntEnum):
    """What waits for a lock, the least urgent first; the value is its head start in seconds."""

    ROUTINE = 0  # its state, its clock, its records, an acknowledgement of them
    TOKENS = 20  # keys of bookings that begin: a door that opens faster
    PAPERS = 60  # a keyset or a configuration: who may sign, how the door behaves
    WITHDRAWAL = 120  # somebody can still open a door who should not


@dataclass
class Turn:
    """One lock's place: due_at is when it may be visited."""

    due_at: float
    failures: int = 0
    in_reach: bool = False  # the last failure was no matter of radio
    is_suspect: bool = True
    urgency: Urgency = Urgency.ROUTINE
    tried_at: float = float("-inf")
    seen_at: float = float("-inf")

    def rank(self, at: float) -> float:
        """Smaller goes first: the longest due, but the unseen as if they were due later."""
        seen = at - self.seen_at <= SIGHT_LASTS_S
        return self.due_at - self.urgency + (0.0 if seen else UNSEEN_PENALTY_S)


class Scheduler:
    """Turns of all locks. Every `at` is monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns: dict[str, Turn] = {}

    def add(self, lock: str, at: float, urgency: Urgency = Urgency.ROUTINE) -> None:
        """A new lock is due at once."""
        self._turns.setdefault(lock, Turn(at, urgency=urgency))

    def remove(self, lock: str) -> None:
        """This lock is no longer ours."""
        self._turns.pop(lock, None)

    def due(self, at: float) -> list[str]:
        """Locks that are due, first come first."""
        ready = [lock for lock, turn in self._turns.items() if turn.due_at <= at]
        return sorted(ready, key=lambda lock: self._turns[lock].rank(at))

    def next_due_at(self, locks: Iterable[str]) -> float | None:
        """When the first of these locks becomes due (or did)."""
        return min((self._turns[lock].due_at for lock in locks), default=None)

    def is_suspect(self, lock: str) -> bool:
        """Whether a visit to this lock may take long, as far as we know."""
        turn = self._turns.get(lock)
        return turn is None or turn.is_suspect

    def hurry(self, lock: str, at: float, urgency: Urgency = Urgency.ROUTINE) -> None:
        """There is something to do at this lock: now, or in the next moment if it just failed."""
        turn = self._turns.get(lock)
        if turn is not None:
            turn.urgency = max(turn.urgency, urgency)
            turn.due_at = min(turn.due_at, max(at, self._soonest(turn)))

    def sighted(self, lock: str, at: float) -> None:
        """The lock advertises: a wait for it to come into reach is over."""
        turn = self._turns.get(lock)
        if turn is None:
            return
        turn.seen_at = at
        if turn.failures and not turn.in_reach:
            self.hurry(lock, at)

    def missed(self, lock: str, at: float) -> None:
        """The lock is not heard any more: look for it soon, at nobody's cost."""
        turn = self._turns.get(lock)
        if turn is not None:
            turn.is_suspect = True
            turn.seen_at = float("-inf")
            self.hurry(lock, at)

    def started(self, lock: str, at: float) -> None:
        """A visit begins; should it vanish without a word, the next is an interval away."""
        turn = self._turns[lock]
        turn.tried_at = at
        turn.due_at = at + self._settings.sync_interval_s

    def succeeded(self, lock: str, at: float, again_soon: bool = False) -> None:
        """A visit was finished."""
        turn = self._turns[lock]
        turn.failures = 0
        turn.is_suspect = at - turn.tried_at > self._settings.quick_s
        if not again_soon:
            turn.urgency = Urgency.ROUTINE
        wait_s = self._settings.sync_interval_s
        turn.due_at = at + (min(wait_s, AGAIN_AFTER_S) if again_soon else wait_s)

    def failed(self, lock: str, at: float, in_reach: bool) -> int:
        """A visit failed: wait longer each time. Returns the failures in a row."""
        turn = self._turns[lock]
        turn.is_suspect = True
        turn.in_reach = in_reach
        turn.failures += 1
        turn.tried_at = at
        doubled = self._settings.first_retry_s * 2 ** min(turn.failures - 1, 20)
        turn.due_at = at + min(doubled, self._settings.max_retry_s)
        return turn.failures

    def put_off(self, lock: str, at: float) -> None:
        """A visit gave way to a resident: it keeps its turn."""
        self._turns[lock].due_at = at

    def cut_short(self, lock: str, at: float) -> None:
        """A visit outstayed its time while others waited: it goes on among the suspects."""
        turn = self._turns[lock]
        turn.is_suspect = True
        turn.due_at = at

    def _soonest(self, turn: Turn) -> float:
        return turn.tried_at + self._settings.first_retry_s if turn.failures else float("-inf")
