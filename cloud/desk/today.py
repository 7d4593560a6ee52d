"""A day at the desk: houses, rooms, doors and uses, and what needs somebody first.

Decides what belongs to a day (every use that touches it; a cancelled one stays visible, for people
come anyway) and gathers the facts for `cloud.desk.attention`. Doors and uses are shown only where
the asker may see each. Changes nothing, reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import fleet
from cloud.booking import states
from cloud.booking.hours import day_of, whole_day
from cloud.desk import alarm_marks, scope
from cloud.desk.attention import SOON_S, Door, OpenAlarm, Untold, Use, attention
from cloud.desk.doors import Report, door_line
from cloud.models import (
    Alarm,
    Booking,
    ClosedDay,
    Credential,
    Facility,
    KeyLink,
    Lock,
    LockReport,
    Room,
    StatusOutbox,
)
from cloud.people.principals import Principal

MAX_USES = 2_000
_REPORTED = (
    "battery",
    "firmware",
    "lost_records",
    "reachable",
    "seen_at",
    "bolt",
    "door",
    "held_open",
    "keypad",
    "status_version",
    "keyset_version",
    "config_version",
    "head_seq",
    "acked_seq",
    "time_lo",
    "time_hi",
)


@dataclass(frozen=True)
class _Seen:
    """What the asker may see."""

    uses: scope.Facilities
    doors: scope.Facilities

    @classmethod
    def of(cls, who: Principal) -> _Seen:
        """Nothing at all is an empty set; everything is None."""
        return cls(who.facilities("booking.read"), who.facilities("door.read"))

    def all(self) -> scope.Facilities:
        return None if self.uses is None or self.doors is None else self.uses | self.doors


def today(session: Session, who: Principal, day: date | None, now: int) -> dict[str, Any]:
    """The answer of GET /v1/staff/today without its moment."""
    day = day or day_of(now)
    starts_at, ends_at = whole_day(day)
    seen = _Seen.of(who)
    houses = scope.facilities_of(session, seen.all())
    closed = _closed(session, day)
    uses = _uses(session, seen.uses, starts_at, ends_at)
    keys = keys_of(session, [booking.booking_id for booking, _ in uses])
    rooms = _rooms(session, seen.all())
    doors = {room.room_id: _door(session, lock, report) for room, lock, report in rooms}
    return {
        "day": day.isoformat(),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "facilities": [
            {
                "facility_id": house.facility_id,
                "name": scope.name_of(house),
                "closed": (house.facility_id, "") in closed,
                "rooms": [
                    {
                        "room_id": room.room_id,
                        "name": room.name,
                        "closed": (house.facility_id, room.room_id) in closed,
                        "door": doors[room.room_id] if _in(seen.doors, house) else None,
                        "bookings": [
                            use_line(booking, keys)
                            for booking, _ in uses
                            if booking.room_id == room.room_id
                        ]
                        if _in(seen.uses, house)
                        else None,
                    }
                    for room, _lock, _report in rooms
                    if room.facility_id == house.facility_id
                ],
            }
            for house in houses
        ],
        "attention": _attention(session, who, seen, now, rooms, doors),
        "counts": {
            "approvals": _approvals(session, who, now),
            "alarms": len(_open_alarms(session, who)),
        },
    }


def use_line(booking: Booking, keys: dict[str, str]) -> dict[str, Any]:
    """A use in a list."""
    return {
        "booking_id": booking.booking_id,
        "starts_at": booking.starts_at,
        "ends_at": booking.ends_at,
        "holder_name": booking.holder_name,
        "status": booking.status,
        "payment_state": booking.payment_state,
        "channel": booking.channel,
        "people": booking.people,
        "keyed": states.keyed(booking),
        "key": keys.get(booking.booking_id, "none"),
    }


def keys_of(session: Session, booking_ids: list[str]) -> dict[str, str]:
    """{booking_id: issued or collected}, by the best of its holders."""
    issued = select(Credential.booking_id).where(
        Credential.booking_id.in_(booking_ids), Credential.revoked_at.is_(None)
    )
    collected = select(KeyLink.booking_id).where(
        KeyLink.booking_id.in_(booking_ids),
        KeyLink.claimed_at.is_not(None),
        KeyLink.replaced_at.is_(None),
    )
    found = dict.fromkeys(session.scalars(issued), "issued")
    return found | dict.fromkeys(session.scalars(collected), "collected")


# --- rows ---


def _in(shown: scope.Facilities, house: Facility) -> bool:
    return shown is None or house.facility_id in shown


def _uses(
    session: Session, shown: scope.Facilities, starts_at: int, ends_at: int
) -> list[tuple[Booking, Room]]:
    query = (
        select(Booking, Room)
        .join(Room, Room.room_id == Booking.room_id)
        .where(Booking.starts_at < ends_at, Booking.ends_at > starts_at)
        .where(Booking.starts_at > starts_at - 40 * 86_400)  # the index ends the search there
        .where(Booking.status != states.EXPIRED)
        .order_by(Booking.starts_at, Booking.booking_id)
        .limit(MAX_USES)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    return [(booking, room) for booking, room in session.execute(query)]


def _rooms(
    session: Session, shown: scope.Facilities
) -> list[tuple[Room, Lock | None, LockReport | None]]:
    query = (
        select(Room, Lock, LockReport)
        .outerjoin(Lock, Lock.room_id == Room.room_id)
        .outerjoin(LockReport, LockReport.lock_id == Lock.lock_id)
        .where(Room.active)
        .order_by(Room.facility_id, Room.room_id)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    return [(room, lock, report) for room, lock, report in session.execute(query)]


def report_of(row: LockReport | None) -> Report | None:
    """A row as `cloud.desk.doors` looks at it."""
    return Report(**{name: getattr(row, name) for name in _REPORTED}) if row else None


def _door(session: Session, lock: Lock | None, row: LockReport | None) -> dict[str, Any]:
    online = lock is not None and not fleet.gateway_is_offline(session, lock.lock_id)
    return door_line(lock.lock_id if lock else None, report_of(row), online)


def _closed(session: Session, day: date) -> set[tuple[str, str]]:
    rows = session.scalars(select(ClosedDay).where(ClosedDay.day == day.isoformat()))
    return {(row.facility_id, row.room_id) for row in rows}


# --- what needs somebody ---


def _attention(
    session: Session,
    who: Principal,
    seen: _Seen,
    now: int,
    rooms: list[tuple[Room, Lock | None, LockReport | None]],
    doors: dict[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Always of this moment, whatever day is looked at."""
    uses = _uses(session, seen.uses, now, now + 86_400)
    keys = keys_of(session, [booking.booking_id for booking, _ in uses])
    shown = [row for row in rooms if seen.doors is None or row[0].facility_id in seen.doors]
    return attention(
        [_use(booking, room, keys) for booking, room in uses],
        [_as_door(room, lock, doors[room.room_id]) for room, lock, _ in shown if lock is not None],
        _untold(session, seen.uses, now),
        [
            OpenAlarm(alarm.alarm_id, alarm.kind, room, alarm.last_at)
            for alarm, room in _open_alarms(session, who)
        ],
        now,
    )


