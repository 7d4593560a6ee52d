"""The simulated bench: a world, a computer with Bluetooth, one lock running the real firmware."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from hil_tests import full_lock
from hil_tests.bench import Bench, system_clock, until
from kannuki.supervisor import Supervisor
from provisioning.enrol import new_lock_id
from simulator.keypad import PAUSE_MS
from simulator.lock_stand import LockStand, on_computer
from simulator.town_keys import TownKeys

PHONE_ADDRESS = "F0:00:00:00:00:01"


class SimBench(Bench):
    """Use as an async context manager; `folder` keeps image, logs and capture.

    `extra` files ({path on the lock: content}) are put over the device tree; `is_full`: the lock
    has a full journal and a full status list (full_lock.py).
    """

    def __init__(
        self, folder: Path, extra: dict[str, bytes] | None = None, is_full: bool = False
    ) -> None:
        self._extra = extra
        self._is_full = is_full
        self.town = TownKeys()
        self._folder = folder
        self.supervisor = Supervisor("bench", folder, folder / "registry")
        self._life = AsyncExitStack()

    def now(self) -> int:
        return system_clock()

    async def __aenter__(self) -> SimBench:
        async with AsyncExitStack() as life:
            self._stand = LockStand(self.supervisor, self._folder, new_lock_id(), self._extra)
            life.callback(self._stand.clean_up)
            await life.enter_async_context(self.supervisor)
            self.enrolment = self._stand.enrol(self.town.trust(), self.now())
            if self._is_full:
                full_lock.fill(self._stand.image, self.town, self.now())
            await self._stand.start_world()
            phone = await self._stand.start_computer("phone", PHONE_ADDRESS)
            await self._stand.start_lock()
            life.enter_context(on_computer(phone))
            await self.tell_time()
            self._life = life.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._life.aclose()

    def life(self) -> object:
        return self.supervisor.children["lock"].pid

    def lock_log(self) -> str:
        """Everything that the lock has printed."""
        return self._stand.log("lock").read_text(encoding="utf-8")

    async def restart(self) -> None:
        await self._stand.cut_power()

    async def lose_clock(self) -> None:
        await self._stand.post(f"/boards/{self.enrolment.lock_id}/rtc", {"lost": True})
        await self._stand.cut_power()

    async def press_keys(self, keys: str, at_once: bool = False) -> None:
        await self._stand.hand("keys", keys=keys, pause_ms=0 if at_once else PAUSE_MS)

        async def pressed() -> bool:
            return (await self._stand.door())["keypad"]["typing"] == 0

        await until(pressed, "all keys are pressed")

    async def keypad(self) -> tuple[int, str]:
        keypad = (await self._stand.door())["keypad"]
        return keypad["answered"], keypad["shown"]
