"""What one visit knows of its lock, and what becomes of a lock's refusals.

Decides which refusals of a document are for good. Does not talk to the lock.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from gateway.machine.lockstate import Reported
from gateway.machine.ports import What
from gateway.machine.steps import Carried, Learnt, NotCarried, Remark, Step
from protocol import reasons, timebound
from protocol.session import Challenge
from protocol.timebound import TimeBound

# The lock may take the same document at a later visit.
NOT_NOW = (
    reasons.BUSY,
    reasons.NO_SESSION,
    reasons.NOT_YET_VALID,
    reasons.EXPIRED,
    reasons.TIME_UNKNOWN,
    reasons.STORAGE,
    reasons.OTHER_BASE,
    reasons.FULL,
)

Request = tuple[int, Any]  # operation, argument


class Chore(Protocol):
    """One thing to do at a lock, a request at a time."""

    def next(self) -> Request | None:
        """What to ask next; None when there is nothing left. May raise ports.StorageError."""

    def reply(self, reason: int, value: Any) -> list[Step]:
        """What follows from the lock's reply. Raises Broken; may raise ports.StorageError."""


class View:
    """Grows with the visit. `reported` is None where the lock lets us bring documents only.

    `time`: what the lock last said of the time.
    """

    def __init__(self, lock: str) -> None:
        self.lock = lock
        self.wall = 0.0
        self.reported: Reported | None = None
        self._versions: dict[What, int] = {}
        self.time = timebound.unknown()

    def of_challenge(self, challenge: Challenge) -> None:
        """Until the state is known: what the lock said to anyone."""
        keyset, status, config = challenge.versions
        self._versions = {"keyset": keyset, "status": status, "config": config}
        self.time = challenge.time

    def of_state(self, reported: Reported) -> list[Step]:
        """The state is known."""
        self.reported = reported
        self.time = reported.time
        self._versions = {
            "keyset": reported.keyset_version,
            "config": reported.config_version,
            "status": reported.status_version,
            "ack": reported.acked_seq,
        }
        held: list[Step] = [Carried(what, version) for what, version in self._versions.items()]
        return [*self._learnt(), *held]

    def version(self, what: What) -> int:
        """The version that the lock holds."""
        return self._versions[what]

    def holds(self, what: What, version: int) -> list[Step]:
        """The lock says, under its MAC, that it holds this version now."""
        self._versions[what] = version
        if self.reported is not None:
            name = "acked_seq" if what == "ack" else f"{what}_version"
            change: dict[str, Any] = {name: version}
            self.reported = dataclasses.replace(self.reported, **change)
        return [*self._learnt(), Carried(what, version)]

    def keeps_time(self, time: TimeBound) -> list[Step]:
        """The lock's interval is this now."""
        self.time = time
        if self.reported is not None:
            self.reported = dataclasses.replace(self.reported, time=time)
        return self._learnt()

    def refuses(self, what: What, reason: int) -> list[Step]:
        """The lock would not have a document of this kind."""
        if self.reported is None or reason in NOT_NOW:
            return [Remark(f"{what} not taken now: {reasons.name(reason)}")]
        return [NotCarried(what, reasons.NAMES.get(reason, "REFUSED"))]

    def _learnt(self) -> list[Step]:
        if self.reported is None:
            return []
        return [Learnt(self.reported.published(max(0, int(self.wall))))]
