"""On which terms somebody can have a room at a time: allowed or not, at what price, who decides.

Looks up what the deciders need (rules, closed days, group, quotas) and asks them, for a quote and a
booking alike, so that what was quoted is what is booked. Changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.booking import approval, fees, groups, windows
from cloud.booking.approval import Decision, Wish
from cloud.booking.fees import Quote
from cloud.booking.hours import day_of
from cloud.booking.payments import Providers
from cloud.booking.places import Place, place_of
from cloud.booking.policy import Category, Rules
from cloud.booking.spans import Span
from cloud.booking.states import CONFIRMED, HOLDS_ROOM
from cloud.booking.windows import Refusal
from cloud.models import Booking, Room
from cloud.people.levels import Level, reaches
from cloud.problems import Problem

_UNCOUNTED = 1_000_000  # people, where nobody said how many


@dataclass(frozen=True)
class Booker:
    """Who books. `by`: account:ID, staff:ID or machine, as the row remembers it."""

    by: str
    name: str = ""
    contact: str = ""
    account_id: str | None = None
    level: Level = "none"
    is_resident: bool | None = None  # None: nobody said
    is_staff: bool = False


ANYBODY = Booker("machine")


@dataclass(frozen=True)
class Wanted:
    """A room for a time. `outside_hours`: a clerk opens the house for it."""

    room_id: str
    starts_at: int
    ends_at: int
    people: int | None = None
    category: Category = "resident"
    group_id: str | None = None
    outside_hours: bool = False

    @property
    def span(self) -> Span:
        """The use itself, without buffers."""
        return Span(self.starts_at, self.ends_at)


@dataclass(frozen=True)
class Terms:
    """What counts for this wish."""

    place: Place
    wanted: Wanted
    quote: Quote
    decision: Decision
    methods: tuple[str, ...]
    invoice_allowed: bool

    @property
    def held(self) -> Span:
        """What the room is kept for, with buffers."""
        return windows.held_span(self.place.rules, self.wanted.span)


def terms_for(
    session: Session,
    ways: Providers,
    booker: Booker,
    wanted: Wanted,
    now: int,
    own: Booking | None = None,
) -> Terms:
    """The terms, or Problem with the reason. `own`: the booking that is being changed."""
    wanted = replace(wanted, category=_category(booker, wanted.category))
    place = place_of(session, wanted.room_id, {day_of(_bounded(wanted.starts_at))})
    _check_place(place, booker)
    _check_window(place, booker, wanted, now)
    if wanted.people is not None and place.room.capacity is not None:
        if wanted.people > place.room.capacity:
            raise Problem("TOO_MANY_PEOPLE", capacity=place.room.capacity)
    standing = _standing(session, booker, wanted)
    quote = fees.quote(place.rules, wanted.span, wanted.category, _percent(place.rules, standing))
    invoiced = standing is not None and standing.group.may_be_invoiced
    ways_here = ways.offered(place.rules, quote.yen, quote.reduction_percent)
    return Terms(
        place,
        wanted,
        quote,
        _decision(session, place, booker, wanted, standing, now, own),
        tuple(way for way in ways_here if way != "invoice" or invoiced or booker.is_staff),
        invoiced or booker.is_staff,
    )


def _check_place(place: Place, booker: Booker) -> None:
    if not (place.room.active and place.facility.active):
        raise Problem("ROOM_NOT_LENT")
    if booker.is_staff or place.assurance == "none":
        return
    if booker.account_id is None:
        raise Problem("NOT_SIGNED_IN")
    if not reaches(booker.level, place.assurance):
        raise Problem("ASSURANCE_TOO_LOW")


def _check_window(place: Place, booker: Booker, wanted: Wanted, now: int) -> None:
    bookings.check_window(wanted.starts_at, wanted.ends_at, now)
    if place.rules is None:
        return
    if not booker.is_staff:
        _raise(windows.refusal(place.rules, place.closed, wanted.span, now))
    elif not wanted.outside_hours:
        _raise(windows.outside_hours(place.rules, place.closed, wanted.span))


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Problem(refusal.code, **refusal.places)


def _standing(session: Session, booker: Booker, wanted: Wanted) -> groups.Standing | None:
    if wanted.group_id is None:
        return None
    if not booker.is_staff:
        groups.check_member(session, wanted.group_id, booker.account_id)
    standing = groups.standing(session, wanted.group_id, wanted.starts_at)
    if not standing.group.active:
        raise Problem("UNKNOWN_GROUP")
    return standing


def _percent(rules: Rules | None, standing: groups.Standing | None) -> int:
    """A reduction is worth something only while its evidence counts."""
    if rules is None or standing is None or standing.evidence is None:
        return 0
    own = standing.evidence.reduction_percent
    return fees.reduction_for(rules.fees, standing.group.kind, own)


def _category(booker: Booker, claimed: Category) -> Category:
    """Whoever is known to live elsewhere is no resident; what nobody knows is believed."""
    if claimed == "resident" and booker.is_resident is False and not booker.is_staff:
        return "outside"
    return claimed


def _decision(
    session: Session,
    place: Place,
    booker: Booker,
    wanted: Wanted,
    standing: groups.Standing | None,
    now: int,
    own: Booking | None,
) -> Decision:
    """A clerk who books has decided."""
    rules = place.rules
    if rules is None or booker.is_staff:
        return Decision(approval.AUTO)
    wish = _wish(session, place, rules, booker, wanted, standing, now, own)
    if rules.quotas.beyond == "refuse":
        _raise(approval.quota_refusal(rules.quotas, wish))
    return approval.decide(rules, wish)


def _wish(
    session: Session,
    place: Place,
    rules: Rules,
    booker: Booker,
    wanted: Wanted,
    standing: groups.Standing | None,
    now: int,
    own: Booking | None,
) -> Wish:
    own_id = own.booking_id if own is not None else ""
    unsaid = _UNCOUNTED if rules.approval.people_over is not None else 1
    group_id = wanted.group_id
    return Wish(
        category=wanted.category,
        people=wanted.people if wanted.people is not None else unsaid,
        minutes=wanted.span.seconds // 60,
        assurance=booker.level,
        is_group=standing is not None,
        is_first_use=group_id is not None and _uses_before(session, group_id, own_id) == 0,
        evidence_is_over=standing is not None and standing.is_over,
        open_of_person=_open(session, place, now, own_id, account_id=booker.account_id),
        open_of_group=_open(session, place, now, own_id, group_id=group_id),
    )


def _uses_before(session: Session, group_id: str, own_id: str) -> int:
    query = (
        select(func.count())
        .select_from(Booking)
        .where(Booking.group_id == group_id, Booking.booking_id != own_id)
        .where(Booking.status == CONFIRMED)
    )
    return session.scalar(query) or 0


def _open(
    session: Session,
    place: Place,
    now: int,
    own_id: str,
    account_id: str | None = None,
    group_id: str | None = None,
) -> int:
    """Bookings at this facility that are not over, of a person (for no group) or of a group."""
    if account_id is None and group_id is None:
        return 0
    query = (
        select(func.count())
        .select_from(Booking)
        .join(Room, (Room.town == Booking.town) & (Room.room_id == Booking.room_id))
        .where(Room.facility_id == place.facility.facility_id, Booking.booking_id != own_id)
        .where(Booking.status.in_(HOLDS_ROOM), Booking.ends_at > now)
        .where((Booking.hold_until.is_(None)) | (Booking.hold_until > now))
    )
    if group_id is not None:
        query = query.where(Booking.group_id == group_id)
    else:
        query = query.where(Booking.account_id == account_id, Booking.group_id.is_(None))
    return session.scalar(query) or 0


def _bounded(at: int) -> int:
    """A moment that calendars know, for looking up its day; the window's check refuses the rest."""
    return min(max(at, 0), 1 << 36)
