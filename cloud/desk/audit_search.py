"""Finds records of locks: by day, room, person, event and result; page by page, newest first.

Decides which records a question means. A lock knows the time as an interval, so a record counts for
every moment at which it may have happened: from its floor to its ceiling, and a lock that had no
ceiling wrote it at the latest when the record came home. Whom the asker may not see (`facilities`)
is not counted, not told and not guessed at. Changes nothing, reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from cloud.models import AuditRecord, Booking, Credential, IssuedPin, Lock, Room, StaffKey
from cloud.problems import Problem
from cloud.reports import CODES, EVENTS, PATHS
from protocol import audit, reasons

MAX_PAGE = 200
MAX_ROWS = 50_000
REFUSED = "refused"
_EVENT_NUMBERS = {name: number for number, name in EVENTS.items()}
_AT = func.coalesce(AuditRecord.time_hi, AuditRecord.received_at)
_ORDER = (_AT, AuditRecord.lock_id, AuditRecord.journal_epoch, AuditRecord.seq)
_BookedRoom = aliased(Room)
_BOOKING_ID = func.coalesce(Credential.booking_id, IssuedPin.booking_id, StaffKey.booking_id)
_FACILITY = func.coalesce(_BookedRoom.facility_id, Room.facility_id)


@dataclass(frozen=True)
class Question:
    """[starts, ends) in Unix seconds. `who`: part of a resident's or a clerk's name, or a booking's
    id. None: anything."""

    starts: int | None = None
    ends: int | None = None
    room_id: str | None = None
    lock_id: str | None = None
    who: str | None = None
    event: str | None = None
    result: str | None = None
    facilities: frozenset[str] | None = None


@dataclass(frozen=True)
class Page:
    """Lines and where the next page begins; None at the end."""

    lines: list[dict[str, Any]]
    next: str | None


def search(session: Session, asked: Question, after: str | None, limit: int) -> Page:
    """One page. Raises Problem INVALID for an `after` that no page gave."""
    query = _query(asked)
    if after is not None:
        query = query.where(tuple_(*_ORDER) < _place(after))
    rows = session.execute(query.limit(limit + 1)).all()
    more = len(rows) > limit
    return Page([_line(row) for row in rows[:limit]], _mark(rows[limit - 1]) if more else None)


def everything(session: Session, asked: Question) -> Iterator[dict[str, Any]]:
    """Every line, MAX_ROWS at most."""
    for row in session.execute(_query(asked).limit(MAX_ROWS).execution_options(yield_per=500)):
        yield _line(row)


def results_of(event: str) -> list[str]:
    """What can follow from an event, for a list to choose from."""
    number = _EVENT_NUMBERS.get(event)
    if number == audit.LOCK_OPERATION_ERROR:
        return sorted(reasons.NAMES.values())
    return list(CODES.get(number, {}).values()) if number is not None else []


def _query(asked: Question) -> Select[Any]:
    query = (
        select(
            AuditRecord,
            _AT.label("at"),
            _BOOKING_ID.label("booking_id"),
            Booking.holder_name,
            StaffKey.staff_name,
            StaffKey.reason.label("staff_reason"),
            func.coalesce(_BookedRoom.name, Room.name).label("room"),
        )
        .outerjoin(Credential, Credential.cti == AuditRecord.subject)
        .outerjoin(
            IssuedPin,
            and_(IssuedPin.name == AuditRecord.subject, IssuedPin.lock_id == AuditRecord.lock_id),
        )
        .outerjoin(StaffKey, StaffKey.cti == AuditRecord.subject)
        .outerjoin(Booking, Booking.booking_id == _BOOKING_ID)
        .outerjoin(_BookedRoom, _BookedRoom.room_id == Booking.room_id)
        .outerjoin(Lock, Lock.lock_id == AuditRecord.lock_id)
        .outerjoin(Room, Room.room_id == Lock.room_id)
        .order_by(*(column.desc() for column in _ORDER))
    )
    return query.where(*_conditions(asked))


def _conditions(asked: Question) -> Iterator[ColumnElement[bool]]:
    if asked.starts is not None:
        yield AuditRecord.received_at >= asked.starts  # nothing comes home before it happened
        yield _AT >= asked.starts
    if asked.ends is not None:
        yield func.coalesce(AuditRecord.time_lo, 0) < asked.ends
    if asked.lock_id is not None:
        yield AuditRecord.lock_id == asked.lock_id
    if asked.room_id is not None:
        yield func.coalesce(Booking.room_id, Lock.room_id) == asked.room_id
    if asked.who:
        yield or_(
            Booking.holder_name.icontains(asked.who, autoescape=True),
            StaffKey.staff_name.icontains(asked.who, autoescape=True),
            _BOOKING_ID == asked.who,
        )
    if asked.event is not None:
        yield AuditRecord.event == _EVENT_NUMBERS.get(asked.event, -1)
    if asked.result is not None:
        yield _has_result(asked.result)
    if asked.facilities is not None:
        yield _FACILITY.in_(asked.facilities)


def _has_result(result: str) -> ColumnElement[bool]:
    refusal = AuditRecord.event == audit.LOCK_OPERATION_ERROR
    if result == REFUSED:
        return refusal
    numbers = [number for number, name in reasons.NAMES.items() if name == result]
    named = [
        and_(AuditRecord.event == event, AuditRecord.code == code)
        for event, codes in CODES.items()
        for code, name in codes.items()
        if name == result
    ]
    return or_(and_(refusal, AuditRecord.code.in_(numbers)), *named)


def _line(row: Row[Any]) -> dict[str, Any]:
    record: AuditRecord = row[0]
    refused = record.event == audit.LOCK_OPERATION_ERROR
    result = CODES.get(record.event, {}).get(record.code, str(record.code))
    return {
        "at": row.at,
        "time_lo": record.time_lo,
        "time_hi": record.time_hi,
        "received_at": record.received_at,
        "room": row.room,
        "lock_id": record.lock_id,
        "journal_epoch": record.journal_epoch,
        "seq": record.seq,
        "event": EVENTS.get(record.event, f"Unknown{record.event}"),
        "result": REFUSED if refused else result,
        "reason": reasons.name(record.code) if refused else None,
        "path": PATHS.get(record.source, f"unknown-{record.source}"),
        "value": record.value,
        "subject": record.subject.hex() if record.subject else None,
        "booking_id": row.booking_id,
        "holder_name": row.holder_name,
        "staff_name": row.staff_name,
        "staff_reason": row.staff_reason,
        "hash": audit.record_hash(record.raw).hex(),
    }


# --- places between pages ---


def _mark(row: Row[Any]) -> str:
    record: AuditRecord = row[0]
    return f"{row.at}.{record.lock_id}.{record.journal_epoch}.{record.seq}"


def _place(after: str) -> Any:
    at, lock_id, epoch, seq = (*after.split("."), "", "", "")[:4]
    numbers = [text for text in (at, epoch, seq) if text.isascii() and text.isdigit()]
    if len(numbers) != 3 or any(len(text) > 18 for text in numbers):
        raise Problem("INVALID", where="after")
    return tuple_(int(at), lock_id, int(epoch), int(seq))
