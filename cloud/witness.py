"""Holds what a gateway says of a lock against what the town knows for sure.

A gateway passes a lock's state on without the lock's seal, so a stolen one can say anything.
Decides what cannot be true: more than the town ever signed, less than the lock sealed before, a
time that has not come. Says nothing of bolt and door, which only the gateway has seen. Reads no
clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import documents
from cloud.models import AuditRecord, Lock, LockSettings, StatusOutbox
from kannuki.messages import LockState
from protocol import audit

CONTRADICTS = "GATEWAY_CONTRADICTS"
GARBAGE = "GATEWAY_GARBAGE"
CLOCKS_DIFFER_S = 300


def contradictions(session: Session, lock: Lock, state: LockState, now: int) -> Iterator[str]:
    """What in this state no honest gateway can have been told by this lock."""
    if state.seen_at > now + CLOCKS_DIFFER_S:
        yield "a lock was met at a time that has not come"
    if not state.reachable or state.seen_at < lock.enrolled_at:
        return
    if state.status_version > _newest_list(session, lock):
        yield "a lock holds a status list that was never made"
    if state.config_version > _newest_config(session, lock):
        yield "a lock holds a configuration that was never made"
    if state.acked_seq > _acknowledged(session, lock):
        yield "a lock has an acknowledgement that was never made"
    if state.head_seq < _sealed_before(session, lock, state.seen_at - CLOCKS_DIFFER_S):
        yield "a lock stands below a record that it has sealed"


def _newest_list(session: Session, lock: Lock) -> int:
    row = session.get(StatusOutbox, lock.lock_id)
    return row.version if row is not None else 0


def _newest_config(session: Session, lock: Lock) -> int:
    """Sent, or given to the lock at the bench."""
    sent = documents.newest(session, lock.lock_id, documents.CONFIG)
    kept = session.get(LockSettings, lock.lock_id)
    return max(row.version for row in (sent, kept) if row is not None) if sent or kept else 0


def _acknowledged(session: Session, lock: Lock) -> int:
    """A lock may know acknowledgements of the journal that it had before: those do not count."""
    row = documents.newest(session, lock.lock_id, documents.ACK)
    if row is None:
        return 0
    head = audit.parse_ack(row.document)[1]
    return int(head.seq) if head.journal_epoch == lock.journal_epoch else row.version


def _sealed_before(session: Session, lock: Lock, at: int) -> int:
    """The highest record that was here at a time."""
    query = select(AuditRecord.seq).where(
        AuditRecord.lock_id == lock.lock_id,
        AuditRecord.journal_epoch == lock.journal_epoch,
        AuditRecord.received_at < at,
    )
    return session.scalar(query.order_by(AuditRecord.seq.desc()).limit(1)) or 0
