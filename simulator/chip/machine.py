"""`machine` of a simulated ESP32: pins of a door with physics, an RTC that shows the world's time.

Does what the ESP32 port does for Pin, RTC, WDT, reset, unique_id, reset_cause and freq, and what we
use of UART and ADC; has no PWM, Timer, I2C or sleep modes. `time.time()` remains the PC's clock:
use `RTC`. The watchdog is kept by the board, so a chip that hangs without I/O is noticed, not
stopped.
"""

import os
import struct
import sys
import time

import _ops as ops
from _link import link
from identity import address_of

PWRON_RESET = ops.PWRON_RESET
HARD_RESET = ops.HARD_RESET
WDT_RESET = ops.WDT_RESET
DEEPSLEEP_RESET = ops.DEEPSLEEP_RESET
SOFT_RESET = ops.SOFT_RESET

RESET_EXIT = 71  # the process ends with this code; its supervisor starts it again


class Pin:
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id: int, mode: int = -1, pull: int = -1, *, value=None) -> None:
        self._id = id
        self.init(mode, pull, value=value)

    def init(self, mode: int = -1, pull: int = -1, *, value=None) -> None:
        self._mode = mode
        self._idle = 1 if pull == Pin.PULL_UP else 0
        self._out = 0
        if value is not None:
            self._drive(value)

    def _drive(self, value: object) -> None:
        if self._mode not in (Pin.OUT, Pin.OPEN_DRAIN):
            raise ValueError(f"pin {self._id} is not an output")
        self._out = 1 if value else 0
        link.note(ops.PIN_OUT, bytes([self._id, self._out]))

    def value(self, x=None):
        if x is not None:
            return self._drive(x)
        if self._mode in (Pin.OUT, Pin.OPEN_DRAIN):
            return self._out
        link.poll()
        return link.inputs.get(self._id, self._idle)

    __call__ = value

    def on(self) -> None:
        self._drive(1)

    def off(self) -> None:
        self._drive(0)

    def toggle(self) -> None:
        self._drive(not self._out)

    def irq(self, handler=None, trigger: int = 3, hard: bool = False) -> None:
        link.open()
        _irqs[self._id] = (self, handler, trigger)
        link.on_pin = _pin_changed
        link.start_pump()

    def __repr__(self) -> str:
        return f"Pin({self._id})"


class ADC:
    """A voltage at a pin: the board sends it as one of 256 steps from 0 to 3.3 V."""

    ATTN_11DB = 3

    def __init__(self, pin: Pin, *, atten: int = 0) -> None:
        self._pin = pin

    def read_uv(self) -> int:
        """Microvolts."""
        return self._pin.value() * 3300000 // 255


_irqs = {}


def _pin_changed(op: int, payload: bytes) -> None:
    pin, handler, trigger = _irqs.get(payload[0], (None, None, 0))
    edge = Pin.IRQ_RISING if payload[1] else Pin.IRQ_FALLING
    if handler and trigger & edge:
        handler(pin)


class UART:
    """Serial ports 1 and 2 with what our firmware uses of them: init arguments, any, read, write.

    Eight bits, no parity, one stop bit, no timeout. What comes at another baudrate, before the port
    is open or while `rxbuf` is full is lost.
    """

    def __init__(self, id: int, baudrate: int = 115200, *, tx: int, rx: int, rxbuf: int = 256):
        if id not in (1, 2):
            raise ValueError(f"UART({id}) does not exist")
        self._tx, self._baudrate, self._rxbuf = tx, baudrate, rxbuf
        self._heard = []
        link.open()
        link.ears[rx] = self

    def hear(self, baudrate: int, data: bytes) -> None:
        """The link's side: bytes have come over the wire."""
        if baudrate == self._baudrate:
            self._heard.extend(data[: self._rxbuf - len(self._heard)])

    def any(self) -> int:
        link.poll()
        return len(self._heard)

    def read(self, nbytes: int = -1):
        count = self.any()
        if nbytes >= 0:
            count = min(count, nbytes)
        return bytes([self._heard.pop(0) for _ in range(count)]) or None

    def write(self, buf: bytes) -> int:
        link.note(ops.SERIAL_OUT, struct.pack(">BI", self._tx, self._baudrate) + bytes(buf))
        return len(buf)


class RTC:
    """Shows UTC as (year, month, day, weekday, hour, minute, second, microsecond), Monday = 0.

    It sits on the board with its own battery: what is set survives a restart of the chip. Without a
    board (source that a bench runs in an image) it shows the PC's clock and forgets what was set.
    """

    def __init__(self, id: int = 0) -> None:
        pass

    def datetime(self, when=None):
        if link.has_board():
            link.poll()
        if when is not None:
            return _set_clock(when)
        now = link.clock if link.clock_mode == ops.CLOCK_STEPPED else time.time() + link.clock
        t = time.gmtime(int(now))
        microsecond = int((now - int(now)) * 1000000)
        return (t[0], t[1], t[2], t[6], t[3], t[4], t[5], microsecond)


def _set_clock(when: tuple) -> None:
    year, month, day, _, hour, minute, second, microsecond = when
    seconds = time.mktime((year, month, day, hour, minute, second, 0, 0, 0)) - _local_offset_s()
    unix_s = seconds + microsecond / 1000000
    if link.has_board():
        link.note(ops.RTC_SET, struct.pack(">d", unix_s))
    if link.clock_mode == ops.CLOCK_STEPPED:
        link.clock = unix_s
    else:
        link.clock = unix_s - time.time()


def _local_offset_s() -> int:
    # mktime() of this port takes local time; ask it what it makes of 2000-01-01 00:00 UTC.
    return int(time.mktime((2000, 1, 1, 0, 0, 0, 0, 0, 0))) - 946684800


class WDT:
    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        self._payload = struct.pack(">I", timeout)
        self.feed()

    def feed(self) -> None:
        link.note(ops.WATCHDOG, self._payload)


def unique_id() -> bytes:
    return address_of(os.getenv("KANNUKI_BOARD_NAME") or "")


def reset_cause() -> int:
    link.open()
    return link.reset_cause


def _restart(cause: int) -> None:
    link.note(ops.RESETTING, bytes([cause]))
    sys.exit(RESET_EXIT)


def reset() -> None:
    _restart(HARD_RESET)


def soft_reset() -> None:
    _restart(SOFT_RESET)


def freq(hz=None) -> int:
    return 160000000


def idle() -> None:
    time.sleep_ms(1)
