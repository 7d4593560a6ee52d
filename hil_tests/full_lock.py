"""A lock that has been in use for long: its journal full, its list of withdrawn keys full.

Decides nothing: the lock's own code, run here on the files of its image, writes every record and
takes the list, only faster than over the radio. Its keys are those that it made at enrolment.
"""

from __future__ import annotations

import os
from pathlib import Path

from firmware.core import identity, secrets
from firmware.core.adoption import Adoption
from firmware.core.door import Sensors
from firmware.core.lock import Lock
from protocol import audit, reasons, session, statuslist
from protocol.crypto import Crypto
from protocol.session import OK
from protocol.token import CTI_BYTES
from provisioning import image
from simulator.phone.carrying import PIECE_BYTES
from simulator.town_keys import TownKeys, aes
from simulator.virtual.lock import VirtualRtc, verify_signature
from simulator.virtual.storage import MemoryStorage

RECORDS = 2000
_DATA = "/data/"
_LOCKED = Sensors(True, False, True, False, False)
_DAY_S = 86400


def fill(path: Path, town: TownKeys, now: int) -> None:
    """RECORDS records and statuslist.MAX_ENTRIES withdrawn keys into the lock in this image."""
    storage = MemoryStorage()
    for name in image.listing(path):
        if name.startswith(_DATA):
            storage.files[name.removeprefix(_DATA)] = image.read(path, name) or b""
    lock = _started(storage, now)
    _withdraw(lock, town, now)
    while lock.journal.head_seq < RECORDS:
        cti = os.urandom(CTI_BYTES)
        lock.record(audit.LOCK_OPERATION_ERROR, reasons.SCOPE, audit.SOURCE_HOLDER, cti)
    image.put(path, {_DATA + name: content for name, content in storage.files.items()})


def _started(storage: MemoryStorage, now: int) -> Lock:
    crypto = Crypto(verify_signature, os.urandom, aes)
    who, made = identity.load(storage), secrets.load(storage)
    return Lock(who, made, storage, crypto, lambda: 0, VirtualRtc(lambda: now), _LOCKED)


def _withdraw(lock: Lock, town: TownKeys, now: int) -> None:
    gone = [(os.urandom(CTI_BYTES), now + _DAY_S) for _ in range(statuslist.MAX_ENTRIES)]
    document, entries = town.status_list(lock.trust.lock_id, 1, now, gone)
    adoption = Adoption(lock)
    for offset in range(0, len(entries), PIECE_BYTES):
        part = [document, offset, entries[offset : offset + PIECE_BYTES]]
        reason, _ = adoption.take(None, session.REQUEST_STATUS_PART, part)
        assert reason == OK, reason
