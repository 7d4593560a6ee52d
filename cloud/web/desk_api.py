"""What the clerk's console reads, and its marks on alarms. The pages (cloud/pages/console) call:

    GET  /v1/staff/today?day=2026-12-05    the day: {"as_of", "day", "starts_at", "ends_at",
                                           "facilities": [{"facility_id", "name", "closed", "rooms":
                                           [{"room_id", "name", "closed", "door", "bookings"}]}],
                                           "attention", "counts"}; answers an ETag of all but the
                                           moment, 304 to If-None-Match; Kannuki-As-Of always tells
                                           the moment. `door` is null without door.read, `bookings`
                                           without booking.read
    GET  /v1/staff/bookings/{id}/story     who did what about a booking, what its lock recorded
    GET  /v1/staff/records                 what locks recorded: from, to, room_id, lock_id, who,
                                           event, result, after, limit -> {"lines", "next"}
    GET  /v1/staff/records.csv             the same question -> text/csv for Excel; noted
    GET  /v1/staff/locks                   every lock with clock, papers, last contact; gateways
    GET  /v1/staff/alarm-list              alarms with who has seen and handled them
    POST /v1/staff/alarms/{id}/seen        -> the alarm
    POST /v1/staff/alarms/{id}/handled     {"note"} -> the alarm; noted
    GET  /v1/staff/effect?from=&to=        minutes saved, with counts and assumptions

Decides what each needs and that objects of other facilities do not exist; the rest is cloud.desk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field

from cloud.booking.hours import day_of, moment_of
from cloud.desk import (
    alarm_marks,
    alarm_view,
    audit_search,
    booking_view,
    effect,
    fleet_view,
    minutes,
    record_sheet,
    sheet,
    today,
)
from cloud.desk.audit_search import MAX_PAGE, Question
from cloud.people import actions
from cloud.people.principals import Principal
from cloud.problems import Problem
from cloud.web.api_models import Request
from cloud.web.context import ApiContext
from cloud.web.credentials import limited, need, staff_of
from kannuki import texts

AS_OF = "Kannuki-As-Of"
MAX_EFFECT_S = 400 * 86_400
_NAME = r"^[A-Za-z-]{1,40}$"
_ID = r"^[a-z0-9][a-z0-9-]{0,31}$"
_ALARM = Path(pattern=r"^[a-z2-7]{16}$")
_BOOKING = Path(pattern=r"^[A-Za-z0-9]{1,24}$")


class Handled(Request):
    """How somebody saw to an alarm."""

    note: str = Field(default="", max_length=300)


def desk_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/staff; what each needs is named at it."""
    router = APIRouter(prefix="/v1/staff", dependencies=[Depends(limited(context))])
    _today(router, context)
    _bookings(router, context)
    _records(router, context)
    _locks(router, context)
    _alarms(router, context)
    _effect(router, context)
    return router


