"""A relay goes by one gateway, and by another when that one cannot; tokens go out by the worker."""

from __future__ import annotations

import asyncio
from typing import Any

from cloud import ahead, fleet
from cloud.broker_worker import BrokerWorker
from cloud.models import Credential, TokenAhead
from kannuki.messages import CommandResult, Message, RelayClose, RelayOpen, RelaySend, TokenPut
from kannuki.mqtt import LinkSettings
from protocol import token as tokens
from tests.cloud.support import FIRST, Town
from tests.cloud.test_api import ticket
from tests.cloud.test_lock_side import LOCK, carrier, gateway, report
from tests.cloud.web import Web, open_web

ON_BOTH_DATABASES = True

BODY = {"lock_id": LOCK, "message": "AQI"}


def gateways(*there: str, deaf: str = "") -> Any:
    """Gateways that all hear every command; the one that shall act, or each, answers."""

    async def answer(_lock: str, command: Message) -> CommandResult | None:
        if isinstance(command, RelayClose):
            return None
        assert isinstance(command, RelayOpen | RelaySend)
        acting = next(iter(there)) if command.via is None else command.via
        if acting not in there:
            return None
        if acting == deaf:
            return CommandResult(id=command.id, ok=False, error="UNREACHABLE", gateway=acting)
        return CommandResult(id=command.id, ok=True, message=command.message, gateway=acting)

    return answer


def named(web: Web) -> list[str | None]:
    return [c.via for _, c in web.sent if isinstance(c, RelayOpen | RelaySend)]


async def relay(web: Web) -> tuple[int, dict[str, Any]]:
    shown = await ticket(web)
    opened = await web.post("/v1/relay", BODY, shown)
    if opened.status_code != 200:
        return opened.status_code, opened.json()
    step = await web.post(f"/v1/relay/{opened.json()['session']}", {"message": "AwQ"}, shown)
    return step.status_code, step.json()


async def test_the_whole_session_names_the_gateway_that_reached_the_lock_last(town: Town) -> None:
    for each in ("gw-1", "gw-2"):
        gateway(town, each)
        report(town, each)
        town.clock.now += 1
    async with open_web(town.service) as web:
        web.answer = gateways("gw-1", "gw-2")
        assert await relay(web) == (200, {"message": "AwQ"})
        assert named(web) == ["gw-2", "gw-2"]


async def test_with_no_gateway_known_the_first_to_answer_keeps_the_session(town: Town) -> None:
    gateway(town, "gw-1")
    async with open_web(town.service) as web:
        web.answer = gateways("gw-1", "gw-2")
        assert (await relay(web))[0] == 200
        assert named(web) == [None, "gw-1"]


async def test_a_gateway_that_does_not_reach_the_lock_hands_over_to_one_that_does(
    town: Town,
) -> None:
    for each in ("gw-1", "gw-2"):
        gateway(town, each)
        report(town, each)
        town.clock.now += 1
    async with open_web(town.service) as web:
        web.answer = gateways("gw-1", "gw-2", deaf="gw-2")
        assert await relay(web) == (200, {"message": "AwQ"})
        assert named(web) == ["gw-2", "gw-1", "gw-1"]
    assert carrier(town) == "gw-1"


async def test_when_the_only_gateway_does_not_reach_it_that_is_said(town: Town) -> None:
    gateway(town, "gw-1")
    report(town, "gw-1")
    async with open_web(town.service) as web:
        web.answer = gateways("gw-1", deaf="gw-1")
        status, body = await relay(web)
    assert (status, body["code"]) == (502, "UNREACHABLE")


async def test_who_waits_for_a_gateway_that_goes_is_told_though_another_is_there(
    town: Town,
) -> None:
    for each in ("gw-1", "gw-2"):
        gateway(town, each)
        report(town, each)
        town.clock.now += 1
    async with open_web(town.service) as web:
        web.hub.answer_within_s = 60.0
        shown = await ticket(web)
        waiting = asyncio.create_task(web.post("/v1/relay", BODY, shown))
        while not web.hub.waiting_locks():
            await asyncio.sleep(0.01)
        web.hub.gateway_gone("gw-1")
        assert web.hub.waiting_locks(), "that was not its gateway"
        web.hub.gateway_gone("gw-2")
        answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "GATEWAY_OFFLINE")


# --- tokens ---


async def test_the_worker_sends_what_begins_soon_and_takes_the_answer(town: Town) -> None:
    town.take(FIRST)
    report(town)
    with town.service.database.read() as session:
        found = session.query(Credential).filter_by(lock_id=LOCK, revoked_at=None)
        first = found.order_by(Credential.not_before).first()
        assert first is not None
        cti, begins = first.cti, first.not_before
    town.clock.now = begins - ahead.AHEAD_S
    worker = BrokerWorker(
        town.service, LinkSettings("nowhere", 1, "x"), monotonic=town.clock, random=lambda: 0.5
    )
    _, _, due = worker._due()
    command = next(put for put in map(worker._token_put, due) if put.id == f"token-{cti.hex()}")
    assert isinstance(command, TokenPut)
    assert tokens.parse(command.token)[1].cti == cti
    assert command.expires_at <= town.clock() + 120
    worker._take(LOCK, CommandResult(id=command.id, ok=True, gateway="gw-1"))
    with town.service.database.read() as session:
        assert session.get_one(TokenAhead, cti).taken_at == town.clock()
        assert not any(each.cti == cti for each in ahead.due(session, town.clock() + 700))


def test_a_lock_reported_by_a_gateway_of_before_is_served_as_before(town: Town) -> None:
    report(town, by=None)
    gateway(town, "gw-1")
    with town.service.database.write() as session:
        fleet.note_carrier(session, LOCK, "gw-1")
        assert not fleet.gateway_is_offline(session, LOCK)
    assert carrier(town) is None
