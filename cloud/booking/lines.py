"""Bookings, rooms and facilities as answers: for the resident whose they are, and for staff.

Decides the shape of answers; changes nothing. Every reason carries its words, so that a page and a
program tell the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.booking import lifecycle, places, states
from cloud.booking.amounts import amounts_of
from cloud.booking.policy import Rules
from cloud.models import Booking, Facility, Group, Room
from kannuki import texts


def reason_lines(codes: Iterable[str]) -> list[dict[str, str]]:
    """Codes with their words."""
    return [
        {"code": code} | {lang: texts.text(code, lang) for lang in texts.LANGUAGES}
        for code in codes
        if code in texts.codes()
    ]


def facility_lines(session: Session, facilities: frozenset[str] | None = None) -> list[Any]:
    """Facilities with their rooms, in two queries; `facilities` None: all."""
    houses = select(Facility).where(Facility.active).order_by(Facility.facility_id)
    if facilities is not None:
        houses = houses.where(Facility.facility_id.in_(facilities))
    rooms = session.scalars(select(Room).where(Room.active).order_by(Room.room_id)).all()
    return [
        _facility_line(house, [r for r in rooms if r.facility_id == house.facility_id])
        for house in session.scalars(houses)
    ]


def _facility_line(house: Facility, rooms: list[Room]) -> dict[str, Any]:
    return {
        "facility_id": house.facility_id,
        "name": places.in_languages(house.names, house.facility_id),
        "address": house.address,
        "find": places.in_languages(house.find),
        "phone": house.phone,
        "assurance": house.assurance,
        "rooms": [_room_line(room, house) for room in rooms],
    }


def _room_line(room: Room, house: Facility) -> dict[str, Any]:
    rules = places.rules_in(house, room.room_id)
    return {
        "room_id": room.room_id,
        "name": places.in_languages(room.names, room.name) | {"ja": room.name},
        "find": places.in_languages(room.find),
        "capacity": room.capacity,
        "assurance": places.Place(room, house, rules, frozenset()).assurance,
        "rules": rules_line(rules),
    }


def rules_line(rules: Rules | None) -> dict[str, Any] | None:
    """What a resident may know of the rules: everything but who is asked for approval and why."""
    if rules is None:
        return None
    told = rules.model_dump(mode="json", by_alias=True, exclude={"approval", "assurance"})
    return told | {"payments": {"methods": told["payments"]["methods"]}}


def booking_lines(
    session: Session, rows: Iterable[Booking], now: int, staff: bool = False
) -> list[dict[str, Any]]:
    """Answers for bookings, with three queries for all of them."""
    rows = list(rows)
    room_ids = {row.room_id for row in rows if row.room_id is not None}
    group_ids = {row.group_id for row in rows if row.group_id is not None}
    rooms = {r.room_id: r for r in _all(session, Room, Room.room_id, room_ids)}
    houses = {f.facility_id: f for f in session.scalars(select(Facility))}
    groups = {g.group_id: g for g in _all(session, Group, Group.group_id, group_ids)}
    lines = []
    for row in rows:
        room = rooms.get(row.room_id or "")
        house = houses.get(room.facility_id) if room is not None else None
        line = _line(row, room, house, now)
        if row.group_id in groups:
            line["group"] = {"group_id": row.group_id, "name": groups[row.group_id].name}
        lines.append(line | _for_staff(row) if staff else line)
    return lines


def booking_line(session: Session, row: Booking, now: int, staff: bool = False) -> dict[str, Any]:
    """The answer for one."""
    return booking_lines(session, [row], now, staff)[0]


def _all(session: Session, table: Any, column: Any, ids: set[str]) -> list[Any]:
    return list(session.scalars(select(table).where(column.in_(ids)))) if ids else []


def _line(row: Booking, room: Room | None, house: Facility | None, now: int) -> dict[str, Any]:
    rules = places.rules_in(house, room.room_id) if room is not None and house else None
    return {
        "booking_id": row.booking_id,
        "version": row.version,
        "status": row.status,
        "room_id": row.room_id,
        "facility_id": house.facility_id if house else None,
        "room": room.name if room else "",
        "room_name": _words(room.names, room.name) if room else None,
        "facility_name": _words(house.names, house.facility_id) if house else None,
        "address": house.address if house else "",
        "find": _words(room.find, "") if room else None,
        "phone": house.phone if house else "",
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "hold_until": row.hold_until,
        "holder_name": row.holder_name,
        "holder_contact": row.holder_contact,
        "booker_name": row.booker_name,
        "channel": row.channel,
        "purpose": row.purpose,
        "people": row.people,
        "category": row.category,
        "group": None,
        "keyed": states.keyed(row),
        "reasons": reason_lines(row.reasons.split()),
        "decision_note": row.decision_note,
        "payment": payment_line(row, rules, now),
        "change_until": lifecycle.change_until(rules, row),
        "cancel_until": lifecycle.cancel_until(rules, row),
    }


def payment_line(row: Booking, rules: Rules | None, now: int) -> dict[str, Any]:
    """A booking's money."""
    money = amounts_of(row)
    percent = states.refund_percent(rules, row.starts_at, now)
    online = rules is not None and states.HOSTED in rules.payments.methods
    waits = row.status in (states.HELD, states.CONFIRMED) and not lifecycle.is_plain_hold(row)
    return {
        "state": row.payment_state,
        "method": row.payment_method,
        "fee_yen": row.fee_yen,
        "full_fee_yen": row.full_fee_yen,
        "reduction_percent": row.reduction_percent,
        "paid_yen": row.paid_yen,
        "outstanding_yen": money.outstanding,
        "refund_due_yen": row.refund_due_yen,
        "refunded_yen": row.refunded_yen,
        "pay_later": row.pay_later,
        "kept_if_cancelled_yen": states.fee_after_cancelling(row.fee_yen, percent),
        "can_pay_online": bool(online and waits and money.outstanding),
    }


def _words(column: str, otherwise: str) -> dict[str, str]:
    return places.in_languages(column, otherwise)


def _for_staff(row: Booking) -> dict[str, Any]:
    names = (
        "account_id",
        "booked_by",
        "decided_by",
        "decided_at",
        "uid",
        "held_from",
        "held_to",
        "created_at",
        "updated_at",
    )
    return {name: getattr(row, name) for name in names}
