"""A PostgreSQL of our own: a throw-away server for tests and measurements, over a unix socket.

Decides its configuration: no TCP, no passwords (the socket's folder is private), nothing kept. Not
for a town: there PostgreSQL runs as a service, and KANNUKI_DATABASE_URL names it. Started by root
it runs as the user `postgres`, for it refuses to be root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kannuki.errors import KannukiError, MissingPart
from kannuki.parts import find_program, search_folders

USER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")  # its programs are on nobody's PATH
_PROGRAMS = ("initdb", "postgres", "pg_isready")
_START_WITHIN_S = 60.0


class PostgresFailed(KannukiError):
    """The server could not be made or started."""


def find_postgres() -> Path | None:
    """The folder of the server's programs, the newest version first; None where there is none."""
    versions = sorted(_DEBIAN.glob("*/bin"), key=_version, reverse=True)
    folders = [*search_folders(os.environ), *map(str, versions)]
    for folder in folders:
        if all(find_program(name, [folder]) for name in _PROGRAMS):
            return Path(folder)
    return None


def require_postgres() -> Path:
    """The same; raises MissingPart (exit 3) with the line to type."""
    found = find_postgres()
    if found is None:
        raise MissingPart(
            "PostgreSQL's server is missing (the larger of the two databases)",
            "sudo apt-get install -y postgresql",
        )
    return found


@contextmanager
def running_postgres(durable: bool = False) -> Iterator[str]:
    """A fresh server; gives the URL of its database `postgres`. Everything is gone at the end.

    `durable`: commits wait for the disk, as a town's do; tests need not.
    """
    programs = require_postgres()
    folder = Path(tempfile.mkdtemp(prefix="kannuki-pg-", dir="/tmp"))  # short: a socket lies in it
    try:
        _give_away(folder)
        _make(programs, folder)
        with _started(programs, folder, durable):
            yield f"postgresql://{USER}@/postgres?host={quote(str(folder), safe='')}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdecimal())


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        owner = _account()
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise MissingPart(
            f"there is no user '{USER}', and PostgreSQL refuses to run as root",
            "sudo apt-get install -y postgresql",
        ) from None


def _make(programs: Path, folder: Path) -> None:
    # fmt: off
    _run(programs / "initdb", "--pgdata", folder / "data", "--username", USER, "--auth", "trust",
         "--encoding", "UTF8", "--locale", "C", "--no-sync")
    # fmt: on


@contextmanager
def _started(programs: Path, folder: Path, durable: bool) -> Iterator[None]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "unix_socket_permissions": "0700" if os.geteuid() != 0 else "0777",
        "max_connections": "60",
        "shared_buffers": "64MB",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with (folder / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            _with_parent(programs / "postgres", "-D", folder / "data"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=folder,
        )
    try:
        _wait(programs, folder, server)
        yield
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _with_parent(*argv: object) -> list[str]:
    """The command as a child that dies with us; util-linux's setpriv, for the user `postgres` need
    not be able to run this Python."""
    as_user = []
    if os.geteuid() == 0:
        owner = _account()
        as_user = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return ["setpriv", "--pdeathsig=KILL", *as_user, *map(str, argv)]


def _wait(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    ready = [str(programs / "pg_isready"), "--quiet", "--host", str(folder)]
    deadline = time.monotonic() + _START_WITHIN_S
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            said = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
            raise PostgresFailed(f"the server did not start: {said.strip()[-500:]}", "see above")
        time.sleep(0.05)


def _run(*argv: object) -> None:
    words = [str(word) for word in argv]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False, **_as_user())
    if done.returncode:
        raise PostgresFailed(
            f"{Path(words[0]).name} failed: {done.stderr.strip()[-500:]}", "see above"
        )


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    owner = _account()
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
