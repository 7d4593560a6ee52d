"""Each program hidden in turn: the demo says the one line to type, and starts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kannuki.parts import SEARCH_VARIABLE, find_program
from tests.system.processes import running

REMEDIES = {
    "mosquitto": "sudo apt-get install -y mosquitto",
    "dbus-daemon": "sudo apt-get install -y dbus-daemon",
    "micropython": "pip install 'kannuki[sim]'",
}


def all_but(hidden: str, folder: Path) -> Path:
    """A folder with every program that the demo needs, less one."""
    folder.mkdir()
    for name in REMEDIES.keys() - {hidden}:
        program = find_program(name)
        assert program is not None, f"{name} is missing on this machine"
        (folder / name).symlink_to(program)
    return folder


@pytest.mark.parametrize("hidden", REMEDIES)
def test_the_demo_without_a_program_says_the_line_to_type(hidden: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    programs = {SEARCH_VARIABLE: str(all_but(hidden, tmp_path / "bin"))}
    with running(tmp_path, "demo", "--once", "--json", "--data", str(data), env=programs) as run:
        assert run.wait() == 3, run.err
        assert run.processes() == set()
    assert f"'{hidden}' is missing" in run.err
    assert run.err.rstrip().splitlines()[-1] == f"  -> {REMEDIES[hidden]}"
    assert run.out == ""
    assert not data.exists()
