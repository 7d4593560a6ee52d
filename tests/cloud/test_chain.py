"""The auditor's judgement of a journal, attack by attack."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud import chain
from cloud.chain import Finding, Sighting
from protocol import audit
from tests.cloud.support import TestLock


@pytest.fixture
def lock() -> TestLock:
    """A lock with eight records."""
    made = TestLock("aaaaaaaa", bytes(32), bytes(32))
    for n in range(8):
        made.record(audit.DOOR_STATE, n % 2)
    return made


def judge(lock: TestLock, records: list[bytes], *seen: Sighting) -> list[tuple[str, int]]:
    found = chain.judge(lock.lock_id, lock.journal_epoch, records, seen)
    return [(finding.kind, finding.seq) for finding in found]


def sight(lock: TestLock, seq: int, order: int = 0) -> Sighting:
    return Sighting(seq, lock.head(seq).record_hash, order)


def other_past(lock: TestLock, common: int, total: int) -> TestLock:
    """The lock as it would be had it gone another way after `common` records."""
    made = TestLock(lock.lock_id, lock.secret, lock.signing_seed)
    made.records = lock.records[:common]
    while len(made.records) < total:
        made.record(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK)
    return made


def test_whole_journal_with_every_head_seen_is_faultless(lock: TestLock) -> None:
    seen = [sight(lock, seq, seq) for seq in range(1, 9)]
    assert judge(lock, lock.records, *seen) == []
    assert judge(lock, []) == []


def test_edited_record_is_named_by_its_successor(lock: TestLock) -> None:
    edited = other_past(lock, 3, 4).records[3]
    assert judge(lock, [*lock.records[:3], edited, *lock.records[4:]]) == [(chain.EDITED, 4)]


def test_edited_last_record_is_found_by_a_head_that_was_seen(lock: TestLock) -> None:
    edited = other_past(lock, 7, 8).records
    assert judge(lock, edited) == []
    assert judge(lock, edited, sight(lock, 8)) == [(chain.FORK, 8)]


def test_first_record_of_another_lock_or_journal_is_found(lock: TestLock) -> None:
    stranger = TestLock("bbbbbbbb", bytes(32), bytes(32))
    stranger.record(audit.BOOT, 0)
    assert judge(lock, stranger.records) == [(chain.EDITED, 1)]


def test_deleted_records_leave_a_hole(lock: TestLock) -> None:
    assert judge(lock, lock.records[:2] + lock.records[4:]) == [(chain.DELETED, 3)]
    assert judge(lock, lock.records[2:]) == [(chain.DELETED, 1)]


def test_records_in_another_order_are_found(lock: TestLock) -> None:
    a, b, c, *rest = lock.records
    assert judge(lock, [a, c, b, *rest]) == [(chain.REORDERED, 2)]


def test_two_records_of_one_number_are_a_fork(lock: TestLock) -> None:
    fork = other_past(lock, 5, 6).records[5]
    assert judge(lock, [*lock.records, fork]) == [(chain.FORK, 6)]
    assert judge(lock, [*lock.records, lock.records[0]]) == []


def test_tail_cut_behind_a_seen_head_is_found(lock: TestLock) -> None:
    assert judge(lock, lock.records[:5], sight(lock, 8)) == [(chain.CUT_TAIL, 6)]
    assert judge(lock, [], sight(lock, 8)) == [(chain.CUT_TAIL, 1)]
    assert judge(lock, lock.records[:5], sight(lock, 5)) == []


def test_old_image_restored_is_found_at_once_and_after_it_went_on(lock: TestLock) -> None:
    restored = other_past(lock, 4, 6)
    seen = [sight(lock, 8, 1), sight(restored, 6, 2)]
    told = judge(lock, restored.records, *seen)
    assert (chain.OLD_IMAGE, 7) in told
    assert (chain.CUT_TAIL, 7) in told
    grown = other_past(lock, 4, 9)
    assert judge(lock, grown.records, sight(lock, 8, 1), sight(grown, 9, 2)) == [(chain.FORK, 8)]


def test_two_heads_of_one_number_are_a_fork_even_without_records(lock: TestLock) -> None:
    other = other_past(lock, 4, 8)
    told = judge(lock, [], sight(lock, 8, 1), sight(other, 8, 2))
    assert (chain.FORK, 8) in told


def test_what_a_full_lock_dropped_and_said_so_is_told_apart(lock: TestLock) -> None:
    lock.record(audit.GAP, 3, 0, None, 5)  # 2, 3 and 4 were dropped
    assert judge(lock, lock.records[:1] + lock.records[4:]) == [(chain.DROPPED, 2)]
    assert judge(lock, lock.records[:1] + lock.records[5:]) == [(chain.DELETED, 2)]


def test_gap_record_of_absurd_size_is_judged_in_no_time(lock: TestLock) -> None:
    lock.record(audit.GAP, 1 << 60, 0, None, 1 << 61)
    assert judge(lock, lock.records[:1] + lock.records[4:]) == [(chain.DELETED, 2)]


def test_bytes_that_are_no_record_are_told_with_their_place(lock: TestLock) -> None:
    assert judge(lock, [*lock.records, b"\x80"]) == [(chain.MALFORMED, 8)]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_single_change_to_a_seen_journal_is_found(data: Any) -> None:
    lock = TestLock("aaaaaaaa", bytes(32), bytes(32))
    for n in range(data.draw(st.integers(2, 12))):
        lock.record(audit.DOOR_STATE, n % 2)
    records = list(lock.records)
    at = data.draw(st.integers(0, len(records) - 1))
    kind = data.draw(st.sampled_from(["drop", "flip", "swap"]))
    if kind == "drop":
        del records[at]
    elif kind == "flip":
        bit = data.draw(st.integers(0, 8 * len(records[at]) - 1))
        edited = bytearray(records[at])
        edited[bit // 8] ^= 1 << bit % 8
        records[at] = bytes(edited)
    else:
        other = data.draw(st.integers(0, len(records) - 1).filter(lambda n: n != at))
        records[at], records[other] = records[other], records[at]
    findings: list[Finding] = chain.judge("aaaaaaaa", 1, records, [sight(lock, len(lock.records))])
    assert findings
