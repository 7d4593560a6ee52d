"""What is to be published, in four lanes, so that no lane waits for another.

Decides order and what may be left out: of states only the newest per topic is worth saying; events
and responses that are already in line are not put there twice; responses beyond a bound push out
the oldest (the asker repeats its command and gets the same answer). Events need no bound here: the
machine keeps a window of them, and the outbox everything. Its order is the one that counts: what
is said again goes to the end of the line, so that after a broken line the oldest are not the last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.machine import Publish

log = logging.getLogger(__name__)

MAX_WAITING = 1000
WORKERS = {"state": 1, "event": 4, "request": 1, "response": 4}

Say = Callable[[Publish], Awaitable[None]]


class Lane:
    """Publications in order, each key once."""

    def __init__(self, newest_wins: bool) -> None:
        self._newest_wins = newest_wins
        self._waiting: dict[tuple[str, bytes], Publish] = {}
        self._filled = asyncio.Event()

    def put(self, publish: Publish) -> None:
        """Adds one; never waits."""
        key = (publish.device, b"" if self._newest_wins else publish.payload)
        if not self._newest_wins:
            self._waiting.pop(key, None)
        self._waiting[key] = publish
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
            log.warning("more than %d publications wait: the oldest is left out", MAX_WAITING)
        self._filled.set()

    async def take(self) -> Publish:
        """Waits for the next one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.pop(next(iter(self._waiting)))


class Publisher:
    """Lanes by channel; they outlive the connections that empty them."""

    def __init__(self) -> None:
        self._lanes = {channel: Lane(channel == "state") for channel in WORKERS}

    def put(self, publish: Publish) -> None:
        """Puts it in line."""
        self._lanes[publish.channel].put(publish)

    async def run(self, say: Say) -> None:
        """Says everything in line, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for channel, workers in WORKERS.items():
                for _ in range(workers):
                    group.create_task(self._empty(self._lanes[channel], say))

    async def _empty(self, lane: Lane, say: Say) -> None:
        while True:
            publish = await lane.take()
            try:
                await say(publish)
            except TimeoutError:
                log.info("a %s for %s came too late", publish.channel, publish.device)
