"""Runs the scenario at a depth. The only place that knows both depths."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from simulator.scenarios.depth import Depth
from simulator.scenarios.story import LOCK_ID, T0, Story, Told

DEPTHS = ("virtual", "real")


def run(depth: str) -> Told:
    """What came of the scenario. Raises DepthError, and MissingPart when real parts are missing."""
    return run_virtual() if depth == "virtual" else run_real()


def run_virtual(seed: int = 0) -> Told:
    """In this process, without a loop and without waiting."""
    from simulator.scenarios.virtual import VirtualDepth
    from simulator.virtual.phone import run_now

    return run_now(_tell(VirtualDepth(LOCK_ID, T0, seed)))


def run_real() -> Told:
    """With child processes in a folder that goes afterwards."""
    from kannuki.parts import require_program, require_simulator_platform
    from simulator.scenarios.real import RealDepth

    require_simulator_platform()
    for program in ("mosquitto", "dbus-daemon", "micropython"):
        require_program(program)
    with tempfile.TemporaryDirectory(prefix="kannuki-scenario-") as folder:
        return asyncio.run(_tell(RealDepth(LOCK_ID, T0, Path(folder))))


async def _tell(depth: Depth) -> Told:
    async with depth:
        return await Story(depth).tell()
