"""A real PostgreSQL for tests: one server for the session, a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import psycopg
import pytest

from cloud.database import Database, migrate
from kannuki.postgres import running_postgres

_TEMPLATE = "kannuki_template"
BOTH_DATABASES = pytest.mark.parametrize("town", ["sqlite", "postgresql"], indirect=True)


@dataclass
class Postgres:
    """A running server; `url` is of its database `postgres`."""

    url: str
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def fresh(self) -> str:
        """The URL of a new database that has our tables."""
        return self._create(f"town_{next(self._numbers)}", _TEMPLATE)

    def empty(self) -> str:
        """The URL of a new database that has none."""
        return self._create(f"empty_{next(self._numbers)}", "template1")

    def make_template(self) -> None:
        """Lays our tables out once, to be copied."""
        database = Database(self._create(_TEMPLATE, "template1"))
        migrate(database)
        database.close()

    def _create(self, name: str, template: str) -> str:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url.replace("/postgres?", f"/{name}?")


@contextmanager
def open_postgres() -> Iterator[Postgres]:
    """A server with the template. Raises MissingPart where PostgreSQL is not installed."""
    with running_postgres() as url:
        server = Postgres(url)
        server.make_template()
        yield server
