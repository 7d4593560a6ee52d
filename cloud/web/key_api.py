"""The resident's key: whoever shows a link's secret collects it, or gives the booking back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from cloud import keylinks
from cloud.booking import lifecycle
from cloud.web import limits
from cloud.web.api_models import KeyCancel, KeyClaim
from cloud.web.book_api import office_of
from cloud.web.context import ApiContext
from cloud.web.credentials import limited
from kannuki.messages import to_base64url


def key_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/keys; the secret is in the body, never in an address."""
    router = APIRouter(dependencies=[Depends(limited(context, limits.SECRET))])
    service = context.service

    @router.post("/v1/keys/claim")
    def claim(asked: KeyClaim) -> dict[str, Any]:
        """Collect the key on this device; asking again on the same one gives it again."""
        with service.database.write() as session:
            got = keylinks.claim(
                session, service.vault, asked.secret, asked.device_key, service.clock()
            )
            room = got.booking.room
            return {
                "booking": {
                    "room": room.name if room else "",
                    "starts_at": got.booking.starts_at,
                    "ends_at": got.booking.ends_at,
                },
                "credentials": [
                    {
                        "lock_id": got.credential.lock_id,
                        "token": to_base64url(got.credential.raw_token),
                        "server_key": to_base64url(got.wrapped.server_key),
                        "wrapped_proof_key": to_base64url(got.wrapped.ciphertext),
                    }
                ],
                "relay_ticket": got.relay_ticket,
            }

    @router.post("/v1/keys/cancel")
    def give_back(asked: KeyCancel) -> dict[str, str]:
        """The resident cancels."""
        with service.database.write() as session:
            booking = keylinks.booking_of_secret(session, asked.secret)
            lifecycle.cancel(session, office_of(context), booking, service.clock())
        context.poke()
        return {"booking_id": booking.booking_id, "status": booking.status}

    return router
