"""Who has looked at an alarm, and who has seen to it.

Decides when an alarm is new, seen or handled: a mark counts for the times it was made at, so
trouble that comes again is open again. Marking twice keeps the first person's name.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.models import Alarm, AlarmMark
from cloud.problems import Problem

Standing = Literal["open", "seen", "handled"]


def standing(alarm: Alarm, mark: AlarmMark | None) -> Standing:
    """open: nobody has looked since it last came."""
    if mark is None or mark.seen_at < alarm.first_at or mark.seen_times < alarm.times:
        return "open"
    if mark.handled_times is not None and mark.handled_times >= alarm.times:
        return "handled"
    return "seen"


def see(session: Session, alarm_id: str, name: str, now: int) -> AlarmMark:
    """Somebody has looked. Raises Problem UNKNOWN_ALARM."""
    alarm = find(session, alarm_id)
    mark = session.get(AlarmMark, alarm_id)
    if mark is not None and standing(alarm, mark) != "open":
        return mark
    if mark is None:
        mark = AlarmMark(alarm_id=alarm_id, note="")
        session.add(mark)
    mark.seen_at, mark.seen_by, mark.seen_times = now, name, alarm.times
    return mark


def handle(session: Session, alarm_id: str, name: str, note: str, now: int) -> AlarmMark:
    """Somebody has seen to it, and says how. Raises Problem UNKNOWN_ALARM."""
    mark = see(session, alarm_id, name, now)
    if standing(find(session, alarm_id), mark) == "handled":
        return mark
    mark.handled_at, mark.handled_by, mark.handled_times = now, name, mark.seen_times
    mark.note = note
    return mark


def find(session: Session, alarm_id: str) -> Alarm:
    """The alarm, or Problem UNKNOWN_ALARM."""
    alarm = session.get(Alarm, alarm_id)
    if alarm is None:
        raise Problem("UNKNOWN_ALARM")
    return alarm


def marks_of(session: Session, alarm_ids: list[str]) -> dict[str, AlarmMark]:
    """{alarm_id: mark}"""
    query = select(AlarmMark).where(AlarmMark.alarm_id.in_(alarm_ids))
    return {mark.alarm_id: mark for mark in session.scalars(query)}


def mark_line(alarm: Alarm, mark: AlarmMark | None) -> dict[str, Any]:
    """What the desk shows of it; a mark of an earlier time is history and still told."""
    line: dict[str, Any] = {"standing": standing(alarm, mark), "seen": None, "handled": None}
    if mark is not None and mark.seen_at >= alarm.first_at:
        line["seen"] = {"at": mark.seen_at, "by": mark.seen_by}
        if mark.handled_at is not None:
            line["handled"] = {"at": mark.handled_at, "by": mark.handled_by, "note": mark.note}
    return line
