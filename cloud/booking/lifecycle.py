"""From a wish to a booking and to its end: hold, book, approve, decline, change, cancel.

Decides the order of things: terms first, then the room (the database says whether it is free), then
the money, then the keys, all in the caller's transaction. A change moves the booking's own row, so
the old time is free only if the new one was taken. What a resident may do ends at the deadlines of
the room; staff are bound by opening hours alone, unless they open the house for it.
Quotas are counted and used up in one turn: `TownDatabase.write` lets one writer of a town work at a
time. Raises Problem; reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.booking import approval, states
from cloud.booking.amounts import amounts_of, owe, put
from cloud.booking.money import Office, start_order
from cloud.booking.payments import Begun, Order
from cloud.booking.places import rules_of
from cloud.booking.policy import Rules
from cloud.booking.states import Amounts
from cloud.booking.terms import Booker, Terms, Wanted, terms_for
from cloud.booking.windows import Refusal, moment_text
from cloud.keyring.outbox import ask_for_keys
from cloud.models import Booking
from cloud.problems import Problem

HOLD_MINUTES = 15  # where a room has no rules
HOLDS_AT_ONCE = 3
PAY_WITHIN_MINUTES = 30


@dataclass(frozen=True)
class Asked:
    """What a booking is for, beside room and time. `method` None: the first that is offered."""

    holder_name: str
    holder_contact: str = ""
    purpose: str = ""
    method: str | None = None
    channel: str = "web"


@dataclass(frozen=True)
class Booked:
    """A booking as it was made, and where its resident goes to pay, if anywhere."""

    booking: Booking
    terms: Terms
    redirect_url: str | None = None


# --- making ---


def hold(session: Session, office: Office, booker: Booker, wanted: Wanted, now: int) -> Booking:
    """Keeps a room for a resident who fills in the form."""
    if booker.account_id is None and not booker.is_staff:
        raise Problem("NOT_SIGNED_IN")
    terms = terms_for(session, office.providers, booker, wanted, now)
    _check_holds(session, terms.place.rules, booker, now)
    rules = terms.place.rules
    minutes = rules.hold_minutes if rules is not None else HOLD_MINUTES
    booking = _new(office, booker, "web", now)
    values = _values(terms, now) | {
        "status": states.HELD,
        "hold_until": now + minutes * 60,
        "holder_name": booker.name,
        "holder_contact": booker.contact,
        "fee_yen": 0,
        "payment_method": states.FREE,
        "payment_state": states.UNPAID,
        "pay_later": False,
    }
    bookings.save(session, booking, terms.place.room, values)
    return booking


def book(
    session: Session, office: Office, booker: Booker, wanted: Wanted, asked: Asked, now: int
) -> Booked:
    """A booking at once."""
    terms = terms_for(session, office.providers, booker, wanted, now)
    booking = _new(office, booker, asked.channel, now)
    return _write(session, office, booking, terms, asked, now)


def book_hold(
    session: Session,
    office: Office,
    booker: Booker,
    held: Booking,
    wanted: Wanted,
    asked: Asked,
    now: int,
) -> Booked:
    """The booking for which a room was kept: `wanted` has the rest, the hold room and time."""
    if not is_plain_hold(held) or held.hold_until is None or held.hold_until <= now:
        raise Problem("HOLD_OVER")
    wanted = replace(
        wanted, room_id=held.room_id or "", starts_at=held.starts_at, ends_at=held.ends_at
    )
    terms = terms_for(session, office.providers, booker, wanted, now, own=held)
    return _write(session, office, held, terms, asked, now)


def is_plain_hold(booking: Booking) -> bool:
    """Whether it only keeps the room: nothing was asked for yet, nothing is to be paid."""
    return booking.status == states.HELD and booking.fee_yen == 0


def _write(
    session: Session, office: Office, booking: Booking, terms: Terms, asked: Asked, now: int
) -> Booked:
    method = _method(terms, asked.method)
    rules, yen = terms.place.rules, terms.quote.yen
    pay_by = _pay_by(rules, terms.wanted.starts_at, now)
    begun = _begin(office, terms, method, Order("", yen, pay_by, "", terms.invoice_allowed), now)
    status = _first_status(terms, begun)
    values = _values(terms, now) | {
        "status": status,
        "hold_until": pay_by if status == states.HELD else None,
        "holder_name": asked.holder_name,
        "holder_contact": asked.holder_contact,
        "purpose": asked.purpose,
        "payment_method": method,
        "payment_state": states.payment_state(status, method, Amounts(yen)),
        "pay_later": begun.pay_later,
    }
    bookings.save(session, booking, terms.place.room, values)
    url = _checkout(session, office, booking, pay_by, now) if status == states.HELD else None
    ask_for_keys(session, {booking.booking_id}, now)
    return Booked(booking, terms, url)


def _first_status(terms: Terms, begun: Begun) -> str:
    if terms.decision.by == approval.CLERK:
        return states.PENDING
    return states.HELD if begun.waits else states.CONFIRMED


def _method(terms: Terms, asked: str | None) -> str:
    if not terms.methods:
        raise Problem("CANNOT_PAY_SO")
    if terms.quote.yen == 0 or asked is None:
        return terms.methods[0]
    if asked == states.INVOICE and asked not in terms.methods and not terms.invoice_allowed:
        raise Problem("NO_INVOICE")
    if asked not in terms.methods:
        raise Problem("CANNOT_PAY_SO")
    return asked


def _begin(office: Office, terms: Terms, method: str, order: Order, now: int) -> Begun:
    provider = office.providers.of(method)
    if provider is None:
        raise Problem("CANNOT_PAY_SO")
    begun = provider.begin(terms.place.rules, order, now)
    if isinstance(begun, Refusal):
        raise Problem(begun.code, **begun.places)
    return begun


def _checkout(
    session: Session, office: Office, booking: Booking, until: int, now: int
) -> str | None:
    """A way to the payment service for all that is open."""
    hosted = office.providers.hosted
    if hosted is None:
        raise Problem("CANNOT_PAY_SO")
    yen = amounts_of(booking).outstanding
    return hosted.address(start_order(session, office, booking, yen, until, now), now)


def _pay_by(rules: Rules | None, starts_at: int, now: int, approved: bool = False) -> int:
    """Until when the room waits for the money: not beyond the start, but always five minutes."""
    minutes = PAY_WITHIN_MINUTES
    if rules is not None:
        asks = rules.payments
        minutes = asks.within_minutes_of_approval if approved else asks.within_minutes
    return max(min(now + minutes * 60, starts_at), now + 300)


def _new(office: Office, booker: Booker, channel: str, now: int) -> Booking:
    booking_id = bookings.new_id(office.random_bytes)
    return Booking(
        booking_id=booking_id,
        uid=f"{booking_id}@kannuki",
        recurrence_id="",
        sequence=0,
        dtstamp=now,
        created_at=now,
        account_id=booker.account_id,
        channel=channel,
        booked_by=booker.by,
        booker_name=booker.name,
    )


def _values(terms: Terms, now: int) -> dict[str, Any]:
    """What follows from the terms alone."""
    wanted, quote = terms.wanted, terms.quote
    return {
        "room_id": terms.place.room.room_id,
        "starts_at": wanted.starts_at,
        "ends_at": wanted.ends_at,
        "held_from": terms.held.starts_at,
        "held_to": terms.held.ends_at,
        "people": wanted.people,
        "category": wanted.category,
        "group_id": wanted.group_id,
        "fee_yen": quote.yen,
        "full_fee_yen": quote.full_yen,
        "reduction_percent": quote.reduction_percent,
        "reasons": " ".join(terms.decision.reasons),
        "updated_at": now,
    }


def _check_holds(session: Session, rules: Rules | None, booker: Booker, now: int) -> None:
    if booker.account_id is None:
        return
    most = rules.quotas.holds_per_person if rules is not None else HOLDS_AT_ONCE
    query = (
        select(func.count())
        .select_from(Booking)
        .where(Booking.account_id == booker.account_id, Booking.status == states.HELD)
        .where(Booking.hold_until > now)
    )
    if (session.scalar(query) or 0) >= most:
        raise Problem("TOO_MANY_HOLDS", count=most)


# --- paying online, later ---


def pay(session: Session, office: Office, booking: Booking, now: int) -> str:
    """The checkout's address for what is open. Raises Problem NOTHING_TO_PAY, CANNOT_PAY_SO."""
    if booking.status == states.HELD and (booking.hold_until or 0) <= now:
        raise Problem("HOLD_OVER")
    if booking.status not in (states.HELD, states.CONFIRMED):
        raise Problem("NOT_CONFIRMED" if booking.status == states.PENDING else "BOOKING_ENDED")
    if not amounts_of(booking).outstanding:
        raise Problem("NOTHING_TO_PAY")
    rules = _rules(session, booking)
    if rules is None or states.HOSTED not in rules.payments.methods:
        raise Problem("CANNOT_PAY_SO")
    until = booking.hold_until or _pay_by(rules, booking.starts_at, now)
    url = _checkout(session, office, booking, until, now)
    assert url is not None
    return url


