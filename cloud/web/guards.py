"""What every site does before and after a request: headers, and who may send what from where.

Decides the content security policy, that pages are framed by nobody, and that a site with cookies
takes changes from its own pages alone (Origin, or Sec-Fetch-Site of the Fetch Metadata standard),
as JSON: so no form or picture of another site acts in a person's name.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.problems import Problem
from cloud.web.context import Site

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types kannuki",  # for the service worker's address,
    )
)
_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), bluetooth={}"
_COMMON = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}
_AT_A_DOOR = (Site.KEY, Site.CONSOLE)
_SAFE = ("GET", "HEAD", "OPTIONS")
WITH_COOKIES = (Site.BOOK, Site.CONSOLE)


class SecurityHeaders:
    """ASGI middleware: puts the headers on every answer; API answers are never kept by caches."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        bluetooth = "(self)" if site in _AT_A_DOOR else "()"
        self._headers = _COMMON | {"Permissions-Policy": _PERMISSIONS.format(bluetooth)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                is_api = scope["path"].startswith("/v1/")
                headers.setdefault("Cache-Control", "no-store" if is_api else "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers)


class SameOrigin:
    """ASGI middleware of sites with cookies: changes come from the site's own pages, as JSON."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            problem = self._refusal(Headers(scope=scope))
            if problem is not None:
                answer = JSONResponse(problem.body(), status_code=problem.status)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Problem | None:
        if headers.get("authorization"):
            return None  # no browser adds this by itself
        if headers.get("origin") != self._origin:
            return Problem("OTHER_ORIGIN")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return Problem("OTHER_ORIGIN")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if has_body and kind not in ("application/json", "text/calendar"):
            return Problem("NOT_JSON")
        return None
