"""Composes the lock on a chip: board, clocks, files, radio around one firmware.core.lock.Lock.

Decides only the rhythm: radio work at once, sensors every SENSE_EVERY_MS. `enrol` is what the
bench runs on a new board; `main` is what runs from power-on for ever.
"""

import asyncio
import gc
import json
import os

from machine import reset_cause

from firmware.ble.server import GattServer
from firmware.core import config as configs
from firmware.core import ed25519, enrolment
from firmware.core.lock import Lock
from firmware.core.x25519 import x25519
from firmware.hal.board import Board
from firmware.hal.clock import Uptime, trusted_clock
from firmware.hal.storage import FileStorage
from firmware.hal.tables import FlashTables
from protocol.crypto import Crypto
from protocol.keys import lock_kdk

SENSE_EVERY_MS = 20
DATA_FOLDER = "/data"
TABLES_FOLDER = DATA_FOLDER + "/tables"
COLLECT_EVERY_BYTES = 8192  # collect early: garbage that lies long cuts the heap into small pieces


def load(storage: FileStorage) -> tuple:
    """(Config, {vault epoch: kdk}) of an enrolled lock. Raises ConfigError when it is not."""
    raw, private_key = storage.read(enrolment.CONFIG_FILE), storage.read(enrolment.KEY_FILE)
    if raw is None or private_key is None:
        raise configs.ConfigError("this lock is not enrolled")
    config = configs.decode(raw)
    shared = x25519(private_key, config.vault_key)
    kdk = lock_kdk(shared, config.town, config.lock_id, config.vault_epoch)
    return config, {config.vault_epoch: kdk}


async def _sense_forever(
    lock: Lock, board: Board, uptime: Uptime, flag: asyncio.ThreadSafeFlag
) -> None:
    while True:
        board.drive(lock.sense(board.sensors(), uptime.ms()))
        flag.set()
        await asyncio.sleep_ms(SENSE_EVERY_MS)


async def _run(storage: FileStorage) -> None:
    gc.collect()
    gc.threshold(COLLECT_EVERY_BYTES)
    config, kdks = load(storage)
    # Without a sound arithmetic the lock still runs: keys and buttons work, no token opens.
    arithmetic = ed25519.boot(FlashTables(TABLES_FOLDER))
    board, uptime, flag = Board(), Uptime(), asyncio.ThreadSafeFlag()
    crypto = Crypto(ed25519.verify, os.urandom)
    clock, sensors = trusted_clock(), board.sensors()
    lock = Lock(config, kdks, storage, crypto, clock, sensors, uptime.ms(), reset_cause())
    server = GattServer(config.lock_id, flag.set)
    ready = {"ready": True, "lock_id": config.lock_id, "head_seq": lock.journal.head_seq}
    ready["ed25519"] = arithmetic
    print(json.dumps(ready))
    sensing = asyncio.create_task(_sense_forever(lock, board, uptime, flag))
    while not sensing.done():
        await flag.wait()
        server.pump(lock.sessions, uptime.ms())
        board.drive(lock.door.drive)
        await server.carry_out(lock.sessions.drain())
    await sensing


def main() -> None:
    """Run the lock; returns only by an exception, on which the board resets."""
    asyncio.run(_run(FileStorage(DATA_FOLDER)))
