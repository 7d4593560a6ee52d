"""Waits until something is so, within a bound. Decides nothing about what is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.1


async def until(condition: Callable[[], Awaitable[T]], within_s: float) -> T | None:
    """The first true value of `condition`, or None when none came in time."""
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(POLL_S)
    return found
