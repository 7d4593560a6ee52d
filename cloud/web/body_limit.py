"""Refuses request bodies that are larger than their path allows, before anything reads them."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.problems import Problem


class BodyLimit:
    """ASGI middleware: `default_bytes` for every path but those in `larger`."""

    def __init__(self, app: ASGIApp, default_bytes: int, larger: dict[str, int]) -> None:
        self._app = app
        self._default_bytes = default_bytes
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(scope, receive)
        if body is None:
            problem = Problem("REQUEST_TOO_LARGE")
            await JSONResponse(problem.body(), problem.status)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body, or None as soon as it is too large or the client went away."""
        limit = self._larger.get(scope["path"], self._default_bytes)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(body)
            body += message.get("body", b"")
            if len(body) > limit:
                return None
            if not message.get("more_body", False):
                return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
