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
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey

from protocol import (
    audit,
    cbor,
    cose,
    frames,
    gatt,
    keys,
    pin,
    reasons,
    session,
    statuslist,
    verify,
)
from protocol import token as tokens
from protocol.audit import Batch, Record
from protocol.crypto import Crypto, hkdf_sha256, sha256
from protocol.session import Challenge, Outcome
from protocol.statuslist import StatusList
from protocol.timebound import TimeBound
from protocol.verify import Allowed, IssuerKey, Trust
from tests.protocol import support, tables, test_cbor, test_crypto
from tests.protocol.support import EPOCH, LOCK, NOON, OTHER_LOCK, SHARED_SECRET, T0, T1, TOWN

FOLDER = Path(__file__).resolve().parents[2] / "protocol" / "vectors"

SEEDS = {name: bytes([value]) * 32 for name, value in (("booking", 1), ("staff", 2), ("status", 3))}
ROLES = {
    "booking": (verify.ROLE_BOOKING, tokens.UNLOCK | tokens.UNLOCK_REMOTE, 2 * 86400),
    "staff": (verify.ROLE_STAFF, tokens.ALL_PERMISSIONS, 7 * 86400),
    "status": (verify.ROLE_STATUS, 0, 1),
}
LOCK_NONCE = bytes(range(0x10, 0x20))
HOLDER_NONCE = bytes(range(0x20, 0x30))
KDK = keys.lock_kdk(SHARED_SECRET, TOWN, LOCK, EPOCH)


def signing_key(name: str) -> SigningKey:
    return SigningKey(SEEDS[name])


def public_key(name: str) -> bytes:
    return bytes(signing_key(name).verify_key)


def sign(name: str, payload: bytes, context: bytes = b"") -> bytes:
    """The envelope of `payload` under the key called `name`."""
    kid = keys.key_id(public_key(name))
    signature = signing_key(name).sign(cose.to_sign(kid, payload, context)).signature
    return cose.encode(kid, payload, signature)


def issue(name: str = "booking", **claims: Any) -> bytes:
    return sign(name, tokens.encode_claims(support.make_token(**claims)))


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
    }


def keys_vectors() -> dict[str, Any]:
    raw_token = issue()
    return {
        "town": TOWN,
        "shared_secret": SHARED_SECRET.hex(),
        "kdk": [
            {
                "lock_id": lock_id,
                "epoch": epoch,
                "kdk": keys.lock_kdk(SHARED_SECRET, TOWN, lock_id, epoch).hex(),
            }
            for lock_id, epoch in ((LOCK, EPOCH), (LOCK, 255), (OTHER_LOCK, EPOCH))
        ],
        "proof_key": {
            "kdk": KDK.hex(),
            "token": raw_token.hex(),
            "key": keys.proof_key(KDK, raw_token).hex(),
        },
        "audit_key": {"kdk": KDK.hex(), "key": keys.audit_key(KDK).hex()},
        "key_id": [
            {"public_key": public_key(name).hex(), "kid": keys.key_id(public_key(name)).hex()}
            for name in SEEDS
        ],
    }


def token_vectors() -> dict[str, Any]:
    return {
        "keys": {
            name: {"seed": SEEDS[name].hex(), "public_key": public_key(name).hex()}
            for name in SEEDS
        },
        "tokens": [
            token_row("booking"),
            token_row("staff", permissions=tokens.ALL_PERMISSIONS, epoch=255, cti=bytes(8)),
            token_row("booking", audience=OTHER_LOCK, not_before=1, expires_at=2, issued_at=1),
            token_row("staff", not_before=(1 << 40) - 2, expires_at=(1 << 40) - 1),
        ],
        "refused": refused_tokens(),
    }


def token_row(name: str, **claims: Any) -> dict[str, Any]:
    token = support.make_token(**claims)
    raw = issue(name, **claims)
    signed, _ = tokens.parse(raw)
    return {
        "issuer": name,
        "claims": {**vars(token), "cti": token.cti.hex()},
        "payload": signed.payload.hex(),
        "protected": signed.protected.hex(),
        "kid": signed.kid.hex(),
        "sig_structure": signed.signed_bytes().hex(),
        "signature": signed.signature.hex(),
        "token": raw.hex(),
    }


