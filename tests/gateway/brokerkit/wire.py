"""An MQTT client that says whatever it is told to say: for those who play tricks.

A library refuses to send what a protocol forbids, hides the client id it was given and retries;
here every byte is ours. Everything the broker publishes to us is kept, and counted in bytes.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

WITHIN_S = 10.0
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
NOBODY_LISTENS, NOT_AUTHORISED = 0x10, 0x87
MQTT_311, MQTT_5, BRIDGE = 4, 5, 0x80


def tls(folder: Path, name: str) -> ssl.SSLContext:
    """What a client named `name` presents; `folder` has ca.crt, NAME.crt and NAME.key."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


@dataclass(frozen=True)
class Said:
    """A PUBLISH that came."""

    topic: str
    payload: bytes
    retain: bool

    @property
    def size(self) -> int:
        return len(self.topic.encode()) + len(self.payload)


@dataclass
class Wire:
    """One connection. `came` is everything published to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    version: int
    came: list[Said] = field(default_factory=list)
    answers: asyncio.Queue[tuple[int, bytes]] = field(default_factory=asyncio.Queue)
    session_present: bool = False
    reason: int = -1
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: int = 0
    _task: asyncio.Task[None] | None = None

    # --- saying ---

    async def subscribe(self, *filters: str, identifier: int | None = None) -> list[int]:
        """Reason codes, one for each filter."""
        properties = b"" if identifier is None else b"\x0b" + _varint(identifier)
        body = self._next_id() + self._properties(properties)
        body += b"".join(_text(one) + b"\x01" for one in filters)
        answer = await self._ask(SUBSCRIBE << 4 | 2, body, SUBACK)
        return list(answer[-len(filters) :])

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        alias: int | None = None,
        response_topic: str | None = None,
    ) -> int:
        """At QoS 1; 0 when it was taken (whether anybody listened or not), else the reason code."""
        properties = b"" if alias is None else b"\x23" + struct.pack(">H", alias)
        if response_topic is not None:
            properties += b"\x08" + _text(response_topic) + b"\x09" + _binary(b"correlation")
        body = _text(topic) + self._next_id() + self._properties(properties) + payload
        answer = await self._ask(PUBLISH << 4 | 2 | retain, body, PUBACK)
        reason = answer[2] if len(answer) > 2 else 0
        return 0 if reason == NOBODY_LISTENS else reason

    async def fence(self) -> None:
        """Whatever the broker sent before now has come."""
        await self._ask(PINGREQ << 4, b"", PINGRESP)

    async def leave(self) -> None:
        """In order: no will."""
        if not self.closed.is_set():
            self._send(DISCONNECT << 4, b"")
        await self.drop()

    async def drop(self) -> None:
        """Without a word: the broker says the will."""
        self.writer.close()
        await asyncio.wait_for(self.closed.wait(), WITHIN_S)

    # --- hearing ---

    def foreign(self, *own: str) -> int:
        """Bytes published to us on topics that are not `own`."""
        return sum(said.size for said in self.came if said.topic not in own)

    async def hear(self, payload: bytes) -> Said:
        """Waits for a message with this payload."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for said in self.came:
                    if said.payload == payload:
                        return said
                await asyncio.sleep(0.005)

    # --- inside ---

    def _next_id(self) -> bytes:
        self._ids += 1
        return struct.pack(">H", self._ids)

    def _properties(self, properties: bytes) -> bytes:
        return _varint(len(properties)) + properties if self.version & 0x7F == MQTT_5 else b""

    def _send(self, head: int, body: bytes) -> None:
        self.writer.write(bytes([head]) + _varint(len(body)) + body)

    async def _ask(self, head: int, body: bytes, kind: int) -> bytes:
        self._send(head, body)
        async with asyncio.timeout(WITHIN_S):
            while True:
                found, answer = await self.answers.get()
                if found == kind:
                    return answer
                if found == 0:
                    self.answers.put_nowait((0, b""))
                    raise ConnectionResetError("the broker hung up")

    async def _listen(self) -> None:
        try:
            while True:
                self._take(*await self._packet())
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.answers.put_nowait((0, b""))
            self.writer.close()
            with suppress(OSError):
                await self.writer.wait_closed()
            self.closed.set()

    async def _packet(self) -> tuple[int, bytes]:
        head = (await self.reader.readexactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self.reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return head, await self.reader.readexactly(size)

    def _take(self, head: int, body: bytes) -> None:
        if head >> 4 != PUBLISH:
            self.answers.put_nowait((head >> 4, body))
            return
        size = struct.unpack_from(">H", body)[0]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if head & 6:
            self._send(PUBACK << 4, rest[:2])
            rest = rest[2:]
        if self.version & 0x7F == MQTT_5:
            length, used = _read_varint(rest)
            rest = rest[used + length :]
        self.came.append(Said(topic, rest, bool(head & 1)))


async def open_wire(
    port: int,
    context: ssl.SSLContext,
    client_id: str = "any",
    *,
    version: int = MQTT_5,
    clean: bool = True,
    expiry_s: int = 0,
    will: tuple[str, bytes] | None = None,
    username: str | None = None,
) -> Wire:
    """Connected, or refused: see `reason`. Raises ssl.SSLError and OSError as they come."""
    async with asyncio.timeout(WITHIN_S):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1"
        )
        wire = Wire(reader, writer, version)
        flags = (2 if clean else 0) | (0x2C if will else 0) | (0x80 if username else 0)
        expiry = b"\x11" + struct.pack(">I", expiry_s) if expiry_s else b""
        body = _text("MQTT") + bytes([version, flags]) + struct.pack(">H", 30)
        body += wire._properties(expiry) + _text(client_id)
        if will:
            body += wire._properties(b"") + _text(will[0]) + _binary(will[1])
        if username:
            body += _text(username)
        wire._send(CONNECT << 4, body)
        try:
            head, answer = await wire._packet()  # TLS 1.3 tells a refused certificate only here
        except BaseException:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            raise
    assert head >> 4 == CONNACK, head
    wire.session_present, wire.reason = bool(answer[0] & 1), answer[1]
    wire._task = asyncio.create_task(wire._listen())
    return wire


def _text(value: str) -> bytes:
    return _binary(value.encode())


def _binary(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _read_varint(raw: bytes) -> tuple[int, int]:
    value = used = 0
    while True:
        value |= (raw[used] & 0x7F) << (7 * used)
        used += 1
        if not raw[used - 1] & 0x80:
            return value, used
