"""Writes the AsyncAPI 3.0 document of the MQTT messages (docs/spec/asyncapi.json).

Decides the document's layout; channels and payloads are declared in kannuki.messages as CHANNELS:
name -> Channel(address, payloads by kind, direction, retained, description, ...). AsyncAPI 3.0 has
no word for what a parameter may look like, nor for which device a message belongs to: `x-pattern`,
`x-patterns` and `x-device` say so; a test holds real traffic against all of it. `python -m
kannuki.asyncapi [FILE]` writes it, `--check` compares instead. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from kannuki.errors import ExpectationFailed, InputError, KannukiError
from kannuki.messages import (
    CHANNELS,
    GATEWAY_PATTERN,
    LOCK_PATTERN,
    TOPIC_ROOT,
    TOWN_PATTERN,
)

SPEC_VERSION = "3.0.0"
DEFAULT_FILE = Path("docs/spec/asyncapi.json")
SCHEMA_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"{(\w+)}")
_PARAMETERS: dict[str, dict[str, Any]] = {
    "town": {"description": "The town that both ends belong to.", "x-pattern": TOWN_PATTERN},
    "device": {
        "description": "A gateway or a lock, as `x-device` of the message says.",
        "x-patterns": {"gateway": GATEWAY_PATTERN, "lock": LOCK_PATTERN},
    },
}


class ChannelLike(Protocol):
    """The shape of a channel in kannuki.messages; direction is `to-device` or `from-device`."""

    @property
    def address(self) -> str: ...
    @property
    def payloads(self) -> Mapping[str, type[BaseModel]]: ...
    @property
    def direction(self) -> str: ...
    @property
    def retained(self) -> bool: ...
    @property
    def description(self) -> str: ...
    @property
    def of_gateways(self) -> frozenset[str]: ...
    @property
    def expires_s(self) -> int | None: ...


def document(channels: Mapping[str, ChannelLike], version: str) -> dict[str, Any]:
    """The whole document, from the point of view of the town's service: it sends `to-device`."""
    models = {model for channel in channels.values() for model in channel.payloads.values()}
    return {
        "asyncapi": SPEC_VERSION,
        "info": {
            "title": "Kannuki over MQTT",
            "version": version,
            "description": "What the town's service, gateways and locks say over MQTT 5.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(channel) for name, channel in sorted(channels.items())},
        "operations": {name: _operation(name, chan) for name, chan in sorted(channels.items())},
        "components": {
            "schemas": _schemas(models),
            "messages": _messages(channels),
        },
    }


def message_name(model: type[BaseModel]) -> str:
    """The name of a payload's message and schema in the document."""
    return model.__name__


def _channel(channel: ChannelLike) -> dict[str, Any]:
    names = sorted(message_name(model) for model in channel.payloads.values())
    parameters = _PARAMETER.findall(channel.address)
    return {
        "address": channel.address,
        "description": channel.description,
        "parameters": {name: _PARAMETERS[name] for name in parameters},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {},
    }


def _operation(name: str, channel: ChannelLike) -> dict[str, Any]:
    expiry = {"type": "integer", "minimum": 1, "maximum": channel.expires_s}
    expires = {"messageExpiryInterval": expiry} if channel.expires_s is not None else {}
    return {
        "action": "send" if channel.direction == "to-device" else "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "bindings": {
            "mqtt": {"qos": 1, "retain": channel.retained, **expires, "bindingVersion": "0.2.0"},
        },
    }


def _messages(channels: Mapping[str, ChannelLike]) -> dict[str, Any]:
    kinds = {
        message_name(model): (kind, model, "gateway" if kind in channel.of_gateways else "lock")
        for channel in channels.values()
        for kind, model in channel.payloads.items()
    }
    return {name: _message(name, *kinds[name]) for name in sorted(kinds)}


def _message(name: str, kind: str, model: type[BaseModel], device: str) -> dict[str, Any]:
    summary = (model.__doc__ or "").strip().partition("\n")[0]
    return {
        "name": kind,
        "title": name,
        "summary": summary,
        "x-device": device,
        "payload": {"$ref": SCHEMA_REF.format(model=name)},
    }


def _schemas(models: set[type[BaseModel]]) -> dict[str, Any]:
    ordered = sorted(models, key=message_name)
    names = [message_name(model) for model in ordered]
    if len(set(names)) != len(names):
        raise InputError(f"two payload models share a name: {names}", "rename one of them")
    _, schema = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=SCHEMA_REF
    )
    found = dict(sorted(schema.get("$defs", {}).items()))
    for each in found.values():
        if "kind" in each["properties"]:  # a default to write; to read, what tells payloads apart
            each["required"] = ["kind", *each.get("required", [])]
    return found


def rendered(channels: Mapping[str, ChannelLike], version: str) -> str:
    """The document as kept in the repository."""
    return json.dumps(document(channels, version), indent=2, ensure_ascii=False) + "\n"


def check(path: Path, wanted: str) -> None:
    """Raises ExpectationFailed when the kept file is not the one that the models give."""
    kept = path.read_text(encoding="utf-8") if path.is_file() else ""
    if kept != wanted:
        raise ExpectationFailed(
            f"{path} is not what kannuki.messages declares", f"python -m kannuki.asyncapi {path}"
        )


def main(argv: list[str]) -> None:
    """`[--check] [FILE]`; raises KannukiError."""
    paths = [Path(argument) for argument in argv if not argument.startswith("-")]
    version = TOPIC_ROOT.rpartition("/v")[2]
    path, wanted = (paths or [DEFAULT_FILE])[0], rendered(CHANNELS, version)
    if "--check" in argv:
        return check(path, wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KannukiError as error:
        print(error.lines(), file=sys.stderr)
        sys.exit(error.exit_code)
