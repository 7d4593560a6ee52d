"""Fixtures of the cloud's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.support import Town, open_town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A town with three rooms and a lock at each."""
    with open_town(tmp_path) as opened:
        yield opened
