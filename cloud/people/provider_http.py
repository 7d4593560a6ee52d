"""Fetches from sign-in providers over HTTP, with bounds on time, size and frequency.

Decides limits: ten seconds in all, 64 kB, no redirect, no proxy of the environment, no cookie.
Believes nothing: `cloud.people.oidc` judges what comes back. A provider's keys are remembered for
an hour; a token that names an unknown key has them fetched again at most once a minute, so that
forged key names cannot make us hammer a provider.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from joserfc.jwk import Key

from cloud.people import oidc
from cloud.people.oidc import TokenRequest, Untrusted
from cloud.people.providers import Provider, check_url

TOTAL_S = 10
MAX_BODY_BYTES = 64 * 1024
KEYS_FRESH_S = 3600
KEYS_AGAIN_S = 60
DISCOVERY_FRESH_S = 86_400
_DISCOVERED = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_JWT_TYPES = ("application/jwt", "application/jwt; charset=utf-8")


class Unreachable(Exception):
    """A provider did not answer, or not in a form that one can read."""


class ProviderHttp:
    """One for a service; `clock` in Unix seconds. Close it at the end."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._keys: dict[str, tuple[int, dict[str, Key]]] = {}
        self._rows: dict[str, tuple[int, Provider]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Gives connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def complete(self, provider: Provider) -> Provider:
        """The row with every endpoint: what it says, and for the rest its discovery document."""
        if not provider.discover:
            return provider
        async with self._turn(provider):
            known = self._rows.get(provider.id)
            if known is None or self._clock() - known[0] >= DISCOVERY_FRESH_S:
                known = (self._clock(), await self._discover(provider))
                self._rows[provider.id] = known
            return known[1]

    async def _discover(self, provider: Provider) -> Provider:
        url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        told = await self._json("GET", url)
        if not isinstance(told, dict) or told.get("issuer") != provider.issuer:
            raise Untrusted("DISCOVERY_OF_ANOTHER_ISSUER")
        found = {}
        for name in _DISCOVERED:
            if getattr(provider, name) or not told.get(name):
                continue  # what the row says itself stands
            if not isinstance(told[name], str):
                raise Untrusted("DISCOVERY")
            try:
                check_url(name, told[name])
            except ValueError:
                raise Untrusted("DISCOVERY") from None
            found[name] = told[name]
        row = provider.model_copy(update=found)
        if not (row.authorization_endpoint and row.token_endpoint and row.jwks_uri):
            raise Untrusted("DISCOVERY")
        return row

    async def keys(self, provider: Provider, kid: str) -> Mapping[str, Key]:
        """The provider's keys; fetched again when old, or when `kid` is not among them."""
        async with self._turn(provider):
            now = self._clock()
            fetched_at, keys = self._keys.get(provider.id, (None, {}))
            age = KEYS_FRESH_S if fetched_at is None else now - fetched_at
            unknown = bool(kid) and kid not in keys
            if age >= KEYS_FRESH_S or (unknown and age >= KEYS_AGAIN_S) or age < 0:
                keys = oidc.read_keys(await self._json("GET", provider.jwks_uri))
                self._keys[provider.id] = (now, keys)
            return keys

    async def exchange(self, provider: Provider, request: TokenRequest) -> dict[str, Any]:
        """The token endpoint's answer. Raises Untrusted when the code was refused."""
        told = await self._json("POST", provider.token_endpoint, request.form, request.headers)
        if not isinstance(told, dict) or "id_token" not in told:
            raise Untrusted("NO_ID_TOKEN")
        return told

    async def userinfo(self, provider: Provider, access_token: str) -> Any:
        """JSON, or the text of a signed JWT."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return await self._json("GET", provider.userinfo_endpoint, None, headers)

    async def _json(
        self,
        method: str,
        url: str,
        form: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        told = {"Accept": "application/json", **(headers or {})}
        try:
            async with self._open().request(
                method, url, data=form, headers=told, allow_redirects=False
            ) as answer:
                body = await _whole(answer)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(type(error).__name__) from None
        if answer.status >= 500:
            raise Unreachable(f"status {answer.status}")
        if answer.status != 200:
            raise Untrusted("REFUSED_BY_PROVIDER")
        return _read(body, answer.headers.get("Content-Type", ""))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TOTAL_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _turn(self, provider: Provider) -> asyncio.Lock:
        return self._turns.setdefault(provider.id, asyncio.Lock())


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_chunked(8192):
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise Untrusted("ANSWER_TOO_LARGE")
    return bytes(body)


def _read(body: bytes, content_type: str) -> Any:
    try:
        if content_type.strip().lower() in _JWT_TYPES:
            return body.decode("ascii")
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Untrusted("ANSWER_MALFORMED") from None
