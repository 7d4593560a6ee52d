"""How the kit's files get onto the disk: whole or not at all, for the right eyes, only on change.

Decides write order and modes. Invariant: a reader (Mosquitto may start at any time) sees the old
file or the new one, and one that holds a key is never readable by others, not even for an instant.
"""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kannuki.errors import InputError

PUBLIC = 0o644
SECRET = 0o600


@dataclass(frozen=True)
class Reader:
    """The user that the broker runs as; `None` ids where we cannot give files away."""

    name: str
    uid: int | None = None
    gid: int | None = None

    @property
    def secret_mode(self) -> int:
        """A key of the broker's: its group reads it, where there is one to give it to."""
        return SECRET if self.gid is None else 0o640


def reader_of(name: str) -> Reader:
    """The system's user of this name. Raises InputError."""
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise InputError(f"there is no user '{name}' here", "name another --user") from error
    if found.pw_uid == os.geteuid():
        return Reader(name)
    if os.geteuid() != 0:
        text = f"only root can give the broker's files to '{name}'"
        raise InputError(text, "run it with sudo, or with --user of your own name")
    return Reader(name, found.pw_uid, found.pw_gid)


def own_name() -> str:
    """The user who runs this; root lets Mosquitto become `mosquitto` where there is one."""
    if os.geteuid() == 0:
        try:
            return pwd.getpwnam("mosquitto").pw_name
        except KeyError:
            pass
    return pwd.getpwuid(os.geteuid()).pw_name


def write(path: Path, content: bytes, mode: int, gid: int | None = None) -> bool:
    """Puts `content` there, durably; False when it was there already. Raises InputError."""
    try:
        if path.read_bytes() == content:
            _adjust(path, mode, gid)
            return False
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check its owner") from error
    try:
        _replace(path, content, mode, gid)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "check the folder") from error
    return True


def _adjust(path: Path, mode: int, gid: int | None) -> None:
    found = path.stat()
    if gid is not None and found.st_gid != gid:
        os.chown(path, -1, gid)
    if found.st_mode & 0o777 != mode:
        path.chmod(mode)


def _replace(path: Path, content: bytes, mode: int, gid: int | None) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, SECRET)
    with open(descriptor, "wb") as file:
        file.write(content)
        if gid is not None:
            os.fchown(file.fileno(), -1, gid)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """A folder of this mode and owner, made or adjusted. Raises InputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if uid is not None or gid is not None:
            os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
    except OSError as error:
        raise InputError(f"cannot make {path}: {error.strerror}", "check the path") from error


def closed_to(reader: Reader, folder: Path) -> list[str]:
    """What keeps another user from getting to this folder, told to a person."""
    if reader.uid is None:
        return []
    shut = [one for one in (folder, *folder.parents) if not one.stat().st_mode & 0o001]
    return [f"{reader.name} cannot enter {one}: choose another --dir" for one in shut]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One kit at a time works in a folder. Raises InputError when another does."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InputError(f"another command works in {folder}", "wait for its end") from error
    finally:
        os.close(descriptor)
