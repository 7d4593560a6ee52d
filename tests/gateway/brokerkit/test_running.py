"""Mosquitto at work on the kit's configuration: as which user, what survives, how much it holds."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

import pytest

from kannuki.messages import MAX_PAYLOAD_BYTES, topic
from tests.gateway.brokerkit.brokers import Broker
from tests.gateway.brokerkit.wire import NOT_AUTHORISED, Wire

pytestmark = pytest.mark.slow
COMMAND = topic("misaki", "gw-1", "command")


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    made = Broker(towns=["misaki"])
    made.start()
    yield made
    made.close()


async def _session(broker: Broker) -> Wire:
    return await broker.open("misaki", "gw-1", clean=False, expiry_s=600)


async def test_what_waits_for_an_absent_client_survives_a_restart(broker: Broker) -> None:
    """And with it: the user that Mosquitto turns into can write where it keeps things."""
    gateway = await _session(broker)
    await gateway.subscribe(COMMAND)
    await gateway.drop()
    cloud = await broker.open("misaki", "cloud")
    for number in range(1_500):  # more than Mosquitto holds when nobody tells it to
        assert await cloud.publish(COMMAND, b"%d" % number) == 0
    assert await cloud.publish(topic("misaki", "gw-1", "command"), b"last") == 0
    await cloud.leave()
    broker.restart()
    gateway = await _session(broker)
    await gateway.hear(b"last")
    assert [said.payload for said in gateway.came] == [b"%d" % n for n in range(1_500)] + [b"last"]
    await gateway.subscribe(COMMAND)
    await gateway.leave()


async def test_a_retained_state_survives_a_restart(broker: Broker) -> None:
    address = topic("misaki", "gw-2", "state")
    gateway = await broker.open("misaki", "gw-2")
    assert await gateway.publish(address, b"as it is", retain=True) == 0
    await gateway.leave()
    broker.restart()
    cloud = await broker.open("misaki", "cloud")
    await cloud.subscribe(address)
    assert (await cloud.hear(b"as it is")).retain
    await cloud.leave()


async def test_neighbours_hear_and_say_nothing_of_each_other_with_one_town_either(
    broker: Broker,
) -> None:
    """Its configuration differs in a line (per_listener_settings)."""
    intruder = await broker.open("misaki", "gw-1", client_id="misaki.gw-2")
    await intruder.subscribe("#", "$SYS/#", "$share/x/#")
    neighbour = await broker.open("misaki", "gw-2")
    cloud = await broker.open("misaki", "cloud")
    await neighbour.subscribe(topic("misaki", "gw-2", "command"))
    await cloud.subscribe("#")
    assert await cloud.publish(topic("misaki", "gw-2", "command"), b"for gw-2") == 0
    assert await neighbour.publish(topic("misaki", "gw-2", "event"), b"of gw-2") == 0
    await neighbour.hear(b"for gw-2")
    await cloud.hear(b"of gw-2")
    forged = await intruder.publish(topic("misaki", "gw-2", "event"), b"FORGED", retain=True)
    await intruder.fence()
    await cloud.fence()
    assert (forged, intruder.foreign()) == (NOT_AUTHORISED, 0)
    assert all(said.payload != b"FORGED" for said in cloud.came)
    for wire in (intruder, neighbour, cloud):
        await wire.leave()


async def test_the_largest_message_of_ours_passes(broker: Broker) -> None:
    gateway = await broker.open("misaki", "gw-2")
    await gateway.subscribe(topic("misaki", "gw-2", "command"))
    cloud = await broker.open("misaki", "cloud")
    whole = bytes(MAX_PAYLOAD_BYTES)
    assert await cloud.publish(topic("misaki", "gw-2", "command"), whole) == 0
    await gateway.hear(whole)
    await gateway.leave()
    await cloud.leave()


def test_the_broker_is_not_root_where_there_is_another(broker: Broker) -> None:
    process = f"/proc/{broker.kit.pid_file().read_text().strip()}"
    expected = os.geteuid()
    if expected == 0 and any(user.pw_name == "mosquitto" for user in pwd.getpwall()):
        expected = pwd.getpwnam("mosquitto").pw_uid
    assert os.stat(process).st_uid == expected


def test_the_brokers_user_cannot_read_an_authority(broker: Broker) -> None:
    """Nor change what it is told: only its data folder is its own, where it is not us."""
    process = os.stat(f"/proc/{broker.kit.pid_file().read_text().strip()}")
    assert (broker.root / "authority").stat().st_mode & 0o077 == 0
    owned = {
        path.relative_to(broker.root).parts[0]
        for path in broker.root.rglob("*")
        if path.stat().st_uid == process.st_uid != os.geteuid()
    }
    assert owned <= {"data"}


def test_nothing_is_wrong_in_the_log(broker: Broker) -> None:
    said = [line for line in broker.log.splitlines() if "Error" in line or "Warning" in line]
    assert [line for line in said if "unexpected eof" not in line] == []  # a client that was cut
