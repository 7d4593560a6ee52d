"""Makes and cancels single bookings, and puts locks to rooms.

Decides which windows can be booked. That a room is lent once at a time is decided by the database;
here its refusal is turned into a reason. Every change asks for its keys in the same transaction
(cloud/keyring/outbox.py). Reads no clock.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloud.booking import states
from cloud.booking.amounts import owe
from cloud.booking.places import main_facility, rules_of
from cloud.booking.spans import Span
from cloud.booking.windows import held_span
from cloud.calendar import DAY_S, HORIZON_S, TOWN_ZONE
from cloud.database import town_of
from cloud.keyring.outbox import ask_for_keys
from cloud.lists import forget_held, publish_lists
from cloud.models import (
    CANCELLED,
    CONFIRMED,
    HOLDS_ROOM,
    NO_OVERLAP,
    Booking,
    Lock,
    Room,
    StatusOutbox,
)
from cloud.problems import Problem
from cloud.signers import Signers
from kannuki.enrolment import EnrolmentFile

RandomBytes = Callable[[int], bytes]
MAX_ONLINE_S = DAY_S


def new_id(random_bytes: RandomBytes) -> str:
    """A name that tells nothing: 16 characters of base32, lower case."""
    return base64.b32encode(random_bytes(10)).decode().lower()


def create(
    session: Session,
    random_bytes: RandomBytes,
    now: int,
    *,
    room_id: str,
    starts_at: int,
    ends_at: int,
    holder_name: str,
) -> Booking:
    """A confirmed booking with its credential. Raises Problem."""
    check_window(starts_at, ends_at, now)
    room = find_room(session, room_id)
    if room is None:
        raise unknown_room(session)
    booking_id = new_id(random_bytes)
    booking = Booking(booking_id=booking_id)
    values = {
        "room_id": room.room_id,
        "holder_name": holder_name,
        "holder_contact": "",
        "starts_at": starts_at,
        "ends_at": ends_at,
        "status": CONFIRMED,
        "uid": f"{booking_id}@kannuki",
        "recurrence_id": "",
        "sequence": 0,
        "dtstamp": now,
        "created_at": now,
        "updated_at": now,
    }
    save(session, booking, room, values)
    ask_for_keys(session, {booking_id}, now)
    return booking


def check_window(starts_at: int, ends_at: int, now: int) -> None:
    """Raises Problem for a window that cannot be booked online."""
    if ends_at <= starts_at:
        raise Problem("ENDS_BEFORE_START")
    if ends_at <= now:
        raise Problem("IN_THE_PAST")
    if ends_at - starts_at > MAX_ONLINE_S:
        raise Problem("TOO_LONG", hours=MAX_ONLINE_S // 3600)
    if starts_at > now + HORIZON_S:
        raise Problem("TOO_FAR_AHEAD")


def save(session: Session, booking: Booking, room: Room, values: dict[str, Any]) -> None:
    """Writes a new or changed booking under a savepoint; Problem OVERLAP leaves all as it was.

    `values` has starts_at, ends_at and updated_at; the span that the room is kept for follows from
    the room's rules unless it is there, too. A hold that is over is in nobody's way: it is swept
    as soon as it would be.
    """
    if "held_from" not in values:
        wanted = Span(values["starts_at"], values["ends_at"])
        held_from, held_to = held_span(rules_of(session, room), wanted)
        values = values | {"held_from": held_from, "held_to": held_to}
    if _put(session, booking, values):
        return
    now = values["updated_at"]
    if sweep(session, now, room.room_id) and _put(session, booking, values):
        return
    window = values["held_from"], values["held_to"]
    taken = _who_is_there(session, room.room_id, booking.booking_id, *window)
    raise Problem("OVERLAP", room=room.name, taken=taken)


def _put(session: Session, booking: Booking, values: dict[str, Any]) -> bool:
    """Whether the database let it in."""
    try:
        with session.begin_nested():  # flushes before the savepoint: so set values only inside
            for name, value in values.items():
                setattr(booking, name, value)
            session.add(booking)
            session.flush()
    except IntegrityError as error:
        if NO_OVERLAP not in str(error.orig):
            raise
        return False
    return True


def save_external(session: Session, booking: Booking, room: Room, values: dict[str, Any]) -> None:
    """The same for a booking that another system has decided: it keeps the room's buffers where
    they are free, and gives them up rather than be refused for them."""
    bare = {"held_from": values["starts_at"], "held_to": values["ends_at"]}
    try:
        save(session, booking, room, values)
    except Problem:
        if rules_of(session, room) is None:
            raise
        save(session, booking, room, values | bare)


def has_holds_over(session: Session, now: int) -> bool:
    """Whether `sweep` would find anything."""
    query = select(Booking.booking_id).where(
        Booking.status == states.HELD, Booking.hold_until <= now
    )
    return session.scalar(query.limit(1)) is not None


def sweep(session: Session, now: int, room_id: str | None = None) -> int:
    """Ends the holds that are over, of one room or of all; returns how many."""
    over = (
        update(Booking)
        .where(Booking.status == states.HELD, Booking.hold_until <= now)
        .values(
            status=states.EXPIRED,
            fee_yen=0,
            refund_due_yen=Booking.paid_yen - Booking.refunded_yen,
            payment_state=case(
                (Booking.paid_yen > Booking.refunded_yen, states.REFUND_DUE),
                (Booking.paid_yen > 0, states.REFUNDED),
                else_=states.VOID,
            ),
            updated_at=now,
            version=Booking.version + 1,
        )
    )
    if room_id is not None:
        over = over.where(Booking.room_id == room_id)
    done = session.execute(over, execution_options={"synchronize_session": "fetch"})
    return int(done.rowcount)  # type: ignore[attr-defined]


def cancel(session: Session, booking: Booking, now: int, fee_yen: int = 0) -> None:
    """Frees the room and withdraws the key; `fee_yen`: what is still owed, the rest of what was
    paid is due back. Cancelling twice is cancelling once."""
    if booking.status in states.ENDED:
        return
    booking.status, booking.updated_at, booking.hold_until = CANCELLED, now, None
    owe(booking, fee_yen)
    ask_for_keys(session, {booking.booking_id}, now)


def find(session: Session, booking_id: str) -> Booking:
    """The booking, or Problem UNKNOWN_BOOKING."""
    booking = session.get(Booking, booking_id)
    if booking is None:
        raise Problem("UNKNOWN_BOOKING")
    return booking


# --- rooms and locks ---


def add_room(session: Session, name: str, room_id: str | None) -> Room:
    """A room; naming the same one again is no change. Raises Problem when the id is another's."""
    known = session.scalar(select(Room).where(Room.name == name))
    if known is not None:
        return known
    count = len(session.scalars(select(Room.room_id)).all())
    facility = main_facility(session)
    room = Room(room_id=room_id or f"room-{count + 1}", name=name, facility_id=facility.facility_id)
    if find_room(session, room.room_id) is not None:
        raise Problem("INVALID", where=f"the room id {room.room_id} is taken")
    session.add(room)
    session.flush()
    return room


