"""One MQTT 5 connection that keeps itself up.

Decides when to connect again (backoff with a random share taken from the caller), when a connection
is given up (nothing acknowledged for `ack_within_s` while something waits: a slow line makes
progress, a dead one does not) and replaced (a renewed certificate: the new connection is made
first, and takes the session over). A publish returns only after the broker's PUBACK, sent again on
the next connection when the first was lost (so receivers see duplicates: ids make them harmless).
A message is acknowledged to the broker when its taker comes back for the next: in a kept session it
comes again after a break, and the broker holds back what nobody takes.

Does not decide what is said, and does not read payloads. A PUBACK proves only that the broker has a
message: an outbox waits for the receiver's own acknowledgement.
Invariant: every subscription is in place before `on_connected` runs, on each connection.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kannuki.backoff import Backoff
from kannuki.broker_refusals import LOST, LOST_AT_ONCE, Refusal, explain
from kannuki.dialling import Opened, dial
from kannuki.errors import KannukiError
from kannuki.mqtt_client import Client

log = logging.getLogger(__name__)

MAX_PACKET_BYTES = 131072  # kannuki.messages allows payloads of 65536
COMPLAIN_AGAIN_AFTER_S = 600.0
CONNECTED_IS_NEWS_AFTER_S = 10.0
SHORT_LIVES_IN_A_ROW = 3
RENEWAL_REFUSED_RESTS_S = 60.0
# What can go wrong while a connection is made; anything else is a fault of ours.
_NO_CONNECTION = (aiomqtt.MqttError, OSError, KannukiError)


class LinkClosed(KannukiError):
    """The link was closed, or its task ended by a fault; nothing more is sent."""


class TlsSource(Protocol):
    """Where the certificate of a connection comes from (kannuki.broker_access). May block."""

    def context(self) -> ssl.SSLContext:
        """For a new connection. Raises KannukiError when there is none to use."""

    def renewed(self, in_use: ssl.SSLContext) -> bool:
        """Whether a connection made with `in_use` should be replaced."""


@dataclass(frozen=True)
class Will:
    """What the broker says when this client goes silent, unless it is back within `delay_s`."""

    topic: str
    payload: bytes
    retain: bool = True
    delay_s: int = 0


@dataclass(frozen=True)
class LinkSettings:
    """Where and as whom to connect.

    `session_expiry_s` is how long the broker keeps our queue; `starts_clean` throws away what an
    earlier process left in it. A client is noticed to be gone after `silence_bound_s`.
    """

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsSource | None = None
    will: Will | None = None
    keepalive_s: int = 15
    session_expiry_s: int = 0
    starts_clean: bool = False
    connect_within_s: float = 10.0
    ack_within_s: float = 10.0
    renewal_check_s: float = 5.0
    max_pending: int = 100
    max_inbox: int = 200
    backoff: Backoff = Backoff(first_s=0.5, max_s=20.0, spread=1.0, least_s=0.1)

    @property
    def silence_bound_s(self) -> float:
        """When at the latest the broker says our will (MQTT 5, 3.1.2.10 and 3.1.3.2.2)."""
        return 1.5 * self.keepalive_s + (self.will.delay_s if self.will else 0)


@dataclass(frozen=True)
class Received:
    """A message as it came: payload and correlation data unread."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    response_topic: str | None = None
    correlation: bytes | None = None
    acknowledge: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)


