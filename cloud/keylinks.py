"""The link a resident holds, and what a device gets for it.

Decides who may collect a key: whoever knows the link's secret, from 72 hours before the token's
window, on the first device that asks. Another device is a hand-over: staff make a new link, the old
one dies and what was collected with it is withdrawn. Stores of a secret its SHA-256 only.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import keywrap
from cloud.booking.states import keyed
from cloud.bookings import time_text
from cloud.credentials import live_credential, revoke_live, settle, window
from cloud.lists import publish_lists
from cloud.models import CANCELLED, CONFIRMED, Booking, Credential, KeyLink, Lock
from cloud.ports import LockKey, ProofKeys, WrappedKey
from cloud.problems import Problem
from cloud.signers import Signers
from protocol.crypto import hkdf_sha256, sha256

SECRET_BYTES = 18
RELEASED_BEFORE_S = 72 * 3600
_TICKET_LABEL = b"kannuki-relay-ticket"


@dataclass(frozen=True)
class Claim:
    """What a device collects: the token, and its proof key wrapped for that device alone."""

    booking: Booking
    credential: Credential
    wrapped: WrappedKey
    relay_ticket: str


def new_link(
    session: Session,
    signers: Signers,
    booking: Booking,
    random_bytes: Callable[[int], bytes],
    now: int,
) -> str:
    """The secret of a new link, told only now. Older links of the booking die."""
    if booking.status == CANCELLED:
        raise Problem("BOOKING_CANCELLED")
    _retire_links(session, signers, booking, now)
    secret = _text(random_bytes(SECRET_BYTES))
    session.add(
        KeyLink(
            secret_sha256=_digest(secret),
            ticket_sha256=_digest(ticket_of(secret)),
            booking_id=booking.booking_id,
            created_at=now,
        )
    )
    session.flush()
    return secret


def claim(session: Session, vault: ProofKeys, secret: str, device_key: bytes, now: int) -> Claim:
    """Binds the link to this device, or recognises it, and wraps its key. Raises Problem."""
    link = _living(session, KeyLink.secret_sha256 == _digest(secret))
    if link is None:
        raise Problem("UNKNOWN_KEY")
    if not keywrap.is_device_key(device_key):
        raise Problem("BAD_DEVICE_KEY")
    booking = session.get_one(Booking, link.booking_id)
    _check_open(booking, now)
    if link.device_key is not None and link.device_key != device_key:
        raise Problem("OTHER_DEVICE")
    credential = live_credential(session, booking.booking_id)
    if credential is None:
        raise Problem("LOCK_NOT_READY")
    if link.device_key is None:
        link.device_key, link.claimed_at = device_key, now
    lock = lock_key(session.get_one(Lock, credential.lock_id))
    wrapped = vault.wrap_proof_key(lock, credential.raw_token, device_key)
    return Claim(booking, credential, wrapped, ticket_of(secret))


def booking_of_secret(session: Session, secret: str) -> Booking:
    """The booking whose resident shows this secret. Raises Problem UNKNOWN_KEY."""
    link = _living(session, KeyLink.secret_sha256 == _digest(secret))
    if link is None:
        raise Problem("UNKNOWN_KEY")
    return session.get_one(Booking, link.booking_id)


def lock_of_ticket(session: Session, ticket: str, now: int) -> str:
    """The one lock that a relay ticket is for, while its booking lives. Raises Problem."""
    link = _living(session, KeyLink.ticket_sha256 == _digest(ticket))
    if link is None or link.claimed_at is None:
        raise Problem("NO_TICKET")
    credential = live_credential(session, link.booking_id)
    if credential is None:  # withdrawn, but the lock itself shall say so, under its MAC
        credential = _latest(session, link.booking_id)
    if credential is None or credential.expires_at <= now:
        raise Problem("NO_TICKET")
    return credential.lock_id


def lock_key(lock: Lock) -> LockKey:
    """The public facts of a lock that the vault needs."""
    return LockKey(lock.lock_id, lock.public_key)


def ticket_of(secret: str) -> str:
    """The relay ticket that goes with a link's secret: derived, so that a second claim gives it
    again and nothing needs to be stored."""
    return _text(hkdf_sha256(secret.encode(), _TICKET_LABEL, SECRET_BYTES))


def _check_open(booking: Booking, now: int) -> None:
    not_before, expires_at = window(booking)
    if booking.status == CANCELLED:
        raise Problem("BOOKING_CANCELLED")
    if booking.status != CONFIRMED:
        raise Problem("NOT_CONFIRMED")
    if not keyed(booking):
        raise Problem("NOT_PAID_YET")
    if expires_at <= now:
        raise Problem("BOOKING_OVER")
    if now < not_before - RELEASED_BEFORE_S:
        raise Problem("TOO_EARLY_FOR_KEY", opens=time_text(not_before - RELEASED_BEFORE_S))


def _retire_links(session: Session, signers: Signers, booking: Booking, now: int) -> None:
    query = select(KeyLink).where(
        KeyLink.booking_id == booking.booking_id, KeyLink.replaced_at.is_(None)
    )
    links = list(session.scalars(query))
    for link in links:
        link.replaced_at = now
    if any(link.claimed_at is not None for link in links):
        lists = revoke_live(session, booking.booking_id, now)
        settle(session, signers, {booking.booking_id}, now)
        publish_lists(session, signers, lists, now)


def _living(session: Session, condition: object) -> KeyLink | None:
    query = select(KeyLink).where(condition, KeyLink.replaced_at.is_(None))  # type: ignore[arg-type]
    return session.scalar(query)


def _latest(session: Session, booking_id: str) -> Credential | None:
    query = select(Credential).where(Credential.booking_id == booking_id)
    return session.scalar(query.order_by(Credential.issued_at.desc()).limit(1))


def _digest(text: str) -> bytes:
    return sha256(text.encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
