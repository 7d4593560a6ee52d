"""The token: a CWT (RFC 8392) that says which lock, when, and what.

Decides whether a payload is a token of our one form and gives its claims; it does not decide
whether to trust it (protocol/verify.py does). Usual size 135 bytes, hard cap MAX_TOKEN_BYTES.
A token may be cut down to hours of the week (WEEKLY) and to a single opening (ONCE); a group's
may not be single, because its locks cannot tell each other.
"""

from protocol import cbor, cose
from protocol.cbor import CborError
from protocol.forms import is_bytes, is_uint
from protocol.shim import Any
from protocol.timebound import FOREVER, TimeBound

MAX_TOKEN_BYTES = 256
CTI_BYTES = 8
LOCK_ID_CHARS = 8
LOCK_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

# Permissions (AIF, RFC 9237: a set of bits on the object "door"). Append only.
UNLOCK = 1
UNLOCK_REMOTE = 2
LOCK = 4
HOLD_OPEN = 8
STATUS = 16
MAINTAIN = 32
EVACUATE = 64
ALL_PERMISSIONS = 127

_OBJECT = "door"
_AUD, _EXP, _NBF, _IAT, _CTI, _CNF, _SCOPE = 3, 4, 5, 6, 7, 8, 9
_WEEKLY, _ONCE = -65537, -65538  # for private use (RFC 8392 section 3.1.1)
_CLAIMS = (_AUD, _EXP, _NBF, _IAT, _CTI, _CNF, _SCOPE)
_CNF_KID = 3

GROUP_MARK = "+"
MAX_WEEKLY_WINDOWS = 8
WEEK_MINUTES = 7 * 24 * 60
MAX_UTC_OFFSET_MINUTES = 14 * 60
_WEEK_S = WEEK_MINUTES * 60
_FIRST_MONDAY_S = 4 * 86400  # 1970-01-05


class TokenError(ValueError):
    """The payload is not a token of our one form."""


class Weekly:
    """Hours of the week: windows are (start, length) in minutes, start counted from Monday 0:00.

    utc_offset_minutes says whose Monday: a fixed offset (540 in Japan), no summer time.
    """

    def __init__(self, utc_offset_minutes: int, windows: list) -> None:
        self.utc_offset_minutes = utc_offset_minutes
        self.windows = windows

    def next_window(self, t: int) -> tuple:
        """(start, end), Unix seconds, of the window that ends next after `t`."""
        shift = self.utc_offset_minutes * 60
        monday = t - (t + shift - _FIRST_MONDAY_S) % _WEEK_S
        found = (FOREVER, FOREVER)
        for start, length in self.windows:
            at = monday - _WEEK_S + start * 60
            while at + length * 60 <= t:
                at += _WEEK_S
            found = min(found, (at, at + length * 60))
        return found


class Token:
    """The claims of one token.

    audience: lock id or group id; not_before, expires_at, issued_at: Unix seconds; cti: 8 bytes,
    one per device; permissions: set of bits; epoch: the vault epoch whose kdk gives the proof key;
    weekly: Weekly or None; once: whether it opens a single time.
    """

    def __init__(
        self,
        audience: str,
        not_before: int,
        expires_at: int,
        issued_at: int,
        cti: bytes,
        permissions: int,
        epoch: int,
        weekly: Weekly | None = None,
        once: bool = False,
    ) -> None:
        self.audience = audience
        self.not_before = not_before
        self.expires_at = expires_at
        self.issued_at = issued_at
        self.cti = cti
        self.permissions = permissions
        self.epoch = epoch
        self.weekly = weekly
        self.once = once

    def window(self, t: int) -> tuple:
        """(start, end) of the window that counts at `t`: the one open, else the next one.

        When no window of the week is left before expires_at it has ended: end <= t.
        """
        if self.weekly is None:
            return self.not_before, self.expires_at
        start, end = self.weekly.next_window(max(t, self.not_before))
        start, end = max(start, self.not_before), min(end, self.expires_at)
        return (start, end) if start < end else (self.not_before, min(t, self.expires_at))

    def relation(self, now: TimeBound) -> str:
        """Where `now` lies relative to the window that counts (timebound.BEFORE ...)."""
        return now.relation(*self.window(now.lo))


def is_lock_id(value: object) -> bool:
    """Whether `value` names a lock: 8 characters of base32, lower case."""
    return (
        isinstance(value, str)
        and len(value) == LOCK_ID_CHARS
        and all(c in LOCK_ID_ALPHABET for c in value)
    )


def is_group_id(value: object) -> bool:
    """Whether `value` names a group of locks: "+" and 8 characters like a lock's."""
    return isinstance(value, str) and value[:1] == GROUP_MARK and is_lock_id(value[1:])


