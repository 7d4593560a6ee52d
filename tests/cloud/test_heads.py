"""Heads that were seen, held against the records: a cut tail, an old image, a forged head."""

from __future__ import annotations

from cloud import heads
from cloud.fleet import note_lock
from cloud.models import SeenHead
from kannuki.messages import LockState
from protocol import audit
from protocol.audit import Head
from tests.cloud.support import START, TestLock, Town
from tests.cloud.test_audit import alarms, give, some

NONCE = bytes(range(16))


def see(town: Town, head: Head, source: str = heads.PHONE) -> None:
    with town.service.database.write() as session:
        heads.note(session, head, source, town.clock())


def signed(town: Town, document: bytes, nonce: bytes | None = None) -> bool:
    with town.service.database.write() as session:
        return heads.note_signed(session, document, nonce, town.clock())


def other_past(lock: TestLock, common: int, total: int) -> TestLock:
    made = TestLock(lock.lock_id, lock.secret, lock.signing_seed, records=lock.records[:common])
    while len(made.records) < total:
        made.record(audit.BOOT, 0)
    return made


def test_head_that_the_records_bear_out_is_no_trouble(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 4)
    see(town, lock.head(4))
    give(town, lock, lock.records)
    see(town, lock.head(2))
    assert alarms(town) == []


def test_records_that_differ_from_a_head_seen_before_are_an_alarm(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 4)
    see(town, lock.head(4))
    give(town, lock, other_past(lock, 2, 5).records)
    assert alarms(town) == [("AUDIT_FORK", "journal 1: record 4 was seen otherwise")]


def test_head_that_differs_from_records_here_is_an_alarm(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 4)
    give(town, lock, lock.records)
    see(town, other_past(lock, 2, 4).head(4))
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_FORK"]


def test_head_that_the_lock_signed_is_kept(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 3)
    assert signed(town, lock.signed_head(NONCE), NONCE)
    with town.service.database.read() as session:
        (row,) = session.query(SeenHead)
    assert (row.seq, row.source, row.record_hash) == (3, "signed", lock.head().record_hash)


def test_head_of_another_key_nonce_or_lock_is_not_believed(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 3)
    thief = TestLock(lock.lock_id, records=lock.records)
    stranger = TestLock("zzzzzzzz")
    edited = bytearray(lock.signed_head(NONCE))
    edited[-1] ^= 1
    assert not signed(town, thief.signed_head(NONCE), NONCE)
    assert not signed(town, stranger.signed_head(NONCE), NONCE)
    assert not signed(town, lock.signed_head(bytes(16)), NONCE)
    assert not signed(town, bytes(edited), NONCE)
    assert not signed(town, b"\xd2")
    with town.service.database.read() as session:
        assert session.query(SeenHead).count() == 0


def test_old_image_restored_shows_in_the_fresh_head_that_the_lock_signs(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 6)
    give(town, lock, lock.records)
    assert signed(town, lock.signed_head(NONCE, 4), NONCE)
    assert alarms(town) == [("AUDIT_WENT_BACK", "journal 1: it stands at 4, was seen at 6")]


def test_tail_cut_behind_a_head_on_a_phone_shows_in_the_fresh_signed_head(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 6)
    see(town, lock.head(6))
    give(town, lock, lock.records[:4])
    assert alarms(town) == []
    assert signed(town, lock.signed_head(NONCE, 4), NONCE)
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_WENT_BACK"]


def state(town: Town, seen_at: int, head_seq: int) -> None:
    with town.service.database.write() as session:
        told = LockState(reachable=True, seen_at=seen_at, head_seq=head_seq)
        assert note_lock(session, "aaaaaaaa", told, seen_at)


def test_lock_whose_journal_went_back_is_an_alarm_in_its_next_report(town: Town) -> None:
    state(town, START + 10, 9)
    state(town, START + 20, 12)
    assert alarms(town) == []
    state(town, START + 30, 5)
    assert alarms(town) == [("AUDIT_WENT_BACK", "journal 1: it stands at 5, stood at 12")]


def test_report_that_comes_late_or_before_a_new_journal_is_no_alarm(town: Town) -> None:
    state(town, START + 20, 12)
    state(town, START + 10, 9)
    assert alarms(town) == []
    lock = town.locks[0]
    lock.secret, lock.journal_epoch = bytes(range(32)), 2
    town.clock.now = START + 100
    town.hang(0, START + 100)
    state(town, START + 110, 1)
    assert alarms(town) == []


def test_phones_cannot_fill_the_table(town: Town) -> None:
    for seq in range(1, heads.MAX_KEPT + 20):
        town.clock.now += 1
        see(town, Head("aaaaaaaa", 1, seq, bytes(32)))
    with town.service.database.read() as session:
        numbers = [row.seq for row in session.query(SeenHead)]
    assert len(numbers) == heads.MAX_KEPT
    assert max(numbers) == heads.MAX_KEPT + 19
