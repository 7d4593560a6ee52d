"""One MQTT 5 connection that keeps itself up.

Decides when to connect again (backoff with a random share taken from the caller) and that a publish
returns only after the broker's PUBACK, sent again on the next connection when the first was lost
(so receivers see duplicates: ids make them harmless). Does not decide what is said, and does not
read payloads. A PUBACK proves only that the broker has a message: an outbox waits for the
receiver's own acknowledgement.
Invariant: every subscription is in place before `on_connected` runs, on each connection.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kannuki.backoff import Backoff
from kannuki.errors import KannukiError

log = logging.getLogger(__name__)
log_client = logging.getLogger(f"{__name__}.client")


class LinkClosed(KannukiError):
    """The link was closed, or its task ended by a fault; nothing more is sent."""


@dataclass(frozen=True)
class Will:
    """What the broker says when this client goes silent. At QoS 1."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True)
class LinkSettings:
    """Where and as whom to connect. `session_expiry_s` is how long the broker keeps our queue."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    will: Will | None = None
    keepalive_s: int = 15
    session_expiry_s: int = 0
    ack_within_s: float = 10.0
    max_pending: int = 100
    max_inbox: int = 1000
    backoff: Backoff = Backoff()


@dataclass(frozen=True)
class Received:
    """A message as it came: payload unread."""

    topic: str
    payload: bytes
    retain: bool
    qos: int


@dataclass
class _Connection:
    """One life of the client. `broken` gets an exception to end it, `lost` is set at its end."""

    client: aiomqtt.Client
    broken: asyncio.Future[None]
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def give_up(self, error: aiomqtt.MqttError) -> None:
        if not self.broken.done():
            self.broken.set_exception(error)


class MqttLink:
    """Use as an async context manager; leaving it disconnects in order (no will is sent).

    Entering does not wait for a connection; `connected` does. on_connected runs after each
    connection, beside the reading of messages; it may publish, and is cancelled when that
    connection is lost.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        random: Callable[[], float],
        on_connected: Callable[[MqttLink], Awaitable[None]] | None = None,
    ) -> None:
        self.settings = settings
        self.connections = 0
        self._random = random
        self._on_connected = on_connected
        self._topics: dict[str, int] = {}
        self._inbox: asyncio.Queue[Received] = asyncio.Queue(settings.max_inbox)
        self._pending = asyncio.Semaphore(settings.max_pending)
        self._current: _Connection | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> MqttLink:
        self._task = asyncio.create_task(self._run(), name=f"mqtt {self.settings.client_id}")
        self._task.add_done_callback(lambda _task: self._changed.set())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if not self._task.cancelled():
                raise

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now, as far as is known."""
        return self._current is not None

    async def connected(self) -> None:
        """Waits until there is a connection with all subscriptions; raises LinkClosed."""
        await self._connection()

    async def subscribe(self, topic: str, qos: int = 1) -> None:
        """Asks for a topic filter now (if connected) and on every later connection."""
        self._topics[topic] = qos
        connection = self._current
        if connection is not None:
            await self._until_lost(connection, _subscribe(connection.client, topic, qos))

    async def messages(self) -> AsyncIterator[Received]:
        """Messages as they come, across connections; raises LinkClosed at the end."""
        while True:
            yield await self._next_message()

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expires_after_s: float | None = None,
    ) -> None:
        """Returns when the broker has acknowledged (QoS 0: when it was written).

        Waits for a connection, and while `max_pending` others wait. expires_after_s counts from
        now: the message never reaches a receiver after it. Raises TimeoutError when it expired
        before the broker had it, LinkClosed.
        """
        loop = asyncio.get_running_loop()
        ends_at = None if expires_after_s is None else loop.time() + expires_after_s
        async with asyncio.timeout_at(ends_at), self._pending:
            sent = False
            while not sent:
                connection = await self._connection()
                left_s = None if ends_at is None else ends_at - loop.time()
                sending = connection.client.publish(
                    topic, payload, qos=qos, retain=retain, properties=_expiry(left_s)
                )
                sent = await self._until_lost(connection, sending)

    async def _until_lost(self, connection: _Connection, action: Awaitable[object]) -> bool:
        """True when the broker acknowledged; False when the connection was lost before."""
        doing = asyncio.ensure_future(action)
        losing = asyncio.ensure_future(connection.lost.wait())
        try:
            await asyncio.wait({doing, losing}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
                return True
        except aiomqtt.MqttError as error:
            connection.give_up(error)
            await connection.lost.wait()
        finally:
            await _cancel(doing, losing)
        return False

    async def _connection(self) -> _Connection:
        while self._current is None:
            self._raise_if_closed()
            self._changed.clear()
            await self._changed.wait()
        return self._current

    def _raise_if_closed(self) -> None:
        if self._task is None or self._task.done():
            raise LinkClosed(f"the MQTT link {self.settings.client_id} is closed")

    async def _next_message(self) -> Received:
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        self._raise_if_closed()
        assert self._task is not None
        getting = asyncio.ensure_future(self._inbox.get())
        try:
            await asyncio.wait({getting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        raise LinkClosed(f"the MQTT link {self.settings.client_id} is closed")

    async def _run(self) -> None:
        failures, delay_s = 0, 0.0
        while True:
            try:
                async with self._new_client() as client:
                    failures = 0
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                failures += 1
                delay_s = self.settings.backoff.delay_s(failures, self._random())
                log.warning(
                    "%s: no connection to %s:%d (%s); again in %.1f s",
                    self.settings.client_id,
                    self.settings.host,
                    self.settings.port,
                    error,
                    delay_s,
                )
            await asyncio.sleep(delay_s)

    async def _serve(self, client: aiomqtt.Client) -> None:
        """One connection, until it is lost; raises MqttError then."""
        for topic, qos in list(self._topics.items()):
            await _subscribe(client, topic, qos)
        broken = asyncio.get_running_loop().create_future()
        connection = self._current = _Connection(client, broken)
        self.connections += 1
        self._changed.set()
        log.info("%s: connected", self.settings.client_id)
        jobs = [asyncio.create_task(self._read(client)), asyncio.create_task(self._greet())]
        try:
            done, _ = await asyncio.wait({*jobs, broken}, return_when=asyncio.FIRST_EXCEPTION)
            for ended in done:
                ended.result()
        finally:
            self._current = None
            connection.lost.set()
            await _cancel(*jobs, broken)

    async def _greet(self) -> None:
        if self._on_connected is not None:
            await self._on_connected(self)

    async def _read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            await self._inbox.put(
                Received(message.topic.value, payload, message.retain, message.qos)
            )

    def _new_client(self) -> aiomqtt.Client:
        wanted = self.settings
        connect = Properties(PacketTypes.CONNECT)
        connect.SessionExpiryInterval = wanted.session_expiry_s
        client = aiomqtt.Client(
            wanted.host,
            wanted.port,
            identifier=wanted.client_id,
            username=wanted.username,
            password=wanted.password,
            tls_context=wanted.tls,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=wanted.session_expiry_s == 0,
            properties=connect,
            will=_will(wanted.will),
            keepalive=wanted.keepalive_s,
            timeout=wanted.ack_within_s,
            logger=log_client,
        )
        client.pending_calls_threshold = wanted.max_pending + len(self._topics)
        return client


async def _subscribe(client: aiomqtt.Client, topic: str, qos: int) -> None:
    for granted in await client.subscribe(topic, qos=qos):
        if getattr(granted, "is_failure", False):
            log.error("the broker refuses the subscription to %s: %s", topic, granted)


async def _cancel(*futures: asyncio.Future[Any]) -> None:
    """Ends what still runs and takes every result, so that none is reported as forgotten."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


def _expiry(left_s: float | None) -> Properties | None:
    """MQTT 5, 3.3.2.3.3: whole seconds; rounded up, the publisher's own timeout is exact."""
    if left_s is None:
        return None
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = max(1, math.ceil(left_s))
    return properties


def _will(will: Will | None) -> aiomqtt.Will | None:
    if will is None:
        return None
    return aiomqtt.Will(will.topic, will.payload, qos=1, retain=will.retain)
