"""The clerk's part of bookings, under /v1/staff: the day, what waits, money, changes.

    GET  day?day=&facility=          bookings of a day
    GET  waiting                     what the rules left to a clerk, the oldest first
    GET  search?q=&from=&to=&status=&facility=&limit=
    GET  bookings/{id}               with holders and every yen that moved
    POST bookings, quote             for somebody at the counter, on the telephone, of a family
    POST bookings/{id}/approve | decline | change | cancel | paid | refunded | waive | trust
    POST bookings/{id}/holders; DELETE bookings/{id}/holders/{holder_id}
    GET  totals?month=2026-12&form=json|csv

Decides that each deed needs its right in the facility of the room, that a booking of another
facility is answered as if there were none, and that every deed is in the list of actions, in its
own transaction. The deciding about bookings is cloud.booking's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.booking import holders, lifecycle, lines, money, states, totals
from cloud.booking.amounts import amounts_of
from cloud.booking.hours import whole_day
from cloud.booking.lifecycle import Asked
from cloud.booking.terms import Booker, Wanted, terms_for
from cloud.models import Account, Booking, PaymentEntry, Room
from cloud.people.actions import note
from cloud.people.principals import Principal
from cloud.problems import Problem
from cloud.web.book_api import (
    BOOKING_ID,
    HOLDER_ID,
    day_from,
    holders_line,
    office_of,
    terms_line,
    wanted_after,
)
from cloud.web.booking_models import (
    DAY,
    MONTH,
    Approval,
    MoneyMoved,
    NewHolder,
    QuoteWish,
    Refusal,
    Seen,
    StaffBooking,
    StaffCancel,
    StaffChange,
    Trust,
    Waiver,
)
from cloud.web.context import ApiContext
from cloud.web.credentials import limited, need

_FACILITY = Query(default=None, min_length=1, max_length=32)
_DAY_LIMIT = 2000
_TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each facility.",
        "content": {"application/json": {"schema": {}}, "text/csv": {"schema": {}}},
    }
}
Deed = Callable[[Session, Booking, int], dict[str, Any]]


def desk_booking_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/staff; what each needs is named at it."""
    router = APIRouter(prefix="/v1/staff", dependencies=[Depends(limited(context))])
    _reading(router, context)
    _making(router, context)
    _deciding(router, context)
    _changing(router, context)
    _money(router, context)
    _holders(router, context)
    return router


def _reading(router: APIRouter, context: ApiContext) -> None:
    service, reader = context.service, Depends(need(context, "booking.read"))
    approver = Depends(need(context, "booking.approve"))
    reporter = Depends(need(context, "report.read"))

    @router.get("/day")
    def day_of_bookings(
        day: str = Query(pattern=DAY), facility: str | None = _FACILITY, who: Principal = reader
    ) -> list[dict[str, Any]]:
        """Bookings that touch a day, by start."""
        span = whole_day(day_from(day))
        query = (
            _visible(who, "booking.read", facility)
            .where(Booking.starts_at < span.ends_at, Booking.ends_at > span.starts_at)
            .where(Booking.status.in_(states.HOLDS_ROOM))
            .order_by(Booking.starts_at, Booking.room_id, Booking.booking_id)
        )
        return _answer(context, query.limit(_DAY_LIMIT))

    @router.get("/waiting")
    def waiting(who: Principal = approver) -> list[dict[str, Any]]:
        """What the rules left to a clerk."""
        query = (
            _visible(who, "booking.approve", None)
            .where(Booking.status == states.PENDING, Booking.payment_method != states.OUTSIDE)
            .where(Booking.ends_at > service.clock())
            .order_by(Booking.created_at, Booking.booking_id)
        )
        return _answer(context, query.limit(_DAY_LIMIT))

    @router.get("/search")
    def search(
        q: str = Query(default="", max_length=100),
        starts: int | None = Query(default=None, alias="from", ge=0, lt=1 << 40),
        ends: int | None = Query(default=None, alias="to", ge=0, lt=1 << 40),
        status: Literal["held", "pending", "confirmed", "cancelled", "declined", "expired"]
        | None = None,
        facility: str | None = _FACILITY,
        limit: int = Query(default=100, ge=1, le=1000),
        who: Principal = reader,
    ) -> list[dict[str, Any]]:
        """By name, contact, purpose or id; the latest first."""
        query = _visible(who, "booking.read", facility)
        if q.strip():
            query = query.where(_speaks_of(q.strip()))
        if starts is not None:
            query = query.where(Booking.ends_at > starts)
        if ends is not None:
            query = query.where(Booking.starts_at < ends)
        if status is not None:
            query = query.where(Booking.status == status)
        return _answer(context, query.order_by(Booking.starts_at.desc()).limit(limit))

    @router.get("/bookings/{booking_id}")
    def one(booking_id: str = BOOKING_ID, who: Principal = reader) -> dict[str, Any]:
        """One booking with its holders and its money."""
        with service.database.read() as session:
            booking = _seen(session, who, "booking.read", booking_id)
            told = lines.booking_line(session, booking, service.clock(), staff=True)
            return told | holders_line(session, booking) | {"entries": _entries(session, booking)}

    @router.get("/totals", response_model=None, responses=_TABLE)
    def monthly(
        month: str = Query(pattern=MONTH),
        form: Literal["json", "csv"] = "json",
        who: Principal = reporter,
    ) -> Any:
        """A month's uses and yen by facility."""
        allowed = who.facilities("report.read")
        with service.database.read() as session:
            found = totals.monthly(session, *totals.year_and_month(month))
        seen = [line for line in found if allowed is None or line["facility_id"] in allowed]
        if form == "json":
            return seen
        name = f'attachment; filename="kannuki-{service.town}-{month}.csv"'
        text = "\ufeff" + totals.as_csv(seen)  # the mark makes spreadsheets read UTF-8
        return Response(text, media_type="text/csv", headers={"Content-Disposition": name})


