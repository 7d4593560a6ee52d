"""Garbage on every input of the machine, and any order of events: nothing raises, nothing leaks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.machine import Pending, Settings, errands, steps
from gateway.machine import values as v
from gateway.machine.documents import Bookmarks
from gateway.machine.housekeeping import Visit
from gateway.machine.link import Phase
from gateway.machine.lockstate import StateError, read
from kannuki import messages
from kannuki.messages import (
    DocumentPut,
    RelayClose,
    RelayOpen,
    RelaySend,
    StatusPut,
    TimeAnswer,
)
from protocol import cbor, cose, reasons, session
from tests.gateway.fakelock import (
    LOCK_A,
    LOCK_B,
    STRANGER,
    T0,
    ack_document,
    config_document,
    credential,
    deterministic,
    keyset_document,
    signed,
    status_document,
    status_entries,
    time_document,
)
from tests.gateway.world import World

DEVICES = st.sampled_from([LOCK_A, LOCK_B, "gw-1", "nobody"])
LOCKS = st.sampled_from([LOCK_A, LOCK_B, "nobody"])
TIMES = st.sampled_from([0, T0 - 1, T0 + 5, T0 + 10**6, (1 << 40) - 1])
IDS = st.sampled_from(["a", "b", "c"])
COMMANDS = st.one_of(
    st.binary(max_size=80),
    st.builds(RelayOpen, id=IDS, session=IDS, message=st.binary(max_size=40), expires_at=TIMES),
    st.builds(RelaySend, id=IDS, session=IDS, message=st.binary(max_size=40), expires_at=TIMES),
    st.builds(RelayClose, id=IDS, session=IDS, expires_at=TIMES),
    st.builds(
        StatusPut,
        id=IDS,
        document=st.binary(max_size=40),
        version=st.integers(-2, 1 << 65),
        entries=st.binary(max_size=20),
        base_version=st.none() | st.integers(-2, 1 << 65),
        additions=st.none() | st.binary(max_size=20),
        expires_at=TIMES,
    ),
    st.builds(
        DocumentPut,
        id=IDS,
        what=st.sampled_from(["keyset", "config", "ack"]),
        document=st.binary(max_size=40)
        | st.sampled_from(
            [keyset_document(2), config_document(LOCK_A, 2), ack_document(LOCK_B, 2)]
        ),
        version=st.just(2) | st.integers(-2, 1 << 65),
        expires_at=TIMES,
    ),
    st.builds(
        TimeAnswer,
        id=IDS,
        document=st.binary(max_size=40) | st.just(time_document(LOCK_A, bytes(16), T0)),
        expires_at=TIMES,
    ),
)
STEPS = st.one_of(
    st.tuples(st.just("command"), DEVICES, COMMANDS),
    st.tuples(st.just("up"), LOCKS, st.integers(0, 600)),
    st.tuples(st.just("received"), LOCKS, st.binary(max_size=60)),
    st.tuples(st.just("down"), LOCKS, st.sampled_from([v.LOST, v.OUT_OF_RANGE, v.CLOSED, "?"])),
    st.tuples(st.just("sighted"), LOCKS, st.none()),
    st.tuples(st.just("broker"), st.booleans(), st.none()),
    st.tuples(st.just("wait"), st.floats(0, 90), st.none()),
    st.tuples(st.just("clock"), st.integers(-(10**7), 10**7), st.none()),
)


class Disordered(World):
    """A world whose radio does nothing by itself, so that any order of events can be tried."""

    def carry_out(self) -> None:
        for action in self.gateway.actions():
            if isinstance(action, v.Publish):
                messages.decode(action.channel, action.payload)

    def do(self, kind: str, first, second) -> None:
        gateway = self.gateway
        if kind == "command":
            self.command(first, second)
        elif kind == "up":
            gateway.link_up(first, second, self.now)
        elif kind == "received":
            gateway.link_received(first, second, self.now)
        elif kind == "down":
            gateway.link_down(first, second, self.now)
        elif kind == "sighted":
            gateway.sighted(first, self.now)
        elif kind == "broker":
            self.broker_up() if first else self.broker_down()
        elif kind == "wait":
            self.run(first)
        else:
            self.wall_ahead += first
        self.carry_out()
        links = gateway._links._links.values()
        assert sum(link.phase is not Phase.DOWN for link in links) <= self.settings.max_links


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_any_inputs_in_any_order_raise_nothing_and_keep_time_going(steps):
    with tempfile.TemporaryDirectory() as folder:
        w = Disordered(Path(folder), [LOCK_A, LOCK_B], Settings(max_links=1))
        for kind, first, second in steps:
            w.do(kind, first, second)
        w.run(120)
        w.store.close()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_a_lock_that_talks_garbage_fails_the_visit_and_no_more(fragments):
    with tempfile.TemporaryDirectory() as folder:
        w = World(Path(folder), [LOCK_A])
        w.run(0.011)
        for fragment in fragments:
            w.gateway.link_received(LOCK_A, fragment, w.now)
            w.carry_out()
        w.run(400)
        assert w.gateway.counters["visits_finished"] > 0
        w.store.close()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 60) | st.binary(max_size=9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 9), inner),
    max_leaves=12,
)


@given(VALUES)
def test_a_state_of_any_form_is_read_or_refused(value):
    try:
        reported = read(value)
    except StateError:
        return
    assert reported.published(T0).reachable


STATE = {
    1: 1, 2: 1, 3: 0, 4: 9, 5: T0, 6: None, 7: 5, 8: 1, 9: 1, 10: 1, 11: 0, 12: 0, 13: False, 14: 0,
}  # fmt: skip


@given(st.sampled_from(sorted(STATE)), VALUES)
def test_a_state_with_any_member_wrong_is_read_or_refused(key, value):
    try:
        reported = read({**STATE, key: value})
    except StateError:
        return
    messages.decode("state", messages.encode(reported.published(T0)))


class NoStore:
    """Something pending of every kind, nothing known; whatever is put in shows."""

    def __init__(self) -> None:
        self.put: list[object] = []

    def has_room(self) -> bool:
        return True

    def next_seq(self, _lock: str, _epoch: int) -> int | None:
        return None

    def pending(self, lock: str, what: str) -> Pending:
        entries = status_entries(4)
        if what == "status":
            document = status_document(lock, 2, entries=entries)
            return Pending(2, document, entries, 0, entries)
        return Pending(2, {"keyset": keyset_document(2)}.get(what, config_document(lock, 2)))

    def put_event(self, event: object, *_position: object) -> None:
        self.put.append(event)


def visit_with_state(store: NoStore) -> Visit:
    """A visit that knows the lock's state and has asked for the next thing."""
    visit = Visit(
        LOCK_A,
        credential(LOCK_A),
        store,
        deterministic("v"),
        "gw-1",
        Settings(status_piece_bytes=8),
        lambda _time: False,
        Bookmarks(),
    )
    visit._session.request = lambda *request: [("send", cbor.encode(list(request)))]
    visit._on_event("outcome", [session.Outcome(session.OK, {}, 0, bytes(32))])
    visit._on_event("reply", [session.OK, STATE])
    return visit


