"""Composes the lock on a chip: board, clocks, files, radio around one firmware.core.lock.Lock.

Decides only the rhythm: radio work at once but one event at a time, sensors and keys every
SENSE_EVERY_MS. Whatever stops it stops the motor too and restarts the board: a lock that hangs in
its REPL neither opens nor locks again. `enrol` is what the bench runs on a new board; `main` is
what runs from power-on for ever.
"""

import asyncio
import gc
import json
import os
import sys
import time

from machine import reset, reset_cause

from firmware.ble.server import GattServer
from firmware.core import ed25519, identity, secrets
from firmware.core.door import OFF
from firmware.core.identity import NotEnrolled
from firmware.core.lock import Lock
from firmware.hal.battery import Battery
from firmware.hal.board import Board
from firmware.hal.ciphers import aes
from firmware.hal.clock import ChipRtc, Uptime
from firmware.hal.keypad import SerialKeypad
from firmware.hal.storage import FileStorage
from firmware.hal.tables import FlashTables
from protocol import reasons
from protocol.crypto import Crypto

SENSE_EVERY_MS = 20
RESTART_AFTER_MS = 2000  # a fault at every start must not fill the journal with starts
DATA_FOLDER = "/data"
TABLES_FOLDER = DATA_FOLDER + "/tables"
COLLECT_EVERY_BYTES = 8192  # collect early: garbage that lies long cuts the heap into small pieces


def load(storage: FileStorage, board: Board, uptime: Uptime) -> Lock:
    """The lock that was enrolled on this board. Raises NotEnrolled when none was."""
    who = identity.load(storage)
    crypto = Crypto(ed25519.verify, os.urandom, aes)
    made = secrets.load(storage)
    sensors, battery = board.sensors(), Battery()
    cause = reset_cause()
    return Lock(who, made, storage, crypto, uptime.ms, ChipRtc(), sensors, cause, battery.percent)


def take_keys(lock: Lock, board: Board, keypad: SerialKeypad, at: int) -> None:
    """Hand over what was typed; the bolt is on its way before the keypad says so."""
    for key in keypad.keys():
        takes_pins = lock.keypad.allowed
        reason = lock.key_pressed(key, at) if takes_pins else reasons.PIN_NOT_HERE
        board.drive(lock.door.drive)
        keypad.show(reason)


async def _sense_forever(
    lock: Lock, board: Board, keypad: SerialKeypad, uptime: Uptime, flag: asyncio.ThreadSafeFlag
) -> None:
    try:
        while True:
            take_keys(lock, board, keypad, uptime.ms())
            board.drive(lock.sense(board.sensors(), uptime.ms()))
            flag.set()
            await asyncio.sleep_ms(SENSE_EVERY_MS)
    finally:
        flag.set()  # whoever waits for the radio must learn that nobody senses any more


async def _serve_while(
    sensing: asyncio.Task,
    server: GattServer,
    lock: Lock,
    board: Board,
    uptime: Uptime,
    flag: asyncio.ThreadSafeFlag,
) -> None:
    """Radio work, with a turn for the sensors after each event whatever peers do."""
    while not sensing.done():
        await flag.wait()
        if server.pump(lock.sessions, uptime.ms()):
            flag.set()
        board.drive(lock.door.drive)
        await server.carry_out(lock.sessions.drain())
        await asyncio.sleep_ms(0)  # neither line above need ever have waited


async def _run(storage: FileStorage) -> None:
    gc.collect()
    gc.threshold(COLLECT_EVERY_BYTES)
    # Without a sound arithmetic the lock still runs: keys and buttons work, no token opens.
    arithmetic = ed25519.boot(FlashTables(TABLES_FOLDER))
    board, keypad = Board(), SerialKeypad()
    uptime, flag = Uptime(), asyncio.ThreadSafeFlag()
    lock = load(storage, board, uptime)
    lock_id = lock.trust.lock_id
    server = GattServer(lock_id, flag.set)
    ready = {"ready": True, "lock_id": lock_id, "head_seq": lock.journal.head_seq}
    ready["ed25519"] = arithmetic
    print(json.dumps(ready))
    sensing = asyncio.create_task(_sense_forever(lock, board, keypad, uptime, flag))
    try:
        await _serve_while(sensing, server, lock, board, uptime, flag)
        await sensing
    finally:
        board.drive(OFF)


def main() -> None:
    """Run the lock for ever. A board that is not enrolled ends here, and the bench takes over."""
    try:
        asyncio.run(_run(FileStorage(DATA_FOLDER)))
    except NotEnrolled:
        raise
    except Exception as failure:  # noqa: BLE001  whatever it was, doors must work again
        sys.print_exception(failure)
        time.sleep_ms(RESTART_AFTER_MS)
        reset()
