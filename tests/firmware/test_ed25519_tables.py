"""Tables kept in flash: never trusted, never needed, and no fault of the flash stops the lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from firmware.core import ed25519
from firmware.core import ed25519_curve as curve
from firmware.hal.tables import MAX_FILES, FlashTables
from provisioning import image
from provisioning.tree import device_tree
from simulator.chip_board import ImageBoard

KEYS = [SigningKey(bytes([i]) * 32) for i in range(MAX_FILES + 3)]


@pytest.fixture(autouse=True)
def _boot_again() -> Iterator[None]:
    yield
    ed25519.boot()


def verifies(key: SigningKey) -> bool:
    return ed25519.verify(bytes(key.verify_key), b"open", key.sign(b"open").signature)


def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each table built."""
    built: list[int] = []
    build = curve.build_table
    monkeypatch.setattr(
        curve, "build_table", lambda table, x, y: (built.append(x), build(table, x, y))
    )
    return built


def test_a_table_is_built_once_and_read_at_every_later_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, port = builds(monkeypatch), FlashTables(str(tmp_path / "tables"))
    for _ in range(3):
        ed25519.boot(port)
        assert verifies(KEYS[0])
    assert len(built) == 2  # the base point's and the key's


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "grow", "swap", "folder"])
def test_a_damaged_file_is_built_again_and_the_verdict_is_right(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "tables"
    port = FlashTables(str(folder))
    ed25519.boot(port)
    assert verifies(KEYS[0]) and verifies(KEYS[1])
    first, second = sorted(path for path in folder.iterdir() if path.name != "base")
    for path in [first, folder / "base"]:
        whole = path.read_bytes()
        if harm == "truncate":
            path.write_bytes(whole[: len(whole) // 2])
        elif harm == "flip":
            path.write_bytes(whole[:700] + bytes([whole[700] ^ 4]) + whole[701:])
        elif harm == "empty":
            path.write_bytes(b"")
        elif harm == "grow":
            path.write_bytes(whole[:-1] + b"\0" + whole)
        elif harm == "swap":
            path.write_bytes(second.read_bytes())
        else:
            path.unlink()
            path.mkdir()
    ed25519.boot(port)
    for key in KEYS[:2]:
        assert verifies(key)
        assert not ed25519.verify(bytes(key.verify_key), b"shut", key.sign(b"open").signature)


def test_flash_that_takes_nothing_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "tables").write_bytes(b"a file where the folder should be")
    ed25519.boot(FlashTables(str(tmp_path / "tables")))
    assert verifies(KEYS[0])


def test_many_keys_do_not_fill_the_flash(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    ed25519.boot(FlashTables(str(folder)))
    for key in KEYS:
        assert verifies(key)
        assert len(list(folder.iterdir())) <= MAX_FILES


@pytest.mark.slow
def test_a_simulated_chip_keeps_its_tables_and_reads_them_after_a_boot(tmp_path: Path) -> None:
    flash = tmp_path / "lock.img"
    image.create(flash, device_tree())
    source = """
import json, os
from firmware.core import ed25519, ed25519_curve
from firmware.hal.tables import FlashTables
built, build = [], ed25519_curve.build_table
def counted(table, x, y):
    built.append(x)
    build(table, x, y)
ed25519_curve.build_table = counted
if "data" not in os.listdir("/"):
    os.mkdir("/data")
name = ed25519.boot(FlashTables("/data/tables"))
print(json.dumps([name, len(built), os.listdir("/data/tables")]))
"""
    answers = [json.loads(ImageBoard(flash).run(source).splitlines()[-1]) for _ in range(2)]
    assert answers == [["machine words", 1, ["base"]], ["machine words", 0, ["base"]]]