def refused_tokens() -> list[dict[str, str]]:
    raw, signed = issue(), tokens.parse(issue())[0]
    claims = cbor.decode(signed.payload)
    kid, signature = signed.kid, signed.signature
    old = cbor.encode({1: -8, 4: kid})
    status = sign("status", statuslist.encode(statuslist.empty(LOCK)), statuslist.CONTEXT)
    rows = [
        ("algorithm -8 (deprecated EdDSA)", cose_with(old, {}, signed.payload, signature)),
        ("kid unprotected", cose_with(signed.protected, {4: kid}, signed.payload, signature)),
        ("no tag", raw[1:]),
        ("CWT tag around it", bytes.fromhex("d83d") + raw),
        ("trailing byte", raw + b"\x00"),
        ("last byte missing", raw[:-1]),
        ("a status list", status),
        ("a claim too many", sign("booking", cbor.encode({**claims, 1: "issuer"}))),
        ("no expiry", sign("booking", cbor.encode({k: v for k, v in claims.items() if k != 4}))),
        ("window empty", sign("booking", cbor.encode({**claims, 4: claims[5]}))),
        ("audience in capitals", sign("booking", cbor.encode({**claims, 3: "KITAGUCH"}))),
        ("cti too short", sign("booking", cbor.encode({**claims, 7: b"short"}))),
        ("epoch 0", sign("booking", cbor.encode({**claims, 8: {3: b"\x00"}}))),
        ("unknown permission", sign("booking", cbor.encode({**claims, 9: scope(128)}))),
        ("no permission", sign("booking", cbor.encode({**claims, 9: scope(0)}))),
        ("a boolean as time", sign("booking", cbor.encode({**claims, 5: True}))),
    ]
    return [{"why": why, "token": data.hex()} for why, data in rows]


def scope(permissions: int) -> bytes:
    return cbor.encode([["door", permissions]])


def cose_with(protected: bytes, unprotected: dict, payload: bytes, signature: bytes) -> bytes:
    return cbor.encode(cbor.Tag(18, [protected, unprotected, payload, signature]))


def session_vectors() -> dict[str, Any]:
    raw_token = issue()
    key = keys.proof_key(KDK, raw_token)
    challenge = make_challenge()
    presentation = session.encode_presentation(HOLDER_NONCE, raw_token, session.COMMAND_UNLOCK)
    mac_h = session.presentation_mac(key, challenge, presentation)
    outcome = session.encode_outcome(
        Outcome(session.OK, {session.DETAIL_RELOCK_AFTER_MS: 5000}, 41, bytes([0xAB]) * 32)
    )
    mac_l = session.outcome_mac(key, challenge, presentation, mac_h, outcome)
    bound = session.transcript(challenge, presentation, outcome)
    request = session.encode_request(1, session.REQUEST_AUDIT, [0, 16])
    reply = session.encode_reply(1, session.OK, [b"batch", bytes(16)])
    signed, _ = tokens.parse(raw_token)
    return {
        "lock_id": LOCK,
        "epoch": EPOCH,
        "kdk": KDK.hex(),
        "keyset": keyset_rows(),
        "proof_key": key.hex(),
        "token": raw_token.hex(),
        "lock_nonce": LOCK_NONCE.hex(),
        "holder_nonce": HOLDER_NONCE.hex(),
        "labels": {
            "presentation": "kannuki1-H",
            "outcome": "kannuki1-L",
            "request": "kannuki1-h",
            "reply": "kannuki1-l",
        },
        "hello": session.encode_hello().hex(),
        "challenge": challenge.hex(),
        "presentation": presentation.hex(),
        "mac_h": mac_h.hex(),
        "outcome": outcome.hex(),
        "mac_l": mac_l.hex(),
        "transcript": bound.hex(),
        "request": request.hex(),
        "request_mac": session.request_mac(key, bound, request).hex(),
        "reply": reply.hex(),
        "reply_mac": session.reply_mac(key, bound, request, reply).hex(),
        "refusal": session.encode_refusal(reasons.BUSY).hex(),
        "verdicts": [verdict_row(*case) for case in verdict_cases()],
    }


def make_challenge() -> bytes:
    time = TimeBound(NOON - 2, NOON + 2)
    return session.encode_challenge(Challenge(LOCK, LOCK_NONCE, time, (1, 4, 2), [EPOCH], 182))


def keyset_rows() -> list[dict[str, Any]]:
    return [
        {
            "kid": keys.key_id(public_key(name)).hex(),
            "public_key": public_key(name).hex(),
            "role": role,
            "permissions": permissions,
            "max_lifetime_s": lifetime,
        }
        for name, (role, permissions, lifetime) in ROLES.items()
    ]


