"""SIMULATED: a payment service with its own checkout page, so that paying online can be shown.

No money moves and no card is asked for. It holds the town's secret, takes orders that the town
signed and no others, shows a page that says it is simulated, and tells the town what became of it
as a real service would: a signed message, sent again until the town has taken it.
"""

from __future__ import annotations

import asyncio
import html
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from cloud.booking.payments import checkout_order
from cloud.booking.webhooks import HEADER, sign

TRIES = 5
_PAGE = """<!doctype html><html lang="ja"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>支払い (模擬)</title>
<h1>これは模擬の支払いページです</h1>
<p>SIMULATED: no money moves. お金は動きません。</p>
<p>{merchant} / {reference}</p><p><strong>{amount_yen} 円</strong></p>
<form method="post" action="?{query}"><button name="outcome" value="succeeded">支払う / Pay</button>
<button name="outcome" value="failed">やめる / Cancel</button></form></html>
"""


@dataclass
class PaymentService:
    """`webhook`: where the town takes messages; `clock`: Unix seconds."""

    webhook: str
    secret: bytes
    clock: Callable[[], int] = lambda: int(time.time())
    wait_s: float = 0.5
    told: list[dict[str, object]] = field(default_factory=list)

    def app(self) -> web.Application:
        """The checkout; serve it anywhere the resident's browser reaches."""
        app = web.Application()
        app.router.add_get("/checkout", self._show)
        app.router.add_post("/checkout", self._decide)
        return app

    async def refund(self, reference: str, amount_yen: int) -> bool:
        """The operator of the service pays back; the town hears of it."""
        return await self._tell("refund.succeeded", reference, amount_yen)

    async def _show(self, request: web.Request) -> web.Response:
        order = self._order(request)
        shown = {name: html.escape(value) for name, value in order.items()}
        query = html.escape(request.url.raw_query_string)
        return web.Response(text=_PAGE.format(query=query, **shown), content_type="text/html")

    async def _decide(self, request: web.Request) -> web.Response:
        order = self._order(request)
        outcome = (await request.post()).get("outcome")
        if outcome not in ("succeeded", "failed"):
            raise web.HTTPBadRequest(text="no outcome")
        await self._tell(f"payment.{outcome}", order["reference"], int(order["amount_yen"]))
        raise web.HTTPSeeOther(order["return_url"])

    def _order(self, request: web.Request) -> dict[str, str]:
        """The order in the address. Raises 403 for one that the town did not sign."""
        order = checkout_order(request.url.raw_query_string, self.secret, self.clock())
        if order is None or int(order["expires_at"]) <= self.clock():
            raise web.HTTPForbidden(text="not an order of the town, or too old")
        return order

    async def _tell(self, kind: str, reference: str, amount_yen: int) -> bool:
        event = {
            "event_id": secrets.token_hex(12),
            "type": kind,
            "reference": reference,
            "amount_yen": amount_yen,
        }
        self.told.append(event)
        body = json.dumps(event).encode()
        async with ClientSession(timeout=ClientTimeout(total=10)) as client:
            for number in range(TRIES):
                if await self._send(client, body):
                    return True
                await asyncio.sleep(self.wait_s * (number + 1))
        return False

    async def _send(self, client: ClientSession, body: bytes) -> bool:
        headers = {HEADER: sign(self.secret, body, self.clock())}
        try:
            async with client.post(self.webhook, data=body, headers=headers) as answer:
                return answer.status == 200
        except (ClientError, TimeoutError):
            return False
