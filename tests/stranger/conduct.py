"""What a lock makes of signed time and of status lists: section 7 of wire.md."""

from __future__ import annotations

from tests.stranger.cbor import Refused
from tests.stranger.documents import Header, split, whole
from tests.stranger.wire import FOREVER

OK, MALFORMED, WRONG_LOCK = 0, 1, 3
HOUR_S = 3600
Bound = tuple[int, int | None]


def answered(known: Bound, t: int, error_s: int, under_way_s: int) -> tuple[bool, bool, Bound]:
    """(taken, alarm, what is known then) of an answer that is `under_way_s` old, rounded up."""
    lo, hi = known[0], FOREVER if known[1] is None else known[1]
    first, last = t - error_s, t + error_s + under_way_s
    if first > hi + HOUR_S or last + HOUR_S < lo:
        return False, True, known
    if first > hi:
        return True, True, (first, last)
    if last < lo:
        return True, True, (lo, lo)
    return True, False, (max(lo, first), min(hi, last))


def carried(known: Bound, issued_at: int) -> Bound:
    lo, hi = known
    return max(lo, issued_at if hi is None else min(issued_at, hi)), hi


def offered(
    held: Header, entries: bytes, brought: Header, piece: bytes, lo: int, kids: set[bytes]
) -> tuple[int, bool]:
    """(reason, whether it is in force) of a whole list; `lo` is raised by its issued_at already."""
    if brought.lock != held.lock:
        return WRONG_LOCK, False
    if brought.version <= held.version:
        return OK, False
    if brought.kept_from_hour * HOUR_S > lo or not _keeps_rows(held, brought, kids):
        return MALFORMED, False
    try:
        if len(split(piece)) < brought.count:
            return OK, False  # a part; more is wanted
        good = whole(brought, piece)
    except Refused:
        return MALFORMED, False
    given_back = _gives_back(entries, piece, lo, brought.kept_from_hour)
    return (OK, True) if good and not given_back else (MALFORMED, False)


def _keeps_rows(held: Header, brought: Header, kids: set[bytes]) -> bool:
    def covered(key: bytes, audience: str | None, iat: int) -> bool:
        rows = brought.rows
        return any(k == key and a in (None, audience) and least >= iat for k, a, least in rows)

    return all(covered(*row) for row in held.rows if row[0] in kids)


def _gives_back(entries: bytes, piece: bytes, lo: int, kept_from_hour: int) -> bool:
    """Whether an entry is missing that is not before the first hour kept."""
    first = lo // HOUR_S - (1 << 14)
    missing = set(split(entries)) - set(split(piece))
    ends = (int.from_bytes(entry[6:], "big") for entry in missing)
    return any(first + (hour - first) % (1 << 16) >= kept_from_hour for hour in ends)
