"""Opens the database: SQLite (WAL) unless a URL says otherwise; runs migrations.

Decides transactions: `write` takes SQLite's one write lock at the start (BEGIN IMMEDIATE), so that
a transaction never fails in its middle for having read first; `read` sees one moment. A commit is
on disk (synchronous FULL) when `write` returns: what we acknowledge to others must not be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cloud.models import Setting
from kannuki.errors import InputError

_BUSY_TIMEOUT_MS = 20_000
_READ_ONLY = "kannuki_read_only"


class Database:
    """One town's database."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            _use_wal(self.engine)
        self._reading = self.engine.execution_options(**{_READ_ONLY: True})

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction, committed at the end of the block and rolled back by any exception."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one moment and keeps nothing."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Gives back every connection."""
        self.engine.dispose()


def database_url(value: str) -> str:
    """`value` as a URL; a plain path means a SQLite file."""
    return value if "://" in value else f"sqlite:///{Path(value).resolve()}"


def open_database(value: str, town: str | None = None, *, create: bool = True) -> Database:
    """The database at a path or URL, at the newest schema, belonging to `town`.

    An empty one is set up when `create`; an older one must be migrated by command. Raises
    InputError when it cannot be opened, is older, or belongs to another town.
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
        _bind_town(database, town)
    except DBAPIError as error:
        raise InputError(f"cannot use the database: {error.orig}", "check --database") from error
    return database


def migrate(database: Database) -> str:
    """Brings the schema to the newest version; returns its name."""
    config = _alembic_config()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    return _revisions(database)[1]


def town_of(session: Session) -> str | None:
    """The town this database belongs to, once it has been used."""
    row = session.get(Setting, "town")
    return row.value if row else None


def _bind_town(database: Database, town: str | None) -> None:
    if town is None:
        return
    with database.read() as session:
        known = town_of(session)
    if known is None:
        with database.write() as session:
            session.merge(Setting(name="town", value=town))
    elif known != town:
        raise InputError(f"the database belongs to the town '{known}'", f"use --town {known}")


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