# --- a clerk decides ---


def approve(
    session: Session,
    booking: Booking,
    by: str,
    now: int,
    *,
    note: str = "",
    pay_later: bool | None = None,
) -> None:
    """Confirms what the rules left, or puts it on hold until it is paid online."""
    _check_waiting(booking)
    if booking.ends_at <= now:
        raise Problem("BOOKING_OVER")
    rules = _rules(session, booking)
    waits = booking.payment_method == states.HOSTED and amounts_of(booking).outstanding > 0
    booking.status = states.HELD if waits else states.CONFIRMED
    if waits:
        booking.hold_until = _pay_by(rules, booking.starts_at, now, approved=True)
    if pay_later is not None and booking.payment_method in states.CAN_BE_LATER:
        booking.pay_later = pay_later
    _decided(booking, by, note, now)
    ask_for_keys(session, {booking.booking_id}, now)


def decline(session: Session, booking: Booking, by: str, now: int, note: str) -> None:
    """Says no, with the reason that the resident reads."""
    _check_waiting(booking)
    booking.status = states.DECLINED
    owe(booking, 0)
    _decided(booking, by, note, now)
    ask_for_keys(session, {booking.booking_id}, now)


def _check_waiting(booking: Booking) -> None:
    if booking.status != states.PENDING or booking.payment_method == states.OUTSIDE:
        raise Problem("NOT_WAITING")


