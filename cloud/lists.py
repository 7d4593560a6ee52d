"""Makes each lock's status list: what is withdrawn, what a lock lacks that holds an older one.

Decides what stands in a list (withdrawn tokens until seven days after their end), what a row of
min_iat spares it, and from which versions a delta is offered. Invariant: a version, once published,
never changes, and versions never fall. Reads no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, desc, exists, select
from sqlalchemy.orm import Session

from cloud.alarms import raise_alarm
from cloud.models import (
    Credential,
    KeyLink,
    Lock,
    LockSettings,
    MinIssuedAt,
    StatusHistory,
    StatusOutbox,
)
from cloud.problems import Problem
from cloud.signers import Signers
from protocol import cose, statuslist
from protocol.statuslist import HOUR_S, MAX_ENTRIES, MAX_MIN_IAT_ROWS, StatusHeader

KEPT_AFTER_EXPIRY_S = 7 * 86_400
KEPT_VERSIONS = 8
EVERY_AUDIENCE = ""


@dataclass(frozen=True)
class Delta:
    """What a lock lacks that holds `base_version`."""

    base_version: int
    additions: bytes


def publish_lists(session: Session, signers: Signers, lock_ids: Iterable[str], now: int) -> None:
    """Signs the next version of each lock's status list and puts it into the outbox."""
    session.flush()
    for lock_id in sorted(lock_ids):
        _publish(session, signers, lock_id, now)


def delta(session: Session, lock_id: str, header: StatusHeader, entries: bytes) -> Delta | None:
    """The way from the acknowledged version to this one, when it is known and shorter."""
    outbox = session.get_one(StatusOutbox, lock_id)
    base = session.get(StatusHistory, (lock_id, outbox.acknowledged_version))
    if base is None or outbox.acknowledged_version >= header.version:
        return None
    held = set(split(base.entries))
    additions = b"".join(entry for entry in split(entries) if entry not in held)
    older = StatusHeader(lock_id, base.version, 0, 0, [], len(held), b"")
    known = statuslist.StatusList(older, lambda at, size: base.entries[at : at + size])
    made = b"".join(statuslist.merge(known, additions, header.kept_from_hour))
    return Delta(base.version, additions) if made == entries else None


def split(entries: bytes) -> list[bytes]:
    """The 8-byte entries in `entries`."""
    size = statuslist.ENTRY_BYTES
    return [entries[at : at + size] for at in range(0, len(entries), size)]


def raise_least(session: Session, kid: bytes, audience: str, least: int) -> bool:
    """Withdraws what key `kid` issued for `audience` ('' for all) before `least`; never falls.

    False when that was so already. Raises Problem when a list would have too many rows.
    """
    row = session.get(MinIssuedAt, (kid, audience))
    if row is not None and row.least >= least:
        return False
    if row is None:
        row = MinIssuedAt(kid=kid, audience=audience)
        session.add(row)
    row.least = least
    session.flush()
    if audience == EVERY_AUDIENCE:
        _drop_covered(session, kid, least)
    return True


def least_issued_at(session: Session, kid: bytes, audience: str) -> int:
    """The second before which nothing counts that `kid` issued for `audience`."""
    query = select(MinIssuedAt.least).where(
        MinIssuedAt.kid == kid, MinIssuedAt.audience.in_((audience, EVERY_AUDIENCE))
    )
    return max(session.scalars(query), default=0)


def locks_of(session: Session, audience: str) -> list[str]:
    """The locks that an audience speaks of ('': all)."""
    every = session.scalars(select(Lock.lock_id).order_by(Lock.lock_id))
    return [
        lock_id
        for lock_id in every
        if audience in (EVERY_AUDIENCE, lock_id) or audience in groups_of(session, lock_id)
    ]


def forget_held(session: Session, lock_id: str) -> None:
    """A lock made anew holds no list: what was published before binds nobody any more."""
    outbox = session.get(StatusOutbox, lock_id)
    if outbox is not None:
        outbox.entries, outbox.acknowledged_version = b"", 0
        session.execute(delete(StatusHistory).where(StatusHistory.lock_id == lock_id))


def groups_of(session: Session, lock_id: str) -> list[str]:
    """The groups that a lock belongs to."""
    row = session.get(LockSettings, lock_id)
    return list(json.loads(row.groups)) if row is not None else []


def _drop_covered(session: Session, kid: bytes, least: int) -> None:
    session.execute(
        delete(MinIssuedAt).where(
            MinIssuedAt.kid == kid,
            MinIssuedAt.audience != EVERY_AUDIENCE,
            MinIssuedAt.least <= least,
        )
    )


