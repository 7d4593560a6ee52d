"""A console for each test of the desk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cloud.desk.support import Desk, open_desk
from tests.cloud.support import FIRST, Town


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Desk]:
    """A town with the bookings of a calendar, and its console."""
    town.take(FIRST)
    async with open_desk(town) as opened:
        yield opened
