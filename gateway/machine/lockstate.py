"""What a lock says of itself in answer to REQUEST_STATE, checked.

Decides whether the map has the form of docs/spec/wire.md and gives it names. A lock of ours made
it, but a lock can be old or broken: anything unexpected is a StateError, never a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kannuki.messages import LockState

Bolt = Literal["locked", "unlocked", "moving", "jammed", "unknown"]
Door = Literal["open", "closed", "unknown"]

BOLTS: dict[int, Bolt] = {0: "unknown", 1: "locked", 2: "unlocked", 3: "moving", 4: "jammed"}
DOORS: dict[int, Door] = {0: "open", 1: "closed", 2: "unknown"}
LARGEST = 1 << 40  # of any number in it: times, versions, sequence numbers

_BOLT, _DOOR, _STATUS_VERSION, _HEAD_SEQ, _TIME_LO, _TIME_HI, _OLDEST_SEQ, _EPOCH = range(1, 9)


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
    bolt = BOLTS.get(_number(value, _BOLT), "unknown")
    door = DOORS.get(_number(value, _DOOR), "unknown")
    return Reported(
        bolt,
        door,
        _number(value, _STATUS_VERSION),
        _number(value, _HEAD_SEQ),
        _time(value, _TIME_LO),
        _time(value, _TIME_HI),
        _number(value, _OLDEST_SEQ),
        _number(value, _EPOCH),
    )


def _number(value: dict[Any, Any], key: int) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < LARGEST:
        raise StateError(f"state member {key} is missing or out of bounds")
    return number


def _time(value: dict[Any, Any], key: int) -> int | None:
    return None if value.get(key) is None else _number(value, key)
