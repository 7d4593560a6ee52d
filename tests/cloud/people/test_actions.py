"""The list of what staff did: only ever added to, whole or seen to be broken."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cloud.cli import cloud
from cloud.database import TownDatabase
from cloud.models import Action
from cloud.people import actions
from cloud.people.principals import Principal, machine
from kannuki.errors import EXIT_FAILED
from tests.cloud.support import TOWN, Town

ON_BOTH_DATABASES = True
WHO = Principal(TOWN, "a" * 24, "田中", ())


def fill(database: TownDatabase, count: int, who: Principal = WHO) -> None:
    for number in range(count):
        with database.write() as session:
            actions.note(session, who, "booking.change", f"b{number}", {"n": number}, 1000 + number)


def state(database: TownDatabase) -> actions.ChainState:
    with database.read() as session:
        return actions.check(session)


def tamper(town: Town, statement: str) -> None:
    """As somebody who owns the database: the triggers are off."""
    engine = town.service.database.engine
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE actions DISABLE TRIGGER USER"))
        else:
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER actions_no_{verb}"))
        connection.execute(text(statement))
        connection.commit()


def test_rows_are_numbered_and_whole_and_each_town_has_its_own(town: Town) -> None:
    database = town.service.database
    assert state(database) == actions.ChainState(0, state(database).head, None)
    fill(database, 3)
    database.whole.add_town("tonari", "となり市", 1)
    other = database.whole.of("tonari")
    fill(other, 2, machine("tonari"))
    assert (state(database).rows, state(other).rows) == (3, 2)
    assert state(database).broken_at is state(other).broken_at is None
    with database.read() as session:
        told = list(actions.lines(session, before=3, limit=1))
    assert [(row["seq"], row["object_id"], row["detail"]) for row in told] == [(2, "b1", {"n": 1})]


@pytest.mark.parametrize("statement", ["UPDATE actions SET at = 0", "DELETE FROM actions"])
def test_database_itself_changes_no_row(town: Town, statement: str) -> None:
    fill(town.service.database, 2)
    with pytest.raises(DBAPIError, match="actions_append_only"):
        with town.service.database.engine.connect() as connection:
            connection.execute(text(statement))
    assert state(town.service.database).rows == 2


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE actions SET detail = '{}' WHERE seq = 2", 2),
        ("UPDATE actions SET at = at + 1 WHERE seq = 3", 3),
        ("UPDATE actions SET principal_id = 'other' WHERE seq = 1", 1),
        ("UPDATE actions SET object_id = 'b9' WHERE seq = 4", 4),
        ("UPDATE actions SET action = 'x' WHERE seq = 4", 4),
        ("DELETE FROM actions WHERE seq = 2", 2),
        ("DELETE FROM actions WHERE seq = 1", 1),
        ("UPDATE actions SET row_hash = (SELECT row_hash FROM actions WHERE seq = 1) "
         "WHERE seq = 4", 4),
    ],
)  # fmt: skip
def test_row_that_its_owner_changed_is_found(town: Town, statement: str, broken_at: int) -> None:
    fill(town.service.database, 4)
    tamper(town, statement)
    assert state(town.service.database).broken_at == broken_at


def test_tail_that_was_cut_off_shows_to_whoever_kept_the_head(town: Town) -> None:
    fill(town.service.database, 4)
    kept = state(town.service.database)
    tamper(town, "DELETE FROM actions WHERE seq > 2")
    now = state(town.service.database)
    assert now.broken_at is None  # the list alone cannot know
    assert (now.rows, now.head) != (kept.rows, kept.head)


def test_deed_that_is_undone_is_not_noted(town: Town) -> None:
    database = town.service.database
    with pytest.raises(ZeroDivisionError):
        with database.write() as session:
            actions.note(session, WHO, "booking.change", "b", {}, 1)
            raise ZeroDivisionError
    assert state(database).rows == 0


def test_many_at_once_make_one_chain(town: Town) -> None:
    database = town.service.database
    jobs = [threading.Thread(target=fill, args=(database, 10)) for _ in range(6)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert state(database) == actions.ChainState(60, state(database).head, None)


def test_long_detail_is_our_mistake(town: Town) -> None:
    with pytest.raises(ValueError, match="few words"):
        with town.service.database.write() as session:
            actions.note(session, WHO, "x", "y", {"z": "w" * 3000}, 1)
    with town.service.database.read() as session:
        assert session.query(Action).count() == 0


def test_command_shows_the_list_and_says_when_it_is_broken(town: Town) -> None:
    engine = town.service.database.engine
    fill(town.service.database, 2, Principal(TOWN, "=cmd()", "x", ()))
    where = ["--database", engine.url.render_as_string(hide_password=False), "--town", TOWN]
    told = CliRunner().invoke(cloud, ["actions", *where, "--json"])
    answer = json.loads(told.output)
    assert answer["chain"]["ok"] is True and len(answer["actions"]) == 2
    table = CliRunner().invoke(cloud, ["actions", *where, "--csv"]).output.splitlines()
    assert table[0].startswith("seq,at,staff_id,name,action")
    assert ",'=cmd()," in table[1]  # a spreadsheet shows it and runs nothing
    tamper(town, "UPDATE actions SET at = 0 WHERE seq = 1")
    broken = CliRunner().invoke(cloud, ["actions", *where, "--check"], standalone_mode=False)
    assert broken.return_value == EXIT_FAILED
    assert "BROKEN at 1" in broken.output


def test_head_is_computed_as_written_down(town: Town) -> None:
    """So that an auditor's own program can be held to it."""
    database = town.service.database
    with database.write() as session:
        actions.note(session, WHO, "staff.suspend", "o", {"b": 1, "a": "花"}, 5)
    before = hashlib.sha256(b"kannuki actions of misaki").digest()
    row = f'["misaki",1,5,"{WHO.staff_id}","staff.suspend","o","{{\\"a\\":\\"花\\",\\"b\\":1}}"]'
    assert state(database).head == hashlib.sha256(before + row.encode()).hexdigest()
