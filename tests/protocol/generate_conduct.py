"""Vectors of what a lock makes of signed time and of status lists, by what it knows already.

Called by generate_vectors.py; the verdicts are those of the lock's core.
"""

from __future__ import annotations

from typing import Any

from firmware.core.statusstore import StatusStore
from firmware.core.timekeeper import TimeKeeper
from protocol import cose, reasons, statuslist
from protocol.signedtime import SignedTime
from protocol.timebound import TimeBound, to_wire
from simulator.virtual.storage import MemoryStorage
from tests.protocol import generate_town as town
from tests.protocol.generate_records import name_of
from tests.protocol.generate_town import LOCK_NONCE, kid, sign
from tests.protocol.support import GROUP, LOCK, NOON, OTHER_LOCK

_HOUR = NOON // 3600 + 1


def conduct_vectors() -> dict[str, Any]:
    return {
        "answers": [answer_row(*case) for case in answer_cases()],
        "carried": [carried_row(*case) for case in carried_cases()],
        "offers": {
            "lock_id": LOCK,
            "kids": [each.hex() for each in town.make_keyset().keys],
            "rows": [offer_row(*case) for case in offer_cases()],
        },
    }


# --- time ---


class _NoRtc:
    """A real-time clock that has stopped."""

    def read(self) -> None:
        return None

    def set(self, unix_s: int) -> None:
        return None


def keeper(lo: int, hi: int | None) -> TimeKeeper:
    """One that knows [lo, hi]; its clock stands still."""
    made = TimeKeeper(lambda: 0, _NoRtc(), lo, None)
    if hi is not None:
        middle, rest = divmod(lo + hi, 2)
        made.take(SignedTime(LOCK, LOCK_NONCE, middle, hi - middle), 0)
        made.raise_lo(lo + rest)
    return made


def answer_cases() -> list[tuple]:
    """(why, lo, hi, t, error_s, milliseconds since the nonce was given out)."""
    known, never = (NOON - 10, NOON + 10), (NOON, None)
    year = 365 * 86400
    return [
        ("narrower", *known, NOON, 2, 0),
        ("wider", *known, NOON, 60, 0),
        ("later, they overlap", *known, NOON + 11, 3, 0),
        ("earlier, they overlap", *known, NOON - 11, 3, 0),
        ("later, one second in common", *known, NOON + 12, 2, 0),
        ("earlier, one second in common", *known, NOON - 12, 2, 0),
        ("later by a second", *known, NOON + 13, 2, 0),
        ("later by an hour", *known, NOON + 3612, 2, 0),
        ("later by more", *known, NOON + 3613, 2, 0),
        ("earlier by a second", *known, NOON - 13, 2, 0),
        ("earlier by an hour", *known, NOON - 3612, 2, 0),
        ("earlier by more", *known, NOON - 3613, 2, 0),
        ("ten seconds under way", *never, NOON + 5, 1, 10_000),
        ("late enough to overlap", *known, NOON - 15, 2, 10_000),
        ("a clock that was never set", 0, None, NOON, 2, 0),
        ("a year after the floor", *never, NOON + year, 2, 0),
        ("before the floor by an hour", *never, NOON - 3602, 2, 0),
        ("before the floor by more", *never, NOON - 3603, 2, 0),
    ]


def answer_row(why: str, lo: int, hi: int | None, t: int, error_s: int, under_way: int) -> dict:
    clock = keeper(lo, hi)
    row = {"why": why, "known": to_wire(clock.now()), "t": t, "error_s": error_s}
    taken = clock.take(SignedTime(LOCK, LOCK_NONCE, t, error_s), -under_way)
    told = {"taken": taken, "alarm": clock.alarm_due(), "now": to_wire(clock.now())}
    return {**row, "under_way_ms": under_way, **told}


def carried_cases() -> list[tuple]:
    known = TimeBound(NOON - 10, NOON + 10)
    return [
        ("issued before", known, NOON - 11),
        ("issued within", known, NOON + 3),
        ("issued at the latest", known, NOON + 10),
        ("issued in the future", known, NOON + 11),
        ("to a clock that was never set", TimeBound(0), NOON),
    ]


def carried_row(why: str, known: TimeBound, issued_at: int) -> dict[str, Any]:
    lo, hi = to_wire(known)
    clock = keeper(lo, hi)
    clock.raise_lo(issued_at)
    now = to_wire(clock.now())
    return {"why": why, "known": [lo, hi], "issued_at": issued_at, "now": now}


# --- status list ---


