"""Keeps credentials in step with bookings: signs what is missing, withdraws what no longer fits.

Decides the token's window (ten minutes around the booking), its permissions, its vault epoch, and
that what is withdrawn appears in its lock's next status list within the same transaction. Derives
no proof key. Bookings do not call this: they ask (cloud/keyring/outbox.py) and the worker, or the
claim that comes before it, settles.
Invariant after `settle`: a booking that is `keyed` (cloud.booking.states) and not over, in a room
with a lock, has exactly one live credential for each of its holders, for that lock and its own
window; every other has none, and no number for a keypad is live that is not its window's.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.keyring import pins
from cloud.keyring.entitlement import keyed, keyed_rows
from cloud.keyring.holders import holders_of
from cloud.keyring.outbox import ask_for_keys, take_turn
from cloud.keyring.pinplan import PAD_S
from cloud.lists import least_issued_at, publish_lists
from cloud.models import Booking, Credential, Lock, LockReport
from cloud.ports import TokenOrder
from cloud.signers import Signers
from protocol import token as tokens
from protocol.keys import key_id

PERMISSIONS = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK


def settle(session: Session, signers: Signers, booking_ids: Collection[str], now: int) -> None:
    """Brings the credentials of these bookings, and the lists of their locks, up to date."""
    session.flush()
    touched: set[str] = set()
    for booking_id in sorted(booking_ids):
        touched |= settle_one(session, signers, booking_id, now)
    publish_lists(session, signers, touched, now)


def settle_one(session: Session, signers: Signers, booking_id: str, now: int) -> set[str]:
    """The same for one booking, but for the lists: the locks whose lists are now old."""
    take_turn(session, booking_id, now)
    booking = session.get_one(Booking, booking_id, populate_existing=True)
    lock = _lock_of(session, booking, now)
    missing = {holder.holder_id for holder in holders_of(session, booking)} if lock else set()
    pins.withdraw_unfit(session, booking, lock, missing, signers.epochs, now)
    for credential in _live(session, booking_id):
        holder_id = credential.holder_id
        if lock is None or holder_id not in missing:
            credential.revoked_at = now
        elif _fits(session, signers, credential, booking, lock):
            missing.discard(holder_id)
        else:
            credential.revoked_at = now
    session.flush()
    for holder_id in sorted(missing):
        assert lock is not None
        _issue(session, signers, booking, holder_id, lock, now)
    return unlisted(session, booking_id, now)


def renew(session: Session, signers: Signers, now: int, publish: Collection[str] = ()) -> None:
    """Asks for every booking's keys, since another keyset or a row of min_iat has made some
    worthless; the lists of the locks in `publish` follow at once."""
    session.flush()
    query = select(Booking.booking_id).where(keyed_rows(), Booking.ends_at > now - PAD_S)
    ask_for_keys(session, set(session.scalars(query)), now)
    publish_lists(session, signers, publish, now)


def revoke_live(session: Session, booking_id: str, now: int, holder_id: str | None = None) -> None:
    """Withdraws the live credentials and numbers of a booking, or of one holder alone. Whoever
    calls this settles, or asks for it, in the same transaction: the lists are now old."""
    for credential in _live(session, booking_id):
        if holder_id in (None, credential.holder_id):
            credential.revoked_at = now
    pins.withdraw(session, booking_id, now, holder_id)
    session.flush()


def live_credential(session: Session, booking_id: str, holder_id: str = "") -> Credential | None:
    """The one credential of a holder that is not withdrawn."""
    found = [c for c in _live(session, booking_id) if c.holder_id == holder_id]
    return found[0] if found else None


def unlisted(session: Session, booking_id: str, now: int) -> set[str]:
    """Locks of this booking that no list has told yet of something withdrawn."""
    query = select(Credential.lock_id).where(
        Credential.booking_id == booking_id,
        Credential.revoked_at.is_not(None),
        Credential.listed_version.is_(None),
        Credential.expires_at > now,
    )
    return set(session.scalars(query)) | pins.unlisted(session, booking_id, now)


def window(booking: Booking) -> tuple[int, int]:
    """(not_before, expires_at) of a booking's token: the issuer pads, the lock never does."""
    return booking.starts_at - PAD_S, booking.ends_at + PAD_S


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
    return list(session.scalars(query.order_by(Credential.holder_id, Credential.cti)))


def _issue(
    session: Session, signers: Signers, booking: Booking, holder_id: str, lock: Lock, now: int
) -> None:
    not_before, expires_at = window(booking)
    epoch = epoch_for(session, signers, lock.lock_id)
    order = TokenOrder(lock.lock_id, not_before, expires_at, PERMISSIONS, epoch)
    issued = signers.issuer.issue(order, now)
    session.add(
        Credential(
            cti=issued.cti,
            booking_id=booking.booking_id,
            holder_id=holder_id,
            lock_id=lock.lock_id,
            raw_token=issued.raw_token,
            not_before=not_before,
            expires_at=expires_at,
            issued_at=now,
        )
    )
    session.flush()
