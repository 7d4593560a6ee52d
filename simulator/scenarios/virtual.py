"""The virtual depth: everything in this process, in virtual time. Takes well under a second.

Decides nothing of the scenario. No coroutine in here waits for anything real, so a scenario at this
depth runs without a loop (simulator.virtual.phone.run_now).
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

from gateway.machine import Settings
from protocol import token as tokens
from simulator.phone.opening import Surroundings
from simulator.scenarios.depth import GATEWAY, WALK_MS, Depth, DepthError
from simulator.virtual.phone import VirtualLink, VirtualRadioError
from simulator.virtual.town import VirtualTown

POWERLESS_MS = 500
_DAY_S = 86400


class VirtualDepth(Depth):
    """One lock, one gateway; `seed` makes nonces and keys of the lock repeatable."""

    name = "virtual"

    def __init__(self, lock_id: str, unix_s: int, seed: int = 0) -> None:
        super().__init__()
        self._lock_id = lock_id
        self._folder = tempfile.TemporaryDirectory(prefix="kannuki-virtual-")
        randbytes = random.Random(seed).randbytes
        self.town = VirtualTown(self.keys.trust(), unix_s, Path(self._folder.name), randbytes)
        self.around = Surroundings(lambda: self.town.time.ms / 1000, self._sleep, randbytes)

    async def __aenter__(self) -> VirtualDepth:
        town, lock_id, now = self.town, self._lock_id, self.town.wall_unix_s()
        self.lock = town.hang_lock(lock_id)
        self._trust(town.enrolment(lock_id), lambda *said: cloud.publish(*said))
        keeper = self.keys.credential(self.enrolment, now - _DAY_S, now + _DAY_S, tokens.MAINTAIN)
        cloud = town.broker.join(self.home.wants, self.home.hear)
        town.start_gateway(GATEWAY, {lock_id: keeper}, Settings(sync_interval_s=1.0))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.town.close()
        self._folder.cleanup()

    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        return self.town.time.until(condition, int(within_s * 1000))

    @asynccontextmanager
    async def near(self) -> AsyncIterator[VirtualLink]:
        try:
            async with self.town.link(self._lock_id) as link:
                yield link
        except VirtualRadioError as error:
            raise DepthError(f"the phone's radio: {error}") from error

    def wall_s(self) -> float:
        return self.town.wall_s()

    async def walk_through(self) -> None:
        happened = self.lock.door.push_open(WALK_MS)
        self.lock.happened += happened
        if happened != ["opened"]:
            raise DepthError("the door did not give way")

    async def press_exit(self) -> None:
        self.lock.press_exit()

    async def cut_power(self) -> None:
        self.town.cut_power(self._lock_id, POWERLESS_MS)

    async def _sleep(self, seconds: float) -> None:
        self.town.time.advance(int(seconds * 1000))
