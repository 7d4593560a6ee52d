"""What every lock must do on every bench."""

from __future__ import annotations

import asyncio

import pytest

from hil_tests.bench import Bench
from protocol import session
from protocol import token as tokens
from protocol.lockstate import BOLT_LOCKED, BOLT_UNLOCKED

pytestmark = pytest.mark.slow

RELOCKS_WITHIN_S = 20


async def until_locked(bench: Bench) -> None:
    async with asyncio.timeout(RELOCKS_WITHIN_S):
        while await bench.bolt() != BOLT_LOCKED:
            await asyncio.sleep(0.5)


async def test_valid_token_opens_and_the_bolt_returns(bench: Bench) -> None:
    result = await bench.present(bench.credential(-60, 600))
    assert (result.code, result.authentic, result.bolt) == ("OPENED", True, BOLT_UNLOCKED)
    await until_locked(bench)


async def test_expired_token_does_not_open_even_after_power_was_cut(bench: Bench) -> None:
    expired = bench.credential(-600, -60)
    assert (await bench.present(expired)).code == "EXPIRED"
    await bench.restart()
    result = await bench.present(expired)
    assert (result.code, result.authentic) == ("EXPIRED", True)
    assert await bench.bolt() == BOLT_LOCKED


async def test_early_token_is_told_when_it_will_open(bench: Bench) -> None:
    early = bench.credential(720, 1200)
    result = await bench.present(early)
    assert (result.code, result.opens_at) == ("NOT_YET_VALID", early.token.not_before)


async def test_near_key_does_not_open_from_afar(bench: Bench) -> None:
    near = bench.credential(-60, 600, tokens.UNLOCK)
    assert (await bench.present(near, session.COMMAND_UNLOCK_REMOTE)).code == "SCOPE"


async def test_journal_survives_a_power_cut(bench: Bench) -> None:
    first = await bench.present(bench.credential(-60, 600))
    assert first.head is not None
    await bench.restart()
    second = await bench.present(bench.credential(-60, 600))
    assert second.head is not None
    assert second.head[0] > first.head[0] + 1  # the restart itself is in the record
