"""What a calendar file asks for: every shape that booking sites write, and every broken one."""

from __future__ import annotations

from datetime import date, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import vRecur

from cloud.calendar import CalendarError, first_confirmed_start, read_calendar
from cloud.recurrence import days, read_rule
from tests.cloud.support import CHANGES, FIRST, START

TOKYO = ZoneInfo("Asia/Tokyo")
NOW = START - 300


def calendar(*events: str, head: str = "") -> bytes:
    """A file of events given as lines."""
    body = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{head}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def event(
    *lines: str,
    uid: str = "a",
    start: str = "DTSTART;TZID=Asia/Tokyo:20261205T100000",
    end: str = "DTEND;TZID=Asia/Tokyo:20261205T110000",
) -> str:
    return "\n".join([f"UID:{uid}", "DTSTAMP:20261101T000000Z", start, end, *lines])


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=TOKYO).timestamp())


def starts(ics: bytes, now: int = NOW) -> list[int]:
    return [booking.starts_at for booking in read_calendar(ics, now).bookings]


def test_shipped_file_begins_with_two_rooms_at_once() -> None:
    assert first_confirmed_start(FIRST) == START
    first = [b for b in read_calendar(FIRST, NOW).bookings if b.starts_at == START]
    assert len({b.room for b in first}) == 3
    assert all(b.status == "confirmed" for b in first)


def test_shipped_changes_cancel_move_and_replace() -> None:
    changes = read_calendar(CHANGES, NOW).bookings
    assert [b.status for b in changes] == ["cancelled", "confirmed", "confirmed"]
    assert changes[1].recurrence_id == "20261215T050000Z"
    assert changes[1].starts_at == at(2026, 12, 16, 14)
    assert [b.sequence for b in changes] == [1, 1, 2]


def test_weekly_rule_leaves_excluded_dates_out() -> None:
    rule = event("RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Asia/Tokyo:20261212T100000")
    assert starts(calendar(rule)) == [at(2026, 12, d, 10) for d in (5, 19, 26)]


def test_whole_day_exclusion_takes_out_a_timed_instance() -> None:
    rule = event("RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20261206")
    assert starts(calendar(rule)) == [at(2026, 12, d, 10) for d in (5, 7)]


def test_added_dates_and_periods_are_instances() -> None:
    period = "RDATE;VALUE=PERIOD:20261211T000000Z/PT3H"
    more = event("RDATE;TZID=Asia/Tokyo:20261210T090000", period)
    found = read_calendar(calendar(more), NOW).bookings
    assert [(b.starts_at, b.ends_at - b.starts_at) for b in found] == [
        (at(2026, 12, 5, 10), 3600),
        (at(2026, 12, 10, 9), 3600),
        (at(2026, 12, 11, 9), 10800),
    ]


def test_until_in_utc_includes_its_own_moment() -> None:
    rule = event("RRULE:FREQ=WEEKLY;UNTIL=20261219T010000Z")
    assert len(starts(calendar(rule))) == 3


def test_moved_instance_replaces_only_its_own() -> None:
    rule = event("RRULE:FREQ=WEEKLY;COUNT=2", "LOCATION:和室")
    moved = event(
        "RECURRENCE-ID;TZID=Asia/Tokyo:20261212T100000",
        "SEQUENCE:1",
        start="DTSTART;TZID=Asia/Tokyo:20261213T150000",
        end="DURATION:PT2H",
    )
    found = read_calendar(calendar(rule, moved), NOW).bookings
    assert [b.starts_at for b in found] == [at(2026, 12, 5, 10), at(2026, 12, 13, 15)]
    assert found[1].recurrence_id == "20261212T010000Z"
    assert found[1].room == "和室"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("DTSTART;VALUE=DATE:20261205", "DTEND;VALUE=DATE:20261207", (at(2026, 12, 5), 172800)),
        ("DTSTART;VALUE=DATE:20261205", "COMMENT:one day", (at(2026, 12, 5), 86400)),
        ("DTSTART:20261205T100000", "DTEND:20261205T113000", (at(2026, 12, 5, 10), 5400)),
        ("DTSTART:20261205T010000Z", "DURATION:PT45M", (at(2026, 12, 5, 10), 2700)),
        (
            "DTSTART;TZID=Asia/Tokyo:20261205T100000",
            "DTEND:20261205T020000Z",
            (at(2026, 12, 5, 10), 3600),
        ),
    ],
)
def test_every_way_to_write_a_time(start: str, end: str, expected: tuple[int, int]) -> None:
    found = read_calendar(calendar(event(start=start, end=end)), NOW).bookings[0]
    assert (found.starts_at, found.ends_at - found.starts_at) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ['ATTENDEE;CN="佐藤":mailto:s@example.jp', "ORGANIZER;CN=o:mailto:o@example.jp"],
            ("佐藤", "s@example.jp"),
        ),
        (["ATTENDEE:mailto:s@example.jp"], ("s@example.jp", "s@example.jp")),
        (["ORGANIZER;CN=伊藤:mailto:o@example.jp"], ("伊藤", "o@example.jp")),
        (["CONTACT:窓口", "SUMMARY:会議"], ("窓口", "")),
        (["SUMMARY:会議"], ("会議", "")),
    ],
)
def test_holder_comes_from_the_first_property_that_names_one(
    lines: list[str], expected: tuple[str, str]
) -> None:
    found = read_calendar(calendar(event(*lines)), NOW).bookings[0]
    assert (found.holder_name, found.holder_contact) == expected


