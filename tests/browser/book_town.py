"""A small town for tests of the booking site: the real service on a port of this machine, with
houses that lend under real policies, and residents with sessions.

Decides nothing; the town's time stands still unless a test moves it. Signing in for real, at a
provider, is a test of its own: here a session's cookie is put into the browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from cloud import bookings
from cloud.booking import groups, places
from cloud.booking.payments import Hosted, providers
from cloud.booking.policy import read_policy
from cloud.models import Account, AccountFact, Booking, GroupMember, Room
from cloud.people import sessions
from cloud.people.accounts import CONSENT_VERSION
from cloud.people.sessions import BOOK, Owner
from cloud.relay import RelayHub
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from tests.browser.chromium import Visitor
from tests.cloud.support import START, Town, open_town

DAY_S = 86_400
TODAY = "2026-12-05"  # a Saturday; the town's clock stands at 09:55
CHECKOUT = "https://pay.invalid/checkout"
EVERY_DAY = {day: [["09:00", "21:30"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
CENTER = {
    "hours": EVERY_DAY,
    "slot_minutes": 30,
    "shortest_minutes": 60,
    "longest_minutes": 240,
    "cleaning_minutes": 30,
    "ahead_days": 60,
    "change_until_minutes": 60,
    "refunds": [
        {"minutes_before": 1440, "percent": 100},
        {"minutes_before": 0, "percent": 50},
    ],
    "hold_minutes": 15,
    "holders_max": 4,
    "approval": {"commercial": True, "people_over": 15},
    "fees": {
        "per": "hour",
        "base": {"resident": 400, "outside": 800, "commercial": 1600},
        "reductions": {"culture": 50},
    },
    "payments": {"methods": ["counter", "hosted"], "key_before_paying": ["counter"]},
}
BARN = {"hours": EVERY_DAY, "slot_minutes": 30, "shortest_minutes": 30, "ahead_days": 14}
CAPACITIES = {"第1会議室": 12, "和室": 20, "音楽室": 30}
NAMES = {
    "第1会議室": {"ja-simple": "だい1 かいぎしつ", "en": "Meeting room 1"},
    "和室": {"ja-simple": "わしつ", "en": "Tatami room"},
    "音楽室": {"ja-simple": "おんがくしつ", "en": "Music room"},
}
CENTER_NAMES = {
    "ja": "みさき市民センター",
    "ja-simple": "しみん センター",
    "en": "Misaki Civic Centre",
}
BARN_NAMES = {"ja": "海辺の集会所", "ja-simple": "うみべの しゅうかいじょ", "en": "Seaside hall"}
FIND = {
    "ja": "2階、階段を上がって右",
    "ja-simple": "2かい。みぎに あります。",
    "en": "Second floor, right",
}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@dataclass
class BookTown:
    """`origin`: of the booking site."""

    town: Town
    origin: str
    key_origin: str

    @property
    def service(self) -> Any:
        return self.town.service

    def address(self, path: str, **query: str) -> str:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self.origin}{path}" + (f"?{text}" if text else "")

    # --- people

    def account(self, name: str = "山田 花子", level: str = "aal2", resident: bool = True) -> str:
        """A resident whom a provider vouched for; the account's id."""
        now, service = self.service.clock(), self.service
        account_id = service.random_bytes(12).hex()
        with service.database.write() as session:
            session.add(
                Account(
                    account_id=account_id, name=name, name_from="card", created_at=now,
                    consent_version=CONSENT_VERSION, consented_at=now, last_sign_in_at=now,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                AccountFact(
                    account_id=account_id, provider="card", level=level, resident=resident,
                    adult=True, verified_at=now, expires_at=now + 365 * DAY_S,
                )
            )  # fmt: skip
        return account_id

    async def sign_in(self, visitor: Visitor, account_id: str) -> None:
        """This browser is signed in from now on."""
        service = self.service
        with service.database.write() as session:
            owner = Owner(account_id=account_id)
            cookie = sessions.start(
                session, owner, "Chrome · Linux", None, service.random_bytes, service.clock()
            )
        secure = self.origin.replace("http://", "https://")
        await visitor.context.add_cookies(
            [
                {
                    "name": BOOK.cookie, "value": cookie, "url": secure,
                    "secure": True, "httpOnly": True, "sameSite": "Lax",
                }
            ]
        )  # fmt: skip

    def group(self, account_id: str, name: str, days: int | None) -> str:
        """A registered group with a member; `days`: how long its evidence counts, None: none."""
        service, now = self.service, self.service.clock()
        with service.database.write() as session:
            made = groups.add(
                session, service.random_bytes, now, name=name, kind="culture", contact="",
                may_be_invoiced=False,
            )  # fmt: skip
            if days is not None:
                groups.add_evidence(
                    session, service.random_bytes, made, now, kind="登録証", shown="登録証 12号",
                    reduction_percent=None, expires_at=now + days * DAY_S, checked_by="staff:1",
                )  # fmt: skip
            session.add(GroupMember(group_id=made.group_id, account_id=account_id, added_at=now))
            return made.group_id

    # --- what the town knows

    def rows(self, account_id: str | None = None) -> list[Booking]:
        """The bookings of an account (None: of nobody), the first made first."""
        with self.service.database.read() as session:
            found = session.query(Booking).order_by(Booking.created_at, Booking.booking_id)
            rows = [row for row in found if row.account_id == account_id]
            session.expunge_all()
        return rows

    def taken_by_another(self, room: str, starts_at: int, ends_at: int) -> None:
        """Somebody else was faster."""
        service = self.service
        with service.database.write() as session:
            found = session.query(Room).filter(Room.name == room).one()
            bookings.create(
                session, service.random_bytes, service.clock(),
                room_id=found.room_id, starts_at=starts_at, ends_at=ends_at, holder_name="ほかの人",
            )  # fmt: skip

    def pass_time(self, seconds: int) -> None:
        self.town.clock.now += seconds


def furnish(town: Town) -> None:
    """Two houses: one asks people to sign in, one lets anybody in."""
    with town.service.database.write() as session:
        now = town.clock()
        house = places.main_facility(session, now)
        house.names = places.words(CENTER_NAMES)
        house.address, house.phone = "北海道みさき市本町1-2-3", "0123-45-6789"
        house.assurance = "aal1"
        for room in session.query(Room):
            room.capacity = CAPACITIES[room.name]
            room.names = places.words(NAMES[room.name])
            room.find = places.words(FIND)
        places.apply_policy(session, house, read_policy(json.dumps(CENTER)), now)
        barn = places.add_facility(session, "barn", BARN_NAMES, now)
        hall = bookings.add_room(session, "集会室", "hall")
        hall.facility_id, hall.capacity = barn.facility_id, 40
        hall.names = places.words({"ja-simple": "しゅうかいしつ", "en": "Hall"})
        session.flush()
        places.apply_policy(session, barn, read_policy(json.dumps(BARN)), now)


@asynccontextmanager
async def book_town(folder: Path) -> AsyncIterator[BookTown]:
    """The town, served at http://book.localhost:PORT and http://key.localhost:PORT."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    urls = SiteUrls(book=f"http://book.localhost:{port}", key=f"http://key.localhost:{port}")
    with open_town(folder) as town:
        town.service = replace(town.service, key_page_url=f"{urls.key}/")
        furnish(town)
        async with _serving(context_of(town, urls), listener):
            yield BookTown(town, urls.book, urls.key)


def context_of(town: Town, urls: SiteUrls) -> ApiContext:
    """No gateway, no limits; a payment service to which browsers are sent."""

    async def send(*_args: object) -> None:
        return None

    service, loop = town.service, asyncio.get_running_loop()
    hub = RelayHub(send, service.clock, loop.time, service.random_bytes, lambda: True, 5.0)
    hosted = Hosted(CHECKOUT, "misaki", (b"secret-of-the-payment-service",))
    return ApiContext(
        service, "みさき市", hub, lambda: None, b"staff-secret-of-tests", Limiter(loop.time, 0),
        urls, payments=providers(hosted),
    )  # fmt: skip


@asynccontextmanager
async def _serving(context: ApiContext, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        create_sites([context]), log_config=None, access_log=False, lifespan="off"
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def at(hhmm: str, day: int = 0) -> int:
    """Unix seconds of a time of day; day 0 is TODAY."""
    hours, minutes = hhmm.split(":")
    return START - 10 * 3600 + day * DAY_S + int(hours) * 3600 + int(minutes) * 60
