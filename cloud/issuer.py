"""Signs tokens and documents. Knows no proof key and nothing of the vault.

Decides that a signature is only put under what the key's role allows: its permissions, its longest
window, how far ahead it may begin, and that each key signs one kind of thing alone. Reads no clock;
`cti` comes from the random source that was handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nacl.signing import SigningKey

from cloud.keyfiles import KeyFile, Purpose, key_path, read_key
from cloud.ports import IssuedToken, TokenOrder
from cloud.roles import DAY_S, ROLES
from protocol import audit, cose, keys, keyset, lockconfig, signedtime, statuslist
from protocol import token as tokens

RandomBytes = Callable[[int], bytes]

CONTEXTS: dict[Purpose, bytes] = {
    "root": keyset.CONTEXT,
    "status": statuslist.CONTEXT,
    "time": signedtime.TIME_CONTEXT,
    "config": lockconfig.CONTEXT,
    "ack": audit.ACK_CONTEXT,
}


class OrderError(ValueError):
    """The order goes beyond what this key may sign."""


class TokenSigner:
    """Signs tokens with one key; implements ports.Issuer."""

    def __init__(self, key: KeyFile, random_bytes: RandomBytes) -> None:
        self._key = SigningKey(key.secret)
        self._role = ROLES[key.purpose]
        self._random_bytes = random_bytes

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        return bytes(self._key.verify_key)

    def issue(self, order: TokenOrder, issued_at: int) -> IssuedToken:
        """The signed token. Raises OrderError, or TokenError for values out of bounds."""
        self._check(order, issued_at)
        token = tokens.Token(
            order.audience,
            order.not_before,
            order.expires_at,
            issued_at,
            self._random_bytes(tokens.CTI_BYTES),
            order.permissions,
            order.vault_epoch,
            order.weekly,
            order.once,
        )
        return IssuedToken(_sign(self._key, tokens.encode_claims(token)), token.cti)

    def _check(self, order: TokenOrder, issued_at: int) -> None:
        role = self._role
        if order.permissions & ~role.permissions:
            raise OrderError("this key may not grant these permissions")
        if order.expires_at - order.not_before > role.max_lifetime_s:
            days = role.max_lifetime_s // DAY_S
            raise OrderError(f"this key signs windows of at most {days} days")
        if order.not_before - issued_at > role.max_ahead_s:
            days = role.max_ahead_s // DAY_S
            raise OrderError(f"this key signs at most {days} days ahead")
        if role.role == keyset.ROLE_EMERGENCY and tokens.is_group_id(order.audience):
            raise OrderError("an emergency token is for one lock")


class Signer:
    """Signs documents of one kind; implements ports.DocumentSigner."""

    def __init__(self, key: KeyFile) -> None:
        self._key = SigningKey(key.secret)
        self._context = CONTEXTS[key.purpose]

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        return bytes(self._key.verify_key)

    def sign(self, payload: bytes) -> bytes:
        """The COSE_Sign1 of `payload`."""
        return _sign(self._key, payload, self._context)


def open_issuer(
    folder: Path, random_bytes: RandomBytes, purpose: Purpose = "booking-issuer"
) -> TokenSigner:
    """The issuer whose key lies in `folder`. Raises InputError."""
    return TokenSigner(read_key(key_path(folder, purpose), purpose), random_bytes)


def open_signer(folder: Path, purpose: Purpose) -> Signer:
    """The signer of documents whose key lies in `folder`. Raises InputError."""
    return Signer(read_key(key_path(folder, purpose), purpose))


def _sign(key: SigningKey, payload: bytes, context: bytes = b"") -> bytes:
    kid = keys.key_id(bytes(key.verify_key))
    signature = key.sign(cose.to_sign(kid, payload, context)).signature
    return cose.encode(kid, payload, signature)
