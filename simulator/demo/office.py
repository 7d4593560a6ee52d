"""What the demo does over HTTP: as the office (staff), as residents' phones, as hands at doors.

Moves JSON; decides nothing. A refusal by a service is a `Refused` with its body.
"""

from __future__ import annotations

from typing import Any

import aiohttp

_TIMEOUT = aiohttp.ClientTimeout(total=30)


class Refused(Exception):
    """`body` is what the service answered; `status` its HTTP status."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


async def call(
    method: str, url: str, body: Any = None, bearer: str | None = None, raw: bytes | None = None
) -> Any:
    """One request; its JSON. Raises Refused, or OSError when nobody answers."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    if raw is not None:
        headers["Content-Type"] = "text/calendar"
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as http,
        http.request(method, url, json=body, data=raw, headers=headers) as answer,
    ):
        content = await answer.json(content_type=None)
        if answer.status >= 400:
            raise Refused(answer.status, content)
        return content


class Office:
    """The town's service as its staff sees it."""

    def __init__(self, url: str, staff_secret: str) -> None:
        self._url = url
        self._secret = staff_secret

    async def staff(
        self, method: str, path: str, body: Any = None, raw: bytes | None = None
    ) -> Any:
        """One request to /v1/staff."""
        return await call(method, f"{self._url}/v1/staff/{path}", body, self._secret, raw)

    async def public(self, method: str, path: str, body: Any = None) -> Any:
        """One request to /v1 without any right."""
        return await call(method, f"{self._url}/v1/{path}", body)


class Residents:
    """The drawer of simulated phones."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def claim(self, name: str, key_link: str) -> dict[str, Any]:
        """Open a key link on a phone; the key it stands for."""
        body = {"key_link": key_link}
        answer = await call("POST", f"{self._url}/phones/{name}/claim", body)
        key: dict[str, Any] = answer["keys"][0]
        return key

    async def unlock(
        self, name: str, key: dict[str, Any], path: str, door: str | None = None
    ) -> dict[str, Any]:
        """Press 解錠; what came of it."""
        body = {"key": key["id"], "path": path, "door": door}
        answer: dict[str, Any] = await call("POST", f"{self._url}/phones/{name}/unlock", body)
        return answer


class Hands:
    """A person at the doors of the simulated world, and eyes on them."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def state(self) -> dict[str, Any]:
        """Doors, clock and the diary of what physically happened."""
        answer: dict[str, Any] = await call("GET", f"{self._url}/state")
        return answer

    async def touch(self, lock_id: str, action: str, **options: Any) -> list[str]:
        """Do something to a door; what happened."""
        answer = await call("POST", f"{self._url}/doors/{lock_id}/{action}", options)
        happened: list[str] = answer["happened"]
        return happened