def _use(booking: Booking, room: Room, keys: dict[str, str]) -> Use:
    return Use(
        booking_id=booking.booking_id,
        room_id=room.room_id,
        room=room.name,
        name=booking.holder_name,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        status=booking.status,
        payment_state=booking.payment_state,
        keyed=states.keyed(booking),
        key=keys.get(booking.booking_id, "none"),
    )


def _as_door(room: Room, lock: Lock, line: dict[str, Any]) -> Door:
    clock = line["clock"]
    return Door(
        room_id=room.room_id,
        room=room.name,
        lock_id=lock.lock_id,
        contact=line["contact"],
        last_contact=line["last_contact"],
        clock_sure=clock["sure"] if clock else None,
    )


def _untold(session: Session, shown: scope.Facilities, now: int) -> Iterable[Untold]:
    """Withdrawn keys that their lock would still take now or soon."""
    held = func.coalesce(StatusOutbox.acknowledged_version, 0)
    query = (
        select(Credential, Room.name, LockReport.seen_at)
        .join(Lock, Lock.lock_id == Credential.lock_id)
        .join(Room, Room.room_id == Lock.room_id)
        .outerjoin(StatusOutbox, StatusOutbox.lock_id == Credential.lock_id)
        .outerjoin(LockReport, LockReport.lock_id == Credential.lock_id)
        .where(
            Credential.revoked_at.is_not(None),
            Credential.expires_at > now,
            Credential.not_before < now + SOON_S,
            func.coalesce(Credential.listed_version, held + 1) > held,
        )
        .order_by(Credential.revoked_at)
        .limit(20)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    for row, room, seen_at in session.execute(query):
        yield Untold(row.booking_id, room, row.revoked_at or 0, seen_at)


def _open_alarms(session: Session, who: Principal) -> list[tuple[Alarm, str | None]]:
    """Alarms that nobody has seen to, of what the asker may see, with their rooms."""
    shown = who.facilities("alarm.read")
    query = (
        select(Alarm, Room.name, Room.facility_id)
        .outerjoin(Lock, Lock.lock_id == Alarm.device)
        .outerjoin(Room, Room.room_id == Lock.room_id)
        .order_by(Alarm.last_at.desc())
        .limit(500)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    rows = session.execute(query).all()
    marks = alarm_marks.marks_of(session, [row[0].alarm_id for row in rows])
    return [
        (alarm, room)
        for alarm, room, _ in rows
        if alarm_marks.standing(alarm, marks.get(alarm.alarm_id)) != "handled"
    ]


def _approvals(session: Session, who: Principal, now: int) -> int:
    shown = who.facilities("booking.approve")
    query = (
        select(func.count())
        .select_from(Booking)
        .join(Room, Room.room_id == Booking.room_id)
        .where(Booking.status == states.PENDING, Booking.ends_at > now)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    return session.scalar(query) or 0