def asked(visit: Visit) -> str:
    return type(visit._asked).__name__


def visit_at_records(store: NoStore) -> Visit:
    """A visit that has just asked for records from 5 on."""
    visit = visit_with_state(store)
    for _ in range(10):
        if asked(visit) != "RecordsChore":
            visit._on_event("reply", [reasons.STORAGE, None])
    assert asked(visit) == "RecordsChore"
    return visit


REPLIES = st.tuples(
    st.sampled_from([session.OK, session.OK, session.OK, reasons.OTHER_BASE, reasons.FULL, 99]),
    st.sampled_from([2, [8, 0], [16, 0], [24, 0], [None, 2], [None, 0], [0, 0], [T0, None]])
    | VALUES,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(REPLIES, min_size=1, max_size=40))
def test_a_lock_that_replies_anything_to_anything_ends_the_visit_or_goes_on(replies):
    visit = visit_with_state(NoStore())
    for reply in replies:
        try:
            found = visit._on_event("reply", list(reply))
        except steps.Broken:
            return
        assert found, "neither asks on nor ends"
        if isinstance(found[-1], steps.Failed | steps.Finished):
            return
        assert isinstance(found[-1], steps.Say)


@given(VALUES)
def test_an_audit_reply_of_any_form_is_stored_whole_or_not_at_all(value):
    store = NoStore()
    visit = visit_at_records(store)
    try:
        visit._on_event("reply", [session.OK, value])
    except steps.Broken:
        assert store.put == []
    else:
        raise AssertionError("no such value is a parcel")


@given(
    st.integers(0, 12) | st.integers((1 << 40) - 3, 1 << 41),
    st.integers(0, 30) | st.just(1 << 50),
    st.sampled_from([LOCK_A, LOCK_B]),
    st.integers(1, 2),
)
def test_only_parcels_that_go_on_where_we_asked_are_stored(first, count, lock, epoch):
    raw = cbor.encode([lock, 1, epoch, first, count, bytes(16), b"hidden"])
    store = NoStore()
    visit = visit_at_records(store)
    is_ours = (lock, epoch) == (LOCK_A, 1)
    good = is_ours and 0 < count <= 24 and 5 <= first and first + count - 1 < 1 << 40
    try:
        visit._on_event("reply", [session.OK, [raw, bytes(16)]])
    except steps.Broken:
        assert not good
    else:
        assert good or (is_ours and count == 0)
    assert bool(store.put) == good


PAYLOADS = {
    "keyset": cose.decode(keyset_document(2)).payload,
    "config": cose.decode(config_document(LOCK_A, 2)).payload,
    "ack": cose.decode(ack_document(LOCK_A, 2)).payload,
    "status": cose.decode(status_document(LOCK_A, 2)).payload,
}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(PAYLOADS)), st.integers(0, 6), VALUES)
def test_a_document_with_any_member_wrong_is_accepted_or_refused_but_never_raises(
    what, index, value
):
    members = cbor.decode(PAYLOADS[what])
    members[index % len(members)] = value
    document = signed(STRANGER, cbor.encode(members))
    common = {"id": "x", "document": document, "version": 2, "expires_at": T0 + 9}
    if what == "status":
        command = StatusPut(entries=b"", **common)
    else:
        command = DocumentPut(what=what, **common)
    assert errands._fault(LOCK_A, command, v.Now(T0, 0.0)) in (None, v.MALFORMED)


def test_garbage_is_counted(world):
    w = world([LOCK_A])
    for payload in (b"", b"{}", b"\xff", b'{"kind":"relay_open","id":1}', b"[" * 100_000):
        w.command(LOCK_A, payload)
    assert w.gateway.counters["garbage_commands"] == 5
