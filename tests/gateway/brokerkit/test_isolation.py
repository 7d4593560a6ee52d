"""A gateway of misaki plays every trick against kanata, and against its neighbour in misaki.

What is counted: bytes published to it on topics that are not its own (0), and forged messages that
reach anybody (0). Each trick is also played against a broker with planted holes, where it has to
succeed: a trick that could not win there would prove nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from gateway.brokerkit.acl import discovery_topic
from kannuki.messages import CHANNELS, topic
from tests.gateway.brokerkit.brokers import GATEWAYS, Broker
from tests.gateway.brokerkit.wire import BRIDGE, MQTT_5, MQTT_311, NOT_AUTHORISED, Wire

pytestmark = pytest.mark.slow

FORGED = b"FORGED"
TOWNS = ("misaki", "kanata")
OWN = (
    topic("misaki", "gw-1", "command"),
    *(topic("misaki", lock, "command") for lock in GATEWAYS["gw-1"]),
)


def config_topic(town: str, device: str) -> str:
    return discovery_topic(town, device).replace("+", "sensor", 1).replace("+", "door", 1)


@dataclass
class People:
    """Everybody but the intruder, connected and listening to all that is theirs."""

    wires: dict[str, Wire] = field(default_factory=dict)
    rounds: int = 0

    async def join(self, broker: Broker, stack: AsyncExitStack) -> None:
        for town in TOWNS:
            for name in ("cloud", "home", "gw-2") + (("gw-1",) if town == "kanata" else ()):
                wire = await broker.open(town, name)
                stack.push_async_callback(wire.drop)
                await wire.subscribe("#")
                self.wires[f"{town}.{name}"] = wire

    async def live(self) -> None:
        """One message on every channel, each heard by whom it is for: so there was traffic."""
        self.rounds += 1
        for town in TOWNS:
            for gateway in ("gw-2", "gw-1"):
                if f"{town}.{gateway}" in self.wires:
                    await self._work(town, gateway)

    async def _work(self, town: str, gateway: str) -> None:
        own, cloud = self.wires[f"{town}.{gateway}"], self.wires[f"{town}.cloud"]
        home = self.wires[f"{town}.home"]
        for device in (gateway, *GATEWAYS[gateway]):
            channels = CHANNELS if device == gateway else ("state", "response", "command")
            for channel in channels:
                payload = f"{town} {device} {channel} {self.rounds}".encode()
                sender, hearer = (cloud, own) if channel == "command" else (own, cloud)
                retain = CHANNELS[channel].retained
                address = topic(town, device, channel)
                assert await sender.publish(address, payload, retain=retain) == 0, address
                await hearer.hear(payload)
                if channel == "state":
                    await home.hear(payload)
        payload = f"{town} {gateway} discovery {self.rounds}".encode()
        assert await own.publish(config_topic(town, gateway), payload, retain=True) == 0
        await home.hear(payload)

    def forged(self) -> int:
        """Messages of the intruder that reached anybody."""
        return sum(FORGED in said.payload for wire in self.wires.values() for said in wire.came)

    def disturbed(self) -> list[str]:
        """Who was thrown out."""
        return [name for name, wire in self.wires.items() if wire.closed.is_set()]


@asynccontextmanager
async def peopled(broker: Broker) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        people = People()
        await people.join(broker, stack)
        await people.live()  # retained states are there before the intruder comes
        yield people


READING = {
    "everything": ["#"],
    "every level": ["+/+/+/+/+", "+/+/#", "/#", "+"],
    "the towns": ["kannuki/#", "kannuki/v1/#", "kannuki/+/kanata/#", "kannuki/v1/+/+/state"],
    "by name": [topic("kanata", "gw-1", channel) for channel in CHANNELS],
    "the neighbour": [topic("misaki", "gw-2", channel) for channel in CHANNELS],
    "the neighbour's lock": [topic("misaki", "lockbbbb", channel) for channel in CHANNELS],
    "what the own town hears": [topic("misaki", "+", channel) for channel in CHANNELS],
    "shared": ["$share/cloud/#", "$share/x/kannuki/v1/+/+/command"],
    "shared by name": ["$share/x/" + topic("kanata", "+", channel) for channel in CHANNELS],
    "discovery": ["homeassistant/#", "homeassistant/+/+/+/config"],
}


@pytest.mark.parametrize("trick", READING)
async def test_a_subscription_hears_nothing_foreign(broker: Broker, trick: str) -> None:
    assert await _bytes_heard(broker, READING[trick], None) == 0


@pytest.mark.parametrize("trick", READING)
async def test_the_same_subscription_would_hear_through_a_loose_acl(
    loose: Broker, trick: str
) -> None:
    assert await _bytes_heard(loose, READING[trick], None) > 0


async def test_a_subscription_identifier_opens_nothing(broker: Broker, loose: Broker) -> None:
    assert await _bytes_heard(broker, ["#"], 268_435_455) == 0
    assert await _bytes_heard(loose, ["#"], 268_435_455) > 0


@pytest.mark.parametrize("version", [MQTT_311, MQTT_311 | BRIDGE])
async def test_older_protocols_and_bridges_hear_no_more(
    broker: Broker, loose: Broker, version: int
) -> None:
    for target, leaks in ((broker, False), (loose, True)):
        async with peopled(target) as people:
            intruder = await target.open("misaki", "gw-1", version=version)
            await intruder.subscribe("#")
            await people.live()
            await intruder.fence()
            await intruder.drop()
        assert (intruder.foreign(*OWN) > 0) is leaks


async def test_a_bridge_of_version_5_is_let_in_with_no_more_rights_or_not_at_all(
    broker: Broker,
) -> None:
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1", version=MQTT_5 | BRIDGE)
        with suppress(ConnectionResetError):
            await intruder.subscribe("#")
            await people.live()
            await intruder.fence()
        await people.live()
        await intruder.drop()
        assert intruder.foreign(*OWN) == 0


async def test_the_broker_says_nothing_of_itself(broker: Broker) -> None:
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1")
        await intruder.subscribe("$SYS/#", "$SYS/broker/clients/+", "$share/x/$SYS/#", "$CONTROL/#")
        await people.live()
        await intruder.fence()
        assert sum(said.size for said in intruder.came) == 0
        await intruder.drop()


async def _bytes_heard(broker: Broker, filters: list[str], identifier: int | None) -> int:
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1")
        await intruder.subscribe(*filters, identifier=identifier)
        await people.live()
        await intruder.fence()
        await intruder.drop()
        return intruder.foreign(*OWN)


async def test_joining_a_shared_subscription_takes_nothing_from_an_ordinary_one(
    broker: Broker,
) -> None:
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1")
        await intruder.subscribe(*(f"$share/cloud/{topic('kanata', '+', c)}" for c in CHANNELS))
        await people.live()  # fails when anybody misses anything
        await intruder.drop()


# --- writing ---

FOREIGN = [
    *(topic("kanata", "gw-1", channel) for channel in CHANNELS),
    *(topic("misaki", "gw-2", channel) for channel in CHANNELS),
    *(topic("misaki", "lockbbbb", channel) for channel in CHANNELS),
    topic("misaki", "gw-1", "command"),
    topic("misaki", "lockaaaa", "command"),
    config_topic("kanata", "gw-1"),
    config_topic("misaki", "gw-2"),
]
Writing = Callable[[Broker, Wire, str], Awaitable[None]]


async def _plainly(_broker: Broker, intruder: Wire, address: str) -> None:
    await intruder.publish(address, FORGED)


async def _retained(_broker: Broker, intruder: Wire, address: str) -> None:
    await intruder.publish(address, FORGED, retain=True)


async def _by_alias(_broker: Broker, intruder: Wire, address: str) -> None:
    """An alias stands for a topic that was allowed, then for one that is not."""
    assert await intruder.publish(topic("misaki", "gw-1", "event"), b"mine", alias=1) == 0
    await intruder.publish(address, FORGED, alias=1)
    await intruder.publish("", FORGED, alias=1)


async def _by_will(broker: Broker, _intruder: Wire, address: str) -> None:
    dying = await broker.open("misaki", "gw-1", will=(address, FORGED))
    await dying.drop()


@pytest.mark.parametrize("write", [_plainly, _retained, _by_alias, _by_will])
async def test_nothing_forged_reaches_anybody(
    broker: Broker, loose: Broker, write: Writing
) -> None:
    assert await _forgeries_delivered(broker, write) == 0
    assert await _forgeries_delivered(loose, write) > 0


async def _forgeries_delivered(broker: Broker, write: Writing) -> int:
    """Counts what arrives at once and what a newcomer finds retained."""
    async with peopled(broker) as people, AsyncExitStack() as stack:
        intruder = await broker.open("misaki", "gw-1")
        for address in FOREIGN:
            if intruder.closed.is_set():
                intruder = await broker.open("misaki", "gw-1")
            with suppress(ConnectionResetError):
                await write(broker, intruder, address)
        await intruder.drop()
        await people.live()
        late = People()
        at_once = people.forged()
        await late.join(broker, stack)
        for wire in late.wires.values():
            await wire.fence()
        return at_once + late.forged()


async def test_a_foreign_write_is_told_that_it_is_not_allowed(broker: Broker) -> None:
    async with peopled(broker):
        intruder = await broker.open("misaki", "gw-1")
        codes = {await intruder.publish(address, FORGED) for address in FOREIGN}
        assert codes == {NOT_AUTHORISED}
        await intruder.drop()


async def test_a_response_topic_is_only_text_to_the_broker(broker: Broker) -> None:
    """The answer to it would be somebody else's own write, under somebody else's own rights."""
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1")
        mine, foreign = topic("misaki", "gw-1", "event"), topic("kanata", "gw-1", "command")
        assert await intruder.publish(mine, b"a question", response_topic=foreign) == 0
        await people.wires["misaki.cloud"].hear(b"a question")
        cloud = people.wires["misaki.cloud"]
        assert await cloud.publish(foreign, FORGED) == NOT_AUTHORISED
        await people.live()
        assert people.forged() == 0
        await intruder.drop()


@pytest.mark.parametrize(
    "address",
    [
        "kannuki/v1/kanata/" + "x" * 60_000 + "/state",
        "/".join(["kannuki", "v1", "kanata"] + ["x"] * 190),
        "/".join(["x"] * 5_000),
        "kannuki/v1/kanata/gw-1/state/",
        "kannuki/v1//gw-1/state",
        "kannuki/v1/misaki/../kanata/gw-1/state",
        "kannuki/v1/kanata/+/state",
        "kannuki/v1/kanata/gw-1/#",
        "$share/x/kannuki/v1/kanata/gw-1/state",
        "$SYS/broker/uptime",
        "$CONTROL/dynamic-security/v1",
        "",
    ],
)
async def test_odd_topics_are_no_way_around(broker: Broker, address: str) -> None:
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1")
        with suppress(ConnectionResetError):
            assert await intruder.publish(address, FORGED) != 0
        await intruder.drop()
        await people.live()
        assert people.forged() == 0
        assert people.disturbed() == []


async def test_a_message_larger_than_any_of_ours_is_not_passed_on(broker: Broker) -> None:
    async with peopled(broker) as people:
        intruder = await broker.open("misaki", "gw-1")
        mine = topic("misaki", "gw-1", "event")
        for size in (65_537, 200_000):
            intruder = await broker.open("misaki", "gw-1")
            with suppress(ConnectionResetError):
                assert await intruder.publish(mine, FORGED + bytes(size - len(FORGED))) != 0
            await intruder.drop()
        await people.live()
        assert people.forged() == 0


# --- names of sessions ---

NAMES = [
    "kanata.gw-1",
    "misaki.cloud",
    "kanata.cloud",
    "misaki.gw-2",
    "#",
    "+",
    "misaki.+",
    "%u",
    "",
]


@pytest.mark.parametrize("client_id", NAMES)
async def test_a_client_id_takes_over_nobody(broker: Broker, client_id: str) -> None:
    async with peopled(broker) as people:
        heard, session_present = await _act_as(broker, people, client_id)
        assert (heard, session_present, people.disturbed()) == (0, False, [])


async def test_with_free_client_ids_it_would_throw_others_out(loose: Broker) -> None:
    async with peopled(loose) as people:
        intruder = await loose.open("misaki", "gw-1", client_id="kanata.gw-1")
        await asyncio.wait_for(people.wires["kanata.gw-1"].closed.wait(), 10)
        await intruder.drop()


async def _act_as(broker: Broker, people: People, client_id: str) -> tuple[int, bool]:
    """Bytes heard by a session taken over (it subscribes to nothing itself), and whether it was."""
    try:
        intruder = await broker.open(
            "misaki", "gw-1", client_id=client_id, clean=False, expiry_s=60, username="kanata.cloud"
        )
    except (AssertionError, OSError, asyncio.IncompleteReadError):
        await people.live()
        return 0, False
    if intruder.reason == 0:
        await people.live()
        await intruder.fence()
        await intruder.drop()
    # leave no session behind
    tidy = await broker.open("misaki", "gw-1", client_id=client_id or "any")
    await tidy.leave()
    return intruder.foreign(*OWN), intruder.session_present


# --- other roles, and what each may ---


async def test_the_cloud_of_one_town_hears_nothing_of_another(broker: Broker) -> None:
    async with peopled(broker) as people:
        await people.live()
        for town in TOWNS:
            for name in ("cloud", "home"):
                heard = people.wires[f"{town}.{name}"].came
                assert heard
                assert {said.topic for said in heard if town not in said.topic} == set()


async def test_home_assistant_reads_states_and_says_nothing(broker: Broker) -> None:
    async with peopled(broker) as people:
        home = people.wires["misaki.home"]
        assert {said.topic.rsplit("/", 1)[1] for said in home.came} == {"state", "config"}
        for channel in CHANNELS:
            assert await home.publish(topic("misaki", "gw-2", channel), FORGED) == NOT_AUTHORISED
        assert await home.publish(config_topic("misaki", "gw-2"), FORGED) == NOT_AUTHORISED


async def test_the_cloud_cannot_speak_for_a_gateway(broker: Broker) -> None:
    async with peopled(broker) as people:
        cloud = people.wires["misaki.cloud"]
        for channel in CHANNELS:
            if channel != "command":
                address = topic("misaki", "gw-2", channel)
                assert await cloud.publish(address, FORGED) == NOT_AUTHORISED
