"""Looks for what no single message shows: silence, delay, and deliveries that nothing proves.

A gateway may be stolen, so its word counts for little here: what it withholds is found by what the
locks sealed, by heads that somebody saw, and by the town's own clock. Decides which of that is an
alarm, and takes an alarm back when its cause is gone. What it cannot see: records and lists held
back for less than the bounds below, and a bolt or door that a gateway describes wrongly.

A hole among records is an alarm only when it has stood for a while: they travel by several ways (a
gateway's outbox after a lost connection, a phone in a pocket), and what comes first is not what was
written first. Reads no clock. Invariant: one row for one trouble, however often it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from cloud import documents, fleet
from cloud.alarms import clear_alarm, raise_alarm
from cloud.audit import newest_whole
from cloud.models import Alarm, AuditRecord, Credential, Lock, LockReport, SeenHead, StatusOutbox
from protocol import audit, statuslist

GAP = "AUDIT_GAP"
WITHHELD = "AUDIT_WITHHELD"
LIST_LATE = "STATUS_LIST_LATE"
LIST_UNPROVEN = "STATUS_LIST_UNPROVEN"
SILENT = "LOCK_SILENT"
KINDS = (GAP, WITHHELD, LIST_LATE, LIST_UNPROVEN, SILENT)

GAP_STANDS_S = 300
HEAD_COMES_HOME_S = 3600
# A lock writes down the time every hour, and after its clock stopped within a day.
RECORDS_COME_S = 26 * 3600
LIST_ARRIVES_S = 900
LIST_IS_PROVEN_S = 3600
PROOF_SOUGHT_S = 86_400  # so far back is asked for the record of a list
LOCK_IS_MET_S = 900
_SKEW_S = 120  # between the clocks of a gateway and the town


@dataclass(frozen=True)
class Finding:
    """One trouble with one lock; `detail` does not change while it lasts."""

    kind: str
    lock_id: str
    detail: str


def find(session: Session, now: int) -> set[Finding]:
    """Every trouble there is now. Reads only."""
    return {
        Finding(kind, lock.lock_id, detail)
        for lock in session.scalars(select(Lock).where(Lock.room_id.is_not(None)))
        for kind, look in _LOOKS
        for detail in look(session, lock, now)
    }


def settle(session: Session, found: set[Finding], now: int) -> None:
    """Raises what is new and takes back what is over."""
    standing = _standing(session)
    for finding in sorted(found - standing, key=lambda f: (f.lock_id, f.kind, f.detail)):
        raise_alarm(session, finding.kind, finding.lock_id, finding.detail, now)
    for finding in standing - found:
        if not _is_about_the_past(session, finding):
            clear_alarm(session, finding.kind, finding.lock_id, finding.detail)


def is_settled(session: Session, found: set[Finding]) -> bool:
    """Whether `settle` would change nothing, without taking the write lock."""
    standing = _standing(session)
    over = [f for f in standing - found if not _is_about_the_past(session, f)]
    return not (found - standing) and not over


# --- records ---


def _gaps(session: Session, lock: Lock, now: int) -> Iterator[str]:
    """The first hole of the journal, once what follows it has been here for a while."""
    epoch, whole = lock.journal_epoch, _acknowledged(session, lock)
    newest = newest_whole(session, lock.lock_id, epoch, whole)
    whole = newest.seq if newest is not None else whole
    query = select(AuditRecord.seq, AuditRecord.received_at).where(
        *_of(lock), AuditRecord.seq > whole
    )
    after = session.execute(query.order_by(AuditRecord.seq).limit(1)).first()
    if after is not None and after.received_at <= now - GAP_STANDS_S:
        yield gap_text(epoch, after.seq)


def gap_text(journal_epoch: int, seq: int) -> str:
    """What an alarm about a hole right before record `seq` says."""
    return f"{_prefix(journal_epoch)}records before {seq} are missing"


def _withheld(session: Session, lock: Lock, now: int) -> Iterator[str]:
    query = select(AuditRecord.seq, AuditRecord.received_at).where(*_of(lock))
    last = session.execute(query.order_by(AuditRecord.seq.desc()).limit(1)).first()
    home, came_at = (last.seq, last.received_at) if last else (0, lock.enrolled_at)
    seen = session.scalar(
        select(func.count())
        .select_from(SeenHead)
        .where(
            SeenHead.lock_id == lock.lock_id,
            SeenHead.journal_epoch == lock.journal_epoch,
            SeenHead.seq > home,
            SeenHead.seen_at <= now - HEAD_COMES_HOME_S,
        )
    )
    if seen:
        yield f"{_prefix(lock.journal_epoch)}a record that somebody saw has not come home"
    report = session.get(LockReport, lock.lock_id)
    is_met = report is not None and report.reachable and report.seen_at > now - LOCK_IS_MET_S
    if is_met and max(came_at, lock.enrolled_at) <= now - RECORDS_COME_S:
        yield f"{_prefix(lock.journal_epoch)}its gateway meets it and brings none of its records"


def _acknowledged(session: Session, lock: Lock) -> int:
    """Up to here nothing is missing: the town has said so to the lock."""
    row = documents.newest(session, lock.lock_id, documents.ACK)
    if row is None:
        return 0
    head = audit.parse_ack(row.document)[1]
    return int(head.seq) if head.journal_epoch == lock.journal_epoch else 0


# --- status lists ---


def _late_lists(session: Session, lock: Lock, now: int) -> Iterator[str]:
    """By the list's own age, and by the oldest key that it withdraws: lists may come often."""
    row = session.get(StatusOutbox, lock.lock_id)
    if row is None or row.acknowledged_version >= row.version:
        return
    held = row.acknowledged_version
    untold = session.scalar(
        select(func.min(Credential.revoked_at)).where(
            Credential.lock_id == lock.lock_id,
            Credential.expires_at > now,
            or_(Credential.listed_version.is_(None), Credential.listed_version > held),
        )
    )
    since = min(_issued_at(row), untold if untold is not None else now)
    if since <= now - LIST_ARRIVES_S:
        yield "it has not been told of keys that were withdrawn"


