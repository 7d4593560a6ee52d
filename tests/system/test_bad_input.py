"""Garbage on every socket of a running town, and bookings that cannot be.

Each piece gets a clear answer or is dropped; every program goes on in the same process; afterwards
doors open offline and by relay, and nothing is half done.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import aiomqtt
import pytest
import pytest_asyncio
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from yarl import URL

from kannuki.messages import to_base64url, topic
from protocol import cbor
from protocol.audit import SALT_BYTES
from protocol.crypto import MAC_BYTES
from simulator.demo.setup import GATEWAY, TOWN
from tests.system.live import PHONE, LiveTown, Refused, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]

LANGUAGES = ("ja", "ja-simple", "en")
BEGINS_LATER_S = 20 * 3600
SEED = 20261205
CHANCE = random.Random(SEED)


@pytest_asyncio.fixture(loop_scope="module")
async def unharmed(town: LiveTown) -> AsyncIterator[LiveTown]:
    """The same processes before and after, and the whole loop works at the first try."""
    pids = {name: child.pid for name, child in town.supervisor.children.items()}
    facts = await town.facts()
    yield town
    assert {name: child.pid for name, child in town.supervisor.children.items()} == pids
    await works_at_the_first_try(town)
    await town.nothing_was_reset(facts)


async def works_at_the_first_try(town: LiveTown) -> None:
    await town.opens_offline(town.locks[0])
    result = await town.unlock(town.locks[1], "relay")
    assert (result["code"], result["authentic"]) == ("OPENED", True)
    for lock_id in town.locks[:2]:
        await town.locks_again(lock_id)
    await town.record_is_home()


# --- bookings that cannot be ---


async def rooms_of(town: LiveTown) -> dict[str, dict[str, Any]]:
    return {room["name"]: room for room in await town.office.public("GET", "rooms")}


async def refused(asking: Any) -> dict[str, Any]:
    """The body of a refusal, with its texts in three tongues."""
    with pytest.raises(Refused) as caught:
        await asking
    body = caught.value.body
    assert 400 <= caught.value.status < 500
    assert all(body[lang] for lang in LANGUAGES), body
    return body


async def bookings(town: LiveTown) -> list[tuple[str, str]]:
    rows = await town.office.staff("GET", "bookings?limit=5000")
    return sorted((row["booking_id"], row["status"]) for row in rows)


async def test_overlapping_bookings_are_refused_and_leave_nothing(unharmed: LiveTown) -> None:
    town, room = unharmed, (await rooms_of(unharmed))["和室"]["room_id"]
    await town.book(room, BEGINS_LATER_S, 3600)
    before = await bookings(town)
    for begins, lasts in ((0, 3600), (1800, 3600), (-1800, 3600), (600, 600), (-600, 7200)):
        body = await refused(town.book(room, BEGINS_LATER_S + begins, lasts))
        assert body["code"] == "OVERLAP"
    wishes = [town.book(room, BEGINS_LATER_S + 7200, 3600) for _ in range(8)]
    answers = await asyncio.gather(*wishes, return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert all(isinstance(answer, dict | Refused) for answer in answers)
    assert len(await bookings(town)) == len(before) + 1


async def test_an_unknown_room_is_refused_with_the_rooms_there_are(unharmed: LiveTown) -> None:
    before = await bookings(unharmed)
    body = await refused(unharmed.book("room-99", BEGINS_LATER_S, 3600))
    assert body["code"] == "UNKNOWN_ROOM"
    assert "和室" in body["ja"]
    assert await bookings(unharmed) == before


def ics(town: LiveTown, *events: tuple[str, str, int]) -> bytes:
    """(uid, room, begins in s); each lasts an hour."""
    import time

    def stamp(begins: int) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(town.now() + begins))

    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for uid, room, begins in events:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{uid}",
            f"DTSTAMP:{stamp(0)}",
            f"DTSTART:{stamp(begins)}",
            f"DTEND:{stamp(begins + 3600)}",
            f"LOCATION:{room}",
            "SUMMARY:団体",
            "END:VEVENT",
        ]
    return ("\r\n".join([*lines, "END:VCALENDAR"]) + "\r\n").encode()


async def test_a_calendar_with_some_impossible_events_takes_the_others(unharmed: LiveTown) -> None:
    before = await bookings(unharmed)
    begins = BEGINS_LATER_S + 10 * 3600
    file = ics(
        unharmed,
        ("good@t", "音楽室", begins),
        ("overlap@t", "音楽室", begins + 600),
        ("nowhere@t", "宇宙ステーション", begins),
    )
    told = await unharmed.office.staff("POST", "calendar", raw=file)
    assert (told["new"], told["refused"]) == (1, 2)
    codes = {e["reason"]["code"] for e in told["events"] if "reason" in e}
    assert {"OVERLAP", "UNKNOWN_ROOM"} <= codes
    assert len(await bookings(unharmed)) == len(before) + 1
    again = await unharmed.office.staff("POST", "calendar", raw=file)
    assert (again["new"], again["unchanged"], again["refused"]) == (0, 1, 2)


async def test_a_broken_calendar_changes_nothing(unharmed: LiveTown) -> None:
    before = await bookings(unharmed)
    whole = ics(unharmed, ("x@t", "和室", BEGINS_LATER_S + 30 * 3600))
    broken = [
        b"hello",
        whole[: len(whole) // 2],
        whole.replace(b"DTSTART:", b"DTSTART:x"),
        os.urandom(5000),
        b"\xff" + whole,
        whole.replace(b"UID:x@t\r\n", b""),
    ]
    for raw in broken:
        url = unharmed.town.url("cloud") + "/v1/staff/calendar"
        status, said = await ask(url, "POST", raw, unharmed.folder.staff_secret.read_text())
        told = json.loads(said)
        if status == 200:  # the file is whole, one event in it is not
            assert (told["new"], told["refused"]) == (0, 1)
        else:
            assert (status, told["code"]) == (422, "BROKEN_CALENDAR")
            assert all(told[lang] for lang in LANGUAGES)
    assert await bookings(unharmed) == before


# --- HTTP ---

BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe\x00",
    b"[" * 30000,
    b'{"a":1e999}',
    b'{"room_id": 7, "starts_at": "soon", "ends_at": [], "holder_name": {}}',
    b'{"secret": "xxxxxxxxx", "device_key": "!", "lock_id": 1, "message": null}',
    b'{"starts_at": -1, "ends_at": 1e30, "room_id": "room-1", "holder_name": "x"}',
    b'{"key": [], "path": {}, "door": 5, "command": [1], "key_link": 7}',
]
PATHS = {
    "cloud": [
        "/v1/bookings",
        "/v1/keys/claim",
        "/v1/keys/cancel",
        "/v1/relay",
        "/v1/relay/x",
        "/v1/staff/bookings/x/cancel",
        "/v1/staff/calendar",
        "/nothing",
    ],
    "phones": [f"/phones/{PHONE}/claim", f"/phones/{PHONE}/unlock", "/nothing"],
    "world": ["/clock", "/doors/nowhere/open", "/doors/../clock", "/nothing"],
}
ESCAPES = [
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/phones/..%2f..%2fx/claim",
    "/v1/rooms/..%2F..%2Fetc/bookings",
    "//etc/passwd",
    "/static/../../etc/passwd",
    "/%00",
    "/v1/staff/audit?lock_id=' OR 1=1--",
    "/phones/%2e%2e/unlock",
]


async def ask(
    url: str, method: str, body: bytes | None = None, bearer: str = "none"
) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.request(
            method, URL(url, encoded=True), data=io.BytesIO(body or b""), headers=headers
        ) as answer,
    ):
        return answer.status, await answer.read()


@pytest.mark.parametrize("service", PATHS)
async def test_bad_requests_get_a_plain_no(service: str, unharmed: LiveTown) -> None:
    base = unharmed.town.url(service)
    mark = await unharmed.mark()
    for path in PATHS[service]:
        for body in BODIES:
            if path == "/clock" and body == b"":
                continue  # an empty body is an empty object there
            status, said = await ask(base + path, "POST", body)
            assert 400 <= status < 500, (path, body[:40], status, said[:200])
            if service == "cloud":
                assert all(json.loads(said)[lang] for lang in LANGUAGES)
        # Who does not read on may hang up before its answer is read.
        with contextlib.suppress(aiohttp.ClientOSError):
            status, _ = await ask(base + path, "POST", bytes(3_000_000))
            assert 400 <= status < 500, path
    for path in ESCAPES:
        for method in ("GET", "POST", "PUT", "DELETE"):
            status, said = await ask(base + path, method, b"{}" if method != "GET" else None)
            assert 400 <= status < 500, (method, path, status)
            assert b"root:" not in said
    assert await unharmed.mark() == mark  # no door moved


async def test_relay_without_a_right_reaches_no_lock(unharmed: LiveTown) -> None:
    body = {"lock_id": unharmed.locks[0], "message": "AAAA"}
    assert (await refused(unharmed.office.public("POST", "relay", body)))["code"] == "NO_TICKET"


# --- raw sockets ---

GARBAGE = [
    b"\0" * 64,
    b"\xff" * 4096,
    CHANCE.randbytes(4096),
    b"GET / HTTP/1.1\r\n" + b"A" * 70000,
    b"\x10\xff\xff\xff\x7f",
    b"\0\x05\x02aaaa",
    b"\x04\x0e\x04\x01\x03\x0c\0",
    b"\r\n" * 50,
    b"AUTH EXTERNAL 30\r\nBEGIN\r\n" + bytes(300),
]


async def pour(open_socket: Any, raw: bytes) -> None:
    """Writes garbage and goes away without reading on."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await open_socket
            writer.write(raw)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
    except OSError:
        return  # thrown out while it still wrote


