"""Reads the bytes of an iCalendar file (RFC 5545) into plain events. Pure: no clock, no database.

Decides whether a file is usable at all and says where it is not, by line and UID. A file is taken
whole or refused whole; `icalendar` does the reading, a scan of our own gives the line numbers.
Invariant: any bytes give events or raise CalendarError, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from icalendar import Calendar, Event

MAX_FILE_BYTES = 5_000_000
MAX_EVENTS = 5_000
MAX_LINES = 100_000
MAX_UID_CHARS = 255
_YEARS = range(1970, 2200)
_MAX_SEQUENCE = 1 << 31
_READER_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


class CalendarError(ValueError):
    """The file cannot be used; says the line and the UID where known."""

    def __init__(self, what: str, line: int | None = None, uid: str = "") -> None:
        where = f"line {line}: " if line else ""
        whose = f" (UID {uid})" if uid else ""
        super().__init__(f"{where}{what}{whose}")
        self.line = line
        self.uid = uid


@dataclass(frozen=True)
class IcalEvent:
    """One VEVENT. Times without a zone are local to `zone`; recurrence_at is Unix seconds."""

    uid: str
    line: int
    sequence: int
    dtstamp: int
    status: str  # CONFIRMED, TENTATIVE, CANCELLED
    start: datetime
    zone: tzinfo
    length: timedelta
    rule: Any  # icalendar's vRecur, or None
    excluded: frozenset[int | date]
    added: tuple[tuple[datetime, timedelta], ...]
    recurrence_at: int | None
    and_future: bool
    room: str
    holder_name: str
    holder_contact: str

    def unix(self, local: datetime) -> int:
        """A local time of this event as Unix seconds."""
        return int(local.replace(tzinfo=self.zone).timestamp())


def read_events(ics: bytes, zone: tzinfo) -> list[IcalEvent]:
    """Every VEVENT of the file, in order. `zone`: that of floating times and whole days.

    Raises CalendarError.
    """
    return read_named(ics, zone)[1]


def read_named(ics: bytes, zone: tzinfo) -> tuple[str, list[IcalEvent]]:
    """(the calendar's own name or '', its events). Raises CalendarError."""
    lines = _scan(ics)
    calendar = _parse(ics)
    found = [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]
    if len(found) != len(lines):
        raise CalendarError("its events are not all in one VCALENDAR")
    cancels = str(calendar.get("METHOD", "")).strip().upper() == "CANCEL"
    name = _text(calendar, "X-WR-CALNAME") or _text(calendar, "NAME")
    reader = _Reader(zone, cancels)
    return name, [reader.read(event, line) for event, line in zip(found, lines, strict=True)]


class _Reader:
    def __init__(self, zone: tzinfo, cancels: bool) -> None:
        self._zone = zone
        self._cancels = cancels

    def read(self, event: Event, line: int) -> IcalEvent:
        uid = _text(event, "UID")
        try:
            return self._read(event, line, uid)
        except CalendarError as error:
            raise CalendarError(str(error), line, uid) from None
        except _READER_ERRORS as error:
            raise CalendarError(f"cannot be understood: {error}", line, uid) from None

    def _read(self, event: Event, line: int, uid: str) -> IcalEvent:
        if not uid or len(uid) > MAX_UID_CHARS:
            raise CalendarError("an event needs a UID of at most 255 characters")
        if event.errors:
            name, problem = event.errors[0]
            raise CalendarError(f"{name}: {problem}")
        status = "CANCELLED" if self._cancels else _text(event, "STATUS").upper() or "CONFIRMED"
        recurrence_at = self._recurrence_at(event)
        start, zone, whole_day = self._start(event)
        holder_name, holder_contact = _holder(event)
        return IcalEvent(
            uid=uid,
            line=line,
            sequence=_sequence(event),
            dtstamp=self._dtstamp(event),
            status=status if status in ("CONFIRMED", "TENTATIVE", "CANCELLED") else "CONFIRMED",
            start=start,
            zone=zone,
            length=self._length(event, start, zone, whole_day, status),
            rule=_one(event, "RRULE"),
            excluded=frozenset(self._excluded(event, zone)),
            added=tuple(self._added(event, zone)),
            recurrence_at=recurrence_at,
            and_future=_is_and_future(event),
            room=_text(event, "LOCATION"),
            holder_name=holder_name,
            holder_contact=holder_contact,
        )

    def _start(self, event: Event) -> tuple[datetime, tzinfo, bool]:
        value = _one(event, "DTSTART") or _one(event, "RECURRENCE-ID")
        if value is None:
            raise CalendarError("the event has no start (DTSTART)")
        moment = self._local(value.dt, value.params)
        return moment.replace(tzinfo=None), moment.tzinfo or self._zone, _is_day(value.dt)

    def _length(
        self, event: Event, start: datetime, zone: tzinfo, whole_day: bool, status: str
    ) -> timedelta:
        end, duration = _one(event, "DTEND"), _one(event, "DURATION")
        if end is not None:
            moment = self._local(end.dt, end.params).astimezone(zone)
            length = moment.replace(tzinfo=None) - start
        elif duration is not None:
            length = duration.dt
        elif whole_day:
            length = timedelta(days=1)
        elif status == "CANCELLED":
            length = timedelta(hours=1)
        else:
            raise CalendarError("the event has no end (DTEND or DURATION)")
        if length <= timedelta(0):
            raise CalendarError("the event does not end after it starts")
        return length

    def _local(self, value: Any, params: Any) -> datetime:
        """An aware datetime. Floating times and whole days get the town's zone."""
        if _is_day(value):
            value = datetime.combine(value, time())
        if not isinstance(value, datetime):
            raise CalendarError("a date or a time was expected")
        if value.year not in _YEARS:
            raise CalendarError(f"the year {value.year} is out of range")
        if value.tzinfo is None and params.get("TZID"):
            raise CalendarError(f"the time zone {params['TZID']} is unknown and not described")
        return value if value.tzinfo else value.replace(tzinfo=self._zone)

    def _recurrence_at(self, event: Event) -> int | None:
        value = _one(event, "RECURRENCE-ID")
        return None if value is None else int(self._local(value.dt, value.params).timestamp())

    def _dtstamp(self, event: Event) -> int:
        value = _one(event, "DTSTAMP")
        if value is None:
            return 0
        moment = value.dt if isinstance(value.dt, datetime) else datetime.combine(value.dt, time())
        if moment.year not in _YEARS:
            raise CalendarError("DTSTAMP is out of range")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

    def _excluded(self, event: Event, zone: tzinfo) -> Iterator[int | date]:
        for value, params in _dates(event, "EXDATE"):
            is_day = _is_day(value)
            yield value if is_day else int(self._local(value, params).timestamp())

    def _added(self, event: Event, zone: tzinfo) -> Iterator[tuple[datetime, timedelta]]:
        for value, params in _dates(event, "RDATE"):
            start, end = value if isinstance(value, tuple) else (value, None)
            moment = self._local(start, params).astimezone(zone).replace(tzinfo=None)
            yield moment, _period_length(start, end)


def _period_length(start: Any, end: Any) -> timedelta:
    """Zero stands for the event's own length."""
    if end is None:
        return timedelta(0)
    length = end if isinstance(end, timedelta) else end - start
    if length <= timedelta(0):
        raise CalendarError("a period of RDATE does not end after it starts")
    return length


def _is_day(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _one(event: Event, name: str) -> Any:
    value = event.get(name)
    if isinstance(value, list):
        raise CalendarError(f"{name} is there more than once")
    return value


def _dates(event: Event, name: str) -> Iterator[tuple[Any, Any]]:
    values = event.get(name, [])
    for group in values if isinstance(values, list) else [values]:
        for value in group.dts:
            yield value.dt, group.params


def _sequence(event: Event) -> int:
    value = int(_one(event, "SEQUENCE") or 0)
    if not 0 <= value < _MAX_SEQUENCE:
        raise CalendarError("SEQUENCE is out of range")
    return value


def _is_and_future(event: Event) -> bool:
    value = _one(event, "RECURRENCE-ID")
    return value is not None and str(value.params.get("RANGE", "")).upper() == "THISANDFUTURE"


def _holder(event: Event) -> tuple[str, str]:
    """(name, contact): the first ATTENDEE, else ORGANIZER, else CONTACT, else SUMMARY."""
    for name in ("ATTENDEE", "ORGANIZER"):
        value = event.get(name)
        person = value[0] if isinstance(value, list) else value
        if person is not None:
            contact = _clean(str(person).removeprefix("mailto:").removeprefix("MAILTO:"))
            return _clean(str(person.params.get("CN", ""))) or contact, contact
    return _text(event, "CONTACT") or _text(event, "SUMMARY"), ""


def _text(component: Any, name: str) -> str:
    value = component.get(name, "")
    return _clean(str(value[0] if isinstance(value, list) else value))


def _clean(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[: MAX_UID_CHARS + 1]


# --- the file as lines ---


def _parse(ics: bytes) -> Calendar:
    try:
        calendar = Calendar.from_ical(ics)
    except (*_READER_ERRORS, RecursionError) as error:
        raise CalendarError(f"it is not iCalendar: {error}") from None
    if not isinstance(calendar, Calendar):
        raise CalendarError("it is not one VCALENDAR")
    return calendar


def _scan(ics: bytes) -> list[int]:
    """The line at which each VEVENT begins. Raises CalendarError for a broken structure."""
    if len(ics) > MAX_FILE_BYTES:
        raise CalendarError(f"it is larger than {MAX_FILE_BYTES} bytes")
    try:
        text = ics.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = ics[: error.start].count(b"\n") + 1
        raise CalendarError("the text is not UTF-8", line) from None
    starts: list[int] = []
    open_parts: list[str] = []
    for number, line in _content_lines(text):
        _step(line, number, open_parts, starts)
        if number > MAX_LINES:
            raise CalendarError(f"it has more than {MAX_LINES} lines", number)
    if open_parts:
        raise CalendarError(f"the file ends inside {open_parts[-1]}")
    if not starts:
        raise CalendarError("there is no VEVENT in it")
    if len(starts) > MAX_EVENTS:
        raise CalendarError(f"it has more than {MAX_EVENTS} events")
    return starts


def _step(line: str, number: int, open_parts: list[str], starts: list[int]) -> None:
    name, colon, value = line.partition(":")
    if not colon:
        raise CalendarError("this is no line of iCalendar (NAME:value)", number)
    keyword, part = name.strip().upper(), value.strip().upper()
    if not open_parts and (keyword, part) != ("BEGIN", "VCALENDAR"):
        raise CalendarError("it does not begin with BEGIN:VCALENDAR", number)
    if keyword == "BEGIN":
        open_parts.append(part)
        if part == "VEVENT":
            starts.append(number)
    elif keyword == "END" and open_parts.pop() != part:
        raise CalendarError(f"END:{part} closes something else", number)


def _content_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, unfolded line) for each line that is not empty."""
    current, first = "", 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line[:1] in (" ", "\t"):
            current += line[1:]
            continue
        if current.strip():
            yield first, current
        current, first = line, number
    if current.strip():
        yield first, current