def _today(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    def somebody(request: HttpRequest) -> Principal:
        """A technician sees doors, an auditor uses; whoever sees neither sees nothing here."""
        who = staff_of(context, request)
        if who is None:
            raise Problem("NOT_STAFF")
        if not (who.may_somewhere("booking.read") or who.may_somewhere("door.read")):
            raise Problem("FORBIDDEN")
        return who

    anybody = Depends(somebody)

    @router.get("/today", responses={304: {"description": "As it was told with this ETag."}})
    def show_today(
        day: date | None = None,
        if_none_match: str = Header(default="", max_length=200),
        who: Principal = anybody,
    ) -> Response:
        """The day at the desk; without `day` the town's own today."""
        now = service.clock()
        _check_day(day)
        with service.database.read() as session:
            told = today.today(session, who, day, now)
        etag = _etag(told)
        headers = {"ETag": etag, AS_OF: str(now)}
        if etag in (each.strip() for each in if_none_match.split(",")):
            return Response(status_code=304, headers=headers)
        return JSONResponse({"as_of": now, **told}, headers=headers)


def _check_day(day: date | None) -> None:
    """Calendars of other centuries are nobody's question."""
    if day is not None and not 2000 <= day.year < 2200:
        raise Problem("INVALID", where="day")


def _etag(told: dict[str, Any]) -> str:
    plain = json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
    return f'"{hashlib.sha256(plain).hexdigest()[:32]}"'


def _bookings(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    reader = Depends(need(context, "booking.read"))

    @router.get("/bookings/{booking_id}/story")
    def story(booking_id: str = _BOOKING, who: Principal = reader) -> dict[str, Any]:
        """What happened to a booking, by staff and at its door."""
        with service.database.read() as session:
            return booking_view.story(session, who, booking_id)


def _question(
    starts: int | None = Query(default=None, alias="from", ge=0, lt=1 << 40),
    ends: int | None = Query(default=None, alias="to", ge=0, lt=1 << 40),
    room_id: str | None = Query(default=None, pattern=_ID),
    lock_id: str | None = Query(default=None, pattern=r"^[a-z2-7]{8}$"),
    who: str | None = Query(default=None, max_length=100),
    event: str | None = Query(default=None, pattern=_NAME),
    result: str | None = Query(default=None, pattern=r"^[A-Za-z_-]{1,40}$"),
) -> Question:
    return Question(starts, ends, room_id, lock_id, who or None, event, result)


def _records(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    reader = Depends(need(context, "audit.read"))
    question = Depends(_question)

    def theirs(asked: Question, who: Principal) -> Question:
        return Question(**{**vars(asked), "facilities": who.facilities("audit.read")})

    @router.get("/records")
    def search(
        asked: Question = question,
        after: str | None = Query(default=None, max_length=80),
        limit: int = Query(default=50, ge=1, le=MAX_PAGE),
        who: Principal = reader,
    ) -> dict[str, Any]:
        """What locks recorded, newest first; `next` goes into `after` for more."""
        with service.database.read() as session:
            page = audit_search.search(session, theirs(asked, who), after, limit)
        return {"lines": page.lines, "next": page.next}

    @router.get("/records.csv", response_class=Response, responses=_CSV)
    def download(
        asked: Question = question,
        lang: str = Query(default="ja", pattern=r"^(ja|ja-simple|en)$"),
        who: Principal = reader,
    ) -> Response:
        """The same as a file, at most 50,000 lines; who took it is noted."""
        now = service.clock()
        with service.database.write() as session:
            actions.note(session, who, "audit.export", "records", _asked_for(asked), now)

        def content() -> Iterator[str]:
            with service.database.read() as session:
                lines = audit_search.everything(session, theirs(asked, who))
                yield from sheet.lines(
                    record_sheet.header(lang), (record_sheet.row(line, lang) for line in lines)
                )

        name = f"kannuki-records-{day_of(now).isoformat()}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(content(), media_type="text/csv", headers=headers)


_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The file."}
}


def _asked_for(asked: Question) -> dict[str, Any]:
    """The question, without whom it named."""
    told = {name: value for name, value in vars(asked).items() if value is not None}
    told.pop("facilities", None)
    return told | ({"who": "named"} if "who" in told else {})


def _locks(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    technician = Depends(need(context, "fleet.read"))

    @router.get("/locks")
    def locks(who: Principal = technician) -> dict[str, Any]:
        """Every lock: last contact, clock, versions held; null is what nobody told."""
        with service.database.read() as session:
            return fleet_view.fleet_lines(
                session,
                who.facilities("fleet.read"),
                service.keyset.keyset.version,
                service.clock(),
            )


def _alarms(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    reader = Depends(need(context, "alarm.read"))
    handler = Depends(need(context, "alarm.handle"))

    @router.get("/alarm-list")
    def alarm_list(
        limit: int = Query(default=200, ge=1, le=1000),
        who: Principal = reader,
    ) -> list[dict[str, Any]]:
        """Alarms, the latest first, with who has seen to them."""
        with service.database.read() as session:
            return alarm_view.alarm_lines(session, who.facilities("alarm.read"), limit)

    @router.post("/alarms/{alarm_id}/seen")
    def seen(alarm_id: str = _ALARM, who: Principal = handler) -> dict[str, Any]:
        """Somebody looks after it; the first to say so stands there."""
        with service.database.write() as session:
            alarm = alarm_view.alarm_for(session, who, "alarm.handle", alarm_id)
            mark = alarm_marks.see(session, alarm_id, who.name, service.clock())
            return alarm_view.alarm_line(alarm, alarm_view.room_of(session, alarm), mark)

    @router.post("/alarms/{alarm_id}/handled")
    def handled(asked: Handled, alarm_id: str = _ALARM, who: Principal = handler) -> dict[str, Any]:
        """It has been seen to; the same trouble again is open again."""
        now = service.clock()
        with service.database.write() as session:
            alarm = alarm_view.alarm_for(session, who, "alarm.handle", alarm_id)
            mark = alarm_marks.handle(session, alarm_id, who.name, asked.note, now)
            detail = {"kind": alarm.kind, "device": alarm.device, "note": mark.note}
            actions.note(session, who, "alarm.handle", alarm_id, detail, now)
            return alarm_view.alarm_line(alarm, alarm_view.room_of(session, alarm), mark)


def _effect(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    reader = Depends(need(context, "report.read"))

    @router.get("/effect")
    def show_effect(
        starts: int | None = Query(default=None, alias="from", ge=0, lt=1 << 40),
        ends: int | None = Query(default=None, alias="to", ge=0, lt=1 << 40),
        who: Principal = reader,
    ) -> dict[str, Any]:
        """Minutes of residents and staff in a span, by default this month so far."""
        now = service.clock()
        first = moment_of(day_of(now).replace(day=1), 0)
        starts, ends = first if starts is None else starts, now if ends is None else ends
        if not 0 <= ends - starts <= MAX_EFFECT_S:
            raise Problem("INVALID", where="from, to")
        with service.database.read() as session:
            counts = effect.tally(session, who.facilities("report.read"), starts, ends)
        told = minutes.effect(counts)
        for each in told["assumptions"]:
            each["words"] = _words(f"desk.assumption.{each['code']}")
        return {"from": starts, "to": ends, **told}


def _words(code: str) -> dict[str, str]:
    return {lang: texts.text(code, lang) for lang in texts.LANGUAGES}
