"""Signs tokens and status lists. Knows no proof key and nothing of the vault.

Decides that a signature is only put under what the key's role allows: its permissions and its
longest window. Reads no clock; `cti` comes from the random source that was handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nacl.signing import SigningKey

from cloud.keyfiles import KeyFile, key_path, read_key
from cloud.ports import IssuedToken, TokenOrder
from protocol import cose, keys, statuslist, verify
from protocol import token as tokens

RandomBytes = Callable[[int], bytes]
DAY_S = 86_400


class OrderError(ValueError):
    """The order goes beyond what this key may sign."""


class Role:
    """What a key of one purpose may sign (a row of the keyset)."""

    def __init__(self, role: int, permissions: int, max_lifetime_s: int) -> None:
        self.role = role
        self.permissions = permissions
        self.max_lifetime_s = max_lifetime_s


ROLES = {
    "booking-issuer": Role(
        verify.ROLE_BOOKING, tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK, 32 * DAY_S
    ),
    "staff-issuer": Role(verify.ROLE_STAFF, tokens.ALL_PERMISSIONS, 90 * DAY_S),
    "status": Role(verify.ROLE_STATUS, 0, 0),
}


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
        self._check(order)
        token = tokens.Token(
            order.lock_id,
            order.not_before,
            order.expires_at,
            issued_at,
            self._random_bytes(tokens.CTI_BYTES),
            order.permissions,
            order.vault_epoch,
        )
        return IssuedToken(_sign(self._key, tokens.encode_claims(token)), token.cti)

    def _check(self, order: TokenOrder) -> None:
        if order.permissions & ~self._role.permissions:
            raise OrderError("this key may not grant these permissions")
        if order.expires_at - order.not_before > self._role.max_lifetime_s:
            days = self._role.max_lifetime_s // DAY_S
            raise OrderError(f"this key signs windows of at most {days} days")


class ListSigner:
    """Signs status lists; implements ports.StatusSigner."""

    def __init__(self, key: KeyFile) -> None:
        self._key = SigningKey(key.secret)

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        return bytes(self._key.verify_key)

    def sign_list(
        self, lock_id: str, version: int, issued_at: int, revoked: list[tuple[bytes, int]]
    ) -> bytes:
        """The signed document of this version. Raises StatusListError beyond 2,000 entries."""
        status = statuslist.build(lock_id, version, issued_at, 0, revoked)
        return _sign(self._key, statuslist.encode(status), statuslist.CONTEXT)


def open_issuer(folder: Path, random_bytes: RandomBytes) -> TokenSigner:
    """The booking issuer whose key lies in `folder`."""
    return TokenSigner(read_key(key_path(folder, "booking-issuer"), "booking-issuer"), random_bytes)


def open_staff_issuer(folder: Path, random_bytes: RandomBytes) -> TokenSigner:
    """The staff issuer whose key lies in `folder`."""
    return TokenSigner(read_key(key_path(folder, "staff-issuer"), "staff-issuer"), random_bytes)


def open_status_signer(folder: Path) -> ListSigner:
    """The signer of status lists whose key lies in `folder`."""
    return ListSigner(read_key(key_path(folder, "status"), "status"))


def _sign(key: SigningKey, payload: bytes, context: bytes = b"") -> bytes:
    kid = keys.key_id(bytes(key.verify_key))
    signature = key.sign(cose.to_sign(kid, payload, context)).signature
    return cose.encode(kid, payload, signature)
