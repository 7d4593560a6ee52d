"""What the town's service asks of its two key holders, which never meet.

The issuer signs; the vault derives. Forging a key needs both. Each has its own key file; either can
become a process of its own behind these interfaces, since only bytes and public facts cross them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class LockKeyError(ValueError):
    """The vault shares no key with this lock: another epoch, or an unusable public key."""


@dataclass(frozen=True)
class TokenOrder:
    """What a token shall grant; times are Unix seconds, not_before inclusive."""

    lock_id: str
    not_before: int
    expires_at: int
    permissions: int
    vault_epoch: int


@dataclass(frozen=True)
class IssuedToken:
    """A signed token and the id by which it is revoked."""

    raw_token: bytes
    cti: bytes


@dataclass(frozen=True)
class LockKey:
    """The public facts from which the vault derives what a lock derives from its private key."""

    lock_id: str
    public_key: bytes  # X25519
    vault_epoch: int


@dataclass(frozen=True)
class WrappedKey:
    """A proof key that one device alone can unwrap (cloud/keywrap.py)."""

    server_key: bytes  # P-256, uncompressed
    ciphertext: bytes


class Issuer(Protocol):
    """Signs tokens of one role."""

    @property
    def public_key(self) -> bytes: ...

    def issue(self, order: TokenOrder, issued_at: int) -> IssuedToken: ...


class StatusSigner(Protocol):
    """Signs status lists; `revoked` holds (cti, expires_at)."""

    @property
    def public_key(self) -> bytes: ...

    def sign_list(
        self, lock_id: str, version: int, issued_at: int, revoked: list[tuple[bytes, int]]
    ) -> bytes: ...


class ProofKeys(Protocol):
    """Derives, wraps and checks with the keys that the vault shares with locks."""

    @property
    def public_key(self) -> bytes: ...

    @property
    def epoch(self) -> int: ...

    def wrap_proof_key(self, lock: LockKey, raw_token: bytes, device_key: bytes) -> WrappedKey: ...

    def proof_key(self, lock: LockKey, raw_token: bytes) -> bytes: ...

    def seal_is_genuine(self, lock: LockKey, raw_batch: bytes, seal: bytes) -> bool: ...
