"""The residents' part of bookings: find a room, see the price, book, change, give back.

    GET  /v1/facilities                       houses, rooms, what counts there
    GET  /v1/free?day=&days=&facility=&room=&minutes=&people=&booking=
    POST /v1/quote                            price, ways to pay, who decides and why
    POST /v1/holds                            a room kept for some minutes   (signed in)
    POST /v1/bookings                         from a hold, or at once (without an account where the
                                              room lets anybody in: then with the key link)
    GET  /v1/my/bookings, /v1/my/bookings/{id}, /v1/my/groups
    POST /v1/my/bookings/{id}/change | cancel | pay | key-link
    GET, POST /v1/my/bookings/{id}/holders; DELETE .../holders/{holder_id}

Decides who is asked for what: a booking belongs to its account, and one of somebody else is
answered as if there were none. The deciding about bookings is cloud.booking's.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import bookings, keylinks
from cloud.booking import groups, holders, lifecycle, lines, search, states
from cloud.booking.lifecycle import Asked, Booked
from cloud.booking.money import Office
from cloud.booking.terms import ANYBODY, Booker, Terms, Wanted, terms_for
from cloud.credentials import PAD_S
from cloud.models import Booking
from cloud.problems import Problem
from cloud.web.booking_models import (
    DAY,
    BookingWish,
    ChangeWish,
    HoldWish,
    NewHolder,
    QuoteWish,
    Seen,
)
from cloud.web.context import ApiContext, Site
from cloud.web.credentials import Resident, limited, maybe_resident, resident

_NAME = r"^[a-z0-9]{1,24}$"
BOOKING_ID, HOLDER_ID = Path(pattern=_NAME), Path(pattern=_NAME)  # one for each name
_FACILITY = Query(default=None, min_length=1, max_length=32)
_ROOM = Query(default=None, min_length=1, max_length=32)
MY_LIMIT = 200


def office_of(context: ApiContext) -> Office:
    """What working on this town's bookings needs."""
    service = context.service
    return Office(
        service.random_bytes,
        context.payments,
        f"{context.urls.origin(Site.BOOK)}/my/",
    )


def booker_of(who: Resident | None) -> Booker:
    """Who books, as the deciders see it."""
    if who is None:
        return ANYBODY
    return Booker(
        by=f"account:{who.account_id}",
        name=who.name,
        account_id=who.account_id,
        level=who.standing.level,
        is_resident=who.standing.resident,
    )


def free_routes(context: ApiContext) -> APIRouter:
    """What anyone may look at: rooms, rules, free times. Names nobody."""
    router = APIRouter(dependencies=[Depends(limited(context))])
    service, anyone = context.service, Depends(maybe_resident(context))

    @router.get("/v1/facilities")
    def facilities() -> list[Any]:
        """Houses with their rooms and rules."""
        with service.database.read() as session:
            return lines.facility_lines(session)

    @router.get("/v1/free")
    def free(
        day: str = Query(pattern=DAY, description="The first day, 2026-12-05."),
        days: int = Query(default=1, ge=1, le=search.MAX_DAYS),
        facility: str | None = _FACILITY,
        room: str | None = _ROOM,
        minutes: int | None = Query(default=None, ge=5, le=1440),
        people: int | None = Query(default=None, ge=1, le=100_000),
        booking: str | None = Query(default=None, pattern=r"^[a-z0-9]{1,24}$"),
        who: Resident | None = anyone,
    ) -> list[dict[str, Any]]:
        """Free windows by room and day; with `minutes` where a use of that length can start.

        `booking`: one of my own that I want to move; its own time counts as free.
        """
        with service.database.read() as session:
            if booking is not None:
                _own(session, who, booking)
            return search.free(
                session,
                service.clock(),
                day_from(day),
                days,
                facility_id=facility,
                room_id=room,
                minutes=minutes,
                people=people,
                without=booking,
            )

    return router


def book_routes(context: ApiContext) -> APIRouter:
    """Booking, and what belongs to the person who is signed in."""
    router = APIRouter(dependencies=[Depends(limited(context))])
    _booking(router, context)
    _my(router, context)
    _my_changes(router, context)
    _my_holders(router, context)
    return router


