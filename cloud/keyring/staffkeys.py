"""Lets a member of staff open one door: a token for the clerk's own device, with a reason.

Decides how long it lives (a quarter of an hour to open for a booking, never more than a week), what
it permits (to unlock and lock, from here or at the door) and that it names one lock. Who may ask is
decided before (cloud/people/principals.py); that it was asked is noted by the caller in the same
transaction. The cloud opens nothing: without the device's key the wrapped proof key is bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import keywrap
from cloud.credentials import epoch_for
from cloud.keylinks import digest, lock_key
from cloud.lists import least_issued_at, publish_lists
from cloud.models import Booking, Lock, StaffKey
from cloud.people.principals import Principal
from cloud.ports import Issuer, ProofKeys, TokenOrder, WrappedKey
from cloud.problems import Problem
from cloud.signers import Signers
from protocol import token as tokens
from protocol.keys import key_id

PERMISSIONS = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK
FOR_BOOKING_S = 900
MAX_S = 7 * 86_400
BEFORE_S = 60  # a lock whose time lags a little takes it at once


@dataclass(frozen=True)
class Wish:
    """What is asked for. for_s: how long it shall live; device_key: P-256, 65 bytes."""

    lock_id: str
    reason: str
    device_key: bytes
    booking_id: str | None = None
    for_s: int = FOR_BOOKING_S


@dataclass(frozen=True)
class Issued:
    """What the clerk's device gets."""

    key: StaffKey
    wrapped: WrappedKey
    relay_ticket: str


def issue(
    session: Session,
    signers: Signers,
    issuer: Issuer,
    vault: ProofKeys,
    who: Principal,
    wish: Wish,
    now: int,
) -> Issued:
    """A key for one door. Raises Problem."""
    lock = session.get(Lock, wish.lock_id)
    if lock is None:
        raise Problem("UNKNOWN_LOCK")
    if not keywrap.is_device_key(wish.device_key):
        raise Problem("BAD_DEVICE_KEY")
    if not wish.reason.strip():
        raise Problem("REASON_NEEDED")
    if wish.booking_id is not None and session.get(Booking, wish.booking_id) is None:
        raise Problem("UNKNOWN_BOOKING")
    limit = MAX_S if wish.booking_id is None else FOR_BOOKING_S
    if not 0 < wish.for_s <= limit - BEFORE_S:
        raise Problem("TOO_LONG_FOR_STAFF", minutes=limit // 60)
    order = TokenOrder(
        lock.lock_id,
        now - BEFORE_S,
        now + wish.for_s,
        PERMISSIONS,
        epoch_for(session, signers, lock.lock_id),
    )
    least = least_issued_at(session, key_id(issuer.public_key), lock.lock_id)
    issued = issuer.issue(order, max(now, least))
    wrapped = vault.wrap_proof_key(lock_key(lock), issued.raw_token, wish.device_key)
    ticket = vault.relay_tickets(issued.cti + wish.device_key)[0]
    key = StaffKey(
        cti=issued.cti,
        staff_id=who.staff_id,
        staff_name=who.name,
        lock_id=lock.lock_id,
        booking_id=wish.booking_id,
        reason=wish.reason.strip(),
        raw_token=issued.raw_token,
        ticket_sha256=digest(ticket),
        not_before=order.not_before,
        expires_at=order.expires_at,
        issued_at=now,
    )
    session.add(key)
    session.flush()
    return Issued(key, wrapped, ticket)


def revoke_of(session: Session, signers: Signers, staff_id: str, now: int) -> int:
    """Withdraws every key of a member of staff who left or lost a device; how many there were."""
    query = select(StaffKey).where(
        StaffKey.staff_id == staff_id, StaffKey.revoked_at.is_(None), StaffKey.expires_at > now
    )
    found = list(session.scalars(query))
    for key in found:
        key.revoked_at = now
    publish_lists(session, signers, {key.lock_id for key in found}, now)
    return len(found)
