"""What a lock says of itself in answer to REQUEST_STATE, checked.

Decides whether the map has the form of docs/spec/wire.md and gives it names. A lock of ours made
it, but a lock can be old or broken: anything unexpected is a StateError, never a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kannuki.messages import LockState
from protocol import lockstate

Bolt = Literal["locked", "unlocked", "moving", "jammed", "unknown"]
Door = Literal["open", "closed", "unknown"]

BOLTS: dict[int, Bolt] = {
    lockstate.BOLT_UNKNOWN: "unknown",
    lockstate.BOLT_LOCKED: "locked",
    lockstate.BOLT_UNLOCKED: "unlocked",
    lockstate.BOLT_MOVING: "moving",
    lockstate.BOLT_JAMMED: "jammed",
}
DOORS: dict[int, Door] = {
    lockstate.LEAF_OPEN: "open",
    lockstate.LEAF_CLOSED: "closed",
    lockstate.LEAF_UNKNOWN: "unknown",
}
LARGEST = 1 << 40  # of any number in it: times, versions, sequence numbers


class StateError(ValueError):
    """The reply is not a state."""


@dataclass(frozen=True)
class Reported:
    """A lock's own words; journal positions are for the gateway, the rest is published."""

    bolt: Bolt
    door: Door
    status_version: int
    head_seq: int
    time_lo: int | None
    time_hi: int | None
    oldest_seq: int
    journal_epoch: int

    def published(self, seen_at: int, status_version: int) -> LockState:
        """The retained state; status_version may have grown since."""
        return LockState(
            reachable=True,
            seen_at=seen_at,
            bolt=self.bolt,
            door=self.door,
            status_version=status_version,
            head_seq=self.head_seq,
            time_lo=self.time_lo,
            time_hi=self.time_hi,
        )


def read(value: Any) -> Reported:
    """The state in a reply's value. Keys newer than this program are left alone."""
    if not isinstance(value, dict):
        raise StateError("the state is not a map")
    bolt = BOLTS.get(_number(value, lockstate.STATE_BOLT), "unknown")
    door = DOORS.get(_number(value, lockstate.STATE_DOOR), "unknown")
    return Reported(
        bolt,
        door,
        _number(value, lockstate.STATE_STATUS_VERSION),
        _number(value, lockstate.STATE_HEAD_SEQ),
        _time(value, lockstate.STATE_TIME_LO),
        _time(value, lockstate.STATE_TIME_HI),
        _number(value, lockstate.STATE_OLDEST_SEQ),
        _number(value, lockstate.STATE_JOURNAL_EPOCH),
    )


def _number(value: dict[Any, Any], key: int) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < LARGEST:
        raise StateError(f"state member {key} is missing or out of bounds")
    return number


def _time(value: dict[Any, Any], key: int) -> int | None:
    return None if value.get(key) is None else _number(value, key)
