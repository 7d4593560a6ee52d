"""From a calendar file to bookings: repeats laid out, moved and withdrawn instances in their place.

Decides which single uses a file asks for and how each is named: UID, RECURRENCE-ID (the instance's
original start in UTC, '' outside a series) and the newest SEQUENCE and DTSTAMP that speak of it.
Does not know rooms or the database. Pure: the same bytes and the same `now` give the same bookings.

Room: LOCATION, else the calendar's X-WR-CALNAME or NAME. Holder: first ATTENDEE (CN and mailto),
else ORGANIZER, CONTACT, SUMMARY. STATUS:TENTATIVE holds the room without a key; STATUS:CANCELLED
and METHOD:CANCEL withdraw. Times without a zone and whole days are in the town's zone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.ical_events import CalendarError, IcalEvent, read_events, read_named
from cloud.recurrence import Rule, RuleError, days, read_rule

__all__ = [
    "CalendarBooking",
    "CalendarContent",
    "CalendarError",
    "first_confirmed_start",
    "read_calendar",
]

TOWN_ZONE = ZoneInfo("Asia/Tokyo")
DAY_S = 86_400
HORIZON_S = 366 * DAY_S
MAX_INSTANCES = 5_000
_STATUS = {"CONFIRMED": "confirmed", "TENTATIVE": "pending", "CANCELLED": "cancelled"}
_LATEST = 7_258_086_000  # the year 2200


@dataclass(frozen=True)
class CalendarBooking:
    """One use that a file asks for; status: confirmed, pending or cancelled."""

    uid: str
    recurrence_id: str
    sequence: int
    dtstamp: int
    status: str
    room: str
    holder_name: str
    holder_contact: str
    starts_at: int
    ends_at: int
    line: int


@dataclass(frozen=True)
class Series:
    """What a file says of a UID as a whole, when it does (it may only speak of instances)."""

    uid: str
    sequence: int
    dtstamp: int
    line: int


@dataclass
class CalendarContent:
    """A file as bookings within [opens_at, closes_at); the rest is counted as outside."""

    opens_at: int
    closes_at: int
    name: str = ""  # the calendar's own, for events without LOCATION
    bookings: list[CalendarBooking] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    unsupported: list[tuple[IcalEvent, str]] = field(default_factory=list)
    outside: int = 0


def read_calendar(ics: bytes, now: int) -> CalendarContent:
    """The bookings from one day before `now` (Unix seconds) to 366 days after it.

    Raises CalendarError: the file is taken whole or not at all.
    """
    name, found = read_named(ics, TOWN_ZONE)
    content = CalendarContent(now - DAY_S, now + HORIZON_S, name)
    for events in _by_uid(found).values():
        _lay_out(events, content)
    if len(content.bookings) > MAX_INSTANCES:
        raise CalendarError(f"it asks for more than {MAX_INSTANCES} single uses")
    return content


def first_confirmed_start(ics: bytes) -> int:
    """When the first confirmed booking of the file starts, whatever the time is now.

    Raises CalendarError, also when there is none.
    """
    starts = []
    for events in _by_uid(read_events(ics, TOWN_ZONE)).values():
        everything = CalendarContent(0, 1 << 40)
        _lay_out(events, everything, only_first=True)
        starts += [b.starts_at for b in everything.bookings if b.status == "confirmed"]
    if not starts:
        raise CalendarError("there is no confirmed booking in it")
    return min(starts)


def _by_uid(events: list[IcalEvent]) -> dict[str, list[IcalEvent]]:
    groups: dict[str, list[IcalEvent]] = defaultdict(list)
    for event in events:
        groups[event.uid].append(event)
    return groups


def _lay_out(events: list[IcalEvent], content: CalendarContent, only_first: bool = False) -> None:
    """Adds the uses of one UID."""
    single = _newest_by_instance(events)
    master = single.pop(None, None)
    single = {at: event for at, event in single.items() if _is_supported(event, content)}
    if master is not None and _is_supported(master, content):
        content.series.append(Series(master.uid, master.sequence, master.dtstamp, master.line))
        _lay_out_master(master, single, content, only_first)
    for at, event in single.items():
        assert at is not None
        booking = _booking(event, event.start, event.length, _utc_name(at), master)
        _keep(booking, content)


def _newest_by_instance(events: list[IcalEvent]) -> dict[int | None, IcalEvent]:
    newest: dict[int | None, IcalEvent] = {}
    for event in events:
        known = newest.get(event.recurrence_at)
        if known is None or _age(event) >= _age(known):
            newest[event.recurrence_at] = event
    return newest


def _age(event: IcalEvent) -> tuple[int, int]:
    return event.sequence, event.dtstamp


def _is_supported(event: IcalEvent, content: CalendarContent) -> bool:
    if event.and_future:
        content.unsupported.append((event, "THIS_AND_FUTURE"))
    elif event.rule is not None and not _is_plain_rule(event):
        content.unsupported.append((event, "UNSUPPORTED_RULE"))
    else:
        return True
    return False


def _is_plain_rule(event: IcalEvent) -> bool:
    try:
        _rule(event)
    except RuleError:
        return False
    return True


def _rule(event: IcalEvent) -> Rule:
    try:
        return read_rule(event.rule, event.start.date())
    except RuleError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"RRULE cannot be understood: {error}"
        raise CalendarError(problem, event.line, event.uid) from None


def _lay_out_master(
    master: IcalEvent,
    single: dict[int | None, IcalEvent],
    content: CalendarContent,
    only_first: bool,
) -> None:
    is_series = master.rule is not None or bool(master.added)
    for start, length in _instances(master, content):
        at = master.unix(start)
        if at in single and is_series:
            continue
        booking = _booking(master, start, length, _utc_name(at) if is_series else "", None)
        _keep(booking, content)
        if only_first:
            return
        if len(content.bookings) > MAX_INSTANCES:
            raise CalendarError(
                f"it asks for more than {MAX_INSTANCES} single uses", master.line, master.uid
            )


def _instances(master: IcalEvent, content: CalendarContent) -> Iterator[tuple[datetime, timedelta]]:
    """(local start, length) of each instance that is not excluded, rule first, then additions."""
    seen = set()
    for start, length in _candidates(master, content):
        at = master.unix(start)
        if at in seen or at in master.excluded or start.date() in master.excluded:
            continue
        seen.add(at)
        yield start, length


def _candidates(
    master: IcalEvent, content: CalendarContent
) -> Iterator[tuple[datetime, timedelta]]:
    yield master.start, master.length
    if master.rule is not None:
        for day in _rule_days(master, content):
            yield datetime.combine(day, master.start.time()), master.length
    for start, length in master.added:
        yield start, length or master.length


def _rule_days(master: IcalEvent, content: CalendarContent) -> Iterator[date]:
    opens_on = _day(content.opens_at, master) - master.length - timedelta(days=1)
    until = master.rule.get("UNTIL", [None])[0]
    last = _local_until(until, master) if until else datetime.max
    for day in days(_rule(master), opens_on.date(), _day(content.closes_at, master).date()):
        if datetime.combine(day, master.start.time()) > last:
            return
        yield day


def _day(at: int, master: IcalEvent) -> datetime:
    bounded = max(min(at, _LATEST), master.unix(master.start))
    return datetime.fromtimestamp(bounded, master.zone).replace(tzinfo=None)


def _local_until(until: object, master: IcalEvent) -> datetime:
    if not isinstance(until, datetime):
        return datetime.combine(until, time(23, 59, 59))  # type: ignore[arg-type]
    return until.astimezone(master.zone).replace(tzinfo=None) if until.tzinfo else until


def _booking(
    event: IcalEvent,
    start: datetime,
    length: timedelta,
    recurrence_id: str,
    master: IcalEvent | None,
) -> CalendarBooking:
    """`master`: the series that this instance belongs to, when the same file describes it."""
    sequence, dtstamp = max(_age(event), _age(master)) if master else _age(event)
    cancelled = master is not None and master.status == "CANCELLED"
    return CalendarBooking(
        uid=event.uid,
        recurrence_id=recurrence_id,
        sequence=sequence,
        dtstamp=dtstamp,
        status="cancelled" if cancelled else _STATUS[event.status],
        room=event.room or (master.room if master else ""),
        holder_name=(event.holder_name or (master.holder_name if master else ""))[:200],
        holder_contact=(event.holder_contact or (master.holder_contact if master else ""))[:200],
        starts_at=event.unix(start),
        ends_at=event.unix(start + length),
        line=event.line,
    )


def _keep(booking: CalendarBooking, content: CalendarContent) -> None:
    inside = booking.ends_at > content.opens_at and booking.starts_at < content.closes_at
    if inside or booking.status == "cancelled":
        content.bookings.append(booking)
    else:
        content.outside += 1


def _utc_name(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
