"""Where the payment service tells what became of a checkout: one path, signed messages, each once.

Decides that the signature comes before anything else is read. Only on hosts for programs: browsers
never send this.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Header, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from cloud.booking import money
from cloud.booking.money import ServiceEvent
from cloud.booking.webhooks import HEADER
from cloud.problems import Problem
from cloud.web.book_api import office_of
from cloud.web.booking_models import ServiceMessage
from cloud.web.context import ApiContext
from cloud.web.credentials import limited


def payment_routes(context: ApiContext) -> APIRouter:
    """POST /v1/payments/hosted."""
    router = APIRouter(dependencies=[Depends(limited(context))])
    service, office = context.service, office_of(context)

    def take(body: bytes, signature: str) -> dict[str, bool]:
        now, hosted = service.clock(), office.providers.hosted
        if hosted is None or not hosted.is_from_service(signature, body, now):
            raise Problem("BAD_SIGNATURE")
        event = _event(body)
        with service.database.write() as session:
            done = money.take_event(session, office, event, now)
        context.poke()
        return {"taken": done}

    @router.post(
        "/v1/payments/hosted",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": ServiceMessage.model_json_schema()}},
            }
        },
    )
    async def hosted_event(
        request: Request,
        signature: str = Header(default="", alias=HEADER, max_length=1000),
    ) -> dict[str, bool]:
        """A message of the payment service; `taken` is false when it was known already."""
        return await run_in_threadpool(take, await request.body(), signature)

    return router


def _event(body: bytes) -> ServiceEvent:
    try:
        told = ServiceMessage.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Problem("INVALID", where=f"{where}: {first['msg']}") from None
    return ServiceEvent(told.event_id, told.type, told.reference, told.amount_yen)