def encode_claims(token: Token) -> bytes:
    """The CWT payload of `token`. Raises TokenError when a claim is out of its bounds."""
    _check(token)
    claims = {
        _AUD: token.audience,
        _EXP: token.expires_at,
        _NBF: token.not_before,
        _IAT: token.issued_at,
        _CTI: token.cti,
        _CNF: {_CNF_KID: bytes([token.epoch])},
        _SCOPE: cbor.encode([[_OBJECT, token.permissions]]),
    }
    if token.weekly is not None:
        windows = [list(window) for window in token.weekly.windows]
        claims[_WEEKLY] = [token.weekly.utc_offset_minutes, windows]
    if token.once:
        claims[_ONCE] = True
    return cbor.encode(claims)


def decode_claims(payload: bytes) -> Token:
    """The token in a CWT payload. Raises TokenError for anything but our one form."""
    try:
        claims = cbor.decode(payload)
    except CborError as error:
        raise TokenError(str(error))
    if not isinstance(claims, dict) or not all(name in claims for name in _CLAIMS):
        raise TokenError("unexpected claims")
    if not all(name in _CLAIMS or name in (_WEEKLY, _ONCE) for name in claims):
        raise TokenError("unexpected claims")
    if claims.get(_ONCE, True) is not True:
        raise TokenError("a token that is not single says nothing about it")
    token = Token(
        claims[_AUD],
        claims[_NBF],
        claims[_EXP],
        claims[_IAT],
        claims[_CTI],
        _permissions(claims[_SCOPE]),
        _epoch(claims[_CNF]),
        _weekly(claims[_WEEKLY]) if _WEEKLY in claims else None,
        _ONCE in claims,
    )
    _check(token)
    return token


def parse(raw_token: bytes) -> tuple:
    """(Signed, Token) of an unverified token. Raises CoseError or TokenError."""
    if len(raw_token) > MAX_TOKEN_BYTES:
        raise TokenError("longer than any token")
    signed = cose.decode(raw_token)
    return signed, decode_claims(signed.payload)


def _check(token: Token) -> None:
    _need(is_lock_id(token.audience) or is_group_id(token.audience), "audience names no lock")
    for value in (token.not_before, token.expires_at, token.issued_at):
        _need(is_uint(value) and 0 < value < FOREVER, "a time is out of bounds")
    _need(token.not_before < token.expires_at, "the window is empty")
    _need(is_bytes(token.cti, CTI_BYTES), "cti has 8 bytes")
    known = is_uint(token.permissions) and 0 < token.permissions <= ALL_PERMISSIONS
    _need(known, "unknown permissions")
    _need(is_uint(token.epoch) and 0 < token.epoch < 256, "the vault epoch is 1..255")
    _need(not (token.once and is_group_id(token.audience)), "a group's token cannot be single")
    if token.weekly is not None:
        _check_weekly(token.weekly)


def _check_weekly(weekly: Weekly) -> None:
    offset = weekly.utc_offset_minutes
    _need(isinstance(offset, int) and not isinstance(offset, bool), "the offset is no number")
    _need(-MAX_UTC_OFFSET_MINUTES <= offset <= MAX_UTC_OFFSET_MINUTES, "no such offset")
    _need(0 < len(weekly.windows) <= MAX_WEEKLY_WINDOWS, "a week has 1 to 8 windows")
    for start, length in weekly.windows:
        _need(is_uint(start) and start < WEEK_MINUTES, "a window begins within the week")
        _need(is_uint(length) and 0 < length <= WEEK_MINUTES, "a window lasts at most a week")


def _weekly(claim: Any) -> Weekly:
    _need(isinstance(claim, list) and len(claim) == 2, "unexpected hours of the week")
    offset, windows = claim
    _need(isinstance(windows, list), "unexpected hours of the week")
    _need(all(isinstance(w, list) and len(w) == 2 for w in windows), "a window has two members")
    return Weekly(offset, [tuple(window) for window in windows])


def _permissions(scope: Any) -> int:
    try:
        entries = cbor.decode(scope)
        (entry,) = entries
        name, permissions = entry
    except (CborError, TypeError, ValueError):
        raise TokenError("scope is not one AIF entry")
    if not isinstance(entry, list) or name != _OBJECT:
        raise TokenError("scope is about another object")
    return permissions


def _epoch(confirmation: Any) -> int:
    if not isinstance(confirmation, dict) or len(confirmation) != 1:
        raise TokenError("unexpected confirmation")
    kid = confirmation.get(_CNF_KID)
    if not isinstance(kid, bytes) or len(kid) != 1:
        raise TokenError("unexpected confirmation")
    return kid[0]


def _need(condition: bool, complaint: str) -> None:
    if not condition:
        raise TokenError(complaint)
