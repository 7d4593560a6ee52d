"""Fixtures of the tests of people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.support import Town, open_town


@pytest.fixture
def town(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Town]:
    """A town without locks; on both databases in modules that say ON_BOTH_DATABASES."""
    url = ""
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("postgres").fresh()
    with open_town(tmp_path, hung=0, database_url=url) as opened:
        yield opened
