"""A lock's board: what sits around the chip. Radio, pins and clock, over one TCP connection.

Each MicroPython process connects and says its board's name; frames are in `simulator.chip._ops`.
Decides which connection is the board's chip (the newest: the older one is cut off), gives it its
lasting radio address and remembers what outlives the chip: clock error and reset cause.
Invariant: when a chip goes away its radio falls silent and its outputs go low.
Garbage drops that client and is counted; it never reaches a door.
"""

import asyncio
import errno
import logging
import re
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from bumble.core import BaseBumbleError
from bumble.snoop import Snooper

from simulator.chip import _ops as ops
from simulator.chip.identity import address_of
from simulator.radio.air import Air
from simulator.radio.peripheral import Peripheral

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 10
MAX_BACKLOG_BYTES = 1 << 20
BOARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


class Wiring(Protocol):
    """What the chip's pins are soldered to."""

    def inputs(self) -> dict[int, int]:
        """Levels of every input pin."""

    def drive(self, pin: int, level: int) -> None:
        """The chip sets an output."""

    def said(self) -> list[tuple[int, int, bytes]]:
        """(pin, baudrate, bytes) that came over serial lines since the last call."""

    def hear(self, pin: int, baudrate: int, data: bytes) -> None:
        """The chip says something over a serial line."""

    def chip_came(self) -> None:
        """A chip has booted on this board."""

    def chip_went(self, why: str) -> None:
        """The chip is gone; all its outputs are low now."""


class Clock(Protocol):
    """The world's time."""

    def setting(self) -> tuple[int, float]:
        """(clock mode, clock) as in `_ops`."""

    def unix_s(self) -> float: ...


class Garbage(Exception):
    """What came is not of this protocol."""


@dataclass
class Memory:
    """What a board remembers while its chip restarts."""

    rtc_error_s: float = 0.0
    reset_cause: int = ops.PWRON_RESET


class Boards:
    """Every board of one town."""

    def __init__(
        self,
        air: Air,
        clock: Clock,
        wiring_of: Callable[[str], Wiring],
        snooper_of: Callable[[str], Snooper | None],
    ) -> None:
        self.air, self.clock = air, clock
        self.wiring_of, self.snooper_of = wiring_of, snooper_of
        self.chips: dict[str, Chip] = {}
        self.counts: Counter[str] = Counter()
        self._memories: dict[str, Memory] = {}

    def memory_of(self, name: str) -> Memory:
        return self._memories.setdefault(name, Memory())

    def turn_rtc(self, name: str, error_s: float) -> None:
        """Somebody turns a board's clock, or its battery is taken: wrong by so much from now on."""
        self.memory_of(name).rtc_error_s = error_s
        if name in self.chips:
            self.chips[name].push_clock()

    def push_inputs(self) -> None:
        for chip in self.chips.values():
            chip.push_inputs()

    def push_clock(self) -> None:
        for chip in self.chips.values():
            chip.push_clock()

    async def serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        why = "connection closed"
        chip: Chip | None = None
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                name = await _read_hello(reader)
            chip = self._seat(name, writer)
            await chip.serve(reader)
        except (Garbage, TimeoutError) as error:
            self.counts["garbage_clients"] += 1
            why = f"dropped: {error or 'no hello came'}"
            log.warning("board: client %s", why)
        except (asyncio.IncompleteReadError, ConnectionError):
            log.info("board: %s: chip is gone", chip.name if chip else "a client without a name")
        finally:
            if chip is not None:
                chip.unplug(why)
            writer.close()

    def _seat(self, name: str, writer: asyncio.StreamWriter) -> "Chip":
        older = self.chips.get(name)
        if older is not None:
            log.warning("board: %s: a second chip came, the first one is cut off", name)
            older.unplug("replaced by a newer connection")
        try:
            chip = self.chips[name] = Chip(self, name, writer)
        except ValueError as error:
            raise Garbage(f"no place for board {name}: {error}") from error
        chip.greet()
        self.counts["boots"] += 1
        return chip


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    size = int.from_bytes(await reader.readexactly(2))
    if not 1 <= size <= ops.MAX_FRAME_BYTES:
        raise Garbage(f"a frame of {size} bytes")
    frame = await reader.readexactly(size)
    return frame[0], frame[1:]


