"""The one socket between the chip and its board: radio, pins and real-time clock share it.

Connects at first use: KANNUKI_BOARD=host:port, KANNUKI_BOARD_NAME=name. Decides when a frame is
handled: pins, serial lines and clock at once, radio events later, never in the middle of a request.
Invariant: at most one request is on the wire. A board that goes away ends the process, as losing
power would; whoever supervises the chip starts it again.
"""

import os
import select
import socket
import struct
import sys
import time

import _ops as ops
import micropython

BOARD_LOST_EXIT = 70
_CONNECT_TRIES = 50
_CONNECT_PAUSE_MS = 100
_IPPROTO_TCP = 6
_TCP_NODELAY = 1
_READ_BYTES = 256  # small and allocated once: a chip's heap has no large free pieces for long


class BoardLost(SystemExit):
    pass


class Link:
    def __init__(self) -> None:
        self.mac = b""
        self.reset_cause = ops.PWRON_RESET
        self.inputs = {}
        self.ears = {}  # rx pin -> machine.UART
        self.clock_mode = ops.CLOCK_OFFSET
        self.clock = 0.0
        self.on_radio = None
        self.on_pin = None
        self._sock = None
        self._rx = b""
        self._incoming = bytearray(_READ_BYTES)
        self._sorting = False
        self._reply = None
        self._asking = False
        self._radio = []
        self._draining = False
        self._scheduled = False
        self._pump = None

    # --- connection

    def has_board(self) -> bool:
        return self._sock is not None or bool(os.getenv("KANNUKI_BOARD"))

    def open(self) -> None:
        if self._sock is None:
            self._sock = _connect(_board_address())
            self._poller = select.poll()
            self._poller.register(self._sock, select.POLLIN)
            self._greet(os.getenv("KANNUKI_BOARD_NAME"))

    def _greet(self, name: str) -> None:
        if not name:
            raise OSError("set KANNUKI_BOARD_NAME to this board's name")
        answer = self.request(ops.HELLO, name.encode())
        self.mac = answer[:6]
        self.reset_cause, self.clock_mode, self.clock = struct.unpack(">BBd", answer[6:16])
        for i in range(16, len(answer), 2):
            self.inputs[answer[i]] = answer[i + 1]

    def start_pump(self) -> None:
        """Handle events whenever the firmware's asyncio loop is idle."""
        if self._pump is None:
            import asyncio

            self._pump = asyncio.create_task(self._run_pump(asyncio.StreamReader(self._sock)))

    async def _run_pump(self, reader: object) -> None:
        incoming = bytearray(_READ_BYTES)
        while True:
            self._received(incoming, await reader.readinto(incoming))
            self.drain()

    # --- out

    def request(self, op: int, payload: bytes = b"") -> bytes:
        self.open()
        if self._asking:
            raise OSError("a request inside a request: call the radio from an irq or a task only")
        self._asking = True
        try:
            self._send(op, payload)
            while self._reply is None:
                self._poller.poll()
                self._read()
            reply, self._reply = self._reply, None
        finally:
            self._asking = False
        self._schedule_drain()
        errno = reply[0] << 8 | reply[1]
        if errno:
            raise OSError(errno)
        return reply[2:]

    def note(self, op: int, payload: bytes) -> None:
        self.open()
        self._send(op, payload)

    def _send(self, op: int, payload: bytes) -> None:
        left = memoryview(struct.pack(">HB", len(payload) + 1, op) + payload)
        while left:
            try:
                sent = self._sock.write(left)
            except OSError:
                raise BoardLost(BOARD_LOST_EXIT)
            if sent:
                left = left[sent:]
            else:
                time.sleep_ms(1)

    # --- in

    def poll(self) -> None:
        """Take in what has arrived; never waits."""
        self.open()
        if not self._asking:
            while self._poller.poll(0):
                self._read()
            self._schedule_drain()

    def _read(self) -> None:
        try:
            self._received(self._incoming, self._sock.readinto(self._incoming))
        except OSError:
            self._received(self._incoming, 0)

    def _received(self, buffer: bytearray, count: object) -> None:
        """`count` bytes came: None when there was nothing after all, 0 when the board hung up."""
        if count == 0:
            sys.stderr.write("board: connection lost, stopping\n")
            raise BoardLost(BOARD_LOST_EXIT)
        self._sorting = True  # a scheduled handler may run between any two lines of this
        self._rx += bytes(memoryview(buffer)[: count or 0])
        self._split()
        self._sorting = False

    def _split(self) -> None:
        while len(self._rx) >= 2:
            end = 2 + (self._rx[0] << 8 | self._rx[1])
            if len(self._rx) < end:
                return
            frame = self._rx[2:end]
            self._rx = self._rx[end:]
            self._sort(frame[0], frame[1:])

    def _sort(self, op: int, payload: bytes) -> None:
        if op == ops.REPLY:
            self._reply = payload
        elif op == ops.PIN_IN:
            self.inputs[payload[0]] = payload[1]
            self._radio.append((op, payload))
        elif op == ops.CLOCK:
            self.clock_mode, self.clock = struct.unpack(">Bd", payload)
        elif op == ops.SERIAL_IN:
            if payload[0] in self.ears:
                self.ears[payload[0]].hear(*struct.unpack(">I", payload[1:5]), payload[5:])
        else:
            self._radio.append((op, payload))

    def _schedule_drain(self) -> None:
        if self._radio and not self._scheduled and not self._draining:
            try:
                micropython.schedule(_drain, self)
                self._scheduled = True
            except RuntimeError:
                return  # the queue is full; the pump or the next call comes by

    def drain(self) -> None:
        if self._draining or self._asking or self._sorting:
            return  # whoever is at it drains or schedules again when done
        self._draining = True
        try:
            while self._radio:
                self._handle(*self._radio.pop(0))
        finally:
            self._draining = False

    def _handle(self, op: int, payload: bytes) -> None:
        handler = self.on_pin if op == ops.PIN_IN else self.on_radio
        if handler is None:
            return
        try:
            handler(op, payload)
        except Exception as error:  # noqa: BLE001
            # The ESP32 port prints an exception of a scheduled handler and carries on.
            sys.print_exception(error, sys.stderr)


def _drain(link: Link) -> None:
    link._scheduled = False
    link.drain()


def _board_address() -> tuple:
    address = os.getenv("KANNUKI_BOARD")
    if not address or ":" not in address:
        raise OSError("set KANNUKI_BOARD to host:port of the simulated board")
    host, port = address.rsplit(":", 1)
    return socket.getaddrinfo(host, int(port))[0][-1]


def _connect(address: object) -> object:
    for _ in range(_CONNECT_TRIES):
        sock = socket.socket()
        try:
            sock.connect(address)
            sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)  # a note must not hold up a request
            sock.setblocking(False)
            return sock
        except OSError:
            sock.close()
            time.sleep_ms(_CONNECT_PAUSE_MS)
    sys.stderr.write("board: cannot connect; is the simulated world running?\n")
    raise BoardLost(BOARD_LOST_EXIT)


link = Link()