def _unproven_lists(session: Session, lock: Lock, now: int) -> Iterator[str]:
    """A gateway says that the lock holds the list, and the lock's sealed record is missing."""
    row = session.get(StatusOutbox, lock.lock_id)
    if row is None or not 0 < row.version <= row.acknowledged_version:
        return
    issued_at, detail = (
        _issued_at(row),
        f"list {row.version}: no sealed record says that it holds it",
    )
    if issued_at > now - LIST_IS_PROVEN_S:
        return
    is_old = issued_at < now - PROOF_SOUGHT_S
    if is_old and Finding(LIST_UNPROVEN, lock.lock_id, detail) not in _standing(session):
        return
    proof = (
        select(AuditRecord.seq)
        .where(
            *_of(lock),
            AuditRecord.received_at >= issued_at - _SKEW_S,
            AuditRecord.event == audit.STATUS_LIST,
            AuditRecord.code >= row.version,
        )
        .limit(1)
    )
    if session.scalar(proof) is None:
        yield detail


def _issued_at(row: StatusOutbox) -> int:
    return int(statuslist.parse(row.document)[1].issued_at)


# --- contact ---


def _silent(session: Session, lock: Lock, now: int) -> Iterator[str]:
    report = session.get(LockReport, lock.lock_id)
    if report is None or not report.reachable or report.seen_at > now - LOCK_IS_MET_S:
        return
    if not fleet.gateway_is_offline(session, lock.lock_id):
        yield "its gateway calls it reachable and has not met it for a while"


# --- rows ---

_LOOKS: tuple[tuple[str, Callable[[Session, Lock, int], Iterator[str]]], ...] = (
    (GAP, _gaps),
    (WITHHELD, _withheld),
    (LIST_LATE, _late_lists),
    (LIST_UNPROVEN, _unproven_lists),
    (SILENT, _silent),
)


def _standing(session: Session) -> set[Finding]:
    query = select(Alarm.kind, Alarm.device, Alarm.detail).where(Alarm.kind.in_(KINDS))
    return {Finding(*row) for row in session.execute(query)}


def _is_about_the_past(session: Session, finding: Finding) -> bool:
    """A journal that ended with holes keeps them: nobody can bring its records any more."""
    lock = session.get(Lock, finding.lock_id)
    if finding.kind not in (GAP, WITHHELD) or lock is None:
        return False
    return not finding.detail.startswith(_prefix(lock.journal_epoch))


def _prefix(journal_epoch: int) -> str:
    return f"journal {journal_epoch}: "


def _of(lock: Lock) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        AuditRecord.lock_id == lock.lock_id,
        AuditRecord.journal_epoch == lock.journal_epoch,
    )
