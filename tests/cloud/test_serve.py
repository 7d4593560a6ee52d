"""The whole service as a process, on a real Mosquitto, killed at the worst moments.

The gateway here is a test's MQTT client that says what a gateway says; the firmware's and the
gateway's own tests play their parts with real ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.fleet import note_lock, offer_keyset
from cloud.keysets import SignedKeyset
from cloud.models import AuditRecord
from kannuki.backoff import Backoff
from kannuki.broker import broker_spec
from kannuki.messages import (
    AuditEvent,
    CommandResult,
    DocumentPut,
    EventAck,
    GatewayState,
    LockState,
    Message,
    RelayOpen,
    StatusPut,
    TimeAnswer,
    TimeRequest,
    decode,
    encode,
    split_topic,
    topic,
)
from kannuki.mqtt import LinkSettings, MqttLink, Will
from kannuki.settings import free_port, write_secret_file
from kannuki.supervisor import Child, ChildSpec, Supervisor
from protocol import audit, signedtime, statuslist
from protocol.keyset import ROLE_ACK, ROLE_TIME, Keyset
from protocol.verify import verify_document
from tests.cloud.support import CHANGES, CRYPTO, FIRST, TOWN
from tests.cloud.support import Town as Office
from tests.cloud.test_keys import Phone
from tests.cloud.web import STAFF

BOUND_S = 40
pytestmark = pytest.mark.slow


@dataclass
class Gateway:
    """Hears commands for every lock of the town, answers those it is told to."""

    link: MqttLink
    heard: list[tuple[str, Message]] = field(default_factory=list)
    answers: bool = False

    async def listen(self) -> None:
        async for received in self.link.messages():
            parts = split_topic(received.topic)
            assert parts is not None
            assert not received.retain
            command = decode("command", received.payload)
            self.heard.append((parts[1], command))
            if self.answers and isinstance(command, StatusPut | DocumentPut):
                result = CommandResult(id=command.id, ok=True, version=command.version)
                await self.say(parts[1], "response", result)
            if self.answers and isinstance(command, RelayOpen):
                result = CommandResult(id=command.id, ok=True, message=b"challenge")
                await self.say(parts[1], "response", result)

    async def say(self, device: str, channel: str, message: Message) -> None:
        await self.link.publish(
            topic(TOWN, device, channel), encode(message), retain=channel == "state"
        )

    def of(self, kind: type[Message]) -> list[Any]:
        return [command for _, command in self.heard if isinstance(command, kind)]


@dataclass
class Running:
    """The service under supervision, a client for it, and the gateway's side."""

    office: Office
    supervisor: Supervisor
    child: Child
    gateway: Gateway
    broker_port: int

    async def get(self, path: str) -> Any:
        """Asks until the service is there again."""
        async with asyncio.timeout(BOUND_S):
            while True:
                url = f"http://127.0.0.1:{self.child.info.get('port')}{path}"
                try:
                    async with httpx.AsyncClient() as client:
                        bearer = {"Authorization": f"Bearer {STAFF}"}
                        return (await client.get(url, headers=bearer)).json()
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def post(self, path: str, body: Any, bearer: str = STAFF) -> httpx.Response:
        url = f"http://127.0.0.1:{self.child.info['port']}{path}"
        async with httpx.AsyncClient(timeout=BOUND_S) as client:
            return await client.post(url, json=body, headers={"Authorization": f"Bearer {bearer}"})

    async def kill(self) -> None:
        """kill -9; returns when the supervisor's next one is ready."""
        assert self.child.pid is not None
        restarts = self.child.restarts
        os.kill(self.child.pid, signal.SIGKILL)
        await until(lambda: self.child.restarts > restarts and self.child.state == "ready")


async def until(condition: Any) -> None:
    async with asyncio.timeout(BOUND_S):
        while True:
            met = condition()
            if await met if asyncio.iscoroutine(met) else met:
                return
            await asyncio.sleep(0.02)


