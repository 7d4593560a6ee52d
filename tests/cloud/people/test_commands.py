"""The commands about people: a key that is never shown, an invitation that is shown once."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloud.cli import cloud
from cloud.people import sign_in_keys
from kannuki.errors import InputError
from tests.cloud.support import TOWN, Town


def run(*args: str) -> str:
    done = CliRunner().invoke(cloud, list(args), standalone_mode=False, catch_exceptions=False)
    return done.output


def test_sign_in_key_is_private_made_once_and_renewed(tmp_path: Path) -> None:
    where = ("sign-in-key", "--keys-dir", str(tmp_path), "--json")
    first = json.loads(run(*where))
    path = Path(first["file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = sign_in_keys.read_file(path)
    assert secret.keys[0]["d"] not in json.dumps(first)
    with pytest.raises(InputError, match="already exists"):
        run(*where)
    second = json.loads(run(*where, "--renew"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kids = [row["kid"] for row in second["jwks"]["keys"]]
    assert kids[1] == first["jwks"]["keys"][0]["kid"] and len(set(kids)) == 2
    assert sign_in_keys.read_file(path).subject_key == secret.subject_key
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_first_manager_is_invited_at_the_terminal_and_it_is_noted(town: Town) -> None:
    database = str(town.service.database.engine.url.database)
    options = ("--database", database, "--keys-dir", str(town.folder / "keys"), "--town", TOWN)
    who = ("staff", "invite", "田中", "--role", "manager", "--console-url", "https://desk.example/")
    told = json.loads(run(*who, "--json", *options))
    link, _, secret = told["invite_link"].partition("#")
    assert link == "https://desk.example/invite" and len(secret) == 43
    (line,) = json.loads(run("staff", "list", "--json", *options))
    assert (line["name"], line["passkeys"]) == ("田中", 0)
    assert line["grants"] == [{"role": "manager", "facility_id": None}]
    noted = json.loads(run("actions", "--json", "--database", database))
    assert [row["action"] for row in noted["actions"]] == ["staff.invite"]
    assert noted["actions"][0]["staff_id"] == "terminal"
    assert secret not in json.dumps(noted)
    assert "田中" in run("staff", "list", *options)
