"""For every suite: what a test leaves behind ends with it.

A library's future that nobody asked (dbus_fast's, when a test kills the bus) is reported when it is
collected, which may be in the middle of another test. CPython 3.11 does not survive that while it
parses a module (the report formats a traceback, which parses too: "AST constructor recursion depth
mismatch"), and a report through a handler whose stream was a test's own fails as well.
"""

from __future__ import annotations

import gc
import inspect
import logging
from collections.abc import Iterator

import pytest

_LOOPS_IN_FIXTURES = "hil_tests"  # plain functions whose bench keeps an event loop


@pytest.fixture(autouse=True)
def own_log_handlers() -> Iterator[None]:
    """A command under test sets up logging on the streams of its test; they go with it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers and type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    root.setLevel(level)


def pytest_collection_finish() -> None:
    """What was imported stays: looking through it after each test took longer than the tests."""
    _set_aside()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Collect what an event loop left, while its test is still the one that is running."""
    function = getattr(item, "function", None)
    if inspect.iscoroutinefunction(function) or _LOOPS_IN_FIXTURES in item.path.parts:
        gc.collect()
    if nextitem is None or nextitem.path != item.path:
        _set_aside()


def _set_aside() -> None:
    """Takes what is alive now (modules, caches) out of later collections."""
    gc.collect()
    gc.freeze()