def _decided(booking: Booking, by: str, note: str, now: int) -> None:
    booking.decided_by, booking.decided_at, booking.decision_note = by, now, note
    booking.updated_at = now
    put(booking, amounts_of(booking))


# --- changing and cancelling ---


def change(
    session: Session,
    office: Office,
    booker: Booker,
    booking: Booking,
    wanted: Wanted,
    now: int,
    version: int | None = None,
) -> Terms:
    """Moves a booking to another time or room. Raises Problem and leaves all as it was."""
    check_version(booking, version)
    _check_changeable(session, booker, booking, now)
    terms = terms_for(session, office.providers, booker, wanted, now, own=booking)
    _check_same_decision(booker, booking, terms)
    money = states.rebalanced(amounts_of(booking), terms.quote.yen)
    method, pay_later = _method_after(office, booking, terms, money, now)
    values = _values(terms, now) | {
        "payment_method": method,
        "pay_later": pay_later,
        "refund_due_yen": money.refund_due,
        "payment_state": states.payment_state(booking.status, method, money),
    }
    if booker.is_staff:
        values.pop("reasons")  # what a clerk decided about it stays
    if method == states.OUTSIDE:
        values |= {"fee_yen": 0, "full_fee_yen": 0, "reduction_percent": 0, "refund_due_yen": 0}
    bookings.save(session, booking, terms.place.room, values)
    ask_for_keys(session, {booking.booking_id}, now)
    return terms


