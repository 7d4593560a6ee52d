"""The town's HTTP interface, version 1: rooms, bookings, keys, relay; staff under /v1/staff.

Decides what each request needs to show (a link's secret, a relay ticket, the staff secret) and how
answers look; the deciding about bookings and keys is done elsewhere. Every refusal is
`{"code", "ja", "ja-simple", "en"}`. The town's own occupancy answers name nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cloud import bookings, fleet, keylinks, reports
from cloud.api_models import (
    KeyCancel,
    KeyClaim,
    NewBooking,
    ProblemBody,
    RelayNext,
    RelayStart,
)
from cloud.body_limit import BodyLimit
from cloud.carry_api import bearer, carry_routes
from cloud.ical_events import MAX_FILE_BYTES
from cloud.models import Room
from cloud.problems import Problem
from cloud.relay import RelayHub
from cloud.service import TownService
from cloud.staff_api import staff_routes
from kannuki.messages import to_base64url
from protocol.crypto import sha256

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 64 * 1024
CALENDAR_PATH = "/v1/staff/calendar"
_PROBLEM = {"model": ProblemBody, "description": "A reason in three tongues."}
_OPENAPI_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": _PROBLEM, "5XX": _PROBLEM}


@dataclass(frozen=True)
class ApiContext:
    """What the handlers work with. `poke` wakes the outbox; `staff_secret` is at least 16 bytes."""

    service: TownService
    town_name: str
    hub: RelayHub
    poke: Callable[[], None]
    staff_secret: bytes


def create_app(context: ApiContext) -> FastAPI:
    """The application; whoever serves it runs the broker worker beside it."""
    app = FastAPI(title="Kannuki", version="1", responses=_OPENAPI_ERRORS, redoc_url=None)
    _town_routes(app, context)
    _key_routes(app, context)
    _relay_routes(app, context)
    app.include_router(carry_routes(context))
    app.include_router(staff_routes(context))
    _problem_handlers(app)
    app.add_middleware(
        BodyLimit, default_bytes=MAX_BODY_BYTES, larger={CALENDAR_PATH: MAX_FILE_BYTES + 1}
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[_origin(context.service.key_page_url)],
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
    )
    return app


def _town_routes(app: FastAPI, context: ApiContext) -> None:
    service = context.service

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Alive, and the database answers."""
        with service.database.read() as session:
            return {"ok": True, "rooms": len(reports.room_lines(session))}

    @app.get("/v1/town")
    def town() -> dict[str, Any]:
        """The town, its clock and its gateways."""
        with service.database.read() as session:
            gateways = reports.gateway_lines(session)
        return {
            "town": service.town,
            "name": context.town_name,
            "now": service.clock(),
            "gateways": gateways,
        }

    @app.get("/v1/rooms")
    def rooms() -> list[dict[str, Any]]:
        """Rooms with the state of their doors."""
        with service.database.read() as session:
            return reports.room_lines(session)

    @app.get("/v1/rooms/{room_id}/bookings")
    def occupancy(
        room_id: str = Path(max_length=32),
        starts: int = Query(alias="from", ge=0, lt=1 << 40),
        ends: int = Query(alias="to", ge=0, lt=1 << 40),
    ) -> list[dict[str, Any]]:
        """When the room is taken in [from, to), Unix seconds; by whom is not told."""
        with service.database.read() as session:
            if session.get(Room, room_id) is None:
                raise bookings.unknown_room(session)
            taken = bookings.overlapping(session, room_id, starts, ends)
            return [{"starts_at": b.starts_at, "ends_at": b.ends_at} for b in taken]

    @app.post("/v1/bookings", status_code=201)
    def book(wanted: NewBooking) -> dict[str, Any]:
        """Book a room; the key link is told only now."""
        now = service.clock()
        with service.database.write() as session:
            booking = bookings.create(
                session, service.signers, service.random_bytes, now, **wanted.model_dump()
            )
            secret = keylinks.new_link(session, service.signers, booking, service.random_bytes, now)
        return {
            "booking_id": booking.booking_id,
            "room_id": booking.room_id,
            "starts_at": booking.starts_at,
            "ends_at": booking.ends_at,
            "key_link": service.key_link(secret),
            "key_from": max(now, booking.starts_at - 600 - keylinks.RELEASED_BEFORE_S),
        }


def _key_routes(app: FastAPI, context: ApiContext) -> None:
    service = context.service

    @app.post("/v1/keys/claim")
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

    @app.post("/v1/keys/cancel")
    def give_back(asked: KeyCancel) -> dict[str, str]:
        """The resident cancels."""
        with service.database.write() as session:
            booking = keylinks.booking_of_secret(session, asked.secret)
            bookings.cancel(session, service.signers, booking, service.clock())
        context.poke()
        return {"booking_id": booking.booking_id, "status": booking.status}


def _relay_routes(app: FastAPI, context: ApiContext) -> None:
    service, hub = context.service, context.hub

    def ticket(authorization: str = Header(default="")) -> str:
        return bearer(authorization, "NO_TICKET")

    def lock_of(shown: str, lock_id: str | None) -> str:
        with service.database.read() as session:
            own = keylinks.lock_of_ticket(session, shown, service.clock())
            if lock_id is not None and lock_id != own:
                raise Problem("OTHER_LOCK")
            if fleet.gateway_is_offline(session, own):
                raise Problem("GATEWAY_OFFLINE")
            return own

    @app.post("/v1/relay")
    async def start(asked: RelayStart, shown: str = Depends(ticket)) -> dict[str, str]:
        """Connect to the lock of this ticket and pass on the holder's HELLO."""
        own = await asyncio.to_thread(lock_of, shown, asked.lock_id)
        session, message = await hub.open(own, sha256(shown.encode()), asked.message)
        return {"session": session, "message": to_base64url(message)}

    @app.post("/v1/relay/{session}")
    async def step(asked: RelayNext, session: str, shown: str = Depends(ticket)) -> dict[str, str]:
        """Pass on the holder's next message."""
        await asyncio.to_thread(lock_of, shown, None)
        message = await hub.pass_on(session, sha256(shown.encode()), asked.message)
        return {"message": to_base64url(message)}

    @app.delete("/v1/relay/{session}", status_code=204)
    async def hang_up(session: str, shown: str = Depends(ticket)) -> Response:
        """The phone is done."""
        await hub.close(session, sha256(shown.encode()))
        return Response(status_code=204)


def _problem_handlers(app: FastAPI) -> None:
    def answer(problem: Problem) -> JSONResponse:
        return JSONResponse(problem.body(), status_code=problem.status)

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(Problem("INVALID", where=f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "NOT_FOUND", 405: "METHOD", 413: "REQUEST_TOO_LARGE"}
        if error.status_code in codes:
            return answer(Problem(codes[error.status_code]))
        return answer(Problem("INVALID", where=str(error.detail)))

    @app.exception_handler(Exception)
    async def on_fault(_request: Request, error: Exception) -> JSONResponse:
        log.error("a request failed: %s", type(error).__name__, exc_info=error)
        return answer(Problem("FAULT"))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def describe() -> dict[str, Any]:
    """The OpenAPI document; needs no database and no keys."""
    return create_app(_NOTHING).openapi()


class _Nothing:
    """Stands for parts that describing the interface never touches."""

    town = ""
    key_page_url = "http://localhost/key"


_NOTHING = ApiContext(_Nothing(), "", None, lambda: None, b"")  # type: ignore[arg-type]