def _publish(session: Session, signers: Signers, lock_id: str, now: int) -> None:
    kept_from_hour = max(0, now - KEPT_AFTER_EXPIRY_S) // HOUR_S
    revoked = _revoked(session, lock_id, kept_from_hour, now)
    rows = _min_iat(session, lock_id)
    outbox = session.get(StatusOutbox, lock_id)
    if outbox is None:
        outbox = StatusOutbox(lock_id=lock_id, version=0, acknowledged_version=0)
    outbox.version += 1
    header, entries = statuslist.build(lock_id, outbox.version, now, revoked, rows, kept_from_hour)
    outbox.document = signers.status.sign(statuslist.encode(header))
    outbox.entries = entries
    outbox.attempts, outbox.next_attempt_at = 0, now
    session.add(outbox)
    session.flush()
    _remember(session, outbox)


def _remember(session: Session, outbox: StatusOutbox) -> None:
    """Keeps the entries for deltas to come, of the acknowledged version and the last few."""
    session.add(
        StatusHistory(lock_id=outbox.lock_id, version=outbox.version, entries=outbox.entries)
    )
    session.execute(
        delete(StatusHistory).where(
            StatusHistory.lock_id == outbox.lock_id,
            StatusHistory.version <= outbox.version - KEPT_VERSIONS,
            StatusHistory.version != outbox.acknowledged_version,
        )
    )
    session.flush()


def _min_iat(session: Session, lock_id: str) -> list[tuple[bytes, str | None, int]]:
    audiences = (EVERY_AUDIENCE, lock_id, *groups_of(session, lock_id))
    query = (
        select(MinIssuedAt)
        .where(MinIssuedAt.audience.in_(audiences))
        .order_by(MinIssuedAt.kid, MinIssuedAt.audience)
    )
    rows = [(row.kid, row.audience or None, row.least) for row in session.scalars(query)]
    if len(rows) > MAX_MIN_IAT_ROWS:
        raise Problem("INVALID", where=f"more than {MAX_MIN_IAT_ROWS} rows of min_iat")
    return rows


def _revoked(
    session: Session, lock_id: str, kept_from_hour: int, now: int
) -> list[tuple[bytes, int]]:
    """(cti, expires_at) of withdrawn tokens. Where a list cannot hold all of them, those published
    before come first, for a lock takes no list that drops one; then those that were collected: of
    the others nobody ever had the proof key. What a row of min_iat withdraws needs no entry."""
    was_collected = exists().where(
        KeyLink.booking_id == Credential.booking_id, KeyLink.claimed_at.is_not(None)
    )
    query = (
        select(Credential, was_collected.label("collected"))
        .where(
            Credential.lock_id == lock_id,
            Credential.revoked_at.is_not(None),
            Credential.expires_at > (kept_from_hour - 1) * HOUR_S,
        )
        .order_by(desc("collected"), Credential.expires_at.desc(), Credential.cti)
    )
    spared = _Spared(session, lock_id)
    rows = [row for row in session.execute(query) if not spared(row.Credential)]
    rows.sort(key=lambda row: not spared.is_published(row.Credential))
    if any(row.collected for row in rows[MAX_ENTRIES:]):
        raise_alarm(session, "STATUS_LIST_FULL", lock_id, "withdraw older keys in one step", now)
    return [(row.Credential.cti, row.Credential.expires_at) for row in rows[:MAX_ENTRIES]]


class _Spared:
    """Whether a row of min_iat spares a withdrawn credential its entry."""

    def __init__(self, session: Session, lock_id: str) -> None:
        outbox = session.get(StatusOutbox, lock_id)
        self._published = set(split(outbox.entries or b"")) if outbox is not None else set()
        query = select(MinIssuedAt).where(MinIssuedAt.audience.in_((EVERY_AUDIENCE, lock_id)))
        self._least: dict[bytes, int] = {}
        for row in session.scalars(query):
            self._least[row.kid] = max(row.least, self._least.get(row.kid, 0))

    def __call__(self, credential: Credential) -> bool:
        if not self._least:
            return False
        kid = cose.decode(credential.raw_token).kid
        if credential.issued_at >= self._least.get(kid, 0):
            return False
        return not self.is_published(credential)

    def is_published(self, credential: Credential) -> bool:
        """Whether the list before has its entry."""
        return statuslist.entry(credential.cti, credential.expires_at) in self._published
