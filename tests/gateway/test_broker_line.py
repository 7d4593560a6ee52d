"""The gateway program and its broker over TLS: whom it answers, what is too late, how it ends.

No radio here: a RelayClose is answered by the gateway alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import app
from kannuki import messages
from kannuki.enrolment import GatewayFile, LockCredential, write_file
from kannuki.messages import CommandResult, GatewayState, RelayClose, RelayOpen, topic
from kannuki.mqtt import LinkSettings, MqttLink, Received, Will
from kannuki.settings import free_port
from kannuki.soak import write_figures
from kannuki.supervisor import Child, ChildSpec, Supervisor
from tests.gateway.fakelock import LOCK_A, LOCK_B, credential
from tests.kannuki.lines import Line
from tests.kannuki.tls_town import HOST, TOWN, Issued, Papers, tls_broker_spec, tls_link

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "gw-1"
BOUND_S = 40
SOON = 1 << 39
GOOD_TOPIC = topic(TOWN, LOCK_A, "response")


@dataclass
class Cupboard:
    """A gateway program on a line that can be spoilt, and the town's end."""

    folder: Path
    papers: Papers
    supervisor: Supervisor
    line: Line
    cloud: MqttLink
    gateway: Child | None = None

    async def start_gateway(self, paper: Issued | None = None, dbus: str = "/nowhere") -> Child:
        paper = paper or self.papers.client(GATEWAY)
        self.gateway = await self.supervisor.start(
            ChildSpec("gateway", self.argv(paper), self.log, env=self.env(dbus), restart=None)
        )
        return self.gateway

    def argv(self, paper: Issued) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "kannuki", "gateway", "run", "--ready"),
            *("--gateway-file", str(self.folder / "gateway.json")),
            *("--data-dir", str(self.folder / "data")),
            *("--broker", f"{HOST}:{self.line.port}"),
            *("--broker-ca", str(self.papers.ca)),
            *("--broker-cert", str(paper.cert)),
            *("--broker-key", str(paper.key)),
        )

    def env(self, dbus: str) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT), "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={dbus}"}

    @property
    def log(self) -> Path:
        return self.folder / "gateway.log"

    def signal(self, number: signal.Signals) -> None:
        assert self.gateway is not None and self.gateway.pid is not None
        os.kill(self.gateway.pid, number)

    async def tell(self, command: RelayClose | RelayOpen, response_topic: str | None) -> None:
        await self.cloud.publish(
            topic(TOWN, LOCK_A, "command"),
            messages.encode(command),
            response_topic=response_topic,
        )

    async def answers(self, count: int) -> list[tuple[Received, CommandResult]]:
        found: list[tuple[Received, CommandResult]] = []
        async with asyncio.timeout(BOUND_S):
            async for received in self.cloud.messages():
                parts = messages.split_topic(received.topic)
                assert parts is not None
                message = messages.decode(parts[2], received.payload)
                if isinstance(message, CommandResult):
                    found.append((received, message))
                if len(found) == count:
                    return found
        raise AssertionError("never answered")

    async def is_online(self, wanted: bool, within_s: float = BOUND_S) -> None:
        async with asyncio.timeout(within_s):
            async for received in self.cloud.messages():
                if received.topic == topic(TOWN, GATEWAY, "state"):
                    message = messages.decode("state", received.payload)
                    if isinstance(message, GatewayState) and message.online is wanted:
                        return


@pytest.fixture
async def cupboard(tmp_path: Path) -> AsyncIterator[Cupboard]:
    papers, port = Papers(tmp_path / "papers"), free_port()
    keys = {lock: credential(lock) for lock in (LOCK_A,)}
    entries = [
        LockCredential(lock_id=lock, token=key.raw_token, proof_key=key.proof_keys[lock])
        for lock, key in keys.items()
    ]
    content = GatewayFile(town=TOWN, gateway_id=GATEWAY, locks=entries)
    write_file(tmp_path / "gateway.json", content, secret=True)
    async with (
        Supervisor("test", tmp_path / "s", tmp_path / "run") as supervisor,
        Line(port) as line,
    ):
        spec = tls_broker_spec(
            tmp_path / "broker",
            port,
            papers,
            papers.server([HOST]),
            {GATEWAY: [LOCK_A], "gw-2": [LOCK_B]},
        )
        await supervisor.start(spec)
        paper = papers.files(papers.client("cloud"))
        async with tls_link(port, paper, "misaki.cloud") as cloud:
            for channel in ("state", "response"):
                await cloud.subscribe(topic(TOWN, "+", channel))
            await cloud.connected()
            yield Cupboard(tmp_path, papers, supervisor, line, cloud)


def close(name: str, expires_at: int = SOON) -> RelayClose:
    return RelayClose(id=name, session="s", expires_at=expires_at)


