"""What staff read: bookings with their holders, who opened what, the fleet, alarms.

Decides the shape of answers; changes nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import fleet
from cloud.models import (
    Alarm,
    AuditRecord,
    Booking,
    Credential,
    DocumentOutbox,
    GatewayRow,
    KeyLink,
    Lock,
    LockReport,
    Room,
    StatusOutbox,
)
from kannuki import texts
from protocol import audit, reasons

EVENTS = {
    audit.BOOT: "Boot",
    audit.LOCK_OPERATION: "LockOperation",
    audit.LOCK_OPERATION_ERROR: "LockOperationError",
    audit.DOOR_LOCK_ALARM: "DoorLockAlarm",
    audit.DOOR_STATE: "DoorState",
    audit.STATUS_LIST: "StatusList",
    audit.KEYSET: "Keyset",
    audit.CONFIG: "Config",
    audit.TIME: "Time",
    audit.GAP: "Gap",
    audit.PIN_ATTEMPT: "PinAttempt",
    audit.KEYPAD: "Keypad",
}
CODES = {
    audit.LOCK_OPERATION: {
        audit.OPERATION_LOCK: "lock",
        audit.OPERATION_UNLOCK: "unlock",
        audit.OPERATION_HOLD_OPEN: "hold-open",
        audit.OPERATION_EVACUATE: "evacuate",
    },
    audit.DOOR_LOCK_ALARM: {
        audit.ALARM_JAMMED: "jammed",
        audit.ALARM_FORCED: "forced",
        audit.ALARM_HELD: "held",
        audit.ALARM_TAMPER: "tamper",
        audit.ALARM_WRONG_CODE: "wrong-code",
        audit.ALARM_KEYPAD_DISABLED: "keypad-disabled",
        audit.ALARM_EMERGENCY_KEY: "emergency-key",
        audit.ALARM_EVACUATION: "evacuation",
        audit.ALARM_TIME: "time",
        audit.ALARM_FORK: "fork",
    },
    audit.TIME: {
        audit.TIME_CHECKPOINT: "checkpoint",
        audit.TIME_SET: "set",
        audit.TIME_RESET: "reset",
    },
    audit.KEYPAD: {audit.KEYPAD_CLEARED: "cleared"},
    audit.DOOR_STATE: {audit.DOOR_OPEN: "open", audit.DOOR_CLOSED: "closed"},
}
PATHS = {
    audit.SOURCE_NONE: None,
    audit.SOURCE_HOLDER: "offline",
    audit.SOURCE_REMOTE: "relay",
    audit.SOURCE_AUTO: "auto",
    audit.SOURCE_BUTTON: "button",
    audit.SOURCE_MANUAL: "manual",
    audit.SOURCE_KEYPAD: "keypad",
}


_LOCK_NAMES = (
    "reachable",
    "bolt",
    "door",
    "keypad",
    "held_open",
    "seen_at",
    "status_version",
    "keyset_version",
    "config_version",
    "head_seq",
    "acked_seq",
    "time_lo",
    "time_hi",
    "heard_at",
)


def audit_lines(session: Session, lock_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest records, newest first: what happened, when, by whom, by which path."""
    query = (
        select(AuditRecord, Credential.booking_id, Booking.holder_name, Room.name)
        .outerjoin(Credential, Credential.cti == AuditRecord.subject)
        .outerjoin(Booking, Booking.booking_id == Credential.booking_id)
        .outerjoin(Lock, Lock.lock_id == AuditRecord.lock_id)
        .outerjoin(Room, Room.room_id == Lock.room_id)
        .order_by(
            AuditRecord.received_at.desc(),  # across locks, numbers say nothing about time
            AuditRecord.journal_epoch.desc(),
            AuditRecord.seq.desc(),
            AuditRecord.lock_id,
        )
    )
    if lock_id is not None:
        query = query.where(AuditRecord.lock_id == lock_id)
    return [_audit_line(*row) for row in session.execute(query.limit(limit))]


def _audit_line(
    record: AuditRecord, booking_id: str | None, holder: str | None, room: str | None
) -> dict[str, Any]:
    refused = record.event == audit.LOCK_OPERATION_ERROR
    result = CODES.get(record.event, {}).get(record.code, str(record.code))
    return {
        "lock_id": record.lock_id,
        "room": room,
        "journal_epoch": record.journal_epoch,
        "seq": record.seq,
        "time_lo": record.time_lo,
        "time_hi": record.time_hi,
        "event": EVENTS.get(record.event, f"Unknown{record.event}"),
        "result": "refused" if refused else result,
        "reason": reasons.name(record.code) if refused else None,
        "path": PATHS.get(record.source, f"unknown-{record.source}"),
        "value": record.value,
        "subject": record.subject.hex() if record.subject else None,
        "who": {"booking_id": booking_id, "holder_name": holder} if booking_id else None,
        "hash": audit.record_hash(record.raw).hex(),
        "received_at": record.received_at,
    }


