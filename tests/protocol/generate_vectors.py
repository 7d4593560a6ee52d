"""Makes protocol/vectors/*.json anew from fixed keys: `python -m tests.protocol.generate_vectors`.

The vectors are for every reader of the wire (CPython, MicroPython, the page's JavaScript), so they
hold hex strings, text, booleans and integers below 2^53 only. Signatures are real Ed25519, made
with PyNaCl from seeds that are public here: these keys protect nothing. With `--check` nothing is
written and the exit code says whether the files on disk are the ones made here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocol import ff1, frames, gatt, keys, pin
from protocol.crypto import hkdf_sha256, sha256
from protocol.timebound import TimeBound
from tests.protocol import (
    generate_documents,
    generate_records,
    support,
    tables,
    test_cbor,
    test_crypto,
)
from tests.protocol import generate_town as town
from tests.protocol.generate_conduct import conduct_vectors
from tests.protocol.generate_session import session_vectors, verdicts_vectors
from tests.protocol.generate_town import KDK, issue, kid, public_key
from tests.protocol.support import EPOCH, LOCK, OTHER_LOCK, TOWN

FOLDER = Path(__file__).resolve().parents[2] / "protocol" / "vectors"

# --- one function per file ---


def cbor_vectors() -> dict[str, Any]:
    return {
        "accepted": [{"hex": raw, "value": as_json(value)} for value, raw in test_cbor.EXAMPLES],
        "refused": [{"hex": raw, "why": why} for raw, why in test_cbor.REFUSED],
    }


def as_json(value: Any) -> Any:
    """A CBOR value in JSON: bytes, maps and numbers beyond 2^53 are spelt out."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {"map": [[as_json(key), as_json(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, int) and abs(value) >= 1 << 53:
        return {"integer": str(value)}
    return value


def crypto_vectors() -> dict[str, Any]:
    hmac = [{"key": k, "data": d, "mac": m} for k, d, m in test_crypto.RFC4231]
    names = ("secret", "salt", "info", "length", "output")
    return {
        "hmac_sha256": hmac,
        "hkdf_sha256": [dict(zip(names, row, strict=True)) for row in test_crypto.RFC5869],
        "aes_ctr": [
            {"key": key, "data": plain, "output": cipher}
            for key, plain, cipher in test_crypto.CTR_FROM_ZERO
        ],
    }


def keys_vectors() -> dict[str, Any]:
    raw_token, salt = issue(), bytes(range(16))
    return {
        "town": TOWN,
        "lock_private_key": town.LOCK_PRIVATE.hex(),
        "lock_public_key": town.LOCK_PUBLIC.hex(),
        "vault_private_key": town.VAULT_PRIVATE.hex(),
        "vault_public_key": town.VAULT_PUBLIC.hex(),
        "shared_secret": town.SHARED.hex(),
        "kdk": [
            {"lock_id": lock_id, "epoch": epoch, "kdk": town.kdk(lock_id, epoch).hex()}
            for lock_id, epoch in ((LOCK, EPOCH), (LOCK, 255), (OTHER_LOCK, EPOCH))
        ],
        "proof_key": {
            "kdk": KDK.hex(),
            "token": raw_token.hex(),
            "key": keys.proof_key(KDK, raw_token).hex(),
        },
        "audit_key": {"kdk": KDK.hex(), "key": keys.audit_key(KDK).hex()},
        "audit_cipher_key": {
            "kdk": KDK.hex(),
            "salt": salt.hex(),
            "key": keys.audit_cipher_key(KDK, salt).hex(),
        },
        "pin_key": {"kdk": KDK.hex(), "key": pin.pin_key(KDK).hex()},
        "key_id": [
            {"public_key": public_key(name).hex(), "kid": kid(name).hex()} for name in town.SEEDS
        ],
    }


def frames_vectors() -> dict[str, Any]:
    whole = bytes(range(256)) * 6
    sizes = ((1, 20), (19, 20), (20, 20), (57, 20), (181, 182), (182, 182), (1300, 20), (1300, 509))
    three = frames.fragment(whole[:57], 20)
    return {
        "split": [
            {
                "message": whole[:size].hex(),
                "max_fragment": limit,
                "fragments": [piece.hex() for piece in frames.fragment(whole[:size], limit)],
            }
            for size, limit in sizes
        ],
        "refused_at_the_last": [
            {"why": why, "fragments": [piece.hex() for piece in pieces]}
            for why, pieces in (
                ("empty", [b""]),
                ("a header and nothing else", [b"\xc0"]),
                ("no first fragment", [three[1]]),
                ("one missing", [three[0], three[2]]),
                ("one repeated", [three[0], three[1], three[1]]),
                ("first with another index", [b"\x81x"]),
                ("more than 4096 bytes", _oversize()),
                ("one byte more than 4096", [*_oversize()[:8], b"\x48" + bytes(97)]),
                ("a first fragment repeated as the next", [three[0], b"\x40x"]),
            )
        ],
        "joined": _joined(three),
    }


def _joined(three: list[bytes]) -> list[dict[str, Any]]:
    """What comes out after each fragment: a message, nothing yet (null), or an error (false)."""
    full = [*_oversize()[:8], b"\x48" + bytes(96)]
    cases = (
        ("4096 bytes", full),
        ("a first fragment abandons what was unfinished", [three[0], three[1], *three]),
        ("a message in one amid another", [three[0], b"\xc0x", three[1]]),
        ("after an error all must begin anew", [three[0], three[2], three[1], *three]),
        ("two in a row", [*three, b"\xc0x"]),
    )
    return [
        {"why": why, "fragments": [p.hex() for p in pieces], "comes_out": _comes_out(pieces)}
        for why, pieces in cases
    ]


