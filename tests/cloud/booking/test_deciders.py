"""The pure deciders: hours, windows, fees, approval, money. No database, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.booking import approval, fees, states, windows
from cloud.booking.hours import moment_of, openings, whole_day
from cloud.booking.policy import (
    Policy,
    PolicyError,
    Quotas,
    Rules,
    read_policy,
    write_policy,
)
from cloud.booking.spans import Span, merge, subtract
from cloud.booking.windows import Refusal
from cloud.people.levels import ORDER
from kannuki import texts
from tests.cloud.booking import strategies as made

MONDAY = made.DAY
MIDNIGHT = moment_of(MONDAY, 0)
NOON = moment_of(MONDAY, 12 * 60)
OFFICE = {day: [("09:00", "21:00")] for day in ("mon", "tue", "wed", "thu", "fri")}
HALL = {
    "per": "band",
    "base": {"resident": 0, "outside": 0, "commercial": 0},
    "bands": [
        {"from": "09:00", "to": "12:00", "prices": {"resident": 500, "outside": 750,
                                                    "commercial": 1500}},
        {"from": "13:00", "to": "17:00", "prices": {"resident": 800, "outside": 1200,
                                                    "commercial": 2400}},
        {"from": "18:00", "to": "21:00", "prices": {"resident": 900, "outside": 1350,
                                                    "commercial": 2700}},
    ],
}  # fmt: skip
HOURLY = {
    "base": {"resident": 300, "outside": 450, "commercial": 900},
    "bands": [
        {"days": ["sat", "sun"], "prices": {"resident": 400, "outside": 600, "commercial": 1200}},
        {"from": "18:00", "prices": {"resident": 350, "outside": 525, "commercial": 1050}},
    ],
    "reductions": {"welfare": 100, "sports": 50},
}


def office(**changes: object) -> Rules:
    return Rules.model_validate({"hours": OFFICE} | changes)


def at(hours: float, day: date = MONDAY) -> int:
    return moment_of(day, int(hours * 60))


# --- spans ---

_SPANS = st.lists(made.spans(0, 90_000), max_size=8)


@given(_SPANS, _SPANS)
def test_subtracting_leaves_exactly_the_moments_that_were_not_taken(
    first: list[Span], taken: list[Span]
) -> None:
    left = subtract(first, taken)
    assert left == merge(left)
    for moment in range(0, 90_000, 900):
        inside = any(a <= moment < b for a, b in first) and not any(
            a <= moment < b for a, b in taken
        )
        assert inside == any(a <= moment < b for a, b in left)


# --- days ---


def test_days_are_the_towns_and_not_utc() -> None:
    (morning,) = openings(office(), MONDAY, ())
    assert morning == Span(1_796_601_600, 1_796_601_600 + 12 * 3600)  # 2026-12-07T00:00Z = 09:00
    assert openings(office(), MONDAY, {MONDAY}) == []
    assert openings(office(), date(2026, 12, 6), ()) == []  # a Sunday


def test_a_zone_with_summer_time_has_a_short_day() -> None:
    from zoneinfo import ZoneInfo

    assert whole_day(date(2026, 3, 29), ZoneInfo("Europe/Berlin")).seconds == 23 * 3600
    assert whole_day(MONDAY).seconds == 24 * 3600


# --- windows ---


def bookable(rules: Rules, wanted: Span, taken: list[Span], now: int, closed: set[date]) -> bool:
    if windows.refusal(rules, closed, wanted, now) is not None:
        return False
    held = windows.held_span(rules, wanted)
    return not any(held.overlaps(other) for other in taken)


@given(
    made.rules(),
    st.lists(made.spans(MIDNIGHT - 3600, MIDNIGHT + 90_000), max_size=5),
    made.spans(MIDNIGHT, MIDNIGHT + 86_400),
    st.integers(MIDNIGHT - 3 * 86_400, MIDNIGHT + 86_400),
    st.sets(st.sampled_from([MONDAY, MONDAY + timedelta(days=1)])),
)
def test_search_offers_exactly_what_can_be_booked(
    rules: Rules, taken: list[Span], wanted: Span, now: int, closed: set[date]
) -> None:
    taken = [span for span in taken if span.seconds]
    found = windows.free_windows(rules, MONDAY, closed, taken, now)
    minutes = wanted.seconds // 60
    offered = [at for window in found for at in windows.starts_in(rules, window, minutes)]
    assert (wanted.starts_at in offered) == bookable(rules, wanted, taken, now, closed)
    for start in offered:
        one = Span(start, start + wanted.seconds)
        assert bookable(rules, one, taken, now, closed)
    assert found == merge(found) or all(
        a.ends_at <= b.starts_at for a, b in zip(found, found[1:], strict=False)
    )


@pytest.mark.parametrize(
    ("wanted", "changes", "code"),
    [
        ((10, 11), {}, None),
        ((10, 10), {}, "ENDS_BEFORE_START"),
        ((10, 10.25), {}, "TOO_SHORT_USE"),
        ((10, 20), {}, "TOO_LONG_USE"),
        ((8, 10), {}, "OUTSIDE_HOURS"),
        ((20, 22), {}, "OUTSIDE_HOURS"),
        ((24 * 5 + 10, 24 * 5 + 11), {}, "CLOSED_WEEKDAY"),
        ((24 + 10, 24 + 11), {}, "CLOSED_DAY"),
        ((10.25, 11.25), {}, "NOT_ON_A_SLOT"),
        ((9, 10), {"now": at(9.5)}, "IN_THE_PAST"),
        ((10, 11), {"notice_minutes": 120, "now": at(9)}, "TOO_SHORT_NOTICE"),
        ((24 * 2 + 10, 24 * 2 + 11), {"ahead_days": 1}, "TOO_FAR_FOR_ROOM"),
        ((24 * 2 + 10, 24 * 2 + 11), {"ahead_days": 2}, None),
    ],
)
def test_a_window_that_cannot_be_booked_says_which_rule_it_breaks(
    wanted: tuple[float, float], changes: dict[str, int], code: str | None
) -> None:
    now = changes.pop("now", at(0))
    closed = {MONDAY + timedelta(days=1)}
    found = windows.refusal(office(**changes), closed, Span(at(wanted[0]), at(wanted[1])), now)
    assert (found.code if found else None) == code
    if found is not None:
        for lang in texts.LANGUAGES:
            assert "{" not in texts.text(found.code, lang, **found.places)


def test_buffers_keep_neighbours_apart_and_are_not_sold() -> None:
    rules = office(setup_minutes=10, cleaning_minutes=20)
    taken = [windows.held_span(rules, Span(at(12), at(13)))]
    assert taken == [Span(at(12) - 600, at(13) + 1200)]
    found = windows.free_windows(rules, MONDAY, (), taken, at(0))
    assert found == [Span(at(9), at(11.5)), Span(at(13.5), at(21))]


# --- fees ---


def hours(rules: Rules, a: float, b: float, category: str = "resident", percent: int = 0) -> int:
    return fees.quote(rules, Span(at(a), at(b)), category, percent).yen  # type: ignore[arg-type]


def test_an_hourly_table_counts_each_minute_at_the_price_of_its_band() -> None:
    rules = office(fees=HOURLY)
    assert hours(rules, 10, 12) == 600
    assert hours(rules, 17, 19) == 300 + 350
    assert hours(rules, 17.5, 18.5) == 320  # 150 + 175, rounded down to ten
    assert hours(rules, 10, 12, "commercial") == 1800
    assert hours(rules, 24 * 5 + 17, 24 * 5 + 19) == 800  # a Saturday: the first band counts


def test_a_hall_with_morning_afternoon_and_evening_counts_each_part_once() -> None:
    rules = office(fees=HALL)
    assert hours(rules, 9, 12) == hours(rules, 10, 10.5) == 500
    assert hours(rules, 9, 17) == 500 + 800
    assert hours(rules, 9, 21, "outside") == 750 + 1200 + 1350
    assert hours(rules, 12, 13) == 0


def test_a_table_by_slots_counts_every_slot() -> None:
    table = {"per": "slot", "base": {"resident": 70, "outside": 100, "commercial": 200}}
    assert hours(office(fees=table), 10, 11.5) == 210


def test_reductions_are_the_kinds_or_the_groups_own_and_not_for_trade() -> None:
    rules = office(fees=HOURLY)
    assert rules.fees is not None
    assert fees.reduction_for(rules.fees, "welfare", None) == 100
    assert fees.reduction_for(rules.fees, "welfare", 30) == 30
    assert fees.reduction_for(rules.fees, "unknown", None) == 0
    assert hours(rules, 10, 12, percent=50) == 300
    assert hours(rules, 10, 12, percent=100) == 0
    assert hours(rules, 10, 12, "commercial", 100) == 1800


def test_a_room_without_a_table_costs_nothing() -> None:
    assert fees.quote(office(), Span(at(9), at(10)), "commercial").yen == 0
    assert fees.quote(None, Span(at(9), at(10)), "commercial").yen == 0


_PERCENT = st.integers(0, 100)


@given(made.rules(), made.CATEGORIES, _PERCENT, _PERCENT, st.data())
def test_fees_never_fall_with_length_and_never_rise_with_a_reduction(
    rules: Rules, category: str, first: int, second: int, data: st.DataObject
) -> None:
    wanted = data.draw(made.spans(MIDNIGHT, MIDNIGHT + 3 * 86_400).filter(lambda s: s.seconds))
    shorter = data.draw(st.integers(wanted.starts_at, wanted.ends_at))
    part = Span(wanted.starts_at, shorter)
    low, high = sorted((first, second))
    whole = fees.quote(rules, wanted, category, low)  # type: ignore[arg-type]
    assert 0 <= whole.yen <= whole.full_yen
    assert fees.quote(rules, part, category, low).yen <= whole.yen  # type: ignore[arg-type]
    assert fees.quote(rules, wanted, category, high).yen <= whole.yen  # type: ignore[arg-type]
    if rules.fees is not None and rules.fees.per == "hour":
        covered = [line.span for line in whole.lines]
        assert merge(covered) == [wanted] and sum(s.seconds for s in covered) == wanted.seconds


@given(made.rules(), made.CATEGORIES, st.data())
def test_an_hourly_fee_is_the_sum_over_its_minutes(
    rules: Rules, category: str, data: st.DataObject
) -> None:
    """The oracle walks minute by minute and knows nothing of edges and pieces."""
    if rules.fees is None or rules.fees.per != "hour":
        return
    wanted = data.draw(made.spans(MIDNIGHT, MIDNIGHT + 2 * 86_400))
    total = 0
    for moment in range(wanted.starts_at, wanted.ends_at, 60):
        local = (moment + 9 * 3600) % 86_400 // 60
        day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][
            ((moment + 9 * 3600) // 86_400 + 3) % 7
        ]
        price = getattr(rules.fees.base, category)
        for band in rules.fees.bands:
            opens, closes = [int(t[:2]) * 60 + int(t[3:]) for t in (band.opens, band.closes)]
            if day in band.days and opens <= local < closes:
                price = getattr(band.prices, category)
                break
        total += price
    step = rules.fees.round_down_to
    assert fees.quote(rules, wanted, category).full_yen == total // 60 // step * step  # type: ignore[arg-type]


# --- approval ---

_WISHES = st.builds(
    approval.Wish,
    category=made.CATEGORIES,
    people=st.integers(1, 500),
    minutes=st.integers(5, 1440),
    assurance=st.sampled_from(ORDER),
    is_group=st.booleans(),
    is_first_use=st.booleans(),
    evidence_is_over=st.booleans(),
    open_of_person=st.integers(0, 30),
    open_of_group=st.integers(0, 30),
)
_APPROVALS = st.fixed_dictionaries(
    {
        "always": st.booleans(),
        "first_use_of_group": st.booleans(),
        "commercial": st.booleans(),
        "outside": st.booleans(),
        "people_over": st.none() | st.integers(0, 500),
        "minutes_over": st.none() | st.integers(0, 1440),
        "assurance_below": st.sampled_from(ORDER),
    }
)


@given(_APPROVALS, _WISHES)
def test_a_clerk_decides_exactly_when_there_is_a_reason(
    asks: dict[str, object], wish: approval.Wish
) -> None:
    decision = approval.decide(office(approval=asks), wish)
    assert (decision.by == approval.CLERK) == bool(decision.reasons)
    assert set(decision.reasons) <= set(approval.REASONS)
    assert (approval.ALWAYS in decision.reasons) == asks["always"]
    plain = {"first_use_of_group": False, "commercial": False}
    least = approval.decide(office(approval=plain), wish)
    assert set(least.reasons) <= set(decision.reasons)


def test_every_reason_is_found_alone_and_has_words() -> None:
    nothing = {"first_use_of_group": False, "commercial": False}
    plain = approval.Wish("resident", 5, 60, "aal2")
    cases = {
        approval.ALWAYS: (nothing | {"always": True}, plain),
        approval.FIRST_USE: (
            {"first_use_of_group": True, "commercial": False},
            approval.Wish("resident", 5, 60, "aal2", is_group=True, is_first_use=True),
        ),
        approval.COMMERCIAL: (
            nothing | {"commercial": True},
            approval.Wish("commercial", 5, 60, "aal2"),
        ),
        approval.OUTSIDE: (nothing | {"outside": True}, approval.Wish("outside", 5, 60, "aal2")),
        approval.MANY_PEOPLE: (nothing | {"people_over": 4}, plain),
        approval.LONG_USE: (nothing | {"minutes_over": 59}, plain),
        approval.LOW_ASSURANCE: (nothing | {"assurance_below": "aal3"}, plain),
        approval.OVER_QUOTA: (nothing, approval.Wish("resident", 5, 60, "aal2", open_of_person=10)),
        approval.EVIDENCE_OVER: (
            nothing,
            approval.Wish("resident", 5, 60, "aal2", is_group=True, evidence_is_over=True),
        ),
    }
    assert set(cases) == set(approval.REASONS)
    for code, (asks, wish) in cases.items():
        assert approval.decide(office(approval=asks), wish).reasons == (code,)
        assert approval.decide(office(approval=nothing), plain).reasons == ()
        assert all(texts.text(code, lang) for lang in texts.LANGUAGES)
    assert approval.decide(None, cases[approval.ALWAYS][1]).by == approval.AUTO


def test_a_groups_bookings_count_for_the_group_and_not_for_its_members() -> None:
    quotas = Quotas(open_per_person=1, open_per_group=2)
    busy = approval.Wish("resident", 1, 60, "aal2", open_of_person=5, open_of_group=1)
    assert approval.quota_refusal(quotas, busy) == Refusal("QUOTA_REACHED", {"count": 1})
    as_group = approval.Wish(
        "resident", 1, 60, "aal2", is_group=True, open_of_person=5, open_of_group=1
    )
    assert approval.quota_refusal(quotas, as_group) is None


# --- money and keys ---

_YEN = st.integers(0, 10_000)


@given(
    st.sampled_from(states.STATUSES),
    st.sampled_from(states.METHODS),
    _YEN,
    st.lists(st.tuples(st.sampled_from(["pay", "refund", "fee"]), _YEN), max_size=8),
)
def test_money_always_adds_up_whatever_happens(
    status: str, method: str, fee: int, steps: list[tuple[str, int]]
) -> None:
    money = states.Amounts(fee)
    for what, yen in steps:
        if what == "pay":
            money = states.with_payment(money, yen)
        elif what == "fee":
            money = states.rebalanced(money, yen)
        elif 0 < yen <= money.refund_due:
            money = states.with_refund(money, yen)
        else:
            with pytest.raises(ValueError, match="no such refund"):
                states.with_refund(money, yen)
    assert 0 <= money.refund_due + money.refunded <= money.paid
    assert money.kept == min(money.fee, money.paid - money.refunded)
    state = states.payment_state(status, method, money)
    if state in (states.SETTLED, states.EXEMPT, states.REFUNDED, states.VOID):
        assert money.outstanding == 0
    if state in (states.COUNTER, states.INVOICE):
        assert money.outstanding > 0
    if state == states.REFUND_DUE:
        assert money.refund_due > 0


@dataclass
class Facts:
    status: str
    payment_state: str
    pay_later: bool


@pytest.mark.parametrize("status", states.STATUSES)
@pytest.mark.parametrize("payment", states.PAYMENT_STATES)
@pytest.mark.parametrize("pay_later", [True, False])
def test_a_key_is_for_settled_exempt_external_or_later_and_nothing_else(
    status: str, payment: str, pay_later: bool
) -> None:
    allowed = {
        ("confirmed", "settled", False),
        ("confirmed", "settled", True),
        ("confirmed", "exempt", False),
        ("confirmed", "exempt", True),
        ("confirmed", "external", False),
        ("confirmed", "external", True),
        ("confirmed", "counter", True),
        ("confirmed", "invoice", True),
    }
    assert states.keyed(Facts(status, payment, pay_later)) == (
        (status, payment, pay_later) in allowed
    )


@pytest.mark.parametrize(
    ("left_minutes", "percent"), [(20_000, 100), (10_080, 100), (10_079, 50), (1440, 50), (9, 0)]
)
def test_refunds_fall_in_steps_towards_the_start(left_minutes: int, percent: int) -> None:
    steps = [
        {"minutes_before": 10_080, "percent": 100},
        {"minutes_before": 1440, "percent": 50},
    ]
    found = states.refund_percent(office(refunds=steps), at(10), at(10) - left_minutes * 60)
    assert found == percent


def test_what_is_kept_and_what_goes_back_is_the_whole_fee() -> None:
    money = states.with_payment(states.Amounts(1001), 1001)
    kept = states.rebalanced(money, states.fee_after_cancelling(1001, 50))
    assert (kept.fee, kept.refund_due) == (500, 501)
    assert states.payment_state("cancelled", "hosted", kept) == "refund_due"
    done = states.with_refund(kept, 501)
    assert states.payment_state("cancelled", "hosted", done) == "refunded"
    assert states.payment_state("cancelled", "counter", states.Amounts(0)) == "void"
    assert states.payment_state("cancelled", "counter", states.Amounts(500)) == "counter"


# --- the document ---


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hours": {"mon": [["09:00", "25:00"]]}}, "hours.mon"),
        ({"hours": {"mon": [["12:00", "09:00"]]}}, "closes before it opens"),
        ({"hours": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "apart"),
        ({"slot_minutes": 4}, "slot_minutes"),
        ({"shortest_minutes": 45}, "whole number of slots"),
        ({"shortest_minutes": 600}, "more than longest"),
        ({"surprise": 1}, "surprise"),
        ({"fees": HOURLY | {"base": {"resident": -1, "outside": 0, "commercial": 0}}}, "base"),
        ({"fees": HOURLY, "payments": {"methods": []}}, "methods is empty"),
        ({"rooms": {"room-1": {"slot_minutes": 7}}}, "rooms.room-1"),
        ({"rooms": {"room-1": {"surprise": 7}}}, "rooms.room-1: surprise"),
        (
            {
                "refunds": [
                    {"minutes_before": 0, "percent": 100},
                    {"minutes_before": 60, "percent": 0},
                ]
            },
            "cancelling later",
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_with_its_place(
    change: dict[str, object], says: str
) -> None:
    with pytest.raises(PolicyError, match=says):
        read_policy(json.dumps({"hours": OFFICE} | change))


@pytest.mark.parametrize(
    "text", ["", "[", "null", "[]", "[" * 60_000, "{" * 70_000, '{"hours": 1}']
)
def test_garbage_is_no_policy(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


def test_a_room_replaces_whole_members_and_leaves_the_rest() -> None:
    policy = read_policy(
        json.dumps(
            {
                "hours": OFFICE,
                "fees": HOURLY,
                "rooms": {"hall": {"fees": HALL, "assurance": "aal2"}},
            }
        )
    )
    assert policy.rules_for("hall").fees == Rules.model_validate({"hours": {}, "fees": HALL}).fees
    assert policy.rules_for("hall").assurance == "aal2"
    assert policy.rules_for("hall").hours == policy.rules_for("other").hours
    assert policy.rules_for("other").assurance is None


@given(made.rules(), made.rules())
def test_a_written_policy_reads_as_the_same(facility: Rules, room: Rules) -> None:
    own = room.model_dump(mode="json", by_alias=True)
    whole = facility.model_dump(mode="json", by_alias=True) | {"rooms": {"room-1": own}}
    policy = Policy.model_validate(whole)
    assert read_policy(write_policy(policy)) == policy
    assert policy.rules_for("room-1") == room
    assert policy.rules_for("room-2") == facility
