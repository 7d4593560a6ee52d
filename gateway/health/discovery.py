"""What Home Assistant is told of a gateway and its locks: MQTT discovery, read only.

Decides entities, their names and how a state is read from the retained states that we publish
anyway. There is no command topic anywhere, so nobody opens a door from there: Home Assistant has no
key, and a gateway could not use one. Its `lock` entity demands a command topic; a lock of ours is
therefore a device with sensors. Names are ids: a room's name is not the gateway's to tell.

Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery, one retained topic for each
entity, `PREFIX/COMPONENT/NODE/OBJECT/config`, which every version since 2023.11 reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kannuki import messages

SUPPORT_URL = "https://www.home-assistant.io/integrations/mqtt/"
DEFAULT_PREFIX = "homeassistant"
DIAGNOSTIC = {"entity_category": "diagnostic"}
ON_OFF = {"payload_on": "ON", "payload_off": "OFF"}


@dataclass(frozen=True)
class Announcement:
    """One retained message of discovery."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Entity:
    """One entity. `template` reads the retained state; `settings` are of its component."""

    component: str
    name: str
    label: str
    template: str
    settings: dict[str, Any]
    needs: str = "reachable"  # besides the gateway: what a lock said is stale once out of reach


def _choice(member: str, on: str, off: str) -> str:
    """A binary sensor's state: anything else is unknown, which it reads from 'None'."""
    return f"{{{{ {{'{on}': 'ON', '{off}': 'OFF'}}.get(value_json.{member}, 'None') }}}}"


def _flag(member: str) -> str:
    return f"{{{{ 'ON' if value_json.{member} else 'OFF' }}}}"


LOCK_ENTITIES = (
    Entity(
        "binary_sensor",
        "door",
        "Door",
        _choice("door", "open", "closed"),
        {"device_class": "door", **ON_OFF},
    ),
    Entity(
        "binary_sensor",
        "locked",
        "Lock",
        _choice("bolt", "unlocked", "locked"),
        {"device_class": "lock", **ON_OFF},
    ),
    Entity(
        "binary_sensor",
        "jammed",
        "Jammed",
        "{{ 'None' if value_json.bolt == 'unknown' else "
        "'ON' if value_json.bolt == 'jammed' else 'OFF' }}",
        {"device_class": "problem", **ON_OFF},
    ),
    Entity(
        "sensor",
        "bolt",
        "Bolt",
        "{{ value_json.bolt }}",
        {},  # no list of `options`: versions before 2024.12 do not know it
    ),
    Entity(
        "binary_sensor",
        "held-open",
        "Held open",
        _flag("held_open"),
        dict(ON_OFF),
    ),
    Entity(
        "sensor",
        "battery",
        "Battery",
        "{{ value_json.battery | default('None') }}",  # left out by a lock that does not say
        {
            "device_class": "battery",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            **DIAGNOSTIC,
        },
    ),
    Entity(
        "sensor",
        "keypad",
        "Keypad",
        "{{ value_json.keypad }}",
        dict(DIAGNOSTIC),
    ),
    Entity(
        "binary_sensor",
        "reachable",
        "Reachable",
        _flag("reachable"),
        {"device_class": "connectivity", **ON_OFF, **DIAGNOSTIC},
        needs="",
    ),
    Entity(
        "sensor",
        "seen",
        "Last seen",
        "{{ as_datetime(value_json.seen_at) }}",
        {"device_class": "timestamp", **DIAGNOSTIC},
        needs="seen_at",
    ),
)
GATEWAY_ENTITIES = (
    Entity(
        "binary_sensor",
        "online",
        "Online",
        _flag("online"),
        {"device_class": "connectivity", **ON_OFF, **DIAGNOSTIC},
        needs="",
    ),
    Entity(
        "sensor",
        "waiting-events",
        "Waiting events",
        "{{ value_json.waiting_events }}",
        {"state_class": "measurement", "unit_of_measurement": "events", **DIAGNOSTIC},
        needs="",
    ),
)


def announcements(
    prefix: str, town: str, gateway_id: str, locks: Iterable[str], version: str
) -> Iterator[Announcement]:
    """Everything that is to be retained for this gateway and these locks."""
    gateway = _Device(prefix, town, gateway_id, gateway_id, version)
    for entity in GATEWAY_ENTITIES:
        yield gateway.announce(entity)
    for lock in locks:
        device = _Device(prefix, town, gateway_id, lock, version)
        for entity in LOCK_ENTITIES:
            yield device.announce(entity)


class _Device:
    """One device of Home Assistant: the gateway itself, or one of its locks."""

    def __init__(self, prefix: str, town: str, gateway_id: str, device: str, version: str) -> None:
        self._prefix = prefix
        self._town = town
        self._gateway_id = gateway_id
        self._device = device
        self._version = version

    def announce(self, entity: Entity) -> Announcement:
        node = self._name(self._device)
        topic = f"{self._prefix}/{entity.component}/{node}/{entity.name}/config"
        content = {
            "name": entity.label,
            "unique_id": f"{node}_{entity.name}",
            "state_topic": messages.topic(self._town, self._device, "state"),
            "value_template": entity.template,
            "qos": 1,
            **entity.settings,
            **self._availability(entity),
            "device": self._about(),
            "origin": {"name": "kannuki", "sw_version": self._version, "support_url": SUPPORT_URL},
        }
        return Announcement(topic, json.dumps(content, separators=(",", ":")).encode())

    def _name(self, device: str) -> str:
        return f"kannuki_{self._town}_{device}"  # an id holds no `_`: no two pairs make one name

    def _availability(self, entity: Entity) -> dict[str, Any]:
        """What says `online` itself is always there; a lock's words need gateway and lock."""
        if self._device == self._gateway_id and entity.name == "online":
            return {}
        sources = [self._source(self._gateway_id, "online")]
        if entity.needs:
            sources.append(self._source(self._device, entity.needs))
        return {"availability": sources, "availability_mode": "all"}

    def _source(self, device: str, member: str) -> dict[str, str]:
        return {
            "topic": messages.topic(self._town, device, "state"),
            "value_template": f"{{{{ 'online' if value_json.{member} else 'offline' }}}}",
        }

    def _about(self) -> dict[str, Any]:
        node = self._name(self._device)
        if self._device == self._gateway_id:
            return {
                "identifiers": [node],
                "name": f"Kannuki gateway {self._device}",
                "manufacturer": "Kannuki",
                "model": "Gateway",
                "sw_version": self._version,
            }
        return {
            "identifiers": [node],
            "name": f"Kannuki lock {self._device}",
            "manufacturer": "Kannuki",
            "model": "Lock",
            "via_device": self._name(self._gateway_id),
        }
