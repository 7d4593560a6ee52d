"""Every reading of the desk with every role: what the table of roles says, and no more."""

from __future__ import annotations

import pytest

from cloud.people.principals import ROLES
from tests.cloud.desk.support import NAMES, Desk

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
