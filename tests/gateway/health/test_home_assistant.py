"""Home Assistant is told of locks: in its own words, read only, and no longer than they are ours.

What its settings are called is in home_assistant.json, taken from the program itself. That a real
Home Assistant makes the right devices and states of it was tried by hand (docs/howto).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.health import announcing, discovery
from gateway.health.announcing import Ledger
from gateway.health.discovery import Announcement
from gateway.health.monitor import HealthOptions
from kannuki import messages
from kannuki.errors import KannukiError
from kannuki.messages import GatewayState, LockState
from kannuki.settings import free_port
from tests.gateway.fakelock import LOCK_A, LOCK_B, TOWN, credential
from tests.gateway.health.town import (
    BOUND_S,
    GATEWAY,
    make_app,
    mosquitto,
    running,
    until,
    write_gateway_file,
)

KNOWN = json.loads(Path(__file__).with_name("home_assistant.json").read_text(encoding="utf-8"))


def announced(*locks: str, prefix: str = "homeassistant") -> list[Announcement]:
    return list(discovery.announcements(prefix, TOWN, GATEWAY, locks, "1.2.3"))


def contents(*locks: str) -> list[tuple[str, dict[str, Any]]]:
    """(component, settings) of every entity."""
    return [(each.topic.split("/")[1], json.loads(each.payload)) for each in announced(*locks)]


def test_every_setting_is_one_that_its_component_knows() -> None:
    for component, settings in contents(LOCK_A):
        schema = KNOWN[component]
        assert settings.keys() <= {*schema["required"], *schema["optional"]}
        assert settings.keys() >= set(schema["required"])
        assert settings["device"].keys() <= set(KNOWN["device"]["optional"])
        assert settings["origin"].keys() <= set(KNOWN["origin"])
        for source in settings.get("availability", []):
            assert source.keys() <= set(KNOWN["availability"])
        assert settings.get("availability_mode", "all") in KNOWN["availability_modes"]


def test_no_setting_is_read_as_an_abbreviation_of_another() -> None:
    for _, settings in contents(LOCK_A):
        assert not settings.keys() & set(KNOWN["abbreviations"])
        assert not settings["device"].keys() & set(KNOWN["device_abbreviations"])


def test_classes_and_categories_are_ones_that_exist() -> None:
    for component, settings in contents(LOCK_A):
        if "device_class" in settings:
            assert settings["device_class"] in KNOWN[f"{component}_device_classes"]
        assert settings.get("state_class", "measurement") in KNOWN["sensor_state_classes"]
        assert settings.get("entity_category", "diagnostic") in KNOWN["entity_categories"]


def test_there_is_no_way_to_say_anything_to_a_lock() -> None:
    assert "command_topic" in KNOWN["lock"]["required"], "why there is no `lock` entity"
    assert "command_topic" in KNOWN["command_settings"]
    for component, settings in contents(LOCK_A, LOCK_B):
        assert component in ("sensor", "binary_sensor")
        assert not settings.keys() & set(KNOWN["command_settings"])
    assert b"/command" not in b"".join(each.payload for each in announced(LOCK_A))


def test_states_are_read_where_we_retain_them_and_from_members_that_exist() -> None:
    members = {GATEWAY: set(GatewayState.model_fields), LOCK_A: set(LockState.model_fields)}
    for _, settings in contents(LOCK_A):
        sources = [settings["state_topic"], *(s["topic"] for s in settings.get("availability", []))]
        templates = [settings["value_template"]]
        templates += [s["value_template"] for s in settings.get("availability", [])]
        for topic, template in zip(sources, templates, strict=True):
            town, device, channel = messages.split_topic(topic) or ("", "", "")
            assert (town, channel) == (TOWN, "state")
            used = {
                part.split(".")[1] for part in _names(template) if part.startswith("value_json")
            }
            assert used and used <= members[device]


def _names(template: str) -> list[str]:
    cleaned = "".join(char if char.isalnum() or char in "._" else " " for char in template)
    return [name.removesuffix(".") for name in cleaned.split()]


def test_every_entity_has_a_name_of_its_own_within_its_town() -> None:
    topics = [each.topic for each in announced(LOCK_A, LOCK_B)]
    names = [settings["unique_id"] for _, settings in contents(LOCK_A, LOCK_B)]
    assert len(set(topics)) == len(topics) == len(set(names)) == len(names)
    other = discovery.announcements("homeassistant", "other-town", GATEWAY, [LOCK_A], "1")
    assert not set(topics) & {each.topic for each in other}


def test_a_locks_node_is_the_one_that_the_broker_lets_this_gateway_write() -> None:
    from gateway.brokerkit import acl

    for each in announced(LOCK_A):
        device = LOCK_A if LOCK_A in each.topic else GATEWAY
        wanted = acl.discovery_topic(TOWN, device)
        assert aiomqtt.Topic(each.topic).matches(wanted)


# --- the ledger ---


class Broker:
    """What is retained."""

    def __init__(self, fails_after: int = 10**6) -> None:
        self.retained: dict[str, bytes] = {}
        self._left = fails_after

    async def retain(self, topic: str, payload: bytes) -> None:
        if self._left == 0:
            raise KannukiError("the line is down")
        self._left -= 1
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)


def tell(broker: Broker, ledger: Ledger, wanted: list[Announcement]) -> None:
    asyncio.run(announcing.announce(wanted, ledger, broker.retain))


def test_a_lock_that_leaves_is_taken_back_also_after_a_restart(tmp_path: Path) -> None:
    broker = Broker()
    tell(broker, Ledger(tmp_path / "ledger"), announced(LOCK_A, LOCK_B))
    assert any(LOCK_B in topic for topic in broker.retained)
    tell(broker, Ledger(tmp_path / "ledger"), announced(LOCK_A))
    assert broker.retained.keys() == {each.topic for each in announced(LOCK_A)}
    assert Ledger(tmp_path / "ledger").topics() == broker.retained.keys()


def test_another_prefix_or_none_takes_back_the_first(tmp_path: Path) -> None:
    broker, ledger = Broker(), Ledger(tmp_path / "ledger")
    tell(broker, ledger, announced(LOCK_A))
    tell(broker, ledger, announced(LOCK_A, prefix="ha"))
    assert all(topic.startswith("ha/") for topic in broker.retained)
    tell(broker, ledger, [])
    assert broker.retained == {} and ledger.topics() == set()


@pytest.mark.parametrize("left", range(0, 25, 3))
def test_a_line_that_breaks_at_any_point_leaves_nothing_that_is_not_in_the_ledger(
    tmp_path: Path, left: int
) -> None:
    ledger, broker = Ledger(tmp_path / "ledger"), Broker()
    tell(broker, ledger, announced(LOCK_A))
    broken = Broker(fails_after=left)
    broken.retained = broker.retained
    tell(broken, ledger, announced(LOCK_B))
    assert broken.retained.keys() <= ledger.topics()
    tell(broker, ledger, announced(LOCK_B))
    assert broker.retained.keys() == {each.topic for each in announced(LOCK_B)}


def test_without_room_for_the_ledger_nothing_is_announced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker()
    tell(broker, Ledger(tmp_path / "no" / "folder" / "ledger"), announced(LOCK_A))
    assert broker.retained == {} and "not told" in caplog.text


def test_a_ledger_that_is_garbage_is_an_empty_one(tmp_path: Path) -> None:
    for garbage in (b"", b"\xff", b"{}", b'[1, null, "a/b"]'):
        (tmp_path / "ledger").write_bytes(garbage)
        assert Ledger(tmp_path / "ledger").topics() <= {"a/b"}


def test_a_gateway_that_was_never_told_writes_no_ledger(tmp_path: Path) -> None:
    tell(Broker(), Ledger(tmp_path / "ledger"), [])
    assert not (tmp_path / "ledger").exists()


# --- at a broker ---


async def retained(port: int, is_enough: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
    """What a newcomer finds under homeassistant/, once it is as it should be."""
    async with asyncio.timeout(BOUND_S):
        while True:
            found: dict[str, bytes] = {}
            async with aiomqtt.Client("127.0.0.1", port) as client:
                await client.subscribe("homeassistant/#")
                await client.subscribe("mark")
                await client.publish("mark", b"")
                async for message in client.messages:
                    if message.topic.value == "mark":
                        break
                    assert isinstance(message.payload, bytes)
                    found[message.topic.value] = message.payload
            if is_enough(found):
                return found


async def test_a_running_gateway_announces_its_locks_and_takes_back_one_that_leaves_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    options = HealthOptions(home_assistant="homeassistant")
    async with mosquitto(tmp_path / "broker", port):
        app = make_app(tmp_path, monkeypatch, [LOCK_A, LOCK_B], port, options)
        async with running(app):
            both = {each.topic for each in announced(LOCK_A, LOCK_B)}
            await retained(port, lambda found: found.keys() == both)
            write_gateway_file(tmp_path / "gateway.json", {LOCK_A: credential(LOCK_A)})
            one = {each.topic: each.payload for each in announced(LOCK_A)}
            await retained(port, lambda found: found == one)
        app = make_app(tmp_path, monkeypatch, [LOCK_A], port)
        async with running(app):
            await until(lambda: app._machine.survey().is_online)
            await retained(port, lambda found: not found)
