"""Databases of version 0002, kept as SQL, one of each kind: after the upgrade nothing is lost.

They hold a town with three hung locks, an imported and changed calendar, a key link, a cancelled
booking, records, a door's configuration and what gateways and locks reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from cloud import bookings
from cloud.booking.states import keyed
from cloud.database import TownDatabase
from cloud.models import (
    AuditRecord,
    Base,
    Booking,
    Credential,
    Facility,
    KeyLink,
    Lock,
    LockReport,
    LockSettings,
    Room,
    StatusOutbox,
)
from cloud.rekey import follow_keyset
from cloud.service import open_service
from tests.cloud.kept import BOTH_KINDS, kept, upgraded_town
from tests.cloud.support import START, TOWN, Clock, make_keys


@pytest.fixture(params=BOTH_KINDS)
def old(request: pytest.FixtureRequest) -> str:
    """The database as the program of before left it."""
    return kept("0002", request.param, request)


@pytest.fixture
def upgraded(old: str) -> Iterator[TownDatabase]:
    """The same, at this program's version."""
    with upgraded_town(old) as opened:
        yield opened


def count(database: TownDatabase, table: type) -> int:
    with database.read() as session:
        return session.query(table).count()


def test_everything_stays_and_belongs_to_the_town(upgraded: TownDatabase) -> None:
    kept = {Room: 3, Lock: 3, KeyLink: 1, AuditRecord: 2, LockReport: 1, LockSettings: 1}
    assert {table: count(upgraded, table) for table in kept} == kept
    assert count(upgraded, Booking) > 5 and count(upgraded, Credential) > 5
    assert upgraded.whole.towns() == {TOWN: ""}
    with upgraded.read() as session:
        for mapper in Base.registry.mappers:
            if hasattr(mapper.class_, "town") and mapper.class_.__tablename__ != "towns":
                assert {row.town for row in session.query(mapper.class_)} <= {TOWN}


def test_upgrade_leads_to_the_tables_of_the_program(upgraded: TownDatabase) -> None:
    with upgraded.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_no_town_is_taken_for_granted_any_more(upgraded: TownDatabase) -> None:
    """A default for the town, left over, would let a forgotten one in."""
    for table in Base.metadata.sorted_tables:
        (town,) = [
            c for c in inspect(upgraded.engine).get_columns(table.name) if c["name"] == "town"
        ]
        assert (town["default"], town["nullable"]) == (None, False), table.name


def test_double_booking_is_still_impossible(upgraded: TownDatabase) -> None:
    with upgraded.read() as session:
        held = session.query(Booking).filter_by(status="confirmed").first()
        assert held is not None
        columns = {c.key: getattr(held, c.key) for c in inspect(Booking).column_attrs}
    again = columns | {"booking_id": "another", "uid": "another"}
    with (
        pytest.raises(IntegrityError, match="bookings_no_overlap"),
        upgraded.write() as session,
    ):
        session.add(Booking(**again))


def test_service_goes_on_with_what_there_was(upgraded: TownDatabase, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    service = open_service(TOWN, upgraded, tmp_path / "keys", Clock(), "https://key.example/")
    assert follow_keyset(service)  # other keys than those of before: everything is made anew
    with upgraded.write() as session:
        live = session.query(Credential).filter_by(revoked_at=None).all()
        confirmed = session.query(Booking).filter(
            Booking.status == "confirmed", Booking.ends_at > START - 600
        )
        assert len(live) == confirmed.count() > 0
        assert session.query(StatusOutbox).count() > 0
        booking = confirmed.first()
        assert booking is not None
        bookings.cancel(session, booking, service.clock())


def test_bookings_of_before_are_settled_and_kept_for_their_own_time(
    upgraded: TownDatabase,
) -> None:
    with upgraded.read() as session:
        (house,) = session.query(Facility).all()
        assert (house.facility_id, house.policy, house.assurance) == ("main", None, "none")
        assert {room.facility_id for room in session.query(Room)} == {"main"}
        for row in session.query(Booking):
            assert (row.held_from, row.held_to) == (row.starts_at, row.ends_at)
            own = row.uid == f"{row.booking_id}@kannuki"
            expected = ("settled", "machine") if own else ("external", "calendar")
            assert (row.payment_state, row.channel) == expected
            assert (row.version, row.fee_yen, row.account_id) == (1, 0, None)
            assert keyed(row) == (row.status == "confirmed")
