"""The MQTT link over TLS, on a real Mosquitto: who is refused, in which words; a bad line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kannuki.broker_options import AccessFiles
from kannuki.messages import topic
from kannuki.mqtt import MqttLink, Received, Will
from kannuki.settings import free_port
from kannuki.supervisor import Child, Supervisor
from tests.kannuki.lines import Line
from tests.kannuki.tls_town import DAY_S, HOST, TOWN, Issued, Papers, tls_broker_spec, tls_link

pytestmark = pytest.mark.slow

BOUND_S = 40
STATE = topic(TOWN, "gw-1", "state")
EVENT = topic(TOWN, "gw-1", "event")
COMMAND = topic(TOWN, "gw-1", "command")


@dataclass
class Town:
    """A broker with certificates, and who signs in to it."""

    papers: Papers
    supervisor: Supervisor
    port: int
    broker: Child | None = None

    async def start(self, server: Issued | None = None) -> None:
        spec = tls_broker_spec(
            self.papers.folder / "broker", self.port, self.papers, server or self.good_server()
        )
        self.broker = await self.supervisor.start(spec)

    def good_server(self) -> Issued:
        return self.papers.server([HOST])

    def kill_broker(self) -> None:
        assert self.broker is not None and self.broker.pid is not None
        os.kill(self.broker.pid, signal.SIGKILL)

    def gateway(
        self, issued: Issued | None = None, port: int | None = None, **how: Any
    ) -> MqttLink:
        issued = issued or self.papers.client("gw-1")
        return self.link(self.papers.files(issued), "misaki.gw-1", port, **how)

    def cloud(self, **how: Any) -> MqttLink:
        return self.link(self.papers.files(self.papers.client("cloud")), "misaki.cloud", **how)

    def link(
        self, files: AccessFiles, client_id: str, port: int | None = None, **how: Any
    ) -> MqttLink:
        return tls_link(port or self.port, files, client_id, **how)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Town]:
    """A town whose broker is not started yet."""
    async with Supervisor("test", tmp_path / "s", tmp_path / "run") as supervisor:
        yield Town(Papers(tmp_path / "papers"), supervisor, free_port())


@pytest.fixture
async def town(bare: Town) -> Town:
    await bare.start()
    return bare


async def take(link: MqttLink, count: int) -> list[Received]:
    messages = link.messages()
    async with asyncio.timeout(BOUND_S):
        return [await anext(messages) for _ in range(count)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.02)


class Said:
    """What the log says of connections."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog

    def complaints(self) -> list[str]:
        records = self._caplog.records
        return [r.getMessage() for r in records if r.levelno >= logging.WARNING]

    async def until(self, words: str) -> str:
        await until(lambda: any(words in each for each in self.complaints()))
        return next(each for each in self.complaints() if words in each)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    return Said(caplog)


async def test_gateway_and_cloud_meet_over_tls_and_properties_travel(town: Town) -> None:
    async with town.gateway() as gateway, town.cloud() as cloud:
        await gateway.subscribe(COMMAND)
        await gateway.connected()
        answers_to = topic(TOWN, "gw-1", "response")
        await cloud.publish(COMMAND, b"{}", response_topic=answers_to, correlation=b"c-1")
        assert await take(gateway, 1) == [
            Received(COMMAND, b"{}", False, 1, response_topic=answers_to, correlation=b"c-1")
        ]


# --- the client refuses the broker ---


def _expired(town: Town) -> Issued:
    return town.papers.server([HOST], -3 * DAY_S, -DAY_S)


def _not_yet(town: Town) -> Issued:
    return town.papers.server([HOST], DAY_S, 3 * DAY_S)


def _elsewhere(town: Town) -> Issued:
    return town.papers.server(["broker.example", "127.0.0.9"])


def _of_another_ca(town: Town) -> Issued:
    return Papers(town.papers.folder / "other").server([HOST])


def _a_clients(town: Town) -> Issued:
    return town.papers.client("gw-2")


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (_expired, "the broker's certificate has expired -> renew it on the broker"),
        (_not_yet, "not valid yet by this computer's clock -> set this clock"),
        (_elsewhere, "is for another host -> name the host as the certificate does"),
        (_of_another_ca, "is not from the CA in --broker-ca -> put this town's ca.crt there"),
        (_a_clients, "shows a certificate that is no broker's -> is this the broker's address?"),
    ],
)
async def test_a_broker_that_is_not_ours_is_refused_and_hears_nothing(
    bare: Town, said: Said, server: Callable[[Town], Issued], words: str
) -> None:
    await bare.start(server(bare))
    async with bare.gateway() as gateway:
        await said.until(words)
        assert gateway.connections == 0


