"""The Bluetooth of this computer, and which locks it hears.

Decides what the parts of BlueZ's chain (bus, service, adapter, switch) mean when one is missing,
and how faint is too faint. Only listens. A lock says nothing while all its links are taken, and
less than that while a running gateway talks to it: what that gateway says of it counts as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
)

from gateway.health.findings import Finding
from protocol import gatt

START_WITHIN_S = 10.0
WEAK_DBM = -85
INSTALL = "sudo apt-get install -y bluez, then restart the computer"

_NOBODY = ("ServiceUnknown", "NameHasNoOwner", "Spawn.", "NoReply")
_REASONS = BleakBluetoothNotAvailableReason
_NOT_AVAILABLE = {
    _REASONS.NO_BLUETOOTH: (
        "BLUETOOTH_NO_ADAPTER",
        "this computer has no Bluetooth radio, or it is not plugged in",
        "plug it in; on a Raspberry Pi remove dtoverlay=disable-bt and restart",
    ),
    _REASONS.NO_BLE_CENTRAL_ROLE: (
        "BLUETOOTH_NO_ADAPTER",
        "this computer's Bluetooth radio is too old for Bluetooth Low Energy",
        "plug in another",
    ),
    _REASONS.POWERED_OFF: (
        "BLUETOOTH_OFF",
        "the Bluetooth radio is switched off",
        "sudo rfkill unblock bluetooth && bluetoothctl power on",
    ),
}
_FORBIDDEN = (
    "BLUETOOTH_FORBIDDEN",
    "this user may not use Bluetooth",
    "sudo usermod -aG bluetooth USER, then log in again",
)


class Heard:
    """What the air said: the strongest signal of each lock, in dBm."""

    def __init__(self) -> None:
        self.dbm: dict[str, int] = {}

    def advertisement(self, device: BLEDevice, data: AdvertisementData) -> None:
        lock = gatt.lock_id_in(data.local_name or device.name)
        if lock is not None:
            self.dbm[lock] = max(data.rssi, self.dbm.get(lock, data.rssi))


async def listen(wanted: Iterable[str], for_s: float) -> tuple[Finding, Heard]:
    """Listens until every wanted lock was heard, or for so long."""
    heard, missing = Heard(), set(wanted)
    scanner = BleakScanner(heard.advertisement, service_uuids=[gatt.SERVICE_UUID])
    task = asyncio.ensure_future(_listen(scanner, heard, missing, for_s))
    # bleak, BlueZ and D-Bus fail in many ways; each is something to tell, no fault of ours.
    await asyncio.wait({task})
    error = task.exception()
    if error is not None:
        return Finding("bluetooth", *_meaning(error)), heard
    return Finding("bluetooth", "BLUETOOTH_OK", "the Bluetooth radio listens"), heard


async def _listen(scanner: BleakScanner, heard: Heard, missing: set[str], for_s: float) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(START_WITHIN_S):
        await scanner.start()
    try:
        ends_at = loop.time() + for_s
        while missing - heard.dbm.keys() and loop.time() < ends_at:
            await asyncio.sleep(0.1)
    finally:
        async with asyncio.timeout(START_WITHIN_S):
            await scanner.stop()


def _meaning(error: BaseException) -> tuple[str, str, str]:
    if isinstance(error, BleakBluetoothNotAvailableError):
        return _NOT_AVAILABLE.get(error.reason, _FORBIDDEN)
    if isinstance(error, BleakDBusError):
        return _bus_said(error)
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        text = "this computer runs no D-Bus, by which the Bluetooth service is spoken to"
        return "BLUETOOTH_NO_BUS", text, f"sudo apt-get install -y dbus; {INSTALL}"
    if isinstance(error, PermissionError):
        return _FORBIDDEN
    if isinstance(error, BleakError) and "adapter" in str(error).lower():
        return _NOT_AVAILABLE[_REASONS.NO_BLUETOOTH]
    why = "no answer" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
    text = f"the Bluetooth radio cannot listen ({why})"
    return "BLUETOOTH_FAILS", text, "sudo systemctl restart bluetooth; if that fails, the computer"


def _bus_said(error: BleakDBusError) -> tuple[str, str, str]:
    if any(part in error.dbus_error for part in _NOBODY):
        text = "the Bluetooth service (bluetoothd) is not running"
        remedy = f"sudo systemctl enable --now bluetooth; if there is none: {INSTALL}"
        return "BLUETOOTH_NO_SERVICE", text, remedy
    if "AccessDenied" in error.dbus_error or "NotAuthorized" in error.dbus_error:
        return _FORBIDDEN
    if error.dbus_error.endswith("NotReady"):
        return _NOT_AVAILABLE[_REASONS.POWERED_OFF]
    text = f"the Bluetooth service refuses to listen ({error.dbus_error})"
    return "BLUETOOTH_FAILS", text, "sudo systemctl restart bluetooth"


def judge_lock(lock: str, dbm: int) -> Finding:
    """A lock that was heard."""
    if dbm < WEAK_DBM:
        text = f"lock {lock} is heard faintly ({dbm} dBm): openings from afar will be slow"
        remedy = "move the gateway closer, away from metal, or hang a second one"
        return Finding("lock", "LOCK_WEAK", text, remedy, lock)
    return Finding("lock", "LOCK_HEARD", f"lock {lock} is heard well ({dbm} dBm)", lock=lock)


def not_heard(lock: str, for_s: float) -> Finding:
    """A lock that was not."""
    text = f"lock {lock} was not heard for {for_s:.0f} seconds"
    remedy = "has it power, and is it within 10 m without walls of concrete? press its button"
    return Finding("lock", "LOCK_NOT_HEARD", text, remedy, lock)


def not_looked_for(lock: str) -> Finding:
    """Without a radio nobody can tell."""
    text = f"lock {lock} was not looked for"
    return Finding("lock", "LOCK_NOT_LOOKED_FOR", text, "repair Bluetooth first", lock)
