"""Who may read and write which topic: Mosquitto's ACL file of one town.

Decides the least each role needs, from what gateway, cloud and Home Assistant really say on
`kannuki.messages.CHANNELS`. Names are written out: no `pattern` line, so that nothing a client
says of itself (client id, user name) ever becomes part of a topic. Invariant: every topic holds
this town's name, and whoever is not named may nothing at all. Mosquitto 2.0 checks reads when it
delivers, not when somebody subscribes: SUBACK says "granted" to `#`, and nothing comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kannuki.messages import CHANNELS, topic

CLOUD = re.compile(r"cloud(-[0-9]{1,3})?\Z")
HOME = re.compile(r"home(-[0-9]{1,3})?\Z")
DISCOVERY_PREFIX = "homeassistant"

FROM_GATEWAY = ("state", "event", "request", "response")
FROM_LOCK = ("state", "response")  # events and requests travel on the gateway's own topics
FROM_DEVICE = tuple(name for name, is_ in CHANNELS.items() if is_.direction == "from-device")
TO_DEVICE = tuple(name for name, is_ in CHANNELS.items() if is_.direction == "to-device")


@dataclass(frozen=True)
class Rights:
    """Who there is in a town. `gone`: revoked gateways and the locks they had."""

    town: str
    gateways: Mapping[str, Sequence[str]]
    clouds: Sequence[str] = ()
    homes: Sequence[str] = ()
    gone: Mapping[str, Sequence[str]] = field(default_factory=dict)


def role_of(name: str) -> str:
    """What a name stands for: `cloud`, `home`, or else a gateway."""
    if CLOUD.match(name):
        return "cloud"
    return "home" if HOME.match(name) else "gateway"


def discovery_topic(town: str, device: str) -> str:
    """Where Home Assistant is told of a gateway or a lock (a filter; the node is ours alone).

    `_` cannot be part of an id, so no two pairs of town and device make one node.
    """
    return f"{DISCOVERY_PREFIX}/+/kannuki_{town}_{device}/+/config"


def acl_text(rights: Rights) -> str:
    """The file, the same for the same rights."""
    lines = [
        f"# Who may what in {rights.town}; whoever is not named here may nothing.",
        "# Written by `kannuki gateway broker-config`: do not edit, it is written anew.",
    ]
    for name in sorted(rights.clouds):
        lines += ["", _user(rights.town, name), *_cloud(rights)]
    for name in sorted(rights.homes):
        lines += ["", _user(rights.town, name), *_home(rights)]
    for name in sorted(rights.gateways):
        lines += ["", _user(rights.town, name), *_gateway(rights.town, name, rights.gateways[name])]
    return "\n".join(lines) + "\n"


def _user(town: str, name: str) -> str:
    return f"user {town}.{name}"


def _gateway(town: str, name: str, locks: Sequence[str]) -> Iterator[str]:
    for channel in TO_DEVICE:
        yield f"topic read {topic(town, name, channel)}"
    for channel in FROM_GATEWAY:
        yield f"topic write {topic(town, name, channel)}"
    yield f"topic write {discovery_topic(town, name)}"
    for lock in sorted(locks):
        for channel in TO_DEVICE:
            yield f"topic read {topic(town, lock, channel)}"
        for channel in FROM_LOCK:
            yield f"topic write {topic(town, lock, channel)}"
        yield f"topic write {discovery_topic(town, lock)}"


def _cloud(rights: Rights) -> Iterator[str]:
    for channel in FROM_DEVICE:
        yield f"topic read {topic(rights.town, '+', channel)}"
    for channel in TO_DEVICE:
        yield f"topic write {topic(rights.town, '+', channel)}"
    # The last state of a revoked gateway stays retained until somebody takes it back.
    for device in sorted(_orphans(rights)):
        yield f"topic write {topic(rights.town, device, 'state')}"


def _orphans(rights: Rights) -> set[str]:
    """Devices that nobody speaks for any more."""
    gone = {name for name in rights.gone if name not in rights.gateways}
    spoken_for = {lock for locks in rights.gateways.values() for lock in locks}
    return gone | ({lock for name in gone for lock in rights.gone[name]} - spoken_for)


def _home(rights: Rights) -> Iterator[str]:
    yield f"topic read {topic(rights.town, '+', 'state')}"
    locks = {lock for had in rights.gateways.values() for lock in had}
    for device in sorted({*rights.gateways, *locks}):
        yield f"topic read {discovery_topic(rights.town, device)}"
