"""When a lock is brought the town's word on the time, and which answer belongs to which lock.

Decides whether to ask, and remembers what was asked; does not publish, and does not judge an
answer: the lock does, and an answer that was held back on the way only widens its interval.
Every `at` is monotonic seconds.
"""

from __future__ import annotations

from gateway.machine.values import Settings
from kannuki.messages import TimeRequest
from protocol.timebound import TimeBound


class TimeDesk:
    """Kept in RAM: after a restart each lock is brought an answer at its next visit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._taken_at: dict[str, float] = {}
        self._refused_at: dict[str, float] = {}
        self._asked: dict[str, str] = {}  # lock -> id of the last request
        self._unanswered: set[str] = set()

    def wants(self, lock: str, time: TimeBound, at: float) -> bool:
        """Whether a lock that says this of the time should be brought an answer."""
        refused_at = self._refused_at.get(lock)
        if refused_at is not None and at - refused_at < self._settings.time_rests_s:
            return False
        taken_at = self._taken_at.get(lock)
        is_old = taken_at is None or at - taken_at > self._settings.time_every_s
        return is_old or time.doubt > self._settings.time_doubt_s

    def ask(self, lock: str, nonce: bytes) -> TimeRequest:
        """The request for a lock that said `nonce` in its challenge; it replaces an earlier one."""
        request = TimeRequest(id=f"time-{lock}-{nonce.hex()}", lock=lock, nonce=nonce)
        self._asked[lock] = request.id
        return request

    def patience_s(self, lock: str) -> float:
        """How long a visit may wait for the answer once it has nothing else to do.

        A town that let one visit to this lock wait in vain gets no such time again before it has
        answered, late or not: a building's few links are not spent on a service that is down.
        """
        return 0.0 if lock in self._unanswered else self._settings.time_answer_within_s

    def missed(self, lock: str) -> None:
        """A visit waited in vain."""
        self._unanswered.add(lock)

    def answered(self, request_id: str) -> str | None:
        """An answer came; the lock whose last request has this id."""
        lock = self._lock_asking(request_id)
        if lock is not None:
            self._unanswered.discard(lock)
        return lock

    def judged(self, lock: str, taken: bool, at: float) -> None:
        """The lock has looked at an answer."""
        if taken:
            self._taken_at[lock] = at
            self._refused_at.pop(lock, None)
        else:
            self._refused_at[lock] = at

    def forget(self, lock: str) -> None:
        """The lock is no longer ours."""
        self._unanswered.discard(lock)
        for known in (self._taken_at, self._refused_at, self._asked):
            known.pop(lock, None)

    def _lock_asking(self, request_id: str) -> str | None:
        return next((lock for lock, asked in self._asked.items() if asked == request_id), None)
