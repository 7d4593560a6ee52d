"""The town as anyone may see it: rooms, and when they are taken.

Occupancy names nobody.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Path, Query

from cloud import bookings, reports
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

    return router
