"""Records come home: once each, in a chain; whatever does not fit is an alarm, never a crash."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import documents, receipts, reports, vigil
from cloud.audit import LOCK_ALARMS, Taken, take_parcel
from cloud.models import AuditRecord, Credential
from cloud.vault import aes
from kannuki import texts
from protocol import audit, cbor, keys, reasons
from protocol.audit import Head
from protocol.keyset import ROLE_ACK
from protocol.timebound import TimeBound
from protocol.verify import verify_document
from tests.cloud.support import CRYPTO, FIRST, START, TestLock, Town


def carry(town: Town, raw: bytes, seal: bytes) -> Taken:
    with town.service.database.write() as session:
        return take_parcel(session, town.service.vault, "gw-1", raw, seal, town.clock())


def give(town: Town, lock: TestLock, records: list[bytes]) -> Taken:
    return carry(town, *lock.parcel(town.service.vault.public_keys, records))


def alarms(town: Town) -> list[tuple[str, str]]:
    with town.service.database.read() as session:
        return sorted((a["kind"], a["detail"]) for a in reports.alarm_lines(session, 100))


def look_around(town: Town, after_s: int = vigil.GAP_STANDS_S) -> None:
    """The town's watch, when everything has been here for a while."""
    town.clock.now += after_s
    with town.service.database.write() as session:
        vigil.settle(session, vigil.find(session, town.clock()), town.clock())


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
    look_around(town)
    assert alarms(town) == [("AUDIT_GAP", "journal 1: records before 4 are missing")]
    assert give(town, lock, records).stored == 3
    look_around(town)
    assert (count(town), alarms(town)) == (5, [])


def test_records_that_overtake_others_on_the_way_are_no_alarm(town: Town) -> None:
    """A gateway says its outbox again after a lost connection, and a phone was faster."""
    lock = town.locks[0]
    records = some(lock, 9)
    for first in (6, 3, 0):
        give(town, lock, records[first : first + 3])
        look_around(town, 1)
        assert alarms(town) == []
    look_around(town)
    assert alarms(town) == []


def test_first_record_that_goes_on_from_another_journal_is_a_fork(town: Town) -> None:
    lock = town.locks[0]
    lock.head = lambda seq=None: Head(lock.lock_id, 1, 0, bytes(32))  # type: ignore[method-assign]
    give(town, lock, some(lock, 1))
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_FORK"]


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


# --- what a full lock dropped ---


def full(lock: TestLock, first: int, kept: int, total: int = 12) -> list[bytes]:
    """Records of a lock that dropped [first, kept) and says so in its last record."""
    some(lock, total)
    lock.record(audit.GAP, kept - first, audit.SOURCE_NONE, None, kept)
    return lock.records[: first - 1] + lock.records[kept - 1 :]


def test_what_a_full_lock_dropped_is_an_alarm_of_its_own_and_no_gap(town: Town) -> None:
    lock = town.locks[0]
    records = full(lock, 4, 9)
    give(town, lock, records[:3])
    give(town, lock, records[3:5])
    look_around(town)
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_GAP"]
    give(town, lock, records[5:])
    look_around(town)
    assert alarms(town) == [
        ("AUDIT_DROPPED", "journal 1: 5 records before 9: the lock was full"),
    ]


def test_gap_record_explains_no_more_than_it_says(town: Town) -> None:
    lock = town.locks[0]
    records = full(lock, 5, 9)
    give(town, lock, records[:3])
    give(town, lock, records[4:])
    look_around(town)
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_DROPPED", "AUDIT_GAP"]


def test_two_gap_records_explain_one_hole_in_either_order(town: Town) -> None:
    for number, order in enumerate(((0, 1), (1, 0))):
        lock = town.locks[number]
        some(lock, 20)
        lock.record(audit.GAP, 4, 0, None, 8)  # 4 to 7
        lock.record(audit.GAP, 6, 0, None, 14)  # 8 to 13
        give(town, lock, lock.records[:3])
        give(town, lock, lock.records[13:20])
        for which in order:
            give(town, lock, lock.records[20 + which : 21 + which])
        look_around(town)
        with town.service.database.read() as session:
            mine = [a for a in reports.alarm_lines(session, 100) if a["device"] == lock.lock_id]
        assert {a["kind"] for a in mine} == {"AUDIT_DROPPED"}


def test_alarms_of_the_lock_itself_are_alarms_here(town: Town) -> None:
    lock = town.locks[0]
    lock.record(audit.DOOR_LOCK_ALARM, audit.ALARM_FORK)
    lock.record(audit.DOOR_LOCK_ALARM, audit.ALARM_EMERGENCY_KEY)
    lock.record(audit.DOOR_LOCK_ALARM, 99)
    give(town, lock, lock.records)
    assert {kind for kind, _ in alarms(town)} == {"LOCK_FORK", "LOCK_EMERGENCY_KEY", "LOCK_ALARM"}


def test_every_alarm_of_the_protocol_has_a_name() -> None:
    numbers = {getattr(audit, name) for name in dir(audit) if name.startswith("ALARM_")}
    assert numbers == set(LOCK_ALARMS)


