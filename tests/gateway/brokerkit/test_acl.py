"""Rights as text: enough for what the code really says, and for nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import pytest
from paho.mqtt.client import topic_matches_sub

from gateway.brokerkit.acl import Rights, acl_text, discovery_topic, role_of
from gateway.machine import Settings
from kannuki.messages import CHANNELS, topic
from tests.gateway.fakelock import LOCK_A, LOCK_B
from tests.gateway.test_relay import Phone
from tests.gateway.world import World

RIGHTS = Rights(
    "misaki",
    {"gw-1": [LOCK_A, LOCK_B], "gw-2": ["lockcccc"]},
    clouds=["cloud", "cloud-2"],
    homes=["home"],
    gone={"gw-9": ["lockdddd", LOCK_A]},
)


def rules(text: str) -> dict[str, list[tuple[str, str]]]:
    """user -> (access, filter), as Mosquitto reads the file."""
    found: dict[str, list[tuple[str, str]]] = {}
    user = ""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, rest = line.split(" ", 1)
            if word == "user":
                found[user := rest] = []
            else:
                assert word == "topic" and user
                access, _, pattern = rest.partition(" ")
                found[user].append((access, pattern))
    return found


def may(user: str, access: str, address: str, rights: Rights = RIGHTS) -> bool:
    return any(
        one == access and topic_matches_sub(pattern, address)
        for one, pattern in rules(acl_text(rights)).get(user, [])
    )


def test_whatever_a_gateway_says_it_may_say(world: Callable[..., World]) -> None:
    w = world([LOCK_A, LOCK_B], Settings(sync_interval_s=5))
    w.broker_up()
    Phone(w, LOCK_A).unlock()
    w.run(60)
    w.locks[LOCK_B].hang_up()
    w.out_of_range.add(LOCK_B)
    w.run(600)
    said = {(publish.device, publish.channel) for publish in w.published}
    assert {channel for _, channel in said} == {"state", "event", "request", "response"}
    for device, channel in said:
        assert may("misaki.gw-1", "write", topic("misaki", device, channel)), (device, channel)


def test_a_gateway_reads_commands_and_nothing_else() -> None:
    for device, channel in product(["gw-1", LOCK_A, "gw-2", "lockcccc"], CHANNELS):
        own = channel == "command" and device in ("gw-1", LOCK_A)
        assert may("misaki.gw-1", "read", topic("misaki", device, channel)) is own


def test_a_gateway_writes_for_itself_and_its_own_locks_alone() -> None:
    for device, channel in product(["gw-2", "lockcccc", "lockdddd", "gw-9"], CHANNELS):
        assert not may("misaki.gw-1", "write", topic("misaki", device, channel))
    assert not may("misaki.gw-1", "write", topic("misaki", LOCK_A, "event"))
    assert not may("misaki.gw-1", "write", topic("misaki", "gw-1", "command"))


def test_the_cloud_hears_devices_and_commands_them() -> None:
    for channel, meaning in CHANNELS.items():
        heard = meaning.direction == "from-device"
        assert may("misaki.cloud-2", "read", topic("misaki", "gw-1", channel)) is heard
        assert may("misaki.cloud-2", "write", topic("misaki", "gw-1", channel)) is not heard


def test_the_cloud_takes_back_only_states_that_nobody_speaks_for() -> None:
    for device, orphan in (("gw-9", True), ("lockdddd", True), (LOCK_A, False), ("gw-1", False)):
        assert may("misaki.cloud", "write", topic("misaki", device, "state")) is orphan


def test_home_assistant_reads_states_and_discovery() -> None:
    assert may("misaki.home", "read", topic("misaki", LOCK_A, "state"))
    assert may("misaki.home", "read", "homeassistant/sensor/kannuki_misaki_gw-1/online/config")
    assert not any(access == "write" for access, _ in rules(acl_text(RIGHTS))["misaki.home"])
    assert not may("misaki.home", "read", topic("misaki", "gw-1", "event"))


def test_no_right_reaches_another_town() -> None:
    for access, pattern in (rule for rights in rules(acl_text(RIGHTS)).values() for rule in rights):
        assert access in ("read", "write")
        assert re.search(r"(^|[/_])misaki[/_]", pattern), pattern
        assert "#" not in pattern and not pattern.startswith("$")


def test_names_that_look_alike_share_no_discovery_topic() -> None:
    """Town `a-b` with device `c`, town `a` with device `b-c`."""
    assert discovery_topic("a-b", "c") != discovery_topic("a", "b-c")


def test_nobody_is_named_who_has_no_rights() -> None:
    assert set(rules(acl_text(Rights("misaki", {})))) == set()
    assert "misaki.gw-9" not in rules(acl_text(RIGHTS))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("cloud", "cloud"),
        ("cloud-12", "cloud"),
        ("cloud-", "gateway"),
        ("cloud-x", "gateway"),
        ("home-2", "home"),
        ("homes", "gateway"),
        ("gw-1", "gateway"),
    ],
)
def test_a_name_has_one_role(name: str, role: str) -> None:
    assert role_of(name) == role
