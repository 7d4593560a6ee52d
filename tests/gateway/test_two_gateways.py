"""Two gateways hear one lock and everything that it is told: a relayed opening happens once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.machine import Settings
from kannuki import messages
from kannuki.messages import CommandResult, LockState, Message, RelayClose, RelayOpen, RelaySend
from protocol import audit, holder, session
from protocol import token as tokens
from protocol.holder import HolderSession
from simulator.town_keys import RESIDENT, TOWN, TownKeys
from simulator.virtual.town import VirtualTown

LOCK = "aaaaaaaa"
T0 = 1_796_115_600
DAY_S = 86400
GATEWAYS = ("gw-1", "gw-2")


class Twice:
    """A virtual town with one lock and two gateways that keep it, and the town's end of MQTT."""

    def __init__(self, folder: Path) -> None:
        chance = random.Random(7)
        self.keys = TownKeys()
        self.town = VirtualTown(self.keys.trust(), T0, folder, chance.randbytes)
        self.town.hang_lock(LOCK)
        self.enrolment = self.town.enrolment(LOCK)
        self.heard: list[tuple[str, Message]] = []
        self.cloud = self.town.broker.join(lambda topic: not topic.endswith("command"), self._hear)
        self.random_bytes = chance.randbytes
        settings = Settings(sync_interval_s=60.0, relay_idle_s=30.0)
        for gateway in GATEWAYS:
            keeper = self.credential(tokens.MAINTAIN)
            self.town.start_gateway(gateway, {LOCK: keeper}, settings)
        self.town.time.advance(8000)

    def _hear(self, topic: str, payload: bytes) -> None:
        _, device, channel = messages.split_topic(topic)
        self.heard.append((device, messages.decode(channel, payload)))

    def credential(self, permissions: int):
        return self.keys.credential(self.enrolment, T0 - DAY_S, T0 + DAY_S, permissions)

    def command(self, message: Message) -> None:
        self.cloud.publish(messages.topic(TOWN, LOCK, "command"), messages.encode(message))

    def results(self, command_id: str) -> list[CommandResult]:
        return [m for _, m in self.heard if isinstance(m, CommandResult) and m.id == command_id]

    def answers(self, message: Message, wait_ms: int = 5000) -> list[CommandResult]:
        """All answers to a command that come while somebody waits."""
        self.command(message)
        self.town.time.advance(wait_ms)
        return self.results(message.id)

    def openings(self) -> int:
        journal = self.town.locks[LOCK].core.journal
        records = map(audit.decode_record, journal.read(1, 1000))
        return sum(
            record.event == audit.LOCK_OPERATION and record.code == audit.OPERATION_UNLOCK
            for record in records
        )

    def links(self) -> int:
        return len(self.town.locks[LOCK].core.sessions._connections)


@pytest.fixture
def twice(tmp_path: Path):
    made = Twice(tmp_path)
    yield made
    made.town.close()


def open_relay(twice: Twice, name: str, via: str | None) -> tuple[HolderSession, RelayOpen]:
    key = twice.credential(RESIDENT | tokens.UNLOCK_REMOTE)
    phone = HolderSession(key, session.COMMAND_UNLOCK_REMOTE, twice.random_bytes)
    ((_, hello),) = phone.start()
    opening = RelayOpen(id=f"{name}-1", session=name, message=hello, expires_at=T0 + 3600, via=via)
    return phone, opening


def send(name: str, message: bytes, via: str | None) -> RelaySend:
    return RelaySend(id=f"{name}-2", session=name, message=message, expires_at=T0 + 3600, via=via)


@pytest.mark.parametrize("chosen", GATEWAYS)
def test_the_gateway_that_the_town_names_acts_and_the_other_does_not(twice, chosen):
    phone, opening = open_relay(twice, "s1", chosen)
    (greeted,) = twice.answers(opening)
    assert (greeted.ok, greeted.gateway) == (True, chosen)
    assert twice.links() == 1
    ((_, presentation),) = phone.receive(greeted.message)
    (told,) = twice.answers(send("s1", presentation, chosen))
    ((name, outcome),) = phone.receive(told.message)
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)
    assert twice.openings() == 1
    other = next(gw for gw in GATEWAYS if gw != chosen)
    assert twice.town.gateways[other].machine.counters["relays_of_others"] == 2


def test_when_nobody_is_named_the_first_to_answer_has_the_session_and_the_door_opens_once(twice):
    phone, opening = open_relay(twice, "s1", None)
    greeted = twice.answers(opening, wait_ms=1500)
    assert {each.gateway for each in greeted} == set(GATEWAYS), "both reach the lock"
    assert twice.links() == 2
    ((_, presentation),) = phone.receive(greeted[0].message)
    (told,) = twice.answers(send("s1", presentation, greeted[0].gateway))
    ((name, outcome),) = phone.receive(told.message)
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)
    assert told.gateway == greeted[0].gateway
    assert twice.openings() == 1
    assert twice.links() == 1, "the other one has hung up"


def test_an_answer_of_the_slower_gateway_opens_nothing_more(twice):
    """What was presented to one nonce is worth nothing on the other gateway's connection."""
    phone, opening = open_relay(twice, "s1", None)
    greeted = twice.answers(opening, wait_ms=1500)
    ((_, presentation),) = phone.receive(greeted[0].message)
    answers = twice.answers(send("s1", presentation, None))  # a town that names nobody, as before
    assert len(answers) == 2
    assert twice.openings() == 1


def test_closing_ends_the_session_wherever_it_is(twice):
    _, opening = open_relay(twice, "s1", "gw-2")
    twice.answers(opening, wait_ms=1500)
    twice.command(RelayClose(id="s1-9", session="s1", expires_at=T0 + 3600))
    twice.town.time.advance(20_000)
    assert twice.links() == 0


def test_each_gateway_signs_what_it_tells_of_the_lock(twice):
    told = {m.gateway for device, m in twice.heard if isinstance(m, LockState) and device == LOCK}
    assert told == set(GATEWAYS)
