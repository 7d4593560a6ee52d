"""aiomqtt's client, with what it does not offer: the one place that reaches below its surface.

Decides nothing about when to connect. Adds: a socket that was opened elsewhere (kannuki/dialling);
the reason when a connection ends before it began; acknowledgement by the receiver, so that the
broker holds back what we have not taken (with Receive Maximum, MQTT 5 section 4.9, a flood cannot
fill our memory); whether the broker still makes progress; and refused publishes. Leans on private
names of aiomqtt 2.5 and paho 2: tests/kannuki/test_mqtt.py runs each of them on a real broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from kannuki.dialling import Opened, WatchedSocket

log = logging.getLogger(__name__)
log_paho = logging.getLogger(f"{__name__}.paho")

MAX_QOS0_WAITING = 1000
GOODBYE_WITHIN_S = 1.0


def _only_for_debugging(record: logging.LogRecord) -> bool:
    """paho calls every lost connection an error; the link above tells of it, once and in words."""
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return log_paho.isEnabledFor(logging.DEBUG)


log_paho.addFilter(_only_for_debugging)


class ConnectionEnded(aiomqtt.MqttError):
    """The connection ended before the broker had accepted it. `cause`: what TLS said, if it did."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__("the connection ended before the broker had accepted it")
        self.cause = cause


class Client(aiomqtt.Client):
    """One connection; an instance connects once. on_refused: told of each refused publish."""

    def __init__(
        self,
        dial: Callable[[], Awaitable[Opened]],
        on_refused: Callable[[str], None],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, logger=log_paho, **kwargs)
        self._dial = dial
        self._on_refused = on_refused
        self._opened: Opened | None = None
        self._progress_at = 0.0
        self._client.manual_ack_set(True)

    async def __aenter__(self) -> Client:
        """Connects. Raises MqttError, OSError, and whatever the dialling raises."""
        opened = self._opened = await self._dial()
        self._client._create_socket = lambda: opened  # type: ignore[method-assign]
        try:
            self._client_connect()  # blocks for nothing: the socket is open
            async with asyncio.timeout(self.timeout):
                await self._connected
        except BaseException:
            self.hang_up()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Says goodbye, if that can be said at once, and hangs up."""
        if not self._disconnected.done():
            self._client.disconnect()
            with contextlib.suppress(aiomqtt.MqttError):
                await self._wait_for(self._disconnected, timeout=GOODBYE_WITHIN_S)
        self.hang_up()

    def hang_up(self) -> None:
        """Ends the connection at once, without a word to the broker."""
        self._client._sock_close()  # also takes its reader and timer away
        if self._opened is not None:
            self._opened.close()
        for told in (self._connected, self._disconnected):
            if told.done() and not told.cancelled():
                told.exception()  # whoever asked was told: asyncio need not complain

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What the connection was made with."""
        return self._opened.context if isinstance(self._opened, ssl.SSLSocket) else None

    async def publish(self, topic: str, payload: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        """As aiomqtt, and as long as it takes: `stalled_s` tells when there is no hope."""
        if not self._pending_publishes:
            self._progress_at = self._loop.time()
        await super().publish(topic, payload, timeout=math.inf, **kwargs)

    def stalled_s(self, now: float) -> float:
        """For how long publishes wait of which none was acknowledged."""
        return now - self._progress_at if self._pending_publishes else 0.0

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """The broker may forget this message, and send the next."""
        if not self._disconnected.done():
            self._client.ack(message.mid, message.qos)

    # --- what paho reports ---

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        if not self._connected.done():
            cause = self._opened.fault if isinstance(self._opened, WatchedSocket) else None
            self._connected.set_exception(ConnectionEnded(cause))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if message.qos == 0 and self._queue.qsize() >= MAX_QOS0_WAITING:
            return  # nobody of ours sends without acknowledgement: a flood
        super()._on_message(client, userdata, message)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any
    ) -> None:
        self._progress_at = self._loop.time()
        if getattr(reason_code, "is_failure", False):
            self._on_refused(str(reason_code))
        super()._on_publish(client, userdata, mid, reason_code, properties)
