"""Counts what `cloud.desk.minutes` multiplies: uses, keys that opened, work done by hand.

Decides which rows count: a use is a confirmed booking that ended in the span; an own key is a token
or number of its holders that the lock itself recorded opening; work by hand is what staff did at
the desk, from their own list of actions and from the bookings they made. What a calendar import or
a program did is nobody's minute. Reads no clock.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloud.booking import states
from cloud.desk.minutes import Tally
from cloud.models import Action, AuditRecord, Booking, Credential, IssuedPin, Room, StaffKey
from cloud.people.principals import machine
from protocol import audit

KEY_ACTIONS = ("key.reissue", "key.pin")
_STAFF = "staff:"
_PROGRAM = _STAFF + machine("").staff_id
_OPENED = (audit.OPERATION_UNLOCK, audit.OPERATION_HOLD_OPEN)


def tally(session: Session, shown: frozenset[str] | None, starts: int, ends: int) -> Tally:
    """Rows of [starts, ends), of these facilities (None: all)."""
    used = _uses(shown, starts, ends)
    return Tally(
        uses=_count(session, used),
        own_key=_count(session, used.where(_opened_with_own_key())),
        approvals=_count(session, _decided(shown, starts, ends)),
        keys=_keys_by_hand(session, shown, starts, ends),
        bookings=_count(session, _taken(shown, starts, ends)),
        openings=_count(session, _opened_by_staff(shown, starts, ends)),
    )


def _uses(shown: frozenset[str] | None, starts: int, ends: int) -> Select[tuple[str]]:
    query = select(Booking.booking_id).where(
        Booking.status == states.CONFIRMED, Booking.ends_at >= starts, Booking.ends_at < ends
    )
    return _in_houses(query, shown)


def _opened_with_own_key() -> ColumnElement[bool]:
    opened = select(AuditRecord.subject).where(*_is_opening())
    by_token = select(Credential.booking_id).where(Credential.cti.in_(opened))
    by_number = select(IssuedPin.booking_id).where(IssuedPin.name.in_(opened))
    return or_(Booking.booking_id.in_(by_token), Booking.booking_id.in_(by_number))


def _is_opening() -> tuple[ColumnElement[bool], ...]:
    return (AuditRecord.event == audit.LOCK_OPERATION, AuditRecord.code.in_(_OPENED))


def _decided(shown: frozenset[str] | None, starts: int, ends: int) -> Select[tuple[str]]:
    """Approvals and refusals by a person; what the rules decided has no such name."""
    query = select(Booking.booking_id).where(
        Booking.decided_at >= starts, Booking.decided_at < ends, _by_hand(Booking.decided_by)
    )
    return _in_houses(query, shown)


def _by_hand(by: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Whether a person at the desk did it."""
    return and_(by.startswith(_STAFF), by != _PROGRAM)


def _taken(shown: frozenset[str] | None, starts: int, ends: int) -> Select[tuple[str]]:
    query = select(Booking.booking_id).where(
        Booking.created_at >= starts, Booking.created_at < ends, _by_hand(Booking.booked_by)
    )
    return _in_houses(query, shown)


def _opened_by_staff(
    shown: frozenset[str] | None, starts: int, ends: int
) -> Select[tuple[bytes | None]]:
    """Doors that a lock says were opened with a staff key of the span, each key once."""
    query = (
        select(AuditRecord.subject)
        .join(StaffKey, StaffKey.cti == AuditRecord.subject)
        .where(*_is_opening(), StaffKey.issued_at >= starts, StaffKey.issued_at < ends)
        .distinct()
    )
    if shown is not None:
        booked = _in_houses(select(Booking.booking_id), shown)
        query = query.where(StaffKey.booking_id.in_(booked))
    return query


def _keys_by_hand(session: Session, shown: frozenset[str] | None, starts: int, ends: int) -> int:
    """Links made anew and numbers printed, by people."""
    query = select(Action.seq).where(
        Action.at >= starts,
        Action.at < ends,
        Action.action.in_(KEY_ACTIONS),
        Action.principal_id != machine("").staff_id,
    )
    if shown is not None:
        query = query.where(Action.object_id.in_(_in_houses(select(Booking.booking_id), shown)))
    return _count(session, query)


def _in_houses(query: Select[tuple[str]], shown: frozenset[str] | None) -> Select[tuple[str]]:
    if shown is None:
        return query
    rooms = select(Room.room_id).where(Room.facility_id.in_(shown))
    return query.where(Booking.room_id.in_(rooms))


def _count(
    session: Session, query: Select[tuple[str]] | Select[tuple[bytes | None]] | Select[tuple[int]]
) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0