async def test_a_revoked_broker_is_refused_by_who_has_the_list(bare: Town, said: Said) -> None:
    server = bare.good_server()
    await bare.start(server)
    bare.papers.revoke(server)
    files = bare.papers.files(bare.papers.client("gw-1"), crl=True)
    async with bare.link(files, "misaki.gw-1") as gateway:
        await said.until("the broker's certificate is revoked -> issue a new one for the broker")
        assert gateway.connections == 0


async def test_with_a_list_that_is_good_a_good_broker_is_believed(town: Town) -> None:
    files = town.papers.files(town.papers.client("gw-1"), crl=True)
    async with town.link(files, "misaki.gw-1") as gateway, asyncio.timeout(BOUND_S):
        await gateway.connected()


async def test_what_does_not_speak_tls_is_named(bare: Town, said: Said) -> None:
    async def chat(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 a mail server, it seems\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(chat, "127.0.0.1", bare.port):
        async with bare.gateway():
            await said.until("does not speak TLS -> name the broker's TLS port")


# --- the broker refuses the client ---


async def test_a_client_of_another_ca_is_refused_and_told_so(town: Town, said: Said) -> None:
    stranger = Papers(town.papers.folder / "other").client("gw-1")
    async with town.gateway(stranger) as gateway:
        await said.until("does not know the CA of our certificate -> use a certificate of this")
        assert gateway.connections == 0


async def test_a_revoked_client_is_refused_and_told_so(bare: Town, said: Said) -> None:
    issued = bare.papers.client("gw-1")
    bare.papers.revoke(issued)
    await bare.start()
    async with bare.gateway(issued) as gateway:
        await said.until("says that our certificate is revoked -> ask the town for a new one")
        assert gateway.connections == 0


async def test_an_expired_client_is_refused_by_itself_and_by_the_broker(
    town: Town, said: Said
) -> None:
    expired = town.papers.client("gw-1", -3 * DAY_S, -DAY_S)
    async with town.gateway(expired):
        told = await said.until("the certificate of misaki.gw-1 expired on 20")
        assert "put a renewed one in its place" in told
    two_days_ago = time.time() - 2 * DAY_S
    async with town.gateway(expired, wall=lambda: two_days_ago) as gateway:
        await said.until("the broker says that our certificate has expired -> renew it")
        assert gateway.connections == 0


async def test_a_refusal_is_said_once_and_not_at_every_attempt(town: Town, said: Said) -> None:
    stranger = Papers(town.papers.folder / "other").client("gw-1")
    tries: list[float] = []
    link = town.gateway(stranger)
    link._random = lambda: tries.append(0.0) or 0.5  # type: ignore[func-returns-value]
    async with link:
        await until(lambda: len(tries) >= 8)
    of_it = [each.partition(" -> ")[0] for each in said.complaints() if "misaki.gw-1" in each]
    assert sum("does not know the CA" in each for each in of_it) == 1, of_it
    # Who refuses may hang up before its alert is read: another thing to say, and once as well.
    assert len(of_it) == len(set(of_it)), of_it


async def test_what_the_acl_forbids_is_told_and_disturbs_nothing(town: Town, said: Said) -> None:
    async with town.gateway() as gateway, town.cloud() as cloud:
        await cloud.subscribe(topic(TOWN, "+", "event"))
        await cloud.connected()
        await gateway.publish(topic(TOWN, "gw-2", "event"), b"not mine")
        await gateway.publish(EVENT, b"mine")
        assert [m.payload for m in await take(cloud, 1)] == [b"mine"]
    await said.until("refuses a message of ours: Not authorized -> is this certificate's name")


# --- renewal ---


async def test_a_certificate_is_renewed_during_traffic_without_a_loss_or_a_will(
    town: Town,
) -> None:
    heard: list[bytes] = []
    states: list[bytes] = []
    stop = asyncio.Event()

    async def listen(cloud: MqttLink) -> None:
        async for received in cloud.messages():
            (heard if received.topic == EVENT else states).append(received.payload)

    async def speak(gateway: MqttLink) -> int:
        number = 0
        while not stop.is_set():
            await asyncio.gather(
                *(gateway.publish(EVENT, b"%d" % n) for n in range(number, number + 5))
            )
            number += 5
        return number

    issued = town.papers.client("gw-1")
    async with (
        town.cloud() as cloud,
        town.gateway(issued, will=Will(STATE, b"gone", delay_s=5)) as gateway,
    ):
        for channel in ("event", "state"):
            await cloud.subscribe(topic(TOWN, "+", channel))
        await cloud.connected()
        listening = asyncio.create_task(listen(cloud))
        speaking = asyncio.create_task(speak(gateway))
        for renewals in range(1, 4):
            await until(lambda: len(heard) > 50)
            heard_before = len(heard)
            serial = town.papers.client("gw-1").certificate.serial_number
            await until(lambda wanted=renewals: gateway.connections == 1 + wanted)
            assert gateway.settings.tls.current.serial == serial
            await until(lambda before=heard_before: len(heard) > before + 50)
        stop.set()
        said = await asyncio.wait_for(speaking, BOUND_S)
        await until(lambda: len(set(heard)) == said)
        listening.cancel()
    assert {int(each) for each in heard} == set(range(said))
    assert states == []


async def test_a_renewed_certificate_that_is_refused_leaves_the_old_connection_alone(
    town: Town, said: Said
) -> None:
    issued = town.papers.client("gw-1")
    async with town.gateway(issued) as gateway, asyncio.timeout(BOUND_S):
        await gateway.connected()
        strangers = Papers(town.papers.folder / "other").client("gw-1")
        strangers.key.replace(issued.key)
        strangers.cert.replace(issued.cert)
        await said.until("the renewed certificate gives no connection")
        await gateway.publish(EVENT, b"still here")
        assert gateway.connections == 1


# --- a bad line ---


async def test_a_killed_broker_costs_no_event_of_an_outbox(town: Town) -> None:
    """It may forget what it acknowledged: an outbox repeats until the far end itself has it."""
    heard: set[bytes] = set()

    async def listen(cloud: MqttLink) -> None:
        async for received in cloud.messages():
            heard.add(received.payload)

    async def bring_home(gateway: MqttLink, event: bytes) -> None:
        while event not in heard:
            await gateway.publish(EVENT, event)
            await asyncio.sleep(0.3)

    async with town.gateway() as gateway, town.cloud() as cloud:
        await cloud.subscribe(topic(TOWN, "+", "event"))
        await cloud.connected()
        await gateway.connected()
        listening = asyncio.create_task(listen(cloud))
        for round_ in range(2):
            town.kill_broker()
            wanted = [b"%d-%d" % (round_, n) for n in range(10)]
            async with asyncio.timeout(BOUND_S):
                await asyncio.gather(*(bring_home(gateway, each) for each in wanted))
        listening.cancel()
        assert town.broker is not None and town.broker.restarts == 2


async def test_a_line_that_dies_without_a_word_is_given_up_and_the_publish_repeated(
    town: Town,
) -> None:
    async with Line(town.port) as line, town.cloud() as cloud:
        await cloud.subscribe(topic(TOWN, "+", "event"))
        await cloud.connected()
        how = {"ack_within_s": 0.5, "connect_within_s": 0.5}
        async with town.gateway(port=line.port, **how) as gateway:
            await gateway.connected()
            line.go_silent()
            publishing = asyncio.create_task(gateway.publish(EVENT, b"through"))
            await until(lambda: not gateway.is_connected)
            assert not publishing.done()
            line.speak_again()
            await asyncio.wait_for(publishing, BOUND_S)
            assert [m.payload for m in await take(cloud, 1)] == [b"through"]


async def test_an_idle_line_that_dies_without_a_word_is_noticed_at_both_ends(town: Town) -> None:
    will = Will(STATE, b"gone", delay_s=1)
    async with Line(town.port) as line, town.cloud() as cloud:
        await cloud.subscribe(topic(TOWN, "+", "state"))
        await cloud.connected()
        async with town.gateway(port=line.port, will=will, keepalive_s=2) as gateway:
            await gateway.connected()
            line.go_silent()
            assert [m.payload for m in await take(cloud, 1)] == [b"gone"]
            await until(lambda: not gateway.is_connected)


async def test_a_slow_line_that_makes_progress_is_not_given_up(town: Town) -> None:
    """40 kB at 16 kB/s take longer than `ack_within_s`: to begin anew would never end."""
    async with Line(town.port, bytes_per_s=16_000) as line, town.cloud() as cloud:
        await cloud.subscribe(topic(TOWN, "+", "event"))
        await cloud.connected()
        async with town.gateway(port=line.port, ack_within_s=1.0) as gateway:
            await gateway.connected()
            wanted = [bytes([n]) * 4000 for n in range(10)]
            async with asyncio.timeout(BOUND_S):
                await asyncio.gather(*(gateway.publish(EVENT, each) for each in wanted))
            assert gateway.connections == 1
            assert line.went_up > 40_000
            assert sorted(m.payload for m in await take(cloud, 10)) == wanted


async def test_a_short_break_loses_no_command_and_brings_none_that_has_expired(
    town: Town,
) -> None:
    async with Line(town.port) as line, town.cloud() as cloud:
        async with town.gateway(port=line.port, connect_within_s=0.5) as gateway:
            await gateway.subscribe(COMMAND)
            await gateway.connected()
            line.go_silent()
            line.cut()
            await until(lambda: not gateway.is_connected)
            await cloud.publish(COMMAND, b"late", expires_after_s=1)
            await cloud.publish(COMMAND, b"good", expires_after_s=60)
            await asyncio.sleep(2.5)
            line.speak_again()
            assert [m.payload for m in await take(gateway, 1)] == [b"good"]
            await cloud.publish(COMMAND, b"next")
            assert [m.payload for m in await take(gateway, 1)] == [b"next"]


async def test_what_was_not_taken_comes_again_and_what_was_taken_does_not(town: Town) -> None:
    async with Line(town.port) as line, town.cloud() as cloud:
        async with town.gateway(port=line.port) as gateway:
            await gateway.subscribe(COMMAND)
            await gateway.connected()
            for word in (b"taken", b"in hand"):
                await cloud.publish(COMMAND, word)
            messages = gateway.messages()
            async with asyncio.timeout(BOUND_S):
                assert (await anext(messages)).payload == b"taken"
                assert (await anext(messages)).payload == b"in hand"  # acknowledges the first
            await cloud.publish(COMMAND, b"barrier")  # the broker has read that by now
            line.cut()
            await until(lambda: gateway.connections == 2)
            async with asyncio.timeout(BOUND_S):
                got = [(await anext(messages)).payload for _ in range(2)]
            while b"in hand" not in got:
                got.append((await take(gateway, 1))[0].payload)
            assert b"taken" not in got


async def test_a_new_process_begins_clean_where_it_is_told_to(town: Town) -> None:
    async with town.cloud() as cloud:
        for starts_clean, wanted in ((False, [b"1", b"2"]), (True, [b"2"])):
            async with town.gateway() as gateway:
                await gateway.subscribe(COMMAND)
                await gateway.connected()
            await cloud.publish(COMMAND, b"1")
            async with town.gateway(starts_clean=starts_clean) as gateway:
                await gateway.subscribe(COMMAND)
                await gateway.connected()
                await cloud.publish(COMMAND, b"2")
                taken = await take(gateway, len(wanted))
                assert [m.payload for m in taken] == wanted


async def test_a_flood_stays_at_the_broker_until_it_is_taken(town: Town) -> None:
    async with town.cloud() as cloud, town.gateway(max_inbox=3) as gateway:
        await gateway.subscribe(COMMAND)
        await gateway.connected()
        for n in range(60):
            await cloud.publish(COMMAND, b"%d" % n)
        current = gateway._current
        assert current is not None
        waiting = len(current.client.messages) + gateway._inbox.qsize()
        assert waiting <= 3
        assert [m.payload for m in await take(gateway, 60)] == [b"%d" % n for n in range(60)]


async def test_a_topic_taken_back_during_a_break_stays_taken_back(town: Town) -> None:
    lock_command = topic(TOWN, "aaaaaaaa", "command")
    async with Line(town.port) as line, town.cloud() as cloud:
        async with town.gateway(port=line.port, connect_within_s=0.5) as gateway:
            for each in (COMMAND, lock_command):
                await gateway.subscribe(each)
            await gateway.connected()
            line.go_silent()
            line.cut()
            await until(lambda: not gateway.is_connected)
            await gateway.unsubscribe(lock_command)
            line.speak_again()
            await until(lambda: gateway.is_connected)
            await cloud.publish(lock_command, b"for another")
            await cloud.publish(COMMAND, b"for us")
            assert [m.payload for m in await take(gateway, 1)] == [b"for us"]


async def test_leaving_waits_for_no_mute_server(bare: Town) -> None:
    """It takes the connection and says nothing; the attempt would go on for an hour."""
    greeted = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            greeted.set()
            await reader.read()
        finally:
            writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", bare.port):
        link = bare.gateway(connect_within_s=3600, ack_within_s=3600)
        async with asyncio.timeout(BOUND_S), link:
            await greeted.wait()


async def test_leaving_on_a_silent_line_comes_to_an_end(town: Town) -> None:
    async with Line(town.port) as line, asyncio.timeout(BOUND_S):
        async with town.gateway(port=line.port, ack_within_s=3600) as gateway:
            await gateway.connected()
            line.go_silent()


async def test_two_programs_with_one_certificate_are_told_of_each_other(
    town: Town, said: Said
) -> None:
    issued = town.papers.client("gw-1")
    async with town.gateway(issued), town.gateway(issued):
        await said.until("is a second program running with the same certificate?")
