"""A town to measure and to attack: made in a temporary folder, served for real, thrown away.

Decides its size alone; everything in it is made by the same modules as a real town's. Its locks are
public keys whose private halves nobody kept: they open no door. No broker is connected, so nothing
is relayed. `python -m cloud.throwaway` serves it: one process of perhaps several on one database.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from nacl.bindings import crypto_scalarmult_base
from nacl.signing import SigningKey

import kannuki
from cloud import bookings, keysets
from cloud.clock import system_clock
from cloud.database import open_database
from cloud.keyfiles import OPERATIONAL, PURPOSES, key_path, new_key, read_key, write_key
from cloud.problems import Problem
from cloud.relay import RelayHub
from cloud.service import TownService, open_service
from cloud.web.apps import create_app
from cloud.web.context import ApiContext
from cloud.web.limits import Limiter
from cloud.web.listening import listen
from kannuki.enrolment import EnrolmentFile
from kannuki.errors import KannukiError
from kannuki.messages import Message
from kannuki.postgres import running_postgres

TOWN = "throwaway"
STAFF_SECRET = b"only-for-a-town-that-is-thrown-away"
_READY_WITHIN_S = 30


@dataclass
class ThrowawayTown:
    """The service, where it lies, and the addresses of the processes that serve it."""

    service: TownService
    folder: Path
    database: str
    urls: list[str]


@contextmanager
def throwaway_town(
    rooms: int, on_postgres: bool = False, servers: int = 0
) -> Iterator[ThrowawayTown]:
    """A town with `rooms` rooms (room-1 ...), a lock at each, served by `servers` processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kannuki-town-")))
        database = str(folder / "town.db")
        if on_postgres:
            database = stack.enter_context(running_postgres(durable=True))
        make_keys(folder / "keys")
        service = _open(database, folder / "keys")
        stack.callback(service.database.close)
        _furnish(service, rooms)
        urls = [stack.enter_context(_server(database, folder / "keys")) for _ in range(servers)]
        yield ThrowawayTown(service, folder, database, urls)


def make_keys(folder: Path) -> None:
    """Fresh keys for every purpose and a keyset; the roots are forgotten at once."""
    folder.mkdir()
    for purpose in PURPOSES:
        write_key(key_path(folder, purpose), new_key(purpose, secrets.token_bytes))
    roots = [new_key("root", secrets.token_bytes) for _ in range(2)]
    rows = {p: read_key(key_path(folder, p), p).public_key for p in OPERATIONAL}
    vaults = {1: read_key(key_path(folder, "vault"), "vault").public_key}
    both = (roots[0].public_key, roots[1].public_key)
    made = keysets.compose(TOWN, rows, vaults, both, int(time.time()) - 3600, None)
    (folder / keysets.FILE_NAME).write_bytes(keysets.sign(made, roots[0], None).document)


def _open(database: str, keys_dir: Path) -> TownService:
    opened = open_database(database, TOWN)
    return open_service(TOWN, opened, keys_dir, system_clock(), "https://key.example/")


def _furnish(service: TownService, rooms: int) -> None:
    now = service.clock()
    with service.database.write() as session:
        for number in range(rooms):
            room = bookings.add_room(session, f"{number + 1}", None)
            bookings.hang_lock(session, service.signers, _enrolment(now), room, now)


def _enrolment(now: int) -> EnrolmentFile:
    return EnrolmentFile(
        town=TOWN,
        lock_id=base64.b32encode(secrets.token_bytes(5)).decode().lower(),
        public_key=crypto_scalarmult_base(secrets.token_bytes(32)),
        signing_key=bytes(SigningKey.generate().verify_key),
        journal_epoch=1,
        enrolled_at=now,
    )


@contextmanager
def _server(database: str, keys_dir: Path) -> Iterator[str]:
    """A process that serves the town and dies with this one; gives its address."""
    wrapper = Path(kannuki.__file__).with_name("child.py")
    argv = [sys.executable, "-I", "-S", str(wrapper), str(os.getpid()), sys.executable]
    argv += ["-m", "cloud.throwaway", "--database", database, "--keys-dir", str(keys_dir)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise KannukiError("a process of the town did not start", "see what it wrote above")
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


async def _no_broker(_lock_id: str, _command: Message, _expires_after_s: float) -> None:
    raise Problem("GATEWAY_OFFLINE")


def _context(service: TownService) -> ApiContext:
    hub = RelayHub(_no_broker, service.clock, time.monotonic, service.random_bytes, lambda: False)
    limiter = Limiter(time.monotonic, factor=0)
    return ApiContext(service, TOWN, hub, lambda: None, STAFF_SECRET, limiter)


def main() -> None:
    """Serve until told to stop; prints one JSON line when ready."""
    parser = argparse.ArgumentParser(prog="python -m cloud.throwaway", description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--keys-dir", type=Path, required=True)
    options = parser.parse_args()
    service = _open(options.database, options.keys_dir)
    listener = listen("127.0.0.1", 0, backlog=1024)
    print(json.dumps({"ready": True, "port": listener.getsockname()[1]}), flush=True)
    settings = uvicorn.Config(
        create_app(_context(service)), log_config=None, access_log=False, lifespan="off"
    )
    asyncio.run(uvicorn.Server(settings).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
