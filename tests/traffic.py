"""Real MQTT traffic, held against docs/spec/asyncapi.json as it stands in the repository.

Decides what a message on the wire may be by that file alone: no model of ours has a say, and
schemas are judged by a validator from elsewhere. `Recorder` hears everything that a broker
delivers; the broker's own log says who published what (MQTT does not tell receivers).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import aiomqtt
import jsonschema_rs
from paho.mqtt.subscribeoptions import SubscribeOptions

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "spec" / "asyncapi.json"
_PUBLISHED = re.compile(r"Received PUBLISH from (\S+) \(d[01], q([012]), r([01]), m\d+, '([^']*)'")
_PARAMETER = re.compile(r"\\{(\w+)\\}")


@dataclass(frozen=True)
class Seen:
    """One message as a subscriber gets it. `expiry_s`: what is left of it."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    expiry_s: int | None = None
    correlation: bytes | None = None
    response_topic: str | None = None


@dataclass(frozen=True)
class Published:
    """One message as the broker took it."""

    client: str
    topic: str
    retain: bool
    qos: int


class Rules:
    """The document, asked."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._messages = document["components"]["messages"]
        self._validators = {name: self._validator(name) for name in self._messages}

    @property
    def kinds(self) -> set[str]:
        """Every kind of message that the document knows."""
        return {message["name"] for message in self._messages.values()}

    def faults(self, seen: Seen) -> Iterator[str]:
        """What is wrong with one message; nothing when the document allows it."""
        found = self._message(seen)
        if found is None:
            yield f"no message of the document: {seen.topic} {seen.payload[:60]!r}"
            return
        channel, name, body = found
        for error in self._validators[name].iter_errors(body):
            yield f"{name}: {error.message}"
        rules = self._document["operations"][channel]["bindings"]["mqtt"]
        if seen.qos != rules["qos"]:
            yield f"{name}: QoS {seen.qos}"
        if seen.retain != rules["retain"]:
            yield f"{name}: retain is {seen.retain}"
        yield from _expiry_faults(name, rules.get("messageExpiryInterval"), seen.expiry_s)
        if seen.correlation is not None and seen.correlation != str(body.get("id")).encode():
            yield f"{name}: correlation data is not its id"
        if seen.response_topic is not None and self._fit(seen.response_topic) != "response":
            yield f"{name}: response topic {seen.response_topic}"

    def kind(self, seen: Seen) -> str | None:
        """Which kind of message this is."""
        found = self._message(seen)
        return self._messages[found[1]]["name"] if found else None

    def sender(self, topic: str) -> str | None:
        """`town` or `gateway`: who may publish there; None for topics that are not ours."""
        channel = self._fit(topic)
        if channel is None:
            return None
        sends = self._document["operations"][channel]["action"] == "send"
        return "town" if sends else "gateway"

    def _message(self, seen: Seen) -> tuple[str, str, dict[str, Any]] | None:
        """(channel, message, payload) by the payload's kind and the topic that its device has."""
        try:
            body = json.loads(seen.payload)
        except ValueError:
            return None
        if not isinstance(body, dict):
            return None
        for channel, declared in self._document["channels"].items():
            for name in declared["messages"]:
                message = self._messages[name]
                if message["name"] == body.get("kind") and self._is_at(
                    channel, seen.topic, message["x-device"]
                ):
                    return channel, name, body
        return None

    def _fit(self, topic: str) -> str | None:
        for channel in self._document["channels"]:
            if any(self._is_at(channel, topic, device) for device in ("gateway", "lock")):
                return channel
        return None

    def _is_at(self, channel: str, topic: str, device: str) -> bool:
        declared = self._document["channels"][channel]
        names = re.findall(r"{(\w+)}", declared["address"])
        parts = _PARAMETER.sub("([^/]+)", re.escape(declared["address"]))
        found = re.fullmatch(parts, topic)
        return found is not None and all(
            re.search(_pattern(declared["parameters"][name], device), value)
            for name, value in zip(names, found.groups(), strict=True)
        )

    def _validator(self, name: str) -> Any:
        schema = {**self._messages[name]["payload"], "components": self._document["components"]}
        return jsonschema_rs.Draft202012Validator(schema)


def _pattern(parameter: dict[str, Any], device: str) -> str:
    patterns: dict[str, str] = parameter.get("x-patterns", {})
    return patterns[device] if patterns else str(parameter["x-pattern"])


def _expiry_faults(
    name: str, allowed: dict[str, Any] | None, expiry_s: int | None
) -> Iterator[str]:
    if allowed is None and expiry_s is not None:
        yield f"{name}: expires, and must not"
    elif allowed is not None and expiry_s is None:
        yield f"{name}: never expires"
    elif allowed is not None and not 0 <= (expiry_s or 0) <= allowed["maximum"]:
        yield f"{name}: expires after {expiry_s} s"


def read_rules(path: Path = DOCUMENT) -> Rules:
    return Rules(json.loads(path.read_text(encoding="utf-8")))


class Recorder:
    """Hears all there is under `kannuki/`, as it was published. Use as an async context manager."""

    def __init__(self, port: int) -> None:
        self.seen: list[Seen] = []
        self._port = port
        self._task: asyncio.Task[None] | None = None
        self._listens = asyncio.Event()

    async def __aenter__(self) -> Recorder:
        self._task = asyncio.create_task(self._run())
        await asyncio.wait_for(self._listens.wait(), 20)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    def counts(self, rules: Rules) -> Counter[str]:
        """How often each kind was seen."""
        return Counter(kind for each in self.seen if (kind := rules.kind(each)) is not None)

    async def _run(self) -> None:
        """Across the deaths of the broker: what it keeps for others comes again, no matter."""
        while True:
            try:
                async with aiomqtt.Client(
                    "127.0.0.1", self._port, protocol=aiomqtt.ProtocolVersion.V5
                ) as client:
                    options = SubscribeOptions(qos=2, retainAsPublished=True)
                    await client.subscribe("kannuki/#", options=options)
                    self._listens.set()
                    async for message in client.messages:
                        self.seen.append(_seen(message))
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)


def _seen(message: aiomqtt.Message) -> Seen:
    told = message.properties
    payload = message.payload if isinstance(message.payload, bytes) else b""
    return Seen(
        str(message.topic),
        payload,
        bool(message.retain),
        message.qos,
        getattr(told, "MessageExpiryInterval", None),
        getattr(told, "CorrelationData", None),
        getattr(told, "ResponseTopic", None),
    )


def published(log: Path) -> list[Published]:
    """Who published what, by the log of a Mosquitto that logs with `log_type debug`."""
    rows = _PUBLISHED.findall(log.read_text(encoding="utf-8", errors="replace"))
    return [Published(client, topic, r == "1", int(q)) for client, q, r, topic in rows]


def senders_faults(
    rules: Rules, log: Iterable[Published], is_town: Iterable[str], is_gateway: Iterable[str]
) -> set[str]:
    """Messages that came from the wrong side. The clients of each side are named."""
    sides = {**dict.fromkeys(is_town, "town"), **dict.fromkeys(is_gateway, "gateway")}
    return {
        f"{each.client} published on {each.topic}"
        for each in log
        if rules.sender(each.topic) != sides.get(each.client)
    }


def changed(seen: Seen, **changes: Any) -> Seen:
    return replace(seen, **changes)
