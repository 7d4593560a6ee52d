"""Any order of holding, booking, paying, approving, changing, cancelling and waiting: no room is
kept twice, money adds up, and a key exists exactly where one is allowed."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloud import bookings
from cloud.booking import lifecycle, money, search, states
from cloud.booking.amounts import amounts_of
from cloud.booking.hours import day_of
from cloud.booking.lifecycle import Asked
from cloud.booking.money import ServiceEvent
from cloud.booking.terms import Booker, Wanted
from cloud.models import Booking, Credential, PaymentEntry, PaymentOrder
from cloud.problems import Problem
from tests.cloud.booking.support import at, booker, office, put_policy, wanted
from tests.cloud.support import Town, open_town

CLERK = Booker("staff:c", "c", is_staff=True)
WHO = st.sampled_from([booker("a"), booker("b"), CLERK])
STARTS = st.integers(0, 20).map(lambda n: 9 + n / 2)
HOURS = st.sampled_from([0.5, 1, 2])
PEOPLE = st.sampled_from([5, 5, 30])
METHOD = st.sampled_from(["counter", "hosted", "invoice"])
ANY = st.integers(0, 50)


class Bookings(RuleBasedStateMachine):
    """One room on one day; refusals change nothing."""

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.town: Town = self.stack.enter_context(open_town(Path(folder), hung=1))
        self.town.clock.now = at(-20)
        put_policy(self.town, quotas={"open_per_person": 6, "holds_per_person": 3})
        self.office = office(self.town)
        self.events = 0

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    def do(self, deed: Any) -> None:
        """Runs deed(session, now); a refusal leaves the database as it was."""
        before = self.rows()
        try:
            with self.town.service.database.write() as session:
                deed(session, self.town.clock())
        except Problem:
            assert self.rows() == before

    def on(self, which: int, deed: Any) -> None:
        """Runs deed(session, booking, now) on one of the bookings there are."""

        def run(session: Any, now: int) -> None:
            rows = session.query(Booking).order_by(Booking.created_at, Booking.booking_id).all()
            if rows:
                deed(session, rows[which % len(rows)], now)

        self.do(run)

    def rows(self) -> list[tuple[Any, ...]]:
        with self.town.service.database.read() as session:
            found = session.query(Booking).order_by(Booking.booking_id).all()
            return [(b.booking_id, b.version, b.status, b.held_from, b.paid_yen) for b in found]

    @rule(who=WHO, start=STARTS, hours=HOURS)
    def hold(self, who: Booker, start: float, hours: float) -> None:
        self.do(lambda s, now: lifecycle.hold(s, self.office, who, wanted(start, hours), now))

    @rule(who=WHO, start=STARTS, hours=HOURS, people=PEOPLE, method=METHOD)
    def book(self, who: Booker, start: float, hours: float, people: int, method: str) -> None:
        wish, asked = wanted(start, hours, people=people), Asked("x", method=method)
        self.do(lambda s, now: lifecycle.book(s, self.office, who, wish, asked, now))

    @rule(which=ANY, people=PEOPLE, method=METHOD)
    def book_hold(self, which: int, people: int, method: str) -> None:
        wish, asked = Wanted("", 0, 0, people), Asked("x", method=method)
        self.on(
            which,
            lambda s, b, n: lifecycle.book_hold(
                s, self.office, booker(b.account_id or "a"), b, wish, asked, n
            ),
        )

    @rule(which=ANY, later=st.none() | st.booleans())
    def approve(self, which: int, later: bool | None) -> None:
        self.on(which, lambda s, b, n: lifecycle.approve(s, b, "c", n, pay_later=later))

    @rule(which=ANY)
    def decline(self, which: int) -> None:
        self.on(which, lambda s, b, n: lifecycle.decline(s, b, "c", n, "no"))

    @rule(which=ANY, who=WHO, start=STARTS, hours=HOURS, people=PEOPLE)
    def change(self, which: int, who: Booker, start: float, hours: float, people: int) -> None:
        wish = wanted(start, hours, people=people)
        self.on(which, lambda s, b, n: lifecycle.change(s, self.office, who, b, wish, n))

    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        self.on(which, lambda s, b, n: lifecycle.cancel(s, b, n))

    @rule(which=ANY, fee=st.sampled_from([0, 100]))
    def cancel_by_staff(self, which: int, fee: int) -> None:
        self.on(which, lambda s, b, n: bookings.cancel(s, b, n, min(fee, b.fee_yen)))

    @rule(which=ANY, part=st.booleans())
    def pay_at_counter(self, which: int, part: bool) -> None:
        yen = 100 if part else None
        self.on(which, lambda s, b, n: money.pay_at_counter(s, self.office, b, yen, "c", n, ""))

    @rule(which=ANY)
    def pay_online(self, which: int) -> None:
        self.on(which, lambda s, b, n: lifecycle.pay(s, self.office, b, n))

    @rule(which=ANY, kind=st.sampled_from(["payment.succeeded", "payment.failed"]))
    def service_speaks(self, which: int, kind: Any) -> None:
        def run(session: Any, now: int) -> None:
            orders = session.query(PaymentOrder).order_by(PaymentOrder.reference).all()
            if orders:
                order = orders[which % len(orders)]
                self.events += 1
                event = ServiceEvent(f"e{self.events}", kind, order.reference, order.yen)
                money.take_event(session, self.office, event, now)

        self.do(run)

    @rule(which=ANY)
    def pay_back(self, which: int) -> None:
        self.on(which, lambda s, b, n: money.pay_back(s, self.office, b, None, "counter", "c", n))

    @rule(which=ANY)
    def waive(self, which: int) -> None:
        self.on(which, lambda s, b, n: money.waive(s, b, n))

    @rule(which=ANY, later=st.booleans())
    def trust(self, which: int, later: bool) -> None:
        self.on(which, lambda s, b, n: money.allow_later(s, b, later, n))

    @rule(minutes=st.sampled_from([1, 16, 31, 300]))
    def wait(self, minutes: int) -> None:
        self.town.clock.now += minutes * 60

    @rule()
    def sweep(self) -> None:
        self.do(lambda s, now: bookings.sweep(s, now))

    @invariant()
    def everything_holds(self) -> None:
        if not hasattr(self, "town"):
            return
        now = self.town.clock()
        self.town.settle()
        with self.town.service.database.read() as session:
            rows = session.query(Booking).all()
            live = session.query(Credential).filter_by(revoked_at=None).all()
            paid = {row.booking_id: 0 for row in rows}
            back = dict(paid)
            for entry in session.query(PaymentEntry):
                (paid if entry.kind == "paid" else back)[entry.booking_id] += entry.yen
        self._no_room_twice(rows)
        for row in rows:
            self._money_adds_up(row, paid[row.booking_id], back[row.booking_id])
            keys = sum(key.booking_id == row.booking_id for key in live)
            allowed = states.keyed(row) and row.ends_at + 600 > now
            assert keys == int(allowed) or (row.ends_at + 600 <= now and keys <= 1)

    def _no_room_twice(self, rows: list[Booking]) -> None:
        held = sorted((b.held_from, b.held_to) for b in rows if b.status in states.HOLDS_ROOM)
        assert all(a[1] <= b[0] for a, b in zip(held, held[1:], strict=False))

    def _money_adds_up(self, row: Booking, paid: int, back: int) -> None:
        amounts = amounts_of(row)
        assert (row.paid_yen, row.refunded_yen) == (paid, back)
        assert row.payment_state == states.payment_state(row.status, row.payment_method, amounts)
        assert amounts.kept == min(amounts.fee, paid - back)

    @rule(hours=HOURS)
    def search_agrees(self, hours: float) -> None:
        """What is offered can be booked; what is not cannot (tried and rolled back)."""
        now, minutes = self.town.clock(), int(hours * 60)
        with self.town.service.database.read() as session:
            (room,) = search.free(
                session, now, day_of(at(12)), 1, room_id="room-1", minutes=minutes
            )
        offered = set(room["days"][0]["starts"])
        for start in (9 + n / 2 for n in range(0, 24, 3)):
            assert (at(start) in offered) == self._could_book(start, hours)

    def _could_book(self, start: float, hours: float) -> bool:
        wish, asked = wanted(start, hours), Asked("x", method="counter")
        try:
            with self.town.service.database.write() as session:
                lifecycle.book(
                    session, self.office, booker("nobody-else"), wish, asked, self.town.clock()
                )
                session.rollback()
        except Problem:
            return False
        return True


Bookings.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBookings = Bookings.TestCase
