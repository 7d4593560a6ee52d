"""Numbers for keypads: allots one of the 32 of a window, withdraws it, tells it again.

Decides which number a holder of a booking has; keeps what it says (lock, window, serial) and never
its digits, which the vault derives each time they are shown. A serial is used once: what was
withdrawn stays in the lock's list, and a lock's keypad tells two serials apart by nothing else.
Invariant: a holder has at most one live number, for the lock and the window of the booking.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.keyring.pinplan import plan
from cloud.lock_settings import settings_line
from cloud.models import Booking, IssuedPin, Lock
from cloud.ports import LockKey, PinOrder, ProofKeys
from protocol import pin as protocol_pins
from protocol.pin import QUARTER_S, SERIALS, Pin


@dataclass(frozen=True)
class ShownPin:
    """Ten digits and when they open: [opens_at, closes_at), Unix seconds."""

    digits: str = field(repr=False)
    opens_at: int
    closes_at: int


def show(
    session: Session, vault: ProofKeys, booking: Booking, holder_id: str, lock: Lock, epoch: int,
    now: int,
) -> ShownPin | None:  # fmt: skip
    """The number of a holder, allotted at the first time; None where the door takes none, no number
    says this window, or all 32 of it have been used."""
    if not takes_pins(session, lock.lock_id):
        return None
    row = live_pin(session, booking.booking_id, holder_id)
    row = row or _allot(session, booking, holder_id, lock, epoch, now)
    if row is None:
        return None
    order = PinOrder(row.starts_at, row.quarters, row.serial)
    digits = vault.pin(LockKey(lock.lock_id, lock.public_key), row.vault_epoch, order)
    return ShownPin(digits, row.starts_at, row.ends_at)


def takes_pins(session: Session, lock_id: str) -> bool:
    """Whether the lock's configuration, as the town signed it, lets a number open the door."""
    return bool(settings_line(session, lock_id)["pin_allowed"] == 1)


def live_pin(session: Session, booking_id: str, holder_id: str) -> IssuedPin | None:
    """The number of a holder that is not withdrawn."""
    return next((row for row in _live(session, booking_id) if row.holder_id == holder_id), None)


def withdraw(session: Session, booking_id: str, now: int, holder_id: str | None = None) -> None:
    """Withdraws the live numbers of a booking, or of one holder alone."""
    for row in _live(session, booking_id):
        if holder_id in (None, row.holder_id):
            row.revoked_at = now


def withdraw_unfit(
    session: Session,
    booking: Booking,
    lock: Lock | None,
    holder_ids: Collection[str],
    epochs: Collection[int],
    now: int,
) -> None:
    """Withdraws numbers of a booking that are not its lock's, its window's or its holders'."""
    for row in _live(session, booking.booking_id):
        said = (row.lock_id, (row.starts_at, row.quarters))
        fits = lock is not None and said == (lock.lock_id, plan(booking.starts_at, booking.ends_at))
        if not fits or row.holder_id not in holder_ids or row.vault_epoch not in epochs:
            row.revoked_at = now


def unlisted(session: Session, booking_id: str, now: int) -> set[str]:
    """Locks that no list has told yet of a withdrawn number of this booking."""
    query = select(IssuedPin.lock_id).where(
        IssuedPin.booking_id == booking_id,
        IssuedPin.revoked_at.is_not(None),
        IssuedPin.listed_version.is_(None),
        IssuedPin.ends_at > now,
    )
    return set(session.scalars(query))


def _live(session: Session, booking_id: str) -> list[IssuedPin]:
    query = select(IssuedPin).where(
        IssuedPin.booking_id == booking_id, IssuedPin.revoked_at.is_(None)
    )
    return list(session.scalars(query))


def _allot(
    session: Session, booking: Booking, holder_id: str, lock: Lock, epoch: int, now: int
) -> IssuedPin | None:
    window = plan(booking.starts_at, booking.ends_at)
    if window is None:
        return None
    starts_at, quarters = window
    query = select(IssuedPin.serial).where(
        IssuedPin.lock_id == lock.lock_id,
        IssuedPin.starts_at == starts_at,
        IssuedPin.quarters == quarters,
    )
    used = set(session.scalars(query))
    free = [serial for serial in range(SERIALS) if serial not in used]
    if not free:
        return None
    row = IssuedPin(
        lock_id=lock.lock_id,
        starts_at=starts_at,
        quarters=quarters,
        serial=free[0],
        ends_at=starts_at + quarters * QUARTER_S,
        booking_id=booking.booking_id,
        holder_id=holder_id,
        name=protocol_pins.name(lock.lock_id, Pin(starts_at, quarters, free[0])),
        vault_epoch=epoch,
        issued_at=now,
    )
    session.add(row)
    session.flush()
    return row
