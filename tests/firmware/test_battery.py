"""What is left of a lock's battery, from the voltage at a pin to the state that a gateway reads."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.core.lock import VERSION
from gateway.machine import lockstate as read_state
from protocol import lockstate
from simulator.door import PIN_BATTERY, Door
from tests.firmware.standins import standins
from tests.firmware.town import Town

MILLIVOLTS_A_STEP = 3300 / 255  # of a simulated board


class Adc:
    """`machine.ADC` over what a simulated door's board gives."""

    ATTN_11DB = 3
    door = Door()

    def __init__(self, pin: int, *, atten: int) -> None:
        assert (pin, atten) == (PIN_BATTERY, self.ATTN_11DB)

    def read_uv(self) -> int:
        return int(self.door.inputs()[PIN_BATTERY] * MILLIVOLTS_A_STEP * 1000)


@pytest.fixture(scope="module")
def hal() -> Iterator[Any]:
    machine = SimpleNamespace(ADC=Adc, Pin=lambda number: number)
    with standins(machine=machine) as import_module:
        yield import_module("firmware.hal.battery")


@pytest.mark.parametrize(
    ("millivolts", "percent"),
    [(0, None), (499, None), (500, 0), (1400, 0), (1700, 50), (2000, 100), (2400, 100)],
)
def test_a_voltage_is_a_share_of_what_the_cells_hold(hal, millivolts, percent):
    assert hal.percent_of(millivolts) == percent


@pytest.mark.parametrize("percent", range(0, 101, 10))
def test_a_simulated_battery_reads_as_what_it_was_set_to(hal, percent):
    Adc.door.set_battery(percent)
    assert abs(hal.Battery().percent() - percent) <= 2
    Adc.door.set_battery(None)
    assert hal.Battery().percent() is None


def test_a_lock_on_mains_says_no_battery_and_one_with_cells_does():
    town = Town()
    told = read_state.read(town.lock.core.state())
    assert (told.battery, told.firmware, told.lost_records) == (None, VERSION, 0)
    town.lock.door.set_battery(61)
    told = read_state.read(town.lock.core.state())
    assert told.battery == 61
    assert told.published(5).battery == 61


def test_records_that_storage_refused_are_told(monkeypatch):
    town = Town()

    def full(name: str, data: bytes) -> None:
        raise OSError(28)

    monkeypatch.setattr(town.lock.storage, "append", full)
    town.lock.core.alarm(1, 0, None)
    assert read_state.read(town.lock.core.state()).lost_records == 1


@pytest.mark.parametrize(
    "member", [lockstate.STATE_LOST_RECORDS, lockstate.STATE_BATTERY, lockstate.STATE_FIRMWARE]
)
def test_a_lock_of_before_that_does_not_say_it_is_read_all_the_same(member):
    state = Town().lock.core.state()
    state.pop(member, None)
    assert read_state.read(state).head_seq >= 1


@pytest.mark.parametrize(
    ("member", "value"),
    [
        (lockstate.STATE_BATTERY, 101),
        (lockstate.STATE_BATTERY, -1),
        (lockstate.STATE_BATTERY, True),
        (lockstate.STATE_BATTERY, "full"),
        (lockstate.STATE_FIRMWARE, ""),
        (lockstate.STATE_FIRMWARE, "x" * (lockstate.MAX_FIRMWARE_CHARS + 1)),
        (lockstate.STATE_FIRMWARE, "1.0\n"),
        (lockstate.STATE_FIRMWARE, "<b>"),
        (lockstate.STATE_FIRMWARE, 7),
        (lockstate.STATE_LOST_RECORDS, None),
    ],
)
def test_nonsense_from_a_lock_is_no_state(member, value):
    state = Town().lock.core.state()
    state[member] = value
    with pytest.raises(read_state.StateError):
        read_state.read(state)


def test_the_firmware_says_the_version_that_it_is_released_under():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
