"""Facilities, policies, closed days and groups, under /v1/staff.

    GET  facilities, facilities/{id}/policy      PUT facilities/{id}, facilities/{id}/policy
    POST policy/check                            a policy that is not put into force
    PUT  rooms/{id}
    GET  closed-days?facility=&from=             POST closed-days, closed-days/remove
    GET  groups?q=, groups/{id}                  POST groups; PATCH groups/{id}
    POST groups/{id}/evidence, .../evidence/{evidence_id}/withdraw
    POST groups/{id}/members;  DELETE groups/{id}/members/{account_id}

A group belongs to the town: registering one, and what its evidence is worth, needs a right in the
whole town. Every deed is in the list of actions.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from cloud.booking import groups, lines, places
from cloud.booking.policy import MAX_POLICY_BYTES, Policy
from cloud.database import town_of
from cloud.models import ClosedDay, Facility, Group, Room
from cloud.people import numbers
from cloud.people.actions import note
from cloud.people.principals import Principal
from cloud.problems import Problem
from cloud.web.book_api import day_from
from cloud.web.booking_models import (
    DAY,
    ClosedDays,
    FacilityFacts,
    GroupChange,
    NewEvidence,
    NewGroup,
    NewMember,
    RoomFacts,
)
from cloud.web.context import ApiContext
from cloud.web.credentials import limited, need, need_in_town
from cloud.web.desk_booking_api import check_room

_NAME = r"^[a-z0-9]{1,24}$"
_ID, _EVIDENCE, _ACCOUNT = (Path(pattern=_NAME) for _ in range(3))  # one for each name
_FACILITY = Path(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
_POLICY_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}
_MAX_ROWS = 1000


def desk_places_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/staff; what each needs is named at it."""
    router = APIRouter(prefix="/v1/staff", dependencies=[Depends(limited(context))])
    _facilities(router, context)
    _policies(router, context)
    _closed_days(router, context)
    _groups(router, context)
    _evidence(router, context)
    return router


def _facilities(router: APIRouter, context: ApiContext) -> None:
    service, reader = context.service, Depends(need(context, "booking.read"))
    founder = Depends(need_in_town(context, "policy.change"))
    changer = Depends(need(context, "policy.change"))

    @router.get("/facilities")
    def facilities(who: Principal = reader) -> list[Any]:
        """The facilities of this member of staff."""
        with service.database.read() as session:
            return lines.facility_lines(session, who.facilities("booking.read"))

    @router.put("/facilities/{facility_id}")
    def put_facility(
        facts: FacilityFacts,
        facility_id: str = _FACILITY,
        who: Principal = founder,
    ) -> dict[str, Any]:
        """A new facility, or what shall be other about one."""
        now = service.clock()
        with service.database.write() as session:
            house = session.get(Facility, (service.town, facility_id))
            house = house or places.add_facility(session, facility_id, {"ja": facility_id}, now)
            _put_facts(house, facts, now)
            session.flush()
            note(session, who, "facility.change", facility_id, _told(facts), now)
            return {"facility_id": facility_id, "policy_version": house.policy_version}

    @router.put("/rooms/{room_id}")
    def put_room(
        facts: RoomFacts,
        room_id: str = Path(min_length=1, max_length=32),
        who: Principal = changer,
    ) -> dict[str, Any]:
        """What shall be other about a room."""
        now = service.clock()
        with service.database.write() as session:
            room = check_room(session, who, "policy.change", room_id)
            if facts.facility_id is not None:
                _seen(session, who, facts.facility_id)
                room.facility_id = facts.facility_id
            _put_room(room, facts)
            session.flush()
            note(session, who, "room.change", room_id, _told(facts), now)
            return {"room_id": room_id, "facility_id": room.facility_id}


def _put_facts(house: Facility, facts: FacilityFacts, now: int) -> None:
    if facts.name is not None:
        house.names = places.words(facts.name.as_dict())
    if facts.find is not None:
        house.find = places.words(facts.find.as_dict())
    for name in ("address", "phone", "assurance", "active"):
        if getattr(facts, name) is not None:
            setattr(house, name, getattr(facts, name))
    house.updated_at = now


def _put_room(room: Room, facts: RoomFacts) -> None:
    """The Japanese name is the room's own: calendars find it by that."""
    if facts.name is not None:
        room.names = places.words(facts.name.as_dict() | {"ja": room.name})
    if facts.find is not None:
        room.find = places.words(facts.find.as_dict())
    if facts.capacity is not None:
        room.capacity = facts.capacity or None
    if facts.active is not None:
        room.active = facts.active


def _told(facts: FacilityFacts | RoomFacts | GroupChange) -> dict[str, Any]:
    """For the list of actions: which members were given, not the words in them."""
    return {"changed": sorted(facts.model_fields_set)}