def hang_lock(
    session: Session, signers: Signers, enrolment: EnrolmentFile, room: Room, now: int
) -> Lock:
    """Puts an enrolled lock to a room: the bookings there get credentials for it.

    A lock that hung there before is taken down; the same lock enrolled again keeps its id.
    """
    for other in session.scalars(select(Lock).where(Lock.room_id == room.room_id)):
        other.room_id = None
    session.flush()
    lock = session.get(Lock, enrolment.lock_id) or Lock(lock_id=enrolment.lock_id)
    moved_from = lock.room_id
    lock.room_id = room.room_id
    if _is_made_anew(lock, enrolment):
        forget_held(session, lock.lock_id)
    lock.public_key, lock.signing_key = enrolment.public_key, enrolment.signing_key
    lock.journal_epoch, lock.enrolled_at = enrolment.journal_epoch, enrolment.enrolled_at
    session.add(lock)
    session.flush()
    ask_for_keys(session, _current_bookings(session, {room.room_id, moved_from}, now), now)
    if session.get(StatusOutbox, lock.lock_id) is not None:
        publish_lists(session, signers, {lock.lock_id}, now)  # a lock made anew has forgotten it
    return lock


def _is_made_anew(lock: Lock, enrolment: EnrolmentFile) -> bool:
    """Whether the lock has other keys than before. Raises Problem unless its journal is another,
    too: two of one epoch would look like a forgery."""
    anew = lock.public_key is not None and lock.public_key != enrolment.public_key
    if anew and enrolment.journal_epoch <= lock.journal_epoch:
        raise Problem("OLD_JOURNAL", epoch=lock.journal_epoch + 1)
    return anew


def find_room(session: Session, room_id: str) -> Room | None:
    """The room of this town with this id."""
    return session.get(Room, (town_of(session), room_id))


def match_room(text: str, rooms: list[Room]) -> Room | None:
    """The room that a calendar means: its name or id, alone or as the last word of a place."""
    plain = _plain(text)
    words = plain.replace(",", " ").replace("、", " ").replace("/", " ").split()
    wanted = {"".join(words), words[-1]} if words else set()
    for room in rooms:
        if room.room_id in wanted or "".join(_plain(room.name).split()) in wanted:
            return room
    return None


def unknown_room(session: Session) -> Problem:
    """The reason that names the rooms there are."""
    names = session.scalars(select(Room.name).order_by(Room.room_id)).all()
    return Problem("UNKNOWN_ROOM", rooms="、".join(names) or "-")


def span_text(starts_at: int, ends_at: int) -> str:
    """A window for people, in the town's zone: 2026-12-05 10:00-12:00."""
    start, end = time_text(starts_at), time_text(ends_at)
    return f"{start}-{end[11:] if start[:10] == end[:10] else end}"


def time_text(at: int) -> str:
    """A moment for people, in the town's zone."""
    return datetime.fromtimestamp(at, TOWN_ZONE).strftime("%Y-%m-%d %H:%M")


def overlapping(session: Session, room_id: str, starts_at: int, ends_at: int) -> list[Booking]:
    """Bookings that hold the room at any moment of the window, in order."""
    query = (
        select(Booking)
        .where(Booking.room_id == room_id, Booking.status.in_(HOLDS_ROOM))
        .where(Booking.starts_at < ends_at, Booking.ends_at > starts_at)
        .order_by(Booking.starts_at)
    )
    return list(session.scalars(query))


def _who_is_there(session: Session, room_id: str, own_id: str, held_from: int, held_to: int) -> str:
    query = (
        select(Booking)
        .where(Booking.room_id == room_id, Booking.status.in_(HOLDS_ROOM))
        .where(Booking.held_from < held_to, Booking.held_to > held_from)
        .order_by(Booking.starts_at)
    )
    with session.no_autoflush:
        taken = session.scalars(query).all()
    spans = [span_text(b.starts_at, b.ends_at) for b in taken if b.booking_id != own_id]
    return "、".join(spans[:3]) or span_text(held_from, held_to)


def _current_bookings(session: Session, room_ids: set[str | None], now: int) -> set[str]:
    named = [room_id for room_id in room_ids if room_id is not None]
    query = select(Booking.booking_id).where(
        Booking.room_id.in_(named), Booking.ends_at > now - DAY_S
    )
    return set(session.scalars(query))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
