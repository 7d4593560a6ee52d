"""A page of metrics over HTTP, for a Prometheus on this computer or in this building.

Decides that there is one page, that it is read only, and how long a reader may take. Whoever can
reach the address may read it, so the command binds it where the operator says and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from gateway.health.metrics import Exposition
from kannuki.errors import InputError

PATH = "/metrics"
GOODBYE_WITHIN_S = 1.0


@asynccontextmanager
async def serving(exposition: Exposition, host: str, port: int) -> AsyncIterator[int]:
    """Serves while inside; gives the port. Raises InputError when the address cannot be had."""

    async def answer(request: web.Request) -> web.Response:
        body, content_type = exposition.page(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    app = web.Application(client_max_size=1)
    app.router.add_get(PATH, answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_WITHIN_S)
    await runner.setup()
    try:
        yield await _listen(runner, host, port)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        text = f"cannot serve metrics on {host}:{port}: {os.strerror(error.errno or 0)}"
        raise InputError(text, "name another --metrics-listen") from error
    return int(runner.addresses[0][1])
