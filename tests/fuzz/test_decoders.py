"""Hypothesis against every decoder: the targets of both runtimes, and the payloads of MQTT.

Structure-aware: valid encodings of the corpus with one member replaced by any other value, then
flipped, cut, spliced. The contract and the targets are those of tests/protocol/decoders.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kannuki import messages
from protocol import audit, cbor, cose, keyset, lockconfig, session, signedtime, statuslist
from protocol import token as tokens
from protocol.cbor import CborError, Tag
from tests.protocol import decoders
from tests.protocol.decoders import DECODERS, ODD_VALUES, TAGS, corpus
from tests.protocol.test_cpython_properties import VALUES

TARGETS = {name: (row[0], row[1], corpus(name)) for name, row in DECODERS.items()}
ANYTHING = st.sampled_from(ODD_VALUES) | VALUES
SWELLING = (
    b"\x81" * 5000,
    b"\xa1\x00" * 5000,
    b"\xd2" * 5000,
    b"\x9b" + b"\xff" * 8,
    bytes(70_000),
)
QUICK, LONG = 600, 50_000

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
PAYLOADS = [
    messages.GatewayState(online=True),
    messages.LockState(reachable=True, seen_at=1, time_lo=1, time_hi=2),
    messages.AuditEvent(id="a", lock="kitaguch", parcel=b"x" * 40, seal=b"y" * 16),
    messages.TimeRequest(id="a", lock="kitaguch", nonce=b"n" * 16),
    messages.EventAck(ids=["a", "b"]),
    messages.RelayOpen(id="a", session="s", message=b"\x01\x81\x01", expires_at=9),
    messages.StatusPut(id="a", document=b"x", version=3, entries=b"y" * 8, expires_at=9),
    messages.DocumentPut(id="a", what="keyset", document=b"x", version=3, expires_at=9),
    messages.TimeAnswer(id="a", document=b"x", expires_at=9),
    messages.CommandResult(id="a", ok=False, error="GONE", version=1),
]


def replaced(draw: Any, value: Any) -> Any:
    """`value` with one member, somewhere inside, replaced by anything."""
    if isinstance(value, bytes) and draw(st.booleans()):
        inner = restructured(draw, value)
        return inner if inner != value else draw(ANYTHING)
    if draw(st.integers(0, 3)) == 0 or not isinstance(value, Tag | list | dict) or not value:
        return draw(ANYTHING)
    if isinstance(value, Tag):
        return Tag(value.number, replaced(draw, value.value))
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], replaced(draw, value[at]), *value[at + 1 :]]
    key = draw(st.sampled_from(list(value)))
    return {**value, key: replaced(draw, value[key])}


def restructured(draw: Any, raw: bytes) -> bytes:
    """Well-formed CBOR with another member; as it is when it is no CBOR."""
    try:
        return cbor.encode(replaced(draw, cbor.decode(raw, TAGS)))
    except CborError:
        return raw


def changed(draw: Any, raw: bytes, pool: list[bytes]) -> bytes:
    """One change of bytes: flip, insert, delete, splice, or another CBOR length."""
    at = draw(st.integers(0, len(raw)))
    kind = draw(st.sampled_from(["flip", "insert", "delete", "splice", "length", "none"]))
    rest = raw[at + 1 :]
    if kind == "insert":
        return raw[:at] + draw(st.binary(min_size=1, max_size=8)) + raw[at:]
    if kind == "delete":
        return raw[:at] + raw[at + draw(st.integers(1, 16)) :]
    if kind == "splice":
        other = draw(st.sampled_from(pool))
        return raw[:at] + other[draw(st.integers(0, len(other))) :]
    if kind == "none" or at == len(raw):
        return raw
    if kind == "flip":
        return raw[:at] + bytes([raw[at] ^ (1 << draw(st.integers(0, 7)))]) + rest
    return raw[:at] + bytes([(raw[at] & 0xE0) | draw(st.integers(0, 31))]) + rest


@st.composite
def relatives(draw: Any, pool: list[bytes]) -> bytes:
    """Broken relatives of the corpus, and bytes that nobody ever saw."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=600))
    raw = draw(st.sampled_from(pool))
    how = draw(st.sampled_from(["members", "members", "bytes", "both"]))
    if how != "bytes":
        raw = restructured(draw, raw)
    if how != "members":
        for _ in range(draw(st.integers(1, 3))):
            raw = changed(draw, raw, pool)
    return raw


def run(name: str, examples: int) -> None:
    """Mutate until something else than the target's own error comes out."""
    read, errors, pool = TARGETS[name]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(relatives(pool))
    def attack(raw: bytes) -> None:
        try:
            read(raw)
        except errors:
            return

    attack()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_decoder_gives_a_value_or_its_own_error(name: str) -> None:
    run(name, QUICK)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_decoder_gives_a_value_or_its_own_error_for_long(name: str) -> None:
    run(name, LONG)


@st.composite
def payloads(draw: Any) -> bytes:
    """JSON of our messages with members replaced, added, or bytes changed."""
    document = json.loads(messages.encode(draw(st.sampled_from(PAYLOADS))))
    if draw(st.booleans()):
        document[draw(st.sampled_from(list(document)) | st.text())] = draw(JSON_VALUES)
    raw = json.dumps(document).encode()
    return changed(draw, raw, [raw]) if draw(st.booleans()) else raw


@settings(max_examples=1000, deadline=None, database=None)
@given(st.sampled_from(list(messages.CHANNELS)), payloads() | st.binary(max_size=200))
def test_payload_of_mqtt_is_a_message_or_a_payload_error(channel: str, raw: bytes) -> None:
    try:
        message = messages.decode(channel, raw)
    except messages.PayloadError:
        return
    assert messages.decode(channel, messages.encode(message)) == message


@pytest.mark.parametrize(
    "raw", [b"[" * 60_000, b'{"kind":' * 8000, b" " * 70_000, b'{"kind":"\\ud800"}', b"1e999999"]
)
def test_payload_that_nests_or_swells_is_refused(raw: bytes) -> None:
    for channel in messages.CHANNELS:
        with pytest.raises(messages.PayloadError):
            messages.decode(channel, raw)


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize("raw", SWELLING)
def test_nesting_and_swelling_are_refused(name: str, raw: bytes) -> None:
    read, errors, _ = TARGETS[name]
    if errors:
        with pytest.raises(errors):
            read(raw)
    else:
        read(raw)


def test_every_decoder_of_the_protocol_is_a_target() -> None:
    """A decoder that nobody fuzzes is one too many."""
    modules = (audit, cose, keyset, lockconfig, session, signedtime, statuslist, tokens)
    source = Path(decoders.__file__).read_text(encoding="utf-8")
    names = [
        f"{module.__name__.split('.')[-1].replace('token', 'tokens')}.{name}"
        for module in modules
        for name in dir(module)
        if name.startswith(("decode", "parse", "open_presentation"))
    ]
    assert len(names) > 20
    assert [name for name in names if f"{name}," not in source and f"{name}(" not in source] == []