async def listening(running: Running) -> None:
    """The service hears what is said: all its subscriptions are made when it connects."""
    await running.gateway.say("gw-1", "state", GatewayState(online=True))
    await until(lambda: is_online(running, True))


def serve_spec(office: Office, broker_port: int) -> ChildSpec:
    folder = office.folder
    secret = folder / "staff.secret"
    write_secret_file(secret, STAFF.encode())
    argv = (
        sys.executable,
        "-m",
        "kannuki",
        "cloud",
        "serve",
        "--database",
        str(folder / "town.db"),
        "--keys-dir",
        str(folder / "keys"),
        "--town",
        TOWN,
        "--broker",
        f"127.0.0.1:{broker_port}",
        "--http-port",
        "0",
        "--staff-secret-file",
        str(secret),
        "--clock-offset-s",
        str(office.clock() - int(time.time())),
    )
    root = str(Path(__file__).resolve().parents[2])
    return ChildSpec(
        "cloud",
        argv,
        folder / "cloud.log",
        env={"PYTHONPATH": root},
        restart=Backoff(first_s=0.05, max_s=0.1),
    )


@pytest.fixture
async def running(town: Office, tmp_path: Path) -> AsyncIterator[Running]:
    """The service of `town`, whose office may still write to the same database."""
    port = free_port()
    away = encode(GatewayState(online=False))
    settings = LinkSettings(
        "127.0.0.1",
        port,
        "gateway",
        will=Will(topic(TOWN, "gw-1", "state"), away),
        backoff=Backoff(first_s=0.02, max_s=0.2),
    )
    async with Supervisor("test", tmp_path / "s", tmp_path / "run") as supervisor:
        await supervisor.start(broker_spec(tmp_path / "broker", port))
        child = await supervisor.start(serve_spec(town, port))
        async with MqttLink(settings, random=lambda: 0.5) as link:
            gateway = Gateway(link)
            await link.subscribe(topic(TOWN, "+", "command"))
            await link.connected()
            listening = asyncio.create_task(gateway.listen())
            yield Running(town, supervisor, child, gateway, port)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def acknowledged(running: Running) -> bool:
    lists = (await running.get("/v1/staff/fleet"))["status_lists"]
    return bool(lists) and all(e["acknowledged_version"] == e["version"] for e in lists)


async def test_status_list_survives_a_kill_and_is_repeated_until_the_lock_has_it(
    running: Running,
) -> None:
    gateway, office = running.gateway, running.office
    office.take(FIRST)
    office.take(CHANGES)
    await until(lambda: len({c.id for c in gateway.of(StatusPut)}) == 2)
    assert not await acknowledged(running)
    await running.kill()
    before = len(gateway.of(StatusPut))
    await until(lambda: len(gateway.of(StatusPut)) >= before + 2)
    gateway.answers = True
    await until(lambda: acknowledged(running))
    document = gateway.of(StatusPut)[-1].document
    assert statuslist.parse(document)[1].version == 1


async def test_lock_that_reports_an_older_list_gets_it_again(running: Running) -> None:
    gateway, office = running.gateway, running.office
    office.take(FIRST)
    office.take(CHANGES)
    gateway.answers = True
    await until(lambda: acknowledged(running))
    before = len(gateway.of(StatusPut))
    await gateway.say("bbbbbbbb", "state", LockState(reachable=True, seen_at=1, status_version=0))
    await until(lambda: len(gateway.of(StatusPut)) > before)


async def test_lock_is_reachable_only_while_a_gateway_is_there(running: Running) -> None:
    async def reachable() -> Any:
        lock = (await running.get("/v1/rooms"))[1]["lock"]
        return lock and lock["reachable"]

    gateway = running.gateway
    for online in (True, False):
        await gateway.say("gw-1", "state", GatewayState(online=online))
        await until(lambda wanted=online: is_online(running, wanted))
        await gateway.say("bbbbbbbb", "state", LockState(reachable=True, seen_at=1))
        if online:
            await until(reachable)
    assert await reachable() is False


