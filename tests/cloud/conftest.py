"""Fixtures of the cloud's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.postgres import Postgres, open_postgres
from tests.cloud.support import Town, open_town


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; `postgres.fresh()` is the URL of a database with our tables."""
    with open_postgres() as server:
        yield server


@pytest.fixture
def town(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Town]:
    """A town with three rooms and a lock at each; on both databases where a test asks for it
    (tests/cloud/postgres.py: BOTH_DATABASES)."""
    url = ""
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("postgres").fresh()
    with open_town(tmp_path, database_url=url) as opened:
        yield opened


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that says `ON_BOTH_DATABASES = True` has its tests of `town` run on both."""
    asked = getattr(metafunc.module, "ON_BOTH_DATABASES", False)
    if asked and "town" in metafunc.fixturenames:
        metafunc.parametrize("town", ["sqlite", "postgresql"], indirect=True)
