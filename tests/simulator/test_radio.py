"""Unmodified bleak talks to MicroPython over virtual controllers, and survives what goes wrong."""

import asyncio
import contextlib
import signal
import struct
import sys
from pathlib import Path
from typing import Self

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from simulator.radio.peripheral import MAX_CONNECTIONS
from tests.simulator.conftest import BOUND_S, ROOT, Computer, Process, SimulatedTown

RX = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
TX = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"


pytestmark = pytest.mark.slow


class Phone:
    """A bleak client whose notifications are easy to wait for."""

    def __init__(self, device: BLEDevice) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.client = BleakClient(device, lambda _: self.gone.set(), timeout=15)

    async def __aenter__(self) -> Self:
        await self.client.connect()
        await self.client.start_notify(TX, lambda _, data: self.heard.put_nowait(bytes(data)))
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(BleakError):
            await self.client.disconnect()

    async def say(self, text: bytes) -> None:
        await self.client.write_gatt_char(RX, text, response=True)

    async def ask(self, text: bytes) -> bytes:
        await self.say(text)
        return await asyncio.wait_for(self.heard.get(), BOUND_S)


@pytest.fixture
async def computer(town: SimulatedTown, monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = await town.start_computer()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.bus_address)
    return made


async def find() -> BLEDevice:
    device = await BleakScanner.find_device_by_name("ECHO", timeout=BOUND_S)
    assert device is not None
    return device


async def start_central(town: SimulatedTown, computer: Computer, *arguments: str) -> Process:
    return await town.start(
        *(sys.executable, str(ROOT / "tests/simulator/central.py"), *arguments),
        log="central",
        ready=True,
        DBUS_SYSTEM_BUS_ADDRESS=computer.bus_address,
    )


async def test_write_notify_read_and_mtu(town: SimulatedTown, computer: Computer) -> None:
    await town.start_chip()
    async with Phone(await find()) as phone:
        assert await phone.ask(b"E" + b"x" * 200) == b"E" + b"x" * 200
        assert b"mtu:247" in await phone.ask(b"V")
        assert await phone.ask(b"N500") == b"n" * 244, "cut to MTU - 3 as NimBLE does"
        await phone.client.write_gatt_char(RX, b"Ecommand", response=False)
        assert await asyncio.wait_for(phone.heard.get(), BOUND_S) == b"Ecommand"
        assert await phone.client.read_gatt_char(TX) == b""


