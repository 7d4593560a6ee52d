"""The gateway program on real parts: Mosquitto, bleak, a virtual radio; things get killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from kannuki import messages
from kannuki.broker import BrokerFiles, write_config
from kannuki.enrolment import GatewayFile, LockCredential, write_file
from kannuki.messages import CommandResult, GatewayState, Message, RelayClose, RelayOpen
from kannuki.settings import free_port
from tests.gateway.fakelock import LOCK_A, LOCK_B, credential
from tests.gateway.radio import BOUND_S, Computer, Process, SimulatedTown, start_echo_lock
from tests.traffic import Recorder, read_rules

pytestmark = pytest.mark.slow

TOWN, GATEWAY = "test-town", "gw-1"
SOON = 1 << 39


class Building:
    """A broker, a computer with Bluetooth, an echoing lock, a gateway program, and a cloud."""

    def __init__(self, folder: Path) -> None:
        self.town = SimulatedTown(folder)
        self.folder = folder
        self.port = free_port()
        self.gateway_file = folder / "gateway.json"
        self.computer: Computer
        self.broker: Process
        self.gateway: Process
        self.chip: Process

    async def start(self) -> None:
        self.write_file([LOCK_A])
        await self.start_broker()
        await self.town.start_world()
        self.computer = await self.town.start_computer()
        self.chip = await start_echo_lock(self.town)
        await self.start_gateway()

    def write_file(self, locks: list[str]) -> None:
        keys = {lock: credential(lock) for lock in locks}
        entries = [
            LockCredential(lock_id=lock, token=key.raw_token, proof_key=key.proof_keys[lock])
            for lock, key in keys.items()
        ]
        content = GatewayFile(town=TOWN, gateway_id=GATEWAY, locks=entries)
        write_file(self.gateway_file, content, secret=True)

    async def start_broker(self) -> None:
        files = BrokerFiles(self.folder / "broker", self.port)
        write_config(files)
        path = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
        self.broker = await self.town.start(
            "mosquitto", "-c", str(files.config), log="broker", PATH=path
        )

    async def start_gateway(self) -> None:
        self.gateway = await self.town.start(
            sys.executable,
            *("-m", "kannuki", "gateway", "run", "--ready"),
            *("--gateway-file", str(self.gateway_file)),
            *("--broker", f"127.0.0.1:{self.port}"),
            *("--data-dir", str(self.folder / "data")),
            *("--sync-interval-s", "3600"),
            ready=True,
            log="gateway",
            DBUS_SYSTEM_BUS_ADDRESS=self.computer.bus_address,
        )


@contextlib.asynccontextmanager
async def cloud(port: int) -> AsyncIterator[aiomqtt.Client]:
    """A client that hears everything of the town; waits until the broker listens."""
    async with asyncio.timeout(BOUND_S):
        while True:
            client = aiomqtt.Client(
                "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, timeout=BOUND_S
            )
            try:
                await client.__aenter__()
                break
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)
    try:
        await client.subscribe(messages.topic(TOWN, "+", "response"), qos=1)
        await client.subscribe(messages.topic(TOWN, "+", "state"), qos=1)
        yield client
    finally:
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def say(client: aiomqtt.Client, lock: str, command: Message) -> None:
    topic = messages.topic(TOWN, lock, "command")
    await client.publish(topic, messages.encode(command), qos=1)


async def answer(client: aiomqtt.Client, command_id: str) -> CommandResult:
    async with asyncio.timeout(BOUND_S):
        async for received in client.messages:
            _, _, channel = messages.split_topic(received.topic.value)
            message = messages.decode(channel, received.payload)
            if isinstance(message, CommandResult) and message.id == command_id:
                return message
    raise AssertionError("no answer")


async def relay(port: int, name: str, text: bytes, lock: str = LOCK_A) -> CommandResult:
    """One relay session whose first message the lock echoes; asks again like a patient phone."""
    async with cloud(port) as client, asyncio.timeout(BOUND_S * 2):
        for attempt in range(100):
            command = RelayOpen(id=f"{name}-{attempt}", session=name, message=text, expires_at=SOON)
            await say(client, lock, command)
            with contextlib.suppress(TimeoutError):
                result = await asyncio.wait_for(answer(client, command.id), 8)
                if result.ok:
                    close = RelayClose(id=f"{name}-close", session=name, expires_at=SOON)
                    await say(client, lock, close)
                    await answer(client, close.id)
                    return result
            await asyncio.sleep(0.2)
    raise AssertionError("never answered ok")


async def gateway_state(client: aiomqtt.Client, online: bool) -> GatewayState:
    async with asyncio.timeout(BOUND_S * 2):
        async for received in client.messages:
            _, device, channel = messages.split_topic(received.topic.value)
            if (device, channel) == (GATEWAY, "state"):
                state = messages.decode("state", received.payload)
                assert isinstance(state, GatewayState)
                if state.online == online:
                    return state
    raise AssertionError("never said")


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Building]:
    made = Building(tmp_path)
    try:
        await made.start()
        async with Recorder(made.port) as hears:
            yield made
        rules = read_rules()
        told = [seen for seen in hears.seen if rules.sender(seen.topic) == "gateway"]
        assert [fault for seen in told for fault in rules.faults(seen)] == []
    finally:
        await made.town.stop()


async def test_a_message_passes_from_cloud_to_lock_and_back(building):
    message = bytes(range(200)) * 3
    assert (await relay(building.port, "s1", message)).message == message


async def test_garbage_on_every_topic_leaves_the_gateway_at_work(building):
    async with cloud(building.port) as client:
        for device in (GATEWAY, LOCK_A):
            for payload in (b"", b"\xff" * 500, b"[" * 60000, b'{"kind":"relay_open"}'):
                topic = messages.topic(TOWN, device, "command")
                await client.publish(topic, payload, qos=1)
    assert (await relay(building.port, "s1", b"still here")).message == b"still here"


async def test_the_broker_may_be_killed(building):
    await relay(building.port, "s1", b"before")
    building.broker.kill()
    await building.broker.wait()
    await building.start_broker()
    assert (await relay(building.port, "s2", b"after")).message == b"after"


async def test_the_gateway_may_be_killed_and_its_will_says_so(building):
    await relay(building.port, "s1", b"before")
    async with cloud(building.port) as client:
        await gateway_state(client, online=True)
        building.gateway.kill()
        await gateway_state(client, online=False)
        await building.start_gateway()
        await gateway_state(client, online=True)
    assert (await relay(building.port, "s2", b"after")).message == b"after"


async def test_a_gateway_told_to_stop_says_goodbye_and_ends_well(building):
    async with cloud(building.port) as client:
        await gateway_state(client, online=True)
        building.gateway.kill(signal.SIGTERM)
        await gateway_state(client, online=False)
    assert await building.gateway.wait() == 0


async def test_the_lock_may_lose_its_power(building):
    await relay(building.port, "s1", b"before")
    building.chip.kill()
    await building.chip.wait()
    building.chip = await start_echo_lock(building.town)
    assert (await relay(building.port, "s2", b"after")).message == b"after"


async def test_the_bluetooth_service_may_be_killed(building):
    await relay(building.port, "s1", b"before")
    building.computer.bluez.kill()
    await building.computer.bluez.wait()
    await building.town.start_bluez(building.computer.bus_address, building.computer.address)
    assert (await relay(building.port, "s2", b"after")).message == b"after"


async def test_dbus_may_be_killed(building):
    await relay(building.port, "s1", b"before")
    building.computer.bluez.kill()
    building.computer.bus.kill()
    await building.computer.bus.wait()
    again = await building.town.start_computer()
    assert again.bus_address == building.computer.bus_address
    assert (await relay(building.port, "s2", b"after")).message == b"after"


async def test_a_changed_gateway_file_is_adopted_without_a_restart(building):
    building.write_file([LOCK_B])
    async with cloud(building.port) as client:
        command = RelayOpen(id="b-1", session="b", message=b"x", expires_at=SOON)
        async with asyncio.timeout(BOUND_S):
            while True:
                await say(client, LOCK_B, command)
                with contextlib.suppress(TimeoutError):
                    result = await asyncio.wait_for(answer(client, "b-1"), 1)
                    break
    assert result.error in ("UNREACHABLE", "BUSY")
    assert building.gateway.child.returncode is None


async def test_a_gateway_file_that_cannot_be_used_is_not_adopted(building):
    building.gateway_file.write_text("{")
    await asyncio.sleep(1.5)
    assert (await relay(building.port, "s1", b"as before")).message == b"as before"
