"""A simulated computer with Bluetooth and one MicroPython peripheral that echoes messages."""

from __future__ import annotations

from pathlib import Path

import littlefs

from tests.simulator.conftest import (
    BLOCK_BYTES,
    BLOCKS,
    BOUND_S,
    ROOT,
    Computer,
    Process,
    SimulatedTown,
)

__all__ = ["BOUND_S", "Computer", "Process", "SimulatedTown", "start_echo_lock"]

SCRIPT = Path(__file__).parent / "chips" / "echo_lock.py"


async def start_echo_lock(town: SimulatedTown) -> Process:
    """The peripheral of chips/echo_lock.py as lock aaaaaaaa."""
    image = town.folder / "echo.img"
    if not image.exists():
        image.write_bytes(_image())
    return await town.start_chip("echo")


def _image() -> bytes:
    files = littlefs.LittleFS(block_size=BLOCK_BYTES, block_count=BLOCKS)
    files.makedirs("/lib/protocol")
    sources = {f"/lib/protocol/{path.name}": path for path in ROOT.glob("protocol/*.py")}
    for target, source in {"/main.py": SCRIPT, **sources}.items():
        with files.open(target, "w") as file:
            file.write(source.read_text())
    return bytes(files.context.buffer)
