"""Talks to the town's service as a phone's page does: claims a key, relays messages, carries.

Decides nothing about doors. Every failure is a `ServiceError` with a text code and, where the
service gave one, its texts.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import aiohttp

from cloud.ports import WrappedKey
from kannuki.messages import from_base64url, to_base64url
from simulator.phone.carrying import Documents, StatusList
from simulator.phone.opening import TransportError
from simulator.phone.wallet import Key, Wallet

_TIMEOUT = aiohttp.ClientTimeout(total=20)


class ServiceError(TransportError):
    """`body` is {"code", maybe "ja", "ja-simple", "en"}."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("code", "REFUSED")))
        self.body = body


class Service:
    """The town's public API at `base`, e.g. http://127.0.0.1:8000."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    async def claim(self, wallet: Wallet, key_link: str) -> list[Key]:
        """Claim what a key link stands for, into `wallet`. Raises ServiceError."""
        _, _, secret = key_link.partition("#")
        answer = await self.call(
            "POST", "/v1/keys/claim", {"secret": secret, "device_key": wallet.device_key()}
        )
        ticket = answer["relay_ticket"]
        return [
            wallet.add(answer["booking"], from_base64url(row["token"]), _wrapped(row), ticket)
            for row in answer["credentials"]
        ]

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, ticket: str | None = None
    ) -> dict[str, Any]:
        """One JSON request. Raises ServiceError."""
        headers = {"Authorization": f"Bearer {ticket}"} if ticket else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.request(method, self._base + path, json=body, headers=headers) as answer,
            ):
                content = {} if answer.status == 204 else await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ServiceError({"code": "OFFLINE"}) from error
        if answer.status >= 400:
            raise ServiceError(content if isinstance(content, dict) else {"code": "REFUSED"})
        return content


class TownForLock:
    """simulator.phone.carrying.Town: what the service offers for the lock of one key."""

    def __init__(self, service: Service, key: Key) -> None:
        self._service = service
        self._key = key

    async def signed_time(self, nonce: bytes) -> bytes:
        """The time key's answer to a challenge. Raises ServiceError."""
        answer = await self._call("POST", "time", {"nonce": to_base64url(nonce)})
        return from_base64url(answer["document"])

    async def documents(self) -> Documents:
        """The newest of each kind. Raises ServiceError."""
        answer = await self._call("GET", "documents")
        status = answer.pop("status")
        others = {
            what: from_base64url(row["document"])
            for what, row in answer.items()
            if isinstance(row, dict)
        }
        return Documents(_status_list(status) if status else None, others)

    async def take_parcel(self, parcel: bytes, seal: bytes) -> None:
        """Hand in records. Raises ServiceError."""
        body = {"parcel": to_base64url(parcel), "seal": to_base64url(seal)}
        await self._call("POST", "parcels", body)

    async def note_head(self, seq: int, record_hash: bytes) -> None:
        """Tell where the journal stood. Raises ServiceError."""
        await self._call("POST", "heads", {"seq": seq, "hash": to_base64url(record_hash)})

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        path = f"/v1/locks/{self._key.lock_id}/{path}"
        return await self._service.call(method, path, body, self._key.relay_ticket)


class RelayLink:
    """A lock reached through cloud, broker and gateway; use as an async context manager."""

    def __init__(self, service: Service, key: Key) -> None:
        self._service = service
        self._key = key
        self._session: str | None = None
        self._answer: bytes | None = None

    async def __aenter__(self) -> RelayLink:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            try:
                await self._call("DELETE", f"/v1/relay/{self._session}")
            except ServiceError:
                return  # the gateway hangs up by itself

    async def send(self, message: bytes) -> None:
        """Pass one message on; its answer comes with `receive`. Raises ServiceError."""
        body = {"message": to_base64url(message)}
        if self._session is None:
            answer = await self._call("POST", "/v1/relay", {**body, "lock_id": self._key.lock_id})
            self._session = answer["session"]
        else:
            answer = await self._call("POST", f"/v1/relay/{self._session}", body)
        self._answer = from_base64url(answer["message"])

    async def receive(self) -> bytes:
        """What the lock said to the message sent last."""
        assert self._answer is not None
        answer, self._answer = self._answer, None
        return answer

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return await self._service.call(method, path, body, self._key.relay_ticket)


def _status_list(row: dict[str, Any]) -> StatusList:
    additions = row["additions"]
    return StatusList(
        row["version"],
        from_base64url(row["document"]),
        from_base64url(row["entries"]),
        row["base_version"],
        None if additions is None else from_base64url(additions),
    )


def _wrapped(row: dict[str, Any]) -> WrappedKey:
    return WrappedKey(from_base64url(row["server_key"]), from_base64url(row["wrapped_proof_key"]))
