"""What gateways and locks last told of themselves, and which status lists still have to reach them.

Decides when a list counts as delivered: the lock's own answer to that very document, or a report
that it holds this version. A report of less (a lock made anew) sends it again. Reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud.models import GatewayRow, Lock, LockReport, StatusOutbox
from kannuki.backoff import Backoff
from kannuki.messages import GatewayState, LockState

RETRY = Backoff(first_s=2.0, max_s=60.0, spread=0.0)


@dataclass(frozen=True)
class DueList:
    """A status list to send now."""

    lock_id: str
    version: int
    document: bytes


def note_gateway(session: Session, gateway_id: str, state: GatewayState, now: int) -> None:
    """A gateway came, or (by its will) went; coming back makes its locks' lists due at once."""
    session.merge(
        GatewayRow(
            gateway_id=gateway_id,
            online=state.online,
            version=state.version[:40],
            started_at=state.started_at,
            waiting_events=state.waiting_events,
            heard_at=now,
        )
    )
    if state.online:
        make_waiting_due(session, now)


def note_lock(session: Session, lock_id: str, state: LockState, now: int) -> bool:
    """A lock's last known state; False when it is no lock of ours."""
    if session.get(Lock, lock_id) is None:
        return False
    report = session.get(LockReport, lock_id) or LockReport(lock_id=lock_id)
    for name in ("reachable", "seen_at", "bolt", "door", "time_lo", "time_hi"):
        setattr(report, name, getattr(state, name))
    report.status_version, report.head_seq = state.status_version, state.head_seq
    report.heard_at = now
    session.add(report)
    if state.reachable:
        _note_version(session, lock_id, state.status_version, now)
    return True


def note_carrier(session: Session, lock_id: str, gateway_id: str) -> None:
    """Which gateway a lock's records came by: the one that reaches it."""
    session.execute(
        update(LockReport).where(LockReport.lock_id == lock_id).values(gateway_id=gateway_id)
    )


def due_lists(session: Session, now: int) -> list[DueList]:
    """Lists to send now; each is put off by a growing delay until it is acknowledged."""
    query = select(StatusOutbox).where(
        StatusOutbox.acknowledged_version < StatusOutbox.version,
        StatusOutbox.next_attempt_at <= now,
    )
    due = []
    for entry in session.scalars(query.order_by(StatusOutbox.lock_id)):
        entry.attempts += 1
        entry.next_attempt_at = now + int(RETRY.delay_s(entry.attempts, 0.0))
        due.append(DueList(entry.lock_id, entry.version, entry.document))
    return due


def has_due_lists(session: Session, now: int) -> bool:
    """Whether `due_lists` would give any, without taking the write lock."""
    query = select(StatusOutbox.lock_id).where(
        StatusOutbox.acknowledged_version < StatusOutbox.version,
        StatusOutbox.next_attempt_at <= now,
    )
    return session.scalar(query.limit(1)) is not None


def make_waiting_due(session: Session, now: int) -> None:
    """Everything not yet acknowledged is tried again at once."""
    session.execute(
        update(StatusOutbox)
        .where(StatusOutbox.acknowledged_version < StatusOutbox.version)
        .values(next_attempt_at=now, attempts=0)
    )


def acknowledge_list(session: Session, lock_id: str, version: int) -> None:
    """The lock answered that it holds this version."""
    entry = session.get(StatusOutbox, lock_id)
    if entry is not None and version > entry.acknowledged_version:
        entry.acknowledged_version = min(version, entry.version)


def gateway_is_offline(session: Session, lock_id: str) -> bool:
    """Whether no gateway that could reach the lock is there, as far as their wills tell."""
    report = session.get(LockReport, lock_id)
    query = select(GatewayRow.gateway_id).where(GatewayRow.online)
    online = set(session.scalars(query))
    if report is not None and report.gateway_id is not None:
        return report.gateway_id not in online
    return not online


def _note_version(session: Session, lock_id: str, version: int, now: int) -> None:
    entry = session.get(StatusOutbox, lock_id)
    if entry is None:
        return
    if version < entry.acknowledged_version:
        entry.attempts, entry.next_attempt_at = 0, now
    entry.acknowledged_version = min(version, entry.version)
