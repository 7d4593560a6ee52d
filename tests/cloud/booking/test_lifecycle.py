"""Bookings from the wish to the end, on both databases: rooms, money and keys move together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm.exc import StaleDataError

from cloud import bookings
from cloud.booking import groups, holders, lifecycle, money, search, totals
from cloud.booking.lifecycle import Asked
from cloud.booking.money import ServiceEvent
from cloud.booking.terms import ANYBODY, Booker, Wanted
from cloud.models import Alarm, Booking, ClosedDay, PaymentEntry, PaymentOrder, Room
from cloud.problems import Problem
from tests.cloud.booking.strategies import DAY
from tests.cloud.booking.support import (
    at,
    booker,
    live_keys,
    office,
    put_policy,
    row_of,
    wanted,
)
from tests.cloud.support import Town

ON_BOTH_DATABASES = True
CLERK = Booker("staff:c", "係", is_staff=True)
ASKED = Asked("折り紙の会", "090")


@pytest.fixture(autouse=True)
def with_policy(town: Town) -> None:
    town.clock.now = at(-24)
    put_policy(town)


def book(
    town: Town, wish: Wanted | None = None, who: Booker | None = None, **asked: Any
) -> lifecycle.Booked:
    with town.service.database.write() as session:
        return lifecycle.book(
            session,
            office(town),
            who or booker(),
            wish or wanted(),
            Asked("折り紙の会", "090", **asked),
            town.clock(),
        )


def refused(town: Town, wish: Wanted, who: Booker | None = None, **asked: Any) -> str:
    with pytest.raises(Problem) as problem:
        book(town, wish, who, **asked)
    return problem.value.code


def on(town: Town, booking_id: str, deed: Any) -> Any:
    """Runs deed(session, office, booking, now)."""
    with town.service.database.write() as session:
        return deed(session, office(town), bookings.find(session, booking_id), town.clock())


def pay(town: Town, booked: lifecycle.Booked, event_id: str = "e1") -> bool:
    with town.service.database.write() as session:
        order = session.query(PaymentOrder).filter_by(booking_id=booked.booking.booking_id).one()
        event = ServiceEvent(event_id, "payment.succeeded", order.reference, order.yen)
        return money.take_event(session, office(town), event, town.clock())


# --- making ---


def test_the_rules_confirm_and_the_key_waits_for_the_counter(town: Town) -> None:
    booked = book(town)
    row = booked.booking
    assert (row.status, row.payment_state, row.fee_yen, row.reasons) == (
        "confirmed",
        "counter",
        600,
        "",
    )
    assert (row.held_from, row.held_to) == (at(10), at(12.5))
    assert live_keys(town, row.booking_id) == 0
    on(town, row.booking_id, lambda s, o, b, n: money.pay_at_counter(s, o, b, None, "c", n, ""))
    assert (row_of(town, row.booking_id).payment_state, live_keys(town, row.booking_id)) == (
        "settled",
        1,
    )


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (wanted(8), "OUTSIDE_HOURS"),
        (wanted(10.25), "NOT_ON_A_SLOT"),
        (wanted(10, 8), "TOO_LONG_USE"),
        (wanted(10, room_id="nowhere"), "UNKNOWN_ROOM"),
        (wanted(10 + 24 * 200), "TOO_FAR_FOR_ROOM"),
        (wanted(-48), "IN_THE_PAST"),
        (wanted(group_id="nogroup"), "UNKNOWN_GROUP"),
        (wanted(12), "OVERLAP"),  # inside the cleaning of 10-12
        (wanted(10.5), "OVERLAP"),
    ],
)
def test_what_cannot_be_booked_says_why(town: Town, wish: Wanted, code: str) -> None:
    book(town)
    assert refused(town, wish) == code


def test_a_cleaned_room_can_be_booked_again_at_once(town: Town) -> None:
    book(town)
    assert book(town, wanted(12.5)).booking.status == "confirmed"


def test_closed_days_and_rooms_that_are_not_lent_and_full_rooms(town: Town) -> None:
    with town.service.database.write() as session:
        day = ClosedDay(
            facility_id="main", room_id="room-2", day="2026-12-07", reason="", created_at=0
        )
        session.add(day)
        session.get_one(Room, ("misaki", "room-3")).active = False
        session.get_one(Room, ("misaki", "room-1")).capacity = 4
    assert refused(town, wanted(room_id="room-2")) == "CLOSED_DAY"
    assert refused(town, wanted(room_id="room-3")) == "ROOM_NOT_LENT"
    assert refused(town, wanted()) == "TOO_MANY_PEOPLE"


def test_a_room_may_ask_who_somebody_is(town: Town) -> None:
    put_policy(town, assurance="aal2")
    assert refused(town, wanted(), ANYBODY) == "NOT_SIGNED_IN"
    assert refused(town, wanted(), booker(level="aal1")) == "ASSURANCE_TOO_LOW"
    assert book(town, wanted(), booker(level="aal2")).booking.status == "confirmed"
    assert book(town, wanted(14), CLERK).booking.status == "confirmed"


def test_whoever_is_known_to_live_elsewhere_pays_as_such(town: Town) -> None:
    assert book(town, wanted(), booker(resident=False)).booking.fee_yen == 900
    assert book(town, wanted(13), booker(resident=None)).booking.fee_yen == 600


def test_quota_is_for_each_person_and_ends_with_the_use(town: Town) -> None:
    for hour in (9, 11.5, 14):
        book(town, wanted(hour))
    assert refused(town, wanted(18)) == "QUOTA_REACHED"
    assert book(town, wanted(18), booker("b")).booking.status == "confirmed"
    town.clock.now = at(12)
    assert book(town, wanted(16.5, 1)).booking.status == "confirmed"


def test_many_people_or_an_unsaid_number_wait_for_a_clerk(town: Town) -> None:
    many = book(town, wanted(people=21)).booking
    unsaid = book(town, wanted(14, people=None)).booking
    assert (many.status, many.reasons) == ("pending", "CLERK_MANY_PEOPLE")
    assert unsaid.status == "pending"
    assert refused(town, wanted(people=3), booker("b")) == "OVERLAP"  # it holds its room
    on(town, many.booking_id, lambda s, o, b, n: lifecycle.approve(s, b, "staff:c", n))
    assert row_of(town, many.booking_id).status == "confirmed"
    on(town, unsaid.booking_id, lambda s, o, b, n: lifecycle.decline(s, b, "staff:c", n, "x"))
    declined = row_of(town, unsaid.booking_id)
    assert (declined.status, declined.payment_state, declined.decision_note) == (
        "declined",
        "void",
        "x",
    )
    with pytest.raises(Problem, match="NOT_WAITING"):
        on(town, many.booking_id, lambda s, o, b, n: lifecycle.approve(s, b, "staff:c", n))


def test_staff_book_without_quotas_and_open_the_house_on_purpose(town: Town) -> None:
    assert refused(town, wanted(6), CLERK) == "OUTSIDE_HOURS"
    opened = book(town, wanted(6, outside_hours=True), CLERK, channel="phone").booking
    assert (opened.channel, opened.booked_by, opened.booker_name) == ("phone", "staff:c", "係")


def test_a_room_without_rules_is_lent_as_before(town: Town) -> None:
    with town.service.database.write() as session:
        session.get_one(Room, ("misaki", "room-1"))
        from cloud.booking import places

        places.facility_of(session, "main").policy = None
    row = book(town, wanted(3.1), ANYBODY, channel="machine").booking
    assert (row.status, row.payment_state, row.fee_yen) == ("confirmed", "settled", 0)
    assert live_keys(town, row.booking_id) == 1


# --- groups ---


def a_group(town: Town, kind: str = "welfare", **more: Any) -> str:
    with town.service.database.write() as session:
        now, random_bytes = town.clock(), town.service.random_bytes
        group = groups.add(
            session,
            random_bytes,
            now,
            name=f"{kind} の会",
            kind=kind,
            contact="",
            may_be_invoiced=more.pop("invoiced", False),
        )
        groups.add_member(session, group, "a", now)
        if more.pop("shown", True):
            groups.add_evidence(
                session,
                random_bytes,
                group,
                now,
                kind="registration",
                shown="登録証 第12号",
                reduction_percent=more.pop("percent", None),
                expires_at=more.pop("until", at(24 * 300)),
                checked_by="staff:c",
            )
        return group.group_id


def approved_first_use(town: Town, group_id: str) -> None:
    first = book(town, wanted(20, 1, "room-2", group_id=group_id))
    assert "CLERK_FIRST_USE" in first.booking.reasons
    deed = lambda s, o, b, n: lifecycle.approve(s, b, "staff:c", n)  # noqa: E731
    on(town, first.booking.booking_id, deed)


def test_a_registered_group_is_exempt_once_a_clerk_has_seen_its_first_use(town: Town) -> None:
    group_id = a_group(town)
    approved_first_use(town, group_id)
    row = book(town, wanted(group_id=group_id)).booking
    assert (row.status, row.payment_state, row.fee_yen, row.full_fee_yen) == (
        "confirmed",
        "exempt",
        0,
        600,
    )
    assert live_keys(town, row.booking_id) == 1


def test_evidence_counts_on_the_day_of_the_use(town: Town) -> None:
    group_id = a_group(town, until=at(18))
    approved_first_use(town, group_id)
    inside = book(town, wanted(group_id=group_id)).booking
    after = book(town, wanted(19, 1, group_id=group_id)).booking
    assert (inside.payment_state, after.reasons) == ("exempt", "CLERK_EVIDENCE_OVER")
    assert (after.fee_yen, after.status) == (300, "pending")


def test_reductions_by_kind_and_by_evidence(town: Town) -> None:
    half, own = a_group(town, "sports"), a_group(town, "other", percent=20)
    for group_id in (half, own):
        on_clerk = book(town, wanted(9 if group_id == half else 15, group_id=group_id), CLERK)
        expected = 300 if group_id == half else 480
        assert on_clerk.booking.fee_yen == expected


def test_strangers_cannot_book_for_a_group_nor_learn_that_it_exists(town: Town) -> None:
    group_id = a_group(town)
    assert refused(town, wanted(group_id=group_id), booker("b")) == "UNKNOWN_GROUP"
    assert refused(town, wanted(group_id=group_id), ANYBODY) == "UNKNOWN_GROUP"


def test_invoices_are_for_those_who_agreed_and_the_key_comes_first(town: Town) -> None:
    group_id = a_group(town, "sports", invoiced=True)
    approved_first_use(town, group_id)
    row = book(town, wanted(group_id=group_id), method="invoice").booking
    assert (row.payment_state, row.pay_later, live_keys(town, row.booking_id)) == (
        "invoice",
        True,
        1,
    )
    assert refused(town, wanted(14), booker("b"), method="invoice") == "NO_INVOICE"
    on(town, row.booking_id, lambda s, o, b, n: money.allow_later(s, b, False, n))
    assert live_keys(town, row.booking_id) == 0


# --- holds and online payment ---


def hold(town: Town, wish: Wanted | None = None, name: str = "a") -> Booking:
    with town.service.database.write() as session:
        found = lifecycle.hold(session, office(town), booker(name), wish or wanted(), town.clock())
        return found


def test_a_hold_keeps_others_out_until_it_is_over(town: Town) -> None:
    held = hold(town)
    assert refused(town, wanted(11), booker("b")) == "OVERLAP"
    town.clock.now += 15 * 60
    assert book(town, wanted(11), booker("b")).booking.status == "confirmed"
    gone = row_of(town, held.booking_id)
    assert (gone.status, gone.payment_state) == ("expired", "void")


def test_a_hold_becomes_a_booking_once_and_in_time(town: Town) -> None:
    held = hold(town)

    def use(_held: Booking = held) -> lifecycle.Booked:
        with town.service.database.write() as session:
            found = bookings.find(session, _held.booking_id)
            wish = Wanted("", 0, 0, people=5)
            return lifecycle.book_hold(
                session, office(town), booker(), found, wish, ASKED, town.clock()
            )

    assert use().booking.status == "confirmed"
    with pytest.raises(Problem, match="HOLD_OVER"):
        use()
    late = hold(town, wanted(14))
    town.clock.now += 15 * 60
    with pytest.raises(Problem, match="HOLD_OVER"):
        use(late)


def test_nobody_keeps_more_rooms_on_hold_than_allowed(town: Town) -> None:
    hold(town, wanted(9))
    hold(town, wanted(14))
    with pytest.raises(Problem, match="TOO_MANY_HOLDS"):
        hold(town, wanted(18))
    with pytest.raises(Problem, match="NOT_SIGNED_IN"), town.service.database.write() as session:
        lifecycle.hold(session, office(town), ANYBODY, wanted(18), town.clock())


def test_paid_online_confirms_and_gives_the_key_once(town: Town) -> None:
    booked = book(town, method="hosted")
    row = booked.booking
    assert (row.status, row.payment_state) == ("held", "pending")
    assert booked.redirect_url is not None and live_keys(town, row.booking_id) == 0
    assert pay(town, booked) is True
    assert pay(town, booked) is False  # the same event again
    now = row_of(town, row.booking_id)
    assert (now.status, now.payment_state, now.paid_yen) == ("confirmed", "settled", 600)
    assert live_keys(town, row.booking_id) == 1
    with town.service.database.read() as session:
        assert session.query(PaymentEntry).count() == 1


def test_money_that_comes_twice_is_due_back(town: Town) -> None:
    booked = book(town, method="hosted")
    pay(town, booked, "e1")
    pay(town, booked, "e2")
    row = row_of(town, booked.booking.booking_id)
    assert (row.paid_yen, row.refund_due_yen, row.payment_state) == (1200, 600, "settled")


def test_money_after_the_hold_takes_the_room_if_it_is_free(town: Town) -> None:
    booked = book(town, method="hosted")
    town.clock.now += 31 * 60
    with town.service.database.write() as session:
        assert bookings.sweep(session, town.clock()) == 1
    pay(town, booked)
    row = row_of(town, booked.booking.booking_id)
    assert (row.status, row.payment_state) == ("confirmed", "settled")
    assert live_keys(town, row.booking_id) == 1


def test_money_after_the_hold_is_due_back_when_the_room_is_gone(town: Town) -> None:
    booked = book(town, method="hosted")
    town.clock.now += 31 * 60
    other = book(town, who=booker("b"), method="counter").booking
    pay(town, booked)
    row = row_of(town, booked.booking.booking_id)
    assert (row.status, row.payment_state, row.refund_due_yen) == ("expired", "refund_due", 600)
    assert (live_keys(town, row.booking_id), row_of(town, other.booking_id).status) == (
        0,
        "confirmed",
    )
    with town.service.database.read() as session:
        assert [alarm.kind for alarm in session.query(Alarm)] == ["PAYMENT_TOO_LATE"]


def test_another_sum_than_was_asked_is_not_believed(town: Town) -> None:
    booked = book(town, method="hosted")
    with town.service.database.write() as session:
        order = session.query(PaymentOrder).one()
        event = ServiceEvent("e", "payment.succeeded", order.reference, 1)
        money.take_event(session, office(town), event, town.clock())
    assert row_of(town, booked.booking.booking_id).status == "held"
    with town.service.database.read() as session:
        assert [alarm.kind for alarm in session.query(Alarm)] == ["PAYMENT_MISMATCH"]
    with pytest.raises(Problem, match="UNKNOWN_PAYMENT"), town.service.database.write() as session:
        event = ServiceEvent("f", "payment.succeeded", "stranger", 1)
        money.take_event(session, office(town), event, town.clock())


def test_an_approved_booking_waits_for_its_online_payment(town: Town) -> None:
    booked = book(town, wanted(24 * 7 + 10, people=30), method="hosted")
    assert (booked.booking.status, booked.redirect_url) == ("pending", None)
    on(
        town,
        booked.booking.booking_id,
        lambda s, o, b, n: lifecycle.approve(s, b, "staff:c", n),
    )
    row = row_of(town, booked.booking.booking_id)
    assert (row.status, row.hold_until) == ("held", town.clock() + 3 * 86_400)
    on(town, row.booking_id, lambda s, o, b, n: lifecycle.pay(s, o, b, n))
    pay(town, booked)
    assert row_of(town, row.booking_id).status == "confirmed"


# --- changing and cancelling ---


def move(town: Town, booking_id: str, wish: Wanted, who: Booker | None = None) -> None:
    on(
        town,
        booking_id,
        lambda s, o, b, n: lifecycle.change(s, o, who or booker(), b, wish, n),
    )


def settled(town: Town, start: float = 10) -> str:
    booked = book(town, wanted(start))
    booking_id = booked.booking.booking_id
    on(town, booking_id, lambda s, o, b, n: money.pay_at_counter(s, o, b, None, "c", n, ""))
    return booking_id


def test_a_change_frees_the_old_time_only_with_the_new_one_taken(town: Town) -> None:
    mine = settled(town)
    other = book(town, wanted(14), booker("b")).booking
    with pytest.raises(Problem, match="OVERLAP"):
        move(town, mine, wanted(13))
    kept = row_of(town, mine)
    assert (kept.starts_at, kept.payment_state, live_keys(town, mine)) == (at(10), "settled", 1)
    assert refused(town, wanted(10), booker("c")) == "OVERLAP"
    move(town, mine, wanted(17))
    assert row_of(town, mine).starts_at == at(17)
    assert book(town, wanted(10), booker("c")).booking.status == "confirmed"
    assert (live_keys(town, mine), row_of(town, other.booking_id).starts_at) == (1, at(14))


def test_a_longer_use_owes_the_difference_and_a_shorter_one_gets_it_back(town: Town) -> None:
    mine = settled(town)
    move(town, mine, wanted(10, 3))
    row = row_of(town, mine)
    assert (row.fee_yen, row.paid_yen, row.payment_state) == (900, 600, "counter")
    assert live_keys(town, mine) == 0
    move(town, mine, wanted(10, 1))
    row = row_of(town, mine)
    assert (row.fee_yen, row.refund_due_yen, row.payment_state) == (300, 300, "settled")
    assert live_keys(town, mine) == 1


def test_what_a_clerk_would_decide_cannot_be_slipped_in_by_a_change(town: Town) -> None:
    mine = settled(town)
    with pytest.raises(Problem, match="CHANGE_NEEDS_CLERK"):
        move(town, mine, wanted(14, people=50))
    move(town, mine, wanted(14, people=50), CLERK)
    assert row_of(town, mine).people == 50


def test_deadlines_are_for_residents_and_not_for_staff(town: Town) -> None:
    mine = settled(town)
    town.clock.now = at(9.5)
    with pytest.raises(Problem, match="TOO_LATE_TO_CHANGE"):
        move(town, mine, wanted(14))
    move(town, mine, wanted(14), CLERK)
    town.clock.now = at(14.1)
    with pytest.raises(Problem, match="TOO_LATE_TO_CANCEL"):
        on(town, mine, lambda s, o, b, n: lifecycle.cancel(s, b, n))


@pytest.mark.parametrize(
    ("now", "due", "state"), [(-15, 600, "refund_due"), (5, 300, "refund_due")]
)
def test_cancelling_gives_back_what_the_steps_say(
    town: Town, now: float, due: int, state: str
) -> None:
    mine = settled(town)
    town.clock.now = at(now)
    on(town, mine, lambda s, o, b, n: lifecycle.cancel(s, b, n))
    row = row_of(town, mine)
    assert (row.status, row.refund_due_yen, row.payment_state) == ("cancelled", due, state)
    assert live_keys(town, mine) == 0
    on(town, mine, lambda s, o, b, n: money.pay_back(s, o, b, None, "counter", "c", n))
    assert row_of(town, mine).payment_state == "refunded"
    with pytest.raises(Problem, match="NO_REFUND_DUE"):
        on(town, mine, lambda s, o, b, n: money.pay_back(s, o, b, None, "counter", "c", n))


def test_unpaid_and_cancelled_late_still_owes_the_part_that_is_kept(town: Town) -> None:
    mine = book(town).booking.booking_id
    town.clock.now = at(5)
    on(town, mine, lambda s, o, b, n: lifecycle.cancel(s, b, n))
    row = row_of(town, mine)
    assert (row.fee_yen, row.payment_state) == (300, "counter")


def test_a_page_that_saw_an_older_version_is_told(town: Town) -> None:
    mine = settled(town)
    seen = row_of(town, mine).version
    move(town, mine, wanted(14))
    with pytest.raises(Problem, match="CHANGED_MEANWHILE"), town.service.database.write() as s:
        booking = bookings.find(s, mine)
        lifecycle.change(s, office(town), booker(), booking, wanted(16), town.clock(), seen)


def test_a_change_of_what_was_read_before_another_change_fails(town: Town) -> None:
    """Writers take turns; the version is for whoever read outside of a turn."""
    mine = settled(town)
    with town.service.database.read() as reading:
        stale = bookings.find(reading, mine)
    move(town, mine, wanted(14))
    with pytest.raises(StaleDataError), town.service.database.write() as session:
        again = session.merge(stale, load=False)
        again.purpose = "late"
    assert row_of(town, mine).starts_at == at(14)


def test_a_calendars_booking_that_staff_move_stays_paid_elsewhere(town: Town) -> None:
    from tests.cloud.support import FIRST, START

    town.clock.now = START - 300
    town.take(FIRST)
    with town.service.database.read() as session:
        row = session.query(Booking).filter_by(starts_at=START, room_id="room-1").one()
    move(town, row.booking_id, wanted(10), CLERK)
    moved = row_of(town, row.booking_id)
    assert (moved.starts_at, moved.fee_yen, moved.payment_state) == (at(10), 0, "external")
    assert live_keys(town, row.booking_id) == 1


# --- races ---


def test_the_same_message_of_the_service_twice_at_once_is_one_payment(town: Town) -> None:
    booked = book(town, method="hosted")

    def deliver(_number: int) -> str:
        try:
            return str(pay(town, booked))
        except StaleDataError:
            return "STALE"  # answered 409: the service sends it again

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(deliver, range(8)))
    assert outcomes.count("True") == 1
    assert row_of(town, booked.booking.booking_id).paid_yen == 600


def test_one_slot_raced_for_in_every_way_is_had_once(town: Town) -> None:
    movable = [book(town, wanted(9, 1, f"room-{n}"), booker(f"m{n}")).booking for n in (2, 3)]

    def attempt(number: int) -> str:
        """Who has the room now, or why not."""
        try:
            if number % 4 == 0:
                return hold(town, wanted(15), f"h{number}").booking_id
            if number % 4 == 1:
                one = movable[number // 4 % 2]
                move(town, one.booking_id, wanted(15), booker(f"m{number // 4 % 2 + 2}"))
                return one.booking_id
            wish = wanted(15 + number % 3 / 2)
            return book(town, wish, booker(f"r{number}")).booking.booking_id
        except Problem as problem:
            return problem.code
        except StaleDataError:
            return "STALE"

    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(attempt, range(24)))
    with town.service.database.read() as session:
        (row,) = session.query(Booking).filter_by(room_id="room-1").all()
    assert outcomes - {"OVERLAP", "STALE"} == {row.booking_id}


def test_a_person_who_books_twice_at_once_does_not_pass_the_quota(town: Town) -> None:
    put_policy(town, quotas={"open_per_person": 1})

    def attempt(number: int) -> str:
        try:
            return book(town, wanted(9 + number, 0.5)).booking.status
        except Problem as problem:
            return problem.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(8)))
    assert outcomes == ["QUOTA_REACHED"] * 7 + ["confirmed"]


# --- holders, totals, search ---


def test_keys_of_a_booking_are_counted(town: Town) -> None:
    put_policy(town, holders_max=3)
    booking_id = book(town).booking.booking_id

    def add(name: str) -> str:
        return str(
            on(
                town,
                booking_id,
                lambda s, o, b, n: (
                    holders.add(s, o.random_bytes, b, n, name=name, contact="").holder_id
                ),
            )
        )

    first = add("b")
    add("c")
    with pytest.raises(Problem, match="TOO_MANY_HOLDERS"):
        add("d")
    on(town, booking_id, lambda s, o, b, n: holders.remove(s, b, first, n))
    add("d")
    with pytest.raises(Problem, match="UNKNOWN_HOLDER"):
        on(town, booking_id, lambda s, o, b, n: holders.remove(s, b, first, n))


def test_a_month_adds_up(town: Town) -> None:
    group_id = a_group(town)
    settled(town, 9)
    book(town, wanted(12), booker("b"))
    exempt = book(town, wanted(15, group_id=group_id), CLERK).booking
    assert exempt.payment_state == "exempt"
    gone = book(town, wanted(18), booker("d")).booking.booking_id
    on(town, gone, lambda s, o, b, n: lifecycle.cancel(s, b, n))
    with town.service.database.read() as session:
        (line,) = totals.monthly(session, 2026, 12)
        assert totals.monthly(session, 2026, 11) == []
    assert line == line | {
        "facility_id": "main",
        "month": "2026-12",
        "uses": 3,
        "exempt_uses": 1,
        "cancelled": 1,
        "minutes": 360,
        "full_fee_yen": 1800,
        "fee_yen": 1200,
        "reduced_yen": 600,
        "settled_yen": 600,
        "counter_yen": 600,
    }
    text = totals.as_csv([line])
    assert text.splitlines()[0].startswith("facility_id,month,uses") and "main,2026-12,3" in text


def test_search_asks_three_questions_however_many_rooms(town: Town) -> None:
    from sqlalchemy import event

    book(town)
    hold(town, wanted(14), "b")
    asked: list[str] = []
    engine = town.service.database.whole.engine

    def count(_c: Any, _u: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    with town.service.database.read() as session:
        found = search.free(session, town.clock(), DAY, 7, minutes=60)
    event.remove(engine, "before_cursor_execute", count)
    assert len(asked) == 3 and len(found) == 3
    first = found[0]["days"][0]
    assert [(w["starts_at"], w["ends_at"]) for w in first["windows"]] == [
        (at(9), at(9.5)),
        (at(12.5), at(13.5)),
        (at(16.5), at(21)),
    ]
    assert first["starts"] == [at(12.5), *[at(16.5 + n / 2) for n in range(8)]]
    town.clock.now += 15 * 60  # the hold is over: nobody swept it, and it is free all the same
    with town.service.database.read() as session:
        again = search.free(session, town.clock(), DAY, 1, room_id="room-1", minutes=60)
    assert at(14) in again[0]["days"][0]["starts"]
    assert book(town, wanted(14, 1), booker("c")).booking.status == "confirmed"
