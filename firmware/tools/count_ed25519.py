"""Prints what Ed25519 costs on a bare MicroPython: differences of time.ticks_us(), one per line.

    micropython firmware/tools/count_ed25519.py      (from the folder that holds `firmware`)

On an emulated core whose clock counts instructions the lines are counts. Needs no host module.
"""

import gc
import sys
import time
from binascii import unhexlify

sys.path.insert(0, ".")

from firmware.core import ed25519  # noqa: E402
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
    assert not count("refusal_of_160_bytes", lambda: ed25519.verify(KEY, LONG_MESSAGE, SIGNATURE))
    count("sha512_of_160_bytes", lambda: sha512(LONG_MESSAGE))
    warm_opening()


def warm_opening() -> None:
    """A remembered token's opening needs no signature: the proof's HMAC decides."""
    try:
        from protocol.crypto import hmac_sha256
    except ImportError:
        print("warm_opening needs the protocol package beside firmware")
        return
    count("warm_opening_proof", lambda: hmac_sha256(KEY, LONG_MESSAGE))


if __name__ == "__main__":
    main()