def _booking(router: APIRouter, context: ApiContext) -> None:
    service, office = context.service, office_of(context)
    anyone, signed_in = Depends(maybe_resident(context)), Depends(resident(context))

    @router.post("/v1/quote")
    def quote(wish: QuoteWish, who: Resident | None = anyone) -> dict[str, Any]:
        """What it costs, how it can be paid, and who decides; changes nothing."""
        wanted = Wanted(**wish.model_dump())
        with service.database.read() as session:
            terms = terms_for(session, office.providers, booker_of(who), wanted, service.clock())
            return terms_line(terms)

    @router.post("/v1/holds", status_code=201)
    def hold(wish: HoldWish, who: Resident = signed_in) -> dict[str, Any]:
        """Keep a room while the form is filled in."""
        now = service.clock()
        with service.database.write() as session:
            booker, wanted = booker_of(who), Wanted(**wish.model_dump())
            held = lifecycle.hold(session, office, booker, wanted, now)
            return lines.booking_line(session, held, now)

    @router.post("/v1/bookings", status_code=201)
    def book(wish: BookingWish, who: Resident | None = anyone) -> dict[str, Any]:
        """Book. Without an account the key link is told, and only now."""
        now = service.clock()
        with service.database.write() as session:
            booked = _book(session, office, who, wish, now)
            told = lines.booking_line(session, booked.booking, now)
            told |= {"redirect_url": booked.redirect_url, "key_from": key_from(booked.booking, now)}
            if who is None:
                secret = keylinks.new_link(
                    session, service.signers, booked.booking, service.random_bytes, now
                )
                told["key_link"] = service.key_link(secret)
        context.poke()
        return told


def _book(
    session: Session, office: Office, who: Resident | None, wish: BookingWish, now: int
) -> Booked:
    booker = booker_of(who)
    channel = "machine" if who is None else "family" if wish.for_family else "web"
    asked = Asked(wish.holder_name, wish.holder_contact, wish.purpose, wish.method, channel)
    wanted = Wanted(
        wish.room_id or "",
        wish.starts_at or 0,
        wish.ends_at or 0,
        wish.people,
        wish.category,
        wish.group_id,
    )
    if wish.hold_id is None:
        return lifecycle.book(session, office, booker, wanted, asked, now)
    held = _own(session, who, wish.hold_id)
    return lifecycle.book_hold(session, office, booker, held, wanted, asked, now)


def _my(router: APIRouter, context: ApiContext) -> None:
    service, signed_in = context.service, Depends(resident(context))

    @router.get("/v1/my/bookings")
    def my_bookings(who: Resident = signed_in) -> list[dict[str, Any]]:
        """What is mine, the latest first; holds that ran out undecided and unpaid are left out."""
        query = (
            select(Booking)
            .where(Booking.account_id == who.account_id)
            .where(
                (Booking.status != states.EXPIRED)
                | Booking.decided_at.is_not(None)
                | (Booking.paid_yen > 0)
            )
            .order_by(Booking.starts_at.desc(), Booking.booking_id)
            .limit(MY_LIMIT)
        )
        now = service.clock()
        with service.database.read() as session:
            rows = [
                row
                for row in session.scalars(query)
                if row.status != states.HELD or (row.hold_until or 0) > now
            ]
            return lines.booking_lines(session, rows, now)

    @router.get("/v1/my/bookings/{booking_id}")
    def my_booking(booking_id: str = BOOKING_ID, who: Resident = signed_in) -> dict[str, Any]:
        """One of mine, a hold too."""
        with service.database.read() as session:
            return lines.booking_line(session, _own(session, who, booking_id), service.clock())

    @router.get("/v1/my/groups")
    def my_groups(who: Resident = signed_in) -> list[dict[str, Any]]:
        """Groups that I may book for, and whether their evidence counts today."""
        now = service.clock()
        with service.database.read() as session:
            return [
                {
                    "group_id": group.group_id,
                    "name": group.name,
                    "kind": group.kind,
                    "may_be_invoiced": group.may_be_invoiced,
                    "evidence_until": _until(groups.standing(session, group.group_id, now)),
                }
                for group in groups.groups_of(session, who.account_id)
            ]


def _my_changes(router: APIRouter, context: ApiContext) -> None:
    service, office = context.service, office_of(context)
    signed_in = Depends(resident(context))

    @router.post("/v1/my/bookings/{booking_id}/change")
    def change(
        wish: ChangeWish, booking_id: str = BOOKING_ID, who: Resident = signed_in
    ) -> dict[str, Any]:
        """Move it; the old time is free only if the new one was taken."""
        now = service.clock()
        with service.database.write() as session:
            booking = _own(session, who, booking_id)
            wanted = wanted_after(booking, wish)
            lifecycle.change(session, office, booker_of(who), booking, wanted, now, wish.version)
            told = lines.booking_line(session, booking, now)
        context.poke()
        return told

    @router.post("/v1/my/bookings/{booking_id}/cancel")
    def cancel(
        seen: Seen, booking_id: str = BOOKING_ID, who: Resident = signed_in
    ) -> dict[str, Any]:
        """Give it back, or let go of a hold."""
        now = service.clock()
        with service.database.write() as session:
            booking = _own(session, who, booking_id)
            lifecycle.check_version(booking, seen.version)
            lifecycle.cancel(session, booking, now)
            told = lines.booking_line(session, booking, now)
        context.poke()
        return told

    @router.post("/v1/my/bookings/{booking_id}/pay")
    def pay(booking_id: str = BOOKING_ID, who: Resident = signed_in) -> dict[str, str]:
        """Where what is open can be paid online."""
        with service.database.write() as session:
            booking = _own(session, who, booking_id)
            return {"redirect_url": lifecycle.pay(session, office, booking, service.clock())}

    @router.post("/v1/my/bookings/{booking_id}/key-link")
    def key_link(booking_id: str = BOOKING_ID, who: Resident = signed_in) -> dict[str, Any]:
        """A new key link for myself; what another device has is withdrawn when this is claimed."""
        now = service.clock()
        with service.database.write() as session:
            booking = _own(session, who, booking_id)
            check_keyed(booking)
            secret = keylinks.make_link(session, booking, service.random_bytes, now)
        context.poke()
        return {"key_link": service.key_link(secret), "key_from": key_from(booking, now)}


