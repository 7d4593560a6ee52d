"""What the lock must say and record: keys, revocations, time, and nothing of how a lock works.

Decides the one reason that must come for each presentation whose proof is valid, and the journal
entry that goes with it. Knows the town's intentions from the keys it made, not from their bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol import audit, reasons, session
from protocol import token as tokens
from protocol.holder import Credential

NEEDS = {
    session.COMMAND_UNLOCK: tokens.UNLOCK,
    session.COMMAND_UNLOCK_REMOTE: tokens.UNLOCK_REMOTE,
    session.COMMAND_LOCK: tokens.LOCK,
    session.COMMAND_SYNC: tokens.MAINTAIN,
}
SOURCES = {
    session.COMMAND_UNLOCK: audit.SOURCE_HOLDER,
    session.COMMAND_UNLOCK_REMOTE: audit.SOURCE_REMOTE,
    session.COMMAND_LOCK: audit.SOURCE_HOLDER,
}
Entry = tuple[int, int, int, bytes | None]  # event, code, source, subject


@dataclass(frozen=True)
class Key:
    """A credential and what is wrong with it: `unproven` is told without a MAC, `flaw` with one."""

    credential: Credential
    unproven: int | None = None
    flaw: int | None = None


@dataclass(frozen=True)
class Document:
    """A status list that the town signed once, and what it withdraws."""

    raw: bytes
    version: int
    withdrawn: frozenset[bytes]
    min_iat: int


@dataclass
class Oracle:
    """`held` is the list that the lock must have; documents never go back."""

    held: Document = field(default_factory=lambda: Document(b"", 0, frozenset(), 0))

    def reason(self, key: Key, command: int, lock_time: int | None) -> int:
        """What a holder that proves this key must be told."""
        token = key.credential.token
        if key.flaw is not None:
            return key.flaw
        if lock_time is None:
            return reasons.TIME_UNKNOWN
        if lock_time < token.not_before:
            return reasons.NOT_YET_VALID
        if lock_time >= token.expires_at:
            return reasons.EXPIRED
        if not token.permissions & NEEDS.get(command, 0):
            return reasons.SCOPE
        if token.cti in self.held.withdrawn or token.issued_at < self.held.min_iat:
            return reasons.REVOKED
        return session.OK

    def entry(self, key: Key, command: int, reason: int) -> list[Entry]:
        """The journal entry of a decision: one for each; a keeper that begins to sync has none."""
        subject, source = key.credential.token.cti, SOURCES.get(command, audit.SOURCE_NONE)
        if reason != session.OK:
            return [(audit.LOCK_OPERATION_ERROR, reason, source, subject)]
        if command == session.COMMAND_SYNC:
            return []
        locks = command == session.COMMAND_LOCK
        code = audit.OPERATION_LOCK if locks else audit.OPERATION_UNLOCK
        return [(audit.LOCK_OPERATION, code, source, subject)]

    def take(self, document: Document) -> list[Entry]:
        """The lock has been offered a genuine document: newer ones count and are recorded."""
        if document.version <= self.held.version:
            return []
        self.held = document
        return [(audit.STATUS_LIST, document.version, audit.SOURCE_NONE, None)]
