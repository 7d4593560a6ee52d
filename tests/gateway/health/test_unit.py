"""The systemd units say what the program understands, and keep it from what it does not need."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.cli import gateway
from gateway.health.findings import CODES, Level
from kannuki import cli, config
from kannuki.settings import is_open_to_others, read_secret_file

CREDENTIALS = {"gateway.json", "ca.crt", "gateway.crt", "gateway.key"}


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Sections of keys; a key may stand more than once (systemd.syntax(7))."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith(("#", ";")):
            key, equals, value = line.partition("=")
            assert equals and key == key.strip(), line
            section.setdefault(key, []).append(value)
    return sections


@pytest.fixture
def folder(checkout: Path) -> Path:
    return checkout / "packaging" / "systemd"


@pytest.fixture
def service(folder: Path) -> dict[str, list[str]]:
    return read_unit(folder / "kannuki-gateway.service")["Service"]


def one(section: dict[str, list[str]], key: str) -> str:
    (value,) = section[key]
    return value


def test_the_manager_waits_for_ready_watches_and_never_gives_up(
    folder: Path, service: dict[str, list[str]]
) -> None:
    assert one(service, "Type") == "notify"
    assert one(service, "NotifyAccess") == "main"
    assert float(one(service, "WatchdogSec")) >= 30
    assert one(service, "Restart") == "always"
    assert one(service, "RestartSec") and one(service, "RestartMaxDelaySec")
    unit = read_unit(folder / "kannuki-gateway.service")["Unit"]
    assert one(unit, "StartLimitIntervalSec") == "0"
    assert "network-online.target" not in str(unit), "a building without a line is served too"


def test_a_stop_is_given_more_time_than_a_goodbye_takes(service: dict[str, list[str]]) -> None:
    from gateway import app

    assert float(one(service, "TimeoutStopSec")) > app.STOP_WITHIN_S + app.FAREWELL_WITHIN_S


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("PrivateUsers", "yes"),
        ("CapabilityBoundingSet", ""),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("RestrictNamespaces", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallArchitectures", "native"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("ProtectProc", "invisible"),
    ],
)
def test_it_may_do_no_more_than_it_needs(
    service: dict[str, list[str]], key: str, value: str
) -> None:
    assert one(service, key) == value


def test_system_calls_are_those_of_a_service_and_asking_for_the_time(
    service: dict[str, list[str]],
) -> None:
    allowed = [line for line in service["SystemCallFilter"] if not line.startswith("~")]
    assert allowed == ["@system-service", "adjtimex clock_adjtime"]
    (refused,) = (line for line in service["SystemCallFilter"] if line.startswith("~"))
    assert {"@privileged", "@mount", "@debug"} <= set(refused.removeprefix("~").split())


def test_secrets_come_as_credentials_and_are_no_options(service: dict[str, list[str]]) -> None:
    loaded = dict(line.split(":") for line in service["LoadCredential"])
    assert loaded.keys() == CREDENTIALS
    told = "\n".join([*service["Environment"], *service["ExecStart"]])
    assert set(re.findall(r"%d/(\S+)", told)) == CREDENTIALS


def test_the_command_line_and_its_environment_are_ones_the_program_takes(
    service: dict[str, list[str]], tmp_path: Path
) -> None:
    program, *arguments = one(service, "ExecStart").split()
    assert Path(program).name == "kannuki"
    assert arguments[-2:] == ["gateway", "run"]
    run = gateway.commands["run"]
    known = {f"KANNUKI_GATEWAY_RUN_{(option.name or '').upper()}" for option in run.params}
    known |= {str(option.envvar) for option in run.params if isinstance(option, click.Option)}
    told = dict(line.split("=", 1) for line in service["Environment"])
    assert {name for name in told if name.startswith("KANNUKI")} <= known
    required = {option.name for option in run.params if option.required}
    assert required == {"gateway_file"} and "KANNUKI_GATEWAY_RUN_GATEWAY_FILE" in told


def test_the_environment_reaches_the_program(tmp_path: Path) -> None:
    missing = tmp_path / "gateway.json"
    environ = {"KANNUKI_GATEWAY_RUN_GATEWAY_FILE": str(missing), "KANNUKI_CONFIG": ""}
    said = CliRunner().invoke(cli.cli, ["gateway", "run"], env=environ)
    assert str(missing) in str(said.exception)


def test_the_example_of_settings_is_understood(folder: Path) -> None:
    settings = config.read_file(folder / "gateway.toml")
    config.check_keys(gateway, settings["gateway"], "gateway")
    checked = settings["gateway"]["check"]
    assert checked["data_dir"] == "/var/lib/kannuki-gateway"


def test_new_papers_restart_the_gateway(folder: Path, service: dict[str, list[str]]) -> None:
    path = read_unit(folder / "kannuki-gateway-papers.path")["Path"]
    sources = {line.split(":")[1] for line in service["LoadCredential"]}
    assert set(path["PathChanged"]) == sources
    started = read_unit(folder / one(path, "Unit"))["Service"]
    assert "try-restart kannuki-gateway.service" in one(started, "ExecStart")


def test_a_credential_whose_acl_shows_as_0440_is_the_services_own_and_no_other_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (credentials := tmp_path / "credentials").mkdir()
    for path in (credentials / "key", tmp_path / "key"):
        path.write_bytes(b"secret")
        path.chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert not is_open_to_others(credentials / "key", 0o100440, environ)
    assert is_open_to_others(credentials / "key", 0o100444, environ)
    assert is_open_to_others(credentials / "key", 0o100460, environ)
    assert is_open_to_others(tmp_path / "key", 0o100440, environ)
    assert is_open_to_others(credentials / "key", 0o100440, {})
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(credentials))
    assert read_secret_file(credentials / "key") == b"secret"


def test_the_guide_explains_every_line_that_is_not_green_and_no_other(checkout: Path) -> None:
    text = (checkout / "docs" / "howto" / "install-a-gateway.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    told = {code for row in rows for code in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}
    assert told == {code for code, level in CODES.items() if level is not Level.OK}


def test_the_guide_names_metrics_that_exist(checkout: Path) -> None:
    text = (checkout / "docs" / "howto" / "install-a-gateway.md").read_text(encoding="utf-8")
    named = set(re.findall(r"kannuki_gateway_\w+", text))
    source = (checkout / "gateway" / "health" / "metrics.py").read_text(encoding="utf-8")
    assert len(named) > 5
    for name in named:
        plain = name.removeprefix("kannuki_gateway_").removeprefix("lock_")
        assert f'"{plain}"' in source or f"_{plain}" in source, name
