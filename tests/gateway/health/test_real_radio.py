"""`kannuki gateway check` as a program, with real bleak on a simulated computer's Bluetooth."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.fakelock import LOCK_A, LOCK_B
from tests.gateway.radio import BOUND_S
from tests.gateway.test_app import Building

pytestmark = pytest.mark.slow


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Building]:
    made = Building(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.town.stop()


async def check(building: Building, listen_s: float) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit code, and its findings by lock or name."""
    data_dir = building.folder / "data"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kannuki", "gateway", "check", "--json"),
        *("--gateway-file", str(building.gateway_file), "--data-dir", str(data_dir)),
        *("--broker", f"127.0.0.1:{building.port}", "--listen-s", str(listen_s)),
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": building.computer.bus_address},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(child.communicate(), 2 * BOUND_S)
    report = json.loads(said)
    assert child.returncode is not None
    return child.returncode, {each.get("lock", each["name"]): each for each in report["checks"]}


async def test_beside_a_running_gateway_it_hears_a_lock_misses_another_and_then_the_radio(
    building: Building,
) -> None:
    _, found = await check(building, BOUND_S)
    assert found["bluetooth"]["code"] == "BLUETOOTH_OK"
    assert found["gateway"]["code"] == "GATEWAY_RUNS"
    assert found["broker"]["code"] == "BROKER_OK"
    assert found[LOCK_A]["code"] in ("LOCK_HEARD", "LOCK_WEAK")
    assert "dBm" in found[LOCK_A]["text"]
    building.write_file([LOCK_A, LOCK_B])
    code, found = await check(building, 3.0)
    assert (code, found[LOCK_B]["code"]) == (1, "LOCK_NOT_HEARD")
    assert building.gateway.child.returncode is None

    building.computer.bluez.kill()
    await building.computer.bluez.wait()
    code, found = await check(building, 1.0)
    assert (code, found["bluetooth"]["code"]) == (3, "BLUETOOTH_NO_SERVICE")
    assert found[LOCK_A]["code"] == "LOCK_NOT_LOOKED_FOR"
