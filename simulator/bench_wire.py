"""`kannuki bench wire`: what a session costs in computing, on the lock's runtime and on this PC.

The same token and presentation are judged by protocol/verify.py under MicroPython (the lock's own
files, out of a LittleFS image, with the lock's own Ed25519) and under CPython (with libsodium), in
one run. Milliseconds are of this machine; ratios say more. No radio is measured here.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl.signing

from protocol import cose, holder, keys, keyset, session, statuslist, verify
from protocol import token as tokens
from protocol.crypto import Crypto
from protocol.timebound import TimeBound
from provisioning import image
from provisioning.tree import device_tree
from simulator.chip_board import ImageBoard
from simulator.town_keys import aes
from simulator.virtual.lock import verify_signature

LOCK_ID, NOW = "aaaaaaaa", 1_796_000_000
ROUNDS, FULL_ROUNDS = 20, 200

_ON_CHIP = """
import json, time, gc
from binascii import unhexlify
from firmware.core import ed25519
from protocol import keyset, statuslist, verify, token
from protocol.crypto import Crypto
from protocol.timebound import TimeBound
case = json.loads({case!r})
key = unhexlify(case["public_key"])
hello, challenge = unhexlify(case["hello"]), unhexlify(case["challenge"])
message, kdk = unhexlify(case["message"]), unhexlify(case["kdk"])
greeting = (hello, challenge)
raw_token = unhexlify(case["token"])
row = keyset.IssuerKey(key, case["role"], 127, 86400, 86400)
believed = keyset.Keyset("bench", 1, 0, [row], {{}}, ())
trust = verify.Trust(case["lock_id"], believed, {{1: kdk}}, statuslist.empty(case["lock_id"]))
crypto, now = Crypto(ed25519.verify, None, None), TimeBound(case["now"], case["now"])
def measure(work):
    took = []
    for _ in range(case["rounds"]):
        gc.collect()
        began = time.ticks_us()
        work()
        took.append(time.ticks_diff(time.ticks_us(), began))
    took.sort()
    return took[len(took) // 2] / 1000
def cold():
    trust.remembered.forget()
    warm()
def warm():
    assert isinstance(verify.verify(trust, crypto, now, greeting, message), verify.Allowed)
cold()
print(json.dumps({{"cold_ms": measure(cold), "warm_ms": measure(warm),
                   "parse_ms": measure(lambda: token.parse(raw_token))}}))
"""


def run(full: bool) -> dict[str, Any]:
    """Median milliseconds and byte counts; `full` takes more rounds."""
    case = opening_case(FULL_ROUNDS if full else ROUNDS)
    chip, here = _on_chip(case), _on_this_pc(case)
    return {
        "sizes_bytes": {
            "token": len(case["token"]) // 2,
            "challenge": len(case["challenge"]) // 2,
            "presentation": len(case["message"]) // 2,
        },
        "micropython": chip,
        "cpython_libsodium": here,
        "ratio": {name: round(chip[name] / here[name], 1) for name in chip},
        "rounds": case["rounds"],
        "note": "MicroPython's unix port on this PC, not a chip",
    }


def opening_case(rounds: int) -> dict[str, Any]:
    """What a lock knows and one good opening, in hexadecimal, for programs on the chip."""
    signer, kdk = nacl.signing.SigningKey(b"w" * 32), b"k" * 32
    key = bytes(signer.verify_key)
    token = tokens.Token(LOCK_ID, NOW - 60, NOW + 3600, NOW - 60, b"measured", tokens.UNLOCK, 1)
    kid, payload = keys.key_id(key), tokens.encode_claims(token)
    raw = cose.encode(kid, payload, signer.sign(cose.to_sign(kid, payload)).signature)
    now = TimeBound(NOW, NOW)
    challenge = session.encode_challenge(
        session.Challenge(LOCK_ID, os.urandom(16), now, (1, 0, 1), [1], 182)
    )
    credential = holder.Credential(raw, {LOCK_ID: keys.proof_key(kdk, raw)})
    machine = holder.HolderSession(credential, session.COMMAND_UNLOCK, os.urandom)
    ((_, hello),) = machine.start()
    ((_, message),) = machine.receive(challenge)
    return {
        "lock_id": LOCK_ID,
        "role": keyset.ROLE_BOOKING,  # the image's modules have no such name: numbers stand there
        "now": NOW,
        "rounds": rounds,
        "public_key": key.hex(),
        "kdk": kdk.hex(),
        "token": raw.hex(),
        "hello": hello.hex(),
        "challenge": challenge.hex(),
        "message": message.hex(),
    }


def _on_chip(case: dict[str, Any]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder) / "bench.img"
        image.create(flash, device_tree())
        printed = ImageBoard(flash).run(_ON_CHIP.format(case=json.dumps(case)))
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return {name: round(value, 3) for name, value in figures.items()}


def _on_this_pc(case: dict[str, Any]) -> dict[str, float]:
    key, kdk = bytes.fromhex(case["public_key"]), bytes.fromhex(case["kdk"])
    greeting = (bytes.fromhex(case["hello"]), bytes.fromhex(case["challenge"]))
    message, raw_token = bytes.fromhex(case["message"]), bytes.fromhex(case["token"])
    row = keyset.IssuerKey(key, keyset.ROLE_BOOKING, tokens.ALL_PERMISSIONS, 86400, 86400)
    believed = keyset.Keyset("bench", 1, 0, [row], {}, ())
    trust = verify.Trust(LOCK_ID, believed, {1: kdk}, statuslist.empty(LOCK_ID))
    crypto, now = Crypto(verify_signature, os.urandom, aes), TimeBound(NOW, NOW)

    def warm() -> None:
        assert isinstance(verify.verify(trust, crypto, now, greeting, message), verify.Allowed)

    def cold() -> None:
        trust.remembered.forget()
        warm()

    cold()
    return {
        "cold_ms": _median_ms(cold, case["rounds"]),
        "warm_ms": _median_ms(warm, case["rounds"]),
        "parse_ms": _median_ms(lambda: tokens.parse(raw_token), case["rounds"]),
    }


def _median_ms(work: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(took), 3)
