"""The real OpenID provider of tests/browser/node/provider.mjs as a child, and a browser's part.

The browser keeps cookies as browsers do (and refuses a `__Host-` one that is not one), follows
redirects only when told, and goes wherever it is sent: to our sites in this process or by TCP.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from kannuki.parts import require_program

NODE = Path(__file__).resolve().parents[2] / "browser" / "node"


@dataclass(frozen=True)
class RunningProvider:
    """`issuer`: http://127.0.0.1:port/api/realms/REALM."""

    issuer: str

    def row(self, provider_id: str, client_id: str, **more: Any) -> dict[str, Any]:
        """A row of a provider table for it, in the shape of デジタル認証アプリ."""
        return {
            "id": provider_id,
            "shape": "digital-authentication-app",
            "base_url": self.issuer,
            "client_id": client_id,
            "resident_prefixes": ["北海道みさき市"],
        } | more


@contextmanager
def running_provider(
    clients: Sequence[dict[str, Any]], **settings: Any
) -> Iterator[RunningProvider]:
    """A provider with these clients; ends with the block."""
    told = json.dumps({"clients": list(clients)} | settings)
    process = subprocess.Popen(
        [str(require_program("node")), "provider.mjs", told],
        cwd=NODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield RunningProvider(json.loads(line)["issuer"])
    finally:
        process.communicate(b"")  # its stdin closes: that is how it is told to end


@dataclass
class Page:
    """An answer. `location` is absolute; '' without one."""

    url: str
    status: int
    text: str
    location: str
    set_cookies: list[str]

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Browser:
    """One browser: cookies by origin. `visited`: every address it was at."""

    http: aiohttp.ClientSession
    jar: dict[str, dict[str, str]] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)

    async def get(self, url: str) -> Page:
        return await self.request("GET", url)

    async def post(self, url: str, body: Any = None, origin: str | None = None) -> Page:
        """As a page of `origin` (by default of the site itself) does it."""
        headers = {"Origin": origin or _origin(url), "Sec-Fetch-Site": "same-origin"}
        return await self.request("POST", url, headers=headers, json=body)

    async def request(self, method: str, url: str, **more: Any) -> Page:
        cookies = self.jar.setdefault(_origin(url), {})
        headers = more.pop("headers", {}) | {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())
        }
        self.visited.append(url)
        async with self.http.request(
            method, url, headers=headers, allow_redirects=False, **more
        ) as answer:
            text = await answer.text()
            told = answer.headers.getall("Set-Cookie", [])
            location = answer.headers.get("Location", "")
        for line in told:
            self._take(cookies, line)
        absolute = urljoin(url, location) if location else ""
        return Page(url, answer.status, text, absolute, told)

    def _take(self, cookies: dict[str, str], line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            if name.startswith("__Host-"):
                is_host = morsel["secure"] and morsel["path"] == "/" and not morsel["domain"]
                assert is_host and morsel["httponly"] and morsel["samesite"], line
            if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                cookies.pop(name, None)
            else:
                cookies[name] = morsel.value

    def forget_all_but(self, origin: str) -> None:
        """Loses the cookies of every other site."""
        self.jar = {origin: self.jar.get(origin, {})}

    async def follow(self, page: Page, until: str) -> Page:
        """Goes where it is sent, up to a redirect to an address that begins with `until`."""
        for _ in range(12):
            if not page.location or page.location.startswith(until):
                return page
            page = await self.get(page.location)
        raise AssertionError("redirects without end")

    async def choose(self, page: Page, person: str) -> Page:
        """Fills in the provider's form; '' is the button to give up."""
        action = re.search(r'action="([^"]+)"', page.text)
        assert action is not None, page
        url = urljoin(page.url, action.group(1))
        return await self.request("POST", url, data={"person": person})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
