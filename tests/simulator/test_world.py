"""The world: doors outlive chips, time moves when told, and garbage hurts nobody."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from simulator.chip import _ops as ops
from tests.simulator.conftest import BOUND_S, SimulatedTown

pytestmark = pytest.mark.slow


class Hand:
    """Talks to the control interface."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self.base = f"http://127.0.0.1:{port}"

    async def state(self) -> dict:
        async with self._session.get(self.base + "/state") as response:
            return await response.json()

    async def door(self, name: str = "lock-1") -> dict:
        return (await self.state())["doors"][name]

    async def post(self, path: str, body: object = None, **more: object) -> tuple[int, dict]:
        async with self._session.post(self.base + path, json=body, **more) as response:
            return response.status, await response.json()

    async def until(self, wanted: dict, name: str = "lock-1") -> dict:
        async with asyncio.timeout(BOUND_S):
            while True:
                doors = (await self.state())["doors"]
                door = doors.get(name, {})
                if all(door.get(key) == value for key, value in wanted.items()):
                    return door
                await asyncio.sleep(0.02)


@pytest.fixture
async def hand(town: SimulatedTown) -> AsyncIterator[Hand]:
    async with aiohttp.ClientSession() as session:
        yield Hand(session, town.world.ready["control_port"])


class FakeChip:
    """The chip's side of the board wire, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.hello = reader, writer, b""

    @classmethod
    async def join(cls, town: SimulatedTown, name: str = "lock-1") -> "FakeChip":
        chip = cls(*await asyncio.open_connection("127.0.0.1", town.world.ready["board_port"]))
        town.streams.append(chip.writer)  # a stream that is garbage collected hangs up
        chip.send(ops.HELLO, name.encode())
        op, chip.hello = await chip.receive()
        assert op == ops.REPLY
        return chip

    def send(self, op: int, payload: bytes = b"") -> None:
        self.writer.write((len(payload) + 1).to_bytes(2) + bytes([op]) + payload)

    async def receive(self) -> tuple[int, bytes]:
        size = int.from_bytes(await asyncio.wait_for(self.reader.readexactly(2), BOUND_S))
        frame = await asyncio.wait_for(self.reader.readexactly(size), BOUND_S)
        return frame[0], frame[1:]

    async def until_hung_up(self) -> None:
        await asyncio.wait_for(self.reader.read(), BOUND_S)


async def test_pins_move_the_bolt_and_the_switches_come_back(
    town: SimulatedTown, hand: Hand
) -> None:
    chip = await FakeChip.join(town)
    chip.send(ops.PIN_OUT, bytes([26, 1]))
    seen = [await chip.receive() for _ in range(2)]
    assert seen == [(ops.PIN_IN, bytes([32, 0])), (ops.PIN_IN, bytes([33, 1]))]
    door = await hand.until({"unlocked": True})
    assert door["chip"] and not door["locked"]
    assert (await hand.post("/doors/lock-1/handle"))[1]["happened"] == ["opened"]
    assert await chip.receive() == (ops.PIN_IN, bytes([34, 0]))


async def test_door_stays_and_motor_stops_when_the_chip_dies(
    town: SimulatedTown, hand: Hand
) -> None:
    chip = await FakeChip.join(town)
    chip.send(ops.PIN_OUT, bytes([26, 1]))
    await hand.until({"unlocked": True})
    chip.writer.close()
    door = await hand.until({"chip": False})
    assert door["unlocked"] and door["outputs"]["26"] == 0
    await FakeChip.join(town)
    assert (await hand.until({"chip": True}))["boots"] == 2


async def test_people_and_faults_are_reported_as_events(town: SimulatedTown, hand: Hand) -> None:
    await FakeChip.join(town)
    async with aiohttp.ClientSession() as session, session.get(hand.base + "/events") as events:
        for action in ("handle", "rex", "tamper", "jam", "unjam", "force", "close"):
            status, _ = await hand.post(f"/doors/lock-1/{action}")
            assert status == 200
        seen = []
        async with asyncio.timeout(BOUND_S):
            while "close_blocked" not in " ".join(seen):
                seen.append((await events.content.readline()).decode())
    text = "".join(seen)
    for event in ("handle_rattled", "rex_pressed", "case_opened", "jam_placed", "forced"):
        assert f'"event": "{event}"' in text
    assert (await hand.door())["hands"]["handle"] == 1


SENSELESS = [
    ("/doors/nobody/handle", None, 404),
    ("/doors/lock-1/explode", None, 404),
    ("/doors/lock-1/jam", {"at": 7}, 400),
    ("/doors/lock-1/jam", {"at": "half"}, 400),
    ("/doors/lock-1/open", {"for_ms": -1}, 400),
    ("/doors/lock-1/tamper", {"open": 1}, 400),
    ("/doors/lock-1/open", [], 400),
    ("/clock", {}, 400),
    ("/clock", {"offset_s": True}, 400),
    ("/clock", {"offset_s": 1e300}, 400),
    ("/clock", {"unix_s": 1, "stepped": "yes"}, 400),
    ("/boards/nobody/rtc", {"lost": True}, 404),
    ("/boards/lock-1/rtc", {"lost": False}, 400),
    ("/boards/lock-1/rtc", {"error_s": "much"}, 400),
    ("/nothing", None, 404),
]


async def test_requests_without_sense_are_refused_with_words(
    town: SimulatedTown, hand: Hand
) -> None:
    await FakeChip.join(town)
    before = (await hand.state())["seq"]
    for path, body, status in SENSELESS:
        answered, answer = await hand.post(path, body)
        assert answered == status, path
        assert answer["error"]
    after = await hand.state()
    assert after["seq"] == before, "nothing happened"
    assert after["doors"]["lock-1"]["hands"] == {}


async def talk_garbage(port: int, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    try:
        await asyncio.wait_for(reader.read(), BOUND_S)
    except ConnectionError:
        return  # hung up hard: as good
    finally:
        writer.close()


async def test_garbage_on_every_socket_is_dropped_and_counted(
    town: SimulatedTown, hand: Hand
) -> None:
    chip = await FakeChip.join(town)
    dice = random.Random(1)
    ports = town.world.ready
    for _ in range(20):
        junk = dice.randbytes(dice.randint(1, 3000))
        for port in ("air_port", "board_port", "control_port"):
            await talk_garbage(ports[port], junk)
    for frame in (b"\0\0", b"\xff\xff\x01", b"\0\x01\x01", b"\0\x05\x01\xff\xfe!!"):
        await talk_garbage(ports["board_port"], frame)
    for packet in (b"\x01\x03\x0c\x00", b"\x01\x06\x20\x01\x00", b"\x04\x05\x04\0\0\0\0"):
        await talk_garbage(ports["air_port"], packet)
    counts = (await hand.state())["counts"]
    assert counts["air"]["garbage_clients"] > 0
    assert counts["boards"]["garbage_clients"] > 0
    assert list((await hand.state())["doors"]) == ["lock-1"]
    chip.send(ops.BLE_ON, b"fine")
    assert (await chip.receive())[1][:2] == b"\0\0", "the board still works"


async def test_garbage_after_hello_drops_that_chip_only(town: SimulatedTown, hand: Hand) -> None:
    good, bad = await FakeChip.join(town, "good"), await FakeChip.join(town, "bad")
    bad.send(ops.GATTS_REGISTER, os.urandom(9))  # radio is off: an error, not garbage
    assert (await bad.receive())[1] == (19).to_bytes(2), "ENODEV"
    bad.send(ops.BLE_ON, b"x")
    await bad.receive()
    bad.send(ops.GATTS_REGISTER, b"\x05\x10")
    await bad.until_hung_up()
    await hand.until({"chip": False}, "bad")
    good.send(ops.PIN_OUT, bytes([26, 1]))
    await hand.until({"unlocked": True}, "good")


async def test_the_newer_chip_of_a_board_takes_its_place(town: SimulatedTown, hand: Hand) -> None:
    older = await FakeChip.join(town)
    newer = await FakeChip.join(town)
    await older.until_hung_up()
    newer.send(ops.PIN_OUT, bytes([26, 1]))
    await hand.until({"unlocked": True, "chip": True})


async def test_a_watchdog_that_is_not_fed_resets_the_chip(town: SimulatedTown) -> None:
    chip = await FakeChip.join(town)
    chip.send(ops.WATCHDOG, (50).to_bytes(4))
    await chip.until_hung_up()
    again = await FakeChip.join(town)
    assert again.hello[2 + 6] == ops.WDT_RESET


CLOCK_SCRIPT = """
import machine, time
rtc = machine.RTC()
led = machine.Pin(27, machine.Pin.OUT)
seen = None
while True:
    now = rtc.datetime()[:7]
    if now != seen:
        seen = now
        print(now)
        led.toggle()
    time.sleep_ms(10)
