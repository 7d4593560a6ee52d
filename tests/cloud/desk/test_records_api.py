"""The record: found by day, room, person, event and result; as pages and as a file."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select, update

from cloud.audit import take_parcel
from cloud.keyring.worker import KeySteps
from cloud.models import Action, Booking, Credential
from protocol import audit, reasons
from tests.cloud.desk.support import Desk, add_house
from tests.cloud.support import START


@pytest.fixture
def subjects(desk: Desk) -> dict[str, bytes]:
    """Keys are issued; {lock_id: the token's id of its first booking}."""
    service = desk.town.service
    KeySteps(service, "みさき市", None).drain()
    with service.database.read() as session:
        rows = session.scalars(select(Credential).order_by(Credential.not_before.desc()))
        return {row.lock_id: row.cti for row in rows}


def record(desk: Desk, number: int, *records: tuple[Any, ...]) -> None:
    """Lock `number` writes records, and they come home."""
    lock, service = desk.town.locks[number], desk.town.service
    raw = [lock.record(*each) for each in records]
    vaults = {1: service.keyset.keyset.vaults[1]}
    parcel, seal = lock.parcel(vaults, raw)
    with service.database.write() as session:
        taken = take_parcel(session, service.vault, "gw-1", parcel, seal, desk.town.clock())
        assert taken.stored == len(raw)


async def lines(client: Any, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/staff/records", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["lines"]
    return found


@pytest.fixture
def written(desk: Desk, subjects: dict[str, bytes]) -> Desk:
    desk.town.clock.now = START + 600
    record(
        desk,
        0,
        (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_HOLDER, subjects["aaaaaaaa"]),
        (audit.LOCK_OPERATION_ERROR, reasons.REVOKED, audit.SOURCE_HOLDER, None, 3),
        (audit.DOOR_LOCK_ALARM, audit.ALARM_FORCED, audit.SOURCE_NONE),
    )
    record(desk, 1, (audit.LOCK_OPERATION, audit.OPERATION_LOCK, audit.SOURCE_AUTO))
    return desk


async def test_a_record_tells_who_where_and_how(written: Desk) -> None:
    auditor = await written.as_role("auditor")
    found = await lines(auditor, event="LockOperation", result="unlock")
    assert len(found) == 1
    line = found[0]
    assert (line["room"], line["path"], line["lock_id"]) == ("第1会議室", "offline", "aaaaaaaa")
    assert line["booking_id"] and line["holder_name"]


async def test_each_filter_narrows(written: Desk) -> None:
    auditor = await written.as_role("auditor")
    assert len(await lines(auditor)) == 4
    assert len(await lines(auditor, room_id="room-2")) == 1
    assert len(await lines(auditor, lock_id="aaaaaaaa")) == 3
    assert len(await lines(auditor, result="refused")) == 1
    assert len(await lines(auditor, result="REVOKED")) == 1
    assert len(await lines(auditor, event="DoorLockAlarm", result="forced")) == 1
    assert await lines(auditor, event="NoSuchEvent") == []
    assert await lines(auditor, result="no-such-result") == []
    name = (await lines(auditor, result="unlock"))[0]["holder_name"]
    assert len(await lines(auditor, who=name[:2])) == 1
    assert await lines(auditor, who="%") == []


async def test_a_record_counts_for_every_moment_at_which_it_may_have_happened(
    written: Desk,
) -> None:
    auditor = await written.as_role("auditor")
    assert len(await lines(auditor, lock_id="aaaaaaaa", **{"from": START + 2})) == 2
    assert len(await lines(auditor, lock_id="aaaaaaaa", to=START + 2)) == 1
    assert await lines(auditor, **{"from": START + 601}) == []
    assert await lines(auditor, to=START) == []


async def test_pages_follow_each_other_without_loss_or_repetition(written: Desk) -> None:
    auditor = await written.as_role("auditor")
    seen, after = [], None
    for _ in range(10):
        params = {"limit": 1} | ({"after": after} if after else {})
        page = (await auditor.get("/v1/staff/records", params=params)).json()
        seen += [(line["lock_id"], line["seq"]) for line in page["lines"]]
        after = page["next"]
        if after is None:
            break
    every = [(line["lock_id"], line["seq"]) for line in await lines(auditor)]
    assert seen == every and len(set(seen)) == 4


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "1.2.3",
        "1.aaaaaaaa.1.x",
        "9" * 30 + ".a.1.1",
        "-1.a.1.1",
        "1.a.1.1.1'",
        "....",
        "٣.a.1.1",
    ],
)
async def test_a_place_that_no_page_gave_is_refused_or_harmless(desk: Desk, after: str) -> None:
    auditor = await desk.as_role("auditor")
    answer = await auditor.get("/v1/staff/records", params={"after": after})
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert answer.json() == {"lines": [], "next": None}


@pytest.mark.parametrize("limit", ["0", "-1", "201", "99999999999999999999", "x"])
async def test_pages_have_bounds(desk: Desk, limit: str) -> None:
    auditor = await desk.as_role("auditor")
    answer = await auditor.get("/v1/staff/records", params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID")


async def test_the_file_is_for_excel_acts_on_nothing_and_is_noted(written: Desk) -> None:
    with written.town.service.database.write() as session:
        session.execute(update(Booking).values(holder_name='=HYPERLINK("http://x")'))
    auditor = await written.as_role("auditor")
    answer = await auditor.get("/v1/staff/records.csv", params={"result": "unlock"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="kannuki-records-2026-12-05.csv"'
    )
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0][:3] == ["時刻（早ければ）", "時刻（遅ければ）", "部屋"] and len(rows) == 2
    assert rows[1][0].startswith("2026-12-05 10:00:0") and rows[1][2] == "第1会議室"
    assert rows[1][7] == '\'=HYPERLINK("http://x")'
    with written.town.service.database.read() as session:
        noted = session.scalars(select(Action).where(Action.action == "audit.export")).one()
        assert '"result":"unlock"' in noted.detail


async def test_whom_somebody_looked_for_is_not_written_down(written: Desk) -> None:
    auditor = await written.as_role("auditor")
    await auditor.get("/v1/staff/records.csv", params={"who": "山田太郎"})
    with written.town.service.database.read() as session:
        noted = session.scalars(select(Action).where(Action.action == "audit.export")).one()
        assert "山田" not in noted.detail and '"who":"named"' in noted.detail


async def test_an_auditor_of_one_house_finds_its_records_alone(written: Desk) -> None:
    add_house(written.town.service, "east", "room-2")
    auditor = await written.as_role("auditor", "east")
    assert {line["lock_id"] for line in await lines(auditor)} == {"bbbbbbbb"}
    assert await lines(auditor, lock_id="aaaaaaaa") == []
    answer = await auditor.get("/v1/staff/records.csv")
    assert "第1会議室" not in answer.text


async def test_the_story_of_a_booking_has_its_openings(written: Desk) -> None:
    auditor = await written.as_role("auditor")
    booking_id = (await lines(auditor, result="unlock"))[0]["booking_id"]
    told = (await auditor.get(f"/v1/staff/bookings/{booking_id}/story")).json()
    assert [line["result"] for line in told["records"]] == ["unlock"]
    add_house(written.town.service, "east", "room-2")
    other = await written.as_role("clerk", "east")
    answer = await other.get(f"/v1/staff/bookings/{booking_id}/story")
    unknown = await other.get("/v1/staff/bookings/aaaaaaaaaaaaaaaa/story")
    assert (answer.status_code, answer.json()) == (404, unknown.json())
