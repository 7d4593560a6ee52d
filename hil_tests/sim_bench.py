"""The simulated bench: a world, a computer with Bluetooth, one lock running the real firmware."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import TracebackType

from hil_tests.bench import Bench, BenchTown, system_clock
from kannuki.backoff import Backoff
from kannuki.supervisor import ChildSpec, Supervisor
from provisioning import image
from provisioning.enrol import enrol, new_lock_id
from provisioning.tree import device_tree
from simulator.chip_board import ImageBoard, chip_command
from simulator.radio.dbus import prepare_bus

_BUS = "DBUS_SYSTEM_BUS_ADDRESS"


class SimBench(Bench):
    """Use as an async context manager; `folder` keeps image, logs and capture."""

    def __init__(self, folder: Path) -> None:
        self.town = BenchTown()
        self._folder = folder
        self.supervisor = Supervisor("bench", folder, folder / "registry")
        self._bus = prepare_bus(folder)
        self.control_port = 0

    def now(self) -> int:
        return system_clock()

    async def __aenter__(self) -> SimBench:
        self._enrol()
        world = await self._start("world", "simulator.world", "--door", self.enrolment.lock_id)
        self.control_port = world["control_port"]
        await self.supervisor.start(ChildSpec(
            "bus", self._bus.argv, self._folder / "bus.log", ready=self._bus_is_there))
        self._outer_bus = os.environ.get(_BUS)
        os.environ[_BUS] = self._bus.address
        hci = f"127.0.0.1:{world['air_port']}"
        await self._start("bluetooth", "simulator.radio.bluez", "--hci", hci,
                          "--address", "F0:00:00:00:00:01")
        board = {"KANNUKI_BOARD": f"127.0.0.1:{world['board_port']}",
                 "KANNUKI_BOARD_NAME": self.enrolment.lock_id}
        await self.supervisor.start(ChildSpec(
            "lock", chip_command(self._image), self._folder / "lock.log", env=board,
            restart=Backoff()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.supervisor.stop()
        self._bus.clean_up()
        if self._outer_bus is None:
            os.environ.pop(_BUS, None)
        else:
            os.environ[_BUS] = self._outer_bus

    async def restart(self) -> None:
        process = self.supervisor.children["lock"].process
        assert process is not None
        process.kill()
        await process.wait()
        await asyncio.sleep(0)
        child = self.supervisor.children["lock"]
        while child.restarts == 0 or not child.is_ready.is_set():
            await asyncio.sleep(0.05)

    @property
    def _image(self) -> Path:
        return self._folder / "lock.img"

    def _enrol(self) -> None:
        image.create(self._image, device_tree())
        board = ImageBoard(self._image)
        self.enrolment = enrol(board, self.town.trust(), new_lock_id(), self.now())

    async def _bus_is_there(self) -> bool:
        return self._bus.socket.exists()

    async def _start(self, name: str, module: str, *arguments: str) -> dict[str, int]:
        argv = (sys.executable, "-m", module, *arguments)
        child = await self.supervisor.start(ChildSpec(name, argv, self._folder / f"{name}.log"))
        return child.info
