"""Decides whether a presentation is good for this lock. Does no I/O and reads no clock.

Checks go from cheap and authenticated to expensive: size, form, audience and key ids, proof key,
MAC; only then the signature, the issuer's role, time, scope and the status list. So nobody makes
the lock verify a signature without a key that this very lock derived, and nothing that a stranger
sends is ever more than counted. The answer is a value: Allowed or Denied; what to do about it is
the lock's business (firmware/core/access.py).
"""

from protocol import cose, keys, reasons, session
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.crypto import Crypto, same_bytes, sha256
from protocol.session import SessionError
from protocol.statuslist import StatusList
from protocol.timebound import AFTER, BEFORE, UNSURE, TimeBound
from protocol.token import Token, TokenError

# Roles of a key in the keyset. Append only.
ROLE_BOOKING = 1
ROLE_STAFF = 2
ROLE_STATUS = 3

_ISSUERS = (ROLE_BOOKING, ROLE_STAFF)

_PERMISSION = {
    session.COMMAND_UNLOCK: tokens.UNLOCK,
    session.COMMAND_UNLOCK_REMOTE: tokens.UNLOCK_REMOTE,
    session.COMMAND_LOCK: tokens.LOCK,
    session.COMMAND_SYNC: tokens.MAINTAIN,
}


class IssuerKey:
    """One row of the keyset; max_lifetime_s bounds expires_at - not_before of what it signs."""

    def __init__(self, public_key: bytes, role: int, permissions: int, max_lifetime_s: int) -> None:
        self.public_key = public_key
        self.role = role
        self.permissions = permissions
        self.max_lifetime_s = max_lifetime_s


class Trust:
    """What a lock believes: its id, keyset {kid: IssuerKey}, {vault epoch: kdk}, status list.

    `remembered` is a set-like of SHA-256(token) whose signature was checked under this keyset;
    it lives in RAM and is emptied with every new keyset.
    """

    def __init__(self, lock_id: str, keyset: dict, kdks: dict, status: StatusList) -> None:
        self.lock_id = lock_id
        self.keyset = keyset
        self.kdks = kdks
        self.status = status
        self.remembered = {}


class Allowed:
    """The presentation is good; `key` is its proof key."""

    def __init__(self, token: Token, command: int, key: bytes) -> None:
        self.token = token
        self.command = command
        self.key = key


class Denied:
    """It is not: `reason` from protocol/reasons.py; `key` is None unless the MAC was valid.

    With a valid MAC, `token` and `command` say who wanted what, and `opens_at` (Unix seconds) when
    a token that came too early will be good.
    """

    def __init__(
        self,
        reason: int,
        token: Token | None = None,
        key: bytes | None = None,
        opens_at: int | None = None,
        command: int = 0,
    ) -> None:
        self.reason = reason
        self.token = token
        self.key = key
        self.opens_at = opens_at
        self.command = command


def verify(
    trust: Trust, crypto: Crypto, now: TimeBound | None, challenge: bytes, message: bytes
) -> "Allowed | Denied":
    """Judge `message`, a whole PRESENTATION with its MAC, against the raw `challenge` it answers.

    `now` is the lock's idea of the time, or None when it has none. Never raises for any bytes.
    """
    if len(message) > session.MAX_PRESENTATION_BYTES:
        return Denied(reasons.TOO_LARGE)
    try:
        presentation, mac = session.split_mac(message)
        _, raw_token, command = session.open_presentation(presentation)
        signed, token = tokens.parse(raw_token)
    except (SessionError, CoseError, TokenError):
        return Denied(reasons.MALFORMED)
    if token.audience != trust.lock_id:
        return Denied(reasons.WRONG_LOCK)
    if signed.kid not in trust.keyset or token.epoch not in trust.kdks:
        return Denied(reasons.UNKNOWN_ISSUER)
    key = keys.proof_key(trust.kdks[token.epoch], raw_token)
    if not same_bytes(mac, session.presentation_mac(key, challenge, presentation)):
        return Denied(reasons.BAD_MAC)
    reason, opens_at = _judge(trust, crypto, now, signed, token, command, raw_token)
    if reason != session.OK:
        return Denied(reason, token, key, opens_at, command)
    return Allowed(token, command, key)


def verify_document(
    trust: Trust, crypto: Crypto, signed: cose.Signed, role: int, context: bytes
) -> bool:
    """Whether a key of `role` in the keyset signed this document in this `context`."""
    issuer = trust.keyset.get(signed.kid)
    if issuer is None or issuer.role != role:
        return False
    signed_bytes = signed.signed_bytes(context)
    return crypto.verify_signature(issuer.public_key, signed_bytes, signed.signature)


def _judge(
    trust: Trust,
    crypto: Crypto,
    now: TimeBound | None,
    signed: cose.Signed,
    token: Token,
    command: int,
    raw_token: bytes,
) -> tuple:
    """(reason, opens_at) for a holder that has proved possession."""
    issuer = trust.keyset[signed.kid]
    if not _signature_holds(trust, crypto, issuer, signed, raw_token):
        return reasons.BAD_SIGNATURE, None
    if not _may_issue(issuer, token):
        return reasons.NOT_ALLOWED_TO_ISSUE, None
    reason = _time_reason(now, token)
    if reason != session.OK:
        return reason, token.not_before if reason == reasons.NOT_YET_VALID else None
    if not token.permissions & _PERMISSION.get(command, 0):
        return reasons.SCOPE, None
    if trust.status.revokes(token.cti, token.issued_at):
        return reasons.REVOKED, None
    return session.OK, None


def _signature_holds(
    trust: Trust, crypto: Crypto, issuer: IssuerKey, signed: cose.Signed, raw_token: bytes
) -> bool:
    digest = sha256(raw_token)
    if digest in trust.remembered:
        return True
    if not crypto.verify_signature(issuer.public_key, signed.signed_bytes(), signed.signature):
        return False
    _remember(trust, digest)
    return True


MAX_REMEMBERED = 32


def _remember(trust: Trust, digest: bytes) -> None:
    if len(trust.remembered) >= MAX_REMEMBERED:
        oldest = min(trust.remembered, key=lambda known: trust.remembered[known])
        del trust.remembered[oldest]
    trust.remembered[digest] = 1 + max(trust.remembered.values(), default=0)


def _may_issue(issuer: IssuerKey, token: Token) -> bool:
    return (
        issuer.role in _ISSUERS
        and token.permissions & ~issuer.permissions == 0
        and token.expires_at - token.not_before <= issuer.max_lifetime_s
    )


def _time_reason(now: TimeBound | None, token: Token) -> int:
    if now is None:
        return reasons.TIME_UNKNOWN
    relation = now.relation(token.not_before, token.expires_at)
    if relation == BEFORE:
        return reasons.NOT_YET_VALID
    if relation == AFTER:
        return reasons.EXPIRED
    return reasons.TIME_UNKNOWN if relation == UNSURE else session.OK