def booking_lines(
    session: Session,
    starts_before: int,
    ends_after: int,
    limit: int,
    facilities: frozenset[str] | None = None,
) -> list[dict[str, Any]]:
    """Bookings in a window with holders and the state of their keys; `facilities` None: all."""
    query = (
        select(Booking, Room.name)
        .outerjoin(Room, Room.room_id == Booking.room_id)
        .where(Booking.starts_at < starts_before, Booking.ends_at > ends_after)
        .order_by(Booking.starts_at, Booking.room_id, Booking.booking_id)
    )
    if facilities is not None:
        query = query.where(Room.facility_id.in_(facilities))
    rows = session.execute(query.limit(limit)).all()
    ids = [booking.booking_id for booking, _ in rows]
    locks = _locks_of(session, ids)
    claimed = _claimed(session, ids)
    return [
        {
            "booking_id": booking.booking_id,
            "uid": booking.uid,
            "recurrence_id": booking.recurrence_id,
            "room_id": booking.room_id,
            "room": room,
            "holder_name": booking.holder_name,
            "holder_contact": booking.holder_contact,
            "starts_at": booking.starts_at,
            "ends_at": booking.ends_at,
            "status": booking.status,
            "lock_id": locks.get(booking.booking_id),
            "key_collected": booking.booking_id in claimed,
        }
        for booking, room in rows
    ]


def _locks_of(session: Session, booking_ids: list[str]) -> dict[str, str]:
    query = select(Credential.booking_id, Credential.lock_id).where(
        Credential.booking_id.in_(booking_ids), Credential.revoked_at.is_(None)
    )
    return {row.booking_id: row.lock_id for row in session.execute(query)}


def _claimed(session: Session, booking_ids: list[str]) -> set[str]:
    query = select(KeyLink.booking_id).where(
        KeyLink.booking_id.in_(booking_ids),
        KeyLink.claimed_at.is_not(None),
        KeyLink.replaced_at.is_(None),
    )
    return set(session.scalars(query))


def room_lines(session: Session) -> list[dict[str, Any]]:
    """Rooms with the state of their doors: nothing about people."""
    query = (
        select(Room, Lock.lock_id, LockReport)
        .outerjoin(Lock, Lock.room_id == Room.room_id)
        .outerjoin(LockReport, LockReport.lock_id == Lock.lock_id)
        .order_by(Room.room_id)
    )
    return [
        {
            "room_id": room.room_id,
            "name": room.name,
            "lock_id": lock_id,
            "lock": _lock_line(session, report) if report else None,
        }
        for room, lock_id, report in session.execute(query)
    ]


def _lock_line(session: Session, report: LockReport) -> dict[str, Any]:
    """A lock is reachable only while its gateway is there: what a gone one said is of the past."""
    line = {name: getattr(report, name) for name in _LOCK_NAMES}
    if fleet.gateway_is_offline(session, report.lock_id):
        line["reachable"] = False
    return line


def gateway_lines(session: Session) -> list[dict[str, Any]]:
    """Gateways as they last told of themselves."""
    rows = session.scalars(select(GatewayRow).order_by(GatewayRow.gateway_id))
    names = ("gateway_id", "online", "version", "started_at", "waiting_events", "heard_at")
    return [{name: getattr(row, name) for name in names} for row in rows]


def fleet_lines(session: Session) -> dict[str, Any]:
    """Gateways, locks, and the lists and documents that are under way."""
    others = session.scalars(
        select(DocumentOutbox).order_by(DocumentOutbox.lock_id, DocumentOutbox.what)
    )
    lists = session.scalars(select(StatusOutbox).order_by(StatusOutbox.lock_id))
    return {
        "gateways": gateway_lines(session),
        "rooms": room_lines(session),
        "status_lists": [
            {
                "lock_id": entry.lock_id,
                "version": entry.version,
                "acknowledged_version": entry.acknowledged_version,
                "attempts": entry.attempts,
            }
            for entry in lists
        ],
        "documents": [
            {
                "lock_id": row.lock_id,
                "what": row.what,
                "version": row.version,
                "acknowledged_version": row.acknowledged_version,
                "attempts": row.attempts,
            }
            for row in others
        ],
    }


def alarm_lines(session: Session, limit: int) -> list[dict[str, Any]]:
    """Alarms, the latest first, each with its meaning in three tongues."""
    query = select(Alarm).order_by(Alarm.last_at.desc(), Alarm.alarm_id).limit(limit)
    names = ("alarm_id", "kind", "device", "detail", "first_at", "last_at", "times")
    return [
        {name: getattr(row, name) for name in names} | alarm_meaning(row.kind)
        for row in session.scalars(query)
    ]


def alarm_meaning(kind: str) -> dict[str, str]:
    """What an alarm says to staff; nothing for a kind of before."""
    if kind not in texts.codes():
        return {}
    return {lang: texts.text(kind, lang) for lang in texts.LANGUAGES}
