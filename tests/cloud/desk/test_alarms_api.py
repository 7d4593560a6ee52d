"""Alarms: who has seen them, who has seen to them, and that trouble which returns is open again."""

from __future__ import annotations

from sqlalchemy import select

from cloud.alarms import clear_alarm, raise_alarm
from cloud.models import Action, Alarm
from tests.cloud.desk.support import Desk, add_house


def trouble(desk: Desk, device: str = "aaaaaaaa") -> str:
    with desk.town.service.database.write() as session:
        raise_alarm(session, "LOCK_FORCED", device, "recorded by the lock", desk.town.clock())
        found = session.scalars(select(Alarm).where(Alarm.device == device)).one()
        return found.alarm_id


async def test_an_alarm_is_open_then_seen_then_handled_by_name(desk: Desk) -> None:
    alarm_id = trouble(desk)
    clerk, manager = await desk.as_role("clerk"), await desk.as_role("manager")
    (line,) = (await clerk.get("/v1/staff/alarm-list")).json()
    assert (line["standing"], line["room"], line["seen"]) == ("open", "第1会議室", None)
    assert set(line["meaning"]) == {"ja", "ja-simple", "en"}
    seen = (await clerk.post(f"/v1/staff/alarms/{alarm_id}/seen")).json()
    assert (seen["standing"], seen["seen"]["by"]) == ("seen", "窓口 花子")
    again = (await manager.post(f"/v1/staff/alarms/{alarm_id}/seen")).json()
    assert again["seen"]["by"] == "窓口 花子"  # the first stands there
    done = await manager.post(f"/v1/staff/alarms/{alarm_id}/handled", json={"note": "見に行った"})
    assert done.json()["standing"] == "handled"
    assert done.json()["handled"] == {
        "at": desk.town.clock(),
        "by": "館長 一郎",
        "note": "見に行った",
    }
    with desk.town.service.database.read() as session:
        noted = session.scalars(select(Action).where(Action.action == "alarm.handle")).one()
        assert noted.object_id == alarm_id


async def test_the_same_trouble_again_is_open_again(desk: Desk) -> None:
    alarm_id = trouble(desk)
    clerk = await desk.as_role("clerk")
    await clerk.post(f"/v1/staff/alarms/{alarm_id}/handled", json={})
    today = (await clerk.get("/v1/staff/today")).json()
    assert today["counts"]["alarms"] == 0
    desk.town.clock.now += 60
    assert trouble(desk) == alarm_id
    (line,) = (await clerk.get("/v1/staff/alarm-list")).json()
    assert (line["standing"], line["times"]) == ("open", 2)
    assert line["handled"]["by"] == "窓口 花子"  # what was done before is still told
    today = (await clerk.get("/v1/staff/today")).json()
    assert today["counts"]["alarms"] == 1


async def test_an_alarm_that_was_taken_back_and_comes_anew_is_not_handled(desk: Desk) -> None:
    alarm_id = trouble(desk)
    clerk = await desk.as_role("clerk")
    await clerk.post(f"/v1/staff/alarms/{alarm_id}/handled", json={})
    with desk.town.service.database.write() as session:
        clear_alarm(session, "LOCK_FORCED", "aaaaaaaa", "recorded by the lock")
    desk.town.clock.now += 60
    assert trouble(desk) == alarm_id
    (line,) = (await clerk.get("/v1/staff/alarm-list")).json()
    assert (line["standing"], line["handled"]) == ("open", None)


async def test_another_house_does_not_see_and_cannot_handle(desk: Desk) -> None:
    alarm_id = trouble(desk)
    of_a_gateway = trouble(desk, "gw-1")
    add_house(desk.town.service, "east", "room-2")
    clerk = await desk.as_role("clerk", "east")
    assert (await clerk.get("/v1/staff/alarm-list")).json() == []
    for each in (alarm_id, of_a_gateway, "a" * 16):
        answer = await clerk.post(f"/v1/staff/alarms/{each}/handled", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_ALARM")


async def test_who_only_reads_cannot_mark(desk: Desk) -> None:
    alarm_id = trouble(desk)
    auditor = await desk.as_role("auditor")
    assert len((await auditor.get("/v1/staff/alarm-list")).json()) == 1
    for deed in ("seen", "handled"):
        answer = await auditor.post(f"/v1/staff/alarms/{alarm_id}/{deed}", json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
