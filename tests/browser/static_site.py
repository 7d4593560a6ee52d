"""Serves a folder of test pages under the strict content policy of the product's pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'"
)


@web.middleware
async def _with_policy(request: web.Request, handler) -> web.StreamResponse:
    if request.path == "/favicon.ico":
        return web.Response(status=204)
    response = await handler(request)
    response.headers["Content-Security-Policy"] = POLICY
    return response


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """The address at which `folder` is served; its host is one of *.localhost."""
    app = web.Application(middlewares=[_with_policy])
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://pages.localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
