"""Merges what the world, the town's service, the phones and the supervisor say into one picture.

Decides what the page is given: only known fields, of the right type, within bounds; a row that
makes no sense is left out. What really is (`door`) and what the service knows (`known`) stay apart:
they may differ. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MAX_ROWS = 200
MAX_TEXT = 200
MAX_HAPPENINGS = 40
CHAIN_ALARMS = "AUDIT_"  # kinds of the alarms that say that a lock's journal does not fit


def text(value: Any, default: str = "") -> str:
    """`value` if it is a text, cut to a bound."""
    return value[:MAX_TEXT] if isinstance(value, str) else default


def number(value: Any) -> float | None:
    """`value` if it is a number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1 << 53 else None


def flag(value: Any) -> bool | None:
    """`value` if it is true or false."""
    return value if isinstance(value, bool) else None


def rows(body: Any, *names: str) -> list[dict[str, Any]]:
    """The objects of a list, or of the list under one of `names` in an object."""
    if isinstance(body, dict):
        body = next((body[name] for name in names if isinstance(body.get(name), list)), [])
    listed = body if isinstance(body, list) else []
    return [each for each in listed if isinstance(each, dict)][:MAX_ROWS]


def _physical(door: Any) -> dict[str, Any] | None:
    if not isinstance(door, dict) or number(door.get("bolt")) is None:
        return None
    outputs = door.get("outputs")
    return {
        "bolt": min(1.0, max(0.0, door["bolt"])),
        "leaf": "open" if door.get("leaf") == "open" else "closed",
        "moving": door.get("moving") is True,
        "jammed": door.get("jammed") is True,
        "tamper": door.get("tamper") is True,
        "lamp": isinstance(outputs, dict) and outputs.get("27") == 1,
        "chip": door.get("chip") is True,
        "boots": number(door.get("boots")) or 0,
    }


def _known(lock: Any) -> dict[str, Any] | None:
    if not isinstance(lock, dict):
        return None
    return {
        "reachable": flag(lock.get("reachable")),
        "bolt": text(lock.get("bolt"), "unknown"),
        "door": text(lock.get("door"), "unknown"),
        "seen_at": number(lock.get("seen_at")),
        "status_version": number(lock.get("status_version")),
    }


def _room(row: dict[str, Any], doors: dict[str, Any]) -> dict[str, Any]:
    lock_id = text(row.get("lock_id")) or None
    return {
        "room_id": text(row.get("room_id")),
        "name": text(row.get("name")),
        "lock_id": lock_id,
        "door": _physical(doors.get(lock_id)),
        "known": _known(row.get("lock")),
    }


def rooms(cloud_rooms: Any, world: Any) -> list[dict[str, Any]]:
    """Rooms as the service lists them; doors that it does not know come last, without a room."""
    doors = world.get("doors") if isinstance(world, dict) else None
    doors = doors if isinstance(doors, dict) else {}
    listed = [_room(row, doors) for row in rows(cloud_rooms, "rooms") if text(row.get("room_id"))]
    named = {each["lock_id"] for each in listed}
    strays = [_room({"lock_id": name}, doors) for name in sorted(doors) if name not in named]
    return listed + [each for each in strays if each["door"]][:MAX_ROWS]


def happenings(world: Any) -> list[dict[str, Any]]:
    """The last physical events, newest first."""
    log = rows(world.get("log") if isinstance(world, dict) else None)
    newest = [
        {
            "seq": each.get("seq"),
            "at": number(each.get("at")),
            "door": text(each.get("door")),
            "event": text(each.get("event")),
        }
        for each in reversed(log)
        if not text(each.get("event")).startswith("signal_")
    ]
    return newest[:MAX_HAPPENINGS]


def gateways(town: Any) -> list[dict[str, Any]]:
    """[{id, online, heard_at, waiting_events}]."""
    return [
        {
            "id": text(each.get("gateway_id")) or text(each.get("id")) or text(each.get("name")),
            "online": each.get("online") is True,
            "heard_at": number(each.get("heard_at")),
            "waiting_events": number(each.get("waiting_events")) or 0,
        }
        for each in rows(town, "gateways")
    ]


def bookings(body: Any) -> list[dict[str, Any]]:
    """Staff's list of bookings, earliest first."""
    listed = [
        {
            "booking_id": text(each.get("booking_id")),
            "room_id": text(each.get("room_id")),
            "starts_at": number(each.get("starts_at")),
            "ends_at": number(each.get("ends_at")),
            "holder_name": text(each.get("holder_name")),
            "status": text(each.get("status"), "confirmed"),
        }
        for each in rows(body, "bookings")
        if text(each.get("booking_id")) and number(each.get("starts_at")) is not None
    ]
    return sorted(listed, key=lambda each: (each["starts_at"], each["booking_id"]))


def record(body: Any, alarms: Any) -> list[dict[str, Any]]:
    """The audit records that came home, newest first.

    The service takes only records that continue their lock's chain and raises an alarm about the
    rest: a chain counts as whole without such an alarm, as unknown when alarms cannot be read.
    """
    is_known = isinstance(alarms, list)
    broken = {
        text(each.get("device"))
        for each in rows(alarms)
        if text(each.get("kind")).startswith(CHAIN_ALARMS)
    }
    listed = [_record_row(each, broken, is_known) for each in rows(body)]
    return sorted(listed, key=lambda each: each["order"], reverse=True)


def _record_row(row: dict[str, Any], broken: set[str], is_known: bool) -> dict[str, Any]:
    times = [number(row.get(name)) for name in ("time_lo", "received_at")]
    at = next((each for each in times if each is not None), None)
    who, lock_id = row.get("who"), text(row.get("lock_id"))
    return {
        "at": at,
        "order": [at or 0, number(row.get("journal_epoch")) or 0, number(row.get("seq")) or 0],
        "lock_id": lock_id,
        **{name: text(row.get(name)) for name in ("event", "result", "reason", "path")},
        "holder_name": text(who.get("holder_name")) if isinstance(who, dict) else "",
        "chain_ok": lock_id not in broken if is_known else None,
    }


def phones(body: Any) -> list[dict[str, Any]]:
    """[{name, keys: [{id, lock_id, room, starts_at, ends_at}]}]."""
    return [
        {"name": text(each.get("name")), "keys": [_key(key) for key in rows(each, "keys")]}
        for each in rows(body, "phones")
        if text(each.get("name"))
    ]


def _key(key: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: number(key.get(name)) for name in ("starts_at", "ends_at")}
    return {name: text(key.get(name)) for name in ("id", "lock_id", "room")} | numbers


def town_now(world: Any, town: Any) -> float | None:
    """The town's time: the world's, else the service's."""
    clock = world.get("clock") if isinstance(world, dict) else None
    by_world = number(clock.get("unix_s")) if isinstance(clock, dict) else None
    by_cloud = number(town.get("now")) if isinstance(town, dict) else None
    return by_world if by_world is not None else by_cloud


def is_restless(world: Any) -> bool:
    """Whether a bolt is on its way, so that looking again soon is worth it."""
    doors = world.get("doors") if isinstance(world, dict) else None
    listed: Iterable[Any] = doors.values() if isinstance(doors, dict) else ()
    return any(isinstance(door, dict) and door.get("moving") is True for door in listed)
