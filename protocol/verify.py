"""Decides whether a presentation is good for this lock. Does no I/O and reads no clock.

Checks go from cheap and authenticated to expensive: size, form, audience and key ids, proof key,
MAC; only then the signature, the issuer's role, time, scope, single use and the status list. So
nobody makes the lock verify a signature without a key that this very lock derived, and nothing that
a stranger sends is ever more than counted. The answer is a value: Allowed or Denied; what to do
about it is the lock's business (firmware/core/access.py).
"""

from protocol import cose, keys, reasons, session
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.crypto import Crypto, same_bytes, sha256
from protocol.keyset import ROLE_BOOKING, ROLE_EMERGENCY, ROLE_STAFF, IssuerKey, Keyset
from protocol.session import SessionError
from protocol.shim import Any
from protocol.statuslist import StatusList
from protocol.timebound import AFTER, BEFORE, INSIDE, TimeBound
from protocol.token import Token, TokenError

MAX_REMEMBERED = 32
MAX_AHEAD = 16

_ISSUERS = (ROLE_BOOKING, ROLE_STAFF, ROLE_EMERGENCY)

_PERMISSION = {
    session.COMMAND_UNLOCK: tokens.UNLOCK,
    session.COMMAND_UNLOCK_REMOTE: tokens.UNLOCK_REMOTE,
    session.COMMAND_LOCK: tokens.LOCK,
    session.COMMAND_SYNC: tokens.MAINTAIN,
    session.COMMAND_HOLD_OPEN: tokens.HOLD_OPEN,
    session.COMMAND_EVACUATE: tokens.EVACUATE,
}
_SPENDS = (
    session.COMMAND_UNLOCK,
    session.COMMAND_UNLOCK_REMOTE,
    session.COMMAND_HOLD_OPEN,
    session.COMMAND_EVACUATE,
)


class Remembered:
    """Tokens whose signature was checked under the keyset in force: SHA-256 each, in RAM only.

    Of those used the last MAX_REMEMBERED are kept; of those checked ahead of their use the last
    MAX_AHEAD, apart, so that neither pushes the other out.
    """

    def __init__(self) -> None:
        self._used = []
        self._ahead = []

    def holds(self, digest: bytes) -> bool:
        """Whether this token was checked."""
        return digest in self._used or digest in self._ahead

    def add(self, digest: bytes) -> None:
        """Note a token that was presented and is good."""
        _push(self._used, digest, MAX_REMEMBERED)

    def add_ahead(self, digest: bytes) -> None:
        """Note a token that was brought ahead of its use and is good."""
        if not self.holds(digest):
            _push(self._ahead, digest, MAX_AHEAD)

    def forget(self) -> None:
        """A new keyset is in force: nothing was checked under it."""
        self._used = []
        self._ahead = []


class Trust:
    """What a lock believes.

    groups: the group ids it answers to; kdks: {vault epoch: kdk}; spent: single openings used,
    anything with `cti in spent`; doubt_s: how much doubt about the time its door bears.
    """

    def __init__(
        self,
        lock_id: str,
        keyset: Keyset,
        kdks: dict,
        status: StatusList,
        groups: Any = (),
        spent: Any = (),
        doubt_s: int = 0,
    ) -> None:
        self.lock_id = lock_id
        self.keyset = keyset
        self.kdks = kdks
        self.status = status
        self.groups = groups
        self.spent = spent
        self.doubt_s = doubt_s
        self.remembered = Remembered()


class Allowed:
    """The presentation is good; `key` is its proof key; `emergency`: its issuer's role is that.

    `kid` names the key that signed the token.
    """

    def __init__(
        self, token: Token, command: int, key: bytes, kid: bytes, emergency: bool = False
    ) -> None:
        self.token = token
        self.command = command
        self.key = key
        self.kid = kid
        self.emergency = emergency


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
    trust: Trust,
    crypto: Crypto,
    now: TimeBound,
    greeting: tuple,
    message: bytes,
    relayed: bool = False,
) -> "Allowed | Denied":
    """Judge `message`, a whole PRESENTATION with MAC, against the (HELLO, CHALLENGE) it answers.

    `relayed`: it came over a link on which a gateway has introduced itself. Never raises for any
    bytes.
    """
    if len(message) > session.MAX_PRESENTATION_BYTES:
        return Denied(reasons.TOO_LARGE)
    try:
        presentation, mac = session.split_mac(message)
        _, raw_token, command = session.open_presentation(presentation)
        signed, token = tokens.parse(raw_token)
    except (SessionError, CoseError, TokenError):
        return Denied(reasons.MALFORMED)
    if token.audience != trust.lock_id and token.audience not in trust.groups:
        return Denied(reasons.WRONG_LOCK)
    if signed.kid not in trust.keyset.keys or token.epoch not in trust.kdks:
        return Denied(reasons.UNKNOWN_ISSUER)
    key = keys.proof_key(trust.kdks[token.epoch], raw_token)
    if not same_bytes(mac, session.presentation_mac(key, greeting, presentation)):
        return Denied(reasons.BAD_MAC)
    issuer = trust.keyset.keys[signed.kid]
    reason, opens_at = _judge(trust, crypto, now, signed, token, command, raw_token, relayed)
    if reason != session.OK:
        return Denied(reason, token, key, opens_at, command)
    return Allowed(token, command, key, signed.kid, issuer.role == ROLE_EMERGENCY)


