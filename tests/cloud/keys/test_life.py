"""Whatever happens to a booking, in whatever order, with whatever power cuts: the right keys.

The model knows who shall hold a key and which device collected it last; ids are random, so they are
picked by age, or no example could be repeated. After the worker has done
what was asked, exactly those keys are live, and every other that has not expired is in its lock's
newest list.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloud import bookings, keylinks
from cloud.credentials import window
from cloud.database import open_database
from cloud.models import KeyLink
from cloud.problems import Problem
from cloud.service import open_service
from tests.cloud.keys.support import (
    Fuse,
    PostOffice,
    PowerCut,
    add_holder,
    book,
    booking_of,
    cancel,
    check_lists,
    claim,
    link,
    live,
    move,
    remove_holder,
    steps,
)
from tests.cloud.support import START, TOWN, Clock, Town, open_town
from tests.cloud.test_keys import Phone

HOUR_S = 3600
PHONES = [Phone() for _ in range(3)]
KNOWN_REFUSALS = {"UNKNOWN_KEY", "OTHER_DEVICE", "BOOKING_CANCELLED", "NOT_COLLECTED"}
_template: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A town laid out once, to be copied for each example."""
    folder = tmp_path_factory.mktemp("template")
    with open_town(folder):
        pass
    _template[:] = [folder]
    yield
    _template.clear()


def check_known(problem: Problem) -> None:
    """A refusal that such a request may meet."""
    assert problem.code in KNOWN_REFUSALS


