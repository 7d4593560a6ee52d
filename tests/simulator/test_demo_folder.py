"""Whose folder `--data` is: one demo's at a time, and the next one's after any end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kannuki import cli
from kannuki.errors import EXIT_USAGE
from simulator.cli import _folder
from simulator.demo.setup import Folder, clock_offset


def test_second_demo_in_the_same_folder_is_refused_and_the_first_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _folder(tmp_path):
        before = sorted(tmp_path.iterdir())
        assert cli.run(["demo", "--once", "--data", str(tmp_path)]) == EXIT_USAGE
        assert "another demo runs in" in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == before


def test_folder_is_free_again_after_a_demo(tmp_path: Path) -> None:
    for _ in range(2):
        with _folder(tmp_path) as root:
            assert root == tmp_path.resolve()


def test_folder_that_cannot_be_used_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert cli.run(["demo", "--once", "--data", str(tmp_path / "file" / "x")]) == EXIT_USAGE
    assert "name another --data" in capsys.readouterr().err


def test_town_begins_when_it_is_told_and_never_runs_back(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.locks.mkdir()
    assert clock_offset(folder, 5_000, 1_000) == 4_000
    image = folder.image("aaaaaaaa")
    image.touch()
    os.utime(image, (1_300, 1_300))  # the town's 5,300
    assert 1_400 + clock_offset(folder, 5_000, 1_400) == 5_301
    os.utime(image, (1_500, 1_500))  # now its 5,401
    assert 1_600 + clock_offset(folder, 9_000, 1_600) == 9_000
