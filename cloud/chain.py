"""Judges a journal as it came home: its records, and the heads that anyone saw. Pure.

Decides what does not fit: a record edited, missing, out of order or twice; a tail cut off behind a
head that was seen; an old image put back. Needs no key and no database, so that an auditor can run
it on an export. What it cannot see: a lock that lied from the start, and a tail cut off that nobody
has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from protocol import audit
from protocol.audit import AuditError, Record

MALFORMED = "MALFORMED"  # bytes that are no record
REORDERED = "REORDERED"  # the records do not come by their numbers
FORK = "FORK"  # two histories: one number, two records
EDITED = "EDITED"  # a record is not the one that its successor names
DELETED = "DELETED"  # numbers are missing, and the lock did not say that it dropped them
DROPPED = "DROPPED"  # numbers are missing, and the lock says that it was full
CUT_TAIL = "CUT_TAIL"  # a head was seen beyond the last record
OLD_IMAGE = "OLD_IMAGE"  # the lock stood further before than it does now


@dataclass(frozen=True)
class Sighting:
    """A head as somebody saw it. `order`: when, in any unit that grows."""

    seq: int
    record_hash: bytes
    order: int = 0


@dataclass(frozen=True)
class Finding:
    """`seq`: the first number that it is about."""

    kind: str
    seq: int


def judge(
    lock_id: str, journal_epoch: int, raw_records: Sequence[bytes], seen: Sequence[Sighting] = ()
) -> list[Finding]:
    """What is wrong with one journal of one lock; nothing for a whole one.

    raw_records: all that came home, in the order in which they are said to have happened.
    """
    found: list[Finding] = []
    records = _decoded(raw_records, found)
    by_seq = _by_number(records, found)
    numbers = sorted(by_seq)
    if numbers:
        _check_first(lock_id, journal_epoch, by_seq[numbers[0]][1], found)
    ranges = _dropped([record for _, record in by_seq.values()])
    start = [(0, numbers[0])] if numbers and numbers[0] > 1 else []
    for low, high in [*start, *pairwise(numbers)]:
        _check_step(by_seq, ranges, low, high, found)
    _check_sightings(by_seq, seen, found)
    return found


def covers(ranges: Sequence[tuple[int, int]], first: int, end: int) -> bool:
    """Whether every number in [first, end) lies in one of the ranges [low, high)."""
    for low, high in sorted(ranges):
        if low > first:
            break
        first = max(first, high)
    return first >= end


def _decoded(raw_records: Sequence[bytes], found: list[Finding]) -> list[tuple[bytes, Record]]:
    records = []
    for place, raw in enumerate(raw_records):
        try:
            records.append((raw, audit.decode_record(raw)))
        except AuditError:
            found.append(Finding(MALFORMED, place))
    return records


def _by_number(
    records: Sequence[tuple[bytes, Record]], found: list[Finding]
) -> dict[int, tuple[bytes, Record]]:
    by_seq: dict[int, tuple[bytes, Record]] = {}
    newest = 0
    for raw, record in records:
        if record.seq in by_seq:
            if by_seq[record.seq][0] != raw:
                found.append(Finding(FORK, record.seq))
            continue
        if record.seq < newest:
            found.append(Finding(REORDERED, record.seq))
        by_seq[record.seq] = (raw, record)
        newest = max(newest, record.seq)
    return by_seq


def _check_first(lock_id: str, journal_epoch: int, first: Record, found: list[Finding]) -> None:
    if first.seq == 1 and first.previous != audit.genesis(lock_id, journal_epoch):
        found.append(Finding(EDITED, 1))


def _check_step(
    by_seq: dict[int, tuple[bytes, Record]],
    ranges: list[tuple[int, int]],
    low: int,
    high: int,
    found: list[Finding],
) -> None:
    """From one number that is here to the next."""
    if high != low + 1:
        told = covers(ranges, low + 1, high)
        found.append(Finding(DROPPED if told else DELETED, low + 1))
    elif audit.record_hash(by_seq[low][0]) != by_seq[high][1].previous:
        found.append(Finding(EDITED, low))


def _dropped(records: Sequence[Record]) -> list[tuple[int, int]]:
    return [(r.value - r.code, r.value) for r in records if r.event == audit.GAP and r.value]


def _check_sightings(
    by_seq: dict[int, tuple[bytes, Record]], seen: Sequence[Sighting], found: list[Finding]
) -> None:
    last = max(by_seq, default=0)
    in_order = sorted(seen, key=lambda head: head.order)
    for earlier, later in pairwise(in_order):
        if later.seq < earlier.seq:
            found.append(Finding(OLD_IMAGE, later.seq + 1))
    named: dict[int, bytes] = {}
    for head in in_order:
        known = named.setdefault(head.seq, head.record_hash)
        stored = by_seq.get(head.seq)
        if known != head.record_hash:
            found.append(Finding(FORK, head.seq))
        elif stored is not None and audit.record_hash(stored[0]) != head.record_hash:
            found.append(Finding(FORK, head.seq))
    beyond = [head.seq for head in in_order if head.seq > last]
    if beyond:
        found.append(Finding(CUT_TAIL, last + 1))