def tcp_ports(town: LiveTown) -> set[int]:
    notes = town.supervisor.children
    ports = {child.note()["port"] for child in notes.values()} - {None}
    world = notes["world"].info
    return ports | {world["air_port"], world["board_port"]}


async def test_garbage_on_every_socket_is_dropped(unharmed: LiveTown) -> None:
    mark = await unharmed.mark()
    for port in sorted(tcp_ports(unharmed)):
        for raw in GARBAGE:
            await pour(asyncio.open_connection("127.0.0.1", port), raw)
    for computer in ("gateway", "phones"):
        socket = bus_address(unharmed, computer).removeprefix("unix:path=")
        for raw in GARBAGE:
            await pour(asyncio.open_unix_connection(socket), raw)
    assert await unharmed.mark() == mark


def bus_address(town: LiveTown, computer: str) -> str:
    return town.supervisor.children[f"bluetooth-{computer}"].spec.env["DBUS_SYSTEM_BUS_ADDRESS"]


async def test_a_second_chip_with_a_false_hello_moves_no_door(unharmed: LiveTown) -> None:
    mark = await unharmed.mark()
    port = unharmed.supervisor.children["world"].info["board_port"]
    for name in (b"../../x", b"\xff\xfe", b"a" * 300, b""):
        frame = (len(name) + 1).to_bytes(2, "big") + b"\x01" + name
        await pour(asyncio.open_connection("127.0.0.1", port), frame + b"\0\x03\x02\x1a\x01")
    assert await unharmed.mark() == mark


