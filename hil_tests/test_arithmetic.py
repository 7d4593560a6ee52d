"""What a lock does whose signature arithmetic is sound, and what one does whose is not.

Only on the simulated bench: the second lock's arithmetic is spoilt in its image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hil_tests.sim_bench import SimBench

pytestmark = pytest.mark.slow

NO_ARITHMETIC = b"""\
from firmware.core import ed25519

ed25519.candidates = lambda: []

from firmware.app import main

main()
"""


def ready_line(bench: SimBench) -> dict[str, Any]:
    lines = [line for line in bench.lock_log().splitlines() if '"ready"' in line]
    found: dict[str, Any] = json.loads(lines[-1])
    return found


async def test_a_lock_says_which_arithmetic_it_found_sound(tmp_path: Path) -> None:
    async with SimBench(tmp_path) as bench:
        assert ready_line(bench)["ed25519"] == "machine words"
        assert (await bench.present(bench.credential(-60, 600))).code == "OPENED"


async def test_a_lock_without_sound_arithmetic_starts_and_verifies_nothing(tmp_path: Path) -> None:
    async with SimBench(tmp_path, {"/main.py": NO_ARITHMETIC}) as bench:
        assert "known answers" in ready_line(bench)["ed25519"]
        result = await bench.present(bench.credential(-60, 600))
        assert (result.code, result.authentic) == ("BAD_SIGNATURE", True)