def _comes_out(pieces: list[bytes]) -> list[Any]:
    reassembler, out = frames.Reassembler(), []
    for piece in pieces:
        try:
            message = reassembler.push(piece)
            out.append(None if message is None else message.hex())
        except frames.FrameError:
            out.append(False)
    return out


def _oversize() -> list[bytes]:
    """Fragments of 500 bytes that never end: the ninth goes beyond the largest message."""
    return [bytes([(frames.FIRST if n == 0 else 0) | n]) + bytes(500) for n in range(9)]


def numbers_vectors() -> dict[str, Any]:
    made = {table: tables.rows(table) for table in tables.TABLES}
    return {"tables": made, "limits": tables.limits()}


def gatt_vectors() -> dict[str, Any]:
    names = ("kannuki-kitaguch", "kannuki-", "kannuki-KITAGUCH", "kannuki-kitaguch2", "speaker", "")
    return {
        "service": gatt.SERVICE_UUID,
        "rx": gatt.RX_UUID,
        "tx": gatt.TX_UUID,
        "name_prefix": gatt.NAME_PREFIX,
        "names": [{"name": name, "lock_id": gatt.lock_id_in(name)} for name in names],
    }


def pin_vectors() -> dict[str, Any]:
    kdk = bytes(range(32, 64))
    block = support.aes(pin.pin_key(kdk))
    windows = [(1_790_000_100, 1, 0), (1_790_000_100, 8, 3), (1_796_432_400, 48, 31), (0, 1, 0)]
    pins = [pin.Pin(*window) for window in windows]
    return {
        "lock_id": LOCK,
        "kdk": kdk.hex(),
        "key": pin.pin_key(kdk).hex(),
        "lengths_quarters": list(pin.LENGTHS_QUARTERS),
        "pins": [
            {
                "starts_at": each.starts_at,
                "quarters": each.quarters,
                "serial": each.serial,
                "digits": pin.encode(block, LOCK, each),
                "name": pin.name(LOCK, each).hex(),
            }
            for each in pins
        ],
        "say_nothing": [ff1_digits(block, value) for value in (14 << 5, 15 << 5, 10**10 - 1)],
        "open": open_rows(),
    }


def ff1_digits(block: Any, value: int) -> str:
    return f"{ff1.encrypt(block, LOCK.encode(), value, pin.DIGITS):010d}"


def open_rows() -> list[dict[str, Any]]:
    """Whether a PIN's window counts as open for a lock that knows [lo, hi], by its door's doubt."""
    start, end = 1_790_000_100, 1_790_001_900
    bounds = (
        *((start + a, start + b) for a, b in ((0, 0), (-1, -1), (-1, 0), (-1, 899), (-1, 900))),
        *((end + a, end + b) for a, b in ((-1, -1), (0, 0), (-1, 0), (-900, 0), (-901, 0))),
        *((start - 900, start), (start - 901, start), (start - 1, end), (start, None)),
    )
    rows = []
    for lo, hi in bounds:
        for doubt_s in (0, 1, 900, 3600):
            now = TimeBound(lo) if hi is None else TimeBound(lo, hi)
            open_ = pin.Pin(start, 2, 0).fits(now, strict=now.doubt > doubt_s)
            row = {"starts_at": start, "quarters": 2, "lo": lo, "hi": hi, "doubt_s": doubt_s}
            rows.append({**row, "open": open_})
    return rows


def claim_vectors() -> dict[str, Any]:
    """A proof key wrapped for one device. Both private halves are given: they protect nothing."""
    raw_token = issue()
    device = ec.derive_private_key(0xD1CE << 200 | 1, ec.SECP256R1())
    once = ec.derive_private_key(0x0ACE << 200 | 2, ec.SECP256R1())
    shared = once.exchange(ec.ECDH(), device.public_key())
    wrap_key = hkdf_sha256(shared, b"kannuki-claim" + sha256(raw_token))
    proof_key = keys.proof_key(KDK, raw_token)
    return {
        "token": raw_token.hex(),
        "proof_key": proof_key.hex(),
        "device": _p256(device),
        "server": _p256(once),
        "shared": shared.hex(),
        "wrap_key": wrap_key.hex(),
        "wrapped": AESGCM(wrap_key).encrypt(bytes(12), proof_key, None).hex(),
    }


def _p256(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    private = key.private_numbers().private_value.to_bytes(32, "big")
    return {"private_key": private.hex(), "public_key": public.hex()}


FILES = {
    "cbor": cbor_vectors,
    "crypto": crypto_vectors,
    "keys": keys_vectors,
    "token": generate_documents.token_vectors,
    "keyset": generate_documents.keyset_vectors,
    "lockconfig": generate_documents.lockconfig_vectors,
    "signedtime": generate_documents.signedtime_vectors,
    "session": session_vectors,
    "verdicts": verdicts_vectors,
    "frames": frames_vectors,
    "statuslist": generate_records.statuslist_vectors,
    "audit": generate_records.audit_vectors,
    "reasons": tables.reason_rows,
    "numbers": numbers_vectors,
    "gatt": gatt_vectors,
    "claim": claim_vectors,
    "pin": pin_vectors,
    "conduct": conduct_vectors,
}


def render(name: str) -> str:
    """The text of one file, always the same."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=True) + "\n"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: python -m tests.protocol.generate_vectors [--check]", file=sys.stderr)
        return 2
    if arguments:
        stale = [name for name in FILES if not _is_current(name)]
        for name in stale:
            print(f"protocol/vectors/{name}.json is out of date: run make vectors", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in FILES:
        (FOLDER / f"{name}.json").write_text(render(name), encoding="ascii")
    return 0


def _is_current(name: str) -> bool:
    path = FOLDER / f"{name}.json"
    return path.exists() and path.read_bytes() == render(name).encode("ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
