"""Takes home what locks recorded, once each, and tells whether the chain holds.

Decides whether a parcel is genuine (the vault alone can open it), whether its records are a run of
their lock's chain, and what does not fit: a fork (two records with one number), a broken run, a
foreign seal, a head that somebody saw otherwise. Each of these becomes an alarm, never an
exception: a parcel that can never be taken must not hold up those behind it. A lock that was full
says itself what it dropped: that is an alarm of its own, and no gap. Records may come in any order;
whether a hole among them is an alarm, `cloud.vigil` decides. The caller commits before it
acknowledges.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cloud import heads
from cloud.alarms import raise_alarm
from cloud.chain import covers
from cloud.keylinks import lock_key
from cloud.models import AuditRecord, Lock
from cloud.ports import LockKeyError, ProofKeys
from protocol import audit
from protocol.audit import AuditError, Parcel, Record
from protocol.timebound import FOREVER

BAD_SEAL = "AUDIT_BAD_SEAL"
BROKEN = "AUDIT_BROKEN_RUN"
FORK = "AUDIT_FORK"
DROPPED = "AUDIT_DROPPED"
LOCK_ALARMS = {
    audit.ALARM_JAMMED: "LOCK_JAMMED",
    audit.ALARM_FORCED: "LOCK_FORCED",
    audit.ALARM_HELD: "LOCK_HELD",
    audit.ALARM_TAMPER: "LOCK_TAMPER",
    audit.ALARM_WRONG_CODE: "LOCK_WRONG_CODE",
    audit.ALARM_KEYPAD_DISABLED: "LOCK_KEYPAD_DISABLED",
    audit.ALARM_EMERGENCY_KEY: "LOCK_EMERGENCY_KEY",
    audit.ALARM_EVACUATION: "LOCK_EVACUATION",
    audit.ALARM_TIME: "LOCK_TIME",
    audit.ALARM_FORK: "LOCK_FORK",
}
_MAX_NUMBER = 1 << 62


@dataclass(frozen=True)
class Taken:
    """What became of a parcel: how many records were new, and whether it was taken at all."""

    accepted: bool
    stored: int = 0
    lock_id: str | None = None
    journal_epoch: int = 0


def take_parcel(
    session: Session, vault: ProofKeys, device: str, raw_parcel: bytes, seal: bytes, now: int
) -> Taken:
    """Stores what is new in a parcel that `device` carried. Never raises for any bytes."""
    try:
        parcel = audit.decode_parcel(raw_parcel)
    except AuditError:
        raise_alarm(session, BROKEN, device, "not a parcel of records", now)
        return Taken(False)
    raw_records = _open(session, vault, parcel, raw_parcel, seal)
    if raw_records is None:
        raise_alarm(session, BAD_SEAL, parcel.lock_id, f"carried by {device}", now)
        return Taken(False)
    try:
        records = _decode_run(parcel, raw_records)
    except AuditError as error:
        raise_alarm(session, BROKEN, parcel.lock_id, str(error), now)
        return Taken(False)
    stored = _store(session, parcel, raw_records, records, now)
    return Taken(True, stored, parcel.lock_id, parcel.journal_epoch)


def _open(
    session: Session, vault: ProofKeys, parcel: Parcel, raw_parcel: bytes, seal: bytes
) -> list[bytes] | None:
    lock = session.get(Lock, parcel.lock_id)
    if lock is None:
        return None
    try:
        return vault.open_parcel(lock_key(lock), raw_parcel, seal)
    except (LockKeyError, AuditError):
        return None


def _decode_run(parcel: Parcel, raw_records: list[bytes]) -> list[Record]:
    if not raw_records:
        return []
    first = audit.decode_record(raw_records[0])
    if first.seq != parcel.first_seq:
        raise AuditError("the parcel names another first record")
    records, _ = audit.check_run(raw_records, first.seq, first.previous)
    if max(records[-1].seq, parcel.journal_epoch) >= _MAX_NUMBER:
        raise AuditError("a number is out of range")
    if any(max(r.event, r.code, r.source, r.value or 0) >= _MAX_NUMBER for r in records):
        raise AuditError("a number is out of range")
    return records


def _store(
    session: Session, parcel: Parcel, raw_records: list[bytes], records: list[Record], now: int
) -> int:
    stored = 0
    for raw, record in zip(raw_records, records, strict=True):
        known = _get(session, parcel, record.seq)
        if known is None and _is_in_place(session, parcel, record, raw, now):
            session.add(_row(parcel, record, raw, now))
            session.flush()
            _note_event(session, parcel, record, now)
            stored += 1
        elif known is not None and known.raw != raw:
            _alarm(session, FORK, parcel, f"two different records {record.seq}", now)
    return stored


def _is_in_place(session: Session, parcel: Parcel, record: Record, raw: bytes, now: int) -> bool:
    """Whether its neighbours agree; a missing predecessor is no reason to refuse."""
    before, after = _get(session, parcel, record.seq - 1), _get(session, parcel, record.seq + 1)
    own_hash = audit.record_hash(raw)
    if before is not None and audit.record_hash(before.raw) != record.previous:
        _alarm(session, FORK, parcel, f"record {record.seq} follows another {record.seq - 1}", now)
        return False
    if after is not None:
        if audit.decode_record(after.raw).previous != own_hash:
            _alarm(session, FORK, parcel, f"record {record.seq} is not the known one", now)
            return False
    if record.seq == 1 and record.previous != audit.genesis(parcel.lock_id, parcel.journal_epoch):
        _alarm(session, FORK, parcel, "record 1 goes on from another journal", now)
    if heads.contradicts(session, parcel.lock_id, parcel.journal_epoch, record.seq, own_hash):
        _alarm(session, FORK, parcel, f"record {record.seq} was seen otherwise", now)
    return True


def _note_event(session: Session, parcel: Parcel, record: Record, now: int) -> None:
    """What a record itself says that staff must know."""
    if record.event == audit.GAP:
        _note_dropped(session, parcel, record, now)
    elif record.event == audit.DOOR_LOCK_ALARM:
        kind = LOCK_ALARMS.get(record.code, "LOCK_ALARM")
        raise_alarm(session, kind, parcel.lock_id, "recorded by the lock", now)


# --- what a full lock dropped ---


def _note_dropped(session: Session, parcel: Parcel, record: Record, now: int) -> None:
    kept = record.value or 0
    detail = f"{record.code} records before {kept}: the lock was full"
    _alarm(session, DROPPED, parcel, detail, now)


def dropped(session: Session, lock_id: str, journal_epoch: int) -> list[tuple[int, int]]:
    """[first, end) of what the lock says it dropped."""
    query = select(AuditRecord.value, AuditRecord.code).where(
        *_of(lock_id, journal_epoch), AuditRecord.event == audit.GAP
    )
    return [(max(1, (kept or 0) - count), kept or 0) for kept, count in session.execute(query)]


# --- acknowledgements ---


def newest_whole(
    session: Session, lock_id: str, journal_epoch: int, after: int
) -> AuditRecord | None:
    """The last record up to which nothing is missing but what the lock dropped.

    after: a number up to which that is known already (0: nothing).
    """
    query = (
        select(AuditRecord)
        .where(*_of(lock_id, journal_epoch), AuditRecord.seq > after)
        .order_by(AuditRecord.seq)
    )
    found, ranges = None, None
    for row in session.scalars(query):
        if row.seq != after + 1:
            ranges = dropped(session, lock_id, journal_epoch) if ranges is None else ranges
            if not covers(ranges, after + 1, row.seq):
                break
        found, after = row, row.seq
    return found


# --- rows ---


def _alarm(session: Session, kind: str, parcel: Parcel, detail: str, now: int) -> None:
    raise_alarm(session, kind, parcel.lock_id, f"journal {parcel.journal_epoch}: {detail}", now)


def _of(lock_id: str, journal_epoch: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (AuditRecord.lock_id == lock_id, AuditRecord.journal_epoch == journal_epoch)


def _get(session: Session, parcel: Parcel, seq: int) -> AuditRecord | None:
    return session.get(AuditRecord, (parcel.lock_id, parcel.journal_epoch, seq))


def _row(parcel: Parcel, record: Record, raw: bytes, now: int) -> AuditRecord:
    return AuditRecord(
        lock_id=parcel.lock_id,
        journal_epoch=parcel.journal_epoch,
        seq=record.seq,
        raw=raw,
        time_lo=record.time.lo,
        time_hi=None if record.time.hi == FOREVER else record.time.hi,
        event=record.event,
        code=record.code,
        source=record.source,
        subject=record.subject,
        value=record.value,
        received_at=now,
    )
