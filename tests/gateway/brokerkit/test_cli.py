"""The commands as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway import broker_cli
from kannuki.cli import run
from kannuki.enrolment import GatewayFile, LockCredential, write_file


def kannuki(*args: object) -> int:
    return run(["gateway", *map(str, args)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "broker"


def gateway_file(path: Path, town: str = "misaki", gateway: str = "gw-1") -> Path:
    locks = [LockCredential(lock_id="lockaaaa", token=b"t", proof_key=b"p")]
    write_file(path, GatewayFile(town=town, gateway_id=gateway, locks=locks), secret=True)
    return path


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(capsys.readouterr().out))


def test_broker_config_takes_locks_from_gateway_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files").mkdir()
    gateway_file(tmp_path / "files" / "one.json")
    gateway_file(tmp_path / "files" / "two.json", gateway="gw-2")
    config = ["broker-config", "misaki", "--dir", folder, "--json"]
    assert kannuki(*config, "--gateway-file", tmp_path / "files") == 0
    done = told(capsys)
    assert done["action"] == "start" and done["type"] == [
        f"start it: mosquitto -c {folder}/mosquitto.conf"
    ]
    assert "kannuki/v1/misaki/lockaaaa/command" in (folder / "towns/misaki/acl").read_text()
    assert kannuki(*config) == 0
    assert told(capsys)["action"] == "nothing"


def test_a_gateway_file_of_another_town_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = gateway_file(tmp_path / "one.json", town="kanata")
    assert kannuki("broker-config", "misaki", "--dir", folder, "--gateway-file", foreign) == 2
    assert "kanata" in capsys.readouterr().err
    assert not folder.exists()


def test_the_life_of_a_gateways_certificate(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = gateway_file(tmp_path / "one.json")
    here = ["--dir", folder]
    assert kannuki("broker-config", "misaki", *here, "--gateway-file", own, "--no-keys") == 0
    assert "kannuki gateway broker request misaki gw-1" in capsys.readouterr().out
    assert kannuki("broker", "request", "misaki", "gw-1", "--out", tmp_path / "gw") == 0
    request = tmp_path / "gw" / "gw-1.csr"
    assert kannuki("broker", "issue", "misaki", "gw-1", "--request", request, *here) == 0
    assert kannuki("broker", "renew", "misaki", "gw-1", *here) == 0
    assert kannuki("broker", "revoke", "misaki", "gw-1", "--old", *here) == 0
    assert kannuki("broker", "revoke", "misaki", "gw-1", *here) == 0
    assert "restart it: " in capsys.readouterr().out
    assert kannuki("broker", "list", "misaki", *here, "--json") == 0
    rows = told(capsys)["certificates"]
    assert isinstance(rows, list)
    assert [row["state"] for row in rows if row["name"] == "gw-1"] == ["revoked", "revoked"]


@pytest.mark.parametrize(("has_systemd", "line"), [(True, "systemctl restart"), (False, "kill ")])
def test_the_line_to_type_is_one_that_works_here(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    has_systemd: bool,
    line: str,
) -> None:
    monkeypatch.setattr(broker_cli, "SYSTEMD", tmp_path if has_systemd else tmp_path / "none")
    assert kannuki("broker-config", "misaki", "--dir", folder) == 0
    assert kannuki("broker-config", "kanata", "--dir", folder) == 0
    assert f"restart it: {line}" in capsys.readouterr().out


def test_list_fails_when_something_ends_soon(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kannuki("broker-config", "misaki", "--dir", folder) == 0
    assert kannuki("broker", "issue", "misaki", "home", "--days", 20, "--dir", folder) == 0
    assert kannuki("broker", "list", "--check-days", 10, "--dir", folder) == 0
    assert kannuki("broker", "list", "--check-days", 30, "--dir", folder) == 1
    assert "misaki.home" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args",
    [
        ("broker", "renew", "misaki", "gw-9"),
        ("broker", "revoke", "misaki", "gw-9"),
        ("broker", "issue", "misaki", "cloud"),
        ("broker", "issue", "kanata", "gw-1"),
        ("broker", "list", "kanata"),
        ("broker-config", "misaki", "--host", "*"),
        ("broker-config", "misaki", "--bind", "nowhere"),
        ("broker-config", "mi/saki"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    assert kannuki("broker-config", "misaki", "--dir", folder) == 0
    assert kannuki(*args, "--dir", folder) == 2
    assert "  -> " in capsys.readouterr().err


def test_nothing_secret_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kannuki("broker-config", "misaki", "--dir", folder, "--json") == 0
    assert "BEGIN" not in "".join(capsys.readouterr())
