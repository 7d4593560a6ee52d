"""Prints what the lock's cryptography costs on a bare MicroPython: differences of ticks_us().

    micropython firmware/tools/count_ed25519.py      (from the folder that holds `firmware`)

One name and number per line. On an emulated core whose clock counts instructions they are counts.
Needs no host module; without the protocol package beside firmware only signatures are measured.
"""

import gc
import os
import sys
import time
from binascii import unhexlify

sys.path.insert(0, ".")

from firmware.core import ed25519, ed25519_sign  # noqa: E402
from firmware.core import ed25519_curve as curve  # noqa: E402
from firmware.core.sha512 import sha512  # noqa: E402

# RFC 8032, section 7.1, test 3, and a message as long as a token's Sig_structure.
KEY = unhexlify("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
SIGNATURE = unhexlify(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
MESSAGE = b"\xaf\x82"
LONG_MESSAGE = bytes(160)
SEED = bytes(range(32))
LOCK, NOW = "aaaaaaaa", 1_796_000_000


def count(name: str, work: object) -> object:
    """Print what one call of `work` takes; its result."""
    gc.collect()
    began = time.ticks_us()
    result = work()
    print(name, time.ticks_diff(time.ticks_us(), began))
    return result


def main() -> None:
    table = bytearray(curve.TABLE_BYTES)
    print("arithmetic:", count("boot_and_known_answers", ed25519.boot))
    count("table_build", lambda: curve.build_table(table, curve.BASE_X, curve.BASE_Y))
    assert count("cold_verify_with_table_build", lambda: ed25519.verify(KEY, MESSAGE, SIGNATURE))
    assert count("cold_verify", lambda: ed25519.verify(KEY, MESSAGE, SIGNATURE))
    count("sha512_of_160_bytes", lambda: sha512(LONG_MESSAGE))
    own = count("public_key", lambda: ed25519_sign.public_key(SEED))
    signature = ed25519_sign.sign(SEED, own, LONG_MESSAGE)
    count("sign_160_bytes", lambda: ed25519_sign.sign(SEED, own, LONG_MESSAGE))
    assert count("cold_verify_160_bytes", lambda: ed25519.verify(own, LONG_MESSAGE, signature))
    try:
        import protocol.verify  # noqa: F401
    except ImportError:
        print("openings and PINs need the protocol package beside firmware")
        return
    openings(own)
    pin_check()


def openings(own: bytes) -> None:
    """A whole presentation judged: its token's signature new, then remembered."""
    from protocol import cose, frames, holder, keys, session, statuslist, verify
    from protocol import token as tokens
    from protocol.crypto import Crypto
    from protocol.keyset import ROLE_BOOKING, IssuerKey, Keyset
    from protocol.timebound import TimeBound

    token = tokens.Token(LOCK, NOW - 60, NOW + 3600, NOW - 60, b"counted!", tokens.UNLOCK, 1)
    kid, payload = keys.key_id(own), tokens.encode_claims(token)
    raw = cose.encode(kid, payload, ed25519_sign.sign(SEED, own, cose.to_sign(kid, payload)))
    now, kdk = TimeBound(NOW, NOW), bytes(32)
    challenge = session.encode_challenge(
        session.Challenge(LOCK, bytes(16), now, (1, 0, 1), [1], frames.MAX_FRAGMENT_BYTES)
    )
    credential = holder.Credential(raw, {LOCK: keys.proof_key(kdk, raw)})
    machine = holder.HolderSession(credential, session.COMMAND_UNLOCK, os.urandom)
    ((_, hello),) = machine.start()
    greeting = (hello, challenge)
    ((_, message),) = machine.receive(challenge)
    row = IssuerKey(own, ROLE_BOOKING, tokens.UNLOCK, 86400, 86400)
    believed = Keyset("counted", 1, 0, [row], {}, ())
    trust = verify.Trust(LOCK, believed, {1: kdk}, statuslist.empty(LOCK))
    crypto = Crypto(ed25519.verify, os.urandom, None)
    for name in ("cold_opening", "warm_opening"):
        verdict = count(name, lambda: verify.verify(trust, crypto, now, greeting, message))
        assert isinstance(verdict, verify.Allowed)


def pin_check() -> None:
    from cryptolib import aes

    from protocol import pin

    key = pin.pin_key(bytes(32))
    digits = "0" * pin.DIGITS
    count("pin_check", lambda: pin.decode(lambda block: aes(key, 1).encrypt(block), LOCK, digits))


if __name__ == "__main__":
    main()
