"""What happened to a booking: deeds of staff, payments, and what its door recorded.

Decides who is shown the door's part of it. Changes nothing, reads no clock.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.desk import audit_search, scope
from cloud.desk.audit_search import Question
from cloud.models import Action, PaymentEntry, StaffMember
from cloud.people.principals import Principal

MAX_STORY = 100


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
