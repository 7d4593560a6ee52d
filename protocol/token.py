"""The token: a CWT (RFC 8392) that says which lock, when, and what.

Decides whether a payload is a token of our one form and gives its claims; it does not decide
whether to trust it (protocol/verify.py does). Usual size 135 bytes, hard cap MAX_TOKEN_BYTES.
"""

from protocol import cbor, cose
from protocol.cbor import CborError
from protocol.shim import Any

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
_CLAIMS = (_AUD, _EXP, _NBF, _IAT, _CTI, _CNF, _SCOPE)
_CNF_KID = 3
_MAX_TIME = 1 << 40


class TokenError(ValueError):
    """The payload is not a token of our one form."""


class Token:
    """The claims of one token.

    audience: lock id; not_before, expires_at, issued_at: Unix seconds; cti: 8 bytes, one per
    device; permissions: set of bits; epoch: the vault epoch whose kdk gives the proof key.
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
    ) -> None:
        self.audience = audience
        self.not_before = not_before
        self.expires_at = expires_at
        self.issued_at = issued_at
        self.cti = cti
        self.permissions = permissions
        self.epoch = epoch


def is_lock_id(value: object) -> bool:
    """Whether `value` names a lock: 8 characters of base32, lower case."""
    return (
        isinstance(value, str)
        and len(value) == LOCK_ID_CHARS
        and all(c in LOCK_ID_ALPHABET for c in value)
    )


def encode_claims(token: Token) -> bytes:
    """The CWT payload of `token`. Raises TokenError when a claim is out of its bounds."""
    _check(token)
    return cbor.encode(
        {
            _AUD: token.audience,
            _EXP: token.expires_at,
            _NBF: token.not_before,
            _IAT: token.issued_at,
            _CTI: token.cti,
            _CNF: {_CNF_KID: bytes([token.epoch])},
            _SCOPE: cbor.encode([[_OBJECT, token.permissions]]),
        }
    )


def decode_claims(payload: bytes) -> Token:
    """The token in a CWT payload. Raises TokenError for anything but our one form."""
    try:
        claims = cbor.decode(payload)
    except CborError as error:
        raise TokenError(str(error))
    if not isinstance(claims, dict) or len(claims) != len(_CLAIMS):
        raise TokenError("unexpected claims")
    if not all(name in claims for name in _CLAIMS):
        raise TokenError("unexpected claims")
    token = Token(
        claims[_AUD],
        claims[_NBF],
        claims[_EXP],
        claims[_IAT],
        claims[_CTI],
        _permissions(claims[_SCOPE]),
        _epoch(claims[_CNF]),
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
    if not is_lock_id(token.audience):
        raise TokenError("audience is not a lock id")
    for value in (token.not_before, token.expires_at, token.issued_at):
        if not _is_int(value) or not 0 < value < _MAX_TIME:
            raise TokenError("a time is out of bounds")
    if token.not_before >= token.expires_at:
        raise TokenError("the window is empty")
    if not isinstance(token.cti, bytes) or len(token.cti) != CTI_BYTES:
        raise TokenError("cti has 8 bytes")
    if not _is_int(token.permissions) or not 0 < token.permissions <= ALL_PERMISSIONS:
        raise TokenError("unknown permissions")
    if not _is_int(token.epoch) or not 0 < token.epoch < 256:
        raise TokenError("the vault epoch is 1..255")


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


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
