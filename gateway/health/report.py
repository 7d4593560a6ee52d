"""All that is known of a gateway at an instant: its machine, its computer, its papers. Values only.

Decides what may be known outside: ids of locks, numbers and states of the radio; never a key, a
token, who opened a door or whether a room is in use.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.health.host import ClockSync, Room
from gateway.machine import Survey
from kannuki.messages import LockState


@dataclass(frozen=True)
class Report:
    """`wall`: Unix seconds of the town's clock when this was so.

    outbox_head_s: how long the same event has been the oldest in the outbox.
    credential_ends: by lock id, when the housekeeping token ends.
    certificate_ends: when the broker certificates end, by what they are (own, ca).
    """

    wall: float
    town: str
    gateway_id: str
    version: str
    started_at: float
    survey: Survey
    outbox_head_s: float
    clock: ClockSync | None
    room: Room | None
    credential_ends: dict[str, float]
    certificate_ends: dict[str, float]


def doubt_s(state: LockState) -> float:
    """How unsure a lock is of the time."""
    return float("inf") if state.time_hi is None else float(state.time_hi - state.time_lo)


def clock_ahead_s(state: LockState) -> float:
    """How far this computer's clock was ahead of the time that a lock holds for certain.

    The lock's interval is signed by the town, so this needs no time server. 0: inside it.
    """
    if state.seen_at < state.time_lo:
        return float(state.seen_at - state.time_lo)
    if state.time_hi is not None and state.seen_at > state.time_hi:
        return float(state.seen_at - state.time_hi)
    return 0.0


class OutboxHead:
    """How long the same event has been the oldest: grows while the town takes nothing.

    Events carry no readable time (records are sealed), so this is what can be known; it begins
    anew with the program.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._since_at = 0.0

    def age_s(self, number: int | None, at: float) -> float:
        """`number` as the survey says it now; `at`: monotonic seconds."""
        if number is None:
            self._number = None
            return 0.0
        if number != self._number:
            self._number, self._since_at = number, at
        return at - self._since_at
