"""The link a holder of keys has, and what a device gets for it.

Decides who may collect a key: whoever knows the link's secret, from 72 hours before the token's
window, on the first device that asks. A holder has at most one open link and one that is bound to
a device. Another device is a hand-over: the device that holds the key, the registered contact or
staff get a new link, and what the old device had is withdrawn when the new one claims it, or at
once where it was lost or stolen. Stores of a secret its SHA-256 only; a relay ticket is the bound
device's alone, for the vault derives it: a link is not enough to make one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import keywrap
from cloud.alarms import raise_alarm
from cloud.booking import states
from cloud.bookings import time_text
from cloud.credentials import epoch_for, live_credential, revoke_live, settle, window
from cloud.keyring import pins
from cloud.keyring.entitlement import keyed
from cloud.keyring.holders import LEAD, find_holder
from cloud.keyring.pins import ShownPin
from cloud.models import CONFIRMED, Booking, Credential, KeyLink, Lock, StaffKey
from cloud.ports import LockKey, ProofKeys, WrappedKey
from cloud.problems import Problem
from cloud.signers import Signers
from protocol.crypto import sha256

SECRET_BYTES = 18
RELEASED_BEFORE_S = 72 * 3600
HAND_OVER_S = 3600  # a link shown to the next phone is claimed at once, or asked for again

# Why a link is dead. From a link that was handed over its holder may still say "it was not me".
REPLACED, HANDED_OVER, REISSUED, DISPUTED = "replaced", "handed-over", "reissued", "disputed"
_MAY_DISPUTE = (None, HANDED_OVER)


@dataclass(frozen=True)
class Claim:
    """What a device collects: the token, and its proof key wrapped for that device alone."""

    booking: Booking
    holder_id: str
    credential: Credential
    wrapped: WrappedKey
    relay_ticket: str
    pin: ShownPin | None


def new_link(
    session: Session,
    signers: Signers,
    booking: Booking,
    random_bytes: Callable[[int], bytes],
    now: int,
    holder_id: str = LEAD,
) -> str:
    """The secret of a new link, told only now. Older links of the holder die, and what was
    collected with them is withdrawn at once: a lost phone, or staff who start again."""
    _check_not_cancelled(booking)
    _check_holder(session, booking, holder_id)
    bound = _bound(session, booking.booking_id, holder_id)
    _end(session, booking.booking_id, holder_id, REISSUED, now)
    if bound is not None:
        revoke_live(session, booking.booking_id, now, holder_id)
        settle(session, signers, {booking.booking_id}, now)
    return _add(session, booking, holder_id, random_bytes, now)


def make_link(
    session: Session,
    booking: Booking,
    random_bytes: Callable[[int], bytes],
    now: int,
    holder_id: str = LEAD,
    closes_at: int | None = None,
) -> str:
    """The same, but what a device has stays good until another claims the new link."""
    _check_not_cancelled(booking)
    _check_holder(session, booking, holder_id)
    _end(session, booking.booking_id, holder_id, REPLACED, now, only_open=True)
    return _add(session, booking, holder_id, random_bytes, now, closes_at)


def claim(
    session: Session,
    signers: Signers,
    vault: ProofKeys,
    secret: str,
    device_key: bytes,
    now: int,
) -> Claim:
    """Binds the link to this device, or recognises it, and wraps its key. Raises Problem.

    What the outbox still owes this booking is done here first: nobody waits for the worker.
    """
    link = _of_secret(session, secret, now)
    if not keywrap.is_device_key(device_key):
        raise Problem("BAD_DEVICE_KEY")
    booking = session.get_one(Booking, link.booking_id)
    if find_holder(session, booking, link.holder_id) is None:
        raise Problem("UNKNOWN_KEY")
    _check_open(booking, now)
    if link.device_key is not None and link.device_key != device_key:
        raise Problem("OTHER_DEVICE")
    if link.device_key is None:
        _bind(session, link, device_key, now)
    settle(session, signers, {booking.booking_id}, now)
    credential = live_credential(session, booking.booking_id, link.holder_id)
    if credential is None:
        raise Problem("LOCK_NOT_READY")
    lock = session.get_one(Lock, credential.lock_id)
    wrapped = vault.wrap_proof_key(lock_key(lock), credential.raw_token, device_key)
    ticket = _ticket(vault, link, device_key)
    pin = pins.show(
        session,
        vault,
        booking,
        link.holder_id,
        lock,
        epoch_for(session, signers, lock.lock_id),
        now,
    )
    return Claim(booking, link.holder_id, credential, wrapped, ticket, pin)


def hand_over(session: Session, ticket: str, random_bytes: Callable[[int], bytes], now: int) -> str:
    """The secret of a link for the next device of whoever shows this ticket: for an hour. The
    device that asks keeps its key until then. Raises Problem."""
    link = _of_ticket(session, ticket)
    if link is None:
        raise Problem("NO_TICKET")
    booking = session.get_one(Booking, link.booking_id)
    _check_open(booking, now)
    return make_link(session, booking, random_bytes, now, link.holder_id, now + HAND_OVER_S)


def dispute(session: Session, signers: Signers, secret: str, now: int) -> tuple[Booking, str]:
    """ "It was not me": what another device collected is withdrawn, every link of the holder dies.

    Whoever has the link may say so, once: it dies with it, and the next goes to the registered
    contact alone. Returns (booking, holder_id). Raises Problem.
    """
    link = session.get(KeyLink, _digest(secret))
    if link is None or link.ended_as not in _MAY_DISPUTE:
        raise Problem("UNKNOWN_KEY")
    booking = session.get_one(Booking, link.booking_id)
    _check_open(booking, now)
    bound = _bound(session, booking.booking_id, link.holder_id)
    if bound is None:
        raise Problem("NOT_COLLECTED")
    _end(session, booking.booking_id, link.holder_id, DISPUTED, now)
    link.ended_as = DISPUTED
    revoke_live(session, booking.booking_id, now, link.holder_id)
    settle(session, signers, {booking.booking_id}, now)
    raise_alarm(session, "KEY_DISPUTED", booking.room_id or "", booking.booking_id, now)
    return booking, link.holder_id


def booking_of_secret(session: Session, secret: str) -> Booking:
    """The booking whose resident shows this secret. Raises Problem UNKNOWN_KEY."""
    link = session.get(KeyLink, _digest(secret))
    if link is None or link.replaced_at is not None:
        raise Problem("UNKNOWN_KEY")
    return session.get_one(Booking, link.booking_id)


def lock_of_ticket(session: Session, ticket: str, now: int) -> str:
    """The one lock that a relay ticket is for, while its booking lives. Raises Problem."""
    link = _of_ticket(session, ticket)
    if link is None:
        return _lock_of_staff(session, ticket, now)
    credential = live_credential(session, link.booking_id, link.holder_id)
    if credential is None:  # withdrawn, but the lock itself shall say so, under its MAC
        credential = _latest(session, link)
    if credential is None or credential.expires_at <= now:
        raise Problem("NO_TICKET")
    return credential.lock_id


def lock_key(lock: Lock) -> LockKey:
    """The public facts of a lock that the vault needs."""
    return LockKey(lock.lock_id, lock.public_key)


def digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return _digest(secret)


def _ticket(vault: ProofKeys, link: KeyLink, device_key: bytes) -> str:
    """The ticket of a bound link: the one that was given before, while the vault can make it."""
    tickets = vault.relay_tickets(link.secret_sha256 + device_key)
    for ticket in tickets:
        if _digest(ticket) == link.ticket_sha256:
            return ticket
    link.ticket_sha256 = _digest(tickets[0])
    return tickets[0]


def _bind(session: Session, link: KeyLink, device_key: bytes, now: int) -> None:
    """The device takes the place of the one before; coming back to the same one costs nothing."""
    bound = _bound(session, link.booking_id, link.holder_id)
    if bound is not None:
        same = bound.device_key == device_key
        bound.replaced_at, bound.ended_as = now, REPLACED if same else HANDED_OVER
        if not same:
            revoke_live(session, link.booking_id, now, link.holder_id)
    link.device_key, link.claimed_at = device_key, now
    session.flush()


def _check_open(booking: Booking, now: int) -> None:
    not_before, expires_at = window(booking)
    _check_not_cancelled(booking)
    if booking.status != CONFIRMED:
        raise Problem("NOT_CONFIRMED")
    if not keyed(booking):
        raise Problem("NOT_PAID_YET")
    if expires_at <= now:
        raise Problem("BOOKING_OVER")
    if now < not_before - RELEASED_BEFORE_S:
        raise Problem("TOO_EARLY_FOR_KEY", opens=time_text(not_before - RELEASED_BEFORE_S))


def _check_not_cancelled(booking: Booking) -> None:
    if booking.status in states.ENDED:
        raise Problem("BOOKING_CANCELLED")


def _check_holder(session: Session, booking: Booking, holder_id: str) -> None:
    if find_holder(session, booking, holder_id) is None:
        raise Problem("UNKNOWN_HOLDER")


def _end(
    session: Session, booking_id: str, holder_id: str, why: str, now: int, only_open: bool = False
) -> None:
    for link in _living(session, booking_id, holder_id):
        if not only_open or link.claimed_at is None:
            link.replaced_at, link.ended_as = now, why
    session.flush()


def _add(
    session: Session,
    booking: Booking,
    holder_id: str,
    random_bytes: Callable[[int], bytes],
    now: int,
    closes_at: int | None = None,
) -> str:
    secret = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    session.add(
        KeyLink(
            secret_sha256=_digest(secret),
            booking_id=booking.booking_id,
            holder_id=holder_id,
            created_at=now,
            closes_at=closes_at,
        )
    )
    session.flush()
    return secret


def _of_secret(session: Session, secret: str, now: int) -> KeyLink:
    link = session.get(KeyLink, _digest(secret), with_for_update=True)
    if link is None or link.replaced_at is not None:
        raise Problem("UNKNOWN_KEY")
    if link.claimed_at is None and link.closes_at is not None and link.closes_at <= now:
        raise Problem("UNKNOWN_KEY")
    return link


def _of_ticket(session: Session, ticket: str) -> KeyLink | None:
    query = select(KeyLink).where(
        KeyLink.ticket_sha256 == _digest(ticket),
        KeyLink.claimed_at.is_not(None),
        KeyLink.replaced_at.is_(None),
    )
    return session.scalar(query)


def _lock_of_staff(session: Session, ticket: str, now: int) -> str:
    key = session.scalar(select(StaffKey).where(StaffKey.ticket_sha256 == _digest(ticket)))
    if key is None or key.expires_at <= now:
        raise Problem("NO_TICKET")
    return key.lock_id


def _living(session: Session, booking_id: str, holder_id: str) -> list[KeyLink]:
    query = select(KeyLink).where(
        KeyLink.booking_id == booking_id,
        KeyLink.holder_id == holder_id,
        KeyLink.replaced_at.is_(None),
    )
    return list(session.scalars(query.order_by(KeyLink.secret_sha256)))


def _bound(session: Session, booking_id: str, holder_id: str) -> KeyLink | None:
    found = [row for row in _living(session, booking_id, holder_id) if row.claimed_at is not None]
    return found[0] if found else None


def _latest(session: Session, link: KeyLink) -> Credential | None:
    query = select(Credential).where(
        Credential.booking_id == link.booking_id, Credential.holder_id == link.holder_id
    )
    return session.scalar(query.order_by(Credential.issued_at.desc()).limit(1))


def _digest(text: str) -> bytes:
    return sha256(text.encode())
