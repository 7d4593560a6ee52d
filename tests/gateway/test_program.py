"""The command, the gateway file, and what the deciding modules may import."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import files
from gateway.cli import gateway
from gateway.machine import Publish
from gateway.publishing import Lane, Publisher
from gateway.turnstile import Turnstile
from kannuki.enrolment import FileError, GatewayFile, LockCredential, write_file
from kannuki.messages import CHANNELS
from protocol import token as tokens
from tests.gateway.fakelock import LOCK_A, LOCK_B, credential

FORBIDDEN = {"asyncio", "bleak", "aiomqtt", "paho", "time", "random", "secrets", "os", "sqlite3"}


def entry(lock: str, key=None, proof_key: bytes | None = None) -> LockCredential:
    key = key or credential(lock)
    return LockCredential(
        lock_id=lock, token=key.raw_token, proof_key=proof_key or key.proof_keys[key.token.audience]
    )


def a_file(path: Path, *entries: LockCredential, gateway_id: str = "gw-1") -> Path:
    content = GatewayFile(town="town", gateway_id=gateway_id, locks=list(entries))
    write_file(path, content, secret=True)
    return path


def test_the_machine_imports_no_loop_radio_broker_clock_or_chance(checkout):
    for path in (checkout / "gateway" / "machine").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert not names & FORBIDDEN, path


def test_help_needs_neither_bleak_nor_mqtt(checkout):
    code = (
        "import sys, gateway.cli; gateway.cli.gateway.main(['run', '--help'], "
        "standalone_mode=False); assert not {'bleak', 'aiomqtt', 'sqlite3'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, check=False)
    assert done.returncode == 0


def test_a_good_file_gives_credentials_by_lock(tmp_path):
    place = files.read_place(a_file(tmp_path / "g.json", entry(LOCK_A), entry(LOCK_B)))
    assert list(place.credentials) == [LOCK_A, LOCK_B]


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([entry(LOCK_A), entry(LOCK_A)], "twice"),
        ([entry(LOCK_A, credential(LOCK_B))], "another lock"),
        ([entry(LOCK_A, proof_key=b"short")], "32 bytes"),
        ([entry(LOCK_A).model_copy(update={"token": b"x"})], "cannot be read"),
    ],
)
def test_a_file_with_one_bad_lock_is_refused_by_name_and_without_its_secrets(
    tmp_path, entries, text
):
    with pytest.raises(FileError, match=text) as caught:
        files.read_place(a_file(tmp_path / "g.json", *entries))
    assert LOCK_A in str(caught.value)
    assert credential(LOCK_A, tokens.MAINTAIN).proof_keys[LOCK_A].hex() not in str(caught.value)


@pytest.mark.parametrize("broker", ["", ":1883", "host:0", "host:99999", "host:x"])
def test_a_broker_that_is_no_address_is_a_usage_error(tmp_path, broker):
    path = a_file(tmp_path / "g.json", entry(LOCK_A))
    said = CliRunner().invoke(gateway, ["run", "--gateway-file", str(path), "--broker", broker])
    assert said.exit_code == 2
    assert "host:port" in said.output


async def test_everything_that_the_machine_says_has_a_lane_and_requests_keep_their_short_life():
    publisher = Publisher()
    said: list[Publish] = []
    done = asyncio.Event()

    async def say(publish: Publish) -> None:
        said.append(publish)
        if len(said) == len(CHANNELS) - 1:
            done.set()

    for channel in CHANNELS.keys() - {"command"}:
        publisher.put(Publish(channel, "gw-1", b"{}", expiry_s=4.0))
    task = asyncio.create_task(publisher.run(say))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    await asyncio.wait({task})
    assert {publish.channel for publish in said} == CHANNELS.keys() - {"command"}
    assert all(publish.expiry_s == 4.0 for publish in said)


async def test_events_said_again_after_a_long_break_come_in_the_outboxs_order():
    """The oldest were given up while the line was down; they are not to come after the others."""
    lane = Lane(newest_wins=False)
    events = [Publish("event", "gw-1", str(seq).encode()) for seq in range(8)]
    for event in events:
        lane.put(event)
    given_up = [await lane.take() for _ in range(4)]
    assert given_up == events[:4]
    for event in events:
        lane.put(event)
    assert [await lane.take() for _ in events] == events


async def test_the_urgent_pass_first_and_the_impatient_leave_no_hole():
    turnstile = Turnstile()
    order: list[str] = []

    async def use(name: str, urgent: bool) -> None:
        async with turnstile.turn(urgent):
            order.append(name)
            await asyncio.sleep(0)

    async with turnstile.turn(urgent=False):
        waiting = [asyncio.create_task(use(name, name == "resident")) for name in
                   ("first", "gone", "resident")]  # fmt: skip
        await asyncio.sleep(0)
        waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == ["resident", "first"]
