"""Unmodified bleak between the adapter and MicroPython, over the virtual radio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bleak import BleakClient
from bleak.exc import BleakError

from gateway import links as links_module
from gateway.links import BleakLinks
from gateway.machine import values as v
from gateway.radiofaults import Fault, classify
from protocol import frames
from tests.gateway.fakelock import LOCK_A, LOCK_B
from tests.gateway.radio import BOUND_S, SimulatedTown, start_echo_lock

pytestmark = pytest.mark.slow


class Heard:
    """A listener that remembers, and lets a test wait."""

    def __init__(self) -> None:
        self.events: list[tuple] = []
        self.sightings: set[str] = set()

    def up(self, lock: str, max_fragment: int) -> None:
        self.events.append(("up", lock, max_fragment))

    def received(self, lock: str, fragment: bytes) -> None:
        self.events.append(("received", lock, fragment))

    def down(self, lock: str, why: str) -> None:
        self.events.append(("down", lock, why))

    def sighted(self, lock: str) -> None:
        self.sightings.add(lock)

    def kinds(self) -> list[str]:
        return [event[0] for event in self.events]

    async def until(self, kind: str, count: int = 1) -> tuple:
        async with asyncio.timeout(BOUND_S):
            while self.kinds().count(kind) < count:
                await asyncio.sleep(0.01)
        return [event for event in self.events if event[0] == kind][-1]

    async def next(self) -> None:
        """Waits for one more event of any kind."""
        known = len(self.events)
        while len(self.events) == known:
            await asyncio.sleep(0.01)

    async def message(self) -> bytes:
        joined = frames.Reassembler()
        at = 0
        async with asyncio.timeout(BOUND_S):
            while True:
                for event in self.events[at:]:
                    at += 1
                    whole = joined.push(event[2]) if event[0] == "received" else None
                    if whole is not None:
                        return whole
                await asyncio.sleep(0.01)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SimulatedTown]:
    simulated = SimulatedTown(tmp_path)
    try:
        await simulated.start_world()
        yield simulated
    finally:
        await simulated.stop()


@contextlib.asynccontextmanager
async def running(town: SimulatedTown) -> AsyncIterator[tuple[BleakLinks, Heard]]:
    computer = await town.start_computer()
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = computer.bus_address
    heard = Heard()
    links = BleakLinks(heard, lambda: 0.5, find_within_s=3.0)
    scanning = asyncio.create_task(links.run())
    try:
        yield links, heard
    finally:
        await links.close()
        scanning.cancel()
        await asyncio.wait({scanning})


async def test_messages_go_both_ways_in_fragments_until_we_hang_up(town):
    await start_echo_lock(town)
    async with running(town) as (links, heard):
        links.connect(LOCK_A, urgent=True)
        _, lock, max_fragment = await heard.until("up")
        assert (lock, max_fragment) == (LOCK_A, 182)
        message = bytes(range(256)) * 4
        for fragment in frames.fragment(message, max_fragment):
            links.send(LOCK_A, fragment)
        assert await heard.message() == message
        links.disconnect(LOCK_A)
        assert await heard.until("down") == ("down", LOCK_A, v.CLOSED)
        assert heard.kinds().count("down") == 1
        assert LOCK_A in heard.sightings


async def test_a_lock_connects_again_and_again(town):
    await start_echo_lock(town)
    async with running(town) as (links, heard):
        for count in range(1, 6):
            links.connect(LOCK_A, urgent=False)
            await heard.until("up", count)
            links.disconnect(LOCK_A)
            await heard.until("down", count)


async def test_a_lock_that_hangs_up_is_lost(town):
    await start_echo_lock(town)
    async with running(town) as (links, heard):
        links.connect(LOCK_A, urgent=False)
        await heard.until("up")
        links.send(LOCK_A, frames.fragment(b"bye", 100)[0])
        assert await heard.until("down") == ("down", LOCK_A, v.LOST)


async def test_a_lock_whose_power_is_cut_is_lost_and_found_again(town):
    chip = await start_echo_lock(town)
    async with running(town) as (links, heard):
        links.connect(LOCK_A, urgent=False)
        await heard.until("up")
        chip.kill()
        assert await heard.until("down") == ("down", LOCK_A, v.LOST)
        await chip.wait()
        await start_echo_lock(town)
        async with asyncio.timeout(BOUND_S):
            while heard.kinds()[-1] != "up":
                links.connect(LOCK_A, urgent=False)
                await heard.next()


async def test_a_lock_that_bluez_is_made_to_forget_is_gone_until_it_is_heard_again(town):
    await start_echo_lock(town)
    async with running(town) as (links, heard):
        device = await links._scanning.find(LOCK_A, BOUND_S)
        async with links._scanning.paused():
            await links_module._take_from_bluez(device)
            with pytest.raises(BleakError) as failure:
                await BleakClient(device).connect()
        assert classify(failure.value) is Fault.DEVICE_GONE
        links._scanning.forget(LOCK_A)
        links.connect(LOCK_A, urgent=False)
        assert (await heard.until("up"))[1] == LOCK_A


async def test_a_stale_handle_is_replaced_by_a_fresh_one_within_one_connect(town):
    await start_echo_lock(town)
    async with running(town) as (links, heard):
        device = await links._scanning.find(LOCK_A, BOUND_S)
        async with links._scanning.paused():
            await links_module._take_from_bluez(device)
            links._scanning.remember(LOCK_A, device)
            links.connect(LOCK_A, urgent=False)
            await asyncio.sleep(0)
        assert (await heard.until("up"))[1] == LOCK_A
        assert "down" not in heard.kinds()


async def test_the_scanner_says_when_it_listens_and_when_it_makes_room(town):
    await start_echo_lock(town)
    computer = await town.start_computer()
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = computer.bus_address
    said: list[bool] = []
    heard = Heard()
    links = BleakLinks(heard, lambda: 0.5, find_within_s=3.0, on_listening=said.append)
    scanning = asyncio.create_task(links.run())
    links.connect(LOCK_A, urgent=False)
    await heard.until("up")
    await links.close()
    scanning.cancel()
    await asyncio.wait({scanning})
    assert said[:2] == [True, False]
    assert all(before != after for before, after in zip(said, said[1:], strict=False))
    assert said[-1] is False


async def test_a_lock_that_is_not_there_is_out_of_range_once(town):
    async with running(town) as (links, heard):
        links.connect(LOCK_B, urgent=False)
        assert await heard.until("down") == ("down", LOCK_B, v.OUT_OF_RANGE)
        assert heard.kinds() == ["down"]


async def test_giving_up_before_it_began_is_reported_like_any_end(town):
    async with running(town) as (links, heard):
        links.connect(LOCK_B, urgent=False)
        links.disconnect(LOCK_B)
        assert await heard.until("down") == ("down", LOCK_B, v.CLOSED)


async def test_without_any_bluetooth_a_connect_fails_and_nothing_breaks(tmp_path):
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path}/nobody"
    heard = Heard()
    links = BleakLinks(heard, lambda: 0.5, find_within_s=3.0)
    scanning = asyncio.create_task(links.run())
    links.connect(LOCK_A, urgent=True)
    assert await heard.until("down") == ("down", LOCK_A, v.NO_RADIO)
    assert not scanning.done()
    scanning.cancel()
    await asyncio.wait({scanning})