def cancel(session: Session, booking: Booking, now: int) -> None:
    """A resident gives the booking back, in time; what is kept the room's refund steps say."""
    if booking.status in states.ENDED:
        return
    if is_plain_hold(booking):  # nothing was booked: it is over, as it would be by itself
        booking.status, booking.hold_until, booking.updated_at = states.EXPIRED, None, now
        owe(booking, 0)
        session.flush()
        return
    rules, fee = _rules(session, booking), 0
    if booking.status == states.CONFIRMED:
        _check_cancel_in_time(rules, booking, now)
        percent = states.refund_percent(rules, booking.starts_at, now)
        fee = states.fee_after_cancelling(booking.fee_yen, percent)
    bookings.cancel(session, booking, now, fee)


def check_version(booking: Booking, version: int | None) -> None:
    """Raises Problem CHANGED_MEANWHILE when the page that asks has seen an older one."""
    if version is not None and version != booking.version:
        raise Problem("CHANGED_MEANWHILE")


def change_until(rules: Rules | None, booking: Booking) -> int:
    """Until when a resident may change it."""
    return booking.starts_at - (rules.change_until_minutes if rules is not None else 0) * 60


def cancel_until(rules: Rules | None, booking: Booking) -> int:
    """Until when a resident may cancel it; where there are no rules, until it is over."""
    if rules is None:
        return booking.ends_at
    return booking.starts_at - rules.cancel_until_minutes * 60


def _check_changeable(session: Session, booker: Booker, booking: Booking, now: int) -> None:
    if booking.status in states.ENDED or booking.ends_at <= now:
        raise Problem("BOOKING_ENDED")
    if booking.status == states.HELD:
        raise Problem("NOT_CONFIRMED")
    until = change_until(_rules(session, booking), booking)
    if not booker.is_staff and now > until:
        raise Problem("TOO_LATE_TO_CHANGE", by=moment_text(until))


def _check_cancel_in_time(rules: Rules | None, booking: Booking, now: int) -> None:
    until = cancel_until(rules, booking)
    if rules is not None and now > until:
        raise Problem("TOO_LATE_TO_CANCEL", by=moment_text(until))


def _check_same_decision(booker: Booker, booking: Booking, terms: Terms) -> None:
    """What nobody has approved cannot be slipped in by a change."""
    if booker.is_staff or booking.status == states.PENDING:
        return
    approved = booking.reasons.split() if booking.decided_at is not None else []
    if set(terms.decision.reasons) - set(approved):
        raise Problem("CHANGE_NEEDS_CLERK")


def _method_after(
    office: Office, booking: Booking, terms: Terms, money: Amounts, now: int
) -> tuple[str, bool]:
    """How the rest is paid after a change: as before, or at the counter; never by a new hold."""
    if booking.payment_method == states.OUTSIDE:
        return states.OUTSIDE, False
    if terms.quote.yen == 0:
        return (terms.methods[0] if terms.methods else states.FREE), False
    if not money.outstanding:
        return _paying(booking.payment_method), booking.pay_later
    if booking.status == states.PENDING and booking.payment_method == states.HOSTED:
        return states.HOSTED, False
    if booking.payment_method in terms.methods and booking.payment_method != states.HOSTED:
        return booking.payment_method, booking.pay_later
    if states.COUNTER not in terms.methods:
        raise Problem("CHANGE_NEEDS_CLERK")
    order = Order("", money.outstanding, terms.wanted.starts_at, "")
    return states.COUNTER, _begin(office, terms, states.COUNTER, order, now).pay_later


def _paying(method: str) -> str:
    """A fee that is covered was paid somehow, even where nothing was to pay before."""
    return states.COUNTER if method in (states.FREE, states.EXEMPTION) else method


def _rules(session: Session, booking: Booking) -> Rules | None:
    room = bookings.find_room(session, booking.room_id or "")
    return rules_of(session, room) if room is not None else None