def test_tentative_is_pending_and_method_cancel_cancels_all() -> None:
    assert read_calendar(calendar(event("STATUS:TENTATIVE")), NOW).bookings[0].status == "pending"
    gone = read_calendar(calendar(event(), head="METHOD:CANCEL\n"), NOW).bookings[0]
    assert gone.status == "cancelled"


def test_wall_clock_is_kept_across_daylight_saving() -> None:
    rule = event(
        "RRULE:FREQ=WEEKLY;COUNT=2",
        start="DTSTART;TZID=Europe/Berlin:20270327T100000",
        end="DTEND;TZID=Europe/Berlin:20270327T110000",
    )
    first, second = starts(calendar(rule))
    assert second - first == 7 * 86400 - 3600


def test_endless_rule_stops_at_the_horizon() -> None:
    found = starts(calendar(event("RRULE:FREQ=DAILY")))
    assert len(found) == 366
    assert found[-1] < NOW + 366 * 86400


def test_what_lies_outside_the_horizon_is_counted() -> None:
    old = event(start="DTSTART:20250101T100000", end="DTEND:20250101T110000")
    content = read_calendar(calendar(old), NOW)
    assert (content.bookings, content.outside) == ([], 1)


@pytest.mark.parametrize(
    "rule",
    ["FREQ=SECONDLY", "FREQ=HOURLY;INTERVAL=2", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYMINUTE=1,2"],
)
def test_rule_that_would_flood_us_is_refused_by_itself(rule: str) -> None:
    content = read_calendar(calendar(event(f"RRULE:{rule}"), event(uid="b")), NOW)
    assert [code for _, code in content.unsupported] == ["UNSUPPORTED_RULE"]
    assert [b.uid for b in content.bookings] == ["b"]


def test_more_instances_than_the_bound_refuse_the_file() -> None:
    events = [event("RRULE:FREQ=DAILY", uid=f"u{n}") for n in range(15)]
    with pytest.raises(CalendarError, match="more than 5000"):
        read_calendar(calendar(*events), NOW)


@pytest.mark.parametrize(
    ("ics", "says"),
    [
        (b"", "no VEVENT"),
        (b"hello", "line 1: this is no line of iCalendar"),
        (b"BEGIN:VCARD\r\nEND:VCARD\r\n", "line 1: it does not begin with BEGIN:VCALENDAR"),
        (calendar(), "no VEVENT"),
        (calendar(event())[:-15], "ends inside"),
        (calendar(event("X-BAD")), "line 9: this is no line"),
        (b"BEGIN:VCALENDAR\r\nSUMMARY:\x82\xa0\r\n", "line 2: the text is not UTF-8"),
        (calendar(event(start="DTSTART:2026garbage")), r"line 4: DTSTART.*\(UID a\)"),
        (calendar(event(start="COMMENT:none")), r"no start \(DTSTART\) \(UID a\)"),
        (calendar(event(end="COMMENT:none")), r"no end.*\(UID a\)"),
        (calendar(event(end="DTEND:20261205T000000Z")), "does not end after it starts"),
        (calendar(event(start="DTSTART;TZID=Mars/Base:20261205T100000")), "Mars/Base is unknown"),
        (calendar(event("RRULE:FREQ=WEEKLY;UNTIL=soon")), "RRULE"),
        (calendar(event("SEQUENCE:many")), "SEQUENCE"),
        (calendar(event("SEQUENCE:99999999999999999999")), r"line 4: SEQUENCE.*\(UID a\)"),
        (calendar(event(uid="")), "needs a UID"),
        (calendar(event(start="DTSTART:00010101T000000", end="DURATION:PT1H")), "out of range"),
        (b"BEGIN:VCALENDAR\r\n" + b"X" * 5_000_001, "larger than 5000000 bytes"),
    ],
)
def test_broken_file_is_refused_whole_and_says_where(ics: bytes, says: str) -> None:
    with pytest.raises(CalendarError, match=says):
        read_calendar(ics, NOW)


def test_first_confirmed_start_skips_pending_cancelled_and_excluded() -> None:
    ics = calendar(
        event(
            "STATUS:TENTATIVE",
            uid="p",
            start="DTSTART:20261201T100000",
            end="DTEND:20261201T110000",
        ),
        event("RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Asia/Tokyo:20261205T100000"),
    )
    assert first_confirmed_start(ics) == at(2026, 12, 6, 10)
    with pytest.raises(CalendarError, match="no confirmed booking"):
        first_confirmed_start(calendar(event("STATUS:TENTATIVE")))


_PIECES = [
    b"",
    b"\r\n",
    b"99999999",
    b";VALUE=DATE",
    b"-1",
    b"RRULE:FREQ=DAILY\r\n",
    b"INTERVAL=0",
    b"T000000Z",
    b"=",
    b":",
    b"BEGIN:VEVENT\r\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One of the shipped files with a few bytes changed, cut out or doubled."""
    data = bytearray(draw(st.sampled_from([FIRST, CHANGES])))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data) - 1))
        end = min(len(data), begin + draw(st.integers(0, 40)))
        data[begin:end] = (
            draw(
                st.one_of(
                    st.binary(max_size=12),
                    st.sampled_from(_PIECES),
                    st.just(bytes(data[begin:end]) * 2),
                )
            )
            or b" "
        )
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_mutated_file_gives_bookings_or_a_clear_error(ics: bytes) -> None:
    try:
        content = read_calendar(ics, NOW)
        first_confirmed_start(ics)
    except CalendarError:
        return
    assert all(b.ends_at > b.starts_at for b in content.bookings)
    assert content == read_calendar(ics, NOW)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_clearly(ics: bytes) -> None:
    with pytest.raises(CalendarError):
        read_calendar(ics, NOW)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules in every combination that matches now and then (dateutil searches 8,000 years)."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    interval = 1 if frequency == "MONTHLY" else draw(st.integers(1, 5))
    parts = [f"FREQ={frequency}", f"INTERVAL={interval}"]
    weekdays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    days_of_month = frequency != "WEEKLY" and draw(st.booleans())
    if draw(st.booleans()):
        may_number = frequency in ("MONTHLY", "YEARLY") and not days_of_month
        numbered = may_number and draw(st.booleans())  # dateutil intersects MO with 1MO
        numbers = st.sampled_from(["1", "2", "-1", "4"] if numbered else [""])
        pairs = st.lists(st.tuples(numbers, st.sampled_from(weekdays)), min_size=1, max_size=3)
        parts.append("BYDAY=" + ",".join(sorted({n + day for n, day in draw(pairs)})))
    if draw(st.booleans()):
        months = draw(st.sets(st.integers(1, 12), min_size=1))
        parts.append("BYMONTH=" + ",".join(map(str, months)))
    if days_of_month:
        some = draw(st.sets(st.integers(-28, 28).filter(bool), min_size=1, max_size=4))
        parts.append("BYMONTHDAY=" + ",".join(map(str, some)))
    if len(parts) > 2 and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, -1]))}")
    if draw(st.booleans()):
        parts.append(f"COUNT={draw(st.integers(1, 40))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(weekdays))}")
    return ";".join(parts)


