"""What a lock makes of a presentation: the order of checks in section 5 of wire.md."""

from __future__ import annotations

import hmac
from typing import Any, NamedTuple

from tests.stranger.cbor import Refused
from tests.stranger.documents import Keyset, Token, relation, revoked, token, verified, window
from tests.stranger.wire import (
    EVACUATE,
    HOLD_OPEN,
    LOCK,
    PRESENTATION,
    SYNC,
    UNLOCK,
    UNLOCK_REMOTE,
    cat_hash,
    derived,
    labelled_mac,
    members,
)

OK, MALFORMED, WRONG_LOCK, UNKNOWN_ISSUER, BAD_MAC, TOO_LARGE = 0, 1, 3, 4, 5, 7
BAD_SIGNATURE, NOT_ALLOWED, NOT_YET_VALID, EXPIRED, TIME_UNKNOWN = 32, 33, 34, 35, 36
SCOPE, REVOKED, SPENT = 37, 38, 41
BOOKING, STAFF, EMERGENCY = 1, 2, 7
PERMISSION = {UNLOCK: 1, UNLOCK_REMOTE: 2, LOCK: 4, SYNC: 32, HOLD_OPEN: 8, EVACUATE: 64}


class Lock(NamedTuple):
    lock_id: str
    groups: list[str]
    kdks: dict[int, bytes]  # by vault epoch
    keys: Keyset
    doubt_s: int
    entries: bytes  # of the status list in force
    rows: list[Any]
    spent: list[bytes]


class Verdict(NamedTuple):
    reason: int
    signature: bool | None = None  # what the check of the signature said; None: not asked
    emergency: bool = False
    opens_at: int | None = None


def mac_h(proof_key: bytes, hello: bytes, challenge: bytes, presentation: bytes) -> bytes:
    return labelled_mac(proof_key, "kannuki1-H", cat_hash(hello, challenge, presentation))


def mac_l(proof_key: bytes, hello: bytes, challenge: bytes, spoken: bytes, outcome: bytes) -> bytes:
    """`spoken` is the presentation with its MAC."""
    digest = cat_hash(hello, challenge, spoken[:-16], spoken[-16:], outcome)
    return labelled_mac(proof_key, "kannuki1-L", digest)


def judge(
    lock: Lock, hello: bytes, challenge: bytes, spoken: bytes, now: Any, relayed: bool
) -> Verdict:
    if len(spoken) > 320:
        return Verdict(TOO_LARGE)
    try:
        _, raw, command = members(PRESENTATION, spoken[:-16])
        found = token(raw)
    except Refused:
        return Verdict(MALFORMED)
    if found.audience not in (lock.lock_id, *lock.groups):
        return Verdict(WRONG_LOCK)
    if found.envelope.kid not in lock.keys.keys or found.epoch not in lock.kdks:
        return Verdict(UNKNOWN_ISSUER)
    proof_key = derived(lock.kdks[found.epoch], "pop", raw)
    if not hmac.compare_digest(mac_h(proof_key, hello, challenge, spoken[:-16]), spoken[-16:]):
        return Verdict(BAD_MAC)
    key = lock.keys.keys[found.envelope.kid]
    if not verified(key.public_key, found.envelope):
        return Verdict(BAD_SIGNATURE, False)
    emergency = key.role == EMERGENCY
    if not _may_issue(lock.keys, found):
        return Verdict(NOT_ALLOWED, True)
    reason = _time(found, now, lock.doubt_s, emergency)
    if reason == NOT_YET_VALID:
        counts = window(found, now[0])
        return Verdict(reason, True, opens_at=counts[0] if counts else None)
    reason = reason or _use(lock, found, command, relayed)
    return Verdict(reason, True, emergency and reason == OK)


def _may_issue(keys: Keyset, found: Token) -> bool:
    key = keys.keys[found.envelope.kid]
    group = found.audience[0] == "+"
    return (
        key.role in ((BOOKING, STAFF) if group else (BOOKING, STAFF, EMERGENCY))
        and found.permissions & ~key.permissions == 0
        and found.expires_at - found.not_before <= key.max_lifetime_s
        and found.not_before - found.issued_at <= key.max_ahead_s
    )


def _time(found: Token, now: Any, doubt_s: int, emergency: bool) -> int:
    lo, hi = now
    says = relation(found, lo, hi)
    borne = hi is not None and 0 < hi - lo <= doubt_s
    if says == "unsure" and (borne or emergency):
        return OK
    return {"inside": OK, "before": NOT_YET_VALID, "after": EXPIRED, "unsure": TIME_UNKNOWN}[says]


def _use(lock: Lock, found: Token, command: int, relayed: bool) -> int:
    if relayed and command == UNLOCK:
        command = UNLOCK_REMOTE
    if command not in PERMISSION or not found.permissions & PERMISSION[command]:
        return SCOPE
    if found.once and command not in (LOCK, SYNC) and found.cti in lock.spent:
        return SPENT
    key, aud, iat = found.envelope.kid, found.audience, found.issued_at
    return REVOKED if revoked(lock.entries, lock.rows, found.cti, key, aud, iat) else OK
