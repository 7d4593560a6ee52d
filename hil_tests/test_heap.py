"""The heap of the whole lock application, opening after opening, on the real runtime.

The image differs from the shipped one by its main.py alone: a task beside the application collects
and prints how much of the heap is free, and the lock advertises as often as Bluetooth allows, for
nine tenths of an opening are waiting for advertisements. Simulated bench only: a board has its own
heap.

What a lock remembers of keys that were good takes heap until MAX_REMEMBERED of them are known.
That is meant, and no leak: the figures count from there on. The lock's journal and its list of
withdrawn keys are full from the start, and the tables for signatures are in memory.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from firmware.core import refusals
from hil_tests import full_lock
from hil_tests.bench import until
from hil_tests.sim_bench import SimBench
from kannuki.soak import write_figures
from protocol import audit, lockstate, session
from protocol.verify import MAX_REMEMBERED
from simulator.chip_board import HEAP_BYTES

REPORTING_MAIN = b"""\
import asyncio
import gc
import json

gc.threshold(2048)  # as the shipped main.py

import bluetooth

from firmware.app import main


class EagerBle(bluetooth.BLE):
    def gap_advertise(self, interval_us, *data, **more):
        super().gap_advertise(20_000, *data, **more)  # the least for connectable advertising


bluetooth.BLE = EagerBle


async def tell():
    while True:
        await asyncio.sleep_ms(500)
        gc.collect()
        print(json.dumps({"free": gc.mem_free(), "used": gc.mem_alloc()}))


asyncio.create_task(tell())
main()
"""
USES_OF_A_KEY = 2  # unknown and then remembered: the slow path and the fast one
WARM_UP = USES_OF_A_KEY * MAX_REMEMBERED
MORE = 2 * WARM_UP  # each key that costs heap costs about 100 bytes: 64 of them are far too many
MAY_FALL_BY_BYTES = 512  # figures differ by some 100 bytes; the list of segments grows up to 256
SOAK_OPENINGS = 10_000
SOAK_EVERY = 100


def heap_bench(folder: Path) -> SimBench:
    """A bench whose lock is as full as it gets, and tells about its heap."""
    return SimBench(folder, {"/main.py": REPORTING_MAIN}, is_full=True)


def told(bench: SimBench) -> list[dict[str, int]]:
    """What the lock has told so far."""
    lines = [line for line in bench.lock_log().splitlines() if '"free"' in line]
    return [json.loads(line) for line in lines if line.endswith("}")]


async def free_now(bench: SimBench) -> int:
    """Free bytes after a collection that came after this call."""
    seen = len(told(bench))

    async def next_figure() -> dict[str, int] | None:
        figures = told(bench)
        return figures[-1] if len(figures) > seen + 1 else None

    return (await until(next_figure, "the lock tells about its heap"))["free"]


async def open_often(bench: SimBench, times: int) -> None:
    """Ever new keys, each used USES_OF_A_KEY times, each time over a connection of its own."""
    for done in range(times):
        if done % USES_OF_A_KEY == 0:
            key = bench.credential(-60, 86400)
        result = await bench.present(key, session.COMMAND_UNLOCK, confirm=False)
        assert result.code == "OPENED"


async def is_full(bench: SimBench) -> None:
    """What the figures are about: the list in force and the records are there."""
    state = await bench.ask(session.REQUEST_STATE, None)
    assert state[lockstate.STATE_STATUS_VERSION] == 1
    kept = state[lockstate.STATE_HEAD_SEQ] - state[lockstate.STATE_OLDEST_SEQ] + 1
    assert kept >= full_lock.RECORDS


async def refuse_once(bench: SimBench) -> None:
    """A key that comes too early: the refusal is recorded."""
    early = bench.credential(3600, 86400)
    result = await bench.present(early, session.COMMAND_UNLOCK, confirm=False)
    assert result.code == "NOT_YET_VALID"


async def sign_a_head(bench: SimBench) -> None:
    """The lock's own signature, for which it loads code that it forgets again."""
    assert await bench.ask(session.REQUEST_HEAD, os.urandom(audit.HEAD_NONCE_BYTES))


@pytest.mark.slow
async def test_ever_new_keys_leave_the_heap_as_it_was(tmp_path: Path) -> None:
    async with heap_bench(tmp_path) as bench:
        await is_full(bench)
        await open_often(bench, WARM_UP)
        await sign_a_head(bench)  # its names stay for good, its code does not
        before = await free_now(bench)
        await open_often(bench, MORE)
        await sign_a_head(bench)
        after = await free_now(bench)
    assert after >= before - MAY_FALL_BY_BYTES, (before, after)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
async def test_ten_thousand_openings_leave_the_heap_as_it_was(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    began_at, free = time.monotonic(), []
    async with heap_bench(tmp_path) as bench:
        life = bench.life()
        await is_full(bench)
        await open_often(bench, WARM_UP)
        for _ in range(refusals.MAX_TOKENS):  # the lock counts refusals of so many tokens, no more
            await refuse_once(bench)
        for done in range(0, SOAK_OPENINGS, SOAK_EVERY):
            free.append([WARM_UP + done, await free_now(bench)])
            await open_often(bench, SOAK_EVERY)
            await refuse_once(bench)
        free.append([WARM_UP + SOAK_OPENINGS, await free_now(bench)])
        assert bench.life() == life, "the lock restarted on the way"
    figures = {"heap": HEAP_BYTES, "openings": SOAK_OPENINGS, "free_after_openings": free}
    lowest, seconds = min(bytes_ for _, bytes_ in free), round(time.monotonic() - began_at)
    figures |= {"lowest_free_bytes": lowest, "seconds": seconds}
    write_figures(pytestconfig.rootpath, "heap", figures)
    assert lowest >= free[0][1] - MAY_FALL_BY_BYTES
