"""A serial keypad: one byte comes in for each key, one goes back to show what came of it.

Decides which bytes are keys and which byte shows which reason; what keys do is decided in
firmware/core/keypad.py. Never raises: a door without a keypad, or with a broken one, works by
phone. Each read takes READ_BYTES at the most, so a flood costs bounded work and loses what the
chip's buffer does not hold. Wiring and bytes: docs/spec/pin.md.
"""

from machine import UART

from protocol import reasons
from protocol.session import OK
from protocol.shim import Any

UART_ID = 1
PIN_RX = 16  # from the keypad
PIN_TX = 17  # to the keypad
BAUDRATE = 9600
READ_BYTES = 8  # fewer keys than a PIN has: one read completes one attempt at the most

KEYS = b"0123456789#*"

# What the keypad shows. Append only.
ACCEPTED = b"K"  # the key counts: go on typing
GRANTED = b"G"  # the door opens
REFUSED = b"R"  # a wrong PIN, or not its time
WAIT = b"W"  # the keypad rests after wrong PINs
NO_USE = b"O"  # off: no PIN helps here now, ask the staff

_SHOWN = {
    None: ACCEPTED,
    OK: GRANTED,
    reasons.PIN_REFUSED: REFUSED,
    reasons.PIN_WAIT: WAIT,
    reasons.PIN_DISABLED: NO_USE,
    reasons.PIN_NOT_HERE: NO_USE,
    reasons.STORAGE: NO_USE,
}


class SerialKeypad:
    """The keypad on UART_ID."""

    def __init__(self) -> None:
        self._uart = _opened()

    def keys(self) -> str:
        """The keys that were pressed since the last call, READ_BYTES at the most."""
        try:
            waiting = self._uart.any() if self._uart else 0
            typed = self._uart.read(min(waiting, READ_BYTES)) if waiting else None
        except OSError:
            return ""
        return "".join(chr(byte) for byte in typed or b"" if byte in KEYS)

    def show(self, reason: int | None) -> None:
        """Tell the keypad what came of one key: a reason as of Lock.key_pressed."""
        try:
            if self._uart:
                self._uart.write(_SHOWN.get(reason, REFUSED))
        except OSError:
            pass  # a lamp stays dark: the door has done what it does


def _opened() -> Any:
    """The port; None on a chip that has no such port or no such pins."""
    try:
        return UART(UART_ID, baudrate=BAUDRATE, tx=PIN_TX, rx=PIN_RX)
    except (OSError, ValueError):
        return None
