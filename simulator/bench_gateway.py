"""`kannuki bench gateway`: what a gateway adds between broker and lock, and how much it relays.

The gateway program as it is installed, a real Mosquitto, bleak, D-Bus; the locks' real cores behind
a virtual radio that has no connection interval, so that what is left is computing. Phones relay
sessions of their own through it. Two baselines in the same run: a bare broker's round trip, and a
bare bleak write and its notification over the same radio. `added` is what a relayed command takes
beyond the medians of both. The town answers as it does in life: signed time, acknowledged events.
Everything runs on this machine: with many locks its cores are what is measured.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from bleak import BleakClient, BleakScanner

from firmware.core.identity import Identity
from kannuki import messages
from kannuki.broker import broker_spec
from kannuki.enrolment import EnrolmentFile, GatewayFile, LockCredential, write_file
from kannuki.messages import (
    AuditEvent,
    CommandResult,
    EventAck,
    LockState,
    Message,
    RelayClose,
    RelayOpen,
    RelaySend,
    TimeAnswer,
    TimeRequest,
)
from kannuki.settings import free_port
from kannuki.supervisor import ChildSpec, Supervisor
from protocol import frames, gatt, holder, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from simulator.core_peripheral import CorePeripheral
from simulator.radio.air import Air
from simulator.radio.dbus import prepare_bus
from simulator.town_keys import JOURNAL_EPOCH, TOWN, TownKeys
from simulator.virtual.lock import VirtualLock

LABEL = "virtual radio, no connection interval"
GATEWAY = "gw-1"
COUNTS = (1, 16, 64)
MAX_LINKS = 3
REQUESTS = 12  # in one relayed session, after its challenge and outcome
BUDGET_S = 44.0  # the command has 50 s, its start and its end among them
START_AND_STOP_S = 4.0  # of one gateway
GREETED_WITHIN_S = 8.0
STOP_WITHIN_S = 1.0  # its store is thrown away
ANSWER_WITHIN_S = 10.0
BROKER_TRIPS, BLEAK_TRIPS = 200, 100
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def run(full: bool) -> dict[str, Any]:
    """The figures; `full` measures eight times as long."""
    return run_for(COUNTS, *((24.0, 300.0) if full else (3.0, BUDGET_S)))


def run_for(counts: tuple[int, ...], seconds: float, budget_s: float = BUDGET_S) -> dict[str, Any]:
    """The figures for so many locks each, measured for so long each.

    A machine too busy to do it all within `budget_s` leaves out the larger numbers of locks, and
    says which.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), counts, seconds, budget_s))


