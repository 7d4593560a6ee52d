"""Ten digits at the keypad of the lock on the bench: what opens, what rests, what is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hil_tests.bench import Bench, until
from hil_tests.conftest import open_bench
from protocol import audit, lockstate, pin, reasons, session
from protocol.lockconfig import DoorConfig
from protocol.lockstate import BOLT_LOCKED, BOLT_UNLOCKED
from protocol.pin import Pin
from simulator.town_keys import aes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]

RELOCK_AFTER_MS = 1500
SENSE_EVERY_S = 0.02
QUARTERS = 8
FLOOD = "*" + "0" * 999
RECORDS_OF_A_FLOOD = 6  # three attempts before the keypad rests, at most twice as many records


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def only_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """One lock for all these tests, soon locked again."""
    async with open_bench(request.config, tmp_path_factory.mktemp("bench")) as ready:
        await configure(ready)
        yield ready


@pytest_asyncio.fixture(loop_scope="module")
async def bench(only_bench: Bench) -> Bench:
    """The lock before each test: locked, its keypad ready, nothing half typed."""
    await until_bolt(only_bench, BOLT_LOCKED)
    await only_bench.ask(session.REQUEST_CLEAR_KEYPAD, None)
    return only_bench


async def until_bolt(bench: Bench, wanted: int) -> None:
    async def there() -> bool:
        return await bench.bolt() == wanted

    await until(there, f"the bolt is in state {wanted}")


async def until_nothing_comes(bench: Bench) -> None:
    """Until the lock has read what was typed: ten times it found nothing."""

    async def quiet() -> bool:
        answers, _ = await bench.keypad()
        await asyncio.sleep(10 * SENSE_EVERY_S)
        return answers == (await bench.keypad())[0]

    await until(quiet, "the lock has read every key")


def window(bench: Bench, serial: int = 0) -> Pin:
    """Open for a quarter of an hour at least, and for an hour at least still."""
    return Pin((bench.now() // pin.QUARTER_S - 1) * pin.QUARTER_S, QUARTERS, serial)


def digits_of(bench: Bench, which: Pin) -> str:
    return bench.town.pin(bench.enrolment, which.starts_at, which.quarters, which.serial)


def name_of(bench: Bench, which: Pin) -> bytes:
    name: bytes = pin.name(bench.enrolment.lock_id, which)
    return name


def wrong(digits: str) -> str:
    """Ten digits that differ from `digits` and say nothing at this lock but once in thousands."""
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


async def state(bench: Bench, key: int) -> Any:
    return (await bench.ask(session.REQUEST_STATE, None))[key]


async def records_after(bench: Bench, seq: int) -> list[audit.Record]:
    """What the lock has put on record since `seq`, as its town reads it."""
    parcel, seal = await bench.ask(session.REQUEST_AUDIT, [seq + 1, 8])
    kdk = bench.town.kdk(bench.enrolment)
    return [audit.decode_record(raw) for raw in audit.unpack(aes, kdk, parcel, seal)]


async def configure(bench: Bench, **figures: int) -> None:
    version = 1 + await state(bench, lockstate.STATE_CONFIG_VERSION)
    door = DoorConfig(relock_after_ms=RELOCK_AFTER_MS, **figures)
    document = bench.town.config_document(bench.enrolment.lock_id, version, door)
    assert await bench.ask(session.REQUEST_CONFIG, document) == version


async def test_a_pin_opens_the_door_and_its_name_is_on_record(bench: Bench) -> None:
    before = await state(bench, lockstate.STATE_HEAD_SEQ)
    mine = window(bench)
    assert await bench.type_keys(digits_of(bench, mine)[:9]) == "accepted"
    assert await bench.type_keys(digits_of(bench, mine)[9]) == "granted"
    await until_bolt(bench, BOLT_UNLOCKED)
    opened = [r for r in await records_after(bench, before) if r.event == audit.LOCK_OPERATION]
    ((code, source, subject),) = [(r.code, r.source, r.subject) for r in opened]
    assert (code, source) == (audit.OPERATION_UNLOCK, audit.SOURCE_KEYPAD)
    assert subject == name_of(bench, mine)


async def test_wrong_pins_rest_the_keypad_for_the_right_one_too_and_a_restart_helps_nobody(
    bench: Bench,
) -> None:
    good = digits_of(bench, window(bench))
    for _ in range(3):
        assert await bench.type_keys(wrong(good), at_once=True) == "refused"
    assert await bench.type_keys(good, at_once=True) == "wait"
    await bench.restart()
    assert await bench.type_keys(good, at_once=True) == "wait"
    assert await state(bench, lockstate.STATE_KEYPAD) == lockstate.KEYPAD_WAITS
    assert await bench.bolt() == BOLT_LOCKED
    await bench.ask(session.REQUEST_CLEAR_KEYPAD, None)
    assert await bench.type_keys(good, at_once=True) == "granted"


async def test_a_withdrawn_pin_opens_nothing_and_its_neighbour_still_does(bench: Bench) -> None:
    gone, kept = window(bench, serial=1), window(bench, serial=2)
    version = 1 + await state(bench, lockstate.STATE_STATUS_VERSION)
    listed = [(name_of(bench, gone), gone.ends_at)]
    header, entries = bench.town.status_list(bench.enrolment.lock_id, version, bench.now(), listed)
    taken = await bench.ask(session.REQUEST_STATUS_PART, [header, 0, entries])
    assert taken == [None, version]
    before = await state(bench, lockstate.STATE_HEAD_SEQ)
    assert await bench.type_keys(digits_of(bench, gone), at_once=True) == "refused"
    assert await bench.bolt() == BOLT_LOCKED
    refused = [(r.event, r.code, r.subject) for r in await records_after(bench, before)]
    name = name_of(bench, gone)
    assert (audit.LOCK_OPERATION_ERROR, reasons.PIN_REFUSED, name) in refused
    assert await bench.type_keys(digits_of(bench, kept), at_once=True) == "granted"


async def test_a_door_that_takes_no_pins_says_so_at_every_key(bench: Bench) -> None:
    good = digits_of(bench, window(bench))
    await configure(bench, pin_allowed=0)
    before = await state(bench, lockstate.STATE_HEAD_SEQ)
    assert await bench.type_keys("1") == "off"
    assert await bench.type_keys("*" + good, at_once=True) == "off"
    assert await state(bench, lockstate.STATE_HEAD_SEQ) == before
    assert await bench.bolt() == BOLT_LOCKED
    await configure(bench, pin_allowed=1)
    assert await bench.type_keys(good, at_once=True) == "granted"


async def test_a_flood_of_keys_costs_few_records_and_keeps_no_phone_waiting(bench: Bench) -> None:
    before, life = await state(bench, lockstate.STATE_HEAD_SEQ), bench.life()
    await bench.press_keys(FLOOD, at_once=True)
    assert (await bench.present(bench.credential(-60, 600), confirm=False)).code == "OPENED"
    await until_nothing_comes(bench)
    records = await records_after(bench, before)
    assert sum(r.source == audit.SOURCE_KEYPAD for r in records) <= RECORDS_OF_A_FLOOD
    assert bench.life() == life, "the lock restarted"
    await bench.ask(session.REQUEST_CLEAR_KEYPAD, None)
    assert await bench.type_keys("*" + digits_of(bench, window(bench)), at_once=True) == "granted"
