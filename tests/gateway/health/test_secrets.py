"""No secret leaves by a log, a figure, a state or a note: openings, relays, faults; then a search.

Everything that a gateway was given in confidence is known to this test: proof keys, tokens, a PIN,
the key of its certificate. What it wrote and said meanwhile is searched for each of them, raw, in
hex, and in both alphabets of base64 at each of their three alignments.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import aiomqtt
import pytest

from gateway.health.monitor import HealthOptions
from kannuki import logging as kannuki_logging
from kannuki import messages
from kannuki.messages import Message, RelayOpen, RelaySend, StatusPut
from kannuki.settings import free_port
from protocol import holder, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from tests.gateway.fakelock import (
    LOCK_A,
    LOCK_B,
    LOCK_C,
    T0,
    TOWN,
    credential,
    deterministic,
    status_document,
    status_entries,
)
from tests.gateway.health.town import BOUND_S, GATEWAY, make_app, mosquitto, running, until

SOON = T0 + 10**5
PIN = "4820175633"
SHORTEST = 12  # characters of an encoded secret that count as a leak


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def spellings(secret: bytes) -> Iterator[bytes]:
    """How a secret may show: whole, or as the middle of something longer that was encoded."""
    yield secret
    yield repr(secret)[2:-1].encode()
    yield json.dumps(repr(secret)[2:-1])[1:-1].encode()
    yield json.dumps(secret.decode("latin1"))[1:-1].encode()
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for skipped in range(3):
        whole = secret[skipped : skipped + (len(secret) - skipped) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)


def found_in(text: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [
        f"{name} as {spelling[:8]!r}..."
        for name, secret in secrets.items()
        for spelling in spellings(secret)
        if len(spelling) >= min(SHORTEST, len(secret)) and spelling in text
    ]


def test_the_search_finds_a_secret_in_every_disguise() -> None:
    secret = bytes(range(50, 82))
    for before in (b"", b"x", b"xy"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode, lambda raw: raw.hex().encode()):
            assert found_in(encode(before + secret + b"after"), {"s": secret})
    assert found_in(repr({"key": secret}).encode(), {"s": secret})
    assert found_in(f"pin {PIN}".encode(), {"pin": PIN.encode()})
    assert not found_in(b"nothing of the kind", {"s": secret})


class Town:
    """The cloud's end of a broker, and a resident's phone behind it."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.heard = b""
        self.results: dict[str, messages.CommandResult] = {}

    async def listen(self) -> None:
        async for received in self._client.messages:
            assert isinstance(received.payload, bytes)
            parts = messages.split_topic(received.topic.value)
            if parts is not None and parts[2] == "state":
                self.heard += received.payload
            elif parts is not None and parts[2] == "response":
                result = messages.decode("response", received.payload)
                assert isinstance(result, messages.CommandResult)
                self.results[result.id] = result
            else:
                self.heard += received.topic.value.encode() + received.payload

    async def say(self, lock: str, command: Message | bytes) -> None:
        payload = command if isinstance(command, bytes) else messages.encode(command)
        await self._client.publish(messages.topic(TOWN, lock, "command"), payload, qos=1)

    async def answer(self, command_id: str) -> messages.CommandResult:
        await until(lambda: command_id in self.results)
        return self.results[command_id]

    async def open_door(self, lock: str, key: Credential, name: str) -> list[str]:
        """A resident's session by relay; what it heard of the lock."""
        phone = HolderSession(key, session.COMMAND_UNLOCK, deterministic(name))
        command: RelayOpen | RelaySend
        events, step = phone.start(), 0
        while messages_out := [event[1] for event in events if event[0] == holder.SEND]:
            make = RelayOpen if step == 0 else RelaySend
            command = make(
                id=f"{name}-{step}", session=name, message=messages_out[0], expires_at=SOON
            )
            await self.say(lock, command)
            result = await self.answer(command.id)
            if not result.ok:
                return [str(result.error)]
            assert result.message is not None
            events, step = phone.receive(result.message), step + 1
        return [str(event[0]) for event in events]


