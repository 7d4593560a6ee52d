"""Keys for staff, numbers for slips, what locks know: each needs its own right and is noted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Path
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.credentials import epoch_for
from cloud.keyring import knowledge, pins, staffkeys
from cloud.keyring.entitlement import keyed
from cloud.keyring.holders import find_holder, holders_of
from cloud.keyring.places import facility_of_lock, facility_of_room
from cloud.keyring.staffkeys import Wish
from cloud.models import Booking, Lock, StaffKey
from cloud.people.actions import note
from cloud.people.principals import Principal
from cloud.problems import Problem
from cloud.web.api_models import PinSlip, StaffKeyWish
from cloud.web.book_api import BOOKING_ID
from cloud.web.context import ApiContext
from cloud.web.credentials import limited, need
from kannuki.messages import to_base64url

_LOCK = Path(pattern=r"^[a-z2-7]{8}$")


def staff_key_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/staff; what each needs is named at it."""
    router = APIRouter(prefix="/v1/staff", dependencies=[Depends(limited(context))])
    _opening(router, context)
    _slips(router, context)
    _knowing(router, context)
    return router


def _opening(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    may_open = Depends(need(context, "door.open"))

    @router.post("/keys", status_code=201)
    def staff_key(asked: StaffKeyWish, who: Principal = may_open) -> dict[str, Any]:
        """A key for one door on this clerk's device, with a reason; noted in the action log."""
        now = service.clock()
        wish = Wish(asked.lock_id, asked.reason, asked.device_key, asked.booking_id, asked.for_s)
        with service.database.write() as session:
            _check_lock(session, who, "door.open", wish.lock_id)
            if wish.booking_id is not None:
                _check_at_door(session, who, wish.booking_id, wish.lock_id)
            issued = staffkeys.issue(
                session, service.signers, service.staff_issuer, service.vault, who, wish, now
            )
            detail = {"lock_id": wish.lock_id, "reason": issued.key.reason}
            note(session, who, "door.open", wish.booking_id or wish.lock_id, detail, now)
        return _staff_key_line(issued)


def _slips(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    may_tell = Depends(need(context, "key.pin"))

    @router.post("/bookings/{booking_id}/pin")
    def pin_slip(
        asked: PinSlip, booking_id: str = BOOKING_ID, who: Principal = may_tell
    ) -> dict[str, Any]:
        """The number of a holder for a printed slip; allotted now if there was none."""
        now = service.clock()
        with service.database.write() as session:
            booking = _own_booking(session, who, "key.pin", booking_id)
            holder = find_holder(session, booking, asked.holder_id)
            if holder is None:
                raise Problem("UNKNOWN_HOLDER")
            if not keyed(booking):
                raise Problem("NOT_CONFIRMED")
            lock = session.scalar(select(Lock).where(Lock.room_id == booking.room_id))
            if lock is None:
                raise Problem("LOCK_NOT_READY")
            epoch = epoch_for(session, service.signers, lock.lock_id)
            shown = pins.show(session, service.vault, booking, holder.holder_id, lock, epoch, now)
            if shown is None:
                raise Problem("NO_PIN_HERE")
            note(session, who, "key.pin", booking_id, {"holder_id": holder.holder_id}, now)
        return {"pin": shown.digits, "pin_from": shown.opens_at, "pin_until": shown.closes_at}


def _knowing(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    may_read = Depends(need(context, "booking.read"))
    may_review = Depends(need(context, "action.read"))

    @router.get("/bookings/{booking_id}/keys")
    def keys_of(booking_id: str = BOOKING_ID, who: Principal = may_read) -> dict[str, Any]:
        """Who holds keys of a booking, and what its lock knows of those that were withdrawn."""
        with service.database.read() as session:
            booking = _own_booking(session, who, "booking.read", booking_id)
            return {
                "booking_id": booking_id,
                "holders": [
                    {"holder_id": holder.holder_id, "name": holder.name}
                    | knowledge.state_of_holder(session, booking_id, holder.holder_id)
                    for holder in holders_of(session, booking)
                ],
                "withdrawn": knowledge.knowledge_of_booking(session, booking_id),
            }

    @router.get("/locks/{lock_id}/staff-keys")
    def staff_keys_of(lock_id: str = _LOCK, who: Principal = may_review) -> list[dict[str, Any]]:
        """The latest keys that staff took for a lock, and why."""
        with service.database.read() as session:
            _check_lock(session, who, "action.read", lock_id)
            query = select(StaffKey).where(StaffKey.lock_id == lock_id)
            rows = session.scalars(query.order_by(StaffKey.issued_at.desc()).limit(100))
            return [_taken_line(row) for row in rows]


def _own_booking(session: Session, who: Principal, action: str, booking_id: str) -> Booking:
    """A booking in a facility where this is allowed; any other does not exist."""
    booking = bookings.find(session, booking_id)
    if not who.may(action, facility_of_room(session, booking.room_id)):
        raise Problem("UNKNOWN_BOOKING")
    return booking


def _check_lock(session: Session, who: Principal, action: str, lock_id: str) -> None:
    lock = session.get(Lock, lock_id)
    if lock is None or not who.may(action, facility_of_lock(session, lock)):
        raise Problem("UNKNOWN_LOCK")


def _check_at_door(session: Session, who: Principal, booking_id: str, lock_id: str) -> None:
    """A door is opened for a booking of that very room."""
    booking = _own_booking(session, who, "door.open", booking_id)
    lock = session.get_one(Lock, lock_id)
    if booking.room_id is None or lock.room_id != booking.room_id:
        raise Problem("OTHER_LOCK")


def _staff_key_line(issued: staffkeys.Issued) -> dict[str, Any]:
    key = issued.key
    return {
        "credentials": [
            {
                "lock_id": key.lock_id,
                "token": to_base64url(key.raw_token),
                "server_key": to_base64url(issued.wrapped.server_key),
                "wrapped_proof_key": to_base64url(issued.wrapped.ciphertext),
            }
        ],
        "relay_ticket": issued.relay_ticket,
        "expires_at": key.expires_at,
    }


def _taken_line(key: StaffKey) -> dict[str, Any]:
    names = ("staff_id", "staff_name", "booking_id", "reason", "issued_at", "expires_at")
    return {name: getattr(key, name) for name in (*names, "revoked_at")} | {"cti": key.cti.hex()}
