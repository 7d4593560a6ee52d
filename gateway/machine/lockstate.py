"""What a lock says of itself in answer to REQUEST_STATE, checked.

Decides whether the map has the form of docs/spec/wire.md and gives it names. A lock of ours made
it, but a lock can be old or broken: anything unexpected is a StateError, never a crash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from kannuki import messages
from kannuki.messages import LockState
from protocol import lockstate, timebound
from protocol.timebound import FOREVER, TimeBound

Bolt = Literal["locked", "unlocked", "moving", "jammed", "unknown"]
Door = Literal["open", "closed", "unknown"]
Keypad = Literal["ready", "waits", "disabled", "off", "unknown"]

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
KEYPADS: dict[int, Keypad] = {
    lockstate.KEYPAD_READY: "ready",
    lockstate.KEYPAD_WAITS: "waits",
    lockstate.KEYPAD_DISABLED: "disabled",
    lockstate.KEYPAD_OFF: "off",
}
FIRMWARE = re.compile(messages.FIRMWARE)
LARGEST = 1 << 40  # of any number in it: times, versions, sequence numbers


class StateError(ValueError):
    """The reply is not a state."""


@dataclass(frozen=True)
class Reported:
    """A lock's own words; journal positions are for the gateway, the rest is published."""

    bolt: Bolt
    door: Door
    time: TimeBound
    head_seq: int
    oldest_seq: int
    journal_epoch: int
    status_version: int
    keyset_version: int
    config_version: int
    acked_seq: int
    keypad: Keypad
    held_open: bool
    lost_records: int = 0
    battery: int | None = None  # per cent; None: it does not say, as one on mains
    firmware: str = ""  # "": one from before it said so

    def published(self, seen_at: int) -> LockState:
        """The retained state."""
        return LockState(
            reachable=True,
            seen_at=seen_at,
            bolt=self.bolt,
            door=self.door,
            status_version=self.status_version,
            keyset_version=self.keyset_version,
            config_version=self.config_version,
            head_seq=self.head_seq,
            acked_seq=self.acked_seq,
            time_lo=self.time.lo,
            time_hi=None if self.time.hi == FOREVER else self.time.hi,
            keypad=self.keypad,
            held_open=self.held_open,
            lost_records=self.lost_records,
            battery=self.battery,
            firmware=self.firmware,
        )


def read(value: Any) -> Reported:
    """The state in a reply's value. Keys newer than this program are left alone."""
    if not isinstance(value, dict):
        raise StateError("the state is not a map")
    held_open = value.get(lockstate.STATE_HELD_OPEN)
    if not isinstance(held_open, bool):
        raise StateError(f"state member {lockstate.STATE_HELD_OPEN} is missing or no truth value")
    return Reported(
        BOLTS.get(_number(value, lockstate.STATE_BOLT), "unknown"),
        DOORS.get(_number(value, lockstate.STATE_DOOR), "unknown"),
        _time(value),
        _number(value, lockstate.STATE_HEAD_SEQ),
        _number(value, lockstate.STATE_OLDEST_SEQ),
        _number(value, lockstate.STATE_JOURNAL_EPOCH),
        _number(value, lockstate.STATE_STATUS_VERSION),
        _number(value, lockstate.STATE_KEYSET_VERSION),
        _number(value, lockstate.STATE_CONFIG_VERSION),
        _number(value, lockstate.STATE_ACKED_SEQ),
        KEYPADS.get(_number(value, lockstate.STATE_KEYPAD), "unknown"),
        held_open,
        _number(value, lockstate.STATE_LOST_RECORDS, missing=0),
        _battery(value.get(lockstate.STATE_BATTERY)),
        _firmware(value.get(lockstate.STATE_FIRMWARE)),
    )


def is_number(value: Any) -> bool:
    """Whether a lock may say this as a version, a sequence number or an offset."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _battery(percent: Any) -> int | None:
    if percent is None:
        return None
    if not is_number(percent) or percent > 100:
        raise StateError("the battery has no per cent of 0 to 100")
    return int(percent)


def _firmware(version: Any) -> str:
    """Text of a lock goes to logs and pages: nothing in it but what a version is made of."""
    if version is None:
        return ""
    if not isinstance(version, str) or not FIRMWARE.fullmatch(version):
        raise StateError("the firmware's version is none")
    return version


def _number(value: dict[Any, Any], key: int, missing: int | None = None) -> int:
    number = value.get(key, missing)
    if not isinstance(number, int) or not is_number(number):
        raise StateError(f"state member {key} is missing or out of bounds")
    return number


def _time(value: dict[Any, Any]) -> TimeBound:
    bound = timebound.from_wire(
        value.get(lockstate.STATE_TIME_LO), value.get(lockstate.STATE_TIME_HI)
    )
    if bound is None:
        raise StateError("the time is no interval")
    return bound
