"""Tokens of bookings that begin soon, sent to their locks ahead of their use.

Decides which: of each lock the AHEAD_TOKENS first that are live, not over and begin within AHEAD_S,
so that a lock is never brought more than it remembers. A token that is withdrawn is sent no more. A
token is sent again, ever later, until the lock has taken it or will not have it; what is never
taken costs its holder a second at the door and nothing else. Reads no clock, signs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from cloud.models import Credential, LockReport, TokenAhead
from kannuki.backoff import Backoff
from kannuki.messages import CommandResult

AHEAD_S = 1800
BEGUN_S = 600  # one that began before that was used already, or need not be fast
AHEAD_TOKENS = 16  # as many as a lock remembers (protocol/verify.py)
ID = "token"
RETRY = Backoff(first_s=60.0, max_s=600.0, spread=0.0)
# What a gateway says when the next try may go otherwise. All else is the lock's last word.
_ANOTHER_TIME = ("EXPIRED_COMMAND", "BUSY", "UNKNOWN_LOCK", "STORAGE")


@dataclass(frozen=True)
class DueToken:
    """A token to send now; `expires_at`: it opens nothing from then on."""

    cti: bytes
    lock_id: str
    raw_token: bytes
    expires_at: int

    @property
    def command_id(self) -> str:
        """The same for every sending of it."""
        return f"{ID}-{self.cti.hex()}"


def due(session: Session, now: int) -> list[DueToken]:
    """Tokens to send now; each is put off by a growing delay until it is answered."""
    found = []
    for credential, row in _waiting(session, now):
        row.attempts += 1
        row.next_attempt_at = now + int(RETRY.delay_s(row.attempts, 0.0))
        session.add(row)
        found.append(
            DueToken(
                credential.cti, credential.lock_id, credential.raw_token, credential.expires_at
            )
        )
    session.flush()
    return found


def has_due(session: Session, now: int) -> bool:
    """Whether `due` would give any, without taking the write lock."""
    return next(_waiting(session, now), None) is not None


def note_result(session: Session, lock_id: str, result: CommandResult, now: int) -> bool:
    """What a gateway says, at this lock, became of one; False when it was another lock's."""
    cti = _cti_of(result.id)
    row = session.get(TokenAhead, cti) if cti is not None else None
    if row is None:
        return True
    credential = session.get_one(Credential, row.cti)
    if credential.lock_id != lock_id:
        return False
    if result.ok:
        row.taken_at = row.taken_at or now
    elif row.taken_at is None and result.error not in _ANOTHER_TIME:
        row.next_attempt_at = credential.expires_at
    return True


def make_waiting_due(session: Session, now: int) -> None:
    """A gateway is there again: what it may have forgotten is sent at once."""
    session.execute(
        update(TokenAhead)
        .where(TokenAhead.taken_at.is_(None), TokenAhead.next_attempt_at < now + RETRY.max_s)
        .values(next_attempt_at=now)
    )


def _waiting(session: Session, now: int) -> Iterator[tuple[Credential, TokenAhead]]:
    counts: dict[str, int] = {}
    for credential, row in session.execute(_live(now)):
        counts[credential.lock_id] = counts.get(credential.lock_id, 0) + 1
        if counts[credential.lock_id] > AHEAD_TOKENS:
            continue
        if row is None:
            yield credential, TokenAhead(cti=credential.cti, attempts=0, next_attempt_at=now)
        elif row.taken_at is None and row.next_attempt_at <= now:
            yield credential, row


def _live(now: int) -> Select[tuple[Credential, TokenAhead | None]]:
    """Those that begin soon at locks that some gateway has told of, the first first."""
    return (
        select(Credential, TokenAhead)
        .join(LockReport, LockReport.lock_id == Credential.lock_id)
        .outerjoin(TokenAhead, TokenAhead.cti == Credential.cti)
        .where(
            Credential.revoked_at.is_(None),
            Credential.not_before > now - BEGUN_S,
            Credential.not_before <= now + AHEAD_S,
            Credential.expires_at > now,
        )
        .order_by(Credential.not_before, Credential.cti)
    )


def _cti_of(command_id: str) -> bytes | None:
    kind, _, name = command_id.partition("-")
    if kind != ID or len(name) != 16:
        return None
    try:
        return bytes.fromhex(name)
    except ValueError:
        return None
