"""What gateways and locks last told of themselves, and which status lists still have to reach them.

Decides when a list counts as delivered: the lock's own answer to that very document, or a report
that it holds this version. A report of less (a lock made anew) sends it again. Reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud import ahead, documents, lists
from cloud.alarms import clear_alarm, raise_alarm
from cloud.database import town_of
from cloud.heads import WENT_BACK
from cloud.keysets import SignedKeyset
from cloud.lists import Delta
from cloud.models import GatewayRow, Lock, LockReach, LockReport, StatusOutbox
from kannuki.backoff import Backoff
from kannuki.messages import GatewayState, LockState
from protocol import statuslist

_SAID_ANYWAY = ("reachable", "seen_at", "bolt", "door", "time_lo", "time_hi")
_REPORTED = (
    *_SAID_ANYWAY,
    "status_version",
    "keyset_version",
    "config_version",
    "head_seq",
    "acked_seq",
    "keypad",
    "held_open",
    "lost_records",
    "battery",
    "firmware",
)
# A battery in use falls to and fro by some per cent: what was low is well only far above.
BATTERY_LOW, BATTERY_WELL = 20, 35
BATTERY_ALARM, LOST_ALARM = "BATTERY_LOW", "RECORDS_LOST"
RETRY = Backoff(first_s=2.0, max_s=60.0, spread=0.0)


@dataclass(frozen=True)
class DueList:
    """A status list to send now: signed header, entries, and perhaps a shorter way."""

    lock_id: str
    version: int
    document: bytes
    entries: bytes
    delta: Delta | None


def note_gateway(session: Session, gateway_id: str, state: GatewayState, now: int) -> None:
    """A gateway came, or (by its will) went; coming back makes its locks' lists due at once."""
    session.merge(
        GatewayRow(
            town=town_of(session),
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
        ahead.make_waiting_due(session, now)


def note_lock(session: Session, lock_id: str, state: LockState, now: int) -> bool:
    """A lock's last known state; False when it is no lock of ours."""
    if session.get(Lock, lock_id) is None:
        return False
    if state.gateway is not None:
        _note_reach(session, lock_id, state.gateway, state, now)
        if not state.reachable and carrier(session, lock_id) is not None:
            return True  # out of this gateway's reach, not of another's
    report = session.get(LockReport, lock_id) or LockReport(lock_id=lock_id)
    is_new = report.seen_at is None
    if not is_new and _is_old_news(session, report, state):
        return True
    _check_head(session, report, state, now)
    if state.reachable:
        _check_battery(session, report, state, now)
        _check_lost_records(session, report, state, now)
        report.gateway_id = state.gateway or report.gateway_id
    for name in _REPORTED:
        if is_new or state.reachable or name in _SAID_ANYWAY:
            setattr(report, name, getattr(state, name))
    report.heard_at = now
    session.add(report)
    session.flush()
    if state.reachable:
        _note_version(session, lock_id, state.status_version, now)
        documents.note_report(session, report, now)
    return True


def _is_old_news(session: Session, report: LockReport, state: LockState) -> bool:
    """Whether another gateway, which reaches the lock, saw it later.

    Of one and the same gateway the last word counts: its clock may have been set back.
    """
    if None in (state.gateway, report.gateway_id) or state.gateway == report.gateway_id:
        return False
    return state.seen_at < report.seen_at and carrier(session, report.lock_id) == report.gateway_id


def offer_keyset(session: Session, lock_id: str, keyset: SignedKeyset, now: int) -> None:
    """Sends the town's keyset to a lock that has reported an older one."""
    report = session.get(LockReport, lock_id)
    if report is None or report.keyset_version == 0:
        return
    version = keyset.keyset.version
    if report.keyset_version < version:
        documents.put(session, lock_id, documents.KEYSET, version, keyset.document, now)
    elif report.keyset_version > version:
        detail = f"it has keyset {report.keyset_version}, this service {version}"
        raise_alarm(session, "KEYSET_BEHIND", lock_id, detail, now)


def _check_head(session: Session, report: LockReport, state: LockState, now: int) -> None:
    """A journal only grows: a lock that stands lower than before has another past."""
    lock = session.get_one(Lock, report.lock_id)
    if report.seen_at is None or not lock.enrolled_at <= report.seen_at < state.seen_at:
        return
    if state.reachable and state.head_seq < report.head_seq:
        detail = f"it stands at {state.head_seq}, stood at {report.head_seq}"
        raise_alarm(
            session, WENT_BACK, report.lock_id, f"journal {lock.journal_epoch}: {detail}", now
        )


def _check_battery(session: Session, before: LockReport, state: LockState, now: int) -> None:
    """One alarm for each time that it runs low, taken back when somebody has put in another."""
    if state.battery is None:
        return
    was = before.battery if before.battery is not None else 100
    detail = f"less than {BATTERY_LOW} % left"
    if state.battery < BATTERY_LOW <= was:
        raise_alarm(session, BATTERY_ALARM, before.lock_id, detail, now)
    elif state.battery >= BATTERY_WELL:
        clear_alarm(session, BATTERY_ALARM, before.lock_id, detail)


def _check_lost_records(session: Session, before: LockReport, state: LockState, now: int) -> None:
    """The lock counts from its start: fewer than before are others than before."""
    known = before.lost_records or 0
    if state.lost_records and state.lost_records != known:
        detail = "its storage refused records"
        raise_alarm(session, LOST_ALARM, before.lock_id, detail, now)


# --- which gateway reaches which lock ---


def _note_reach(
    session: Session, lock_id: str, gateway_id: str, state: LockState, now: int
) -> None:
    """Whether this gateway reaches the lock. A state of long ago, told again, is no news."""
    row = session.get(LockReach, (lock_id, gateway_id))
    if state.reachable:
        row = row or LockReach(lock_id=lock_id, gateway_id=gateway_id, reached_at=0)
        row.reached_at = max(row.reached_at, min(state.seen_at, now))
        row.lost_at = None
        session.add(row)
        session.flush()
    else:
        note_lost(session, lock_id, gateway_id, now)


def note_lost(session: Session, lock_id: str, gateway_id: str, now: int) -> None:
    """This gateway could not reach the lock when it was asked to."""
    row = session.get(LockReach, (lock_id, gateway_id))
    if row is not None:
        row.lost_at = row.lost_at or now
        session.flush()


def carrier(session: Session, lock_id: str) -> str | None:
    """The gateway that shall act at a lock: of those that are there, the last to have reached it.

    None when none is known to; then whoever hears a command may try.
    """
    query = (
        select(LockReach.gateway_id)
        .join(GatewayRow, GatewayRow.gateway_id == LockReach.gateway_id)
        .where(LockReach.lock_id == lock_id, LockReach.lost_at.is_(None), GatewayRow.online)
        .order_by(LockReach.reached_at.desc(), LockReach.gateway_id)
    )
    return session.scalar(query.limit(1))


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
        due.append(_due_list(session, entry))
    return due


def _due_list(session: Session, entry: StatusOutbox) -> DueList:
    header = statuslist.parse(entry.document)[1]
    delta = lists.delta(session, entry.lock_id, header, entry.entries)
    return DueList(entry.lock_id, entry.version, entry.document, entry.entries, delta)


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
    if carrier(session, lock_id) is not None:
        return False
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
