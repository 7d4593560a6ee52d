"""The AsyncAPI document: generated, complete, and the one that is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from kannuki import asyncapi
from kannuki.errors import ExpectationFailed, InputError
from kannuki.messages import CHANNELS


class Inner(BaseModel):
    """Something inside."""

    depth: int


class Event(BaseModel):
    """It happened.

    More about it.
    """

    kind: Literal["event"] = "event"
    inner: Inner


@dataclass
class Channel:
    address: str
    payloads: dict[str, type[BaseModel]]
    direction: str = "from-device"
    retained: bool = False
    description: str = "d"
    of_gateways: frozenset[str] = frozenset()
    expires_s: int | None = None


ONE = {"event": Channel("kannuki/v1/{town}/{device}/event", {"event": Event})}


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(child) for child in value.values()))
    if isinstance(value, list):
        return set().union(*(references(child) for child in value))
    return set()


@pytest.mark.parametrize("channels", [ONE, CHANNELS], ids=["one", "ours"])
def test_every_reference_leads_somewhere(channels: dict[str, Any]) -> None:
    whole = asyncapi.document(channels, "1")
    for reference in references(whole):
        place = whole
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_address_parameters_direction_and_models_are_told() -> None:
    whole = asyncapi.document(ONE, "1")
    assert whole["asyncapi"] == "3.0.0"
    assert set(whole["channels"]["event"]["parameters"]) == {"town", "device"}
    assert whole["operations"]["event"]["action"] == "receive"
    assert set(whole["components"]["schemas"]) == {"Event", "Inner"}
    assert whole["components"]["messages"]["Event"]["summary"] == "It happened."


def test_every_kind_of_every_channel_of_ours_is_in_the_document() -> None:
    messages = asyncapi.document(CHANNELS, "1")["components"]["messages"]
    kinds = {kind for channel in CHANNELS.values() for kind in channel.payloads}
    assert {message["name"] for message in messages.values()} == kinds


def test_two_models_of_one_name_are_refused() -> None:
    twin = type("Event", (BaseModel,), {"__module__": "elsewhere"})
    channels = {**ONE, "other": Channel("a", {"other": twin})}
    with pytest.raises(InputError, match="share a name"):
        asyncapi.document(channels, "1")


def test_the_command_writes_a_file_that_its_own_check_accepts(tmp_path: Path) -> None:
    path = tmp_path / "spec" / "asyncapi.json"
    asyncapi.main([str(path)])
    asyncapi.main(["--check", str(path)])
    assert json.loads(path.read_text())["info"]["version"] == "1"
    path.write_text(path.read_text().replace("retain", "retained"))
    with pytest.raises(ExpectationFailed) as differs:
        asyncapi.main(["--check", str(path)])
    assert "python -m kannuki.asyncapi" in differs.value.remedy
