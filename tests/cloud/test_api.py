"""The HTTP interface: what each request gets, and what each bad one is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloud import problems
from cloud.models import GatewayRow
from cloud.web.apps import describe
from kannuki import texts
from kannuki.messages import (
    CommandResult,
    Message,
    RelayClose,
    RelayOpen,
    RelaySend,
    from_base64url,
)
from protocol.crypto import sha256
from tests.cloud.support import CHANGES, FIRST, START, TOWN, Town
from tests.cloud.test_keys import Phone, book, secret_of
from tests.cloud.web import Web, open_web

LANGUAGES = {"code", "ja", "ja-simple", "en"}


async def test_town_tells_its_time_and_rooms(town: Town) -> None:
    async with open_web(town.service) as web:
        told = (await web.get("/v1/town")).json()
        rooms = (await web.get("/v1/rooms")).json()
        assert (await web.get("/healthz")).json() == {"ok": True, "rooms": 3}
    assert told == {"town": "misaki", "name": "みさき市", "now": START - 300, "gateways": []}
    assert [(r["name"], r["lock_id"], r["lock"]) for r in rooms][0] == (
        "第1会議室",
        "aaaaaaaa",
        None,
    )


async def test_occupancy_names_nobody(town: Town) -> None:
    town.take(FIRST)
    async with open_web(town.service) as web:
        answer = await web.client.get(
            "/v1/rooms/room-1/bookings", params={"from": START, "to": START + 86_400}
        )
        missing = await web.client.get("/v1/rooms/x/bookings", params={"from": 0, "to": 1})
    assert answer.json() == [
        {"starts_at": START, "ends_at": START + 7200},
        {"starts_at": START + 10_800, "ends_at": START + 18_000},
    ]
    assert (missing.status_code, missing.json()["code"]) == (404, "UNKNOWN_ROOM")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"room_id": "nowhere"}, 404, "UNKNOWN_ROOM"),
        ({}, 409, "OVERLAP"),
        ({"ends_at": START}, 422, "ENDS_BEFORE_START"),
        ({"starts_at": 1000, "ends_at": 2000}, 422, "IN_THE_PAST"),
        ({"ends_at": START + 86_401}, 422, "TOO_LONG"),
        (
            {"starts_at": START + 400 * 86_400, "ends_at": START + 400 * 86_400 + 60},
            422,
            "TOO_FAR_AHEAD",
        ),
        ({"holder_name": " "}, 422, "INVALID"),
        ({"starts_at": -1}, 422, "INVALID"),
        ({"starts_at": "soon"}, 422, "INVALID"),
        ({"extra": 1}, 422, "INVALID"),
        ({"ends_at": 10**30}, 422, "INVALID"),
    ],
)
async def test_booking_that_cannot_be_made_says_why(
    town: Town, change: dict[str, Any], status: int, code: str
) -> None:
    body = {"room_id": "room-1", "starts_at": START, "ends_at": START + 60, "holder_name": "x"}
    async with open_web(town.service) as web:
        await book(web)
        answer = await web.post("/v1/bookings", body | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == LANGUAGES


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/bookings", b"{", 422),
        ("POST", "/v1/bookings", b"\xff\xfe", 422),
        ("POST", "/v1/bookings", b"[" * 30_000, 422),
        ("POST", "/v1/bookings", b"x" * 70_000, 413),
        ("POST", "/v1/keys/claim", b'{"secret": "short", "device_key": "AA"}', 422),
        ("POST", "/v1/keys/claim", b'{"secret": "' + b"a" * 24 + b'", "device_key": "A!"}', 422),
        ("GET", "/v1/rooms/room-1/bookings?from=x&to=1", b"", 422),
        ("GET", "/nothing", b"", 404),
        ("DELETE", "/v1/town", b"", 405),
        ("POST", "/v1/staff/calendar", b"", 401),
        ("GET", "/v1/staff/bookings", b"", 401),
        ("POST", "/v1/relay", b'{"lock_id": "aaaaaaaa", "message": "AA"}', 401),
    ],
)
async def test_garbage_gets_a_reason_in_three_tongues(
    town: Town, method: str, path: str, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    async with open_web(town.service) as web:
        answer = await web.client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status
    assert set(answer.json()) == LANGUAGES


@pytest.mark.parametrize("bearer", ["", "Bearer", "Bearer wrong", "Basic c3RhZmY6eA=="])
async def test_staff_paths_need_the_staff_secret(town: Town, bearer: str) -> None:
    async with open_web(town.service) as web:
        for method, path in (
            ("GET", "bookings"),
            ("GET", "audit"),
            ("GET", "fleet"),
            ("GET", "alarms"),
            ("POST", "bookings/x/cancel"),
            ("POST", "bookings/x/key-link"),
            ("POST", "calendar"),
        ):
            headers = {"Authorization": bearer}
            answer = await web.client.request(method, f"/v1/staff/{path}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "NOT_STAFF")


async def test_staff_upload_a_calendar_and_see_who_comes(town: Town) -> None:
    async with open_web(town.service) as web:
        first = (await web.staff("POST", "/calendar", content=FIRST)).json()
        second = (await web.staff("POST", "/calendar", content=CHANGES)).json()
        broken = await web.staff("POST", "/calendar", content=b"BEGIN:VCALENDAR\nX")
        rows = (await web.staff("GET", "/bookings")).json()
    assert (first["new"], second["changed"], second["cancelled"]) == (21, 2, 1)
    assert (broken.status_code, broken.json()["code"]) == (422, "BROKEN_CALENDAR")
    assert "line 2" in broken.json()["ja"]
    assert rows[0]["holder_name"] == "折り紙の会 佐藤 花子"
    assert rows[0]["room"] == "第1会議室"


async def test_staff_cancel_and_unknown_booking(town: Town) -> None:
    async with open_web(town.service) as web:
        booked = await book(web)
        gone = await web.staff("POST", f"/bookings/{booked['booking_id']}/cancel")
        link = await web.staff("POST", f"/bookings/{booked['booking_id']}/key-link")
        unknown = await web.staff("POST", "/bookings/none/cancel")
    assert gone.json()["status"] == "cancelled"
    assert (link.status_code, unknown.status_code) == (410, 404)


def online(town: Town, is_online: bool = True) -> None:
    with town.service.database.write() as session:
        session.merge(
            GatewayRow(
                town=TOWN,
                gateway_id="gw-1",
                online=is_online,
                version="",
                started_at=0,
                waiting_events=0,
                heard_at=START,
            )
        )


async def ticket(web: Web, room_id: str = "room-1") -> str:
    claimed = await Phone().claim(web, secret_of(await book(web, room_id=room_id)))
    return str(claimed.json()["relay_ticket"])


def echo(error: str | None = None) -> Any:
    async def answer(_lock: str, command: Message) -> CommandResult | None:
        if isinstance(command, RelayClose):
            return None
        assert isinstance(command, RelayOpen | RelaySend)
        if error is not None:
            return CommandResult(id=command.id, ok=False, error=error)
        return CommandResult(id=command.id, ok=True, message=command.message[::-1])

    return answer


async def test_relay_passes_bytes_to_its_own_lock(town: Town) -> None:
    online(town)
    async with open_web(town.service) as web:
        web.answer = echo()
        shown = await ticket(web)
        opened = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, shown)
        session = opened.json()["session"]
        assert opened.json()["message"] == "AgE"
        step = await web.post(f"/v1/relay/{session}", {"message": "AwQ"}, shown)
        assert step.json() == {"message": "BAM"}
        bearer = {"Authorization": f"Bearer {shown}"}
        assert (await web.client.delete(f"/v1/relay/{session}", headers=bearer)).status_code == 204
        over = await web.post(f"/v1/relay/{session}", {"message": "AwQ"}, shown)
    assert (over.status_code, over.json()["code"]) == (410, "RELAY_OVER")
    assert [type(c).__name__ for _, c in web.sent] == ["RelayOpen", "RelaySend", "RelayClose"]
    assert {lock for lock, _ in web.sent} == {"aaaaaaaa"}
    assert all(START < c.expires_at + 600 < START + 900 for _, c in web.sent)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("UNREACHABLE", 502, "UNREACHABLE"),
        ("TIMEOUT", 504, "TIMEOUT"),
        ("NO_SESSION", 410, "RELAY_OVER"),
        ("SOMETHING_ELSE", 502, "RELAY_FAILED"),
    ],
)
async def test_relay_tells_what_the_gateway_met(
    town: Town, error: str, status: int, code: str
) -> None:
    online(town)
    async with open_web(town.service) as web:
        web.answer = echo(error)
        shown = await ticket(web)
        answer = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, shown)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert web.hub.sessions == {}


async def test_relay_without_gateway_or_answer_says_so(town: Town) -> None:
    async with open_web(town.service) as web:
        shown = await ticket(web)
        body = {"lock_id": "aaaaaaaa", "message": "AQI"}
        absent = await web.post("/v1/relay", body, shown)
        online(town, False)
        offline = await web.post("/v1/relay", body, shown)
        online(town)
        silent = await web.post("/v1/relay", body, shown)
    assert [a.json()["code"] for a in (absent, offline, silent)] == [
        "GATEWAY_OFFLINE",
        "GATEWAY_OFFLINE",
        "TIMEOUT",
    ]


async def test_a_phone_that_waits_is_told_when_its_gateway_goes(town: Town) -> None:
    online(town)
    async with open_web(town.service) as web:
        web.hub.answer_within_s = 60.0  # far beyond the test's patience: only giving up helps
        shown = await ticket(web)
        body = {"lock_id": "aaaaaaaa", "message": "AQI"}
        waiting = asyncio.create_task(web.post("/v1/relay", body, shown))
        while not web.hub.waiting_locks():
            await asyncio.sleep(0.01)
        web.hub.give_up({"bbbbbbbb"})  # another lock's gateway
        assert web.hub.waiting_locks() == {"aaaaaaaa"}
        web.hub.give_up({"aaaaaaaa"})
        answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "GATEWAY_OFFLINE")
    assert web.hub.sessions == {}


async def test_ticket_opens_no_relay_to_another_lock_or_session(town: Town) -> None:
    online(town)
    async with open_web(town.service) as web:
        web.answer = echo()
        mine, other = await ticket(web), await ticket(web, "room-2")
        wrong = await web.post("/v1/relay", {"lock_id": "bbbbbbbb", "message": "AQI"}, mine)
        opened = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, mine)
        path = f"/v1/relay/{opened.json()['session']}"
        stolen = await web.post(path, {"message": "AQI"}, other)
        forged = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, "A" * 24)
        again = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, mine)
        replaced = await web.post(path, {"message": "AQI"}, mine)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "OTHER_LOCK")
    assert (stolen.status_code, forged.status_code) == (410, 401)
    assert (again.status_code, replaced.status_code) == (200, 410)


async def test_relay_session_ends_by_itself(town: Town) -> None:
    online(town)
    async with open_web(town.service) as web:
        web.answer = echo()
        shown = await ticket(web)
        opened = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, shown)
        town.clock.now += 31
        late = await web.post(f"/v1/relay/{opened.json()['session']}", {"message": "AQI"}, shown)
    assert (late.status_code, late.json()["code"]) == (410, "RELAY_OVER")


async def test_link_that_was_never_claimed_gives_no_relay(town: Town) -> None:
    online(town)
    async with open_web(town.service) as web:
        secret = secret_of(await book(web))
        link = sha256(secret.encode()) + from_base64url(Phone().device_key)
        for shown in (secret, town.service.vault.relay_tickets(link)[0]):
            answer = await web.post("/v1/relay", {"lock_id": "aaaaaaaa", "message": "AQI"}, shown)
            assert (answer.status_code, answer.json()["code"]) == (401, "NO_TICKET")


def test_interface_is_described_without_a_town() -> None:
    paths = describe()["paths"]
    assert {"/v1/town", "/v1/keys/claim", "/v1/relay", "/v1/staff/calendar"} <= set(paths)


def test_every_problem_has_a_status_and_texts() -> None:
    for code, status in problems.STATUS.items():
        assert 400 <= status < 600
        assert code in texts.codes()
