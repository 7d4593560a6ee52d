"""A town for tests of the clerk's console: the real service with its console on a port of this
machine, houses under a policy, bookings of every kind, and the real core of one lock behind the
gateway's relay.

Decides nothing; the town's time stands still unless a test moves it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import select

from cloud import bookings, fleet
from cloud.alarms import raise_alarm
from cloud.booking import groups, lifecycle, places
from cloud.booking.lifecycle import Asked, Office
from cloud.booking.payments import providers
from cloud.booking.policy import read_policy
from cloud.booking.terms import Booker, Wanted
from cloud.keylinks import lock_key
from cloud.models import Account, Booking, Facility, Lock, Room
from cloud.models import Credential as StoredCredential
from cloud.people import staff
from cloud.people.accounts import CONSENT_VERSION
from cloud.people.principals import Grant, machine
from cloud.relay import RelayHub
from cloud.trust import gateway_file
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from kannuki.messages import LockState, Message
from protocol import session as session_codes
from protocol.holder import Credential
from tests.browser.book_town import CENTER, FIND
from tests.browser.key_town import KeyTown, _Server
from tests.cloud.support import START, TOWN, open_town
from tests.cloud.test_with_lock import LOCK, Street, tell_time

HOUR_S = 3600


class FirstOfThree(Street):
    """The lock with a core is one of three that the gateway keeps house for."""

    def keeper(self) -> Credential:
        given = next(g for g in gateway_file(self.service, "gw-1").locks if g.lock_id == LOCK)
        return Credential(given.token, {given.lock_id: given.proof_key})

    def opens_for(self, booking_id: str) -> None:
        """The resident of a booking opens the door at it, and the record comes home."""
        with self.service.database.read() as opened:
            query = select(StoredCredential).where(StoredCredential.booking_id == booking_id)
            stored = opened.scalars(query.where(StoredCredential.revoked_at.is_(None))).one()
            lock = lock_key(opened.get_one(Lock, LOCK))
        proof_key = self.service.vault.proof_key(lock, stored.raw_token)
        assert self.tries(Credential(stored.raw_token, {LOCK: proof_key})) == session_codes.OK
        assert self.fetch() > 0


MEETING, TATAMI, MUSIC = "room-1", "room-2", "room-3"
_MANAGER = "館長 一郎"


@dataclass
class DeskTown(KeyTown):
    """`console`: the origin of the clerk's console."""

    console: str = ""

    def invite(self, name: str, *grants: Grant) -> str:
        """Somebody new at the desk; the link with which they make their passkey."""
        service = self.service
        with service.database.write() as session:
            by = machine(service.town)
            _, secret = staff.invite(
                session, by, name, grants, service.random_bytes, service.clock()
            )
        return staff.invite_link(self.console, secret)

    def book(self, room_id: str, begins_in_s: int, lasts_s: int, name: str, **more: Any) -> str:
        """A resident's booking as the rules decide it; its id."""
        service, now = self.service, self.service.clock()
        office = Office(service.random_bytes, providers())
        category = more.pop("category", "resident")
        with service.database.write() as session:
            begins = _slot(now) + begins_in_s
            wanted = Wanted(room_id, begins, begins + lasts_s, more.pop("people", 6), category)
            booker = Booker(by="account:a1", account_id=self._account(session), name=name)
            asked = Asked(
                name, more.pop("contact", "090-1234-5678"), more.pop("purpose", ""), **more
            )
            booking_id = lifecycle.book(
                session, office, booker, wanted, asked, now
            ).booking.booking_id
        self.settle()
        return booking_id

    def _account(self, session: Any) -> str:
        if session.get(Account, "a1") is None:
            now = self.service.clock()
            session.add(
                Account(
                    account_id="a1", name="試験", name_from="", created_at=now,
                    consent_version=CONSENT_VERSION, consented_at=now, last_sign_in_at=now,
                )
            )  # fmt: skip
            session.flush()
        return "a1"

    def booking(self, booking_id: str) -> Booking:
        with self.service.database.read() as session:
            return session.get_one(Booking, booking_id)

    def tell_lock(self, lock_id: str, **state: Any) -> None:
        """A gateway brings news of a lock."""
        now = self.service.clock()
        seen_at = state.get("seen_at", now - 20)
        said: dict[str, Any] = {
            "reachable": True, "seen_at": seen_at, "bolt": "locked", "door": "closed",
            "time_lo": seen_at - 2, "time_hi": seen_at + 2, "keyset_version": 1, "head_seq": 12,
            "acked_seq": 12,
        }  # fmt: skip
        with self.service.database.write() as session:
            fleet.note_lock(session, lock_id, LockState(**{**said, **state}), now)

    def trouble(self, kind: str, lock_id: str) -> None:
        with self.service.database.write() as session:
            raise_alarm(session, kind, lock_id, "recorded by the lock", self.service.clock() - 900)

    def a_day(self) -> dict[str, str]:
        """A Saturday, two minutes after ten, with something of everything; {what: booking id}."""
        made = {
            "now": self.book(MEETING, 0, 2 * HOUR_S, "田中 正", purpose="町内会"),
            "later": self.book(MEETING, 4 * HOUR_S, 2 * HOUR_S, "鈴木 花子", method="counter"),
            "commercial": self.book(
                TATAMI, 5 * HOUR_S, HOUR_S, "みさき商店",
                category="commercial", purpose="展示販売会",
            ),
            "many": self.book(MUSIC, 6 * HOUR_S, HOUR_S, "合唱団みさき", people=28),
            "evening": self.book(TATAMI, 8 * HOUR_S, 2 * HOUR_S, "書道教室", purpose="稽古"),
        }  # fmt: skip
        gone = self.book(MUSIC, 0, HOUR_S, "佐藤 健")
        self.pass_time(240)
        with self.service.database.write() as session:
            booking = session.get_one(Booking, gone)
            bookings.cancel(session, booking, self.service.clock())
        self.settle()
        self.tell_lock("bbbbbbbb")
        self.tell_lock("cccccccc", reachable=False, seen_at=self.service.clock() - 3000)
        self.trouble("LOCK_HELD", "bbbbbbbb")
        now = self.service.clock()
        with self.service.database.write() as session:
            group = groups.add(
                session, self.service.random_bytes, now, name="みさき書道会", kind="culture",
                contact="shodo@example.jp", may_be_invoiced=True,
            )  # fmt: skip
            groups.add_evidence(
                session, self.service.random_bytes, group, now, checked_by="staff:x", kind="会則",
                shown="会員名簿と会則を確認", reduction_percent=50, expires_at=now + 40 * 86_400,
            )  # fmt: skip
        return made | {"gone": gone}


