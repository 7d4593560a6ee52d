"""What the bench asks a new board to do: make its keys and keep whom it trusts.

The request and the answer are JSON lines, so that any bench can send them over a raw REPL:
    from firmware.enrol import run; run('{"town": ..., "lock_id": ...}')
Asking again for the same identity gives the same answer: the first one may have been lost.

The radio is on while keys are made: without it an ESP32's random numbers are only pseudo-random
(ESP-IDF, "Random Number Generation").
"""

import binascii
import json
import os

import bluetooth

from firmware.core import enrolment, secrets
from firmware.core import identity as identities
from firmware.core.ed25519 import verify
from firmware.core.identity import Identity, NotEnrolled
from firmware.core.secrets import Secrets
from firmware.hal.ciphers import aes
from firmware.hal.clock import ChipRtc
from firmware.hal.storage import FileStorage
from protocol.crypto import Crypto

_DATA_FOLDER = "/data"


def run(request: str) -> None:
    """Enrol this board as `request` says; print one JSON line with the public halves.

    Members: town, lock_id, journal_epoch, roots [hex, hex], keyset (hex), config (hex or null),
    time [Unix seconds, error in seconds].
    """
    try:
        made = _enrolled(json.loads(request), FileStorage(_DATA_FOLDER))
    except (enrolment.EnrolmentError, NotEnrolled) as error:
        print(json.dumps({"error": str(error)}))
        return
    answer = {"public_key": _hex(made.public_key), "signing_key": _hex(made.signing_key)}
    print(json.dumps(answer))


def _enrolled(wanted: dict, storage: FileStorage) -> Secrets:
    identity = _identity(wanted)
    if storage.read(identities.IDENTITY_FILE) is not None:
        return _again(identity, storage)
    ChipRtc().set(identity.enrolled_time[0])
    radio = bluetooth.BLE()
    radio.active(True)
    try:
        return _newly(wanted, identity, storage)
    finally:
        radio.active(False)


def _newly(wanted: dict, identity: Identity, storage: FileStorage) -> Secrets:
    config = wanted.get("config")
    return enrolment.enrol(
        identity,
        binascii.unhexlify(wanted["keyset"]),
        None if config is None else binascii.unhexlify(config),
        storage,
        Crypto(verify, os.urandom, aes),
    )


def _again(identity: Identity, storage: FileStorage) -> Secrets:
    there = identities.load(storage)
    named = (there.town, there.lock_id, there.journal_epoch, there.roots)
    if named != (identity.town, identity.lock_id, identity.journal_epoch, identity.roots):
        raise NotEnrolled("already enrolled as {} of {}".format(there.lock_id, there.town))
    return secrets.load(storage)


def _identity(wanted: dict) -> Identity:
    roots = tuple(binascii.unhexlify(root) for root in wanted["roots"])
    time = tuple(wanted["time"])
    return Identity(wanted["town"], wanted["lock_id"], wanted["journal_epoch"], roots, time)


def _hex(raw: bytes) -> str:
    return binascii.hexlify(raw).decode()