async def test_openings_relays_and_faults_leave_no_secret_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = io.StringIO()
    kannuki_logging.set_up("debug", as_json=True, stream=logged)
    residents = {lock: credential(lock, tokens.UNLOCK) for lock in (LOCK_A, LOCK_B)}
    keepers = {lock: credential(lock) for lock in (LOCK_A, LOCK_B, LOCK_C)}
    port, metrics_port = free_port(), free_port()
    options = HealthOptions(("127.0.0.1", metrics_port), "homeassistant")
    pages = b""
    async with (
        mosquitto(tmp_path / "broker", port),
        aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client,
        aiohttp.ClientSession() as web,
    ):
        town = Town(client)
        for topic in (messages.topic(TOWN, "+", "state"), "homeassistant/#"):
            await client.subscribe(topic, qos=1)
        await client.subscribe(messages.topic(TOWN, "+", "response"), qos=1)
        listening = asyncio.create_task(town.listen())
        app = make_app(tmp_path, monkeypatch, list(keepers), port, options)
        async with running(app):
            counters = app._machine.counters
            await until(lambda: counters["visits_finished"] >= 2)
            await until(lambda: app._machine.survey().is_online)
            heard = await town.open_door(LOCK_A, residents[LOCK_A], "resident-a")
            assert holder.OUTCOME in heard
            await town.open_door(LOCK_B, residents[LOCK_B], "resident-b")
            await town.open_door(LOCK_C, credential(LOCK_C, tokens.UNLOCK), "resident-c")
            await faults(town, residents[LOCK_A])
            await until(lambda: counters["garbage_commands"] >= 4)
            (tmp_path / "gateway.json").write_text(json.dumps({"proof_key": PIN}))
            await until(lambda: "not adopted" in logged.getvalue())
            async with web.get(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
                pages += await answer.read()
            state = [path.read_bytes() for path in (tmp_path / "data").iterdir()]
        listening.cancel()
    log = logged.getvalue().encode()
    for line in log.splitlines():
        assert {"t", "level", "logger", "message"} <= json.loads(line).keys()
    secrets = {"pin": PIN.encode()}
    for whose, keys in (("keeper", keepers), ("resident", residents)):
        for lock, key in keys.items():
            secrets[f"{whose}'s proof key of {lock}"] = key.proof_keys[lock]
            secrets[f"{whose}'s token of {lock}"] = key.raw_token
    assert len(log) > 2000 and len(state) >= 2 and town.heard and pages
    assert found_in(log, secrets) == []
    assert found_in(pages, secrets) == []
    assert found_in(town.heard, secrets) == []
    for content in state:
        assert found_in(content, secrets) == []


async def faults(town: Town, key: Credential) -> None:
    """What goes wrong, with secrets in every wrong place."""
    proof_key = key.proof_keys[LOCK_A]
    secret = base64.urlsafe_b64encode(proof_key).rstrip(b"=")
    for garbage in (
        b'{"kind":"relay_open","id":"x","message":"' + secret + b'"}',
        b'{"kind":"no_such","proof_key":"' + proof_key.hex().encode() + b'"}',
        proof_key,
        b'{"pin":"' + PIN.encode() + b'"}',
    ):
        await town.say(LOCK_A, garbage)
        await town.say(GATEWAY, garbage)
    unknown = RelayOpen(id="u", session="u", message=key.raw_token, expires_at=SOON)
    await town.say(LOCK_A, unknown)
    forged = status_document(LOCK_A, 9, entries=status_entries(2))
    put = StatusPut(
        id="forged", document=forged[:-1] + bytes([forged[-1] ^ 1]), version=9,
        entries=status_entries(2), expires_at=SOON,
    )  # fmt: skip
    await town.say(LOCK_A, put)
    async with asyncio.timeout(BOUND_S):
        await town.answer("u")
