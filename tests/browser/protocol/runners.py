"""Runs a JavaScript suite of this folder in Node and in Chromium, against one small server.

The server has the pages' modules, the suites, the vectors, and the doors of bridge.py; nothing
else of the repository, and never a cache. A suite's report is what its `run` resolves to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import async_playwright

from kannuki.parts import find_program, require_program
from tests.browser.protocol.bridge import add_bridge

ROOT = Path(__file__).resolve().parents[3]
HERE = "tests/browser/protocol"
SERVED = ("cloud/pages/protocol", HERE, "protocol/vectors")
NODE_FLAGS = ("--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",)
WITHIN_S = 90
CALL = """async ([suite, argument]) => {
  const load = async (name) => (await fetch(`/protocol/vectors/${name}.json`)).json();
  return (await import(suite)).run(load, argument);
}"""
# As cloud.web serves pages, so that nothing here leans on what pages may not do.
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """The server's origin."""
    app = web.Application(client_max_size=1 << 20)
    app.router.add_get("/", _blank)
    for folder in SERVED:
        app.router.add_static(f"/{folder}", ROOT / folder)
    add_bridge(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _blank(_request: web.Request) -> web.Response:
    page = "<!doctype html><title>suite</title>"
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=page, content_type="text/html", headers=headers)


async def in_node(suite: str, argument: dict[str, Any]) -> dict[str, Any]:
    """The report of a suite in Node, with doors behind `argument["origin"]`."""
    async with serving() as origin:
        process = await asyncio.create_subprocess_exec(
            require_program("node"),
            *NODE_FLAGS,
            str(ROOT / HERE / "in_node.mjs"),
            suite,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            told = json.dumps({**argument, "origin": origin}).encode()
            async with asyncio.timeout(WITHIN_S):
                out, complaints = await process.communicate(told)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 0, complaints.decode()
    assert complaints == b""
    return json.loads(out)  # type: ignore[no-any-return]


async def in_chromium(suite: str, argument: dict[str, Any]) -> dict[str, Any]:
    """The same in the system's Chromium."""
    program = find_program("chromium-browser") or require_program("chromium")
    async with serving() as origin, async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(origin + "/")
            path = f"/{HERE}/{suite.removeprefix('./')}"
            async with asyncio.timeout(WITHIN_S):
                report = await page.evaluate(CALL, [path, {**argument, "origin": origin}])
        finally:
            await browser.close()
    assert complaints == []
    return report  # type: ignore[no-any-return]


RUNTIMES = {"node": in_node, "chromium": in_chromium}


def report_of(runtime: str, suite: str, **argument: Any) -> dict[str, Any]:
    """What `suite` reports in this runtime; a loop of its own, so that no other is disturbed."""
    return asyncio.run(RUNTIMES[runtime](suite, argument))
