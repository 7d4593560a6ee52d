"""What a whole town says over MQTT is in docs/spec/asyncapi.json, and all of that is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from kannuki import broker
from kannuki.broker import BrokerFiles
from tests import traffic
from tests.system.live import LiveTown, until
from tests.traffic import Published, Recorder, Rules, Seen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def rules() -> Rules:
    return traffic.read_rules()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking_town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveTown]:
    """A town of its own, whose broker writes down who published what."""
    with pytest.MonkeyPatch.context() as patch:
        quiet = broker.config_text

        def told(files: BrokerFiles, *, as_root: bool) -> str:
            return quiet(files, as_root=as_root) + "log_type debug\n"

        patch.setattr(broker, "config_text", told)
        async with LiveTown(tmp_path_factory.mktemp("town")) as live:
            yield live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorder(talking_town: LiveTown) -> AsyncIterator[Recorder]:
    """A day in the life of it: openings, a withdrawn key, new figures for a door."""
    port = talking_town.supervisor.children["broker"].spec.port
    assert port is not None
    async with Recorder(port) as hears:
        await live_a_day(talking_town, hears)
        yield hears


async def live_a_day(town: LiveTown, recorder: Recorder) -> None:
    lock, rules = town.locks[0], traffic.read_rules()
    await town.opens_offline(lock)
    await town.relay_works_again(lock)
    (booking,) = [
        row
        for row in await town.office.staff("GET", "bookings?limit=50")
        if row["lock_id"] == town.locks[1] and row["status"] == "confirmed"
    ]
    await town.office.staff("POST", f"bookings/{booking['booking_id']}/cancel")
    await town.book(booking["room_id"], 20 * 60, 3600)  # soon: its token may go ahead
    starts = town.restarts("gateway")
    town.kill("gateway")
    await town.is_back("gateway", starts)

    async def all_said() -> bool:
        return not rules.kinds - recorder.counts(rules).keys()

    await until(all_said, "every kind of message was said")


async def test_every_message_is_one_of_the_document_and_every_kind_is_said(
    recorder: Recorder, rules: Rules
) -> None:
    assert [fault for seen in recorder.seen for fault in rules.faults(seen)] == []
    assert recorder.counts(rules).keys() == rules.kinds


async def test_the_town_commands_and_gateways_tell_and_neither_does_the_others_part(
    talking_town: LiveTown, recorder: Recorder, rules: Rules
) -> None:
    log = traffic.published(talking_town.folder.root / "broker" / "mosquitto.log")
    clients = {each.client for each in log}
    town = {client for client in clients if "cloud" in client}
    assert len(log) >= len(recorder.seen) > 20
    assert len(town) == 1 and len(clients) == 2
    assert traffic.senders_faults(rules, log, town, clients - town) == set()
    (gateway,) = clients - town
    forged = Published(
        gateway, next(s.topic for s in recorder.seen if "command" in s.topic), False, 1
    )
    assert traffic.senders_faults(rules, [forged], town, {gateway}) != set()


def wrong(seen: list[Seen], rules: Rules) -> dict[str, Seen]:
    """Real messages with one thing wrong each."""
    of = {rules.kind(each): each for each in seen}
    ack, state, event, result = of["event_ack"], of["lock"], of["audit"], of["result"]
    gateway = of["gateway"]
    return {
        "a command that is kept": replace(ack, retain=True),
        "a state that is not": replace(state, retain=False),
        "a command for ever": replace(ack, expiry_s=None),
        "a command for a day": replace(ack, expiry_s=86_400),
        "an event that is kept for long": replace(event, expiry_s=61),
        "an event for ever": replace(event, expiry_s=None),
        "a state that expires": replace(state, expiry_s=60),
        "an event of tomorrow": replace(event, expiry_s=86_400),
        "at most once": replace(result, qos=0),
        "more than it may say": replace(ack, payload=ack.payload[:-1] + b',"open":true}'),
        "an unknown kind": replace(ack, payload=b'{"kind":"unlock","id":"1"}'),
        "no JSON": replace(ack, payload=b"\xff"),
        "a number that is text": replace(state, payload=state.payload.replace(b":true", b':"1"')),
        "a lock's state on a gateway's topic": replace(state, topic=gateway.topic),
        "a gateway's state on a lock's topic": replace(gateway, topic=state.topic),
        "a command on an event's topic": replace(ack, topic=event.topic),
        "a topic of nobody": replace(ack, topic="kannuki/v1/town/gw-1/command/now"),
        "a device that no broker would let in": replace(
            gateway, topic=gateway.topic.replace("gw", "GW")
        ),
        "an answer to something else": replace(result, correlation=b"another"),
        "an answer to be sent elsewhere": replace(ack, response_topic="$SYS/x"),
    }


async def test_a_planted_wrong_message_is_found(recorder: Recorder, rules: Rules) -> None:
    for what, seen in wrong(recorder.seen, rules).items():
        assert list(rules.faults(seen)), what
