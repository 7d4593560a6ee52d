"""`--bench sim` (default) runs the suite on a virtual lock; real boards get their own kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from hil_tests.bench import Bench
from hil_tests.sim_bench import SimBench


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench", default="sim", help="sim: a virtual lock on this machine")


def open_bench(config: pytest.Config, folder: Path) -> AbstractAsyncContextManager[Bench]:
    """The bench that `--bench` names, with one enrolled lock."""
    kind = config.getoption("--bench")
    if kind != "sim":
        raise pytest.UsageError(f"no bench of kind '{kind}': use --bench sim")
    return SimBench(folder)


@pytest_asyncio.fixture
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """One enrolled lock, ready to be spoken to."""
    async with open_bench(request.config, tmp_path) as ready:
        yield ready