def _my_holders(router: APIRouter, context: ApiContext) -> None:
    service, signed_in = context.service, Depends(resident(context))

    @router.get("/v1/my/bookings/{booking_id}/holders")
    def list_holders(booking_id: str = BOOKING_ID, who: Resident = signed_in) -> dict[str, Any]:
        """Who else shall have a key, and how many there may be."""
        with service.database.read() as session:
            return holders_line(session, _own(session, who, booking_id))

    @router.post("/v1/my/bookings/{booking_id}/holders", status_code=201)
    def add_holder(
        wanted: NewHolder, booking_id: str = BOOKING_ID, who: Resident = signed_in
    ) -> dict[str, Any]:
        """One more."""
        with service.database.write() as session:
            booking = _own(session, who, booking_id)
            holder = holders.add(
                session,
                service.random_bytes,
                booking,
                service.clock(),
                name=wanted.name,
                contact=wanted.contact,
            )
            return holders.as_dict(holder)

    @router.delete("/v1/my/bookings/{booking_id}/holders/{holder_id}", status_code=204)
    def remove_holder(
        booking_id: str = BOOKING_ID, holder_id: str = HOLDER_ID, who: Resident = signed_in
    ) -> None:
        """No longer."""
        with service.database.write() as session:
            booking = _own(session, who, booking_id)
            holders.remove(session, booking, holder_id, service.clock())


# --- shared with the desk ---


def terms_line(terms: Terms) -> dict[str, Any]:
    """Price, ways to pay, and who decides."""
    return terms.quote.as_dict() | {
        "category": terms.wanted.category,
        "methods": list(terms.methods),
        "decided_by": terms.decision.by,
        "reasons": lines.reason_lines(terms.decision.reasons),
        "held_from": terms.held.starts_at,
        "held_to": terms.held.ends_at,
    }


def wanted_after(booking: Booking, wish: ChangeWish) -> Wanted:
    """The booking's own wish with what shall be other."""
    return Wanted(
        wish.room_id or booking.room_id or "",
        wish.starts_at,
        wish.ends_at,
        wish.people or booking.people,
        booking.category,  # type: ignore[arg-type]
        booking.group_id,
    )


def holders_line(session: Session, booking: Booking) -> dict[str, Any]:
    """The list with its bound."""
    found = holders.holders_of(session, booking.booking_id)
    return {
        "most": holders.most_holders(session, booking) - 1,
        "holders": [holders.as_dict(holder) for holder in found],
    }


def key_from(booking: Booking, now: int) -> int:
    """When the key can be collected."""
    return max(now, booking.starts_at - PAD_S - keylinks.RELEASED_BEFORE_S)


def check_keyed(booking: Booking) -> None:
    """Raises Problem with the reason why there is no key."""
    if states.keyed(booking):
        return
    if booking.status in states.ENDED:
        raise Problem("BOOKING_CANCELLED")
    raise Problem("NOT_PAID_YET" if booking.status == states.CONFIRMED else "NOT_CONFIRMED")


def day_from(text: str) -> date:
    """A real day. Raises Problem INVALID for 2026-02-31."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Problem("INVALID", where=f"day: {text}") from None


def _own(session: Session, who: Resident | None, booking_id: str) -> Booking:
    """A booking of this account; somebody else's is answered as if there were none."""
    if who is None:
        raise Problem("NOT_SIGNED_IN")
    booking = bookings.find(session, booking_id)
    if booking.account_id != who.account_id:
        raise Problem("UNKNOWN_BOOKING")
    return booking


def _until(standing: groups.Standing) -> int | None:
    return standing.evidence.expires_at if standing.evidence is not None else None
