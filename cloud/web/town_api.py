"""The town as anyone may see it: rooms, when they are taken, booking without an account.

Occupancy names nobody.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Path, Query

from cloud import bookings, keylinks, reports
from cloud.web.api_models import NewBooking
from cloud.web.context import ApiContext
from cloud.web.credentials import limited


def town_routes(context: ApiContext) -> APIRouter:
    """Routes that need no credentials."""
    router = APIRouter(dependencies=[Depends(limited(context))])
    service = context.service

    @router.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Alive, and the database answers."""
        with service.database.read() as session:
            return {"ok": True, "rooms": len(reports.room_lines(session))}

    @router.get("/v1/town")
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

    @router.get("/v1/rooms")
    def rooms() -> list[dict[str, Any]]:
        """Rooms with the state of their doors."""
        with service.database.read() as session:
            return reports.room_lines(session)

    @router.get("/v1/rooms/{room_id}/bookings")
    def occupancy(
        room_id: str = Path(max_length=32),
        starts: int = Query(alias="from", ge=0, lt=1 << 40),
        ends: int = Query(alias="to", ge=0, lt=1 << 40),
    ) -> list[dict[str, Any]]:
        """When the room is taken in [from, to), Unix seconds; by whom is not told."""
        with service.database.read() as session:
            if bookings.find_room(session, room_id) is None:
                raise bookings.unknown_room(session)
            taken = bookings.overlapping(session, room_id, starts, ends)
            return [{"starts_at": b.starts_at, "ends_at": b.ends_at} for b in taken]

    @router.post("/v1/bookings", status_code=201)
    def book(wanted: NewBooking) -> dict[str, Any]:
        """Book a room; the key link is told only now."""
        now = service.clock()
        with service.database.write() as session:
            booking = bookings.create(
                session, service.signers, service.random_bytes, now, **wanted.model_dump()
            )
            secret = keylinks.new_link(session, service.signers, booking, service.random_bytes, now)
        context.poke()
        return {
            "booking_id": booking.booking_id,
            "room_id": booking.room_id,
            "starts_at": booking.starts_at,
            "ends_at": booking.ends_at,
            "key_link": service.key_link(secret),
            "key_from": max(now, booking.starts_at - 600 - keylinks.RELEASED_BEFORE_S),
        }

    return router
