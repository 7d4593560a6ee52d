"""Vectors of a session: every message and MAC of one, and the verdicts on many presentations.

Called by generate_vectors.py.
"""

from __future__ import annotations

from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol import cose, holder, keys, keyset, reasons, session, statuslist, verify
from protocol import token as tokens
from protocol.crypto import Crypto
from protocol.session import Challenge, Outcome
from protocol.timebound import TimeBound, to_wire, unknown
from protocol.token import Weekly
from protocol.verify import Allowed, Trust
from tests.protocol import generate_messages, support
from tests.protocol import generate_town as town
from tests.protocol.generate_town import HOLDER_NONCE, KDK, LOCK_NONCE, issue, kid
from tests.protocol.support import EPOCH, GROUP, LOCK, NOON, OTHER_LOCK, T0, T1

HELLO = session.encode_hello()
OUTCOME = Outcome(session.OK, {session.DETAIL_RELOCK_AFTER_MS: 5000}, 41, bytes([0xAB]) * 32)
OTHER_GROUP = "+swimmers"
HOUR_NOW = Weekly(0, [((NOON - 345600) // 60 % 10080, 60)])
HOUR_BEFORE = Weekly(0, [((NOON - 345600) // 60 % 10080 - 61, 60)])


def make_challenge(nonce: bytes = LOCK_NONCE) -> bytes:
    time = TimeBound(NOON - 2, NOON + 2)
    return session.encode_challenge(Challenge(LOCK, nonce, time, (1, 4, 2), [EPOCH], 182))


GREETING = (HELLO, make_challenge())


def session_vectors() -> dict[str, Any]:
    raw_token = issue()
    key = keys.proof_key(KDK, raw_token)
    presentation = session.encode_presentation(HOLDER_NONCE, raw_token, session.COMMAND_UNLOCK)
    mac_h = session.presentation_mac(key, GREETING, presentation)
    outcome = session.encode_outcome(OUTCOME)
    mac_l = session.outcome_mac(key, GREETING, presentation, mac_h, outcome)
    bound = session.transcript(GREETING, presentation, outcome)
    request = session.encode_request(1, session.REQUEST_AUDIT, [0, 16])
    reply = session.encode_reply(1, session.OK, [b"parcel", bytes(16)])
    return {
        "lock_id": LOCK,
        "epoch": EPOCH,
        "kdk": KDK.hex(),
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
        "open_for_documents": list(session.OPEN_FOR_DOCUMENTS),
        "hello": HELLO.hex(),
        "challenge": GREETING[1].hex(),
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
        "clock_never_set": session.encode_challenge(
            Challenge(LOCK, LOCK_NONCE, unknown(), (1, 0, 0), [EPOCH, 255], 20)
        ).hex(),
        "edges": generate_messages.edges(),
        "requests": request_rows(),
        "group_holder": group_holder(),
    }


def verdicts_vectors() -> dict[str, Any]:
    """What one lock says to many presentations."""
    return {
        "lock_id": LOCK,
        "groups": [GROUP],
        "epoch": EPOCH,
        "kdk": KDK.hex(),
        "keyset": keyset.encode(town.make_keyset()).hex(),
        "hello": HELLO.hex(),
        "challenge": GREETING[1].hex(),
        "verdicts": [verdict_row(*case) for case in verdict_cases()],
    }


def request_rows() -> list[dict[str, Any]]:
    """One request of every operation, without MAC."""
    document = issue()
    arguments = {
        "REQUEST_STATE": None,
        "REQUEST_AUDIT": [0, 8],
        "REQUEST_STATUS_PART": [document, 0, bytes(16)],
        "REQUEST_STATUS_DELTA": [document, 4, bytes(16)],
        "REQUEST_KEYSET": document,
        "REQUEST_CONFIG": document,
        "REQUEST_TIME": document,
        "REQUEST_TIME_RESET": document,
        "REQUEST_ACK": document,
        "REQUEST_HEAD": LOCK_NONCE,
        "REQUEST_TOKEN": document,
        "REQUEST_CLEAR_KEYPAD": None,
    }
    rows = []
    for counter, (name, argument) in enumerate(arguments.items(), 1):
        raw = session.encode_request(counter, getattr(session, name), argument)
        rows.append({"name": name, "counter": counter, "message": raw.hex()})
    return rows


def group_holder() -> dict[str, Any]:
    """A holder of a group's token before one of the group's locks: its key, its presentation."""
    raw_token = issue("staff", audience=GROUP)
    proof_keys = {
        each: keys.proof_key(town.kdk(each), raw_token) for each in (LOCK, OTHER_LOCK, "higashig")
    }
    credential = holder.Credential(raw_token, proof_keys)
    machine = holder.HolderSession(credential, session.COMMAND_UNLOCK, lambda n: HOLDER_NONCE)
    machine.start()
    ((_, message),) = machine.receive(GREETING[1])
    return {
        "token": raw_token.hex(),
        "proof_keys": {each: key.hex() for each, key in proof_keys.items()},
        "message": message.hex(),
    }


def present(
    raw_token: bytes, command: int = 1, greeting: tuple = GREETING, kdk: bytes = KDK
) -> bytes:
    presentation = session.encode_presentation(HOLDER_NONCE, raw_token, command)
    key = keys.proof_key(kdk, raw_token)
    return presentation + session.presentation_mac(key, greeting, presentation)


def verdict_cases() -> list[tuple]:
    """(name, presentation with MAC, what is different about the lock)."""
    groups = (time_cases, revocation_cases, possession_cases, grant_cases, form_cases, order_cases)
    return [case for group in groups for case in group()]


def time_cases() -> list[tuple]:
    good = present(issue())
    emergency = {"permissions": tokens.UNLOCK, "expires_at": T0 + 30 * 86400}
    weekly, week_before = present(issue(weekly=HOUR_NOW)), present(issue(weekly=HOUR_BEFORE))
    doubt = [NOON - 600, T1 + 1]
    return [
        ("valid", good, {}),
        ("the first second of the window", good, {"now": [T0, T0]}),
        ("the last second of the window", good, {"now": [T1 - 1, T1 - 1]}),
        ("one second too early", good, {"now": [T0 - 1, T0 - 1]}),
        ("the second of expiry", good, {"now": [T1, T1]}),
        ("long expired", good, {"now": [T1 + 86400, T1 + 86402]}),
        ("unsure at the beginning", good, {"now": [T0 - 1, T0 + 1]}),
        ("unsure at the end", good, {"now": [T1 - 1, T1]}),
        ("time unknown", good, {"now": [0, None]}),
        ("time unknown, but surely expired", good, {"now": [T1, None]}),
        ("a door that bears the doubt", good, {"now": [T1 - 2, T1 + 1], "doubt_s": 3}),
        ("a door that bears less", good, {"now": [T1 - 2, T1 + 1], "doubt_s": 2}),
        ("surely expired however loose", good, {"now": [T1, T1 + 1], "doubt_s": 3600}),
        ("a long doubt", good, {"now": doubt, "doubt_s": 3600}),
        ("hours of the week, inside", weekly, {}),
        ("hours of the week, before", weekly, {"now": [T0, T0]}),
        ("hours of the week, over", week_before, {}),
        (
            "emergency, time unknown",
            present(issue("emergency", **emergency)),
            {"now": [T0 - 9, None]},
        ),
        (
            "emergency, expired",
            present(issue("emergency", **emergency)),
            {"now": [T0 + 30 * 86400, None]},
        ),
        (
            "emergency, too early",
            present(issue("emergency", **emergency)),
            {"now": [T0 - 9, T0 - 1]},
        ),
    ]


def revocation_cases() -> list[tuple]:
    good, cti = present(issue()), support.make_token().cti
    once = present(issue(once=True))
    sync = present(issue("staff", permissions=127, once=True), command=4)
    group = present(issue("staff", audience=GROUP))
    issued_at = support.make_token().issued_at

    def rows(*row: Any) -> dict[str, Any]:
        return {"min_iat": [list(row)]}

    return [
        ("revoked by its cti", good, {"revoked": [[cti.hex(), T1]]}),
        ("its issuer revoked", good, rows(kid("booking").hex(), None, NOON)),
        ("its issuer revoked here", good, rows(kid("booking").hex(), LOCK, NOON)),
        ("its issuer revoked for a group", good, rows(kid("booking").hex(), GROUP, NOON)),
        ("its issuer revoked until it", good, rows(kid("booking").hex(), None, issued_at)),
        ("another issuer revoked", good, rows(kid("staff").hex(), None, NOON)),
        ("a group's token revoked", group, rows(kid("staff").hex(), GROUP, NOON)),
        ("a group's token, the lock revoked", group, rows(kid("staff").hex(), LOCK, NOON)),
        ("a single opening", once, {}),
        ("a single opening, spent", once, {"spent": [cti.hex()]}),
        ("not single, so never spent", good, {"spent": [cti.hex()]}),
        ("spent, but nothing is opened", sync, {"spent": [cti.hex()]}),
    ]


def possession_cases() -> list[tuple]:
    good = present(issue())
    other_nonce = (HELLO, make_challenge(HOLDER_NONCE))
    other_hello = (session.encode_hello(2), GREETING[1])
    signed, _ = tokens.parse(issue())
    longer = tokens.encode_claims(support.make_token(expires_at=T1 + 1))
    tampered = cose.encode(signed.kid, longer, signed.signature)
    other_kdk = town.kdk(OTHER_LOCK)
    group = issue("staff", audience=GROUP)
    return [
        ("answers another challenge", present(issue(), greeting=other_nonce), {}),
        ("said another version in HELLO", present(issue(), greeting=other_hello), {}),
        ("last bit of the MAC flipped", good[:-1] + bytes([good[-1] ^ 1]), {}),
        ("the proof key of another lock", present(issue(), kdk=other_kdk), {}),
        ("token tampered with by its holder", present(tampered), {}),
        ("token for another lock", present(issue(audience=OTHER_LOCK)), {}),
        ("token of an unknown vault epoch", present(issue(epoch=EPOCH + 1)), {}),
        ("token of an unknown key", present(issue("stranger")), {}),
        ("a group's token", present(group), {}),
        ("a group's token with the key of another lock", present(group, kdk=other_kdk), {}),
        ("token of another group", present(issue("staff", audience=OTHER_GROUP)), {}),
    ]


def grant_cases() -> list[tuple]:
    both = issue("staff", permissions=tokens.UNLOCK | tokens.UNLOCK_REMOTE)
    everything = issue("staff", permissions=tokens.ALL_PERMISSIONS)
    maintain = tokens.UNLOCK | tokens.MAINTAIN
    late = T0 + 91 * 86400
    far = {"not_before": late, "expires_at": late + 60, "issued_at": T0}
    emergency_group = issue("emergency", audience=GROUP)
    return [
        ("remote opening not granted", present(issue(), command=2), {}),
        ("a relayed unlock is remote", present(issue()), {"relayed": True}),
        ("a relayed unlock that may be", present(both), {"relayed": True}),
        ("unknown command", present(everything, command=99), {}),
        ("sync with a booking", present(issue(), command=4), {}),
        ("sync by staff", present(everything, command=4), {}),
        ("hold open", present(everything, command=5), {}),
        ("hold open not granted", present(issue(), command=5), {}),
        ("evacuate", present(everything, command=6), {}),
        ("evacuate not granted", present(both, command=6), {}),
        ("evacuate by emergency", present(issue("emergency", permissions=65), command=6), {}),
        ("emergency for a group", present(emergency_group), {}),
        ("booking issuer grants too much", present(issue(permissions=maintain)), {}),
        ("lifetime too long", present(issue(expires_at=T0 + 2 * 86400 + 1)), {}),
        ("issued too far ahead", present(issue(**far)), {"now": [late, late]}),
        ("signed by the status key", present(issue("status")), {}),
    ]


def form_cases() -> list[tuple]:
    good = present(issue())
    return [
        ("truncated", good[:-20], {}),
        ("another message type", bytes([session.REQUEST]) + good[1:], {}),
        ("too large", good + bytes(200), {}),
        ("as large as may be", good + bytes(320 - len(good)), {}),
        ("one byte more", good + bytes(321 - len(good)), {}),
        ("nothing", b"", {}),
        ("a MAC alone", bytes(16), {}),
    ]


def order_cases() -> list[tuple]:
    """Presentations with two faults: the earlier check answers. Last, the edges of a grant."""
    other, stranger = present(issue("stranger", audience=OTHER_LOCK)), issue("stranger", epoch=9)
    expired, spent = {"now": [T1, T1]}, {"spent": [support.make_token().cti.hex()]}
    revoked = {"revoked": [[support.make_token().cti.hex(), T1]]}
    early = {"now": [T0 - 1, T0 - 1]}
    signed, _ = tokens.parse(issue("status"))
    longer = tokens.encode_claims(support.make_token(permissions=tokens.ALL_PERMISSIONS))
    tampered = cose.encode(signed.kid, longer, signed.signature)
    remote = tokens.UNLOCK_REMOTE
    everything = tokens.ALL_PERMISSIONS
    year = {"expires_at": T0 + 366 * 86400, "permissions": 65}
    once = present(issue("staff", permissions=everything, once=True))
    held = {c: issue("staff", permissions=everything, once=True) for c in (2, 3, 5, 6)}
    return [
        ("another lock's, of an unknown key", other, {}),
        ("of an unknown key, without its MAC", stranger_spoken(stranger), {}),
        ("a forged token under another MAC", present(tampered)[:-1] + b"\x00", {}),
        ("a forged token of a key that issues none", present(tampered), {}),
        ("grants too much, and expired", present(issue(permissions=36)), expired),
        ("expired, and not for this", present(issue(), command=3), expired),
        ("early, and revoked", present(issue()), {**early, **revoked}),
        ("not for this, and spent", present(issue(once=True), command=3), spent),
        ("spent, and revoked", once, {**spent, **revoked}),
        ("revoked for all and by name", once, revoked),
        *((f"spent, command {c}", present(raw, command=c), spent) for c, raw in held.items()),
        ("a relayed lock", present(issue("staff", permissions=4), command=3), {"relayed": True}),
        ("a relayed hold", present(issue("staff", permissions=8), command=5), {"relayed": True}),
        ("remote alone, at the door", present(issue(permissions=remote)), {}),
        ("remote alone, relayed", present(issue(permissions=remote)), {"relayed": True}),
        ("command 0", present(issue("staff", permissions=everything), command=0), {}),
        ("lifetime as long as may be", present(issue(expires_at=T0 + 2 * 86400)), {}),
        ("as far ahead as may be", present(issue(issued_at=T0 - 90 * 86400)), {}),
        ("one second farther ahead", present(issue(issued_at=T0 - 90 * 86400 - 1)), {}),
        ("issued after it begins", present(issue(issued_at=T1)), {}),
        ("emergency for a year", present(issue("emergency", **year)), {"now": [0, None]}),
        ("emergency, spent", present(issue("emergency", once=True)), spent),
        ("emergency, revoked", present(issue("emergency")), revoked),
        ("emergency, surely early", present(issue("emergency")), early),
    ]


def stranger_spoken(raw_token: bytes) -> bytes:
    return present(raw_token)[:-16] + bytes(16)


def verdict_row(name: str, message: bytes, lock: dict[str, Any]) -> dict[str, Any]:
    """One case with the verdict of the code, and the signature check that it asked for."""
    asked: list[dict[str, Any]] = []
    row = {
        "name": name,
        "message": message.hex(),
        "now": to_wire(TimeBound(NOON, NOON)),
        "revoked": [],
        "min_iat": [],
        "spent": [],
        "doubt_s": 0,
        "relayed": False,
        **lock,
    }
    crypto = Crypto(lambda *call: _verify_with_nacl(asked, *call), bytes, support.aes)
    lo, hi = row["now"]
    now = TimeBound(lo) if hi is None else TimeBound(lo, hi)
    verdict = verify.verify(make_trust(row), crypto, now, GREETING, message, row["relayed"])
    allowed = isinstance(verdict, Allowed)
    row["reason"] = session.OK if allowed else verdict.reason
    row["emergency"] = allowed and verdict.emergency
    row["opens_at"] = getattr(verdict, "opens_at", None)
    row["signature"] = asked[0] if asked else None
    return row


def make_trust(row: dict[str, Any]) -> Trust:
    """The lock of one case."""
    revoked = [(bytes.fromhex(cti), expires_at) for cti, expires_at in row["revoked"]]
    min_iat = [(bytes.fromhex(kid_), audience, least) for kid_, audience, least in row["min_iat"]]
    header, entries = statuslist.build(LOCK, 4, NOON, revoked, min_iat)
    status = statuslist.in_memory(header, entries)
    spent = [bytes.fromhex(cti) for cti in row["spent"]]
    held = town.make_keyset()
    return Trust(LOCK, held, {EPOCH: KDK}, status, [GROUP], spent, row["doubt_s"])


def _verify_with_nacl(asked: list, public: bytes, message: bytes, signature: bytes) -> bool:
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
