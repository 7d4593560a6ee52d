"""Nobody lends a room twice: not by racing, not by writing SQL."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cloud import bookings
from cloud.models import Booking
from cloud.problems import Problem
from tests.cloud.postgres import BOTH_DATABASES
from tests.cloud.support import START, Town

_RACER = """
import random, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
chance = random.Random(int(sys.argv[2]))
for n in range(150):
    start = chance.randrange(0, 200)
    try:
        db.execute("INSERT INTO bookings (town, booking_id, room_id, holder_name, holder_contact, "
                   "starts_at, ends_at, held_from, held_to, status, uid, recurrence_id, sequence, "
                   "dtstamp, created_at, updated_at) VALUES ('misaki', ?, 'room-1', '', '', ?, ?, "
                   "?, ?, 'confirmed', ?, '', 0, 0, 0, 0)",
                   (f"{sys.argv[2]}-{n}", start + 2, start + 3, start,
                   start + 3 + chance.randrange(1, 9), f"{sys.argv[2]}-{n}"))
    except sqlite3.IntegrityError as error:
        assert "bookings_no_overlap" in str(error), error
"""


def overlaps(town: Town) -> int:
    query = text(
        "SELECT count(*) FROM bookings a JOIN bookings b ON a.room_id = b.room_id "
        "AND a.booking_id < b.booking_id AND a.held_from < b.held_to AND b.held_from < a.held_to "
        "AND a.status <> 'cancelled' AND b.status <> 'cancelled'"
    )
    with town.service.database.read() as session:
        return int(session.scalar(query) or 0)


def book(town: Town, number: int) -> str:
    starts_at = START + (number % 5) * 1800
    try:
        with town.service.database.write() as session:
            bookings.create(
                session,
                town.service.random_bytes,
                town.clock(),
                room_id="room-1",
                starts_at=starts_at,
                ends_at=starts_at + 3600,
                holder_name="x",
            )
    except Problem as problem:
        return problem.code
    return "BOOKED"


@BOTH_DATABASES
def test_threads_that_race_for_a_room_get_it_once(town: Town) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda n: book(town, n), range(60)))
    assert set(outcomes) == {"BOOKED", "OVERLAP"}
    assert outcomes.count("BOOKED") <= 3
    assert overlaps(town) == 0


def test_processes_that_race_past_our_code_are_stopped_by_the_database(town: Town) -> None:
    path = str(town.folder / "town.db")
    racers = [
        subprocess.Popen([sys.executable, "-c", _RACER, path, str(n)], stderr=subprocess.PIPE)
        for n in range(3)
    ]
    for racer in racers:
        _, errors = racer.communicate(timeout=60)
        assert (racer.returncode, errors) == (0, b"")
    assert overlaps(town) == 0
    with town.service.database.read() as session:
        assert session.query(Booking).count() > 10


@BOTH_DATABASES
def test_update_into_a_taken_window_is_stopped_too(town: Town) -> None:
    assert [book(town, 0), book(town, 4)] == ["BOOKED", "BOOKED"]
    with (
        pytest.raises(IntegrityError, match="bookings_no_overlap"),
        town.service.database.write() as session,
    ):
        session.execute(
            text("UPDATE bookings SET held_from = starts_at - 9000, held_to = ends_at + 9000")
        )


@BOTH_DATABASES
def test_cancelled_booking_holds_no_room_until_it_is_brought_back(town: Town) -> None:
    assert book(town, 0) == "BOOKED"
    with town.service.database.write() as session:
        booking = session.query(Booking).one()
        bookings.cancel(session, booking, town.clock())
    assert book(town, 1) == "BOOKED"
    with (
        pytest.raises(IntegrityError, match="bookings_no_overlap"),
        town.service.database.write() as session,
    ):
        session.execute(text("UPDATE bookings SET status = 'confirmed'"))


@BOTH_DATABASES
def test_touching_bookings_do_not_overlap(town: Town) -> None:
    assert [book(town, n) for n in (0, 2, 4)] == ["BOOKED"] * 3


def test_migrations_make_exactly_the_tables_of_the_models(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from cloud.database import Database, database_url, migrate
    from cloud.models import Base

    database = Database(database_url(str(tmp_path / "x.db")))
    migrate(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    database.close()
