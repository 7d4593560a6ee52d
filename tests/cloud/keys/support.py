"""What tests of the keys share: bookings, devices, a post office, and a power cut at will."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from cloud import bookings, keylinks
from cloud.booking import lifecycle, states
from cloud.database import TownDatabase
from cloud.keylinks import Claim
from cloud.keyring.mail import Letter
from cloud.keyring.outbox import ask_for_keys
from cloud.keyring.worker import KeySteps
from cloud.models import Booking, BookingHolder, Credential, IssuedPin, StaffKey, StatusOutbox
from cloud.service import TownService
from kannuki.messages import from_base64url
from protocol import statuslist
from protocol.statuslist import StatusList
from tests.cloud.support import START, Town
from tests.cloud.test_keys import Phone

HOUR_S = 3600
CONTACT = "hanako@example.jp"
_LINK = re.compile(r"https://key\.example/open#([A-Za-z0-9_-]+)")


class PowerCut(BaseException):
    """No `except Exception` stops it: the process is gone."""


@dataclass
class Fuse:
    """Blows at the n-th boundary it is told of; never when `after` is None."""

    after: int | None = None
    passed: list[str] = field(default_factory=list)

    def burn(self, boundary: str) -> None:
        self.passed.append(boundary)
        if self.after is not None and len(self.passed) > self.after:
            raise PowerCut(boundary)


class FragileDatabase(TownDatabase):
    """A town's database whose process may die before, in and after every transaction."""

    def __init__(self, real: TownDatabase, fuse: Fuse) -> None:
        super().__init__(real.whole, real.town)
        self._fuse = fuse

    @contextmanager
    def write(self) -> Iterator[Session]:
        self._fuse.burn("before a transaction")
        with super().write() as session:
            yield session
            session.flush()
            self._fuse.burn("before a commit")
        self._fuse.burn("after a commit")


@dataclass
class PostOffice:
    """Takes letters for good; `fails` lets the next ones fail with these."""

    fuse: Fuse = field(default_factory=Fuse)
    letters: list[Letter] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        self.fuse.burn("before sending")
        if self.fails:
            raise self.fails.pop(0)
        self.letters.append(letter)
        self.fuse.burn("after sending")

    def secrets(self, to: str = CONTACT) -> list[str]:
        """The links' secrets in the letters to a person, oldest first."""
        found = [_LINK.findall(letter.text) for letter in self.letters if letter.to == to]
        return [links[0] for links in found if links]

    def subjects(self) -> list[str]:
        """What each letter is about, oldest first."""
        return [letter.subject for letter in self.letters]


def steps(town: Town, post: PostOffice | None = None, fuse: Fuse | None = None) -> KeySteps:
    """A process of the service that has just started."""
    service = town.service
    if fuse is not None:
        service = replace(service, database=FragileDatabase(service.database, fuse))
    return KeySteps(with_mail(service) if post else service, "みさき市", post)


def with_mail(service: TownService) -> TownService:
    return replace(service, sends_mail=True)


def book(
    town: Town,
    starts_at: int = START,
    room_id: str = "room-1",
    contact: str = CONTACT,
    hours: int = 1,
) -> str:
    with town.service.database.write() as session:
        booking = bookings.create(
            session,
            town.service.random_bytes,
            town.clock(),
            room_id=room_id,
            starts_at=starts_at,
            ends_at=starts_at + hours * HOUR_S,
            holder_name="山田 花子",
        )
        booking.holder_contact = contact
        return booking.booking_id


def cancel(town: Town, booking_id: str) -> None:
    with town.service.database.write() as session:
        booking = bookings.find(session, booking_id)
        bookings.cancel(session, booking, town.clock())


def move(town: Town, booking_id: str, **values: Any) -> None:
    """A change as any of the booking's own operations makes it."""
    with town.service.database.write() as session:
        booking = bookings.find(session, booking_id)
        for name, value in values.items():
            setattr(booking, name, value)
        booking.held_from, booking.held_to = booking.starts_at, booking.ends_at
        ask_for_keys(session, {booking_id}, town.clock())


def decline(town: Town, booking_id: str, why: str) -> None:
    """A booking that waited for a clerk, who says no."""
    with town.service.database.write() as session:
        booking = bookings.find(session, booking_id)
        booking.status, booking.payment_method = states.PENDING, states.FREE
        lifecycle.decline(session, booking, "clerk", town.clock(), why)


def add_holder(town: Town, booking_id: str, name: str, contact: str = "") -> str:
    with town.service.database.write() as session:
        holder_id = bookings.new_id(town.service.random_bytes)
        session.add(
            BookingHolder(
                holder_id=holder_id,
                booking_id=booking_id,
                name=name,
                contact=contact,
                is_lead=False,
                created_at=town.clock(),
            )
        )
        ask_for_keys(session, {booking_id}, town.clock())
        return holder_id


def remove_holder(town: Town, booking_id: str, holder_id: str) -> None:
    with town.service.database.write() as session:
        session.get_one(BookingHolder, holder_id).removed_at = town.clock()
        ask_for_keys(session, {booking_id}, town.clock())


def link(town: Town, booking_id: str, holder_id: str = "") -> str:
    """A link that takes nothing away until another device claims it."""
    with town.service.database.write() as session:
        booking = bookings.find(session, booking_id)
        random_bytes, now = town.service.random_bytes, town.clock()
        return keylinks.make_link(session, booking, random_bytes, now, holder_id)


def claim(town: Town, secret: str, phone: Phone) -> Claim:
    service = town.service
    with service.database.write() as session:
        key = from_base64url(phone.device_key)
        return keylinks.claim(session, service.signers, service.vault, secret, key, town.clock())


def live(town: Town, booking_id: str) -> list[Credential]:
    with town.service.database.read() as session:
        found = session.query(Credential).filter_by(booking_id=booking_id, revoked_at=None)
        return list(found.order_by(Credential.holder_id))


def issued(town: Town, booking_id: str) -> list[Credential]:
    with town.service.database.read() as session:
        return session.query(Credential).filter_by(booking_id=booking_id).all()


def newest_list(town: Town, lock_id: str) -> StatusList:
    with town.service.database.read() as session:
        row = session.get(StatusOutbox, lock_id)
        if row is None:
            return statuslist.empty(lock_id)
        return statuslist.in_memory(statuslist.parse(row.document)[1], row.entries)


def check_lists(town: Town) -> None:
    """Whatever was withdrawn and has not expired is in its lock's newest list."""
    with town.service.database.read() as session:
        rows: list[Any] = []
        for table in (Credential, IssuedPin, StaffKey):
            rows += session.query(table).filter(table.revoked_at.is_not(None)).all()
    for row in rows:
        ends = row.ends_at if isinstance(row, IssuedPin) else row.expires_at
        name = row.name if isinstance(row, IssuedPin) else row.cti
        if ends > town.clock() and ends > row.revoked_at:
            assert newest_list(town, row.lock_id).lists(name)


def booking_of(town: Town, booking_id: str) -> Booking:
    with town.service.database.read() as session:
        return session.get_one(Booking, booking_id)
