"""Asks the town's service, the phones and the world for JSON over HTTP on this machine.

Decides what counts as an answer: a status and a JSON value, within time and size bounds. Whatever
else happens (refused, silent, garbage, endless) is the value None, never an exception: neighbours
die on purpose in this demo. Keeps no state but the connection pool.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

MAX_ANSWER_BYTES = 4_000_000
MAX_LINE_BYTES = 65_536
CONNECT_S = 2.0
LOOK_S = 4.0
ACT_S = 40.0  # a relayed opening may wait for a gateway that just came back


@dataclass(frozen=True)
class Answer:
    """What a neighbour said: an HTTP status and parsed JSON."""

    status: int
    body: Any

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


class Neighbour:
    """One HTTP service at `base`, e.g. http://127.0.0.1:8000; `bearer` goes with staff requests."""

    def __init__(self, http: aiohttp.ClientSession, base: str, bearer: str = "") -> None:
        self._http, self._base, self._bearer = http, base.rstrip("/"), bearer

    async def look(self, path: str, staff: bool = False) -> Answer | None:
        """GET; None when there is no usable answer."""
        return await self._ask("GET", path, None, staff, LOOK_S)

    async def act(self, path: str, body: dict[str, Any], staff: bool = False) -> Answer | None:
        """POST; None when there is no usable answer (it may have been done all the same)."""
        return await self._ask("POST", path, body, staff, ACT_S)

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, staff: bool, within_s: float
    ) -> Answer | None:
        bounds = aiohttp.ClientTimeout(total=within_s, sock_connect=CONNECT_S)
        headers = {"Authorization": f"Bearer {self._bearer}"} if staff else {}
        try:
            async with self._http.request(
                method,
                self._base + path,
                json=body,
                headers=headers,
                timeout=bounds,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, await _bounded_json(response))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError):
            return None

    async def listen(self, path: str) -> AsyncIterator[str]:
        """Lines of a server-sent stream until it ends for whatever reason."""
        bounds = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=60)
        try:
            async with self._http.get(self._base + path, timeout=bounds) as response:
                async for line in response.content:
                    yield line.decode("utf-8", "replace").strip()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return


async def _bounded_json(response: aiohttp.ClientResponse) -> Any:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too large")
    return json.loads(raw) if raw else {}


def pool() -> aiohttp.ClientSession:
    """The connections of one stage."""
    return aiohttp.ClientSession(
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=50, force_close=True),
        read_bufsize=MAX_LINE_BYTES,
    )


async def pause(nudge: asyncio.Event, longest_s: float) -> None:
    """Wait until nudged or `longest_s` have passed."""
    try:
        async with asyncio.timeout(longest_s):  # wait_for may lose a cancellation before 3.12
            await nudge.wait()
    except TimeoutError:
        return
    finally:
        nudge.clear()