@dataclass
class _Connection:
    """One life of the client. `broken` gets an exception to end it, `lost` is set at its end."""

    client: Client
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
        self._has_session = False
        self._no_renewal_under_way = asyncio.Event()
        self._no_renewal_under_way.set()
        self._random = random
        self._on_connected = on_connected
        self._topics: dict[str, int] = {}
        self._unwanted: set[str] = set()
        self._complaints = _Complaints(settings)
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
        self._unwanted.discard(topic)
        connection = self._current
        if connection is not None:
            await self._until_lost(connection, _subscribe(connection.client, topic, qos))

    async def unsubscribe(self, topic: str) -> None:
        """Takes a topic filter back, now (if connected) or on the next connection."""
        self._topics.pop(topic, None)
        self._unwanted.add(topic)
        connection = self._current
        if connection is not None:
            await self._until_lost(connection, self._drop_unwanted(connection.client))

    async def messages(self) -> AsyncIterator[Received]:
        """Messages as they come, across connections; raises LinkClosed at the end.

        Each is acknowledged to the broker when the next is asked for.
        """
        while True:
            received = await self._next_message()
            yield received
            received.acknowledge()

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expires_after_s: float | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
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
                properties = _properties(left_s, response_topic, correlation)
                sending = connection.client.publish(
                    topic, payload, qos=qos, retain=retain, properties=properties
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

    # --- the life of the link ---

    async def _run(self) -> None:
        failures = short_lives = 0
        while True:
            try:
                client = await self._connect()
            except _NO_CONNECTION as error:
                failures, why = failures + 1, explain(error)
            else:
                began_at = _now()
                why = explain(await self._live(client))
                failures = self.settings.backoff.failures_after(failures, _now() - began_at)
                short_lives = short_lives + 1 if failures > 1 else 0
                if short_lives >= SHORT_LIVES_IN_A_ROW and why == LOST:
                    why = LOST_AT_ONCE  # Mosquitto 2.0 takes a session over without a word
            delay_s = self.settings.backoff.delay_s(failures, self._random())
            self._complaints.tell(why, delay_s, _now())
            await asyncio.sleep(delay_s)

    async def _connect(self) -> Client:
        client = self._new_client()
        await client.__aenter__()
        self._has_session = True
        return client

    async def _live(self, client: Client) -> aiomqtt.MqttError:
        """One connection, and others that take its place in order; why the last one was lost."""
        while True:
            try:
                client = await self._serve(client)
            except aiomqtt.MqttError as error:
                return error

    async def _serve(self, client: Client) -> Client:
        """One connection, until another takes its place; raises MqttError when it is lost."""
        renewing = asyncio.create_task(self._renew(client))
        successor: Client | None = None
        try:
            await self._serve_until(client, renewing)
            successor = renewing.result()
            return successor
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            if successor is None and _has_result(renewing):
                renewing.result().hang_up()
            await client.__aexit__()

    async def _serve_until(self, client: Client, renewing: asyncio.Task[Client]) -> None:
        """Returns when a successor is there; raises MqttError when there will be none."""
        for topic, qos in list(self._topics.items()):
            await _subscribe(client, topic, qos)
        await self._drop_unwanted(client)
        broken = asyncio.get_running_loop().create_future()
        connection = self._current = _Connection(client, broken)
        self.connections += 1
        self._changed.set()
        self._complaints.connected(_now())
        jobs = [
            asyncio.create_task(self._read(client)),
            asyncio.create_task(self._greet()),
            asyncio.create_task(self._watch_progress(client)),
        ]
        try:
            await asyncio.wait({*jobs, broken, renewing}, return_when=asyncio.FIRST_COMPLETED)
            # The broker may end the old connection before it has answered on the new one.
            await self._no_renewal_under_way.wait()
            if not _has_result(renewing):
                for ended in [*jobs, broken, renewing]:
                    if ended.done():
                        ended.result()
        finally:
            self._current = None
            connection.lost.set()
            await _cancel(*jobs, broken)

    async def _renew(self, client: Client) -> Client:
        """The connected successor of `client`, once its certificate has one that is accepted."""
        tls = self.settings.tls
        if tls is None or client.tls is None:
            await asyncio.get_running_loop().create_future()
        assert tls is not None and client.tls is not None
        while True:
            await asyncio.sleep(self.settings.renewal_check_s)
            if not await asyncio.to_thread(tls.renewed, client.tls):
                continue
            log.info("%s: connecting with the renewed certificate", self.settings.client_id)
            self._no_renewal_under_way.clear()
            try:
                return await self._connect()
            except _NO_CONNECTION as error:
                self._complaints.tell_of_renewal(explain(error), _now())
            finally:
                self._no_renewal_under_way.set()
            await asyncio.sleep(RENEWAL_REFUSED_RESTS_S)

    async def _watch_progress(self, client: Client) -> None:
        limit_s = self.settings.ack_within_s
        while True:
            await asyncio.sleep(limit_s / 4)
            if client.stalled_s(_now()) > limit_s:
                raise aiomqtt.MqttError(f"nothing acknowledged for {limit_s:.0f} s")

    async def _greet(self) -> None:
        if self._on_connected is not None:
            await self._on_connected(self)
        await asyncio.get_running_loop().create_future()

    async def _read(self, client: Client) -> None:
        async for message in client.messages:
            await self._inbox.put(_received(client, message))

    async def _drop_unwanted(self, client: Client) -> None:
        for topic in list(self._unwanted):
            await client.unsubscribe(topic)
            self._unwanted.discard(topic)

    def _new_client(self) -> Client:
        wanted, will = self.settings, self.settings.will
        connect = Properties(PacketTypes.CONNECT)
        connect.SessionExpiryInterval = wanted.session_expiry_s
        connect.ReceiveMaximum = wanted.max_inbox
        connect.MaximumPacketSize = MAX_PACKET_BYTES
        begins = wanted.session_expiry_s == 0 or (wanted.starts_clean and not self._has_session)
        client = Client(
            self._dial,
            self._complaints.refused_publish,
            wanted.host,
            wanted.port,
            identifier=wanted.client_id,
            username=wanted.username,
            password=wanted.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=begins,
            properties=connect,
            will=_will(will) if will is not None else None,
            keepalive=wanted.keepalive_s,
            timeout=wanted.ack_within_s,
        )
        client.pending_calls_threshold = wanted.max_pending + len(self._topics)
        return client

    async def _dial(self) -> Opened:
        wanted = self.settings
        context = None if wanted.tls is None else wanted.tls.context
        return await dial(wanted.host, wanted.port, context, wanted.connect_within_s)


class _Complaints:
    """Says why there is no connection: at once when that is news, and then not in every breath."""

    def __init__(self, settings: LinkSettings) -> None:
        self._name = settings.client_id
        self._at = f"{settings.host}:{settings.port}"
        self._said_at: dict[str, float] = {}
        self._failures = 0
        self._connected_at = -math.inf

    def tell(self, why: Refusal, delay_s: float, now: float) -> None:
        """A connection was lost or not made."""
        self._failures += 1
        again = f"again in {delay_s:.1f} s"
        what_next = f"{why.remedy}; {again}" if why.remedy else again
        self._say(f"no connection to {self._at}: {why.text}", what_next, now)

    def tell_of_renewal(self, why: Refusal, now: float) -> None:
        """The old connection goes on."""
        text = f"the renewed certificate gives no connection to {self._at}: {why.text}"
        self._say(text, f"{why.remedy}; the old one stays in use", now)

    def refused_publish(self, reason: str) -> None:
        """The broker acknowledged a message of ours as refused."""
        text = f"{self._at} refuses a message of ours: {reason}"
        self._say(text, "is this certificate's name in the broker's ACL?", _now())

    def connected(self, now: float) -> None:
        """There is a connection."""
        after = f" after {self._failures} failures" if self._failures else ""
        is_news = now - self._connected_at >= CONNECTED_IS_NEWS_AFTER_S
        level = logging.INFO if is_news else logging.DEBUG
        log.log(level, "%s: connected to %s%s", self._name, self._at, after)
        self._failures, self._connected_at = 0, now

    def _say(self, text: str, what_next: str, now: float) -> None:
        is_news = now - self._said_at.get(text, -math.inf) >= COMPLAIN_AGAIN_AFTER_S
        if is_news:
            self._said_at[text] = now
        level = logging.WARNING if is_news else logging.DEBUG
        log.log(level, "%s: %s -> %s", self._name, text, what_next)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _has_result(task: asyncio.Task[Client]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _received(client: Client, message: aiomqtt.Message) -> Received:
    told = message.properties
    return Received(
        message.topic.value,
        message.payload if isinstance(message.payload, bytes) else b"",
        message.retain,
        message.qos,
        getattr(told, "ResponseTopic", None),
        getattr(told, "CorrelationData", None),
        lambda: client.acknowledge(message),
    )


async def _subscribe(client: Client, topic: str, qos: int) -> None:
    for granted in await client.subscribe(topic, qos=qos):
        if getattr(granted, "is_failure", False):
            log.error("the broker refuses the subscription to %s: %s", topic, granted)


async def _cancel(*futures: asyncio.Future[Any]) -> None:
    """Ends what still runs and takes every result, so that none is reported as forgotten."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


def _properties(
    left_s: float | None, response_topic: str | None, correlation: bytes | None
) -> Properties:
    """MQTT 5, 3.3.2.3: expiry in whole seconds, rounded up; the publisher's timeout is exact."""
    properties = Properties(PacketTypes.PUBLISH)
    if left_s is not None:
        properties.MessageExpiryInterval = max(1, math.ceil(left_s))
    if response_topic is not None:
        properties.ResponseTopic = response_topic
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties


def _will(will: Will) -> aiomqtt.Will:
    properties = Properties(PacketTypes.WILLMESSAGE)
    properties.WillDelayInterval = will.delay_s
    return aiomqtt.Will(will.topic, will.payload, 1, will.retain, properties)
