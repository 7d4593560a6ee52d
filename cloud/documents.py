"""Signed documents on their way to locks: keysets, configurations, acknowledgements of records.

Decides what is sent when: the newest of a kind takes the place of the one before, one of a kind is
under way to a lock at a time, and it is sent again, ever later, until the lock is known to hold it.
Reads no clock, signs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from cloud.models import DocumentOutbox, LockReport
from kannuki.backoff import Backoff

RETRY = Backoff(first_s=2.0, max_s=60.0, spread=0.0)
What = Literal["keyset", "config", "ack"]
KEYSET: What = "keyset"
CONFIG: What = "config"
ACK: What = "ack"
WHATS: tuple[What, ...] = (KEYSET, CONFIG, ACK)
# A lock takes only the version that it lacks, so one that it reports to hold is done with.
_REPORTED = {KEYSET: "keyset_version", CONFIG: "config_version", ACK: "acked_seq"}


@dataclass(frozen=True)
class DueDocument:
    """A document to send now."""

    lock_id: str
    what: What
    version: int
    document: bytes


def put(
    session: Session, lock_id: str, what: What, version: int, document: bytes, now: int
) -> None:
    """The newest document of its kind. One that is under way is not interrupted: its answer, or
    its next turn, brings this one."""
    row = session.get(DocumentOutbox, (lock_id, what))
    if row is None:
        row = DocumentOutbox(lock_id=lock_id, what=what, acknowledged_version=0, attempts=0)
        row.next_attempt_at = now
        session.add(row)
    elif row.document == document:
        return
    elif row.acknowledged_version >= row.version:
        row.attempts, row.next_attempt_at = 0, now
    if version <= row.acknowledged_version:  # a journal made anew counts from the start
        row.acknowledged_version = 0
    row.version, row.document = version, document
    session.flush()


def newest(session: Session, lock_id: str, what: What) -> DocumentOutbox | None:
    """The newest document of a kind, whether the lock holds it or not."""
    return session.get(DocumentOutbox, (lock_id, what))


def due(session: Session, now: int) -> list[DueDocument]:
    """Documents to send now; each is put off by a growing delay until it is acknowledged."""
    found = []
    query = _waiting(now).order_by(DocumentOutbox.lock_id, DocumentOutbox.what)
    for row in session.scalars(query):
        row.attempts += 1
        row.next_attempt_at = now + int(RETRY.delay_s(row.attempts, 0.0))
        what = next(name for name in WHATS if name == row.what)
        found.append(DueDocument(row.lock_id, what, row.version, row.document))
    return found


def has_due(session: Session, now: int) -> bool:
    """Whether `due` would give any, without taking the write lock."""
    return session.scalar(_waiting(now).limit(1)) is not None


def make_waiting_due(session: Session, now: int) -> None:
    """Everything not yet acknowledged is tried again at once."""
    session.execute(
        update(DocumentOutbox)
        .where(DocumentOutbox.acknowledged_version < DocumentOutbox.version)
        .values(next_attempt_at=now, attempts=0)
    )


def acknowledge(session: Session, lock_id: str, what: str, version: int, now: int) -> None:
    """The lock answered that it holds this version; a newer one goes out at once."""
    row = session.get(DocumentOutbox, (lock_id, what))
    if row is None or not row.acknowledged_version < version <= row.version:
        return
    row.acknowledged_version = version
    row.attempts, row.next_attempt_at = 0, now


def note_report(session: Session, report: LockReport, now: int) -> None:
    """What a lock says it holds is what it holds: less than before is sent again."""
    for what in WHATS:
        row = session.get(DocumentOutbox, (report.lock_id, what))
        held = getattr(report, _REPORTED[what])
        if row is None:
            continue
        if held < row.acknowledged_version:
            row.attempts, row.next_attempt_at = 0, now
        row.acknowledged_version = min(held, row.version)


def _waiting(now: int) -> Select[DocumentOutbox]:
    return select(DocumentOutbox).where(
        DocumentOutbox.acknowledged_version < DocumentOutbox.version,
        DocumentOutbox.next_attempt_at <= now,
    )
