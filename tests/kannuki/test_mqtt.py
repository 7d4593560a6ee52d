"""The MQTT link and our own broker, on a real Mosquitto that gets killed."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kannuki.backoff import Backoff
from kannuki.broker import BrokerFiles, broker_spec, config_text
from kannuki.mqtt import LinkClosed, LinkSettings, MqttLink, Received, Will
from kannuki.settings import free_port
from kannuki.supervisor import Child, Supervisor

BOUND_S = 30
KEPT_S = 3600


@dataclass
class Town:
    """A broker under supervision, and links to it."""

    supervisor: Supervisor
    broker: Child
    port: int

    def link(
        self,
        client_id: str,
        on_connected: Callable[[MqttLink], Any] | None = None,
        **changes: Any,
    ) -> MqttLink:
        settings = LinkSettings(
            "127.0.0.1",
            self.port,
            client_id,
            backoff=Backoff(first_s=0.02, max_s=0.2),
            **changes,
        )
        return MqttLink(settings, random=lambda: 0.5, on_connected=on_connected)

    async def until_kept(self, word: bytes) -> None:
        """Waits until Mosquitto has saved a message: it acknowledges first and saves then."""
        database = self.supervisor.data_dir / "broker" / "mosquitto.db"
        async with asyncio.timeout(BOUND_S):
            while not database.exists() or word not in database.read_bytes():
                await asyncio.sleep(0.01)

    def kill_broker(self) -> None:
        assert self.broker.pid is not None
        os.kill(self.broker.pid, signal.SIGKILL)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    port, folder = free_port(), tmp_path / "a town"
    async with Supervisor("test", folder, tmp_path / "run") as supervisor:
        broker = await supervisor.start(broker_spec(folder / "broker", port))
        yield Town(supervisor, broker, port)


async def take(link: MqttLink, count: int) -> list[Received]:
    messages = link.messages()
    async with asyncio.timeout(BOUND_S):
        return [await anext(messages) for _ in range(count)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_message_arrives_with_topic_payload_and_quality(town: Town) -> None:
    async with town.link("here") as here, town.link("there") as there:
        await here.subscribe("t/+")
        await here.connected()
        await there.publish("t/x", b"\x00\xff")
        assert await take(here, 1) == [Received("t/x", b"\x00\xff", retain=False, qos=1)]


async def test_after_a_killed_broker_retained_state_and_the_queue_of_the_absent_are_there(
    town: Town,
) -> None:
    async with town.link("absent", session_expiry_s=KEPT_S) as absent:
        await absent.subscribe("event/#")
        await absent.connected()
    async with town.link("there") as there:
        await there.publish("event/1", b"first-event")
        await there.publish("state/1", b"kept-state", retain=True)
        await town.until_kept(b"first-event")
        await town.until_kept(b"kept-state")
        town.kill_broker()
        await there.publish("event/2", b"second-event")
        assert town.broker.restarts == 1
    async with town.link("absent", session_expiry_s=KEPT_S) as absent:
        await absent.subscribe("event/#")
        assert [m.payload for m in await take(absent, 2)] == [b"first-event", b"second-event"]
        await absent.subscribe("state/#")
        assert [(m.payload, m.retain) for m in await take(absent, 1)] == [(b"kept-state", True)]


async def test_a_link_comes_back_by_itself_subscribes_again_and_says_hello_again(
    town: Town,
) -> None:
    async def hello(link: MqttLink) -> None:
        await link.publish("hello", b"%d" % link.connections)

    async with town.link("here", on_connected=hello) as here:
        await here.subscribe("hello")
        assert [m.payload for m in await take(here, 1)] == [b"1"]
        town.kill_broker()
        assert [m.payload for m in await take(here, 1)] == [b"2"]
        assert here.is_connected


async def test_a_publish_in_flight_when_the_broker_stops_is_sent_again(town: Town) -> None:
    async with town.link("here", session_expiry_s=KEPT_S) as here, town.link("there") as there:
        await here.subscribe("t")
        await here.connected()
        await there.connected()
        await town.supervisor.stop_child("broker")
        publishing = [asyncio.create_task(there.publish("t", b"%d" % n)) for n in range(20)]
        await until(lambda: not there.is_connected)
        assert not any(task.done() for task in publishing)
        await town.supervisor.start_child("broker")
        await asyncio.wait_for(asyncio.gather(*publishing), BOUND_S)
        assert {m.payload for m in await take(here, 20)} == {b"%d" % n for n in range(20)}


async def test_a_silent_broker_is_given_up_and_the_publish_repeated(town: Town) -> None:
    async with town.link("there", ack_within_s=0.3) as there:
        await there.connected()
        assert town.broker.pid is not None
        os.kill(town.broker.pid, signal.SIGSTOP)
        publishing = asyncio.create_task(there.publish("t", b"x"))
        await until(lambda: not there.is_connected)
        os.kill(town.broker.pid, signal.SIGCONT)
        await asyncio.wait_for(publishing, BOUND_S)
        assert there.connections >= 2


async def test_a_command_that_expires_before_the_broker_has_it_is_never_sent(
    town: Town,
) -> None:
    async with town.link("here", session_expiry_s=KEPT_S) as here, town.link("there") as there:
        await here.subscribe("command")
        await here.connected()
        await there.connected()
        await town.supervisor.stop_child("broker")
        with pytest.raises(TimeoutError):
            await there.publish("command", b"unlock", expires_after_s=0.2)
        await town.supervisor.start_child("broker")
        await there.publish("command", b"later")
        assert [m.payload for m in await take(here, 1)] == [b"later"]


async def test_a_command_that_expires_in_the_brokers_queue_does_not_arrive(town: Town) -> None:
    async with town.link("absent", session_expiry_s=KEPT_S) as absent:
        await absent.subscribe("command")
        await absent.connected()
    async with town.link("there") as there:
        await there.publish("command", b"unlock", expires_after_s=1)
        await asyncio.sleep(2.5)
        await there.publish("command", b"later", expires_after_s=600)
    async with town.link("absent", session_expiry_s=KEPT_S) as absent:
        assert [m.payload for m in await take(absent, 1)] == [b"later"]


async def test_the_will_speaks_when_a_client_dies_and_not_when_it_leaves(town: Town) -> None:
    will = Will("state/gateway", b"gone")
    async with town.link("watch") as watch:
        await watch.subscribe("state/#")
        await watch.connected()
        async with town.link("leaves", will=will) as leaves:
            await leaves.connected()
        dies = await asyncio.create_subprocess_exec(
            "/usr/bin/env", "python3", "-c", _dying_client(town.port)
        )
        await dies.wait()
        (first,) = await take(watch, 1)
        assert first.payload == b"died"


def _dying_client(port: int) -> str:
    """A CONNECT with a will, by hand, then silence and a closed socket."""
    will = b"\x00\x00\x0dstate/gateway\x00\x04died"
    body = b"\x00\x04MQTT\x05\x0e\x00\x3c\x00\x00\x04dies" + will
    packet = bytes([0x10, len(body)]) + body
    return (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port})); "
        f"s.sendall({packet!r}); s.recv(4)"
    )


async def test_publishing_on_a_closed_link_is_an_error_not_a_wait(town: Town) -> None:
    async with town.link("there") as there:
        await there.connected()
    with pytest.raises(LinkClosed):
        await there.publish("t", b"x")
    with pytest.raises(LinkClosed):
        await take(there, 1)


async def test_a_fault_in_our_own_hook_is_not_swallowed(town: Town) -> None:
    async def faulty(_link: MqttLink) -> None:
        raise RuntimeError("a fault of ours")

    link = town.link("faulty", on_connected=faulty)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        async with link:
            with pytest.raises(LinkClosed):
                await take(link, 1)


async def test_leaving_while_publishes_wait_ends_them(town: Town) -> None:
    async with town.link("there") as there:
        await there.connected()
        await town.supervisor.stop_child("broker")
        waiting = asyncio.create_task(there.publish("t", b"x"))
        await until(lambda: not there.is_connected)
    with pytest.raises(LinkClosed):
        await asyncio.wait_for(waiting, BOUND_S)


async def test_the_brokers_folder_is_private_and_the_listener_is_this_machine(
    town: Town,
) -> None:
    folder = town.supervisor.data_dir / "broker"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert f"listener {town.port} 127.0.0.1\n" in (folder / "mosquitto.conf").read_text()


def test_a_broker_of_root_stays_root_and_of_a_user_says_nothing_of_users(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path, 1883)
    assert "\nuser root\n" in config_text(files, as_root=True)
    assert "user" not in config_text(files, as_root=False).split()
