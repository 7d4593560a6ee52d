"""A stand with real programs around one lock: world, simulated computers, the firmware's process.

Decides how they are started, in which order, and how the lock loses power. Benches and scenarios
say what happens at the lock. Everything is a child of the supervisor that is handed in.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from kannuki.backoff import Backoff
from kannuki.enrolment import EnrolmentFile, TrustFile
from kannuki.supervisor import Child, ChildSpec, Supervisor
from provisioning import image
from provisioning.enrol import enrol
from provisioning.tree import device_tree
from simulator.chip_board import ImageBoard, chip_command
from simulator.radio.dbus import Bus, prepare_bus

BUS_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"
_POLL_S = 0.05


class LockStand:
    """One lock with its door; `folder` keeps image and logs; `extra` files change the image."""

    def __init__(
        self,
        supervisor: Supervisor,
        folder: Path,
        lock_id: str,
        extra: dict[str, bytes] | None = None,
    ) -> None:
        self._extra = extra or {}
        self.supervisor = supervisor
        self._folder = folder
        self._lock_id = lock_id
        self._ports: dict[str, int] = {}
        self._buses: list[Bus] = []

    def enrol(self, trust: TrustFile, enrolled_at: int) -> EnrolmentFile:
        """Make the lock's image and have it make its keys."""
        image.create(self.image, {**device_tree(), **self._extra})
        return enrol(ImageBoard(self.image), trust, self._lock_id, enrolled_at)

    async def start_world(self) -> None:
        """Air, board, door and clock."""
        child = await self.start_module("world", "simulator.world", "--door", self._lock_id)
        self._ports = child.info

    async def start_computer(self, name: str, address: str) -> dict[str, str]:
        """A computer with Bluetooth; the environment that makes a program use it."""
        bus = prepare_bus(self._folder / f"computer-{name}")
        self._buses.append(bus)

        async def is_there() -> bool:
            return bus.socket.exists()

        await self.supervisor.start(
            ChildSpec(f"bus-{name}", bus.argv, self.log(f"bus-{name}"), ready=is_there)
        )
        hci, here = f"127.0.0.1:{self._ports['air_port']}", {BUS_VARIABLE: bus.address}
        await self.start_module(
            f"bluetooth-{name}",
            "simulator.radio.bluez",
            "--hci",
            hci,
            "--address",
            address,
            env=here,
        )
        return here

    async def start_lock(self) -> None:
        """Give the lock power."""
        board = {
            "KANNUKI_BOARD": f"127.0.0.1:{self._ports['board_port']}",
            "KANNUKI_BOARD_NAME": self._lock_id,
        }
        await self.supervisor.start(
            ChildSpec(
                "lock", chip_command(self.image), self.log("lock"), env=board, restart=Backoff()
            )
        )

    async def start_module(
        self, name: str, module: str, *arguments: str, env: dict[str, str] | None = None
    ) -> Child:
        """A Python program that prints a ready line."""
        argv = (sys.executable, "-m", module, *arguments)
        return await self.supervisor.start(ChildSpec(name, argv, self.log(name), env=env or {}))

    async def cut_power(self) -> None:
        """Kill the lock as a power cut does; returns when it runs again."""
        child = self.supervisor.children["lock"]
        starts, process = child.restarts, child.process
        assert process is not None
        process.kill()
        await process.wait()
        while child.restarts == starts or not child.is_ready.is_set():
            await asyncio.sleep(_POLL_S)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request to the world's control interface (simulator/world/control.py)."""
        url = f"http://127.0.0.1:{self._ports['control_port']}{path}"
        async with aiohttp.request("POST", url, json=body, raise_for_status=True) as answer:
            return await answer.json()

    async def door(self) -> dict[str, Any]:
        """How door and keypad physically are (simulator/world/rig.py, `as_json`)."""
        url = f"http://127.0.0.1:{self._ports['control_port']}/state"
        async with aiohttp.request("GET", url, raise_for_status=True) as answer:
            door: dict[str, Any] = (await answer.json())["doors"][self._lock_id]
        return door

    async def hand(self, action: str, **body: float | str) -> list[str]:
        """A person does something at the door; what happened at once."""
        answer = await self.post(f"/doors/{self._lock_id}/{action}", body)
        return answer["happened"]

    def clean_up(self) -> None:
        """Remove what buses left outside the folder."""
        for bus in self._buses:
            bus.clean_up()

    def log(self, name: str) -> Path:
        """Where a child writes."""
        return self._folder / f"{name}.log"

    @property
    def image(self) -> Path:
        """The lock's flash."""
        return self._folder / "lock.img"


@contextmanager
def on_computer(environment: dict[str, str]) -> Iterator[None]:
    """This process uses a simulated computer's Bluetooth inside."""
    outer = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in outer.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
