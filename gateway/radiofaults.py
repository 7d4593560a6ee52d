"""What a failure of bleak, BlueZ or D-Bus means, and whether trying again at once may help.

Decides the kind of a failure and what to do before the next try; does not try, wait or log. bleak
passes most of what BlueZ says on as it is, so names and words of BlueZ are matched here and nowhere
else. What is not known is OTHER: never taken for harmless, never retried at once.
"""

from __future__ import annotations

import enum

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakGATTProtocolError,
)

TRIES = 3
FIRST_WAIT_S = 0.25


class Fault(enum.Enum):
    """A kind of failure; the value is how it is told to an operator."""

    NO_ADAPTER = "there is no Bluetooth adapter, or it is switched off"
    NO_SERVICE = "the Bluetooth service does not answer"
    IN_PROGRESS = "BlueZ is still busy with this lock"
    ABORTED = "the connection broke while it was made"
    DEVICE_GONE = "BlueZ has forgotten the lock"
    ATT = "the lock's radio refused a request"
    NOT_A_LOCK = "this is not a lock, or an old one"
    TIMEOUT = "it took too long"
    OTHER = "an unknown failure"

    @property
    def is_ours(self) -> bool:
        """Whether the trouble is this computer's own: no lock is to blame."""
        return self in (Fault.NO_ADAPTER, Fault.NO_SERVICE)

    @property
    def helps_to_retry(self) -> bool:
        """Whether the same connection may well succeed in the next moment."""
        return self in (Fault.IN_PROGRESS, Fault.ABORTED, Fault.DEVICE_GONE)

    @property
    def needs_new_handle(self) -> bool:
        """Whether the lock must be heard again before another try makes sense."""
        return self in (Fault.DEVICE_GONE, Fault.IN_PROGRESS)


_BY_NAME = {
    "org.bluez.Error.NotReady": Fault.NO_ADAPTER,
    "org.bluez.Error.InProgress": Fault.IN_PROGRESS,
    "org.bluez.Error.AlreadyConnected": Fault.IN_PROGRESS,
    "org.bluez.Error.DoesNotExist": Fault.DEVICE_GONE,
    "org.freedesktop.DBus.Error.UnknownObject": Fault.DEVICE_GONE,
    "org.freedesktop.DBus.Error.ServiceUnknown": Fault.NO_SERVICE,
    "org.freedesktop.DBus.Error.NameHasNoOwner": Fault.NO_SERVICE,
    "org.freedesktop.DBus.Error.NoReply": Fault.NO_SERVICE,
    "org.freedesktop.DBus.Error.Disconnected": Fault.NO_SERVICE,
}
# The words that BlueZ puts into org.bluez.Error.Failed, and bleak into its own errors; the first
# that is found counts.
_BY_WORDS = (
    ("att error", Fault.ATT),
    ("resource not ready", Fault.NO_ADAPTER),
    ("no powered", Fault.NO_ADAPTER),
    ("no bluetooth adapter", Fault.NO_ADAPTER),
    ("adapter '", Fault.NO_ADAPTER),
    ("in progress", Fault.IN_PROGRESS),
    ("already connected", Fault.IN_PROGRESS),
    ("connection-abort", Fault.ABORTED),
    ("connection abort", Fault.ABORTED),
    ("connection-canceled", Fault.ABORTED),
    ("connection-timeout", Fault.ABORTED),
    ("connection reset", Fault.ABORTED),
    ("device disconnected", Fault.ABORTED),
    ("not connected", Fault.ABORTED),
    ("disappeared", Fault.DEVICE_GONE),
    ("not found", Fault.DEVICE_GONE),
)


def classify(error: BaseException) -> Fault:
    """The kind of a failure; never raises."""
    if isinstance(error, BleakBluetoothNotAvailableError):
        return Fault.NO_ADAPTER
    if isinstance(error, BleakCharacteristicNotFoundError | LookupError):
        return Fault.NOT_A_LOCK
    if isinstance(error, BleakDeviceNotFoundError):
        return Fault.DEVICE_GONE
    if isinstance(error, BleakGATTProtocolError):
        return Fault.ATT
    if isinstance(error, TimeoutError):
        return Fault.TIMEOUT
    if isinstance(error, BleakDBusError) and error.dbus_error in _BY_NAME:
        return _BY_NAME[error.dbus_error]
    if isinstance(error, OSError | EOFError):
        return Fault.NO_SERVICE  # the bus itself is not there, or went away
    return _by_words(str(error).lower())


def wait_s(failures: int) -> float:
    """How long to wait after the n-th failure in a row (1 is the first)."""
    return FIRST_WAIT_S * 2 ** (failures - 1)


def _by_words(said: str) -> Fault:
    return next((fault for words, fault in _BY_WORDS if words in said), Fault.OTHER)