def test_every_kind_of_alarm_tells_staff_what_it_means() -> None:
    folder = Path(reports.__file__).parent
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    kinds = set(re.findall(r'"((?:AUDIT|LOCK|KEYSET|STATUS|GATEWAY)_[A-Z_]+)"', code)) - {
        "LOCK_NOT_READY"
    }
    assert len(kinds) > len(LOCK_ALARMS)
    for kind in kinds:
        assert all(texts.text(kind, lang) for lang in texts.LANGUAGES), kind


def test_what_is_kept_has_the_time_as_the_lock_knew_it(town: Town) -> None:
    lock = town.locks[0]
    record = audit.Record(1, TimeBound(7), audit.BOOT, 0, 0, None, None, lock.head().record_hash)
    lock.records.append(audit.encode_record(record))
    lock.record(audit.TIME, audit.TIME_SET, 0, None, START)
    give(town, lock, lock.records)
    with town.service.database.read() as session:
        rows = session.query(AuditRecord).order_by(AuditRecord.seq).all()
    assert [(row.time_lo, row.time_hi, row.value) for row in rows] == [
        (7, None, None),
        (START + 2, START + 2, START),
    ]


def test_parcel_that_lies_about_its_first_record_is_broken(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 2)
    kdk = lock.kdk(town.service.vault.public_keys)
    head = audit.Head(lock.lock_id, 1, 5, bytes(32))
    raw, seal = audit.pack(aes, kdk, bytes(16), head, 1, lock.records)
    assert carry(town, raw, seal) == Taken(False)
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_BROKEN_RUN"]


def test_parcel_of_a_retired_or_unknown_epoch_is_not_believed(town: Town) -> None:
    lock = town.locks[0]
    publics = town.service.vault.public_keys
    raw, seal = lock.parcel({2: publics[1]}, some(lock, 1), epoch=2)
    assert carry(town, raw, seal) == Taken(False)
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_BAD_SEAL"]


# --- acknowledgements ---


def acknowledged(town: Town, lock: TestLock) -> Head | None:
    """What the town's newest acknowledgement says, signature checked."""
    with town.service.database.write() as session:
        for epoch in (1, 2):
            receipts.acknowledge(session, town.service.signers, lock.lock_id, epoch, town.clock())
        row = documents.newest(session, lock.lock_id, documents.ACK)
    if row is None:
        return None
    signed, head = audit.parse_ack(row.document)
    keyset = town.service.keyset.keyset
    assert verify_document(keyset, CRYPTO, signed, ROLE_ACK, audit.ACK_CONTEXT)
    assert row.version == head.seq
    return head


def test_acknowledgement_goes_as_far_as_nothing_is_missing(town: Town) -> None:
    lock = town.locks[0]
    records = some(lock, 9)
    assert acknowledged(town, lock) is None
    for some_records, upto in ((records[:2], 2), (records[5:], 2), (records[2:5], 9)):
        give(town, lock, some_records)
        head = acknowledged(town, lock)
        assert head is not None
        assert (head.seq, head.record_hash) == (upto, lock.head(upto).record_hash)


def test_acknowledgement_goes_over_what_the_lock_dropped(town: Town) -> None:
    lock = town.locks[0]
    give(town, lock, (records := full(lock, 4, 9))[:3])
    give(town, lock, records[3:])
    head = acknowledged(town, lock)
    assert head is not None
    assert head.seq == 13


def test_first_records_that_never_came_hold_the_acknowledgement_back(town: Town) -> None:
    lock = town.locks[0]
    give(town, lock, some(lock, 5)[2:])
    assert acknowledged(town, lock) is None


def test_new_journal_is_acknowledged_from_its_start_and_the_old_no_more(town: Town) -> None:
    lock = town.locks[0]
    give(town, lock, some(lock, 5))
    assert acknowledged(town, lock) is not None
    with town.service.database.write() as session:
        documents.acknowledge(session, lock.lock_id, documents.ACK, 5, town.clock())
    old = TestLock(lock.lock_id, lock.secret, lock.signing_seed, records=list(lock.records))
    lock.journal_epoch, lock.records = 2, []
    give(town, lock, some(lock, 2))
    head = acknowledged(town, lock)
    assert head is not None
    assert (head.journal_epoch, head.seq) == (2, 2)
    with town.service.database.read() as session:
        assert documents.has_due(session, town.clock())
    give(town, old, some(old, 1))
    head = acknowledged(town, lock)
    assert head is not None
    assert head.journal_epoch == 2


def test_one_acknowledgement_is_under_way_at_a_time_and_the_newest_wins(town: Town) -> None:
    lock = town.locks[0]
    sent: list[int] = []
    for _ in range(20):
        give(town, lock, some(lock, 1)[:0] + lock.records[-1:])
        acknowledged(town, lock)
        with town.service.database.write() as session:
            sent += [due.version for due in documents.due(session, town.clock())]
    assert sent == [1]
    with town.service.database.write() as session:
        documents.acknowledge(session, lock.lock_id, documents.ACK, 1, town.clock())
        assert [due.version for due in documents.due(session, town.clock())] == [20]
