"""A town with its sites on a real port, a provider, and staff with software passkeys."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import httpx
import uvicorn
from joserfc.jwk import ECKey

from cloud.people.provider_http import ProviderHttp
from cloud.people.providers import ProviderTable
from cloud.people.relying_party import RelyingParty
from cloud.people.sign_in_keys import SignInKeyFile, SignInKeys, new_file
from cloud.relay import RelayHub
from cloud.service import TownService
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from tests.cloud.people.authenticator import Authenticator
from tests.cloud.people.provider import Browser
from tests.cloud.support import Town
from tests.cloud.web import STAFF

CONSOLE = "https://console.example"


@dataclass
class WallClock:
    """This machine's time, for a provider that lives in it; `ahead` moves it."""

    ahead: int = 0

    def __call__(self) -> int:
        return int(time.time()) + self.ahead


def sign_in_keys(told: SignInKeyFile | None = None) -> SignInKeys:
    """Fresh keys, or those of a file's content."""
    told = told or new_file(secrets.token_bytes)
    return SignInKeys(tuple(ECKey.import_key(dict(k)) for k in told.keys), told.subject_key)


@dataclass
class Sites:
    """A served town. book, console: origins."""

    service: TownService
    clock: WallClock
    book: str
    console: str
    http: aiohttp.ClientSession
    context: ApiContext

    def browser(self) -> Browser:
        return Browser(self.http)


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:
        return nullcontext()


def context_of(service: TownService, urls: SiteUrls, sign_in: RelyingParty | None) -> ApiContext:
    """What handlers work with; no gateway, no limits."""

    async def send(*_args: object) -> None:
        return None

    clock = service.clock
    hub = RelayHub(send, clock, clock, service.random_bytes, lambda: True)
    limiter = Limiter(time.monotonic, 0)
    return ApiContext(
        service, "みさき市", hub, lambda: None, STAFF.encode(), limiter, urls, sign_in
    )


@asynccontextmanager
async def serving(
    service: TownService, table: ProviderTable, keys: SignInKeys, port: int, clock: WallClock
) -> AsyncIterator[Sites]:
    """The town's sites at 127.0.0.1 (book) and localhost (console), one port."""
    service = replace(service, clock=clock)
    urls = SiteUrls(book=f"http://127.0.0.1:{port}", console=f"http://localhost:{port}")
    fetched = ProviderHttp(clock)
    party = RelyingParty(service.town, urls.book, table, keys, fetched, clock, service.random_bytes)
    context = context_of(service, urls, party)
    config = uvicorn.Config(
        create_sites([context]), host="127.0.0.1", port=port, log_config=None, lifespan="off"
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield Sites(service, clock, urls.book, urls.console, http, context)
    finally:
        server.should_exit = True
        await task
        await fetched.close()


@dataclass
class Desk:
    """The console and machine sites without a network. `jar`: the console's cookies."""

    town: Town
    client: httpx.AsyncClient
    context: ApiContext
    jar: dict[str, str] = field(default_factory=dict)

    @property
    def authenticator(self) -> Authenticator:
        return Authenticator(CONSOLE)

    async def ask(
        self, method: str, path: str, body: Any = None, *, jar: dict[str, str] | None = None
    ) -> httpx.Response:
        """As a page of the console asks; `jar`: of another browser."""
        jar = self.jar if jar is None else jar
        headers = {"Origin": CONSOLE, "Sec-Fetch-Site": "same-origin"}
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        content = {} if body is None else {"json": body}
        url = f"{CONSOLE}/v1/staff/{path}"
        answer = await self.client.request(method, url, headers=headers, **content)
        self.client.cookies.clear()  # the jar is ours
        for line in answer.headers.get_list("set-cookie"):
            name, value = line.split(";")[0].split("=", 1)
            if "Max-Age=0" in line:
                jar.pop(name, None)
            else:
                jar[name] = value
        return answer

    async def machine(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A program with the staff secret."""
        headers = {"Authorization": f"Bearer {STAFF}"}
        content = {} if body is None else {"json": body}
        return await self.client.request(
            method, f"http://town/v1/staff/{path}", headers=headers, **content
        )

    async def invite(self, name: str, *grants: dict[str, str | None]) -> tuple[str, str]:
        """(staff_id, invitation's secret)"""
        answer = await self.machine("POST", "people", {"name": name, "grants": list(grants)})
        assert answer.status_code == 201, answer.text
        told = answer.json()
        return told["person"]["staff_id"], told["invite_link"].rpartition("#")[2]

    async def join(
        self, secret: str, authenticator: Authenticator, jar: dict[str, str] | None = None
    ) -> httpx.Response:
        """Registers a passkey with an invitation."""
        start = await self.ask("POST", "passkeys/challenge", {"invite": secret}, jar=jar)
        if start.status_code != 200:
            return start
        credential = authenticator.create(start.json()["options"])
        body = {"invite": secret, "credential": credential, "label": "窓口のPC"}
        return await self.ask("POST", "passkeys/register", body, jar=jar)

    async def enter(
        self, authenticator: Authenticator, jar: dict[str, str] | None = None, **bent: Any
    ) -> httpx.Response:
        """Signs in with a passkey."""
        start = await self.ask("POST", "session/challenge", jar=jar)
        credential = authenticator.get(start.json()["options"], **bent)
        return await self.ask("POST", "session/assert", {"credential": credential}, jar=jar)

    async def employ(
        self, name: str, role: str, facility_id: str | None = None
    ) -> tuple[str, dict[str, str], Authenticator]:
        """Somebody who is signed in: (staff_id, cookies, authenticator)."""
        staff_id, secret = await self.invite(name, {"role": role, "facility_id": facility_id})
        jar: dict[str, str] = {}
        authenticator = self.authenticator
        assert (await self.join(secret, authenticator, jar)).status_code == 200
        return staff_id, jar, authenticator


@asynccontextmanager
async def open_desk(town: Town, urls: SiteUrls | None = None) -> AsyncIterator[Desk]:
    """The town's sites over ASGI."""
    urls = urls or SiteUrls(book="https://book.example", console=CONSOLE)
    context = context_of(town.service, urls, None)
    transport = httpx.ASGITransport(create_sites([context]))
    async with httpx.AsyncClient(transport=transport) as client:
        yield Desk(town, client, context)
