"""Databases of version 0008, kept as SQL: who was written to then is told of what happens now.

They hold four bookings of one day: told and as it was, told and longer since, told and cancelled
since, and one whose letter still waits; a key, a token on its way, a low battery.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from cloud import bookings
from cloud.credentials import renew
from cloud.database import TownDatabase
from cloud.keyring.worker import KeySteps
from cloud.models import Base, Booking, KeyDelivery, LockReport, TokenAhead
from cloud.service import open_service
from tests.cloud.kept import BOTH_KINDS, kept, upgraded_town
from tests.cloud.keys.support import PostOffice
from tests.cloud.support import START, TOWN, Clock, make_keys

HOUR_S = 3600


@pytest.fixture(params=BOTH_KINDS)
def upgraded(request: pytest.FixtureRequest) -> Iterator[TownDatabase]:
    with upgraded_town(kept("0008", request.param, request)) as opened:
        yield opened


@pytest.fixture
def office(upgraded: TownDatabase, tmp_path: Path) -> tuple[KeySteps, PostOffice]:
    """The town's keys under this program, when the first booking begins."""
    make_keys(tmp_path / "keys")
    clock = Clock()
    clock.now = START
    service = open_service(TOWN, upgraded, tmp_path / "keys", clock, "https://key.example/open")
    post = PostOffice()
    return KeySteps(replace(service, sends_mail=True), "みさき市", post), post


def booking_at(database: TownDatabase, starts_at: int) -> Booking:
    with database.read() as session:
        return session.scalars(select(Booking).where(Booking.starts_at == starts_at)).one()


def cancel(steps: KeySteps, starts_at: int) -> None:
    with steps.service.database.write() as session:
        booking = bookings.find(session, booking_at(steps.service.database, starts_at).booking_id)
        bookings.cancel(session, booking, steps.service.clock())


def test_upgrade_leads_to_the_tables_of_the_program(upgraded: TownDatabase) -> None:
    with upgraded.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_what_locks_and_letters_said_stays(upgraded: TownDatabase) -> None:
    with upgraded.read() as session:
        report = session.get_one(LockReport, "aaaaaaaa")
        assert (report.battery, report.lost_records, report.firmware) == (15, 1, "0.1.0")
        assert session.query(TokenAhead).count() == 1
        states = sorted(session.scalars(select(KeyDelivery.state)))
        assert states == ["sent", "sent", "sent", "waiting"]


def test_the_upgrade_writes_to_nobody_and_the_letter_that_waited_goes(
    office: tuple[KeySteps, PostOffice],
) -> None:
    steps, post = office
    with steps.service.database.write() as session:
        renew(session, steps.service.signers, steps.service.clock())
    steps.drain()
    assert [letter.to for letter in post.letters] == ["jiro@example.jp"]


@pytest.mark.parametrize("after_h", [0, 2])
def test_who_was_told_before_the_upgrade_is_told_of_the_end(
    office: tuple[KeySteps, PostOffice], after_h: int
) -> None:
    steps, post = office
    steps.drain()
    post.letters.clear()
    cancel(steps, START + after_h * HOUR_S)
    steps.drain()
    assert ["取り消されました" in subject for subject in post.subjects()] == [True]


def test_what_was_cancelled_before_the_upgrade_is_not_told_late(
    office: tuple[KeySteps, PostOffice],
) -> None:
    steps, post = office
    steps.drain()
    post.letters.clear()
    cancel(steps, START + 4 * HOUR_S)
    steps.drain()
    assert post.letters == []
