"""Alarms with their rooms and with who has seen to them. Decides what belongs to a facility: the
alarms of the locks that hang there. Those of gateways and of removed locks are the whole town's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.desk import alarm_marks, scope
from cloud.models import Alarm, Lock, Room
from cloud.people.principals import Principal
from cloud.problems import Problem
from cloud.reports import alarm_meaning

_NAMES = ("alarm_id", "kind", "device", "detail", "first_at", "last_at", "times")


def alarm_lines(session: Session, shown: scope.Facilities, limit: int) -> list[dict[str, Any]]:
    """The latest first, each with its meaning in three tongues and how far staff are with it."""
    query = (
        select(Alarm, Room.name)
        .outerjoin(Lock, Lock.lock_id == Alarm.device)
        .outerjoin(Room, Room.room_id == Lock.room_id)
        .order_by(Alarm.last_at.desc(), Alarm.alarm_id)
        .limit(limit)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    rows = session.execute(query).all()
    marks = alarm_marks.marks_of(session, [row[0].alarm_id for row in rows])
    return [alarm_line(alarm, room, marks.get(alarm.alarm_id)) for alarm, room in rows]


def alarm_line(alarm: Alarm, room: str | None, mark: Any) -> dict[str, Any]:
    """One alarm."""
    return (
        {name: getattr(alarm, name) for name in _NAMES}
        | {"room": room, "meaning": alarm_meaning(alarm.kind)}
        | alarm_marks.mark_line(alarm, mark)
    )


def alarm_for(session: Session, who: Principal, action: str, alarm_id: str) -> Alarm:
    """The alarm, for somebody who may do `action` with it. Raises Problem UNKNOWN_ALARM."""
    alarm = alarm_marks.find(session, alarm_id)
    if not who.may(action, scope.facility_of_lock(session, alarm.device)):
        raise Problem("UNKNOWN_ALARM")
    return alarm


def room_of(session: Session, alarm: Alarm) -> str | None:
    """The name of the room whose lock it is about."""
    query = select(Room.name).join(Lock, Lock.room_id == Room.room_id)
    return session.scalar(query.where(Lock.lock_id == alarm.device))
