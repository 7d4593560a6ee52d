"""Finds a booking for somebody at the counter, and tells what happened to it.

Decides what a search means (a part of a name or contact, or the id), and its order: what goes on or
comes next, then what is over, the latest first. Changes nothing, reads no clock.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from sqlalchemy import case, or_, select
from sqlalchemy.orm import Session

from cloud.desk import audit_search, scope
from cloud.desk.audit_search import Question
from cloud.desk.today import keys_of, use_line
from cloud.models import Action, Booking, BookingHolder, PaymentEntry, Room, StaffMember
from cloud.people.principals import Principal

MAX_STORY = 100


def find(
    session: Session, shown: scope.Facilities, text: str, limit: int, now: int
) -> list[dict[str, Any]]:
    """Bookings with their rooms."""
    plain = unicodedata.normalize("NFKC", text)
    others = select(BookingHolder.booking_id).where(
        or_(*_says(BookingHolder.name, text, plain)), BookingHolder.removed_at.is_(None)
    )
    query = (
        select(Booking, Room)
        .join(Room, Room.room_id == Booking.room_id)
        .where(
            or_(
                Booking.booking_id == plain.lower(),
                *_says(Booking.holder_name, text, plain),
                *_says(Booking.holder_contact, text, plain),
                *_says(Booking.booker_name, text, plain),
                Booking.booking_id.in_(others),
            )
        )
        .order_by(
            case((Booking.ends_at > now, 0), else_=1),
            case((Booking.ends_at > now, Booking.starts_at), else_=-Booking.starts_at),
            Booking.booking_id,
        )
        .limit(limit)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    rows = session.execute(query).all()
    keys = keys_of(session, [booking.booking_id for booking, _ in rows])
    return [use_line(booking, keys) | {"room": room.name} for booking, room in rows]


def _says(column: Any, text: str, plain: str) -> list[Any]:
    """As it was typed, and with full-width letters and digits made plain."""
    return [column.icontains(each, autoescape=True) for each in {text, plain}]


def story(session: Session, who: Principal, booking_id: str) -> dict[str, Any]:
    """Deeds of staff, payments, and (for those who may) what its door recorded."""
    booking = scope.booking_for(session, who, "booking.read", booking_id)
    facility_id = scope.facility_of_booking(session, booking)
    records = None
    if who.may("audit.read", facility_id) or who.may("door.read", facility_id):
        asked = Question(who=booking_id)
        records = [
            {name: line[name] for name in _TOLD}
            for line in audit_search.search(session, asked, None, MAX_STORY).lines
            if line["booking_id"] == booking_id
        ]
    return {
        "booking_id": booking_id,
        "actions": _actions(session, booking_id),
        "payments": _payments(session, booking_id),
        "records": records,
    }


_TOLD = ("at", "time_lo", "time_hi", "event", "result", "reason", "path", "holder_name",
         "staff_name", "staff_reason", "lock_id", "seq")  # fmt: skip


def _actions(session: Session, booking_id: str) -> list[dict[str, Any]]:
    query = (
        select(Action, StaffMember.name)
        .outerjoin(StaffMember, StaffMember.staff_id == Action.principal_id)
        .where(Action.object_id == booking_id)
        .order_by(Action.seq.desc())
        .limit(MAX_STORY)
    )
    return [
        {
            "at": row.at,
            "action": row.action,
            "name": name or row.principal_id,
            "detail": json.loads(row.detail),
        }
        for row, name in session.execute(query)
    ]


def _payments(session: Session, booking_id: str) -> list[dict[str, Any]]:
    query = select(PaymentEntry).where(PaymentEntry.booking_id == booking_id)
    names = ("kind", "yen", "method", "taken_by", "taken_at", "note")
    rows = session.scalars(query.order_by(PaymentEntry.taken_at.desc()).limit(MAX_STORY))
    return [{name: getattr(row, name) for name in names} for row in rows]
