"""One live town for each module: starting it takes seconds, and kills must not disturb others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.system.live import LiveTown


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveTown]:
    """The programs of a town, in any state."""
    async with LiveTown(tmp_path_factory.mktemp("town")) as live:
        yield live


@pytest_asyncio.fixture(loop_scope="module")
async def town(running_town: LiveTown) -> AsyncIterator[LiveTown]:
    """The town with every program running and every door locked."""
    await running_town.all_ready()
    await running_town.doors_rest()
    yield running_town
