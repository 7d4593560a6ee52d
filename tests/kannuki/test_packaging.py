"""The distribution: what is declared, locked and told of others' software."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

NAME = re.compile(r"[A-Za-z0-9._-]+")
NODE = Path("tests") / "browser" / "node"


@pytest.fixture(scope="module")
def project(checkout: Path) -> dict[str, Any]:
    return tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    found = (NAME.match(requirement) for requirement in requirements)
    return {match.group().lower() for match in found if match} - {"kannuki"}


def direct(project: dict[str, Any]) -> set[str]:
    extras = project["optional-dependencies"].values()
    return names(project["dependencies"]).union(*(names(extra) for extra in extras))


def told(text: str) -> list[list[str]]:
    """The rows of the tables in `text`, without their heads."""
    heads = ("| package", "| npm package", "| program")
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(heads)
    ]


def test_every_direct_dependency_is_told_with_its_licence_and_no_other(
    checkout: Path, project: dict[str, Any]
) -> None:
    text = (checkout / "THIRD_PARTY.md").read_text(encoding="utf-8")
    packages, _, programs = text.partition("## Programs of the system")
    packages, _, npm = packages.partition("## From npm")
    rows = told(packages)
    assert {row[0] for row in rows} == direct(project)
    assert all(all(row[-2:]) for row in rows)
    wanted = json.loads((checkout / NODE / "package.json").read_text(encoding="utf-8"))
    assert {row[0] for row in told(npm)} == set(wanted["dependencies"])
    assert all(all(row) for row in told(npm))
    listed = (checkout / "packaging" / "apt.txt").read_text(encoding="utf-8")
    for line in listed.splitlines():
        if line and not line.startswith("#"):
            assert f"| {line.split()[0]} |" in programs


def test_every_direct_dependency_is_locked_with_hashes(
    checkout: Path, project: dict[str, Any]
) -> None:
    lock = (checkout / "requirements" / "lock.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", lock)[1:]
    pinned = {entry.partition("==")[0].strip() for entry in entries}
    assert direct(project) <= pinned
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_names_no_index_and_no_path_of_a_machine(checkout: Path) -> None:
    lock = (checkout / "requirements" / "lock.txt").read_text(encoding="utf-8")
    assert "://" not in lock
    assert not re.search(r"^--|(?:^|\s)/\w", lock, re.MULTILINE)


def test_every_npm_package_is_locked_with_a_hash_and_without_an_address(checkout: Path) -> None:
    lock = json.loads((checkout / NODE / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    wanted = json.loads((checkout / NODE / "package.json").read_text(encoding="utf-8"))
    assert {f"node_modules/{name}" for name in wanted["dependencies"]} <= packages.keys()
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert not any("resolved" in each for each in packages.values())
    assert not any(each.get("hasInstallScript") for each in packages.values())


def test_a_gateway_is_installed_without_the_simulators_parts(project: dict[str, Any]) -> None:
    simulated = names(project["optional-dependencies"]["sim"])
    on_a_pi = names(project["dependencies"]) | names(project["optional-dependencies"]["gateway"])
    assert not simulated & on_a_pi
    assert not any("kannuki[" in each for each in project["optional-dependencies"]["gateway"])


def test_the_gpl_tool_is_never_required(project: dict[str, Any]) -> None:
    assert "esptool" not in direct(project)


def test_every_target_that_make_help_tells_of_exists(checkout: Path) -> None:
    makefile = (checkout / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    told = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert told == set(phony.group(1).split())
    assert {"setup", "demo", "check", "test", "soak", "lock"} <= told


def test_no_file_holds_the_marks_of_a_merge(checkout: Path) -> None:
    listed = subprocess.run(
        ["git", "grep", "-lIE", "^(<{7}|>{7})( |$)"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout == ""