def verdict_cases() -> list[tuple]:
    """(name, presentation with MAC, now or None, status list or None)."""
    good, at_noon = present(issue()), (NOON, NOON)
    nonce_of_another_session = make_challenge().replace(LOCK_NONCE, HOLDER_NONCE)
    revoked = statuslist.build(LOCK, 4, NOON, 0, [(support.make_token().cti, T1)])
    signed, _ = tokens.parse(issue())
    longer = tokens.encode_claims(support.make_token(expires_at=T1 + 1))
    tampered = cose.encode(signed.kid, longer, signed.signature)
    staff_scope = tokens.UNLOCK | tokens.MAINTAIN
    return [
        ("valid", good, at_noon, None),
        ("the first second of the window", good, (T0, T0), None),
        ("the last second of the window", good, (T1 - 1, T1 - 1), None),
        ("one second too early", good, (T0 - 1, T0 - 1), None),
        ("the second of expiry", good, (T1, T1), None),
        ("long expired", good, (T1 + 86400, T1 + 86402), None),
        ("unsure at the beginning", good, (T0 - 1, T0 + 1), None),
        ("unsure at the end", good, (T1 - 1, T1), None),
        ("time unknown", good, None, None),
        ("revoked by its cti", good, at_noon, revoked),
        ("revoked by min_iat", good, at_noon, statuslist.build(LOCK, 4, NOON, NOON, [])),
        ("answers another challenge", present(issue(), nonce_of_another_session), at_noon, None),
        ("last bit of the MAC flipped", good[:-1] + bytes([good[-1] ^ 1]), at_noon, None),
        ("token tampered with by its holder", present(tampered), at_noon, None),
        ("token for another lock", present(issue(audience=OTHER_LOCK)), at_noon, None),
        ("token of an unknown vault epoch", present(issue(epoch=EPOCH + 1)), at_noon, None),
        ("remote opening not granted", present(issue(), command=2), at_noon, None),
        ("unknown command", present(issue(), command=99), at_noon, None),
        ("sync with a booking", present(issue(), command=4), at_noon, None),
        (
            "sync by staff",
            present(issue("staff", permissions=staff_scope), command=4),
            at_noon,
            None,
        ),
        ("booking issuer grants too much", present(issue(permissions=staff_scope)), at_noon, None),
        ("lifetime too long", present(issue(expires_at=T0 + 2 * 86400 + 1)), at_noon, None),
        ("signed by the status key", present(issue("status")), at_noon, None),
        ("truncated", good[:-20], at_noon, None),
        ("another message type", bytes([session.REQUEST]) + good[1:], at_noon, None),
        ("too large", good + bytes(200), at_noon, None),
    ]


def present(raw_token: bytes, challenge: bytes | None = None, command: int = 1) -> bytes:
    challenge = make_challenge() if challenge is None else challenge
    presentation = session.encode_presentation(HOLDER_NONCE, raw_token, command)
    key = keys.proof_key(KDK, raw_token)
    return presentation + session.presentation_mac(key, challenge, presentation)


def verdict_row(
    name: str, message: bytes, now: tuple | None, status: StatusList | None
) -> dict[str, Any]:
    """One case with the verdict of the code, and the signature check that it asked for."""
    asked: list[dict[str, Any]] = []
    trust = make_trust(status)
    time = None if now is None else TimeBound(*now)
    crypto = Crypto(lambda *call: _verify_with_nacl(asked, *call), lambda n: bytes(n))
    verdict = verify.verify(trust, crypto, time, make_challenge(), message)
    row = {
        "name": name,
        "message": message.hex(),
        "now": None if now is None else list(now),
        "status_list": None if status is None else statuslist.encode(status).hex(),
        "reason": session.OK if isinstance(verdict, Allowed) else verdict.reason,
        "signature": asked[0] if asked else None,
    }
    if not isinstance(verdict, Allowed) and verdict.opens_at is not None:
        row["opens_at"] = verdict.opens_at
    return row


def make_trust(status: StatusList | None) -> Trust:
    keyset = {
        keys.key_id(public_key(name)): IssuerKey(public_key(name), *row)
        for name, row in ROLES.items()
    }
    return Trust(LOCK, keyset, {EPOCH: KDK}, status or statuslist.empty(LOCK))


def _verify_with_nacl(asked: list, public: bytes, message: bytes, signature: bytes) -> bool:
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(public).verify(message, signature)
        good = True
    except BadSignatureError:
        good = False
    asked.append(
        {
            "public_key": public.hex(),
            "message": message.hex(),
            "signature": signature.hex(),
            "good": good,
        }
    )
    return good


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
            )
        ],
    }


def _oversize() -> list[bytes]:
    """Fragments of 500 bytes that never end: the ninth goes beyond the largest message."""
    return [bytes([(frames.FIRST if n == 0 else 0) | n]) + bytes(500) for n in range(9)]


