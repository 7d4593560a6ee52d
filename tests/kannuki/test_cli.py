"""The command: help without rooms, settings in their order, failures that say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from kannuki import cli, commands
from kannuki.errors import ExpectationFailed, InputError, MissingPart


@click.group()
def nested() -> None:
    """A group inside a command."""


@nested.command()
@click.option("--depth", type=int, default=1)
def deep(depth: int) -> None:
    """A command inside a group."""
    click.echo(f"depth={depth}")


@click.command()
@click.option("--broker", default="default")
@click.option("--vault-key-file", default="none")
@click.option("--fail", default="")
def probe(broker: str, vault_key_file: str, fail: str) -> None:
    """A command of a room."""
    failures: dict[str, BaseException] = {
        "input": InputError("the file is broken", "correct line 3"),
        "expected": ExpectationFailed("one door stayed closed"),
        "missing": MissingPart("no broker", "sudo apt-get install -y mosquitto"),
        "interrupt": KeyboardInterrupt(),
        "bug": RuntimeError("key=0123456789abcdef0123456789abcdef is odd"),
    }
    if fail:
        raise failures[fail]
    click.echo(f"broker={broker} vault={vault_key_file}")


@pytest.fixture(autouse=True)
def rooms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two commands of ours, one of a room that is not there, and an empty folder to stand in."""
    room = types.ModuleType("fake_room")
    room.probe, room.nested = probe, nested  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_room", room)
    points = [
        EntryPoint("probe", "fake_room:probe", commands.GROUP),
        EntryPoint("nested", "fake_room:nested", commands.GROUP),
        EntryPoint("gateway", "module_of_no_wheel.cli:gateway", commands.GROUP),
    ]
    monkeypatch.setattr(commands, "find", lambda group: {point.name: point for point in points})
    monkeypatch.chdir(tmp_path)


def test_help_lists_every_command_without_importing_a_room(checkout: Path) -> None:
    code = (
        "import sys; from kannuki.cli import run; run(['--help']); "
        "rooms = {'simulator', 'gateway', 'cloud', 'provisioning', 'firmware', 'protocol'}; "
        "sys.exit(f'imported: {rooms & set(sys.modules)}' if rooms & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, known in commands.KNOWN.items():
        assert f"  {name} " in done.stdout
        assert known.help in done.stdout


def test_a_missing_extra_is_told_with_the_line_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["gateway"]) == 3
    told = capsys.readouterr().err
    assert "pip install 'kannuki[gateway]'" in told
    assert "Traceback" not in told


def test_a_missing_room_is_not_blamed_on_an_extra() -> None:
    point = EntryPoint("gateway", "gateway.cli:gateway", commands.GROUP)
    assert "kannuki[" not in commands.missing_extra(point, "gateway.cli").lines()


def test_an_unknown_command_is_a_usage_error_that_lists_the_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["open-sesame"]) == 2
    assert "probe" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error_with_the_help_to_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["probe", "--nonsense"]) == 2
    assert "see: kannuki probe --help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "environment", "toml", "wanted"),
    [
        (None, None, None, "default"),
        (None, None, "toml", "toml"),
        (None, "environment", "toml", "environment"),
        ("flag", "environment", "toml", "flag"),
    ],
)
def test_flag_wins_over_environment_over_toml_over_default(
    flag: str | None,
    environment: str | None,
    toml: str | None,
    wanted: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if toml:
        (tmp_path / "kannuki.toml").write_text(f'[probe]\nbroker = "{toml}"\n')
    if environment:
        os.environ["KANNUKI_PROBE_BROKER"] = environment
    assert cli.run(["probe", *(["--broker", flag] if flag else [])]) == 0
    assert f"broker={wanted} " in capsys.readouterr().out


def test_settings_are_written_with_dashes_like_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[probe]\nvault-key-file = "/run/vault"\n[nested.deep]\ndepth = 7\n')
    assert cli.run(["--config", str(other), "probe"]) == 0
    assert cli.run(["--config", str(other), "nested", "deep"]) == 0
    told = capsys.readouterr().out
    assert "vault=/run/vault" in told
    assert "depth=7" in told


def test_the_users_own_file_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    (tmp_path / "config" / "kannuki").mkdir(parents=True)
    (tmp_path / "config" / "kannuki" / "kannuki.toml").write_text('[probe]\nbroker = "mine"\n')
    assert cli.run(["probe"]) == 0
    assert "broker=mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[probe]\nborker = "x"\n', "did you mean 'broker'?"),
        ("[nested.deep]\ndept = 1\n", "did you mean 'depth'?"),
        ('log-levle = "debug"\n', "did you mean 'log_level'?"),
        ("[probe\n", "correct that line"),
    ],
)
def test_a_setting_that_nobody_knows_is_refused_by_name(
    text: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kannuki.toml").write_text(text)
    name = "nested" if "nested" in text else "probe"
    assert cli.run([name, *(["deep"] if name == "nested" else [])]) == 2
    assert hint in capsys.readouterr().err


def test_a_settings_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--config", "nowhere.toml", "probe"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("failure", "exit_code", "told"),
    [
        ("expected", 1, "kannuki: one door stayed closed\n"),
        ("input", 2, "kannuki: the file is broken\n  -> correct line 3\n"),
        ("missing", 3, "kannuki: no broker\n  -> sudo apt-get install -y mosquitto\n"),
    ],
)
def test_failures_read_as_a_message_and_a_remedy(
    failure: str, exit_code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["probe", "--fail", failure]) == exit_code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", told)


def test_an_interrupt_ends_with_130_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["probe", "--fail", "interrupt"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_ours_is_one_line_a_kept_story_and_no_secret(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    os.environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    assert cli.run(["probe", "--fail", "bug"]) == 1
    told = capsys.readouterr().err
    (story,) = (tmp_path / "state" / "kannuki").iterdir()
    assert "Traceback" not in told
    assert str(story) in told
    assert "Traceback" in story.read_text()
    assert "0123456789abcdef" not in told + story.read_text()


def test_a_fault_of_ours_is_told_in_full_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--log-level", "debug", "probe", "--fail", "bug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_benches_are_found_by_entry_point_and_print_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kannuki import bench

    room = types.ModuleType("fake_bench")
    room.wire = lambda full: {"encode_us": 12.5, "deep": full}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_bench", room)
    points = {
        "bench": EntryPoint("bench", "kannuki.bench:bench", commands.GROUP),
        "wire": EntryPoint("wire", "fake_bench:wire", bench.GROUP),
    }
    monkeypatch.setattr(
        commands, "find", lambda group: {n: p for n, p in points.items() if p.group == group}
    )
    assert cli.run(["bench", "--list"]) == 0
    assert capsys.readouterr().out == "wire\n"
    assert cli.run(["bench", "wire", "--full", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["encode_us"], figures["deep"], figures["bench"]) == (12.5, True, "wire")
    assert cli.run(["bench", "no-such"]) == 2
    assert "kannuki bench --list" in capsys.readouterr().err


def test_the_installed_entry_points_are_those_of_the_known_commands(checkout: Path) -> None:
    code = "from kannuki import commands; print(*sorted(commands.find(commands.GROUP)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == sorted(commands.KNOWN)
