"""The sites of bookings with people signed in, for tests: real sessions, real applications."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from cloud.booking.payments import providers
from cloud.models import Account, AccountFact, StaffGrant, StaffMember
from cloud.people import sessions
from cloud.people.sessions import BOOK, DESK, Owner
from cloud.web.apps import create_app
from cloud.web.context import ApiContext, Site, SiteUrls
from cloud.web.limits import Limiter
from tests.cloud.booking.support import HOSTED
from tests.cloud.support import Town

STAFF_SECRET = "staff-secret-of-the-tests"
BOOK_ORIGIN, DESK_ORIGIN = "https://book.test", "https://desk.test"


@dataclass
class Person:
    """Somebody at a browser."""

    client: httpx.AsyncClient
    id: str

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(path, params=params)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.client.post(path, json=body if body is not None else {})

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.client.request(method, path, json=body)


@dataclass
class Sites:
    """`machine`: a program without credentials."""

    town: Town
    context: ApiContext
    machine: httpx.AsyncClient
    stack: AsyncExitStack
    pokes: list[int] = field(default_factory=list)

    async def resident(self, name: str, level: str = "aal2", lives_here: bool = True) -> Person:
        """Somebody signed in on the booking site."""
        service, now = self.town.service, self.town.clock()
        with service.database.write() as session:
            account = Account(
                account_id=name,
                name=name,
                name_from="",
                consent_version=1,
                consented_at=now,
                created_at=now,
                last_sign_in_at=now,
            )
            session.add(account)
            session.flush()
            session.add(
                AccountFact(
                    account_id=name,
                    provider="digital",
                    level=level,
                    resident=lives_here,
                    adult=True,
                    verified_at=now,
                    expires_at=now + 10**8,
                )
            )
            owner = Owner(account_id=name)
            cookie = sessions.start(session, owner, "test", None, service.random_bytes, now)
        return Person(await self._browser(Site.BOOK, BOOK_ORIGIN, BOOK.cookie, cookie), name)

    async def staff(self, name: str, role: str, facility: str = "") -> Person:
        """Somebody signed in at the desk; facility '': in the whole town."""
        service, now = self.town.service, self.town.clock()
        with service.database.write() as session:
            handle = service.random_bytes(32)
            session.add(StaffMember(staff_id=name, name=name, user_handle=handle, created_at=now))
            session.flush()
            session.add(StaffGrant(staff_id=name, role=role, facility_id=facility))
            owner = Owner(staff_id=name)
            cookie = sessions.start(session, owner, "test", None, service.random_bytes, now)
        return Person(await self._browser(Site.CONSOLE, DESK_ORIGIN, DESK.cookie, cookie), name)

    async def _browser(self, site: Site, origin: str, name: str, cookie: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(create_app(self.context, site))
        headers = {"Origin": origin, "Cookie": f"{name}={cookie}"}
        client = httpx.AsyncClient(transport=transport, base_url=origin, headers=headers)
        return await self.stack.enter_async_context(client)


@asynccontextmanager
async def open_sites(town: Town) -> AsyncIterator[Sites]:
    """The booking site, the desk and the interface for programs."""
    pokes: list[int] = []
    context = ApiContext(
        town.service,
        "みさき市",
        None,  # type: ignore[arg-type]
        lambda: pokes.append(1),
        STAFF_SECRET.encode(),
        Limiter(lambda: 0.0, 0),
        SiteUrls(BOOK_ORIGIN, "", DESK_ORIGIN),
        payments=providers(HOSTED),
    )
    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(create_app(context))
        machine = httpx.AsyncClient(transport=transport, base_url="http://town")
        await stack.enter_async_context(machine)
        yield Sites(town, context, machine, stack, pokes)
