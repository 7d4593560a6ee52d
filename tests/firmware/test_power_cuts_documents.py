"""The power goes at every programme and erase while status lists and documents come, on LittleFS.

The life and the checks are in chips/status_run.py and run inside MicroPython: whole lists in parts,
deltas, uploads given up, keysets and configurations, restarts. After any cut the lock boots, has a
complete list and complete documents, none older than acknowledged, and takes the next ones. A
failure names the operation. The second script takes 2,000 entries in the heap of a chip.
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
CHIPS = ROOT / "tests" / "firmware" / "chips"
STEPS, LONG_STEPS = 12, 40
SEED, LONG_SEEDS = 1, range(10, 13)
CHIP_HEAP = "160k"  # about 80 kB on a chip; the modules are compiled in it, too


def on_chip(script: str, *arguments: object, heap: str = "32m") -> dict[str, Any]:
    """What a script of chips/ printed."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}:{ROOT}/simulator/chip:.frozen"}
    command = [micropython(), "-X", f"heapsize={heap}", str(CHIPS / script), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def assert_survived(found: dict[str, Any]) -> None:
    """There were cuts, and nothing was lost at any."""
    assert found["cuts"] > 80
    assert found["failures"] == 0, found["first"]


@pytest.mark.slow
def test_whatever_a_cut_leaves_boots_with_the_old_or_the_new_list_whole() -> None:
    found = on_chip("status_run.py", "images", SEED, STEPS)
    assert_survived(found)
    assert found["cuts"] == 4 * found["operations"] + 1
    assert min(found["versions"].values()) > 2, "the files never took turns"


@pytest.mark.slow
def test_a_cut_while_the_list_after_a_cut_comes_loses_nothing_either() -> None:
    assert_survived(on_chip("status_run.py", "twice", SEED, STEPS))


@pytest.mark.slow
def test_one_failed_operation_costs_one_answer_and_no_list() -> None:
    assert_survived(on_chip("status_run.py", "glitches", SEED, STEPS))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["deletes_first", "trusts_heads"])
def test_a_store_with_a_classic_mistake_is_found_out(mistake: str) -> None:
    assert on_chip("status_run.py", mistake, SEED, STEPS)["failures"] > 0


@pytest.mark.slow
def test_what_2000_entries_cost_the_flash() -> None:
    """Whole or by a delta of ten: an erase for each append of 512 bytes, and two or three more."""
    found = on_chip("status_run.py", "cost", SEED, 2000)
    assert max(found["erases"]) <= 36
    assert max(found["programmed_bytes"]) < 80_000


@pytest.mark.slow
def test_2000_entries_whole_and_by_delta_fit_the_heap_of_a_chip(tmp_path: Path) -> None:
    found = on_chip("status_heap.py", tmp_path / "flash.bin", heap=CHIP_HEAP)
    assert found["entries"] == 2000
    assert min(found["file_bytes"]) > 1990 * 8
    assert found["held_bytes"] < 2048
    assert found["upload_bytes"] < 6144
    assert found["lookup_reads"]["storage"] == 11
    assert found["lookup_reads"]["flash"] <= 200


@pytest.mark.soak
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("seed", LONG_SEEDS)
@pytest.mark.parametrize("mode", ["images", "twice", "glitches"])
def test_long_lives_of_lists_survive_every_cut(mode: str, seed: int) -> None:
    assert_survived(on_chip("status_run.py", mode, seed, LONG_STEPS))