async def test_gateway_that_stops_beating_is_gone_though_its_will_never_comes(
    running: Running,
) -> None:
    gateway = running.gateway
    await listening(running)
    await gateway.say("gw-1", "state", GatewayState(online=True, beats_every_s=1))
    await until(lambda: is_online(running, False))


async def test_event_is_acknowledged_after_commit_and_again_after_a_kill(running: Running) -> None:
    gateway, office = running.gateway, running.office
    await listening(running)
    lock = office.locks[0]
    lock.record(audit.DOOR_STATE, audit.DOOR_OPEN)
    raw, seal = lock.parcel(office.service.vault.public_keys, lock.records)
    event = AuditEvent(id="e-1", lock=lock.lock_id, parcel=raw, seal=seal)
    forged = AuditEvent(id="e-2", lock=lock.lock_id, parcel=raw, seal=bytes(16))
    for message in (event, event, forged):
        await gateway.say("gw-1", "event", message)
    await until(lambda: len(gateway.of(EventAck)) == 3)
    assert {device for device, c in gateway.heard if isinstance(c, EventAck)} == {"gw-1"}
    with office.service.database.read() as session:
        assert session.query(AuditRecord).count() == 1
    await running.kill()
    async with asyncio.timeout(BOUND_S):
        while len(gateway.of(EventAck)) < 4:  # as a gateway's outbox does
            await gateway.say("gw-1", "event", event)
            await asyncio.sleep(0.1)
    lines = await running.get("/v1/staff/audit")
    assert [line["event"] for line in lines] == ["DoorState"]
    alarms = await running.get("/v1/staff/alarms")
    assert [(a["kind"], a["times"]) for a in alarms] == [("AUDIT_BAD_SEAL", 1)]


async def test_records_are_acknowledged_to_the_lock_once_they_are_kept(running: Running) -> None:
    gateway, office = running.gateway, running.office
    gateway.answers = True
    await listening(running)
    lock = office.locks[0]
    for seq in (1, 2, 3):
        lock.record(audit.DOOR_STATE, audit.DOOR_OPEN)
        raw, seal = lock.parcel(office.service.vault.public_keys, lock.records)
        event = AuditEvent(id=f"e-{seq}", lock=lock.lock_id, parcel=raw, seal=seal)
        await gateway.say("gw-1", "event", event)
    await until(lambda: [c for c in gateway.of(DocumentPut) if c.version == 3])
    last = gateway.of(DocumentPut)[-1]
    signed, head = audit.parse_ack(last.document)
    keyset = office.service.keyset.keyset
    assert verify_document(keyset, CRYPTO, signed, ROLE_ACK, audit.ACK_CONTEXT)
    assert (last.what, head.seq, head.record_hash) == ("ack", 3, lock.head().record_hash)
    await until(lambda: delivered(running))


async def delivered(running: Running) -> bool:
    told = (await running.get("/v1/staff/fleet"))["documents"]
    return bool(told) and all(d["acknowledged_version"] == d["version"] for d in told)


async def test_lock_that_asks_for_the_time_is_answered_at_once(running: Running) -> None:
    gateway = running.gateway
    await listening(running)
    before = (await running.get("/v1/town"))["now"]
    short = TimeRequest(id="t-bad", lock="bbbbbbbb", nonce=b"short")
    await gateway.say("gw-1", "request", short)
    good = TimeRequest(id="t-16", lock="bbbbbbbb", nonce=bytes(16))
    async with asyncio.timeout(BOUND_S):
        while not gateway.of(TimeAnswer):
            await gateway.say("gw-1", "request", good)
            await asyncio.sleep(0.1)
    after = (await running.get("/v1/town"))["now"]
    answer = gateway.of(TimeAnswer)[0]
    assert {told.id for told in gateway.of(TimeAnswer)} == {"t-16"}
    signed, told = signedtime.parse(answer.document)
    keyset = running.office.service.keyset.keyset
    assert verify_document(keyset, CRYPTO, signed, ROLE_TIME, signedtime.TIME_CONTEXT)
    assert (answer.id, told.lock_id, told.nonce, told.error_s) == ("t-16", "bbbbbbbb", bytes(16), 2)
    assert before <= told.t <= after