async def test_senseless_calls_on_the_bus_get_an_error(unharmed: LiveTown) -> None:
    bus = await MessageBus(bus_address=bus_address(unharmed, "gateway")).connect()
    adapter, device = "/org/bluez/hci0", "/org/bluez/hci0/dev_FF_FF_FF_FF_FF_FF"
    calls = [
        ("/nowhere", "org.bluez.Adapter1", "StartDiscovery", "", []),
        (adapter, "org.bluez.Adapter1", "Explode", "", []),
        (adapter, "org.bluez.Adapter1", "RemoveDevice", "s", ["x"]),
        (device, "org.bluez.Device1", "Connect", "", []),
        (
            f"{device}/service0001/char0001",
            "org.bluez.GattCharacteristic1",
            "WriteValue",
            "s",
            ["x"],
        ),
        (adapter, "org.freedesktop.DBus.Properties", "Get", "i", [1]),
    ]
    try:
        for path, interface, member, signature, body in calls:
            answer = await bus.call(
                Message(
                    destination="org.bluez",
                    path=path,
                    interface=interface,
                    member=member,
                    signature=signature,
                    body=body,
                )
            )
            assert answer.message_type == MessageType.ERROR, member
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


# --- MQTT ---

RETAINED = {"kind": "relay_open", "id": "r", "session": "s", "message": "AQ", "expires_at": 1 << 39}
PAYLOADS = [
    b"",
    b"\0" * 100,
    CHANCE.randbytes(1000),
    b"{",
    b"[" * 60000,
    b"null",
    b"{}",
    b'{"kind": "x"}',
    b'{"kind": "event_ack", "ids": []}',
    b'{"kind": "event_ack", "ids": [1, null, {}]}',
    b'{"kind": "relay_open", "id": "a", "session": "b", "message": "?", "expires_at": -5}',
    b'{"kind": "status_put", "id": "a", "document": "AAAA", "version": 1e400, "expires_at": 1}',
    b'{"kind": "lock", "reachable": "maybe"}',
    b'{"kind": "audit", "id": "x"}',
    b'{"kind": "result", "id": "../..", "ok": 3}',
    b"x" * 100_000,
    b'{"kind": "lock"' + b" " * 70000,
]


