"""Makes each lock's status list: what is withdrawn, what a lock lacks that holds an older one.

Decides what stands in a list (withdrawn tokens until seven days after their end), what a row of
min_iat spares it, and from which versions a delta is offered. Invariant: a version, once published,
never changes, and versions never fall. Reads no clock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from cloud.alarms import raise_alarm
from cloud.models import (
    Credential,
    IssuedPin,
    KeyLink,
    Lock,
    LockReport,
    LockSettings,
    MinIssuedAt,
    StaffKey,
    StatusHistory,
    StatusOutbox,
)
from cloud.problems import Problem
from cloud.signers import Signers
from protocol import cose, statuslist
from protocol.statuslist import HOUR_S, MAX_ENTRIES, MAX_MIN_IAT_ROWS, StatusHeader

KEPT_AFTER_EXPIRY_S = 7 * 86_400
KEPT_VERSIONS = 8
FOR_COLLECTED = 2  # 1 / so much of a list stays free for keys that somebody may hold
EVERY_AUDIENCE = ""
NO_ROOM = 0  # no version: a list was made, and had no room for it


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

    False when that was so already. Raises Problem TOO_MANY_CUTS, and nothing changes, when a list
    would have more rows than its 16: then a cut for every audience takes the place of many, or a
    key that locks no longer believe has to go first (`drop_dead_rows`).
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
    for lock_id in locks_of(session, audience):
        _min_iat(session, lock_id)
    return True


def drop_dead_rows(session: Session, kids: Collection[bytes], keyset_version: int) -> int:
    """Deletes rows of min_iat of keys outside the keyset, once no lock believes those any more.

    A lock refuses a list that drops a row of a key in its own keyset, so a row goes only when each
    lock has reported this keyset or a later one. How many went.
    """
    behind = select(Lock.lock_id).where(
        ~exists().where(
            LockReport.lock_id == Lock.lock_id, LockReport.keyset_version >= keyset_version
        )
    )
    if session.scalar(behind.limit(1)) is not None:
        return 0
    dead = [row for row in session.scalars(select(MinIssuedAt)) if row.kid not in kids]
    for row in dead:
        session.delete(row)
    session.flush()
    return len(dead)


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
    """Holds the lock's row until commit: of two at once, the second sees what the first listed."""
    outbox = session.get(StatusOutbox, lock_id, with_for_update=True, populate_existing=True)
    if outbox is None:
        outbox = StatusOutbox(lock_id=lock_id, version=0, acknowledged_version=0)
    kept_from_hour = max(0, now - KEPT_AFTER_EXPIRY_S) // HOUR_S
    withdrawn = _withdrawn(session, lock_id, kept_from_hour, now)
    revoked = [(row.name, row.expires_at) for row in withdrawn]
    rows = _min_iat(session, lock_id)
    outbox.version += 1
    header, entries = statuslist.build(lock_id, outbox.version, now, revoked, rows, kept_from_hour)
    outbox.document = signers.status.sign(statuslist.encode(header))
    outbox.entries = entries
    outbox.attempts, outbox.next_attempt_at = 0, now
    session.add(outbox)
    for row in withdrawn:
        row.note_listed(outbox.version)
    _note_spared(session, lock_id, outbox.version)
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
        raise Problem("TOO_MANY_CUTS", rows=MAX_MIN_IAT_ROWS)
    return rows


@dataclass(frozen=True)
class _Withdrawn:
    """A row that was withdrawn, as a list sees it. `was_told`: somebody may hold it."""

    row: Credential | IssuedPin | StaffKey
    name: bytes
    expires_at: int
    was_told: bool

    def note_listed(self, version: int) -> None:
        """The first list that has it is the one that counts; NO_ROOM: the list was full."""
        if not self.row.listed_version:
            self.row.listed_version = version


def _withdrawn(session: Session, lock_id: str, kept_from_hour: int, now: int) -> list[_Withdrawn]:
    """What a lock's list names: tokens of residents and staff, and numbers for the keypad.

    Where a list cannot hold all of them, those published before come first, for a lock takes no
    list that drops one; then those that were collected. Of the others nobody ever had the proof
    key: they fill a part of the list and no more, or a calendar that is cancelled as a whole would
    leave a lost phone no entry for months. What a row of min_iat withdraws needs no entry."""
    spared = _Spared(session, lock_id)
    found = [
        *_withdrawn_credentials(session, lock_id, kept_from_hour, spared),
        *_withdrawn_others(session, lock_id, kept_from_hour),
    ]
    found.sort(key=lambda row: row.name)
    found.sort(key=lambda row: row.expires_at, reverse=True)
    found.sort(
        key=lambda row: (not spared.is_published(row.name, row.expires_at), not row.was_told)
    )
    wanted = sum(row.was_told or spared.is_published(row.name, row.expires_at) for row in found)
    room = min(MAX_ENTRIES, max(wanted, MAX_ENTRIES // FOR_COLLECTED))
    if wanted > room:
        raise_alarm(session, "STATUS_LIST_FULL", lock_id, "withdraw older keys in one step", now)
    for row in found[room:]:
        row.note_listed(NO_ROOM)
    return found[:room]


def _withdrawn_credentials(
    session: Session, lock_id: str, kept_from_hour: int, spared: _Spared
) -> list[_Withdrawn]:
    was_collected = exists().where(
        KeyLink.booking_id == Credential.booking_id,
        KeyLink.holder_id == Credential.holder_id,
        KeyLink.claimed_at.is_not(None),
    )
    query = select(Credential, was_collected.label("collected")).where(
        Credential.lock_id == lock_id,
        Credential.revoked_at.is_not(None),
        Credential.expires_at > (kept_from_hour - 1) * HOUR_S,
    )
    return [
        _Withdrawn(row, row.cti, row.expires_at, collected)
        for row, collected in session.execute(query)
        if not spared(row)
    ]


def _withdrawn_others(session: Session, lock_id: str, kept_from_hour: int) -> list[_Withdrawn]:
    def withdrawn(
        table: type[IssuedPin] | type[StaffKey], ends: ColumnElement[int]
    ) -> list[IssuedPin | StaffKey]:
        query = select(table).where(
            table.lock_id == lock_id,
            table.revoked_at.is_not(None),
            ends > (kept_from_hour - 1) * HOUR_S,
        )
        return list(session.scalars(query))

    numbers = withdrawn(IssuedPin, IssuedPin.ends_at)
    staff = withdrawn(StaffKey, StaffKey.expires_at)
    return [
        *(_Withdrawn(row, row.name, row.ends_at, True) for row in numbers),
        *(_Withdrawn(row, row.cti, row.expires_at, True) for row in staff),
    ]


def _note_spared(session: Session, lock_id: str, version: int) -> None:
    """What a row of min_iat withdraws is withdrawn by this list as well, without an entry."""
    spared = _Spared(session, lock_id)
    query = select(Credential).where(
        Credential.lock_id == lock_id,
        Credential.revoked_at.is_not(None),
        Credential.listed_version.is_(None),
    )
    for row in session.scalars(query):
        if spared(row):
            row.listed_version = version


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
        return not self.is_published(credential.cti, credential.expires_at)

    def is_published(self, name: bytes, expires_at: int) -> bool:
        """Whether the list before has its entry."""
        return statuslist.entry(name, expires_at) in self._published
