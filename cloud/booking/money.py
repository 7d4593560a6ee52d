"""Money of bookings as it moves: every yen gets a line, every booking the state that follows.

Decides what a payment, a refund or a message of the payment service does to a booking. Money that
comes for a room on hold confirms it; money that comes too late takes the room if it is still free,
and is due back otherwise. Invariant: `payment_state` is what `states.payment_state` says of the
amounts, after every function here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.alarms import raise_alarm
from cloud.booking import states
from cloud.booking.amounts import amounts_of, owe, put
from cloud.booking.payments import Order, Providers
from cloud.bookings import RandomBytes, new_id
from cloud.database import town_of
from cloud.keyring.outbox import ask_for_keys
from cloud.models import Booking, PaymentEntry, PaymentEvent, PaymentOrder
from cloud.problems import Problem

log = logging.getLogger(__name__)
SERVICE = "payment-service"


@dataclass(frozen=True)
class Office:
    """What working on bookings needs. `return_url`: where a checkout sends people back to."""

    random_bytes: RandomBytes
    providers: Providers
    return_url: str = ""


@dataclass(frozen=True)
class ServiceEvent:
    """What the payment service says: verified as its own before it gets here."""

    event_id: str
    kind: Literal["payment.succeeded", "payment.failed", "refund.succeeded"]
    reference: str
    yen: int


def start_order(
    session: Session, office: Office, booking: Booking, yen: int, expires_at: int, now: int
) -> Order:
    """One way to the checkout; older ones of the booking stay good until they end."""
    reference = new_id(office.random_bytes)
    session.add(
        PaymentOrder(
            reference=reference,
            booking_id=booking.booking_id,
            yen=yen,
            state="open",
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    return Order(reference, yen, expires_at, office.return_url)


def take_payment(
    session: Session,
    office: Office,
    booking: Booking,
    yen: int,
    method: str,
    by: str,
    now: int,
    note: str = "",
) -> None:
    """So much came in."""
    _note(session, office, booking, "paid", yen, method, by, now, note)
    if booking.status == states.EXPIRED and _take_room_again(session, booking, yen, now):
        log.info("a payment came after its hold was over; the room was still free")
    paid = states.with_payment(amounts_of(booking), yen)
    if booking.status == states.HELD and not paid.outstanding:
        booking.status, booking.hold_until = states.CONFIRMED, None
    booking.updated_at = now
    put(booking, paid)
    if booking.status in states.ENDED and booking.refund_due_yen:
        raise_alarm(session, "PAYMENT_TOO_LATE", booking.booking_id, f"{yen} yen", now)
    ask_for_keys(session, {booking.booking_id}, now)


def pay_at_counter(
    session: Session,
    office: Office,
    booking: Booking,
    yen: int | None,
    by: str,
    now: int,
    note: str,
) -> int:
    """Cash, or a paid invoice; by default all that is open. Raises Problem NOTHING_TO_PAY."""
    open_yen = amounts_of(booking).outstanding
    if not open_yen or (yen is not None and yen > open_yen):
        raise Problem("NOTHING_TO_PAY")
    method = states.INVOICE if booking.payment_method == states.INVOICE else states.COUNTER
    took = open_yen if yen is None else yen
    take_payment(session, office, booking, took, method, by, now, note)
    return took


def pay_back(
    session: Session,
    office: Office,
    booking: Booking,
    yen: int | None,
    method: str,
    by: str,
    now: int,
    note: str = "",
) -> int:
    """So much went back; by default all that is due. Raises Problem NO_REFUND_DUE."""
    back = booking.refund_due_yen if yen is None else yen
    try:
        money = states.with_refund(amounts_of(booking), back)
    except ValueError:
        raise Problem("NO_REFUND_DUE") from None
    _note(session, office, booking, "refunded", back, method, by, now, note)
    booking.updated_at = now
    put(booking, money)
    session.flush()
    return back


def waive(session: Session, booking: Booking, now: int) -> None:
    """The town asks for nothing: an exemption that staff grant."""
    if booking.payment_method == states.OUTSIDE or not booking.fee_yen:
        raise Problem("NOTHING_TO_PAY")
    booking.payment_method, booking.reduction_percent = states.EXEMPTION, 100
    booking.updated_at = now
    if booking.status == states.HELD:
        booking.status, booking.hold_until = states.CONFIRMED, None
    owe(booking, 0)
    ask_for_keys(session, {booking.booking_id}, now)


def allow_later(session: Session, booking: Booking, later: bool, now: int) -> None:
    """Staff trust, or no longer: the key comes before the money."""
    if booking.payment_method not in states.CAN_BE_LATER:
        raise Problem("CANNOT_PAY_SO")
    booking.pay_later, booking.updated_at = later, now
    ask_for_keys(session, {booking.booking_id}, now)


def take_event(session: Session, office: Office, event: ServiceEvent, now: int) -> bool:
    """Does what the payment service says, once for each event id; False when it was done already.

    Raises Problem UNKNOWN_PAYMENT.
    """
    if session.get(PaymentEvent, (town_of(session), event.event_id)) is not None:
        return False
    order = session.get(PaymentOrder, event.reference)
    if order is None:
        raise Problem("UNKNOWN_PAYMENT")
    if not _remember(session, event, now):
        return False
    booking = session.get_one(Booking, order.booking_id)
    if event.kind == "payment.succeeded":
        _paid(session, office, order, booking, event, now)
    elif event.kind == "payment.failed":
        order.state = "failed" if order.state == "open" else order.state
    else:
        _refunded(session, office, booking, event, now)
    session.flush()
    return True


def _remember(session: Session, event: ServiceEvent, now: int) -> bool:
    """Notes the event; False when the same message was taken by another request meanwhile."""
    row = PaymentEvent(
        event_id=event.event_id, kind=event.kind, reference=event.reference, received_at=now
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


def _paid(
    session: Session,
    office: Office,
    order: PaymentOrder,
    booking: Booking,
    event: ServiceEvent,
    now: int,
) -> None:
    if event.yen != order.yen:  # our signed order said another sum: nothing is believed of it
        detail = f"{event.yen} yen instead of {order.yen}"
        raise_alarm(session, "PAYMENT_MISMATCH", booking.booking_id, detail, now)
        return
    order.state = "paid"
    take_payment(session, office, booking, event.yen, states.HOSTED, SERVICE, now)


def _refunded(
    session: Session, office: Office, booking: Booking, event: ServiceEvent, now: int
) -> None:
    if not 0 < event.yen <= booking.refund_due_yen:
        detail = f"{event.yen} yen went back, {booking.refund_due_yen} were due"
        raise_alarm(session, "PAYMENT_MISMATCH", booking.booking_id, detail, now)
        return
    pay_back(session, office, booking, event.yen, states.HOSTED, SERVICE, now)


def _take_room_again(session: Session, booking: Booking, yen: int, now: int) -> bool:
    room = bookings.find_room(session, booking.room_id or "")
    if room is None or booking.ends_at <= now:
        return False
    values = {"status": states.CONFIRMED, "fee_yen": yen, "hold_until": None, "updated_at": now}
    try:
        bookings.save(session, booking, room, values | _window(booking))
    except Problem:
        session.refresh(booking)
        return False
    return True


def _window(booking: Booking) -> dict[str, int]:
    names = ("starts_at", "ends_at", "held_from", "held_to")
    return {name: getattr(booking, name) for name in names}


def _note(
    session: Session,
    office: Office,
    booking: Booking,
    kind: str,
    yen: int,
    method: str,
    by: str,
    now: int,
    note: str,
) -> None:
    session.add(
        PaymentEntry(
            entry_id=new_id(office.random_bytes),
            booking_id=booking.booking_id,
            kind=kind,
            yen=yen,
            method=method,
            taken_by=by,
            taken_at=now,
            note=note[:200],
        )
    )