def statuslist_vectors() -> dict[str, Any]:
    revoked = [(n.to_bytes(6, "big") + b"--", T1 + 3600 * n) for n in (9, 1, 5)]
    status = statuslist.build(LOCK, 4, NOON, T0 - 7 * 86400, revoked)
    payload = statuslist.encode(status)
    good = cbor.decode(payload)
    unsorted = good[:5] + [good[5][8:] + good[5][:8]]
    questions = [(n.to_bytes(6, "big") + b"??", T0) for n in (0, 1, 2, 5, 8, 9, 10)]
    questions.append((bytes(8), T0 - 7 * 86400 - 1))
    return {
        "context": statuslist.CONTEXT.decode(),
        "fields": {**vars(status), "entries": status.entries.hex()},
        "payload": payload.hex(),
        "public_key": public_key("status").hex(),
        "document": sign("status", payload, statuslist.CONTEXT).hex(),
        "sig_structure": cose.to_sign(
            keys.key_id(public_key("status")), payload, statuslist.CONTEXT
        ).hex(),
        "questions": [
            {"cti": cti.hex(), "issued_at": issued_at, "revoked": status.revokes(cti, issued_at)}
            for cti, issued_at in questions
        ],
        "refused": [
            {"why": "entries not sorted", "payload": cbor.encode(unsorted).hex()},
            {"why": "half an entry", "payload": cbor.encode(good[:5] + [bytes(4)]).hex()},
            {"why": "a member too many", "payload": cbor.encode([*good, 0]).hex()},
            {"why": "no lock", "payload": cbor.encode(["", *good[1:]]).hex()},
            {"why": "version below zero", "payload": cbor.encode([LOCK, -1, *good[2:]]).hex()},
        ],
    }


def audit_vectors() -> dict[str, Any]:
    run = audit_run()
    raw_batch = audit.encode_batch(Batch(LOCK, EPOCH, 1, run))
    start = audit.genesis(LOCK, 1)
    edited = [run[0], run[1].replace(b"\x01\x02\x03", b"\x01\x02\x04"), *run[2:]]
    broken = (
        ("edited", edited, 0, start),
        ("one missing", [run[0], *run[2:]], 0, start),
        ("out of order", [run[0], run[2], run[1]], 0, start),
        ("of another lock", run, 0, audit.genesis(OTHER_LOCK, 1)),
        ("begins later", run[1:], 0, start),
    )
    return {
        "lock_id": LOCK,
        "vault_epoch": EPOCH,
        "journal_epoch": 1,
        "genesis": start.hex(),
        "records": [raw.hex() for raw in run],
        "hashes": [audit.record_hash(raw).hex() for raw in run],
        "batch": raw_batch.hex(),
        "audit_key": keys.audit_key(KDK).hex(),
        "seal": audit.seal(keys.audit_key(KDK), raw_batch).hex(),
        "broken": [
            {
                "why": why,
                "records": [raw.hex() for raw in records],
                "next_seq": next_seq,
                "previous": previous.hex(),
            }
            for why, records, next_seq, previous in broken
        ],
    }


def audit_run() -> list[bytes]:
    """Boot, an opening, a refusal, a relock."""
    cti, now = support.make_token().cti, TimeBound(NOON, NOON + 2)
    events = (
        (None, audit.BOOT, 0, audit.SOURCE_NONE, None),
        (now, audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_HOLDER, cti),
        (now, audit.LOCK_OPERATION_ERROR, reasons.EXPIRED, audit.SOURCE_HOLDER, cti),
        (now, audit.LOCK_OPERATION, audit.OPERATION_LOCK, audit.SOURCE_AUTO, None),
    )
    run, previous = [], audit.genesis(LOCK, 1)
    for seq, event in enumerate(events):
        run.append(audit.encode_record(Record(seq, *event, previous)))
        previous = audit.record_hash(run[-1])
    return run


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
    cipher = Cipher(algorithms.AES(pin.pin_key(kdk)), modes.ECB())

    def block(data: bytes) -> bytes:
        return cipher.encryptor().update(data)

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
                "name": pin.revocation_name(LOCK, each).hex(),
            }
            for each in pins
        ],
    }


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
    "token": token_vectors,
    "session": session_vectors,
    "frames": frames_vectors,
    "statuslist": statuslist_vectors,
    "audit": audit_vectors,
    "reasons": tables.reason_rows,
    "numbers": numbers_vectors,
    "gatt": gatt_vectors,
    "claim": claim_vectors,
    "pin": pin_vectors,
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