def _policies(router: APIRouter, context: ApiContext) -> None:
    service, reader = context.service, Depends(need(context, "booking.read"))
    changer = Depends(need(context, "policy.change"))

    @router.get("/facilities/{facility_id}/policy")
    def show_policy(facility_id: str = _FACILITY, who: Principal = reader) -> dict[str, Any]:
        """The policy with every default spelled out; null: rooms are lent without rules."""
        with service.database.read() as session:
            house = _seen(session, who, facility_id, "booking.read")
            return _policy_line(house)

    @router.post("/policy/check", openapi_extra=_POLICY_BODY)
    async def check_policy(request: Request, _who: Principal = reader) -> dict[str, Any]:
        """Whether a policy could be put into force, and what it comes to."""
        policy = await _policy_in(request)
        return {"ok": True, "policy": policy.model_dump(mode="json", by_alias=True)}

    @router.put("/facilities/{facility_id}/policy", openapi_extra=_POLICY_BODY)
    async def put_policy(
        request: Request,
        facility_id: str = _FACILITY,
        who: Principal = changer,
    ) -> dict[str, Any]:
        """Put a policy into force for bookings from now on."""
        policy, now = await _policy_in(request), service.clock()

        def put() -> dict[str, Any]:
            with service.database.write() as session:
                house = _seen(session, who, facility_id)
                if places.apply_policy(session, house, policy, now):
                    detail = {"version": house.policy_version}
                    note(session, who, "policy.change", facility_id, detail, now)
                return _policy_line(house)

        return await run_in_threadpool(put)


async def _policy_in(request: Request) -> Policy:
    body = await request.body()
    if len(body) > MAX_POLICY_BYTES:
        raise Problem("REQUEST_TOO_LARGE")
    return places.checked_policy(body)


def _policy_line(house: Facility) -> dict[str, Any]:
    policy = places.policy_of(house)
    return {
        "facility_id": house.facility_id,
        "version": house.policy_version,
        "policy": policy.model_dump(mode="json", by_alias=True) if policy is not None else None,
    }


def _closed_days(router: APIRouter, context: ApiContext) -> None:
    service, reader = context.service, Depends(need(context, "booking.read"))
    changer = Depends(need(context, "closed-day.change"))

    @router.get("/closed-days")
    def list_days(
        facility: str = Query(min_length=1, max_length=32),
        first: str = Query(default="2000-01-01", alias="from", pattern=DAY),
        who: Principal = reader,
    ) -> list[dict[str, Any]]:
        """Closed days of a facility, the first first."""
        with service.database.read() as session:
            _seen(session, who, facility, "booking.read")
            query = (
                select(ClosedDay)
                .where(ClosedDay.facility_id == facility, ClosedDay.day >= first)
                .order_by(ClosedDay.day, ClosedDay.room_id)
                .limit(_MAX_ROWS)
            )
            return [
                {"day": row.day, "room_id": row.room_id or None, "reason": row.reason}
                for row in session.scalars(query)
            ]

    @router.post("/closed-days")
    def close(asked: ClosedDays, who: Principal = changer) -> dict[str, Any]:
        """Lend nothing on these days; bookings that are there stay and are counted."""
        now = service.clock()
        with service.database.write() as session:
            _check_days(session, who, asked)
            for day in asked.days:
                session.merge(
                    ClosedDay(
                        town=town_of(session),
                        facility_id=asked.facility_id,
                        room_id=asked.room_id or "",
                        day=day_from(day).isoformat(),
                        reason=asked.reason,
                        created_at=now,
                    )
                )
            session.flush()
            detail = {"days": len(asked.days), "first": min(asked.days)}
            note(session, who, "closed-day.add", asked.facility_id, detail, now)
            return {"closed": len(set(asked.days))}

    @router.post("/closed-days/remove")
    def open_again(asked: ClosedDays, who: Principal = changer) -> dict[str, Any]:
        """Lend again on these days."""
        now, gone = service.clock(), 0
        with service.database.write() as session:
            _check_days(session, who, asked)
            for day in set(asked.days):
                key = (town_of(session), asked.facility_id, asked.room_id or "", day)
                row = session.get(ClosedDay, key)
                if row is not None:
                    session.delete(row)
                    gone += 1
            detail = {"days": gone, "first": min(asked.days)}
            note(session, who, "closed-day.remove", asked.facility_id, detail, now)
            return {"opened": gone}


def _check_days(session: Session, who: Principal, asked: ClosedDays) -> None:
    _seen(session, who, asked.facility_id, "closed-day.change")
    if asked.room_id is not None:
        room = check_room(session, who, "closed-day.change", asked.room_id)
        if room.facility_id != asked.facility_id:
            raise Problem("INVALID", where="room_id")
    for day in asked.days:
        day_from(day)