"""


async def test_stepped_time_stands_still_until_it_is_moved(town: SimulatedTown, hand: Hand) -> None:
    at = datetime(2026, 3, 29, 23, 59, 58, tzinfo=UTC)
    assert (await hand.post("/clock", {"unix_s": at.timestamp(), "stepped": True}))[0] == 200
    (town.folder / "clock.py").write_text(CLOCK_SCRIPT)
    await town.start_chip("clock", script=str(town.folder / "clock.py"))
    log = town.folder / "clock.log"
    await lines(log, 1)
    await hand.post("/clock", {"unix_s": at.timestamp() + 3, "stepped": True})
    assert await lines(log, 2) == ["(2026, 3, 29, 6, 23, 59, 58)", "(2026, 3, 30, 0, 0, 0, 1)"]
    state = await hand.state()
    assert state["clock"] == {"unix_s": at.timestamp() + 3, "stepped": True}
    assert state["log"][-1]["at"] == at.timestamp() + 3


async def test_offset_time_runs(town: SimulatedTown, hand: Hand) -> None:
    await hand.post("/clock", {"unix_s": datetime(2030, 1, 1, tzinfo=UTC).timestamp()})
    (town.folder / "clock.py").write_text(CLOCK_SCRIPT)
    await town.start_chip("clock", script=str(town.folder / "clock.py"))
    seen = await lines(town.folder / "clock.log", 3)
    assert all(line.startswith("(2030, 1, 1, 1, 0, ") for line in seen)


async def test_a_board_whose_battery_was_taken_shows_the_year_2000(
    town: SimulatedTown, hand: Hand
) -> None:
    (town.folder / "clock.py").write_text(CLOCK_SCRIPT)
    await town.start_chip("clock", script=str(town.folder / "clock.py"))
    await lines(town.folder / "clock.log", 1)
    assert (await hand.post("/boards/clock/rtc", {"lost": True}))[0] == 200
    assert (await lines(town.folder / "clock.log", 2))[1].startswith("(2000, 1, 1, 5, 0, 0, ")


VOLTAGE_SCRIPT = """
import time
from machine import ADC, Pin

