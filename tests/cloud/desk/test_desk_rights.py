"""Every reading of the desk with every role: what the table of roles says, and no more."""

from __future__ import annotations

import pytest

from cloud.people.principals import ROLES
from tests.cloud.desk.support import NAMES, STAFF_SECRET, Desk, add_house

NEEDS = {
    "/v1/staff/today": ("booking.read", "door.read"),
    "/v1/staff/bookings/aaaaaaaaaaaaaaaa/story": ("booking.read",),
    "/v1/staff/records": ("audit.read",),
    "/v1/staff/records.csv": ("audit.read",),
    "/v1/staff/locks": ("fleet.read",),
    "/v1/staff/alarm-list": ("alarm.read",),
    "/v1/staff/effect": ("report.read",),
}


@pytest.mark.parametrize("path", NEEDS)
async def test_nobody_signed_in_sees_nothing(desk: Desk, path: str) -> None:
    answer = await desk.nobody().get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "NOT_STAFF")


@pytest.mark.parametrize("path", NEEDS)
@pytest.mark.parametrize("role", sorted(NAMES))
async def test_a_role_reads_what_its_actions_say(desk: Desk, role: str, path: str) -> None:
    may = ROLES[role] & {*NEEDS[path], "*"}
    answer = await (await desk.as_role(role)).get(path)
    expected = (200, 404) if may else (403,)
    assert answer.status_code in expected, answer.text


async def test_effect_counts_real_rows_beside_the_pilot(desk: Desk) -> None:
    clerk = await desk.as_role("clerk")
    told = (await clerk.get("/v1/staff/effect", params={"from": 0, "to": 400 * 86_400})).json()
    assert told["counts"]["uses"] == 0
    start = desk.town.clock() - 86_400
    params = {"from": start, "to": start + 60 * 86_400}
    told = (await clerk.get("/v1/staff/effect", params=params)).json()
    assert told["counts"]["uses"] > 0 and told["counts"]["own_key"] == 0
    assert told["pilot"]["staff"] == {"uses": 48, "before": 360, "after": 156}
    assert all(set(each["words"]) == {"ja", "ja-simple", "en"} for each in told["assumptions"])
    backwards = await clerk.get("/v1/staff/effect", params={"from": 10, "to": 5})
    assert backwards.status_code == 422
    too_long = await clerk.get("/v1/staff/effect", params={"from": 0, "to": 401 * 86_400})
    assert too_long.status_code == 422


async def test_the_fleet_says_what_it_does_not_know(desk: Desk) -> None:
    technician = await desk.as_role("technician")
    told = (await technician.get("/v1/staff/locks")).json()
    assert [lock["room"] for lock in told["locks"]] == ["第1会議室", "和室", "音楽室"]
    assert {lock["battery"] for lock in told["locks"]} == {None}
    assert {lock["contact"] for lock in told["locks"]} == {"never"}


async def test_what_people_do_by_hand_is_counted_and_what_programs_do_is_not(desk: Desk) -> None:
    clerk = await desk.as_role("clerk")
    now = desk.town.clock()
    hour = 3600
    for number, headers in enumerate((None, {"Authorization": f"Bearer {STAFF_SECRET.decode()}"})):
        starts = now - now % 1800 + (6 + number) * hour
        wish = {
            "room_id": "room-2",
            "starts_at": starts,
            "ends_at": starts + hour,
            "holder_name": "高橋",
        }
        booked = await clerk.post("/v1/staff/bookings", json=wish, headers=headers)
        assert booked.status_code == 201, booked.text
        path = f"/v1/staff/bookings/{booked.json()['booking_id']}/key-link"
        assert (await clerk.post(path, json={}, headers=headers)).status_code == 200
    params = {"from": now - hour, "to": now + 12 * hour}
    told = (await clerk.get("/v1/staff/effect", params=params)).json()
    assert (told["counts"]["bookings"], told["counts"]["keys"]) == (1, 1)
    assert told["staff"]["now"] == 5 + 2


async def test_a_clerk_of_another_house_makes_no_key_anew(desk: Desk) -> None:
    clerk = await desk.as_role("clerk")
    found = (await clerk.get("/v1/staff/today")).json()
    rooms = {room["name"]: room for house in found["facilities"] for room in house["rooms"]}
    booking_id = rooms["第1会議室"]["bookings"][0]["booking_id"]
    add_house(desk.town.service, "east", "room-2")
    other = await desk.as_role("clerk", "east")
    answer = await other.post(f"/v1/staff/bookings/{booking_id}/key-link", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_BOOKING")
