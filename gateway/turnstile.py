"""One at a time, and whoever is in a hurry goes first.

Decides the order of those who wait for a thing that only one may use. Knows no radio.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turnstile:
    """`async with turnstile.turn(urgent=True): ...`"""

    def __init__(self) -> None:
        self._taken = False
        self._order = itertools.count()
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, urgent: bool) -> AsyncIterator[None]:
        """Waits for a turn and holds it."""
        await self._enter(urgent)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, urgent: bool) -> None:
        if not self._taken:
            self._taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (not urgent, next(self._order), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was handed to us while we were leaving
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, next_one = heapq.heappop(self._waiting)
            if not next_one.done():
                next_one.set_result(None)
                return
        self._taken = False
