"""Prepares a town's folder: keys, database, rooms, locks with images of their own, gateway file.

Uses the very commands that an office and a bench use (`kannuki keys`, `cloud`, `provision`), run
inside this process. Decides nothing that they do not; what is already there is kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import secrets
import shutil
from pathlib import Path

import click

from cloud.cli import cloud
from cloud.keys_cli import keys
from kannuki.settings import write_secret_file
from kannuki.status import write_atomic
from provisioning.cli import provision
from simulator.demo.plan import Plan

log = logging.getLogger(__name__)

TOWN = "misaki"
TOWN_NAME = "みさき市（架空）"
GATEWAY = "gw-kominkan"


class Folder:
    """Where everything of one demo town lies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keys = root / "keys"
        self.safe = root / "safe"  # both roots; a town keeps them in two, far from here
        self.database = root / "cloud" / "town.db"
        self.trust = root / "trust.json"
        self.gateway_file = root / "gateway" / "gateway.json"
        self.gateway_data = root / "gateway"
        self.locks = root / "locks"
        self.clock = root / "clock.json"  # {"offset_s": the town's time less this PC's}
        self.hung = root / "locks.json"  # {room name: lock id}
        self.staff_secret = root / "cloud" / "staff.secret"
        self.phones = root / "phones"
        self.logs = root / "logs"
        self.broker = root / "broker"
        self.capture = root / "radio.btsnoop"

    def read_secret(self) -> str:
        """What programs of the town show."""
        return self.staff_secret.read_text(encoding="utf-8").strip()

    def image(self, lock_id: str) -> Path:
        """The flash of one lock."""
        return self.locks / f"{lock_id}.img"


def clock_offset(folder: Folder, begins_at: int, now: int) -> int:
    """Seconds from this PC's time to the town's, which begins at `begins_at` if it can.

    A town that was here before goes on: time that runs back is an alarm at every lock. How late it
    had become there, the flash of the locks tells: they write whatever happens.
    """
    before = json.loads(folder.clock.read_text())["offset_s"] if folder.clock.exists() else 0
    written = [image.stat().st_mtime for image in folder.locks.glob("*.img")]
    seen = int(max(written) + before) + 1 if written else 0
    if seen > begins_at:
        log.info("the town in %s goes on where it was", folder.root)
    offset_s = max(begins_at, seen) - now
    write_atomic(folder.clock, json.dumps({"offset_s": offset_s}))
    return offset_s


def prepare(folder: Folder, plan: Plan, clock_offset_s: int) -> dict[str, str]:
    """Bring the folder to where the town can be started; {room name: lock id}."""
    folder.database.parent.mkdir(parents=True, exist_ok=True)
    town = _Town(folder, clock_offset_s)
    if not folder.keys.exists():
        _run(keys, *_founding(folder, clock_offset_s))
        write_secret_file(folder.staff_secret, secrets.token_urlsafe(32).encode())
    _run(cloud, "migrate", "--database", str(folder.database))
    town.command("trust", "--out", str(folder.trust))
    hung: dict[str, str] = json.loads(folder.hung.read_text()) if folder.hung.exists() else {}
    known = town.rooms()
    for name in plan.rooms:
        if name not in known:
            town.command("add-room", name)
    for name in plan.locked_rooms:
        if name not in hung:
            hung[name] = town.hang_new_lock(name)
            write_atomic(folder.hung, json.dumps(hung, ensure_ascii=False))
    for lock_id in hung.values():
        _run(provision, "update", str(folder.image(lock_id)))
    town.command("gateway-credential", "--gateway-id", GATEWAY, "--out", str(folder.gateway_file))
    return hung


def _founding(folder: Folder, clock_offset_s: int) -> tuple[str, ...]:
    """The command that makes all keys of a new town and its first keyset."""
    options = ("--dir", str(folder.keys), "--with-roots", str(folder.safe), "--town", TOWN)
    return "init", *options, "--clock-offset-s", str(clock_offset_s)


class _Town:
    """`kannuki cloud ...` with this town's options."""

    def __init__(self, folder: Folder, clock_offset_s: int) -> None:
        self._folder = folder
        self._offset = clock_offset_s
        folder.gateway_data.mkdir(exist_ok=True)

    def command(self, *arguments: str) -> str:
        """What the command printed."""
        folder = self._folder
        options = (
            "--database",
            str(folder.database),
            "--keys-dir",
            str(folder.keys),
            "--town",
            TOWN,
            "--clock-offset-s",
            str(self._offset),
        )
        return _run(cloud, arguments[0], *options, *arguments[1:])

    def rooms(self) -> set[str]:
        """Names of the rooms there are."""
        printed = _run(cloud, "rooms", "--database", str(self._folder.database), "--json")
        return {row["name"] for row in json.loads(printed)}

    def hang_new_lock(self, room: str) -> str:
        """Enrol a new lock and hang it at `room`; its id."""
        folder = self._folder
        enrolment = folder.root / "enrolment.json"
        fresh = folder.locks / "new.img"
        fresh.unlink(missing_ok=True)  # left behind by an interrupted start
        answer = _run(
            provision,
            "enrol",
            "--trust",
            str(folder.trust),
            "--image",
            str(fresh),
            "--out",
            str(enrolment),
            "--clock-offset-s",
            str(self._offset),
            "--json",
        )
        lock_id: str = json.loads(answer)["lock_id"]
        shutil.move(fresh, folder.image(lock_id))
        self.command("add-lock", str(enrolment), "--room", room)
        enrolment.unlink()
        return lock_id


def _run(command: click.Command, *arguments: str) -> str:
    """Run a command as its user would; what it printed. Its errors pass through."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        command.main(list(arguments), prog_name=f"kannuki {command.name}", standalone_mode=False)
    log.debug("%s %s", command.name, arguments[0])
    return printed.getvalue()