async def test_lock_with_an_older_keyset_gets_the_newest(running: Running) -> None:
    gateway = running.gateway
    gateway.answers = True
    keyset = running.office.service.keyset
    newer = LockState(reachable=True, seen_at=1, keyset_version=keyset.keyset.version)
    await gateway.say("aaaaaaaa", "state", newer)
    with running.office.service.database.write() as session:
        report = LockState(reachable=True, seen_at=1, keyset_version=1)
        assert note_lock(session, "bbbbbbbb", report, 1)
        other = SignedKeyset(b"document", replace_version(keyset.keyset, 2))
        offer_keyset(session, "bbbbbbbb", other, 1)
    await until(lambda: gateway.of(DocumentPut))
    (put,) = gateway.of(DocumentPut)
    assert (put.what, put.version, put.document) == ("keyset", 2, b"document")


def replace_version(keyset: Keyset, version: int) -> Keyset:
    rows = list(keyset.keys.values())
    return Keyset(keyset.town, version, 1, rows, keyset.vaults, keyset.roots)


async def test_relay_reaches_the_lock_and_a_lost_gateway_is_noticed(running: Running) -> None:
    gateway = running.gateway
    now = (await running.get("/v1/town"))["now"]
    body = {"room_id": "room-1", "starts_at": now, "ends_at": now + 3600, "holder_name": "x"}
    link = (await running.post("/v1/bookings", body)).json()["key_link"]
    phone = Phone()
    claim = {"secret": link.partition("#")[2], "device_key": phone.device_key}
    ticket = (await running.post("/v1/keys/claim", claim)).json()["relay_ticket"]
    hello = {"lock_id": "aaaaaaaa", "message": "AQI"}
    assert (await running.post("/v1/relay", hello, ticket)).json()["code"] == "GATEWAY_OFFLINE"

    gateway.answers = True
    await gateway.say("gw-1", "state", GatewayState(online=True, version="1"))
    await until(lambda: is_online(running, True))
    opened = await running.post("/v1/relay", hello, ticket)
    assert opened.json()["message"] == "Y2hhbGxlbmdl"
    assert gateway.of(RelayOpen)[0].message == b"\x01\x02"

    connection = gateway.link._current
    assert connection is not None
    connection.client._client._sock_close()  # the cable is pulled: no DISCONNECT, so the will
    await until(lambda: is_online(running, False))


async def is_online(running: Running, wanted: bool) -> bool:
    gateways = (await running.get("/v1/town"))["gateways"]
    return bool(gateways) and gateways[0]["online"] is wanted


async def test_garbage_on_every_topic_is_dropped_and_the_service_goes_on(running: Running) -> None:
    await listening(running)
    gateway = running.gateway
    for channel in ("state", "event", "request", "response"):
        for payload in (b"", b"\xff", b"{}", b"[" * 5000, b'{"kind":"audit"}', b"x" * 70_000):
            await gateway.link.publish(topic(TOWN, "gw-1", channel), payload)
    await gateway.link.publish(topic(TOWN, "../x y", "event"), b"{}")
    await gateway.say("zzzzzzzz", "state", LockState(reachable=True, seen_at=1))
    await gateway.say("gw-1", "state", GatewayState(online=True))
    await until(lambda: is_online(running, True))
    assert running.child.restarts == 0
    kinds = [alarm["kind"] for alarm in await running.get("/v1/staff/alarms")]
    assert sorted(kinds) == ["GATEWAY_GARBAGE", "UNKNOWN_LOCK"]


async def test_service_stops_in_order_when_asked(running: Running) -> None:
    await running.supervisor.stop_child("cloud")
    assert running.child.exit_code == 0
    log = (running.office.folder / "cloud.log").read_text()
    assert "Traceback" not in log
    assert json.dumps(STAFF) not in log