async def _read_hello(reader: asyncio.StreamReader) -> str:
    op, payload = await _read_frame(reader)
    name = payload.decode("ascii", "replace")
    if op != ops.HELLO or not BOARD_NAME.fullmatch(name):
        raise Garbage("the first frame is not a hello with a board name")
    return name


class Chip:
    """One MicroPython process on its board."""

    def __init__(self, boards: Boards, name: str, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self._boards = boards
        self._writer = writer
        self._memory = boards.memory_of(name)
        self._wiring = boards.wiring_of(name)
        self._sent_inputs: dict[int, int] = {}
        self._watchdog: asyncio.TimerHandle | None = None
        self._plugged = True
        self.radio: Peripheral | None = None

    # --- coming and going

    def greet(self) -> None:
        self._sent_inputs = dict(self._wiring.inputs())
        pins = b"".join(bytes([pin, level]) for pin, level in self._sent_inputs.items())
        clock = struct.pack(">Bd", *self._clock_setting())
        cause = bytes([self._memory.reset_cause])
        self._memory.reset_cause = ops.PWRON_RESET
        self._reply(0, address_of(self.name) + cause + clock + pins)
        self._wiring.chip_came()

    def unplug(self, why: str) -> None:
        if not self._plugged:
            return
        self._plugged = False
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._close_radio()
        if self._boards.chips.get(self.name) is self:
            del self._boards.chips[self.name]
        self._wiring.chip_went(why)
        self._writer.close()

    def _close_radio(self) -> None:
        if self.radio is not None:
            self.radio.close()
            self.radio = None

    # --- to the chip

    def emit(self, op: int, payload: bytes) -> None:
        if not self._plugged:
            return
        self._writer.write(struct.pack(">HB", len(payload) + 1, op) + payload)
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            log.warning("board: %s: chip does not read, cut off", self.name)
            self.unplug("chip stopped reading")

    def _reply(self, number: int, payload: bytes = b"") -> None:
        self.emit(ops.REPLY, struct.pack(">H", number) + payload)

    def push_inputs(self) -> None:
        for pin, level in self._wiring.inputs().items():
            if self._sent_inputs.get(pin) != level:
                self._sent_inputs[pin] = level
                self.emit(ops.PIN_IN, bytes([pin, level]))
        for pin, baudrate, data in self._wiring.said():
            self.emit(ops.SERIAL_IN, struct.pack(">BI", pin, baudrate) + data)

    def push_clock(self) -> None:
        self.emit(ops.CLOCK, struct.pack(">Bd", *self._clock_setting()))

    def _clock_setting(self) -> tuple[int, float]:
        mode, clock = self._boards.clock.setting()
        return mode, clock + self._memory.rtc_error_s

    # --- from the chip

    async def serve(self, reader: asyncio.StreamReader) -> None:
        while self._plugged:
            op, payload = await _read_frame(reader)
            try:
                await self._take(op, payload)
            except (struct.error, ValueError, IndexError, TypeError) as error:
                raise Garbage(f"op 0x{op:02x}: {error}") from error

    async def _take(self, op: int, payload: bytes) -> None:
        if op in self._NOTES:
            self._NOTES[op](self, payload)
            return
        if op not in self._REQUESTS:
            raise Garbage(f"unknown op 0x{op:02x}")
        try:
            self._reply(0, await self._REQUESTS[op](self, payload) or b"")
        except TimeoutError:
            self._reply(errno.ETIMEDOUT)
        except OSError as refusal:
            self._reply(refusal.errno or errno.EIO)
        except BaseBumbleError as error:
            log.warning("board: %s: radio refused op 0x%02x: %s", self.name, op, error)
            self._reply(errno.EIO)

    def _on(self) -> Peripheral:
        if self.radio is None:
            raise OSError(errno.ENODEV, "the radio is off")
        return self.radio

    async def _ble_on(self, payload: bytes) -> bytes:
        self._close_radio()
        address = address_of(self.name)
        snooper = self._boards.snooper_of(self.name)
        self.radio = Peripheral(self._boards.air, self.name, address, self.emit, snooper)
        self.radio.device.name = payload.decode()
        await self.radio.power_on()
        return address

    async def _ble_off(self, payload: bytes) -> None:
        for handle in list(self._on().links):
            await self._on().disconnect(handle)
        self._close_radio()

    async def _ble_mtu(self, payload: bytes) -> None:
        self._on().set_mtu(*struct.unpack(">H", payload))

    async def _ble_name(self, payload: bytes) -> None:
        self._on().device.name = payload.decode()

    async def _advertise(self, payload: bytes) -> None:
        interval_us, connectable, size = struct.unpack(">IBB", payload[:6])
        data, rest = payload[6 : 6 + size], payload[6 + size :]
        if len(data) != size or not rest or len(rest) != 1 + rest[0] or max(size, rest[0]) > 31:
            raise Garbage("advertisement lengths do not add up")
        await self._on().advertise(interval_us, bool(connectable), data, rest[1:])

    async def _advertise_stop(self, payload: bytes) -> None:
        await self._on().stop_advertising()

    async def _disconnect(self, payload: bytes) -> None:
        await self._on().disconnect(*struct.unpack(">H", payload))

    async def _register(self, payload: bytes) -> bytes:
        handles = self._on().register(payload)
        return struct.pack(f">{len(handles)}H", *handles)

    async def _gatts_read(self, payload: bytes) -> bytes:
        return self._on().read(*struct.unpack(">H", payload))

    async def _gatts_write(self, payload: bytes) -> None:
        handle, send_update = struct.unpack(">HB", payload[:3])
        await self._on().write(handle, payload[3:], bool(send_update))

    async def _notify(self, payload: bytes) -> None:
        await self._on().notify(*_outgoing(payload))

    async def _indicate(self, payload: bytes) -> None:
        self._on().indicate(*_outgoing(payload))

    async def _set_buffer(self, payload: bytes) -> None:
        self._on().set_buffer(*struct.unpack(">HH?", payload))

    def _pin_out(self, payload: bytes) -> None:
        self._wiring.drive(*struct.unpack(">BB", payload))

    def _serial_out(self, payload: bytes) -> None:
        self._wiring.hear(*struct.unpack(">BI", payload[:5]), payload[5:])

    def _rtc_set(self, payload: bytes) -> None:
        (unix_s,) = struct.unpack(">d", payload)
        self._memory.rtc_error_s = unix_s - self._boards.clock.unix_s()

    def _access_answer(self, payload: bytes) -> None:
        token, refusal = struct.unpack(">HB", payload)
        if self.radio is not None:
            self.radio.answer_access(token, refusal)

    def _resetting(self, payload: bytes) -> None:
        (self._memory.reset_cause,) = struct.unpack(">B", payload)
        self.unplug("reset")  # ends the process even where its firmware catches SystemExit

    def _feed_watchdog(self, payload: bytes) -> None:
        (timeout_ms,) = struct.unpack(">I", payload)
        if self._watchdog is not None:
            self._watchdog.cancel()
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(timeout_ms / 1000, self._watchdog_bites)

    def _watchdog_bites(self) -> None:
        log.warning("board: %s: watchdog was not fed", self.name)
        self._memory.reset_cause = ops.WDT_RESET
        self.unplug("watchdog")

    _REQUESTS: ClassVar = {
        ops.BLE_ON: _ble_on,
        ops.BLE_OFF: _ble_off,
        ops.BLE_MTU: _ble_mtu,
        ops.BLE_NAME: _ble_name,
        ops.BLE_ADVERTISE: _advertise,
        ops.BLE_ADVERTISE_STOP: _advertise_stop,
        ops.BLE_DISCONNECT: _disconnect,
        ops.GATTS_REGISTER: _register,
        ops.GATTS_READ: _gatts_read,
        ops.GATTS_WRITE: _gatts_write,
        ops.GATTS_NOTIFY: _notify,
        ops.GATTS_INDICATE: _indicate,
        ops.GATTS_SET_BUFFER: _set_buffer,
    }
    _NOTES: ClassVar = {
        ops.PIN_OUT: _pin_out,
        ops.SERIAL_OUT: _serial_out,
        ops.RTC_SET: _rtc_set,
        ops.ACCESS_ANSWER: _access_answer,
        ops.RESETTING: _resetting,
        ops.WATCHDOG: _feed_watchdog,
    }


def _outgoing(payload: bytes) -> tuple[int, int, bytes | None]:
    link, handle, has_value = struct.unpack(">HHB", payload[:5])
    return link, handle, payload[5:] if has_value else None