def test_numbered_and_plain_weekdays_in_one_rule_are_a_union() -> None:
    rule = read_rule(vRecur.from_ical("FREQ=MONTHLY;BYDAY=1MO,MO"), date(2026, 3, 2))
    found = list(days(rule, date(2026, 3, 1), date(2026, 3, 31)))
    assert [day.day for day in found] == [2, 9, 16, 23, 30]


@settings(max_examples=60, deadline=None)
@given(rules(), st.integers(0, 600))
def test_days_of_a_rule_are_those_that_dateutil_finds(rule: str, day: int) -> None:

    first = datetime(2025 + day // 336, 1 + day // 28 % 12, 1 + day % 28)
    opens, closes = datetime(2026, 3, 5), datetime(2028, 3, 5)
    found = list(days(read_rule(vRecur.from_ical(rule), first.date()), opens.date(), closes.date()))
    expected = takewhile(lambda moment: moment <= closes, rrulestr(rule, dtstart=first))
    assert found == [moment.date() for moment in expected if moment >= opens]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYSETPOS=300;BYDAY=MO",
        "FREQ=DAILY;BYWEEKNO=54",
        "FREQ=DAILY;BYDAY=1MO",
        "FREQ=DAILY;COUNT=0",
    ],
)
def test_rule_that_never_matches_costs_nothing(rule: str) -> None:
    content = read_calendar(calendar(event(f"RRULE:{rule}")), NOW)
    assert len(content.bookings) + len(content.unsupported) == 1