def _making(router: APIRouter, context: ApiContext) -> None:
    service, office = context.service, office_of(context)
    changer = Depends(need(context, "booking.change"))

    @router.post("/quote")
    def quote(wish: QuoteWish, who: Principal = changer) -> dict[str, Any]:
        """What it costs somebody at the counter."""
        with service.database.read() as session:
            check_room(session, who, "booking.change", wish.room_id)
            wanted = Wanted(**wish.model_dump())
            return terms_line(
                terms_for(session, office.providers, as_booker(who), wanted, service.clock())
            )

    @router.post("/bookings", status_code=201)
    def book(wish: StaffBooking, who: Principal = changer) -> dict[str, Any]:
        """Book for somebody; a clerk who books has decided."""
        now = service.clock()
        with service.database.write() as session:
            check_room(session, who, "booking.change", wish.room_id)
            if wish.account_id is not None and session.get(Account, wish.account_id) is None:
                raise Problem("INVALID", where="account_id")
            booker = replace(as_booker(who), account_id=wish.account_id)
            booked = lifecycle.book(session, office, booker, *_wish_of(wish), now)
            row = booked.booking
            detail = {"room": row.room_id, "starts_at": row.starts_at, "channel": row.channel}
            note(session, who, "booking.book", row.booking_id, detail, now)
            told = lines.booking_line(session, row, now, staff=True)
        context.poke()
        return told | {"redirect_url": booked.redirect_url}


def _wish_of(wish: StaffBooking) -> tuple[Wanted, Asked]:
    wanted = Wanted(
        wish.room_id,
        wish.starts_at,
        wish.ends_at,
        wish.people,
        wish.category,
        wish.group_id,
        wish.outside_hours,
    )
    method = wish.method
    return wanted, Asked(wish.holder_name, wish.holder_contact, wish.purpose, method, wish.channel)


def _deciding(router: APIRouter, context: ApiContext) -> None:
    clerk = Depends(need(context, "booking.approve"))

    @router.post("/bookings/{booking_id}/approve")
    def approve(
        asked: Approval, booking_id: str = BOOKING_ID, who: Principal = clerk
    ) -> dict[str, Any]:
        """Yes: confirmed, or on hold until it is paid online."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            lifecycle.approve(
                session,
                booking,
                f"staff:{who.staff_id}",
                now,
                note=asked.note,
                pay_later=asked.pay_later,
            )
            return {"note": asked.note, "reasons": booking.reasons}

        return _do(context, who, "booking.approve", booking_id, asked, deed)

    @router.post("/bookings/{booking_id}/decline")
    def decline(
        asked: Refusal, booking_id: str = BOOKING_ID, who: Principal = clerk
    ) -> dict[str, Any]:
        """No, with the reason that the resident reads."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            lifecycle.decline(session, booking, f"staff:{who.staff_id}", now, asked.note)
            return {"note": asked.note}

        return _do(context, who, "booking.approve", booking_id, asked, deed, "booking.decline")


