"""Keeps credentials in step with bookings: signs what is missing, withdraws what no longer fits.

Decides the token's window (ten minutes around the booking), its permissions, its vault epoch, and
that a withdrawn token appears in its lock's next status list within the same transaction. Derives
no proof key.
Invariant after `settle`: a booking that is `keyed` (cloud.booking.states) and not over, in a room
with a lock, has exactly one live credential, for that lock and its own window; every other none.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.booking.states import keyed
from cloud.lists import least_issued_at, publish_lists
from cloud.models import CONFIRMED, Booking, Credential, Lock, LockReport
from cloud.ports import TokenOrder
from cloud.signers import Signers
from protocol import token as tokens
from protocol.keys import key_id

PAD_S = 600
PERMISSIONS = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK


def settle(session: Session, signers: Signers, booking_ids: Collection[str], now: int) -> None:
    """Brings the credentials of these bookings, and the lists of their locks, up to date."""
    session.flush()
    touched: set[str] = set()
    for booking in _bookings(session, booking_ids):
        touched |= _settle_one(session, signers, booking, now)
    publish_lists(session, signers, touched, now)


def renew(session: Session, signers: Signers, now: int, publish: Collection[str] = ()) -> None:
    """Makes anew what another keyset or a row of min_iat has made worthless, for every booking;
    the lists of the locks in `publish` follow in any case."""
    session.flush()
    query = select(Booking.booking_id).where(
        Booking.status == CONFIRMED, Booking.ends_at > now - PAD_S
    )
    touched = set(publish)
    for booking in _bookings(session, set(session.scalars(query))):
        touched |= _settle_one(session, signers, booking, now)
    publish_lists(session, signers, touched, now)


def revoke_live(session: Session, booking_id: str, now: int) -> set[str]:
    """Withdraws the live credentials of a booking; returns their locks, whose lists are now old."""
    live = _live(session, booking_id)
    for credential in live:
        credential.revoked_at = now
    return {credential.lock_id for credential in live if credential.expires_at > now}


def live_credential(session: Session, booking_id: str) -> Credential | None:
    """The one credential of a booking that is not withdrawn."""
    return next(iter(_live(session, booking_id)), None)


def window(booking: Booking) -> tuple[int, int]:
    """(not_before, expires_at) of a booking's token: the issuer pads, the lock never does."""
    return booking.starts_at - PAD_S, booking.ends_at + PAD_S


def _bookings(session: Session, booking_ids: Collection[str]) -> list[Booking]:
    ids, found = sorted(booking_ids), list[Booking]()
    for at in range(0, len(ids), 500):
        query = select(Booking).where(Booking.booking_id.in_(ids[at : at + 500]))
        found += session.scalars(query.order_by(Booking.booking_id)).all()
    return found


def _settle_one(session: Session, signers: Signers, booking: Booking, now: int) -> set[str]:
    lock = _lock_of(session, booking, now)
    for credential in _live(session, booking.booking_id):
        if lock is not None and _fits(session, signers, credential, booking, lock):
            return set()
        touched = revoke_live(session, booking.booking_id, now)
        _issue(session, signers, booking, lock, now)
        return touched
    _issue(session, signers, booking, lock, now)
    return set()


def _lock_of(session: Session, booking: Booking, now: int) -> Lock | None:
    """The lock that this booking shall open, if any."""
    if not keyed(booking) or window(booking)[1] <= now:
        return None
    return session.scalar(select(Lock).where(Lock.room_id == booking.room_id))


def _fits(
    session: Session, signers: Signers, credential: Credential, booking: Booking, lock: Lock
) -> bool:
    """Whether the lock will take it: its window, its lock, and keys that still count."""
    same_window = (credential.not_before, credential.expires_at) == window(booking)
    if not same_window or credential.lock_id != lock.lock_id:
        return False
    signed, token = tokens.parse(credential.raw_token)
    return (
        signed.kid == key_id(signers.issuer.public_key)
        and token.epoch in signers.epochs
        and credential.issued_at >= least_issued_at(session, signed.kid, lock.lock_id)
    )


def epoch_for(session: Session, signers: Signers, lock_id: str) -> int:
    """The vault epoch that a new token names: the newest that this lock is known to have.

    Every live epoch is in the newest keyset, and a lock that has not taken it yet has the older.
    """
    report = session.get(LockReport, lock_id)
    if report is not None and report.keyset_version >= signers.keyset_version:
        return signers.epochs[-1]
    return signers.epochs[0]


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
    epoch = epoch_for(session, signers, lock.lock_id)
    order = TokenOrder(lock.lock_id, not_before, expires_at, PERMISSIONS, epoch)
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