def standing(trust: Trust, now: TimeBound, kid: bytes, token: Token) -> int:
    """What has become, in an open session, of a token that was good at its start: OK or a reason.

    Time passes, and keyset, groups and status list may have changed since.
    """
    if token.audience != trust.lock_id and token.audience not in trust.groups:
        return reasons.WRONG_LOCK
    issuer = trust.keyset.keys.get(kid)
    if issuer is None or token.epoch not in trust.kdks:
        return reasons.UNKNOWN_ISSUER
    if not _may_issue(issuer, token):
        return reasons.NOT_ALLOWED_TO_ISSUE
    reason = _time_reason(now, token, issuer.role, trust.doubt_s)
    return _status_reason(trust.status, kid, token) if reason == session.OK else reason


def verify_document(
    keyset: Keyset, crypto: Crypto, signed: cose.Signed, role: int, context: bytes
) -> bool:
    """Whether a key of `role` in the keyset signed this document in this `context`."""
    issuer = keyset.keys.get(signed.kid)
    if issuer is None or issuer.role != role:
        return False
    return _signed_by(issuer.public_key, crypto, signed, context)


def verify_root(keyset: Keyset, crypto: Crypto, signed: cose.Signed, context: bytes) -> bool:
    """Whether one of the keyset's roots signed this document in this `context`."""
    root = keyset.root_named(signed.kid)
    return root is not None and _signed_by(root, crypto, signed, context)


def check_ahead(trust: Trust, crypto: Crypto, raw_token: bytes) -> int:
    """Check a token's signature ahead of its use and remember it: OK or a reason."""
    try:
        signed, token = tokens.parse(raw_token)
    except (CoseError, TokenError, TypeError):
        return reasons.MALFORMED
    if token.audience != trust.lock_id and token.audience not in trust.groups:
        return reasons.WRONG_LOCK
    issuer = trust.keyset.keys.get(signed.kid)
    if issuer is None:
        return reasons.UNKNOWN_ISSUER
    if not _signed_by(issuer.public_key, crypto, signed, b""):
        return reasons.BAD_SIGNATURE
    trust.remembered.add_ahead(sha256(raw_token))
    return session.OK


def _judge(
    trust: Trust,
    crypto: Crypto,
    now: TimeBound,
    signed: cose.Signed,
    token: Token,
    command: int,
    raw_token: bytes,
    relayed: bool,
) -> tuple:
    """(reason, opens_at) for a holder that has proved possession."""
    issuer = trust.keyset.keys[signed.kid]
    if not _signature_holds(trust, crypto, issuer, signed, raw_token):
        return reasons.BAD_SIGNATURE, None
    if not _may_issue(issuer, token):
        return reasons.NOT_ALLOWED_TO_ISSUE, None
    reason = _time_reason(now, token, issuer.role, trust.doubt_s)
    if reason != session.OK:
        return reason, token.window(now.lo)[0] if reason == reasons.NOT_YET_VALID else None
    if not token.permissions & _needed(command, relayed):
        return reasons.SCOPE, None
    if token.once and command in _SPENDS and token.cti in trust.spent:
        return reasons.SPENT, None
    return _status_reason(trust.status, signed.kid, token), None


def _status_reason(status: StatusList, kid: bytes, token: Token) -> int:
    """A list that cannot be read lets nobody pass: its entries lie in a file."""
    try:
        revoked = status.revokes(token.cti, kid, token.audience, token.issued_at)
    except OSError:
        return reasons.STORAGE
    return reasons.REVOKED if revoked else session.OK


def _needed(command: int, relayed: bool) -> int:
    """The permission that a command needs; what a gateway passes on is remote, whatever it says."""
    if relayed and command == session.COMMAND_UNLOCK:
        command = session.COMMAND_UNLOCK_REMOTE
    return _PERMISSION.get(command, 0)


def _signature_holds(
    trust: Trust, crypto: Crypto, issuer: IssuerKey, signed: cose.Signed, raw_token: bytes
) -> bool:
    digest = sha256(raw_token)
    if not trust.remembered.holds(digest):
        if not _signed_by(issuer.public_key, crypto, signed, b""):
            return False
    trust.remembered.add(digest)
    return True


def _signed_by(public_key: bytes, crypto: Crypto, signed: cose.Signed, context: bytes) -> bool:
    return crypto.verify_signature(public_key, signed.signed_bytes(context), signed.signature)


def _may_issue(issuer: IssuerKey, token: Token) -> bool:
    if issuer.role == ROLE_EMERGENCY and tokens.is_group_id(token.audience):
        return False
    return (
        issuer.role in _ISSUERS
        and token.permissions & ~issuer.permissions == 0
        and token.expires_at - token.not_before <= issuer.max_lifetime_s
        and token.not_before - token.issued_at <= issuer.max_ahead_s
    )


def _time_reason(now: TimeBound, token: Token, role: int, doubt_s: int) -> int:
    relation = token.relation(now)
    if relation == INSIDE:
        return session.OK
    if relation == BEFORE:
        return reasons.NOT_YET_VALID
    if relation == AFTER:
        return reasons.EXPIRED
    if role == ROLE_EMERGENCY or now.doubt <= doubt_s:
        return session.OK  # it may be open: a door that bears this much doubt lets it pass
    return reasons.TIME_UNKNOWN


def _push(digests: list, digest: bytes, limit: int) -> None:
    """`digest` becomes the newest of at most `limit`."""
    if digest in digests:
        digests.remove(digest)
    digests.append(digest)
    if len(digests) > limit:
        del digests[0]