class KeysOfATown(RuleBasedStateMachine):
    """`expected`: {booking: {holder}}; `owner`: {(booking, holder): (phone, cti)}."""

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copytree(_template[0], folder, dirs_exist_ok=True)
        clock = Clock()
        database = open_database(str(folder / "town.db"), TOWN)
        self.stack.callback(database.close)
        service = open_service(TOWN, database, folder / "keys", clock, "https://key.example/open")
        self.town = Town(service, clock, folder, [])
        self.post = PostOffice()
        self.expected: dict[str, list[str]] = {}
        self.owner: dict[tuple[str, str], tuple[Phone, bytes]] = {}
        self.secrets: list[tuple[str, str, str]] = []
        self.hours = 0
        self.settled = True

    def teardown(self) -> None:
        if hasattr(self, "town"):
            self.finish()
            self.stack.close()

    # --- what people do ---

    @precondition(lambda self: len(self.expected) < 12)
    @rule(room=st.sampled_from(["room-1", "room-2"]))
    def book(self, room: str) -> None:
        self.hours += 3
        booking_id = book(self.town, START + self.hours * HOUR_S, room)
        self.expected[booking_id] = [""]
        self.settled = False

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def change_the_time(self, data: Any) -> None:
        booking_id = self.any_booking(data)
        ends_at = (
            booking_of(self.town, booking_id).starts_at + data.draw(st.integers(1, 2)) * HOUR_S
        )
        if ends_at != booking_of(self.town, booking_id).ends_at:
            self.forget(booking_id)
        move(self.town, booking_id, ends_at=ends_at)
        self.settled = False

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        booking_id = self.any_booking(data)
        cancel(self.town, booking_id)
        self.expected[booking_id] = []
        self.forget(booking_id)
        self.settled = False

    @precondition(lambda self: any(self.expected.values()))
    @rule(data=st.data())
    def name_a_holder(self, data: Any) -> None:
        booking_id = self.any_booking(data, held=True)
        self.expected[booking_id].append(add_holder(self.town, booking_id, "月子", "t@example.jp"))
        self.settled = False

    @precondition(lambda self: any(len(held) > 1 for held in self.expected.values()))
    @rule(data=st.data())
    def take_a_holder_off(self, data: Any) -> None:
        some = [b for b, held in self.expected.items() if len(held) > 1]
        booking_id = data.draw(st.sampled_from(some))
        gone = data.draw(st.sampled_from(self.expected[booking_id][1:]))
        remove_holder(self.town, booking_id, gone)
        self.expected[booking_id].remove(gone)
        self.owner.pop((booking_id, gone), None)
        self.settled = False

    # --- what happens to links and phones ---

    @precondition(lambda self: any(self.expected.values()))
    @rule(data=st.data())
    def get_a_link(self, data: Any) -> None:
        booking_id, holder_id = self.any_holder(data)
        self.secrets.append((booking_id, holder_id, link(self.town, booking_id, holder_id)))

    @precondition(lambda self: self.secrets)
    @rule(data=st.data(), phone=st.sampled_from(PHONES))
    def collect(self, data: Any, phone: Phone) -> None:
        booking_id, holder_id, secret = data.draw(st.sampled_from(self.secrets))
        before = self.owner.get((booking_id, holder_id))
        try:
            got = claim(self.town, secret, phone)
        except Problem as problem:
            check_known(problem)
            return
        assert holder_id in self.expected[booking_id]
        if before is not None:
            assert (before[1] == got.credential.cti) == (before[0] is phone)
        self.owner[booking_id, holder_id] = phone, got.credential.cti

    @precondition(lambda self: self.owner)
    @rule(data=st.data())
    def hand_over(self, data: Any) -> None:
        booking_id, holder_id = data.draw(st.sampled_from(list(self.owner)))
        with self.town.service.database.write() as session:
            bound = session.query(KeyLink).filter(
                KeyLink.booking_id == booking_id,
                KeyLink.holder_id == holder_id,
                KeyLink.claimed_at.is_not(None),
                KeyLink.replaced_at.is_(None),
            )
            row = bound.one()
            assert row.device_key is not None
            tickets = self.town.service.vault.relay_tickets(row.secret_sha256 + row.device_key)
            random_bytes = self.town.service.random_bytes
            now = self.town.clock()
            secret = keylinks.hand_over(session, tickets[0], random_bytes, now)
        self.secrets.append((booking_id, holder_id, secret))

    @precondition(lambda self: self.secrets)
    @rule(data=st.data())
    def say_it_was_not_me(self, data: Any) -> None:
        booking_id, holder_id, secret = data.draw(st.sampled_from(self.secrets))
        service = self.town.service
        try:
            with service.database.write() as session:
                keylinks.dispute(session, service.signers, secret, self.town.clock())
        except Problem as problem:
            check_known(problem)
            return
        self.owner.pop((booking_id, holder_id), None)

    @precondition(lambda self: any(self.expected.values()))
    @rule(data=st.data())
    def lose_the_phone(self, data: Any) -> None:
        booking_id, holder_id = self.any_holder(data)
        service = self.town.service
        with service.database.write() as session:
            booking = bookings.find(session, booking_id)
            random_bytes, now = service.random_bytes, self.town.clock()
            secret = keylinks.new_link(
                session, service.signers, booking, random_bytes, now, holder_id
            )
        self.secrets.append((booking_id, holder_id, secret))
        self.owner.pop((booking_id, holder_id), None)

    # --- the service ---

    @rule(after=st.integers(0, 14))
    def power_cut(self, after: int) -> None:
        fuse = Fuse(after)
        self.post.fuse = fuse
        try:
            steps(self.town, self.post, fuse).drain()
        except PowerCut:
            self.town.clock.now += 1
        finally:
            self.post.fuse = Fuse()

    @rule()
    def finish(self) -> None:
        """The worker does all there is; then everything is right."""
        steps(self.town, self.post).drain()
        for booking_id, holders in self.expected.items():
            held = live(self.town, booking_id)
            assert {row.holder_id for row in held} == set(holders)
            assert len(held) == len(holders)
            for row in held:
                said = window(booking_of(self.town, booking_id))
                assert (row.not_before, row.expires_at) == said
                owner = self.owner.get((booking_id, row.holder_id))
                assert owner is None or owner[1] == row.cti
        check_lists(self.town)
        self.settled = True

    @invariant()
    def nobody_has_two(self) -> None:
        if not hasattr(self, "town"):
            return
        with self.town.service.database.read() as session:
            living = session.query(KeyLink).filter(KeyLink.replaced_at.is_(None)).all()
        for is_bound in (True, False):
            names = [
                (row.booking_id, row.holder_id)
                for row in living
                if (row.claimed_at is not None) == is_bound
            ]
            assert len(names) == len(set(names))

    # --- helpers ---

    def any_booking(self, data: Any, held: bool = False) -> str:
        some = [b for b, holders in self.expected.items() if holders or not held]
        return str(data.draw(st.sampled_from(some)))

    def any_holder(self, data: Any) -> tuple[str, str]:
        booking_id = self.any_booking(data, held=True)
        return booking_id, data.draw(st.sampled_from(self.expected[booking_id]))

    def forget(self, booking_id: str) -> None:
        """What devices have of this booking is another key from now on."""
        for name in [name for name in self.owner if name[0] == booking_id]:
            del self.owner[name]


KeysOfATown.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestKeysOfATown = pytest.mark.slow(KeysOfATown.TestCase)
