"""Relaying a phone's messages to its lock: a ticket, for its own lock alone (cloud/relay.py)."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Header, Response

from cloud import fleet, keylinks
from cloud.problems import Problem
from cloud.web.api_models import RelayNext, RelayStart
from cloud.web.carry_api import bearer
from cloud.web.context import ApiContext
from cloud.web.credentials import limited
from kannuki.messages import to_base64url
from protocol.crypto import sha256


def relay_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/relay; each needs `Authorization: Bearer <relay ticket>`."""
    router = APIRouter(dependencies=[Depends(limited(context))])
    service, hub = context.service, context.hub

    def ticket(authorization: str = Header(default="")) -> str:
        return bearer(authorization, "NO_TICKET")

    def lock_of(shown: str, lock_id: str | None) -> tuple[str, str | None]:
        """The lock of a ticket, and the gateway that shall act there."""
        with service.database.read() as session:
            own = keylinks.lock_of_ticket(session, shown, service.clock())
            if lock_id is not None and lock_id != own:
                raise Problem("OTHER_LOCK")
            if fleet.gateway_is_offline(session, own):
                raise Problem("GATEWAY_OFFLINE")
            return own, fleet.carrier(session, own)

    def another(own: str, via: str | None, problem: Problem) -> str:
        """A second gateway that reaches the lock which the first did not. Raises `problem`."""
        if via is None or problem.code != "UNREACHABLE":
            raise problem
        with service.database.write() as session:
            fleet.note_lost(session, own, via, service.clock())
            found = fleet.carrier(session, own)
        if found is None:
            raise problem
        return found

    @router.post("/v1/relay")
    async def start(asked: RelayStart, shown: str = Depends(ticket)) -> dict[str, str]:
        """Connect to the lock of this ticket and pass on the holder's HELLO."""
        own, via = await asyncio.to_thread(lock_of, shown, asked.lock_id)
        digest = sha256(shown.encode())
        try:
            session, message = await hub.open(own, digest, asked.message, via)
        except Problem as problem:
            other = await asyncio.to_thread(another, own, via, problem)
            session, message = await hub.open(own, digest, asked.message, other)
        return {"session": session, "message": to_base64url(message)}

    @router.post("/v1/relay/{session}")
    async def step(asked: RelayNext, session: str, shown: str = Depends(ticket)) -> dict[str, str]:
        """Pass on the holder's next message."""
        await asyncio.to_thread(lock_of, shown, None)
        message = await hub.pass_on(session, sha256(shown.encode()), asked.message)
        return {"message": to_base64url(message)}

    @router.delete("/v1/relay/{session}", status_code=204)
    async def hang_up(session: str, shown: str = Depends(ticket)) -> Response:
        """The phone is done."""
        await hub.close(session, sha256(shown.encode()))
        return Response(status_code=204)

    return router
