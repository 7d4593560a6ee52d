"""A database of before, kept as SQL (data/database_0001.sql): after the upgrade nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cloud import bookings, fleet, reports
from cloud.database import Database, database_url, migrate, open_database
from cloud.models import (
    AuditRecord,
    Base,
    Booking,
    Credential,
    KeyLink,
    Lock,
    LockReport,
    Room,
    StatusOutbox,
)
from cloud.rekey import follow_keyset
from cloud.service import TownService, open_service
from kannuki.errors import InputError
from kannuki.messages import LockState
from protocol import statuslist
from tests.cloud.support import START, TOWN, Clock, TestLock, make_keys, newest_version

OLD = Path(__file__).parent / "data" / "database_0001.sql"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The database as the program of before left it."""
    path = tmp_path / "town.db"
    database = sqlite3.connect(path)
    database.executescript(OLD.read_text(encoding="utf-8"))
    database.close()
    return path


@pytest.fixture
def upgraded(old: Path) -> Iterator[TownService]:
    """The service on the upgraded database, with keys of wire version 1."""
    first = Database(database_url(str(old)))
    migrate(first)
    first.close()
    make_keys(old.parent / "keys")
    database = open_database(str(old), TOWN)
    yield open_service(TOWN, database, old.parent / "keys", Clock(), "https://key.example/open")
    database.close()


def test_old_database_is_not_touched_until_it_is_migrated(old: Path) -> None:
    before = dump(old)
    with pytest.raises(InputError, match="another version"):
        open_database(str(old), TOWN)
    assert dump(old) == before


def dump(path: Path) -> list[str]:
    database = sqlite3.connect(path)
    lines = list(database.iterdump())
    database.close()
    return lines


def test_upgrade_leads_to_the_tables_of_the_program(old: Path) -> None:
    database = Database(database_url(str(old)))
    assert migrate(database) == newest_version()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_rooms_bookings_keys_records_and_alarms_stay(upgraded: TownService) -> None:
    with upgraded.database.read() as session:
        rooms = sorted(room.room_id for room in session.query(Room))
        assert rooms == ["room-1", "room-2", "room-3"]
        states = {row.uid: row.status for row in session.query(Booking)}
        assert states == {"old-1": "cancelled", "old-2": "confirmed"}
        assert (session.query(Credential).count(), session.query(KeyLink).count()) == (2, 1)
        records = session.query(AuditRecord).all()
        assert [(row.seq, row.value) for row in records] == [(1, None), (2, None)]
        assert [alarm["detail"] for alarm in reports.alarm_lines(session, 9)] == ["kept"]
        assert [line["seq"] for line in reports.audit_lines(session, None, 9)] == [2, 1]
        report = session.get_one(LockReport, "bbbbbbbb")
        assert (report.bolt, report.head_seq, report.acked_seq) == ("locked", 2, 0)
        assert (report.keypad, report.held_open, report.keyset_version) == ("unknown", False, 0)
        assert session.get_one(Lock, "bbbbbbbb").signing_key is None


def test_no_list_of_the_old_form_is_sent_and_the_next_version_is_higher(
    upgraded: TownService,
) -> None:
    with upgraded.database.write() as session:
        assert fleet.due_lists(session, START) == []
    assert follow_keyset(upgraded)
    with upgraded.database.write() as session:
        fleet.note_lock(session, "bbbbbbbb", LockState(reachable=True, seen_at=START), START)
        (due,) = fleet.due_lists(session, START)
        assert session.get_one(StatusOutbox, "bbbbbbbb").version == 2
    header = statuslist.parse(due.document)[1]
    cancelled, listed = "old-1", statuslist.in_memory(header, due.entries)
    with upgraded.database.read() as session:
        gone = session.query(Credential).join(Booking).filter(Booking.uid == cancelled).one()
    assert listed.lists(gone.cti)


def test_bookings_get_keys_of_the_new_issuer_once(upgraded: TownService) -> None:
    assert follow_keyset(upgraded)
    assert not follow_keyset(upgraded)
    with upgraded.database.read() as session:
        held = session.query(Credential).filter_by(revoked_at=None).all()
    assert len(held) == 1
    assert held[0].issued_at == upgraded.clock()


def test_lock_of_before_is_hung_again_after_it_was_enrolled_anew(upgraded: TownService) -> None:
    lock = TestLock("bbbbbbbb", journal_epoch=2)
    with upgraded.database.write() as session:
        room = session.get_one(Room, (TOWN, "room-2"))
        bookings.hang_lock(session, upgraded.signers, lock.enrolment(), room, upgraded.clock())
        row = session.get_one(Lock, "bbbbbbbb")
    assert row.signing_key == lock.enrolment().signing_key


@pytest.mark.parametrize("exists", [True, False])
def test_empty_database_is_called_empty_and_not_of_another_version(
    tmp_path: Path, exists: bool
) -> None:
    path = tmp_path / "town.db"
    if exists:
        path.touch()
    with pytest.raises(InputError, match="no town in this database") as refused:
        open_database(str(path), create=False)
    assert "kannuki cloud migrate" in refused.value.remedy