adc, seen = ADC(Pin(36), atten=ADC.ATTN_11DB), None
while True:
    now = adc.read_uv() // 1000
    if now != seen:
        seen = now
        print(now)
    time.sleep_ms(10)
"""


async def test_a_board_without_a_battery_gets_one_that_runs_low(
    town: SimulatedTown, hand: Hand
) -> None:
    (town.folder / "cells.py").write_text(VOLTAGE_SCRIPT)
    await town.start_chip("cells", script=str(town.folder / "cells.py"))
    log = town.folder / "cells.log"
    await lines(log, 1)
    for number, percent in enumerate((100, 10, None), start=2):
        assert (await hand.post("/doors/cells/battery", {"percent": percent}))[0] == 200
        await lines(log, number)
    assert (await hand.post("/doors/cells/battery", {"percent": 101}))[0] == 400
    full, low = (int(line) for line in (await lines(log, 4))[1:3])
    assert (await lines(log, 4))[0] == (await lines(log, 4))[3] == "0"
    assert 1400 < low < 1500 < 1950 < full < 2050


async def lines(path, count: int) -> list[str]:
    async with asyncio.timeout(BOUND_S):
        while True:
            seen = path.read_text().splitlines() if path.exists() else []
            if len(seen) >= count:
                return seen[:count]
            await asyncio.sleep(0.02)


async def test_world_says_its_ports_in_a_file_and_ends_cleanly(town: SimulatedTown) -> None:
    ready_file = town.folder / "ready.json"
    more = ("--door", "lock-9", "--ready-file", str(ready_file))
    world = await town.start(sys.executable, "-m", "simulator.world", *more, ready=True)
    assert json.loads(ready_file.read_text()) == world.ready
    async with aiohttp.ClientSession() as session:
        door = await Hand(session, world.ready["control_port"]).door("lock-9")
    assert door["locked"] and not door["chip"]
    world.kill(signal.SIGTERM)
    assert await world.wait() == 0


async def test_world_on_a_taken_port_says_so_and_ends(town: SimulatedTown) -> None:
    taken = str(town.world.ready["board_port"])
    second = await town.start(
        sys.executable, "-m", "simulator.world", "--board-port", taken, log="second"
    )
    assert await second.wait() == 2
    assert "cannot start" in (town.folder / "second.log").read_text()
