"""Opens the database: SQLite (WAL) unless a URL says otherwise; runs migrations; keeps towns apart.

Every session belongs to one town. What it reads is filtered by town and what it adds is given the
town, whatever the query or the caller forgot; a row of another town is refused (WrongTown).

Decides transactions: the writers of a town take turns, on SQLite by a queue (`turns`) before its
one write lock (BEGIN IMMEDIATE), on PostgreSQL by a lock of the town's own, so that a transaction
never fails in its middle for having read first and both databases behave alike; who waited too long
is told so (Problem TOWN_BUSY). `read` sees one moment. A commit is on disk (synchronous FULL) when
`write` returns: what we acknowledge to others must not be lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from cloud.models import Town, TownRow
from cloud.problems import Problem
from cloud.turns import NoTurn, Turns
from kannuki.errors import InputError
from protocol.crypto import sha256

_BUSY_TIMEOUT_MS = 20_000
COME_AGAIN_S = 5
_READ_ONLY = "kannuki_read_only"
_TOWN = "kannuki_town"
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class WrongTown(Exception):
    """A row of one town in a session of another: our mistake, stopped before it was written."""


class TownSession(Session):
    """A session of one town; `town_of(session)` tells which."""


@event.listens_for(TownSession, "do_orm_execute")
def _only_this_town(state: ORMExecuteState) -> None:
    if state.is_column_load or state.is_relationship_load:
        return  # of rows that this town's session has loaded
    town = town_of(state.session)
    state.statement = state.statement.options(
        with_loader_criteria(TownRow, lambda row: row.town == town, include_aliases=True)
    )


@event.listens_for(TownSession, "before_flush")
def _into_this_town(session: Session, _context: Any, _instances: Any) -> None:
    town = town_of(session)
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TownRow):
            continue
        if row.town is None:
            row.town = town
        elif row.town != town:
            raise WrongTown(f"a row of {type(row).__tablename__} belongs to another town")


def town_of(session: Session) -> str:
    """The town that a session belongs to."""
    town: str = session.info[_TOWN]
    return town


class Database:
    """The database of all towns; work is done through `of(town)`."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        if self.engine.dialect.name == "sqlite":
            _use_wal(self.engine)
        self.reading = self.engine.execution_options(**_reading(self.engine))
        self.turns = _turns(self.engine)

    def of(self, town: str) -> TownDatabase:
        """One town's part of it."""
        return TownDatabase(self, town)

    def towns(self) -> dict[str, str]:
        """{town: its name for people}"""
        with Session(self.reading) as session:
            return {row.town: row.name for row in session.scalars(select(Town))}

    def add_town(self, town: str, name: str, now: int) -> None:
        """Takes in a town, or changes the name of one."""
        with self.turn(), Session(self.engine) as session, session.begin():
            known = session.get(Town, town) or Town(town=town, created_at=now)
            known.name = name
            session.add(known)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The turn to write, on SQLite. Raises Problem TOWN_BUSY."""
        with ExitStack() as stack:
            if self.turns is not None:
                try:
                    stack.enter_context(self.turns.take())
                except NoTurn:
                    raise Problem("TOWN_BUSY", seconds=COME_AGAIN_S) from None
            yield

    def close(self) -> None:
        """Gives back every connection."""
        self.engine.dispose()


class TownDatabase:
    """One town's part of a database."""

    def __init__(self, database: Database, town: str) -> None:
        self.whole = database
        self.town = town

    @property
    def engine(self) -> Engine:
        """The engine, which knows nothing of towns."""
        return self.whole.engine

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction, committed at the end of the block and rolled back by any exception.

        Raises Problem TOWN_BUSY before the block, when its turn does not come.
        """
        info = {_TOWN: self.town}
        with (
            self.whole.turn(),
            TownSession(self.whole.engine, expire_on_commit=False, info=info) as session,
            session.begin(),
        ):
            _begin(session, self.town)
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one moment and keeps nothing."""
        info = {_TOWN: self.town}
        with TownSession(self.whole.reading, expire_on_commit=False, info=info) as session:
            yield session

    def close(self) -> None:
        """Gives back every connection."""
        self.whole.close()


