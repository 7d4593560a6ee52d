"""Records come home: once each, in a chain; whatever does not fit is an alarm, never a crash."""

from __future__ import annotations

import secrets

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import reports
from cloud.audit import Taken, take_parcel
from cloud.models import AuditRecord, Credential
from protocol import audit, cbor, keys, reasons
from tests.cloud.support import FIRST, TestLock, Town


def carry(town: Town, raw: bytes, seal: bytes) -> Taken:
    with town.service.database.write() as session:
        return take_parcel(session, town.service.vault, "gw-1", raw, seal, town.clock())


def give(town: Town, lock: TestLock, records: list[bytes]) -> Taken:
    return carry(town, *lock.parcel(town.service.vault.public_keys, records))


def alarms(town: Town) -> list[tuple[str, str]]:
    with town.service.database.read() as session:
        return sorted((a["kind"], a["detail"]) for a in reports.alarm_lines(session, 100))


def count(town: Town) -> int:
    with town.service.database.read() as session:
        return session.query(AuditRecord).count()


def some(lock: TestLock, number: int) -> list[bytes]:
    return [lock.record(audit.DOOR_STATE, n % 2) for n in range(number)]


def test_records_are_stored_once_however_often_they_come(town: Town) -> None:
    lock = town.locks[0]
    records = some(lock, 4)
    assert give(town, lock, records[:3]).stored == 3
    assert give(town, lock, records[:3]).stored == 0
    assert give(town, lock, records).stored == 1
    assert (count(town), alarms(town)) == (4, [])


def test_who_opened_and_who_was_refused_can_be_read(town: Town) -> None:
    town.take(FIRST)
    with town.service.database.read() as session:
        cti = session.query(Credential).filter_by(lock_id="bbbbbbbb").first().cti  # type: ignore[union-attr]
    lock = town.locks[1]
    lock.record(audit.BOOT, 0, audit.SOURCE_NONE)
    lock.record(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_REMOTE, cti)
    lock.record(audit.LOCK_OPERATION_ERROR, reasons.REVOKED, audit.SOURCE_HOLDER, cti)
    give(town, lock, lock.records)
    with town.service.database.read() as session:
        refused, opened, boot = reports.audit_lines(session, "bbbbbbbb", 10)
    assert (opened["event"], opened["result"], opened["path"]) == (
        "LockOperation",
        "unlock",
        "relay",
    )
    assert opened["who"]["holder_name"]
    assert (refused["result"], refused["reason"], refused["path"]) == (
        "refused",
        "REVOKED",
        "offline",
    )
    assert (boot["who"], boot["room"]) == (None, "和室")


def test_forged_seal_and_foreign_lock_are_alarms(town: Town) -> None:
    lock, stranger = town.locks[0], TestLock("zzzzzzzz")
    raw, seal = lock.parcel(town.service.vault.public_keys, some(lock, 2))
    assert carry(town, raw, bytes(16)) == Taken(False)
    assert carry(town, raw, seal[:5]) == Taken(False)
    assert give(town, stranger, some(stranger, 1)) == Taken(False)
    assert count(town) == 0
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_BAD_SEAL"] * 2


def test_gap_is_an_alarm_until_the_missing_records_come(town: Town) -> None:
    lock = town.locks[0]
    records = some(lock, 5)
    give(town, lock, records[3:])
    assert alarms(town) == [("AUDIT_GAP", "journal 1: records before 4 are missing")]
    assert give(town, lock, records).stored == 3
    assert (count(town), alarms(town)) == (5, [])


def test_rewritten_history_is_a_fork_and_the_first_story_stays(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 3)
    give(town, lock, lock.records)
    liar = TestLock(lock.lock_id, lock.secret, lock.signing_seed)
    some(liar, 1)
    liar.record(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK)
    some(liar, 2)
    give(town, lock, liar.records)
    assert {kind for kind, _ in alarms(town)} == {"AUDIT_FORK"}
    with town.service.database.read() as session:
        stored = [row.raw for row in session.query(AuditRecord).order_by(AuditRecord.seq)]
    assert stored == lock.records


def test_run_that_is_broken_inside_is_an_alarm(town: Town) -> None:
    lock = town.locks[0]
    records = some(lock, 3)
    assert give(town, lock, [records[0], records[2]]) == Taken(False)
    assert give(town, lock, [b"\x00"]) == Taken(False)
    assert {kind for kind, _ in alarms(town)} == {"AUDIT_BROKEN_RUN"}


def test_new_journal_of_a_lock_made_anew_begins_a_new_chain(town: Town) -> None:
    lock = town.locks[0]
    give(town, lock, some(lock, 2))
    lock.journal_epoch, lock.records = 2, []
    assert give(town, lock, some(lock, 2)).stored == 2
    assert (count(town), alarms(town)) == (4, [])


def test_repeated_trouble_fills_no_table(town: Town) -> None:
    lock = town.locks[0]
    raw, _ = lock.parcel(town.service.vault.public_keys, some(lock, 1))
    for _ in range(5):
        carry(town, raw, bytes(16))
    with town.service.database.read() as session:
        (alarm,) = reports.alarm_lines(session, 10)
    assert alarm["times"] == 5


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200))
def test_any_bytes_under_a_genuine_seal_never_crash(town: Town, raw: bytes) -> None:
    lock = town.locks[0]
    key = keys.audit_key(lock.kdk(town.service.vault.public_keys))
    hidden = cbor.encode(["aaaaaaaa", 1, 1, 1, 1, bytes(16), raw])
    parcel, seal = lock.parcel(town.service.vault.public_keys, [raw])
    assert not carry(town, raw, audit.seal(key, raw)).accepted
    assert not carry(town, hidden, audit.seal(key, hidden)).accepted
    assert not carry(town, parcel, seal).accepted
    assert not carry(town, secrets.token_bytes(40), raw).accepted
