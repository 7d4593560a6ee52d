"""The arrows between rooms, and that no room or dependency escapes the contracts."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHIP_ONLY = {"micropython", "machine", "bluetooth", "esp32", "esp", "network", "vfs", "flashbdev"}
CHIP_ONLY |= {"cryptolib"}


@pytest.fixture(scope="module")
def project(checkout: Path) -> dict[str, Any]:
    return tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield (node.module or "").partition(".")[0]


def test_every_arrow_is_allowed(checkout: Path) -> None:
    code = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_top_level_package_is_named_in_the_contracts(
    checkout: Path, project: dict[str, Any]
) -> None:
    packages = {path.parent.name for path in checkout.glob("*/__init__.py")}
    linter = project["tool"]["importlinter"]
    assert packages == set(linter["root_packages"])
    layers = next(each for each in linter["contracts"] if each["id"] == "rooms")["layers"]
    in_layers = {name.strip() for layer in layers for name in layer.split("|")}
    assert packages - in_layers == {"kannuki"}


def test_every_room_is_installed_and_tests_are_not(checkout: Path, project: dict[str, Any]) -> None:
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    installed = {pattern.rstrip("*") for pattern in patterns}
    packages = {path.parent.name for path in checkout.glob("*/__init__.py")}
    assert installed == packages - {"tests"}


@pytest.mark.parametrize("room", ["protocol", "firmware/core"])
def test_what_decides_at_the_door_needs_only_the_standard_library(
    checkout: Path, room: str
) -> None:
    allowed = sys.stdlib_module_names | {"protocol", "firmware", "micropython"}
    for path in (checkout / room).rglob("*.py"):
        assert set(imports_of(path)) <= allowed, path


def test_protocol_imports_nothing_of_the_house_but_itself(checkout: Path) -> None:
    for path in (checkout / "protocol").rglob("*.py"):
        assert "firmware" not in set(imports_of(path)), path


def test_firmware_needs_only_protocol_and_what_a_chip_has(checkout: Path) -> None:
    allowed = sys.stdlib_module_names | {"protocol", "firmware"} | CHIP_ONLY
    for path in (checkout / "firmware").rglob("*.py"):
        assert set(imports_of(path)) <= allowed, path


def test_a_forbidden_arrow_would_be_seen(checkout: Path, tmp_path: Path) -> None:
    """The contracts bite: the same rules over a house where the gateway imports the cloud."""
    for name in (
        "protocol",
        "firmware",
        "gateway",
        "provisioning",
        "cloud",
        "kannuki",
        "simulator",
        "hil_tests",
        "tests",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "gateway" / "sly.py").write_text("import cloud\n")
    (tmp_path / "gateway" / "machine.py").write_text("import asyncio\n")
    (tmp_path / "pyproject.toml").write_text((checkout / "pyproject.toml").read_text())
    code = (
        "import sys; sys.path.insert(0, '.'); "
        "from importlinter.cli import lint_imports_command as run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "gateway.sly -> cloud" in done.stdout
    assert "gateway.machine -> asyncio" in done.stdout