def _changing(router: APIRouter, context: ApiContext) -> None:
    office = office_of(context)
    changer = Depends(need(context, "booking.change"))

    @router.post("/bookings/{booking_id}/change")
    def change(
        asked: StaffChange, booking_id: str = BOOKING_ID, who: Principal = changer
    ) -> dict[str, Any]:
        """Move it, within this clerk's facilities."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            wanted = replace(wanted_after(booking, asked), outside_hours=asked.outside_hours)
            check_room(session, who, "booking.change", wanted.room_id)
            before = {"room": booking.room_id, "starts_at": booking.starts_at}
            booker = replace(as_booker(who), account_id=booking.account_id)
            lifecycle.change(session, office, booker, booking, wanted, now, asked.version)
            after = {"room": booking.room_id, "starts_at": booking.starts_at}
            return {"from": str(before), "to": str(after), "note": asked.note}

        return _do(context, who, "booking.change", booking_id, asked, deed)

    @router.post("/bookings/{booking_id}/cancel")
    def cancel(
        asked: StaffCancel | None = None, booking_id: str = BOOKING_ID, who: Principal = changer
    ) -> dict[str, Any]:
        """Free the room and withdraw the key; what was paid is due back unless it is kept."""
        wish = asked or StaffCancel()

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            fee = min(wish.fee_yen, max(booking.fee_yen, amounts_of(booking).kept))
            bookings.cancel(session, booking, now, fee)
            return {"note": wish.note, "fee_yen": booking.fee_yen}

        return _do(context, who, "booking.change", booking_id, wish, deed, "booking.cancel")


def _money(router: APIRouter, context: ApiContext) -> None:
    office, cashier = office_of(context), Depends(need(context, "booking.pay"))

    @router.post("/bookings/{booking_id}/paid")
    def paid(
        asked: MoneyMoved, booking_id: str = BOOKING_ID, who: Principal = cashier
    ) -> dict[str, Any]:
        """Money came in at the counter, or for an invoice."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            by = f"staff:{who.staff_id}"
            yen = money.pay_at_counter(session, office, booking, asked.yen, by, now, asked.note)
            return {"yen": yen}

        return _do(context, who, "booking.pay", booking_id, asked, deed, "booking.paid")

    @router.post("/bookings/{booking_id}/refunded")
    def refunded(
        asked: MoneyMoved, booking_id: str = BOOKING_ID, who: Principal = cashier
    ) -> dict[str, Any]:
        """Money went back."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            by = f"staff:{who.staff_id}"
            yen = money.pay_back(
                session, office, booking, asked.yen, states.COUNTER, by, now, asked.note
            )
            return {"yen": yen}

        return _do(context, who, "booking.pay", booking_id, asked, deed, "booking.refunded")

    @router.post("/bookings/{booking_id}/waive")
    def waive(
        asked: Waiver, booking_id: str = BOOKING_ID, who: Principal = cashier
    ) -> dict[str, Any]:
        """The town asks for nothing."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            yen = booking.fee_yen
            money.waive(session, booking, now)
            return {"yen": yen, "note": asked.note}

        return _do(context, who, "booking.pay", booking_id, asked, deed, "booking.waive")

    @router.post("/bookings/{booking_id}/trust")
    def trust(
        asked: Trust, booking_id: str = BOOKING_ID, who: Principal = cashier
    ) -> dict[str, Any]:
        """The key comes before the money, or no longer."""

        def deed(session: Session, booking: Booking, now: int) -> dict[str, Any]:
            money.allow_later(session, booking, asked.pay_later, now)
            return {"pay_later": asked.pay_later}

        return _do(context, who, "booking.pay", booking_id, asked, deed, "booking.trust")