def _groups(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    reader = Depends(need(context, "group.read"))
    changer = Depends(need_in_town(context, "group.change"))

    @router.get("/groups")
    def list_groups(
        q: str = Query(default="", max_length=100), who: Principal = reader
    ) -> list[dict[str, Any]]:
        """Registered groups by name, with evidence and members."""
        now = service.clock()
        with service.database.read() as session:
            query = select(Group).order_by(Group.name).limit(_MAX_ROWS)
            if q.strip():
                query = query.where(Group.name.contains(q.strip(), autoescape=True))
            return [groups.as_dict(session, row, now) for row in session.scalars(query)]

    @router.get("/groups/{group_id}")
    def one_group(group_id: str = _ID, who: Principal = reader) -> dict[str, Any]:
        """One group."""
        with service.database.read() as session:
            return groups.as_dict(session, groups.find(session, group_id), service.clock())

    @router.post("/groups", status_code=201)
    def add_group(asked: NewGroup, who: Principal = changer) -> dict[str, Any]:
        """Register a group."""
        now = service.clock()
        with service.database.write() as session:
            group = groups.add(session, service.random_bytes, now, **asked.model_dump())
            note(session, who, "group.add", group.group_id, {"kind": group.kind}, now)
            return groups.as_dict(session, group, now)

    @router.patch("/groups/{group_id}")
    def change_group(
        asked: GroupChange, group_id: str = _ID, who: Principal = changer
    ) -> dict[str, Any]:
        """What is left out stays."""
        now = service.clock()
        with service.database.write() as session:
            group = groups.find(session, group_id)
            if asked.version is not None and asked.version != group.version:
                raise Problem("CHANGED_MEANWHILE")
            changes = asked.model_dump(exclude={"version"}, exclude_none=True)
            groups.change(session, group, changes, now)
            note(session, who, "group.change", group_id, _told(asked), now)
            return groups.as_dict(session, group, now)


def _evidence(router: APIRouter, context: ApiContext) -> None:
    service, changer = context.service, Depends(need_in_town(context, "group.change"))

    @router.post("/groups/{group_id}/evidence", status_code=201)
    def add_evidence(
        asked: NewEvidence, group_id: str = _ID, who: Principal = changer
    ) -> dict[str, Any]:
        """What was shown, in words; never a copy."""
        now = service.clock()
        with service.database.write() as session:
            group = groups.find(session, group_id)
            row = groups.add_evidence(
                session,
                service.random_bytes,
                group,
                now,
                checked_by=f"staff:{who.staff_id}",
                **asked.model_dump(),
            )
            detail = {
                "kind": row.kind,
                "percent": row.reduction_percent,
                "expires_at": row.expires_at,
            }
            note(session, who, "group.evidence", group_id, detail, now)
            return groups.as_dict(session, group, now)

    @router.post("/groups/{group_id}/evidence/{evidence_id}/withdraw")
    def withdraw(
        group_id: str = _ID, evidence_id: str = _EVIDENCE, who: Principal = changer
    ) -> dict[str, Any]:
        """Counts no more for bookings from now on."""
        now = service.clock()
        with service.database.write() as session:
            group = groups.find(session, group_id)
            groups.withdraw_evidence(session, group, evidence_id, now)
            note(session, who, "group.evidence", group_id, {"withdrawn": evidence_id}, now)
            return groups.as_dict(session, group, now)

    @router.post("/groups/{group_id}/members")
    def add_member(
        asked: NewMember, group_id: str = _ID, who: Principal = changer
    ) -> dict[str, Any]:
        """Somebody may book for it from now on."""
        now = service.clock()
        with service.database.write() as session:
            group = groups.find(session, group_id)
            account_id = numbers.account_of(session, asked.number).account_id
            groups.add_member(session, group, account_id, now)
            note(session, who, "group.member", group_id, {"added": account_id}, now)
            return groups.as_dict(session, group, now)

    @router.delete("/groups/{group_id}/members/{account_id}", status_code=204)
    def remove_member(
        group_id: str = _ID, account_id: str = _ACCOUNT, who: Principal = changer
    ) -> None:
        """May book for it no more."""
        now = service.clock()
        with service.database.write() as session:
            group = groups.find(session, group_id)
            groups.remove_member(session, group, account_id)
            note(session, who, "group.member", group_id, {"removed": account_id}, now)


def _seen(
    session: Session, who: Principal, facility_id: str, action: str = "policy.change"
) -> Facility:
    """The facility, if the action is allowed there; else as if there were none."""
    if not who.may(action, facility_id):
        raise Problem("UNKNOWN_FACILITY")
    return places.facility_of(session, facility_id)
