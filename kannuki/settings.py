"""Where programs keep things on a PC, and how they read secrets.

Decides the folders (XDG) and refuses a secret that other users can read. Does not decide what is
kept there. A secret comes from a file, never from an option or the environment.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kannuki.errors import InputError


def state_dir(environ: Mapping[str, str]) -> Path:
    """The user's folder for logs and reports: $XDG_STATE_HOME/kannuki or ~/.local/state/kannuki."""
    return _xdg(environ, "XDG_STATE_HOME", ".local/state")


def data_dir(environ: Mapping[str, str]) -> Path:
    """The user's folder for lasting data: $XDG_DATA_HOME/kannuki or ~/.local/share/kannuki."""
    return _xdg(environ, "XDG_DATA_HOME", ".local/share")


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    named = environ.get(variable, "")
    if named.startswith("/"):  # the XDG specification has relative paths ignored
        return Path(named) / "kannuki"
    home = environ.get("HOME")
    return (Path(home) / fallback if home else _private_temp()) / "kannuki"


def _private_temp() -> Path:
    return Path(tempfile.gettempdir()) / f"kannuki-{os.getuid()}"


def runtime_dir(environ: Mapping[str, str]) -> Path:
    """The user's folder for what ends with the machine's uptime; made, private (0700).

    Raises InputError when someone else owns the folder of that name.
    """
    named = environ.get("XDG_RUNTIME_DIR", "")
    usable = named.startswith("/") and os.access(named, os.W_OK)
    path = Path(named) / "kannuki" if usable else _private_temp()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        remedy = "set XDG_RUNTIME_DIR to a folder of your own"
        raise InputError(f"{path} belongs to another user", remedy)
    return path


def read_secret_file(path: Path, *, max_bytes: int = 4096) -> bytes:
    """The bytes of a secret file, whole. Refuses one that group or others can read or write.

    Raises InputError naming the file and the line to type; never its content.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(max_bytes + 1)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise InputError(f"cannot read the secret in {path}: {reason}", "check the path") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is not a regular file", "keep the secret in a file of its own")
    if is_open_to_others(path, mode, os.environ):
        raise InputError(f"{path} can be read by others", f"chmod 600 {path}")
    if not secret or len(secret) > max_bytes:
        raise InputError(f"{path} is empty or too large", f"a secret has 1 to {max_bytes} bytes")
    return secret


def is_open_to_others(path: Path, mode: int, environ: Mapping[str, str]) -> bool:
    """Whether users besides the owner may use a file with this mode.

    systemd hands a service its credentials in a folder that nobody else enters (systemd.exec(5),
    LoadCredential=). It may give the service its right by an ACL, whose mask shows as 0440.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    is_credential = bool(folder) and path.parent == Path(folder or "")
    return bool(stat.S_IMODE(mode) & (0o037 if is_credential else 0o077))


def write_secret_file(path: Path, secret: bytes) -> None:
    """Keeps a secret for this user alone (0600), durably; refuses to write over another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(f"{path} already exists", "move it away first, or name another") from error
    with open(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())


def write_file_whole(path: Path, content: bytes) -> None:
    """Puts `content` in the place of what was there, whole or not at all, durably."""
    temporary = path.with_name(path.name + ".new")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "check the path") from error


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago. The caller binds soon, and retries if it lost."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
