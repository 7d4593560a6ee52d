"""A town with its sites on a real port, a provider, and staff with software passkeys."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace

import aiohttp
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
from tests.cloud.people.provider import Browser
from tests.cloud.web import STAFF


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