def offer_cases() -> list[tuple]:
    """(why, entries brought, rows of min_iat brought, what is different about the header)."""
    booking, old, unknown = kid("booking"), (kid("staff"), GROUP, NOON), kid("stranger")
    rows = [(booking, None, NOON), old, (unknown, None, NOON)]
    past, now, later = held = [(name_of(1), -2), (name_of(5), 0), (name_of(9), 30)]
    raised = [(booking, None, NOON + 1), old, rows[2]]
    lowered = [(booking, None, NOON - 1), old, rows[2]]
    return [
        ("one entry more", [*held, (name_of(7), 4)], rows, {}),
        ("nothing new", held, rows, {}),
        ("the version held", held, rows, {"version": 4}),
        ("an older version", [], [], {"version": 3}),
        ("another lock's", held, rows, {"lock_id": OTHER_LOCK}),
        ("an entry in force is missing", [past, now], rows, {}),
        ("one that ends this hour is missing", [past, later], rows, {"kept": 0}),
        ("one that ended long ago is missing", [now, later], rows, {"kept": 0, "more": -(1 << 14)}),
        ("one that ends in years is missing", [now, later], rows, {"kept": 0, "more": ~(1 << 14)}),
        ("the first is missing", [now, later], rows, {}),
        ("a past one is missing, rightly", [now, later], rows, {"kept": -1}),
        ("kept from this very hour", [now, later], rows, {"kept": 0}),
        ("kept from the next hour", [later], rows, {"kept": 1}),
        ("a past one is there all the same", held, rows, {"kept": 0}),
        ("nothing at all", [], [], {}),
        ("a row is missing", held, rows[1:], {}),
        ("the row of a key that is gone is missing", held, rows[:2], {}),
        ("a row says later", held, raised, {}),
        ("a row says earlier", held, lowered, {}),
        ("a row for a group became one for all", held, [rows[0], (old[0], None, NOON)], {}),
        ("a row for all became one for a lock", held, [(booking, LOCK, NOON), old], {}),
        ("not the entries of the digest", held, rows, {"flip": 1}),
        ("fewer entries than counted", held, rows, {"cut": 8}),
        ("more entries than counted", held, rows, {"count": 2}),
        ("half an entry at the end", held, rows, {"cut": 4}),
    ]


def offer_row(why: str, entries: list, rows: list, changed: dict[str, Any]) -> dict[str, Any]:
    """A lock that holds version 4 and whose clock says _HOUR is brought version 5."""
    _, _, held_rows, _ = offer_cases()[0]
    names = [(name_of(1), -2), (name_of(5), 0), (name_of(9), 30)]
    if "more" in changed:
        names.append((name_of(2), changed["more"]))
    held = make_list(4, names, held_rows)
    lock_id = changed.get("lock_id", LOCK)
    brought = make_list(changed.get("version", 5), entries, rows, changed.get("kept"), lock_id)
    brought[0].count = changed.get("count", brought[0].count)
    piece = bytearray(brought[1])
    if "flip" in changed:
        piece[5] ^= changed["flip"]
    raw = bytes(piece[: len(piece) - changed.get("cut", 0)])
    reason, version = offered(held, (brought[0], raw))
    return {
        "why": why,
        "lo": _HOUR * 3600,
        "held": statuslist.encode(held[0]).hex(),
        "held_entries": held[1].hex(),
        "brought": statuslist.encode(brought[0]).hex(),
        "brought_entries": raw.hex(),
        "reason": reason,
        "held_then": version,
    }


def make_list(
    version: int, entries: list, rows: list, kept: int | None = None, lock_id: str = LOCK
) -> tuple:
    """(header, entries) of names with the hour of their end, counted from the lock's."""
    raw = b"".join(sorted(statuslist.entry(n, (_HOUR + hour) * 3600) for n, hour in entries))
    first, digest = 0 if kept is None else _HOUR + kept, statuslist.sha256(raw)
    header = statuslist.StatusHeader(lock_id, version, NOON, first, rows, len(entries), digest)
    return header, raw


def offered(held: tuple, brought: tuple) -> tuple[int, int]:
    """(reason, version in force then), as firmware/core/adoption.py has it."""
    store, lo = StatusStore(MemoryStorage(), LOCK), _HOUR * 3600
    for header, raw in (held, brought):
        newer = header.version > store.current.version
        keys = town.make_keyset().keys
        if newer and not header.keeps(store.current.header, keys):
            return reasons.MALFORMED, store.current.version
        document = sign("status", statuslist.encode(header), statuslist.CONTEXT)
        reason, _ = store.take_part(document, 0, raw, lo, _trusted)
    return reason, store.current.version


def _trusted(signed: cose.Signed) -> bool:
    return signed.kid == kid("status")
