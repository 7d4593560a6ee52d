"""How a file gets onto the disk: on it before it has its name, and never open to others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.brokerkit import files
from kannuki.errors import InputError


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        done.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    assert files.write(tmp_path / "key", b"secret", files.SECRET)
    assert done == ["file", "name", "folder"]
    assert not files.write(tmp_path / "key", b"secret", files.SECRET)
    assert done == ["file", "name", "folder"]


def test_a_key_is_never_open_to_others_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    chmod = os.fchmod

    def changed(descriptor: int, mode: int) -> None:
        seen.append(os.fstat(descriptor).st_mode & 0o777)
        chmod(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", changed)
    old = os.umask(0)
    try:
        files.write(tmp_path / "key", b"secret", files.SECRET)
    finally:
        os.umask(old)
    assert seen == [0o600]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_mode_that_was_loosened_is_mended_without_writing(tmp_path: Path) -> None:
    files.write(tmp_path / "key", b"secret", files.SECRET)
    (tmp_path / "key").chmod(0o644)
    assert not files.write(tmp_path / "key", b"secret", files.SECRET)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_link_planted_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"whole")
    (tmp_path / ".key.new").symlink_to(victim)
    files.write(tmp_path / "key", b"secret", files.SECRET)
    assert victim.read_bytes() == b"whole"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot"):
        files.write(tmp_path / "file" / "key", b"secret", files.SECRET)


def test_a_user_who_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="no user"):
        files.reader_of("nobody-of-that-name")
