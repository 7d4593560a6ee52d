"""Today at the desk: what is on it, for whom, and that asking often costs little."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from cloud import bookings, fleet
from cloud.alarms import raise_alarm
from cloud.keyring.worker import KeySteps
from cloud.models import Booking, Credential, LockReport, StatusOutbox
from kannuki.messages import GatewayState, LockState
from tests.cloud.desk.support import Desk, add_house
from tests.cloud.support import START

DAY = "2026-12-05"


def rooms_of(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {room["name"]: room for house in told["facilities"] for room in house["rooms"]}


def tell(desk: Desk, lock_id: str, **state: Any) -> None:
    """A gateway is there and tells of a lock."""
    now = desk.town.clock()
    said = {"reachable": True, "seen_at": now, "bolt": "locked", "door": "closed"}
    said |= {"time_lo": now - 1, "time_hi": now + 1, "head_seq": 1, **state}
    with desk.town.service.database.write() as session:
        fleet.note_gateway(session, "gw-1", GatewayState(online=True, version="1"), now)
        fleet.note_lock(session, lock_id, LockState(**said), now)


async def test_the_day_shows_every_room_with_its_uses_and_door(desk: Desk) -> None:
    tell(desk, "aaaaaaaa", bolt="unlocked", door="open")
    clerk = await desk.as_role("clerk")
    told = (await clerk.get("/v1/staff/today")).json()
    assert told["day"] == DAY and told["as_of"] == desk.town.clock()
    room = rooms_of(told)["第1会議室"]
    assert room["door"]["contact"] == "now" and room["door"]["door"] == "open"
    assert START in [use["starts_at"] for use in room["bookings"]]
    assert rooms_of(told)["和室"]["door"]["contact"] == "never"


async def test_a_cancelled_use_stays_on_the_list(desk: Desk) -> None:
    with desk.town.service.database.write() as session:
        booking = session.scalars(select(Booking).where(Booking.starts_at == START)).first()
        assert booking is not None
        bookings.cancel(session, booking, desk.town.clock())
    clerk = await desk.as_role("clerk")
    told = (await clerk.get("/v1/staff/today", params={"day": DAY})).json()
    every = [use for room in rooms_of(told).values() for use in room["bookings"]]
    assert "cancelled" in {use["status"] for use in every}


async def test_an_unchanged_day_is_answered_with_304_and_its_moment(desk: Desk) -> None:
    clerk = await desk.as_role("clerk")
    first = await clerk.get("/v1/staff/today")
    desk.town.clock.now += 10
    again = await clerk.get("/v1/staff/today", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["kannuki-as-of"] == str(desk.town.clock())
    tell(desk, "aaaaaaaa")
    changed = await clerk.get("/v1/staff/today", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.headers["etag"] != first.headers["etag"]


async def test_a_technician_sees_doors_and_no_names_an_auditor_uses_and_no_doors(
    desk: Desk,
) -> None:
    technician = await desk.as_role("technician")
    told = (await technician.get("/v1/staff/today")).json()
    assert all(room["bookings"] is None and room["door"] for room in rooms_of(told).values())
    assert not [line for line in told["attention"] if line.get("name")]
    auditor = await desk.as_role("auditor")
    told = (await auditor.get("/v1/staff/today")).json()
    assert all(room["door"] is None for room in rooms_of(told).values())


async def test_a_clerk_of_one_house_sees_nothing_of_another(desk: Desk) -> None:
    add_house(desk.town.service, "east", "room-2")
    with desk.town.service.database.write() as session:
        raise_alarm(session, "LOCK_FORCED", "aaaaaaaa", "recorded by the lock", desk.town.clock())
    clerk = await desk.as_role("clerk", "east")
    told = (await clerk.get("/v1/staff/today")).json()
    assert [house["facility_id"] for house in told["facilities"]] == ["east"]
    assert list(rooms_of(told)) == ["和室"]
    assert told["counts"]["alarms"] == 0
    assert not [line for line in told["attention"] if line["kind"] == "alarm"]


async def test_a_withdrawn_key_that_its_lock_does_not_know_of_comes_first(desk: Desk) -> None:
    service = desk.town.service
    KeySteps(service, "みさき市", None).drain()
    with service.database.write() as session:
        booking = session.scalars(select(Booking).where(Booking.starts_at == START)).first()
        assert booking is not None
        bookings.cancel(session, booking, desk.town.clock())
    KeySteps(service, "みさき市", None).drain()
    clerk = await desk.as_role("clerk")
    told = (await clerk.get("/v1/staff/today")).json()
    first = told["attention"][0]
    assert (first["kind"], first["severity"]) == ("untold", 3)
    assert first["revoked_at"] == desk.town.clock() and first["last_contact"] is None
    with service.database.write() as session:
        row = session.scalars(select(Credential).where(Credential.revoked_at.is_not(None))).first()
        assert row is not None
        fleet.acknowledge_list(
            session, row.lock_id, session.get_one(StatusOutbox, row.lock_id).version
        )
    told = (await clerk.get("/v1/staff/today")).json()
    assert "untold" not in {line["kind"] for line in told["attention"]}


async def test_a_gone_gateway_makes_the_state_of_its_doors_a_thing_of_the_past(desk: Desk) -> None:
    tell(desk, "aaaaaaaa")
    with desk.town.service.database.write() as session:
        now = desk.town.clock()
        fleet.note_gateway(session, "gw-1", GatewayState(online=False), now)
        assert session.get_one(LockReport, "aaaaaaaa").reachable
    clerk = await desk.as_role("clerk")
    told = (await clerk.get("/v1/staff/today")).json()
    assert rooms_of(told)["第1会議室"]["door"]["contact"] == "earlier"
    assert "silent" in {line["kind"] for line in told["attention"]}


async def test_a_day_that_is_none_is_refused(desk: Desk) -> None:
    clerk = await desk.as_role("clerk")
    for day in ("2026-13-01", "yesterday", "1500-01-01", "9999-12-31", "2026-12-05' OR 1=1"):
        answer = await clerk.get("/v1/staff/today", params={"day": day})
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID"), day
