"""`org.bluez` of one simulated computer: real D-Bus outside, a Bumble central inside.

    DBUS_SYSTEM_BUS_ADDRESS=unix:path=... python -m simulator.radio.bluez \\
        --hci 127.0.0.1:PORT --address F0:00:00:00:00:01

Enough for unmodified bleak and for Chromium's Web Bluetooth: scan, connect, GATT, link loss.
Prints one JSON line when ready. Decides nothing about locks. Ends with code 1 when the air or the
bus goes away, so that a supervisor starts it again; before that every device is shown as
disconnected.

Differences from bluetoothd: devices are never forgotten by themselves, no pairing, no agents,
no advertisement monitors; connecting listens for the device's advert first, as the kernel does.
"""

import argparse
import asyncio
import json
import logging
import re
import signal
import sys
import time
from typing import Any

from bumble.device import Device
from bumble.hci import Address
from bumble.transport import open_transport
from bumble.transport.common import Transport
from dbus_fast import BusType, Message
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from simulator.radio.bluez_adapter import Bluez

log = logging.getLogger(__name__)

START_TIMEOUT_S = 15


class CannotStart(Exception):
    """The air or the bus cannot be used; the message says which."""


async def _open_air(hci: str) -> Transport:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return await open_transport(f"tcp-client:{hci}")
        except OSError as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"no air at {hci}: {error}; start simulator.world") from error
            await asyncio.sleep(0.1)


async def _open_bus() -> MessageBus:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return await MessageBus(bus_type=BusType.SYSTEM).connect()
        except (OSError, EOFError, DBusError) as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"no D-Bus at DBUS_SYSTEM_BUS_ADDRESS: {error}") from error
            await asyncio.sleep(0.1)


async def _watch_clients(bus: MessageBus) -> None:
    rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
    await bus.call(
        Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="AddMatch",
            signature="s",
            body=[rule],
        )
    )


async def run(hci: str, address: str) -> int:
    """Serve until the air or the bus ends (1) or a signal asks to stop (0)."""
    transport, bus = await _open_air(hci), await _open_bus()
    device = Device.with_hci("hci0", Address(address), transport.source, transport.sink)
    async with asyncio.timeout(START_TIMEOUT_S):
        await device.power_on()
    bluez = Bluez(device, bus, address)
    await _watch_clients(bus)
    await bus.request_name("org.bluez")
    bluez.announce()
    print(json.dumps({"ready": True, "part": "bluez", "address": address}), flush=True)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    code = await _until_over(stopping, transport, bus)
    bluez.withdraw()
    await asyncio.sleep(0.05)  # let the last signals leave before the bus is closed
    bus.disconnect()
    return code


async def _until_over(stopping: asyncio.Event, transport: Transport, bus: MessageBus) -> int:
    ends: dict[str, asyncio.Future[Any]] = {
        "asked to stop": asyncio.ensure_future(stopping.wait()),
        "the air is gone": asyncio.ensure_future(transport.source.terminated),
        "the bus is gone": asyncio.ensure_future(bus.wait_for_disconnect()),
    }
    done, rest = await asyncio.wait(ends.values(), return_when=asyncio.FIRST_COMPLETED)
    for each in rest:
        each.cancel()
    why = next(reason for reason, end in ends.items() if end in done)
    log.info("bluez: %s", why)
    return 0 if why == "asked to stop" else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator.radio.bluez")
    parser.add_argument("--hci", required=True, metavar="HOST:PORT", help="the air to join")
    parser.add_argument("--address", required=True, help="this computer's Bluetooth address")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", options.address):
        parser.error("--address is six bytes such as F0:00:00:00:00:01")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        return asyncio.run(run(options.hci, options.address))
    except CannotStart as error:
        log.error("bluez: %s", error)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