def _holders(router: APIRouter, context: ApiContext) -> None:
    service, changer = context.service, Depends(need(context, "booking.change"))

    @router.post("/bookings/{booking_id}/holders", status_code=201)
    def add_holder(
        asked: NewHolder, booking_id: str = BOOKING_ID, who: Principal = changer
    ) -> dict[str, Any]:
        """Somebody more who shall have a key."""
        now = service.clock()
        with service.database.write() as session:
            booking = _seen(session, who, "booking.change", booking_id)
            holder = holders.add(
                session,
                service.random_bytes,
                booking,
                now,
                name=asked.name,
                contact=asked.contact,
            )
            detail = {"holder": holder.holder_id}
            note(session, who, "booking.holder", booking_id, detail, now)
            return holders.as_dict(holder)

    @router.delete("/bookings/{booking_id}/holders/{holder_id}", status_code=204)
    def remove_holder(
        booking_id: str = BOOKING_ID, holder_id: str = HOLDER_ID, who: Principal = changer
    ) -> None:
        """No longer."""
        now = service.clock()
        with service.database.write() as session:
            booking = _seen(session, who, "booking.change", booking_id)
            holders.remove(session, booking, holder_id, now)
            detail = {"holder": holder_id, "removed": True}
            note(session, who, "booking.holder", booking_id, detail, now)


# --- who may see and do what ---


def as_booker(who: Principal) -> Booker:
    """A member of staff, who books for others."""
    return Booker(by=f"staff:{who.staff_id}", name=who.name, is_staff=True)


def check_room(session: Session, who: Principal, action: str, room_id: str) -> Room:
    """The room, if the action is allowed there. Raises Problem UNKNOWN_ROOM, as for no room."""
    room = bookings.find_room(session, room_id)
    if room is None or not who.may(action, room.facility_id):
        raise bookings.unknown_room(session)
    return room


def _seen(session: Session, who: Principal, action: str, booking_id: str) -> Booking:
    """The booking, if the action is allowed there. Raises Problem UNKNOWN_BOOKING, as for none."""
    booking = bookings.find(session, booking_id)
    room = bookings.find_room(session, booking.room_id or "")
    if not who.may(action, room.facility_id if room is not None else None):
        raise Problem("UNKNOWN_BOOKING")
    return booking


def _do(
    context: ApiContext,
    who: Principal,
    action: str,
    booking_id: str,
    seen: Seen | StaffChange,
    deed: Deed,
    name: str | None = None,
) -> dict[str, Any]:
    """One deed on one booking, noted in its own transaction."""
    now = context.service.clock()
    with context.service.database.write() as session:
        booking = _seen(session, who, action, booking_id)
        lifecycle.check_version(booking, seen.version)
        detail = deed(session, booking, now)
        note(session, who, name or action, booking_id, detail, now)
        told = lines.booking_line(session, booking, now, staff=True)
    context.poke()
    return told


def _visible(who: Principal, action: str, facility: str | None) -> Select[tuple[Booking]]:
    """Bookings in the facilities of this member of staff."""
    query = select(Booking).join(
        Room, (Room.town == Booking.town) & (Room.room_id == Booking.room_id)
    )
    allowed = who.facilities(action)
    if allowed is not None:
        query = query.where(Room.facility_id.in_(allowed))
    return query if facility is None else query.where(Room.facility_id == facility)


def _speaks_of(text: str) -> Any:
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    columns = (Booking.holder_name, Booking.holder_contact, Booking.purpose, Booking.booker_name)
    found = [column.ilike(pattern, escape="\\") for column in columns]
    return or_(Booking.booking_id == text, *found)


def _answer(context: ApiContext, query: Any) -> list[dict[str, Any]]:
    with context.service.database.read() as session:
        rows = session.scalars(query).all()
        return lines.booking_lines(session, rows, context.service.clock(), staff=True)


def _entries(session: Session, booking: Booking) -> list[dict[str, Any]]:
    query = (
        select(PaymentEntry)
        .where(PaymentEntry.booking_id == booking.booking_id)
        .order_by(PaymentEntry.taken_at, PaymentEntry.entry_id)
    )
    names = ("kind", "yen", "method", "taken_by", "taken_at", "note")
    return [{name: getattr(row, name) for name in names} for row in session.scalars(query)]
