"""An MQTT broker in the same process, under virtual time: topics, retained messages, duplicates.

Decides delivery: at least once to everyone who is connected, late by LATENCY_MS; never to someone
who is not (all sessions here are clean ones). `duplicates()` says, for each delivery, whether it
comes twice, as QoS 1 allows.
"""

from __future__ import annotations

from collections.abc import Callable

from simulator.virtual.clock import VirtualTime

LATENCY_MS = 10
AGAIN_AFTER_MS = 170

Hear = Callable[[str, bytes], None]


class VirtualClient:
    """One connection."""

    def __init__(self, broker: VirtualBroker, wants: Callable[[str], bool], hear: Hear) -> None:
        self.broker = broker
        self.wants = wants
        self.hear = hear
        self.is_connected = True

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Say something to everyone who wants to hear it; lost when the connection ends at once."""
        self.broker.after_a_moment(self, lambda: self.broker.publish(topic, payload, retain))

    def leave(self) -> None:
        """The connection ends; what is on its way does not arrive."""
        self.is_connected = False
        self.broker.clients.remove(self)


class VirtualBroker:
    """Give each client a predicate over topics instead of filters."""

    def __init__(self, time: VirtualTime, duplicates: Callable[[], bool] = lambda: False) -> None:
        self.clients: list[VirtualClient] = []
        self._time = time
        self._duplicates = duplicates
        self._retained: dict[str, bytes] = {}

    def join(self, wants: Callable[[str], bool], hear: Hear) -> VirtualClient:
        """Connect and subscribe; retained messages follow."""
        client = VirtualClient(self, wants, hear)
        self.clients.append(client)
        for topic, payload in self._retained.items():
            if wants(topic):
                self._deliver(client, topic, payload)
        return client

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Hand a message to everyone who wants it."""
        if retain:
            self._retained[topic] = payload
        for client in self.clients:
            if client.wants(topic):
                self._deliver(client, topic, payload)
                if self._duplicates():
                    self._deliver(client, topic, payload, AGAIN_AFTER_MS)

    def after_a_moment(
        self, client: VirtualClient, work: Callable[[], None], extra_ms: int = 0
    ) -> None:
        """Do `work` when a message has crossed the connection of `client`, if it still can."""
        self._time.after(LATENCY_MS + extra_ms, lambda: work() if client.is_connected else None)

    def _deliver(
        self, client: VirtualClient, topic: str, payload: bytes, extra_ms: int = 0
    ) -> None:
        self.after_a_moment(client, lambda: client.hear(topic, payload), extra_ms)
