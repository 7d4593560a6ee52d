"""The console over ASGI, with somebody of each role signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from cloud.models import Facility, Room
from cloud.people import sessions, staff
from cloud.people.principals import Grant, machine
from cloud.people.sessions import DESK, Owner
from cloud.relay import RelayHub
from cloud.service import TownService
from cloud.web.apps import create_app
from cloud.web.context import ApiContext, Site, SiteUrls
from cloud.web.limits import Limiter
from tests.cloud.support import TOWN, Town

ORIGIN = "https://console.example"
URLS = SiteUrls("https://book.example", "https://key.example", ORIGIN)
STAFF_SECRET = b"staff-secret-of-the-tests"
NAMES = {
    "clerk": "窓口 花子",
    "manager": "館長 一郎",
    "auditor": "監査 次郎",
    "technician": "設備 三郎",
}


class Desk:
    """The console of one town; `as_role` gives a signed-in browser."""

    def __init__(self, town: Town, app: Any) -> None:
        self.town = town
        self._app = app
        self._clients: list[httpx.AsyncClient] = []

    async def as_role(self, role: str, facility_id: str | None = None) -> httpx.AsyncClient:
        """Somebody new of this role."""
        return await self.sign_in(NAMES[role], [Grant(role, facility_id)])

    async def sign_in(self, name: str, grants: list[Grant]) -> httpx.AsyncClient:
        service = self.town.service
        with service.database.write() as session:
            by = machine(service.town)
            member, _ = staff.invite(
                session, by, name, grants, service.random_bytes, service.clock()
            )
            owner = Owner(staff_id=member.staff_id)
            cookie = sessions.start(
                session, owner, "test", None, service.random_bytes, service.clock()
            )
        return self._client({"Cookie": f"{DESK.cookie}={cookie}"})

    def nobody(self) -> httpx.AsyncClient:
        return self._client({})

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self._app)
        every = {"Origin": ORIGIN, **headers}
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=every)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def open_desk(town: Town) -> AsyncIterator[Desk]:
    """The console site of `town`."""

    async def send(*_args: object) -> None:
        return None

    clock = town.service.clock
    hub = RelayHub(send, clock, clock, town.service.random_bytes, lambda: True, 0.3)
    context = ApiContext(
        town.service, "みさき市", hub, lambda: None, STAFF_SECRET, Limiter(clock, 0), URLS
    )
    desk = Desk(town, create_app(context, Site.CONSOLE))
    try:
        yield desk
    finally:
        await desk.close()


def add_house(service: TownService, facility_id: str, room_id: str) -> None:
    """Moves a room into a facility of its own."""
    with service.database.write() as session:
        now = service.clock()
        if session.get(Facility, (TOWN, facility_id)) is None:
            session.add(
                Facility(
                    facility_id=facility_id,
                    names=f'{{"ja": "{facility_id}館"}}',
                    address="",
                    find="{}",
                    phone="",
                    assurance="none",
                    active=True,
                    policy=None,
                    policy_version=1,
                    created_at=now,
                    updated_at=now,
                )
            )
            session.flush()
        session.get_one(Room, (TOWN, room_id)).facility_id = facility_id
