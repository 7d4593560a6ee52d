"""Databases that an earlier version of the program left behind, kept as SQL of both kinds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from cloud.database import Database, TownDatabase, database_url, migrate, open_database
from tests.cloud.support import TOWN

DATA = Path(__file__).parent / "data"
BOTH_KINDS = ("sqlite", "postgresql")


def kept(version: str, kind: str, request: pytest.FixtureRequest) -> str:
    """The database as the program of that version left it: its path or URL."""
    if kind == "sqlite":
        path: Path = request.getfixturevalue("tmp_path") / "town.db"
        database = sqlite3.connect(path)
        database.executescript((DATA / f"database_{version}.sql").read_text(encoding="utf-8"))
        database.close()
        return str(path)
    url: str = request.getfixturevalue("postgres").empty()
    script = (DATA / f"database_{version}.postgresql.sql").read_text(encoding="utf-8")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script)
    return url


@contextmanager
def upgraded_town(old: str) -> Iterator[TownDatabase]:
    """The same, at this program's version."""
    first = Database(database_url(old))
    migrate(first)
    first.close()
    opened = open_database(old, TOWN)
    yield opened
    opened.close()
