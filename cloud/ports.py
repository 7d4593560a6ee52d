"""What the town's service asks of its two key holders, which never meet.

The issuer signs; the vault derives. Forging a key needs both. Each has its own key file; either can
become a process of its own behind these interfaces, since only bytes and public facts cross them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.token import Weekly


class LockKeyError(ValueError):
    """The vault shares no key with this lock: no such epoch, or an unusable public key."""


@dataclass(frozen=True)
class TokenOrder:
    """What a token shall grant; times are Unix seconds, not_before inclusive.

    audience: a lock's id or a group's; weekly: hours of the week to which it is cut down; once: it
    opens a single time (never a group's).
    """

    audience: str
    not_before: int
    expires_at: int
    permissions: int
    vault_epoch: int
    weekly: Weekly | None = None
    once: bool = False


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


@dataclass(frozen=True)
class PinOrder:
    """A PIN by what it says (protocol/pin.py): on a quarter hour, one of 14 lengths, one of 32."""

    starts_at: int
    quarters: int
    serial: int


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


class DocumentSigner(Protocol):
    """Signs documents of one kind: status lists, configurations, time, acknowledgements."""

    @property
    def public_key(self) -> bytes: ...

    def sign(self, payload: bytes) -> bytes: ...


class ProofKeys(Protocol):
    """Derives, wraps and opens with the keys that the vault shares with locks.

    A token names the vault epoch of its proof key, and a parcel that of its seal.
    """

    @property
    def public_keys(self) -> dict[int, bytes]: ...

    def wrap_proof_key(self, lock: LockKey, raw_token: bytes, device_key: bytes) -> WrappedKey: ...

    def proof_key(self, lock: LockKey, raw_token: bytes) -> bytes: ...

    def open_parcel(self, lock: LockKey, raw_parcel: bytes, seal: bytes) -> list[bytes]: ...

    def pin(self, lock: LockKey, epoch: int, order: PinOrder) -> str:
        """The ten digits; told anew each time, never kept. Raises LockKeyError, PinError."""
        ...

    def relay_tickets(self, bound_to: bytes) -> list[str]:
        """What a device shows to the relay, the newest epoch's first: the same for the same
        `bound_to`, and not to be made from it without the vault."""
        ...
