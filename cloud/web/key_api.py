"""The holder's key: whoever shows a link's secret collects it, hands it on, or gives it back.

Nothing here needs an account. A secret is in the body, never in an address; the device that holds
the key shows its relay ticket instead, which a link alone does not give.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends, Header, Request
from sqlalchemy.orm import Session

from cloud import keylinks
from cloud.booking import lifecycle
from cloud.keylinks import Claim
from cloud.keyring import delivery
from cloud.keyring.holders import find_holder
from cloud.keyring.places import visit_line
from cloud.models import Booking
from cloud.problems import Problem
from cloud.web import limits
from cloud.web.api_models import KeyAgain, KeyCancel, KeyClaim, KeyDispute
from cloud.web.carry_api import bearer
from cloud.web.context import ApiContext
from cloud.web.credentials import client_of, limited
from kannuki import texts
from kannuki.messages import to_base64url


def key_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/keys."""
    router = APIRouter(dependencies=[Depends(limited(context, limits.SECRET))])
    _collecting(router, context)
    _trouble(router, context)
    return router


def _collecting(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    @router.post("/v1/keys/claim")
    def claim(asked: KeyClaim) -> dict[str, Any]:
        """Collect the key on this device; asking again on the same one gives it again."""
        with service.database.write() as session:
            got = keylinks.claim(
                session,
                service.signers,
                service.vault,
                asked.secret,
                asked.device_key,
                service.clock(),
            )
            answer = _claimed(session, got)
        context.poke()
        return answer

    @router.post("/v1/keys/cancel")
    def give_back(asked: KeyCancel) -> dict[str, str]:
        """The resident cancels."""
        with service.database.write() as session:
            booking = keylinks.booking_of_secret(session, asked.secret)
            lifecycle.cancel(session, booking, service.clock())
        context.poke()
        return {"booking_id": booking.booking_id, "status": booking.status}

    @router.post("/v1/keys/hand-over", status_code=201)
    def hand_over(authorization: str = Header(default="")) -> dict[str, Any]:
        """A link for the next device, for an hour; `Authorization: Bearer <relay ticket>`.

        This device keeps its key until the next one collects it.
        """
        ticket, now = bearer(authorization, "NO_TICKET"), service.clock()
        with service.database.write() as session:
            secret = keylinks.hand_over(session, ticket, service.random_bytes, now)
        return {"key_link": service.key_link(secret), "closes_at": now + keylinks.HAND_OVER_S}


def _trouble(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    @router.post("/v1/keys/dispute")
    def dispute(asked: KeyDispute) -> dict[str, Any]:
        """ "It was not me": withdraw what another device collected with this link.

        A new link goes to the registered contact alone; `mailed` tells whether there is one.
        """
        now = service.clock()
        with service.database.write() as session:
            booking, holder_id = keylinks.dispute(session, service.signers, asked.secret, now)
            holder = find_holder(session, booking, holder_id)
            mailed = (
                service.sends_mail
                and holder is not None
                and delivery.ask(session, booking, holder, delivery.DISPUTED_LETTER, now)
            )
        context.poke()
        return {"booking_id": booking.booking_id, "mailed": mailed}

    def send_again(reference: str, contact: str) -> None:
        now = service.clock()
        with service.database.write() as session:
            booking = session.get(Booking, reference)
            if booking is not None:
                delivery.ask_again(session, booking, contact, now)
        context.poke()

    @router.post("/v1/keys/again", status_code=202)
    def again(asked: KeyAgain, request: Request, later: BackgroundTasks) -> dict[str, str]:
        """The page lost its storage: a new link to the registered contact.

        The answer, and when it comes, is the same whether there is such a booking or not.
        """
        context.limiter.take(limits.MAIL, f"{service.town} {client_of(request)}")
        if not service.sends_mail:
            raise Problem("MAIL_OFF")
        later.add_task(send_again, asked.reference, asked.contact)
        said = {lang: texts.text("LINK_ON_ITS_WAY", lang) for lang in texts.LANGUAGES}
        return {"code": "LINK_ON_ITS_WAY", **said}


def _claimed(session: Session, got: Claim) -> dict[str, Any]:
    credential, pin = got.credential, got.pin
    return {
        "booking": visit_line(session, got.booking),
        "credentials": [
            {
                "lock_id": credential.lock_id,
                "token": to_base64url(credential.raw_token),
                "server_key": to_base64url(got.wrapped.server_key),
                "wrapped_proof_key": to_base64url(got.wrapped.ciphertext),
            }
        ],
        "relay_ticket": got.relay_ticket,
        "pin": pin.digits if pin else None,
        "pin_from": pin.opens_at if pin else None,
        "pin_until": pin.closes_at if pin else None,
    }