def broker(town: LiveTown) -> aiomqtt.Client:
    port = town.supervisor.children["broker"].spec.port
    assert port is not None
    return aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5)


async def test_garbage_on_every_topic_is_dropped(unharmed: LiveTown) -> None:
    mark = await unharmed.mark()
    devices = [GATEWAY, unharmed.locks[0], "nobody"]
    async with broker(unharmed) as client:
        for channel in ("state", "event", "command", "response"):
            for device in devices:
                for payload in PAYLOADS:
                    await client.publish(topic(TOWN, device, channel), payload, qos=1)
        for odd in ("", f"/{TOWN}", f"/{TOWN}/x/command/y", "/a/b/c/d/e"):
            await client.publish("kannuki/v1" + odd, b"{}", qos=1)
    assert await unharmed.mark() == mark

    async def is_noticed() -> bool:
        alarms = await unharmed.office.staff("GET", "alarms")
        return "GATEWAY_GARBAGE" in {alarm["kind"] for alarm in alarms}

    await until(is_noticed, "the town tells that something talks garbage")


async def test_a_retained_command_is_never_carried_out(town: LiveTown) -> None:
    """It lies in the broker for whoever subscribes next: a gateway that starts again."""
    lock_id = town.locks[2]
    address = topic(TOWN, lock_id, "command")
    answers = topic(TOWN, lock_id, "response")
    async with broker(town) as client:
        await client.subscribe(answers)
        await client.publish(address, json.dumps(RETAINED).encode(), qos=1, retain=True)
        await _answered(client, "r")  # as a live message it is one like any other: it has an answer
        try:
            connected = town.supervisor.children["broker"].spec.log
            before = connected.read_text().count("kannuki-gateway")
            await town.town.stop_part("gateway")
            await town.town.start_part("gateway")
            assert connected.read_text().count("kannuki-gateway") > before
            live = {**RETAINED, "id": "live", "expires_at": 1}
            await client.publish(address, json.dumps(live).encode(), qos=1)
            assert await _answered(client, "live") == ["live"]
        finally:
            await client.publish(address, b"", qos=1, retain=True)
    await works_at_the_first_try(town)


async def _answered(client: aiomqtt.Client, wanted: str) -> list[str]:
    """The ids of answers up to and with the wanted one."""
    seen = []
    async with asyncio.timeout(60):
        async for message in client.messages:
            seen.append(json.loads(bytes(message.payload))["id"])
            if seen[-1] == wanted:
                return seen
    return seen


async def test_records_that_no_lock_sealed_become_an_alarm_and_no_record(
    unharmed: LiveTown,
) -> None:
    """Acknowledged all the same: what can never be taken must not come again for ever."""
    parcel = cbor.encode(["aaaaaaaa", 1, 1, 1, 1, bytes(SALT_BYTES), b"hidden"])
    event = {
        "kind": "audit",
        "id": "forged-1",
        "lock": unharmed.locks[0],
        "parcel": to_base64url(parcel),
        "seal": to_base64url(bytes(MAC_BYTES)),
    }
    commands = topic(TOWN, "gw-stranger", "command")
    async with broker(unharmed) as client:
        await client.subscribe(commands)
        await client.publish(topic(TOWN, "gw-stranger", "event"), json.dumps(event).encode(), qos=1)
        async with asyncio.timeout(60):
            ack = await anext(client.messages.__aiter__())
    assert json.loads(bytes(ack.payload)) == {"kind": "event_ack", "ids": ["forged-1"]}

    async def alarm() -> bool:
        alarms = await unharmed.office.staff("GET", "alarms")
        return any(each["kind"].startswith("AUDIT_") for each in alarms)

    await until(alarm, "an alarm is raised")
