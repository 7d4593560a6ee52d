"""Properties of everything that reads bytes from strangers (Hypothesis, so CPython alone)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import (
    cbor,
    frames,
    session,
    statuslist,
)
from protocol.cbor import CborError, Tag
from protocol.frames import FrameError, Reassembler
from protocol.verify import Denied
from tests.protocol import support
from tests.protocol.decoders import DECODERS

INTEGERS = st.integers(-(1 << 64), (1 << 64) - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = INTEGERS | st.binary() | TEXT
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.binary() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.builds(Tag, st.sampled_from([0, 18, 61]), inner)
    ),
    max_leaves=6,
).filter(lambda value: _depth(value) <= cbor.MAX_DEPTH)


def _depth(value: object) -> int:
    inner: list = []
    if isinstance(value, list):
        inner = value
    elif isinstance(value, dict):
        inner = list(value.values())
        return 1 + max([0, *map(_depth, inner)]) if value else 0
    elif isinstance(value, Tag):
        inner = [value.value]
    return 1 + max(map(_depth, inner)) if inner else 0


@given(VALUES)
def test_what_is_encoded_decodes_to_itself(value: object) -> None:
    assert cbor.decode(cbor.encode(value), (0, 18, 61)) == value


@given(st.binary(max_size=300))
def test_any_bytes_decode_to_what_reencodes_or_are_refused(data: bytes) -> None:
    try:
        value = cbor.decode(data, (18,))
    except CborError:
        return
    assert cbor.encode(value) == data


@given(VALUES, st.data())
def test_a_corrupted_item_decodes_to_what_reencodes_or_is_refused(
    value: object, data: st.DataObject
) -> None:
    raw = bytearray(cbor.encode(value))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        decoded = cbor.decode(raw, (0, 18, 61))
    except CborError:
        return
    assert cbor.encode(decoded) == raw


@pytest.mark.parametrize("name", sorted(DECODERS))
@given(data=st.binary(max_size=200) | VALUES.map(cbor.encode))
def test_readers_of_documents_refuse_with_their_own_error(name: str, data: bytes) -> None:
    read, errors, _, _ = DECODERS[name]
    with contextlib.suppress(*errors):
        read(data)


@given(st.integers(0, 8), st.binary(max_size=200) | VALUES.map(cbor.encode), st.binary(max_size=20))
def test_no_message_makes_a_lock_raise_allow_or_verify_a_signature(
    kind: int, body: bytes, tail: bytes
) -> None:
    lock = support.Lock()
    assert isinstance(lock.judge(bytes([kind]) + body + tail), Denied)
    assert lock.verifier.calls == []


@given(st.lists(st.lists(VALUES, max_size=10).map(cbor.encode), max_size=4), st.data())
def test_no_conversation_makes_a_holder_raise(bodies: list[bytes], data: st.DataObject) -> None:
    session_of_holder = support.make_holder(support.issue())
    session_of_holder.start()
    if data.draw(st.booleans()):
        session_of_holder.receive(support.make_challenge())
    for body in bodies:
        kind = data.draw(st.integers(0, 8))
        for event in session_of_holder.receive(bytes([kind]) + body):
            assert event[0] in ("broken", "advisory", "wrong_room", "send")


@given(st.binary(min_size=1, max_size=4096), st.integers(20, 600))
def test_every_message_survives_fragmentation(message: bytes, limit: int) -> None:
    reassembler = Reassembler()
    *before, last = frames.fragment(message, limit)
    assert all(reassembler.push(piece) is None for piece in before)
    assert reassembler.push(last) == message


@given(st.lists(st.binary(max_size=40)), st.integers(1, 64))
def test_any_fragments_raise_frame_error_or_make_bounded_messages(
    pieces: list[bytes], limit: int
) -> None:
    reassembler = Reassembler(limit)
    for piece in pieces:
        try:
            message = reassembler.push(piece)
        except FrameError:
            continue
        assert message is None or 0 < len(message) <= limit


@given(st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.integers(1, 1 << 33)), max_size=50))
def test_a_built_status_list_is_readable_and_revokes_exactly_its_prefixes(
    revoked: list[tuple[bytes, int]],
) -> None:
    header, entries = statuslist.build(support.LOCK, 1, support.NOON, revoked)
    status = statuslist.in_memory(statuslist.decode(statuslist.encode(header)), entries)
    assert all(status.lists(cti) for cti, _ in revoked)
    prefixes = {cti[:6] for cti, _ in revoked}
    for other in (b"\x00" * 8, b"\xff" * 8, b"elsewher"):
        assert status.lists(other) == (other[:6] in prefixes)
    previous = b""
    for at in range(0, len(entries), 8):
        statuslist.check_order(previous, entries[at : at + 8])
        previous = entries[at : at + 8]


def test_two_thousand_revocations_are_16000_bytes_and_one_more_is_refused() -> None:
    revoked = [(n.to_bytes(8, "little"), support.T1) for n in range(statuslist.MAX_ENTRIES + 1)]
    header, entries = statuslist.build(support.LOCK, 1, support.NOON, revoked[1:])
    assert (header.count, len(entries)) == (2000, 16000)
    assert all(statuslist.in_memory(header, entries).lists(cti) for cti, _ in revoked[1:])
    with pytest.raises(statuslist.StatusListError):
        statuslist.build(support.LOCK, 1, support.NOON, revoked)


HOURS = st.integers(support.T1 // 3600, support.T1 // 3600 + 9)
NAMES = st.integers(0, 30).map(lambda n: n.to_bytes(8, "little"))
WITHDRAWN = st.lists(st.tuples(NAMES, HOURS.map(lambda hour: 3600 * hour)), max_size=40)


@given(WITHDRAWN, WITHDRAWN, HOURS, HOURS)
def test_a_delta_gives_the_very_list_that_the_town_builds(
    old: list[tuple[bytes, int]], new: list[tuple[bytes, int]], first: int, second: int
) -> None:
    kept, later = min(first, second), max(first, second)
    older = statuslist.in_memory(*statuslist.build(support.LOCK, 1, 5, old, None, kept))
    _, added = statuslist.build(support.LOCK, 2, 5, new, None, later)
    whole, entries = statuslist.build(support.LOCK, 2, 5, [*old, *new], None, later)
    made = b"".join(statuslist.merge(older, added, later))
    assert made == entries
    assert statuslist.in_memory(whole, made).header.count == len(made) // 8


@given(st.lists(st.binary(max_size=32), min_size=4, max_size=4), st.integers(0, 2), st.data())
def test_different_parts_have_different_macs(
    parts: list[bytes], at: int, data: st.DataObject
) -> None:
    """Moving bytes from one part to the next changes every MAC."""
    key = bytes(32)
    hello, challenge, presentation, outcome = parts
    cut = data.draw(st.integers(0, len(parts[at])))
    moved = list(parts)
    moved[at], moved[at + 1] = parts[at][:cut], parts[at][cut:] + parts[at + 1]
    usual = session.transcript((hello, challenge), presentation, outcome)
    other = session.transcript((moved[0], moved[1]), moved[2], moved[3])
    assert (usual == other) == (moved == parts)
    first = session.presentation_mac(key, (hello, challenge), presentation)
    second = session.presentation_mac(key, (moved[0], moved[1]), moved[2])
    assert (first == second) == (moved[:3] == parts[:3])
