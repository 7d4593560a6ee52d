"""The power goes at every programme and erase operation of a lock's life, on the real LittleFS.

The life and the checks are in chips/cut_story.py and run inside MicroPython: enrolment, boots,
openings, refusals, status lists, full segments and dropped ones. A failure names the operation.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.chip_board import micropython

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / "tests" / "firmware" / "chips" / "cut_run.py"
STEPS, LONG_STEPS = 14, 60
SEED, LONG_SEEDS = 1, range(10, 13)


def cut(mode: str, seed: int, steps: int) -> dict[str, Any]:
    """What one run of chips/cut_run.py printed."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}:{ROOT}/simulator/chip:.frozen"}
    command = [micropython(), "-X", "heapsize=32m", str(RUN), mode, str(seed), str(steps)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_survived(found: dict[str, Any]) -> None:
    """There were cuts, and nothing was lost at any."""
    assert found["cuts"] > 100
    assert found["failures"] == 0, found["first"]


@pytest.mark.slow
def test_whatever_a_cut_leaves_boots_with_everything_acknowledged() -> None:
    found = cut("images", SEED, STEPS)
    assert_survived(found)
    assert found["cuts"] == 4 * found["operations"] + 1
    assert found["records"] > 3 * 4, "the journal never had to drop a segment"


@pytest.mark.slow
def test_a_cut_during_the_boot_after_a_cut_loses_nothing_either() -> None:
    assert_survived(cut("twice", SEED, STEPS))


@pytest.mark.slow
def test_a_lock_whose_flash_dies_under_it_opens_nothing_it_cannot_record() -> None:
    assert_survived(cut("lives", SEED, STEPS))


@pytest.mark.slow
def test_one_failed_operation_costs_one_answer_and_no_record() -> None:
    assert_survived(cut("glitches", SEED, STEPS))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["deletes_first", "acknowledges_early"])
def test_a_storage_with_a_classic_mistake_is_found_out(mistake: str) -> None:
    assert cut(mistake, SEED, STEPS)["failures"] > 0


@pytest.mark.soak
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("seed", LONG_SEEDS)
@pytest.mark.parametrize("mode", ["images", "twice", "lives", "glitches"])
def test_long_lives_survive_every_cut(mode: str, seed: int) -> None:
    assert_survived(cut(mode, seed, LONG_STEPS))