async def _measure(
    folder: Path, counts: tuple[int, ...], seconds: float, budget_s: float
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    ends_at = time.perf_counter() + budget_s
    async with _building(folder, max(counts)) as building:
        broker = await _bare_broker(building.port)
        bleak = await _bare_bleak(building)
        told |= _percentiles("bare_broker_round_trip", broker)
        told |= _percentiles("bare_bleak_write", [each[0] for each in bleak])
        told |= _percentiles("bare_bleak_notify", [each[1] for each in bleak])
        hop_ms = statistics.median(broker) / 2
        write_ms = statistics.median(each[0] for each in bleak)
        notify_ms = statistics.median(each[1] for each in bleak)
        for count in counts:
            left_s = ends_at - time.perf_counter() - seconds - START_AND_STOP_S
            if left_s <= 0:
                told[f"locks_{count}"] = "left out: this machine is too busy"
                continue
            taken, began = await _relays(building, count, seconds, min(left_s, GREETED_WITHIN_S))
            down = [each.down_ms - hop_ms - write_ms for each in taken.trips]
            up = [each.up_ms - hop_ms - notify_ms for each in taken.trips]
            told |= _percentiles(f"locks_{count}_added_broker_to_gatt", down)
            told |= _percentiles(f"locks_{count}_added_gatt_to_broker", up)
            told |= _percentiles(f"locks_{count}_open_session", taken.opens)
            told[f"locks_{count}_relayed_commands_per_s"] = round(taken.commands / began, 1)
            told[f"locks_{count}_sessions_per_s"] = round(taken.sessions / began, 1)
            told[f"locks_{count}_refused_busy"] = taken.busy
            told[f"locks_{count}_greeted"] = taken.greeted
    return {**told, "links": MAX_LINKS, "note": LABEL}


def _percentiles(name: str, taken: list[float]) -> dict[str, float]:
    """Of milliseconds; nothing for nothing."""
    taken = sorted(taken)
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
    return {
        f"{name}_{label}_ms": round(taken[min(len(taken) - 1, int(len(taken) * share))], 2)
        for label, share in shares.items()
        if taken
    }


# --- the building ---


@dataclass
class Building:
    """Everything but the gateway, which is started anew for each number of locks."""

    folder: Path
    supervisor: Supervisor
    port: int
    bus_address: str
    keys: TownKeys
    locks: dict[str, CorePeripheral]
    enrolments: dict[str, EnrolmentFile]

    def credential(self, lock_id: str, permissions: int) -> Credential:
        now = int(time.time())
        details = {"signer": self.keys.staff, "issued_at": now}
        return self.keys.credential(
            self.enrolments[lock_id], now - 60, now + 86_400, permissions, **details
        )


@asynccontextmanager
async def _building(folder: Path, count: int) -> AsyncIterator[Building]:
    supervisor = Supervisor("bench-gateway", folder, folder / "registry")
    bus = prepare_bus(folder / "bus")
    air = Air()
    server = await asyncio.start_server(air.serve_client, "127.0.0.1", 0)
    air_port, port = server.sockets[0].getsockname()[1], free_port()
    building = Building(folder, supervisor, port, bus.address, TownKeys(), {}, {})
    try:

        async def bus_is_there() -> bool:
            return bus.socket.exists()

        await supervisor.start(broker_spec(folder / "broker", port))
        await supervisor.start(ChildSpec("bus", bus.argv, folder / "bus.log", ready=bus_is_there))
        hci = ("--hci", f"127.0.0.1:{air_port}", "--address", "F0:00:00:00:00:01")
        argv = (sys.executable, "-m", "simulator.radio.bluez", *hci)
        computer = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        await supervisor.start(ChildSpec("bluez", argv, folder / "bluez.log", env=computer))
        for number in range(count):
            await _hang_lock(building, air, number)
        yield building
    finally:
        for lock in building.locks.values():
            lock.close()
        await supervisor.stop()
        server.close()
        bus.clean_up()


async def _hang_lock(building: Building, air: Air, number: int) -> None:
    lock_id = "bench" + "".join(_ALPHABET[number // 32**place % 32] for place in (2, 1, 0))
    keys, now = building.keys, int(time.time())
    identity = Identity(TOWN, lock_id, JOURNAL_EPOCH, keys.public_roots, (now, 1))
    lock = VirtualLock(identity, keys.keyset_document(), lambda: int(time.time()))
    building.enrolments[lock_id] = EnrolmentFile(
        town=TOWN,
        lock_id=lock_id,
        public_key=lock.public_key,
        signing_key=lock.signing_key,
        journal_epoch=JOURNAL_EPOCH,
        enrolled_at=now,
    )
    building.locks[lock_id] = CorePeripheral(lock_id, lock, air, time.perf_counter)
    await building.locks[lock_id].start()


@asynccontextmanager
async def _gateway(building: Building, lock_ids: list[str]) -> AsyncIterator[None]:
    """The program, with a file and a store of its own."""
    folder = building.folder / f"gateway-{len(lock_ids)}"
    folder.mkdir()
    given = {lock_id: building.credential(lock_id, tokens.MAINTAIN) for lock_id in lock_ids}
    rows = [
        LockCredential(lock_id=lock_id, token=key.raw_token, proof_key=key.proof_keys[lock_id])
        for lock_id, key in given.items()
    ]
    content = GatewayFile(town=TOWN, gateway_id=GATEWAY, locks=rows)
    write_file(folder / "gateway.json", content, secret=True)
    argv = (
        *(sys.executable, "-m", "kannuki", "gateway", "run", "--ready"),
        *("--gateway-file", str(folder / "gateway.json"), "--data-dir", str(folder / "data")),
        *("--broker", f"127.0.0.1:{building.port}", "--max-links", str(MAX_LINKS)),
        *("--sync-interval-s", "3600"),
    )
    computer = {"DBUS_SYSTEM_BUS_ADDRESS": building.bus_address}
    name = f"gateway-{len(lock_ids)}"
    spec = ChildSpec(name, argv, folder / "log", env=computer, stop_within_s=STOP_WITHIN_S)
    await building.supervisor.start(spec)
    try:
        yield
    finally:
        await building.supervisor.stop_child(name)


# --- the two baselines ---


async def _bare_broker(port: int) -> list[float]:
    """Milliseconds of a message and its echo between two clients at QoS 1."""
    taken: list[float] = []
    async with _client(port) as one, _client(port) as other:
        await one.subscribe("bench/back", qos=1)
        await other.subscribe("bench/out", qos=1)

        async def echo() -> None:
            async for message in other.messages:
                await other.publish("bench/back", message.payload, qos=1)

        echoing = asyncio.create_task(echo())
        answers = aiter(one.messages)
        for number in range(BROKER_TRIPS):
            began = time.perf_counter()
            await one.publish("bench/out", bytes(400) + bytes([number % 256]), qos=1)
            await anext(answers)
            taken.append((time.perf_counter() - began) * 1000)
        await _end(echoing)
    return taken


async def _end(task: asyncio.Task[None]) -> None:
    """aiomqtt may swallow a cancellation that meets an acknowledgement."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
    if not task.cancelled():
        task.result()


async def _bare_bleak(building: Building) -> list[tuple[float, float]]:
    """(write, notify) milliseconds: a greeting until the lock has it, its challenge until we do."""
    taken: list[tuple[float, float]] = []
    lock_id, lock = next(iter(building.locks.items()))
    with _on_computer(building.bus_address):
        device = await BleakScanner.find_device_by_name(gatt.advertised_name(lock_id), 10.0)
        if device is None:
            raise RuntimeError("the virtual radio shows no lock")
        credential = building.credential(lock_id, tokens.MAINTAIN)
        async with BleakClient(device) as client:
            link = _BareLink(client)
            await client.start_notify(gatt.TX_UUID, link.hear)
            phone = HolderSession(credential, session.COMMAND_SYNC, os.urandom)
            ((_, hello),) = phone.start()
            ((_, presentation),) = phone.receive(await link.ask(hello))
            phone.receive(await link.ask(presentation))
            for _ in range(BLEAK_TRIPS):
                ((_, request),) = phone.request(session.REQUEST_STATE, None)
                began = time.perf_counter()
                phone.receive(await link.ask(request))
                heard, said = lock.heard_at, lock.said_at
                taken.append(((heard - began) * 1000, (link.heard_at - said) * 1000))
    return taken


class _BareLink:
    """Whole messages over one bleak connection."""

    def __init__(self, client: BleakClient) -> None:
        self.heard_at = 0.0
        self._client = client
        self._inbox = frames.Reassembler()
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()

    def hear(self, _from: object, data: bytearray) -> None:
        message = self._inbox.push(bytes(data))
        if message is not None:
            self.heard_at = time.perf_counter()
            self._messages.put_nowait(message)

    async def ask(self, message: bytes) -> bytes:
        for fragment in frames.fragment(message, 182):
            await self._client.write_gatt_char(gatt.RX_UUID, fragment, response=True)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await self._messages.get()


@contextmanager
def _on_computer(bus_address: str) -> Iterator[None]:
    """bleak looks for its bus in the environment."""
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus_address
    try:
        yield
    finally:
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        if before is not None:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


def _client(port: int) -> aiomqtt.Client:
    """Says each packet at once, as the gateway does."""
    at_once = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    version = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client("127.0.0.1", port, protocol=version, socket_options=at_once)


# --- relays ---


@dataclass(frozen=True)
class Trip:
    """One relayed command: to the lock, and from it."""

    down_ms: float
    up_ms: float


@dataclass
class Taken:
    """What the phones of one run saw."""

    trips: list[Trip] = field(default_factory=list)
    opens: list[float] = field(default_factory=list)
    commands: int = 0
    sessions: int = 0
    busy: int = 0
    greeted: int = 0


class Town:
    """The town's end of the broker: sends commands, hears answers, signs time, takes records."""

    def __init__(self, building: Building, client: aiomqtt.Client) -> None:
        self.greeted: set[str] = set()
        self._keys = building.keys
        self._client = client
        self._answers: dict[str, asyncio.Future[tuple[CommandResult, float]]] = {}
        self._numbers = iter(range(1 << 62))

    async def hear(self) -> None:
        """Until cancelled."""
        for channel in ("state", "response", "request", "event"):
            await self._client.subscribe(messages.topic(TOWN, "+", channel), qos=1)
        async for received in self._client.messages:
            at, parts = time.perf_counter(), messages.split_topic(str(received.topic))
            if parts is not None and isinstance(received.payload, bytes):
                await self._take(parts[1], messages.decode(parts[2], received.payload), at)

    async def ask(self, lock_id: str, kind: type[Message], **said: Any) -> tuple[Any, float, float]:
        """(result, sent at, heard at) of one command."""
        name = f"b{next(self._numbers)}"
        command = kind(id=name, expires_at=int(time.time()) + 30, **said)
        waiting = self._answers[name] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await self._say(lock_id, command)
        async with asyncio.timeout(ANSWER_WITHIN_S + 10):
            result, at = await waiting
        return result, began, at

    async def _say(self, device: str, command: Message) -> None:
        topic = messages.topic(TOWN, device, "command")
        await self._client.publish(topic, messages.encode(command), qos=1)

    async def _take(self, device: str, message: Message, at: float) -> None:
        if isinstance(message, CommandResult) and message.id in self._answers:
            self._answers.pop(message.id).set_result((message, at))
        elif isinstance(message, TimeRequest):
            now = int(time.time())
            document = self._keys.time_answer(message.lock, message.nonce, now)
            told = TimeAnswer(id=message.id, document=document, expires_at=now + 10)
            await self._say(message.lock, told)
        elif isinstance(message, AuditEvent):
            await self._say(device, EventAck(ids=[message.id]))
        elif isinstance(message, LockState) and message.reachable:
            self.greeted.add(device)


async def _relays(
    building: Building, count: int, seconds: float, greeted_within_s: float
) -> tuple[Taken, float]:
    """What phones saw in that time, and how long it was; they go from lock to lock."""
    lock_ids, taken = list(building.locks)[:count], Taken()
    async with _client(building.port) as client:
        town = Town(building, client)
        hearing = asyncio.create_task(town.hear())
        async with _gateway(building, lock_ids):
            await _until_greeted(town, lock_ids, greeted_within_s)
            taken.greeted = len(town.greeted & set(lock_ids))
            keys = {lock: building.credential(lock, tokens.MAINTAIN) for lock in lock_ids}
            began = time.perf_counter()
            phones = min(count, MAX_LINKS)
            walks = [
                _walk(building, town, keys, lock_ids[place::phones], began + seconds, taken)
                for place in range(phones)
            ]
            await asyncio.gather(*walks)
            took = time.perf_counter() - began
        await _end(hearing)
    return taken, took


async def _until_greeted(town: Town, lock_ids: list[str], within_s: float) -> None:
    """The gateway looks after every lock once before it is measured, if this machine can."""
    ends = time.perf_counter() + within_s
    while not town.greeted >= set(lock_ids) and time.perf_counter() < ends:
        await asyncio.sleep(0.05)


async def _walk(
    building: Building,
    town: Town,
    keys: dict[str, Credential],
    lock_ids: list[str],
    ends_at: float,
    taken: Taken,
) -> None:
    while time.perf_counter() < ends_at:
        for lock_id in lock_ids:
            await _one_session(building.locks[lock_id], town, keys[lock_id], taken)
            if time.perf_counter() >= ends_at:
                return


async def _one_session(lock: CorePeripheral, town: Town, key: Credential, taken: Taken) -> None:
    """A phone of staff: greets, proves itself, asks some things, hangs up."""
    name, phone = f"s{os.urandom(6).hex()}", HolderSession(key, session.COMMAND_SYNC, os.urandom)
    ((_, message),) = phone.start()
    result, began, at = await town.ask(lock.lock_id, RelayOpen, session=name, message=message)
    if not result.ok:
        taken.busy += 1
        return
    taken.opens.append((at - began) * 1000)
    taken.commands += 1
    ((_, message),) = phone.receive(result.message)
    for number in range(REQUESTS + 1):
        result, began, at = await town.ask(lock.lock_id, RelaySend, session=name, message=message)
        if not result.ok:
            taken.busy += 1
            return
        taken.commands += 1
        taken.trips.append(Trip((lock.heard_at - began) * 1000, (at - lock.said_at) * 1000))
        event = phone.receive(result.message)[-1]
        if event[0] not in (holder.OUTCOME, holder.REPLY):
            raise RuntimeError(f"the lock's answer {number} came back changed")
        ((_, message),) = phone.request(session.REQUEST_STATE, None)
    await town.ask(lock.lock_id, RelayClose, session=name)
    taken.commands += 1
    taken.sessions += 1