async def test_oversize_and_forbidden_operations_are_errors_and_the_link_lives(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip()
    async with Phone(await find()) as phone:
        for response in (True, False):
            with pytest.raises(BleakError):
                await phone.client.write_gatt_char(RX, b"z" * 245, response=response)
        with pytest.raises(BleakError):
            await phone.client.read_gatt_char(RX)
        assert await phone.ask(b"Estill here") == b"Estill here"


async def test_killed_chip_is_a_lost_link_and_comes_back_at_the_same_address(
    town: SimulatedTown, computer: Computer
) -> None:
    chip = await town.start_chip()
    device = await find()
    async with Phone(device) as phone:
        assert await phone.ask(b"Sprecious") == b"stored"
        chip.kill(signal.SIGKILL)
        await asyncio.wait_for(phone.gone.wait(), BOUND_S)
        assert not phone.client.is_connected
    await town.start_chip()
    async with Phone(device) as phone:
        assert await phone.ask(b"G") == b"precious"
    assert (await find()).address == device.address


async def test_connecting_to_a_dead_lock_gives_up_and_does_not_block_the_others(
    town: SimulatedTown, computer: Computer
) -> None:
    chip = await town.start_chip()
    dead = await find()
    chip.kill()
    await chip.wait()
    await town.start_chip("lock-2")
    while (alive := await find()).address == dead.address:
        await asyncio.sleep(0.05)
    hopeless = asyncio.create_task(BleakClient(dead, timeout=3).connect())
    async with Phone(alive) as phone:
        assert await phone.ask(b"Emeanwhile") == b"Emeanwhile"
    with pytest.raises((BleakError, TimeoutError)):
        await asyncio.wait_for(hopeless, BOUND_S)
    async with Phone(alive) as phone:
        assert await phone.ask(b"Eafterwards") == b"Eafterwards"


async def test_operation_pending_when_the_link_drops_is_an_error_not_a_wait(
    town: SimulatedTown, computer: Computer
) -> None:
    chip = await town.start_chip()
    async with Phone(await find()) as phone:
        assert await phone.ask(b"K60000") == b"held"
        reads = [asyncio.create_task(phone.client.read_gatt_char(TX)) for _ in range(3)]
        done, _ = await asyncio.wait(reads, timeout=0.3)
        assert not done, "the chip does not answer"
        chip.kill()
        for read in reads:
            with pytest.raises(BleakError):
                await asyncio.wait_for(read, BOUND_S)


async def test_chip_that_hangs_up_or_resets_ends_the_link(
    town: SimulatedTown, computer: Computer
) -> None:
    chip = await town.start_chip()
    device = await find()
    async with Phone(device) as phone:
        await phone.say(b"X")
        await asyncio.wait_for(phone.gone.wait(), BOUND_S)
    async with Phone(device) as phone:
        assert await phone.ask(b"C") == b"1", "power-on"
        await phone.say(b"R")
        await asyncio.wait_for(phone.gone.wait(), BOUND_S)
    assert await chip.wait() != 0, "a supervisor must start it again"
    await town.start_chip()
    async with Phone(device) as phone:
        assert await phone.ask(b"C") == b"2", "hard reset"


async def test_a_killed_bleak_process_leaves_a_link_that_the_next_one_takes_over(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip()
    killed = await start_central(town, computer, "1", "hold")
    killed.kill(signal.SIGKILL)
    await killed.wait()
    async with Phone(await find()) as phone:
        assert await phone.ask(b"Emine") == b"Emine"
        assert (await phone.ask(b"V")).count(b"1:") == 1, "the same link, as with bluetoothd"


async def test_two_computers_hold_links_to_one_lock_at_once(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip()
    other = await town.start_computer(2)
    holder = await start_central(town, other, "1", "hold")
    async with Phone(await find()) as phone:
        assert await phone.ask(b"Eme too") == b"Eme too"
        holder.kill(signal.SIGKILL)
        other.bluez.kill(signal.SIGKILL)
        while (await phone.ask(b"V")).count(b"2:") < 1:
            await asyncio.sleep(0.05)
        assert await phone.ask(b"Estill") == b"Estill", "the dead computer's link is lost, not ours"


async def test_two_computers_race_for_one_lock_many_times(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip()
    other = await town.start_computer(2)
    both = await asyncio.gather(
        start_central(town, computer, "10"), start_central(town, other, "10")
    )
    assert [each.ready["answers"] for each in both] == [[f"E{n}" for n in range(10)]] * 2


async def test_a_lock_with_no_free_connection_cannot_advertise(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip()
    others = [await town.start_computer(number) for number in range(2, MAX_CONNECTIONS + 1)]
    await asyncio.gather(*(start_central(town, each, "1", "hold") for each in others))
    async with Phone(await find()) as phone:
        assert b"adv12" in await phone.ask(b"V"), "ENOMEM, as on the ESP32 port"


async def test_bluez_ends_when_the_air_dies_and_a_new_one_finds_the_lock_again(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip()
    device = await find()
    async with Phone(device) as phone:
        town.world.kill()
        await asyncio.wait_for(phone.gone.wait(), BOUND_S)
    assert await computer.bluez.wait() == 1
    await town.start_world()
    await town.start_bluez(computer.bus_address, computer.address)
    await town.start_chip()
    again = await find()
    assert again.address == device.address
    async with Phone(again) as phone:
        assert await phone.ask(b"Eback") == b"Eback"


async def test_capture_shows_the_traffic_of_the_lock(
    town: SimulatedTown, computer: Computer
) -> None:
    await town.start_chip("lock-7")
    async with Phone(await find()) as phone:
        await phone.ask(b"Eseen on the air")
    for name in ("air.btsnoop", "air.lock-7.btsnoop"):
        packets = read_btsnoop(town.folder / name)
        assert any(b"Eseen on the air" in packet for packet in packets)
        assert {packet[0] for packet in packets} == {1, 2, 4}, "commands, data and events"


def read_btsnoop(path: Path) -> list[bytes]:
    data = path.read_bytes()
    assert data[:16] == b"btsnoop\0" + struct.pack(">II", 1, 1002)
    packets, at = [], 16
    while at < len(data):
        original, included, *_ = struct.unpack_from(">IIIIQ", data, at)
        assert original == included
        packets.append(data[at + 24 : at + 24 + included])
        at += 24 + included
    return packets
