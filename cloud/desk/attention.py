"""What somebody at the desk should look at first, out of all that is known of this day.

Decides which facts are worth a line and their order: what may keep a person out of a room or let
one in, before what can wait. A line says what is the matter and where, never what to think of a
person. Pure; reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

BAD, WARN, WAIT = 3, 2, 1
SOON_S = 2 * 3600
UNPAID_SOON_S = 24 * 3600
Kind = Literal["alarm", "untold", "silent", "clock", "no_key", "unpaid", "approval"]
_SEVERITY: dict[Kind, int] = {
    "alarm": BAD,
    "untold": BAD,
    "silent": WARN,
    "clock": WARN,
    "no_key": WARN,
    "unpaid": WAIT,
    "approval": WAIT,
}
MAX_LINES = 30


@dataclass(frozen=True)
class Use:
    """A booking as this module looks at it. key: none, waiting, issued or collected."""

    booking_id: str
    room_id: str
    room: str
    name: str
    starts_at: int
    ends_at: int
    status: str
    payment_state: str
    keyed: bool
    key: str


@dataclass(frozen=True)
class Door:
    """A door with a lock; `clock_sure` None: it has not told."""

    room_id: str
    room: str
    lock_id: str
    contact: str
    last_contact: int | None
    clock_sure: bool | None


@dataclass(frozen=True)
class Untold:
    """A key that was withdrawn and still opens its door, because the lock has not been told."""

    booking_id: str | None
    room: str
    revoked_at: int
    last_contact: int | None


@dataclass(frozen=True)
class OpenAlarm:
    """An alarm that nobody has seen to."""

    alarm_id: str
    kind: str
    room: str | None
    last_at: int


def attention(
    uses: Iterable[Use],
    doors: Iterable[Door],
    untold: Iterable[Untold],
    alarms: Iterable[OpenAlarm],
    now: int,
) -> list[dict[str, Any]]:
    """Lines in order, MAX_LINES at most: the worst first, then the earliest."""
    uses = list(uses)
    soon = _next_use_by_room(uses, now)
    found = [_line("alarm", a.last_at, room=a.room, alarm=a.kind) for a in alarms]
    found += [_untold(each) for each in untold]
    for door in doors:
        found += _door_lines(door, soon.get(door.room_id))
    for use in uses:
        found += _use_lines(use, now)
    found.sort(key=lambda line: (-line["severity"], line["at"] or 0, line["kind"]))
    return found[:MAX_LINES]


def _next_use_by_room(uses: Iterable[Use], now: int) -> dict[str, Use]:
    """The use of each room that goes on or begins soon; the first of them."""
    soon: dict[str, Use] = {}
    for use in sorted(uses, key=lambda each: each.starts_at):
        if use.keyed and use.ends_at > now and use.starts_at < now + SOON_S:
            soon.setdefault(use.room_id, use)
    return soon


def _door_lines(door: Door, use: Use | None) -> list[dict[str, Any]]:
    """A silent lock still opens by itself: worth a line only where somebody comes."""
    if use is None:
        return []
    told = {"room": door.room, "booking_id": use.booking_id}
    if door.contact in ("earlier", "never"):
        return [_line("silent", use.starts_at, last_contact=door.last_contact, **told)]
    if door.clock_sure is False:
        return [_line("clock", use.starts_at, **told)]
    return []


def _use_lines(use: Use, now: int) -> list[dict[str, Any]]:
    if use.ends_at <= now:
        return []
    told = {"room": use.room, "name": use.name, "booking_id": use.booking_id}
    if use.status == "pending":
        return [_line("approval", use.starts_at, starts_at=use.starts_at, **told)]
    soon = use.starts_at < now + UNPAID_SOON_S
    if use.status == "confirmed" and not use.keyed and soon:
        return [_line("unpaid", use.starts_at, starts_at=use.starts_at, **told)]
    if use.keyed and use.key in ("none", "waiting") and use.starts_at < now + SOON_S:
        return [_line("no_key", use.starts_at, starts_at=use.starts_at, **told)]
    return []


def _untold(each: Untold) -> dict[str, Any]:
    return _line(
        "untold",
        each.revoked_at,
        room=each.room,
        booking_id=each.booking_id,
        revoked_at=each.revoked_at,
        last_contact=each.last_contact,
    )


def _line(kind: Kind, at: int | None, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "severity": _SEVERITY[kind], "at": at, **more}