def database_url(value: str) -> str:
    """`value` as a URL; a plain path means a SQLite file."""
    return value if "://" in value else f"sqlite:///{Path(value).resolve()}"


def open_database(
    value: str, town: str | None = None, *, create: bool = True, now: int = 0
) -> TownDatabase:
    """The part of `town` of the database at a path or URL, at the newest schema.

    An empty one is set up for `town` when `create`; an older one must be migrated by command.
    Without a name, the only town there is. Raises InputError when it cannot be opened, is older, or
    does not have this town.
    """
    database = Database(database_url(value))
    try:
        current, newest = _revisions(database)
        if current is None and create:
            migrate(database)
        elif current != newest:
            raise InputError(
                "there is no town in this database yet"
                if current is None
                else "the database has another version than this program",
                "run: kannuki cloud migrate (with the same --database)",
            )
        return database.of(_choose_town(database, town, now))
    except DBAPIError as error:
        raise InputError(f"cannot use the database: {error.orig}", "check --database") from error


def migrate(database: Database) -> str:
    """Brings the schema to the newest version; returns its name."""
    config = _alembic_config()
    with database.engine.connect() as connection:
        _foreign_keys(connection, on=False)  # SQLite makes tables anew: checked at the end
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _check_foreign_keys(connection)
        connection.commit()
        _foreign_keys(connection, on=True)
    return _revisions(database)[1]


def _foreign_keys(connection: Connection, on: bool) -> None:
    """Outside any transaction: inside one SQLite ignores it."""
    if connection.dialect.name == "sqlite":
        dbapi = connection.connection.dbapi_connection
        assert dbapi is not None
        dbapi.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise InputError(
                f"the database has {len(broken)} rows that point nowhere, as in {broken[0][0]}",
                "nothing was changed; restore a backup",
            )


def _choose_town(database: Database, town: str | None, now: int) -> str:
    known = database.towns()
    if town is None:
        if len(known) == 1:
            return next(iter(known))
        raise InputError(
            "there are several towns in this database" if known else "there is no town in it yet",
            f"name one of them: {', '.join(sorted(known))}" if known else "name it with --town",
        )
    if not known:
        database.add_town(town, "", now)
    elif town not in known:
        raise InputError(
            f"the database has no town '{town}', only {', '.join(sorted(known))}",
            f"use one of these, or: kannuki cloud add-town {town}",
        )
    return town


def _revisions(database: Database) -> tuple[str | None, str]:
    newest = ScriptDirectory.from_config(_alembic_config()).get_current_head() or ""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None, newest
        return MigrationContext.configure(connection).get_current_revision(), newest


def _alembic_config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _engine(url: str) -> Engine:
    try:
        parts = make_url(url)
        parts = parts.set(drivername=_DRIVERS.get(parts.drivername, parts.drivername))
        engine = create_engine(parts)
    except (ArgumentError, ImportError, ValueError):
        raise InputError(
            "that is no database URL", "for example: postgresql://user@host/kannuki"
        ) from None
    return engine


def _reading(engine: Engine) -> dict[str, Any]:
    if engine.dialect.name == "sqlite":
        return {_READ_ONLY: True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _begin(session: Session, town: str) -> None:
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(sha256(b"kannuki " + town.encode())[:8], "big", signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        return
    try:
        session.connection()  # BEGIN IMMEDIATE now: in our turn, only a stranger can be in the way
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise Problem("TOWN_BUSY", seconds=COME_AGAIN_S) from None


def _turns(engine: Engine) -> Turns | None:
    if engine.dialect.name != "sqlite":
        return None
    name = engine.url.database
    return Turns(None if name in (None, "", ":memory:") else Path(str(name)))


def _use_wal(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
