"""Keeps credentials in step with bookings: signs what is missing, withdraws what no longer fits.

Decides the token's window (ten minutes around the booking), its permissions, and that a withdrawn
token appears in its lock's next status list within the same transaction. Derives no proof key.
Invariant after `settle`: a confirmed booking that is not over, in a room with a lock, has exactly
one live credential, for that lock and its own window; every other booking has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import desc, exists, select
from sqlalchemy.orm import Session

from cloud.alarms import raise_alarm
from cloud.models import CONFIRMED, Booking, Credential, KeyLink, Lock, StatusOutbox
from cloud.ports import Issuer, StatusSigner, TokenOrder
from protocol import token as tokens
from protocol.statuslist import MAX_ENTRIES

PAD_S = 600
KEPT_AFTER_EXPIRY_S = 7 * 86_400
PERMISSIONS = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK


@dataclass(frozen=True)
class Signers:
    """The two that sign."""

    issuer: Issuer
    status: StatusSigner


def settle(session: Session, signers: Signers, booking_ids: Collection[str], now: int) -> None:
    """Brings the credentials of these bookings, and the lists of their locks, up to date."""
    session.flush()
    touched: set[str] = set()
    for booking in _bookings(session, booking_ids):
        touched |= _settle_one(session, signers, booking, now)
    publish_lists(session, signers, touched, now)


def revoke_live(session: Session, booking_id: str, now: int) -> set[str]:
    """Withdraws the live credentials of a booking; returns their locks, whose lists are now old."""
    live = _live(session, booking_id)
    for credential in live:
        credential.revoked_at = now
    return {credential.lock_id for credential in live if credential.expires_at > now}


def publish_lists(session: Session, signers: Signers, lock_ids: Iterable[str], now: int) -> None:
    """Signs the next version of each lock's status list and puts it into the outbox."""
    session.flush()
    for lock_id in sorted(lock_ids):
        _publish(session, signers, lock_id, now)


def live_credential(session: Session, booking_id: str) -> Credential | None:
    """The one credential of a booking that is not withdrawn."""
    return next(iter(_live(session, booking_id)), None)


def window(booking: Booking) -> tuple[int, int]:
    """(not_before, expires_at) of a booking's token: the issuer pads, the lock never does."""
    return booking.starts_at - PAD_S, booking.ends_at + PAD_S


def _bookings(session: Session, booking_ids: Collection[str]) -> list[Booking]:
    ids, found = sorted(booking_ids), []
    for at in range(0, len(ids), 500):
        query = select(Booking).where(Booking.booking_id.in_(ids[at : at + 500]))
        found += session.scalars(query.order_by(Booking.booking_id)).all()
    return found


def _settle_one(session: Session, signers: Signers, booking: Booking, now: int) -> set[str]:
    lock = _lock_of(session, booking, now)
    for credential in _live(session, booking.booking_id):
        if lock is not None and _fits(credential, booking, lock):
            return set()
        touched = revoke_live(session, booking.booking_id, now)
        _issue(session, signers, booking, lock, now)
        return touched
    _issue(session, signers, booking, lock, now)
    return set()


def _lock_of(session: Session, booking: Booking, now: int) -> Lock | None:
    """The lock that this booking shall open, if any."""
    if booking.status != CONFIRMED or window(booking)[1] <= now:
        return None
    return session.scalar(select(Lock).where(Lock.room_id == booking.room_id))


def _fits(credential: Credential, booking: Booking, lock: Lock) -> bool:
    same_window = (credential.not_before, credential.expires_at) == window(booking)
    return same_window and credential.lock_id == lock.lock_id


def _live(session: Session, booking_id: str) -> list[Credential]:
    query = select(Credential).where(
        Credential.booking_id == booking_id, Credential.revoked_at.is_(None)
    )
    return list(session.scalars(query))


def _issue(
    session: Session, signers: Signers, booking: Booking, lock: Lock | None, now: int
) -> None:
    if lock is None:
        return
    not_before, expires_at = window(booking)
    order = TokenOrder(lock.lock_id, not_before, expires_at, PERMISSIONS, lock.vault_epoch)
    issued = signers.issuer.issue(order, now)
    session.add(
        Credential(
            cti=issued.cti,
            booking_id=booking.booking_id,
            lock_id=lock.lock_id,
            raw_token=issued.raw_token,
            not_before=not_before,
            expires_at=expires_at,
            issued_at=now,
        )
    )
    session.flush()


def _revoked(session: Session, lock_id: str, now: int) -> list[tuple[bytes, int]]:
    """(cti, expires_at) of withdrawn tokens. Where a list cannot hold all of them, those that were
    collected come first: of the others nobody ever had the proof key."""
    was_collected = exists().where(
        KeyLink.booking_id == Credential.booking_id, KeyLink.claimed_at.is_not(None)
    )
    query = (
        select(Credential.cti, Credential.expires_at, was_collected.label("collected"))
        .where(
            Credential.lock_id == lock_id,
            Credential.revoked_at.is_not(None),
            Credential.expires_at > now - KEPT_AFTER_EXPIRY_S,
        )
        .order_by(desc("collected"), Credential.expires_at.desc(), Credential.cti)
    )
    rows = session.execute(query).all()
    if sum(row.collected for row in rows) > MAX_ENTRIES:
        raise_alarm(session, "STATUS_LIST_FULL", lock_id, "enrol this lock again", now)
    return [(row.cti, row.expires_at) for row in rows[:MAX_ENTRIES]]


def _publish(session: Session, signers: Signers, lock_id: str, now: int) -> None:
    revoked = _revoked(session, lock_id, now)
    entry = session.get(StatusOutbox, lock_id)
    if entry is None:
        entry = StatusOutbox(lock_id=lock_id, version=0, acknowledged_version=0)
        session.add(entry)
    entry.version += 1
    entry.document = signers.status.sign_list(lock_id, entry.version, now, revoked)
    entry.attempts = 0
    entry.next_attempt_at = now
    session.flush()
