"""The staff's part of the HTTP interface: what names people or changes their bookings."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from cloud import keylinks, reports
from cloud.calendar import DAY_S, HORIZON_S, CalendarError, read_calendar
from cloud.desk import scope
from cloud.importing import import_calendar
from cloud.people.actions import note
from cloud.people.principals import Principal
from cloud.problems import Problem
from cloud.web.api_models import KeyReissue
from cloud.web.context import ApiContext
from cloud.web.credentials import limited, need, need_in_town

_LIMIT = Query(default=100, ge=1, le=5000)


def staff_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/staff; what each needs is named at it."""
    router = APIRouter(prefix="/v1/staff", dependencies=[Depends(limited(context))])
    _reading(router, context)
    _changing(router, context)
    return router


def _reading(router: APIRouter, context: ApiContext) -> None:
    service, reader = context.service, Depends(need(context, "booking.read"))

    @router.get("/bookings")
    def list_bookings(
        starts: int | None = Query(default=None, alias="from", ge=0, lt=1 << 40),
        ends: int | None = Query(default=None, alias="to", ge=0, lt=1 << 40),
        limit: int = _LIMIT,
        who: Principal = reader,
    ) -> list[dict[str, Any]]:
        """Bookings with their holders; by default from yesterday to a year ahead."""
        now = service.clock()
        after = now - DAY_S if starts is None else starts
        before = now + HORIZON_S if ends is None else ends
        with service.database.read() as session:
            return reports.booking_lines(
                session, before, after, limit, who.facilities("booking.read")
            )

    @router.get("/audit", dependencies=[Depends(need_in_town(context, "audit.read"))])
    def list_audit(
        lock_id: str | None = Query(default=None, pattern=r"^[a-z2-7]{8}$"), limit: int = _LIMIT
    ) -> list[dict[str, Any]]:
        """What locks recorded, newest first."""
        with service.database.read() as session:
            return reports.audit_lines(session, lock_id, limit)

    @router.get("/fleet", dependencies=[Depends(need_in_town(context, "fleet.read"))])
    def show_fleet() -> dict[str, Any]:
        """Gateways, doors, and status lists under way."""
        with service.database.read() as session:
            return reports.fleet_lines(session)

    @router.get("/alarms", dependencies=[Depends(need_in_town(context, "alarm.read"))])
    def list_alarms(limit: int = _LIMIT) -> list[dict[str, Any]]:
        """What needs a look."""
        with service.database.read() as session:
            return reports.alarm_lines(session, limit)


def _changing(router: APIRouter, context: ApiContext) -> None:
    service, reissuer = context.service, Depends(need(context, "key.reissue"))

    @router.post("/bookings/{booking_id}/key-link")
    def renew_link(
        booking_id: str, asked: KeyReissue | None = None, who: Principal = reissuer
    ) -> dict[str, str]:
        """A new key link; the old one dies, and what was collected with it is withdrawn."""
        wish, now = asked or KeyReissue(), service.clock()
        with service.database.write() as session:
            booking = scope.booking_for(session, who, "key.reissue", booking_id)
            secret = keylinks.new_link(
                session, service.signers, booking, service.random_bytes, now, wish.holder_id
            )
            detail = {"holder_id": wish.holder_id, "note": wish.note}
            note(session, who, "key.reissue", booking_id, detail, now)
        context.poke()
        return {"booking_id": booking_id, "key_link": service.key_link(secret)}

    def take(ics: bytes, default_room: str) -> dict[str, Any]:
        now = service.clock()
        try:
            content = read_calendar(ics, now)
        except CalendarError as error:
            raise Problem("BROKEN_CALENDAR", what=str(error)) from None
        with service.database.write() as session:
            report = import_calendar(session, content, service.random_bytes, now, default_room)
            return report.as_dict()

    @router.post(
        "/calendar",
        dependencies=[Depends(need_in_town(context, "calendar.import"))],
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"text/calendar": {"schema": {"type": "string"}}},
            }
        },
    )
    async def upload(
        request: Request, room: str = Query(default="", max_length=200)
    ) -> dict[str, Any]:
        """Take an iCalendar file; the report tells what became of each event."""
        report = await run_in_threadpool(take, await request.body(), room)
        context.poke()
        return report