async def test_an_answer_goes_to_the_locks_own_topic_and_names_its_command(
    cupboard: Cupboard,
) -> None:
    await cupboard.start_gateway()
    await cupboard.tell(close("c-1"), GOOD_TOPIC)
    await cupboard.tell(close("c-2"), None)
    found = await cupboard.answers(2)
    assert [(raw.topic, raw.correlation, told.id) for raw, told in found] == [
        (GOOD_TOPIC, b"c-1", "c-1"),
        (GOOD_TOPIC, b"c-2", "c-2"),
    ]


@pytest.mark.parametrize(
    "elsewhere",
    [
        topic(TOWN, LOCK_B, "response"),
        topic(TOWN, LOCK_A, "command"),
        topic(TOWN, GATEWAY, "event"),
        topic("nagi", LOCK_A, "response"),
        "homeassistant/lock/x/config",
    ],
)
async def test_a_command_that_wants_its_answer_elsewhere_is_not_carried_out(
    cupboard: Cupboard, elsewhere: str
) -> None:
    """A relay that had been opened would answer the close with an answer to the opening, too."""
    await cupboard.start_gateway()
    opening = RelayOpen(id="c-1", session="s", message=b"hello", expires_at=SOON)
    await cupboard.tell(opening, elsewhere)
    await cupboard.tell(close("c-2"), GOOD_TOPIC)
    await cupboard.tell(close("c-3"), GOOD_TOPIC)
    assert [told.id for _, told in await cupboard.answers(2)] == ["c-2", "c-3"]
    assert "wants its answer on a topic that is not its" in cupboard.log.read_text()


async def test_a_command_that_comes_after_a_break_acts_only_while_it_is_good(
    cupboard: Cupboard,
) -> None:
    """The broker keeps both: here the command's own word alone says that it is late."""
    await cupboard.start_gateway()
    cupboard.line.go_silent()
    cupboard.line.cut()
    await cupboard.tell(close("late", int(time.time()) + 2), GOOD_TOPIC)
    await cupboard.tell(close("good"), GOOD_TOPIC)
    await asyncio.sleep(3)
    cupboard.line.speak_again()
    found = {told.id: (told.ok, told.error) for _, told in await cupboard.answers(2)}
    assert found == {"late": (False, "EXPIRED_COMMAND"), "good": (True, None)}


def test_a_gateway_that_falls_silent_is_gone_within_a_minute_by_its_settings() -> None:
    will = Will("t", b"", delay_s=app.WILL_DELAY_S)
    settings = LinkSettings("h", 1, "c", will=will, keepalive_s=app.KEEPALIVE_S)
    checks_every_s = 5  # Mosquitto looks for the silent and the delayed by the second
    assert settings.silence_bound_s + checks_every_s <= 60 / 1.5


@pytest.mark.soak
@pytest.mark.timeout(180)
async def test_a_gateway_that_falls_silent_is_gone_at_the_town_within_a_minute(
    cupboard: Cupboard,
) -> None:
    """Stopped, it keeps its connection open and says nothing: as on a line that died."""
    await cupboard.start_gateway()
    await cupboard.is_online(True)
    began_at = time.monotonic()
    cupboard.signal(signal.SIGSTOP)
    await cupboard.is_online(False, within_s=60)
    seen_after_s = round(time.monotonic() - began_at, 1)
    write_figures(ROOT, "gateway-gone", {"seen_after_s": seen_after_s, "bound_s": 60})
    cupboard.signal(signal.SIGCONT)
    await cupboard.is_online(True)


async def test_a_killed_gateway_is_gone_at_the_town(cupboard: Cupboard) -> None:
    await cupboard.start_gateway()
    await cupboard.is_online(True)
    cupboard.signal(signal.SIGKILL)
    await cupboard.is_online(False)


@pytest.mark.parametrize("is_silent", [False, True], ids=["line up", "line dead"])
async def test_a_gateway_ends_when_told_though_bluetooth_answers_nothing(
    cupboard: Cupboard, tmp_path: Path, is_silent: bool
) -> None:
    """D-Bus takes the connection and never speaks. systemd would kill after 90 s; we end by
    ourselves, with exit code 0, before this test's patience ends."""
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        gateway = await cupboard.start_gateway(dbus=str(tmp_path / "mute"))
        await cupboard.tell(
            RelayOpen(id="c-1", session="s", message=b"hello", expires_at=SOON), GOOD_TOPIC
        )
        await cupboard.tell(close("c-2"), GOOD_TOPIC)
        await cupboard.answers(1)
        if is_silent:
            cupboard.line.go_silent()
        process = gateway.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), BOUND_S) == 0


async def test_the_certificate_of_another_gateway_ends_the_start(cupboard: Cupboard) -> None:
    argv = cupboard.argv(cupboard.papers.client("gw-2"))
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **cupboard.env("/nowhere")},
        stderr=asyncio.subprocess.PIPE,
    )
    with contextlib.suppress(ProcessLookupError):
        _, said = await asyncio.wait_for(process.communicate(), BOUND_S)
    assert process.returncode == 2
    assert re.search(r"is for 'misaki.gw-2', and this is 'misaki.gw-1'", said.decode())
