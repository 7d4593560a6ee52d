"""The file that is run on a bare MicroPython to count what signatures cost there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from provisioning.tree import REPOSITORY
from simulator.chip_board import HEAP_BYTES, micropython

SIGNATURES = {
    "boot_and_known_answers",
    "table_build",
    "cold_verify_with_table_build",
    "cold_verify",
    "sha512_of_160_bytes",
    "public_key",
    "sign_160_bytes",
    "cold_verify_160_bytes",
}
OPENINGS = {"cold_opening", "warm_opening", "pin_check"}


def counts(folder: Path) -> dict[str, int]:
    program = [micropython(), "-X", f"heapsize={HEAP_BYTES}", "firmware/tools/count_ed25519.py"]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    return {name: int(number) for name, number in lines if number.isdigit()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packages", "names"),
    [(("firmware",), SIGNATURES), (("firmware", "protocol"), SIGNATURES | OPENINGS)],
)
def test_every_cost_is_printed_on_one_line_without_host_modules(
    tmp_path: Path, packages: tuple[str, ...], names: set[str]
) -> None:
    for package in packages:
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    found = counts(tmp_path)
    assert set(found) == names
    assert all(number > 0 for number in found.values())
