"""One browser, one town and one event loop for all browser tests; a new person for each test.

Starting a town takes seconds, so it is shared. The fixture `town` brings it back to where every
program runs and nothing is booked; `door` is one that is locked and rests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.browser import parts
from tests.browser.chromium import Visitor, launch, welcome
from tests.browser.static_site import serving
from tests.browser.town import BrowserTown, Door

HERE = Path(__file__).resolve().parent
Welcome = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here runs in the loop in which town and browser live, and is slow."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program; the run ends with 3 where there is none."""
    parts.needed(lambda: parts.npm_file("axe-core", "axe.min.js"))
    return parts.needed(parts.chromium)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright(chromium: Path) -> AsyncIterator[Playwright]:
    async with async_playwright() as driver:
        yield driver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_town(
    chromium: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrowserTown]:
    """The programs of a town, in any state."""
    async with BrowserTown(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(
    playwright: Playwright, chromium: Path, running_town: BrowserTown
) -> AsyncIterator[Browser]:
    """Chromium on a computer of that town."""
    started = await launch(playwright.chromium, chromium, running_town.computer)
    yield started
    await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def static_url() -> AsyncIterator[str]:
    """Where the pages of this bench itself are served."""
    async with serving(HERE / "pages") as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def town(running_town: BrowserTown) -> AsyncIterator[BrowserTown]:
    """The town with every program running and no booking of another test."""
    await running_town.as_before()
    yield running_town
    await running_town.as_before()


@pytest_asyncio.fixture(loop_scope="session")
async def door(town: BrowserTown) -> Door:
    """A locked door that nobody else uses meanwhile."""
    return await town.free_door()


@pytest_asyncio.fixture(loop_scope="session")
async def other_door(town: BrowserTown, door: Door) -> Door:
    """Another one."""
    return await town.free_door(but=door)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Welcome]:
    """Welcomes people (tests.browser.chromium.welcome); in the end none may have complained."""
    people: list[Visitor] = []

    async def new(**options: object) -> Visitor:
        people.append(await welcome(browser, **options))  # type: ignore[arg-type]
        return people[-1]

    yield new
    for person in people:
        await person.context.close()
    complaints = [complaint for person in people for complaint in person.complaints]
    assert complaints == []
