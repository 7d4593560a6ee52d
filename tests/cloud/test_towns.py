"""Many towns in one database: a session of one town sees and changes nothing of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from cloud import bookings
from cloud.database import Database, TownDatabase, WrongTown, open_database
from cloud.models import Booking, Room
from kannuki.errors import InputError
from tests.cloud.support import START


@pytest.fixture
def towns(tmp_path: Path) -> Iterator[tuple[TownDatabase, TownDatabase]]:
    """Two towns, each with a room of the same id and name, and a booking at the same time."""
    first = open_database(str(tmp_path / "t.db"), "misaki")
    first.whole.add_town("nagi", "なぎ町", START)
    second = first.whole.of("nagi")
    for database in (first, second):
        with database.write() as session:
            bookings.add_room(session, "和室", None)
            session.add(booking(database.town))
    yield first, second
    first.close()


def booking(name: str) -> Booking:
    return Booking(
        booking_id=name,
        room_id="room-1",
        holder_name=name,
        holder_contact="",
        starts_at=START,
        ends_at=START + 3600,
        status="confirmed",
        uid="same",
        recurrence_id="",
        sequence=0,
        dtstamp=0,
        created_at=0,
        updated_at=0,
    )


def test_same_ids_in_two_towns_are_two_things(towns: tuple[TownDatabase, TownDatabase]) -> None:
    for database in towns:
        with database.read() as session:
            room = bookings.find_room(session, "room-1")
            assert room is not None and room.town == database.town
            assert [b.holder_name for b in session.scalars(select(Booking))] == [database.town]
            assert session.scalar(select(func.count()).select_from(Booking)) == 1
            (row,) = session.execute(select(Booking.holder_name, Room.name).join(Booking.room))
            assert row == (database.town, "和室")


def test_key_of_another_towns_row_finds_nothing(towns: tuple[TownDatabase, TownDatabase]) -> None:
    first, _ = towns
    with first.read() as session:
        assert session.get(Booking, "nagi") is None
        assert session.get(Room, ("nagi", "room-1")) is None


def test_changes_of_many_rows_stay_in_the_town(towns: tuple[TownDatabase, TownDatabase]) -> None:
    first, second = towns
    with first.write() as session:
        session.execute(update(Booking).values(holder_name="changed"))
    with second.read() as session:
        assert session.get_one(Booking, "nagi").holder_name == "nagi"
    with first.write() as session:
        session.execute(delete(Booking))
    with second.read() as session:
        assert session.get(Booking, "nagi") is not None


def test_row_of_another_town_is_never_written(towns: tuple[TownDatabase, TownDatabase]) -> None:
    first, _ = towns
    made = booking("foreign")
    made.town = "nagi"
    with pytest.raises(WrongTown), first.write() as session:
        session.add(made)
    with pytest.raises(WrongTown), first.write() as session:
        session.get_one(Booking, "misaki").town = "nagi"


def test_second_town_is_taken_in_by_command_only(tmp_path: Path) -> None:
    open_database(str(tmp_path / "t.db"), "misaki").close()
    with pytest.raises(InputError, match="no town 'nagi'"):
        open_database(str(tmp_path / "t.db"), "nagi")


def test_without_a_name_the_only_town_is_meant(tmp_path: Path) -> None:
    opened = open_database(str(tmp_path / "t.db"), "misaki")
    assert open_database(str(tmp_path / "t.db")).town == "misaki"
    opened.whole.add_town("nagi", "", START)
    with pytest.raises(InputError, match="several towns"):
        open_database(str(tmp_path / "t.db"))
    opened.close()


def test_every_table_names_its_town() -> None:
    from cloud.models import Base

    for table in Base.metadata.sorted_tables:
        assert "town" in table.columns, table.name


def test_no_url_is_refused_with_a_word() -> None:
    with pytest.raises(InputError, match="no database URL"):
        Database("nonsense://")
