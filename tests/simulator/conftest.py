"""A whole simulated town for tests: world, computers (bus + bluez), chips. Real processes."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import littlefs
import pytest

from simulator.radio.dbus import prepare_bus

ROOT = Path(__file__).resolve().parents[2]
BOOT = ROOT / "simulator" / "chip" / "boot.py"
CHIPS = Path(__file__).parent / "chips"
BOUND_S = 20  # how long anything may take before a test fails
BLOCK_BYTES, BLOCKS = 4096, 64


def make_image(path: Path, files: dict[str, str]) -> Path:
    image = littlefs.LittleFS(block_size=BLOCK_BYTES, block_count=BLOCKS)
    for name, text in files.items():
        with image.open(name, "w") as file:
            file.write(text)
    path.write_bytes(bytes(image.context.buffer))
    return path


def micropython() -> str:
    beside = Path(sys.executable).parent / "micropython"
    return str(beside) if beside.exists() else shutil.which("micropython") or "micropython"


@dataclass
class Process:
    """A child; `first_line` is its JSON line when it prints one."""

    child: asyncio.subprocess.Process
    ready: dict = field(default_factory=dict)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.child.returncode is None:
            self.child.send_signal(number)

    async def wait(self) -> int:
        return await asyncio.wait_for(self.child.wait(), BOUND_S)


@dataclass
class Computer:
    """One simulated computer: `environment` makes bleak in a child use its Bluetooth."""

    bus: Process
    bluez: Process
    address: str
    bus_address: str


class SimulatedTown:
    """Starts and ends the processes of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world: Process
        self._all: list[Process] = []
        self._clean_ups: list = []
        self.streams: list[asyncio.StreamWriter] = []

    async def start(self, *argv: str, ready: bool = False, log: str = "log", **env: str) -> Process:
        with (self.folder / f"{log}.log").open("ab") as errors:
            child = await asyncio.create_subprocess_exec(
                *argv,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                stdout=subprocess.PIPE if ready else errors,
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )
        process = Process(child)
        self._all.append(process)
        if ready:
            line = await asyncio.wait_for(child.stdout.readline(), BOUND_S)
            process.ready = json.loads(line)
        return process

    async def start_world(self, *more: str) -> None:
        self.world = await self.start(
            sys.executable, "-m", "simulator.world", *more, ready=True, log="world"
        )

    async def start_computer(self, number: int = 1) -> Computer:
        bus = prepare_bus(self.folder / f"computer{number}")
        self._clean_ups.append(bus.clean_up)
        daemon = await self.start(*bus.argv, log="dbus")
        address = f"F0:00:00:00:00:{number:02X}"
        bluez = await self.start_bluez(bus.address, address)
        return Computer(daemon, bluez, address, bus.address)

    async def start_bluez(self, bus_address: str, address: str) -> Process:
        return await self.start(
            sys.executable,
            "-m",
            "simulator.radio.bluez",
            "--hci",
            f"127.0.0.1:{self.world.ready['air_port']}",
            "--address",
            address,
            ready=True,
            log="bluez",
            DBUS_SYSTEM_BUS_ADDRESS=bus_address,
        )

    async def start_chip(self, name: str = "lock-1", script: str = "echo.py") -> Process:
        image = self.folder / f"{name}.img"
        if not image.exists():
            make_image(image, {"/main.py": (CHIPS / script).read_text()})
        return await self.start(
            micropython(),
            "-X",
            "heapsize=200k",
            str(BOOT),
            str(image),
            log=name,
            KANNUKI_BOARD=f"127.0.0.1:{self.world.ready['board_port']}",
            KANNUKI_BOARD_NAME=name,
        )

    async def stop(self) -> None:
        for stream in self.streams:
            stream.close()
        for process in reversed(self._all):
            process.kill()
        for process in self._all:
            await process.wait()
        for clean_up in self._clean_ups:
            clean_up()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SimulatedTown]:
    simulated = SimulatedTown(tmp_path)
    try:
        await simulated.start_world("--btsnoop", str(tmp_path / "air.btsnoop"))
        yield simulated
    finally:
        await simulated.stop()
