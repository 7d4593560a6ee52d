"""The HTTP interface in one process, for tests: a client, and a function for a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from cloud.keyring.mail import Mailer
from cloud.keyring.worker import KeySteps
from cloud.relay import RelayHub
from cloud.service import TownService
from cloud.web.apps import create_app
from cloud.web.context import ApiContext
from cloud.web.limits import Limiter
from kannuki.messages import CommandResult, Message

STAFF = "staff-secret-of-the-tests"
Answer = Callable[[str, Message], Awaitable[CommandResult | None]]


@dataclass
class Web:
    """`sent` has every command for a lock; `answer` plays the gateway."""

    client: httpx.AsyncClient
    hub: RelayHub
    sent: list[tuple[str, Message]] = field(default_factory=list)
    answer: Answer | None = None
    pokes: int = 0

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(path, params=params)

    async def post(self, path: str, body: Any, bearer: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self.client.post(path, json=body, headers=headers)

    async def staff(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {STAFF}"}
        return await self.client.request(method, f"/v1/staff{path}", headers=headers, **kwargs)


@asynccontextmanager
async def open_web(service: TownService, mailer: Mailer | None = None) -> AsyncIterator[Web]:
    """The application over ASGI; the worker of the keys runs at each poke, to its end."""

    async def send(lock_id: str, command: Message, _expires_after_s: float) -> None:
        web.sent.append((lock_id, command))
        result = await web.answer(lock_id, command) if web.answer else None
        if result is not None:
            web.hub.on_result(result)

    def poke() -> None:
        web.pokes += 1
        keys.drain()

    keys = KeySteps(service, "みさき市", mailer)
    clock = service.clock
    hub = RelayHub(send, clock, clock, service.random_bytes, lambda: True, answer_within_s=0.3)
    context = ApiContext(service, "みさき市", hub, poke, STAFF.encode(), Limiter(clock, 0))
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://town") as client:
        web = Web(client, hub)
        yield web
