"""Folders and secret files."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from kannuki import settings
from kannuki.errors import InputError


def secret_file(folder: Path, content: bytes = b"0123456789abcdef", mode: int = 0o600) -> Path:
    path = folder / "vault.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_only_its_owner_can_read_is_read(tmp_path: Path) -> None:
    assert settings.read_secret_file(secret_file(tmp_path)) == b"0123456789abcdef"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602])
def test_a_secret_that_others_can_touch_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode=mode)
    with pytest.raises(InputError) as refused:
        settings.read_secret_file(path)
    assert refused.value.remedy == f"chmod 600 {path}"
    assert "0123456789" not in refused.value.lines()


@pytest.mark.parametrize("content", [b"", b"x" * 4097])
def test_an_empty_or_huge_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        settings.read_secret_file(secret_file(tmp_path, content))


def test_a_secret_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        settings.read_secret_file(tmp_path / "none")
    with pytest.raises(InputError, match="directory"):
        settings.read_secret_file(tmp_path)


def test_a_written_secret_is_private_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "issuer.key"
    settings.write_secret_file(path, b"first")
    with pytest.raises(InputError, match="already exists"):
        settings.write_secret_file(path, b"second")
    assert settings.read_secret_file(path) == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folders_follow_xdg_and_do_without_a_home(tmp_path: Path) -> None:
    assert settings.data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/kannuki")
    assert settings.data_dir({"HOME": "/home/hana"}) == Path("/home/hana/.local/share/kannuki")
    assert settings.state_dir({"XDG_STATE_HOME": "relative", "HOME": "/h"}).is_relative_to("/h")
    assert settings.data_dir({}).is_absolute()
    assert settings.runtime_dir({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "kannuki"
    assert stat.S_IMODE((tmp_path / "kannuki").stat().st_mode) == 0o700


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", settings.free_port()))
