"""Takes home what locks recorded, once each, and tells whether the chain holds.

Decides whether a sealed batch is genuine (the vault knows the seal's key), whether its records are
a run of their lock's chain, and what does not fit: a fork (two records with one number), a gap, a
broken run, a foreign seal. Each of these becomes an alarm, never an exception: a batch that can
never be taken must not hold up those behind it. The caller commits before it acknowledges.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from cloud.alarms import clear_alarm, raise_alarm
from cloud.keylinks import lock_key
from cloud.models import AuditRecord, Lock
from cloud.ports import LockKeyError, ProofKeys
from protocol import audit
from protocol.audit import AuditError, Batch, Record

BAD_SEAL = "AUDIT_BAD_SEAL"
BROKEN = "AUDIT_BROKEN_RUN"
FORK = "AUDIT_FORK"
GAP = "AUDIT_GAP"


@dataclass(frozen=True)
class Taken:
    """What became of a batch: how many records were new, and whether it was taken at all."""

    accepted: bool
    stored: int = 0
    lock_id: str | None = None


def take_batch(
    session: Session, vault: ProofKeys, device: str, raw_batch: bytes, seal: bytes, now: int
) -> Taken:
    """Stores what is new in a sealed batch that `device` carried. Never raises for any bytes."""
    try:
        batch = audit.decode_batch(raw_batch)
    except AuditError:
        raise_alarm(session, BROKEN, device, "not a batch of records", now)
        return Taken(False)
    lock = session.get(Lock, batch.lock_id)
    if lock is None or not _is_genuine(vault, lock, raw_batch, seal):
        raise_alarm(session, BAD_SEAL, batch.lock_id, f"carried by {device}", now)
        return Taken(False)
    try:
        records = _decode_run(batch)
    except AuditError as error:
        raise_alarm(session, BROKEN, batch.lock_id, str(error), now)
        return Taken(False)
    return Taken(True, _store(session, batch, records, now), batch.lock_id)


def _is_genuine(vault: ProofKeys, lock: Lock, raw_batch: bytes, seal: bytes) -> bool:
    try:
        return vault.seal_is_genuine(lock_key(lock), raw_batch, seal)
    except LockKeyError:
        return False


def _decode_run(batch: Batch) -> list[Record]:
    if not batch.records:
        return []
    first = audit.decode_record(batch.records[0])
    records, _ = audit.check_run(batch.records, first.seq, first.previous)
    if records[-1].seq >= 1 << 62 or batch.journal_epoch >= 1 << 62:
        raise AuditError("a number is out of range")
    return records


def _store(session: Session, batch: Batch, records: list[Record], now: int) -> int:
    stored = 0
    for raw, record in zip(batch.records, records, strict=True):
        known = _get(session, batch, record.seq)
        if known is None and _is_in_place(session, batch, record, raw, now):
            session.add(_row(batch, record, raw, now))
            session.flush()
            stored += 1
        elif known is not None and known.raw != raw:
            _alarm(session, FORK, batch, f"two different records {record.seq}", now)
    return stored


def _is_in_place(session: Session, batch: Batch, record: Record, raw: bytes, now: int) -> bool:
    """Whether its neighbours agree; a missing predecessor is a gap but no reason to refuse."""
    before, after = _get(session, batch, record.seq - 1), _get(session, batch, record.seq + 1)
    if before is not None and audit.record_hash(before.raw) != record.previous:
        _alarm(session, FORK, batch, f"record {record.seq} follows another {record.seq - 1}", now)
        return False
    if after is not None:
        if audit.decode_record(after.raw).previous != audit.record_hash(raw):
            _alarm(session, FORK, batch, f"record {record.seq} is not the known one", now)
            return False
        clear_alarm(session, GAP, batch.lock_id, _gap_text(batch, after.seq))
    is_first = record.previous == audit.genesis(batch.lock_id, batch.journal_epoch)
    if before is None and not is_first:
        _alarm(session, GAP, batch, _gap_text(batch, record.seq), now, prefixed=True)
    return True


def _gap_text(batch: Batch, seq: int) -> str:
    return f"journal {batch.journal_epoch}: records before {seq} are missing"


def _alarm(
    session: Session, kind: str, batch: Batch, detail: str, now: int, prefixed: bool = False
) -> None:
    text = detail if prefixed else f"journal {batch.journal_epoch}: {detail}"
    raise_alarm(session, kind, batch.lock_id, text, now)


def _get(session: Session, batch: Batch, seq: int) -> AuditRecord | None:
    return session.get(AuditRecord, (batch.lock_id, batch.journal_epoch, seq))


def _row(batch: Batch, record: Record, raw: bytes, now: int) -> AuditRecord:
    return AuditRecord(
        lock_id=batch.lock_id,
        journal_epoch=batch.journal_epoch,
        seq=record.seq,
        raw=raw,
        time_lo=record.time.lo if record.time else None,
        time_hi=record.time.hi if record.time else None,
        event=record.event,
        code=record.code,
        source=record.source,
        subject=record.subject,
        received_at=now,
    )