def _slot(now: int) -> int:
    """The next half hour."""
    return now - now % -1800


@asynccontextmanager
async def desk_town(folder: Path) -> AsyncIterator[DeskTown]:
    """The town, served at http://console.localhost:PORT; its first lock is a real core."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    console, key = f"http://console.localhost:{port}", f"http://key.localhost:{port}"
    with open_town(folder, hung=0) as town:
        town.clock.now = START - 120
        town.service = replace(town.service, key_page_url=f"{key}/")
        _lend(town)
        for number in (1, 2):
            town.hang(number)
        running = DeskTown(town, FirstOfThree(town), key, console=console)
        tell_time(running.street)
        async with _serving(
            running, listener, SiteUrls(f"http://book.localhost:{port}", key, console)
        ):
            running.gateway(online=True)
            running.tell_lock("aaaaaaaa")
            yield running


def _lend(town: Any) -> None:
    """Two houses, under a policy."""
    with town.service.database.write() as session:
        house = session.get(Facility, (TOWN, "main"))
        house.names = json.dumps(
            {"ja": "中央公民館", "ja-simple": "ちゅうおう こうみんかん", "en": "Central hall"}
        )
        house.phone = "0460-00-0000"
        east = places.add_facility(
            session, "east", {"ja": "東会館", "en": "East house"}, town.clock()
        )
        session.get_one(Room, (TOWN, MUSIC)).facility_id = "east"
        for room in session.scalars(select(Room)):
            room.find, room.capacity = places.words(FIND), 40
        session.flush()
        policy = read_policy(json.dumps(CENTER | {"cleaning_minutes": 0}))
        for each in (house, east):
            places.apply_policy(session, each, policy, town.clock())


@asynccontextmanager
async def _serving(
    running: DeskTown, listener: socket.socket, urls: SiteUrls
) -> AsyncIterator[None]:
    service = running.service

    async def send(lock_id: str, command: Message, _expires_after_s: float) -> None:
        result = await running.answer(lock_id, command)
        if result is not None:
            hub.on_result(result)

    loop = asyncio.get_running_loop()
    hub = RelayHub(send, service.clock, loop.time, service.random_bytes, lambda: True, 5.0)
    secret, limiter = b"staff-secret-of-tests", Limiter(loop.time, 0)
    context = ApiContext(service, "みさき市", hub, running.settle, secret, limiter, urls)
    server = _Server(
        uvicorn.Config(create_sites([context]), log_config=None, access_log=False, lifespan="off")
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
