"""Who works for the town, what each role may do, and that somebody can always manage it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from cloud.booking import places
from cloud.database import Database
from cloud.people import staff
from cloud.people.principals import ACTIONS, ROLES, Grant, Principal, machine
from cloud.people.sessions import DESK, device_of
from tests.cloud.people.support import Desk, open_desk
from tests.cloud.support import Town

ON_BOTH_DATABASES = True
HALL, POOL = "hall", "pool"
# Who may do what, said a second time: a change of the table has to be made here, too.
MATRIX = {
    "booking.read": "clerk auditor",
    "booking.change": "clerk",
    "booking.approve": "clerk",
    "booking.pay": "clerk",
    "group.read": "clerk",
    "group.change": "clerk",
    "key.reissue": "clerk",
    "key.pin": "clerk",
    "door.open": "clerk",
    "door.read": "clerk technician",
    "closed-day.change": "clerk",
    "alarm.read": "clerk technician auditor",
    "alarm.handle": "clerk technician",
    "report.read": "clerk auditor",
    "fleet.read": "technician auditor",
    "lock.change": "technician",
    "audit.read": "auditor",
    "action.read": "auditor",
    "staff.read": "",
    "staff.change": "",
    "policy.change": "",
    "calendar.import": "",
}


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Desk]:
    with town.service.database.write() as session:
        for facility_id in (HALL, POOL):
            places.add_facility(session, facility_id, {"ja": facility_id}, town.clock())
    async with open_desk(town) as opened:
        yield opened


def test_matrix_names_every_action() -> None:
    assert set(MATRIX) == ACTIONS


@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("action", sorted(MATRIX))
def test_every_role_may_do_what_the_matrix_says_and_nothing_else(role: str, action: str) -> None:
    allowed = role == "manager" or role in MATRIX[action].split()
    town_wide = Principal("misaki", "x", "x", (Grant(role),))
    assert town_wide.may(action, None) is town_wide.may(action, HALL) is allowed
    local = Principal("misaki", "x", "x", (Grant(role, HALL),))
    assert local.may(action, HALL) is local.may_somewhere(action) is allowed
    assert not local.may(action, POOL)
    assert not local.may(action, None)
    assert not Principal("misaki", "x", "x", ()).may_somewhere(action)
    assert machine("misaki").may(action, POOL)


async def test_role_in_one_facility_manages_nobody_and_sees_no_list_of_actions(desk: Desk) -> None:
    for role in ROLES:
        _, jar, _ = await desk.employ(role, role, HALL)
        for method, path in (("GET", "people"), ("GET", "actions"), ("GET", "actions/check")):
            answer = await desk.ask(method, path, jar=jar)
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        wanted = {"name": "仲間", "grants": [{"role": "manager", "facility_id": None}]}
        assert (await desk.ask("POST", "people", wanted, jar=jar)).status_code == 403


@pytest.mark.parametrize("role", ["clerk", "auditor", "technician"])
async def test_only_a_manager_of_the_town_changes_staff(desk: Desk, role: str) -> None:
    manager_id, _, _ = await desk.employ("管理", "manager")
    own_id, jar, _ = await desk.employ("他", role)
    more = {"grants": [{"role": "manager", "facility_id": None}]}
    for path, body in (
        ("people", more | {"name": "x"}),
        (f"people/{own_id}/grants", more),
        (f"people/{own_id}/invite", {}),
        (f"people/{manager_id}/suspend", None),
        (f"people/{manager_id}/restore", None),
    ):
        answer = await desk.ask("POST", path, body, jar=jar)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), path
    assert (await desk.ask("GET", "people", jar=jar)).status_code == 403


async def test_may_tells_pages_where(desk: Desk) -> None:
    _, jar, _ = await desk.employ("窓口", "clerk", HALL)
    told = (await desk.ask("GET", "me", jar=jar)).json()
    assert told["grants"] == [{"role": "clerk", "facility_id": HALL}]
    assert told["may"]["door.open"] == [HALL]
    assert "staff.read" not in told["may"]


async def test_suspension_ends_every_session_at_once_and_can_be_taken_back(desk: Desk) -> None:
    _, boss, _ = await desk.employ("管理", "manager")
    staff_id, jar, device = await desk.employ("窓口", "clerk")
    other: dict[str, str] = {}
    assert (await desk.enter(device, other)).status_code == 200
    gone = await desk.ask("POST", f"people/{staff_id}/suspend", jar=boss)
    assert gone.json()["suspended"] is True
    for cookies in (jar, other):
        assert (await desk.ask("GET", "me", jar=cookies)).status_code == 401
    assert (await desk.enter(device, {})).json()["code"] == "PASSKEY_REFUSED"
    await desk.ask("POST", f"people/{staff_id}/restore", jar=boss)
    assert (await desk.ask("GET", "me", jar=jar)).status_code == 401
    assert (await desk.enter(device, {})).status_code == 200


async def test_changed_roles_hold_for_sessions_that_are_there(desk: Desk) -> None:
    _, boss, _ = await desk.employ("管理", "manager")
    staff_id, jar, _ = await desk.employ("窓口", "clerk")
    grants = {"grants": [{"role": "auditor", "facility_id": None}]}
    assert (await desk.ask("POST", f"people/{staff_id}/grants", grants, jar=boss)).is_success
    may = (await desk.ask("GET", "me", jar=jar)).json()["may"]
    assert "audit.read" in may and "door.open" not in may


async def test_last_manager_stays_a_manager(desk: Desk) -> None:
    boss_id, boss, _ = await desk.employ("管理", "manager")
    clerk = {"grants": [{"role": "clerk", "facility_id": None}]}
    await desk.invite("来ていない", {"role": "manager", "facility_id": None})  # has no passkey yet
    await desk.employ("一棟の管理", "manager", HALL)
    for path, body in ((f"people/{boss_id}/suspend", None), (f"people/{boss_id}/grants", clerk)):
        answer = await desk.ask("POST", path, body, jar=boss)
        assert (answer.status_code, answer.json()["code"]) == (409, "LAST_MANAGER")
        assert (await desk.ask("GET", "people", jar=boss)).status_code == 200
    second_id, second, _ = await desk.employ("二人目", "manager")
    assert (await desk.ask("POST", f"people/{boss_id}/suspend", jar=second)).status_code == 200
    answer = await desk.ask("POST", f"people/{second_id}/suspend", jar=second)
    assert answer.json()["code"] == "LAST_MANAGER"


async def test_last_manager_is_not_locked_out_by_dropping_passkeys(desk: Desk) -> None:
    boss_id, boss, _ = await desk.employ("管理", "manager")
    body = {"drop_passkeys": True}
    answer = await desk.ask("POST", f"people/{boss_id}/invite", body, jar=boss)
    assert answer.json()["code"] == "LAST_MANAGER"
    assert (await desk.machine("POST", f"people/{boss_id}/invite", body)).status_code == 409


async def test_unknown_facility_and_role_are_refused(desk: Desk) -> None:
    for grant, code in (
        ({"role": "clerk", "facility_id": "elsewhere"}, "UNKNOWN_FACILITY"),
        ({"role": "king", "facility_id": None}, "INVALID"),
    ):
        answer = await desk.machine("POST", "people", {"name": "x", "grants": [grant]})
        assert answer.json()["code"] == code


async def test_staff_of_another_town_are_as_if_they_were_not(desk: Desk, town: Town) -> None:
    whole: Database = town.service.database.whole
    whole.add_town("tonari", "となり市", 1)
    there = whole.of("tonari")
    with there.write() as session:
        member, _ = staff.invite(
            session, machine("tonari"), "隣", [Grant("clerk")], town.service.random_bytes, 1
        )
    await desk.employ("管理", "manager")
    unknown = await desk.machine("POST", f"people/{'0' * 24}/suspend")
    foreign = await desk.machine("POST", f"people/{member.staff_id}/suspend")
    assert foreign.status_code == 404
    assert foreign.json() == unknown.json()
    people = (await desk.machine("GET", "people")).json()
    assert [person["name"] for person in people] == ["管理"]


async def test_session_ends_when_idle_and_in_any_case_after_half_a_day(desk: Desk) -> None:
    _, jar, device = await desk.employ("窓口", "clerk")
    clock = desk.town.clock
    clock.now += DESK.idle_s - 1
    assert (await desk.ask("GET", "me", jar=jar)).status_code == 200
    clock.now += DESK.idle_s - 1  # being seen kept it alive
    assert (await desk.ask("GET", "me", jar=jar)).status_code == 200
    clock.now += DESK.idle_s
    assert (await desk.ask("GET", "me", jar=jar)).status_code == 401
    await desk.enter(device, jar)
    for _ in range(DESK.lives_s // 1800 - 1):
        clock.now += 1800
        assert (await desk.ask("GET", "me", jar=jar)).status_code == 200
    clock.now += 1800
    assert (await desk.ask("GET", "me", jar=jar)).status_code == 401


async def test_managing_wants_somebody_who_was_here_a_moment_ago(desk: Desk) -> None:
    staff_id, jar, _ = await desk.employ("管理", "manager")
    desk.town.clock.now += 901
    answer = await desk.ask("POST", f"people/{staff_id}/suspend", jar=jar)
    assert (answer.status_code, answer.json()["code"]) == (403, "SIGN_IN_AGAIN")
    assert (await desk.ask("GET", "people", jar=jar)).status_code == 200


async def test_signing_out_everywhere_ends_every_session(desk: Desk) -> None:
    _, here, device = await desk.employ("窓口", "clerk")
    there: dict[str, str] = {}
    await desk.enter(device, there)
    listed = (await desk.ask("GET", "session/list", jar=here)).json()
    assert [line["current"] for line in listed].count(True) == 1 and len(listed) == 2
    await desk.ask("POST", "session/end", {"everywhere": True}, jar=here)
    assert (await desk.ask("GET", "me", jar=there)).status_code == 401


async def test_every_deed_is_noted_and_no_secret_with_it(desk: Desk) -> None:
    boss_id, boss, _ = await desk.employ("管理", "manager")
    staff_id, secret = await desk.invite("窓口", {"role": "clerk", "facility_id": HALL})
    await desk.ask("POST", f"people/{staff_id}/suspend", jar=boss)
    told = (await desk.ask("GET", "actions", jar=boss)).json()["actions"]
    assert [line["action"] for line in told] == [
        "staff.suspend",
        "staff.invite",
        "passkey.register",
        "staff.invite",
    ]
    assert (told[0]["staff_id"], told[0]["name"]) == (boss_id, "管理")
    assert told[0]["object_id"] == staff_id
    assert told[1]["detail"] == {"grants": [f"clerk@{HALL}"]}
    text = json.dumps(told)
    assert secret not in text and boss[DESK.cookie] not in text
    checked = (await desk.ask("GET", "actions/check", jar=boss)).json()
    assert (checked["ok"], checked["rows"], checked["head"]) == (True, 4, told[0]["hash"])


def test_device_is_two_known_words() -> None:
    agent = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/XYZ) Chrome/126.0 Mobile Safari/537"
    assert device_of(agent) == "Chrome · Android"
    assert device_of("<script>") == ""
