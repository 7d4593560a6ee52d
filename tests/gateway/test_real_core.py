"""The gateway's machine and the lock's real core, in one process and under one clock."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from firmware.core.session import SEND
from gateway.machine import Settings
from kannuki.messages import DocumentPut, RelayOpen, RelaySend, StatusPut
from protocol import audit, holder, reasons, session
from protocol import token as tokens
from protocol.audit import Head
from protocol.holder import Credential, HolderSession
from protocol.lockconfig import DoorConfig
from protocol.statuslist import ENTRY_BYTES
from tests.firmware.town import LOCK_ID, START, Town
from tests.gateway.fakelock import T0
from tests.gateway.world import START_AT, World

SOON = START + 10**6
AHEAD = START - T0  # of the town of these tests before the world of the others


class RealLock:
    """The firmware's core where a FakeLock would be: same fragments in and out."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.wall = float(T0)
        self._handle = 0
        self._connected = False

    def hang_up(self) -> None:
        if self._connected:
            self.town.lock.core.sessions.disconnected(self._handle)
        self._connected = False

    def write(self, fragment: bytes) -> list[bytes]:
        self.town.pass_time(max(0, int(self.wall) + AHEAD - self.town.now))
        sessions, at = self.town.lock.core.sessions, self.town.lock.now_ms
        if not self._connected:
            self._connected = True
            self._handle += 1
            sessions.connected(self._handle, at)
            sessions.mtu_changed(self._handle, 103)
        sessions.received(self._handle, fragment, at)
        return [
            action[2]
            for action in sessions.drain()
            if action[0] == SEND and action[1] == self._handle
        ]


def keeper(town: Town, ends: int = 10**6) -> Credential:
    return town.credential(permissions=tokens.MAINTAIN, ends=ends, signer=town.keys.staff)


@pytest.fixture
def real(tmp_path: Path) -> tuple[World, Town]:
    town = Town()
    w = World(tmp_path, [], Settings(sync_interval_s=60), credentials={})
    w.wall_ahead = START - START_AT
    w.sign_time = lambda lock, nonce, t: town.keys.time_answer(lock, nonce, int(t) + AHEAD)
    w.locks[LOCK_ID] = RealLock(town)
    w.gateway.adopt({LOCK_ID: keeper(town)}, w.now)
    w.broker_up()
    return w, town


def put_status(
    town: Town, version: int, revoked: Iterable, base: int | None = None, added: Iterable = ()
) -> StatusPut:
    document, entries = town.keys.status_list(LOCK_ID, version, town.now, list(revoked))
    additions = town.keys.status_list(LOCK_ID, version, town.now, list(added))[1]
    return StatusPut(
        id=f"status-{version}",
        document=document,
        version=version,
        entries=entries,
        base_version=base,
        additions=None if base is None else additions,
        expires_at=SOON,
    )


def put(what: str, version: int, document: bytes) -> DocumentPut:
    return DocumentPut(
        id=f"{what}-{version}", what=what, document=document, version=version, expires_at=SOON
    )


def names(count: int, start: int = 0) -> list[tuple[bytes, int]]:
    return [(number.to_bytes(8, "little"), START + 7200) for number in range(start, start + count)]


def test_the_state_of_a_real_lock_is_published(real):
    w, _town = real
    w.run(5)
    state = w.states(LOCK_ID)[-1]
    assert (state.reachable, state.bolt, state.door) == (True, "locked", "closed")
    assert state.time_lo <= START <= state.time_hi
    assert (state.keyset_version, state.keypad, state.held_open) == (1, "ready", False)
    assert w.gateway.counters["visits_failed"] == 0


def test_the_whole_journal_of_a_real_lock_comes_home_and_its_chain_holds(real):
    w, town = real
    for _ in range(30):
        resident = town.connect()
        resident.attempt(town.credential(), session.COMMAND_UNLOCK)
        resident.leave()
        town.lock.advance(6000)
        w.run(12)
    w.run(70)
    home = w.records_home(LOCK_ID, town.kdk)
    records, _ = audit.check_run(home, 1, audit.genesis(LOCK_ID, 1))
    assert len(records) == len(town.records()) > 48
    assert w.gateway.counters["visits_failed"] == 0


def test_a_revocation_is_carried_to_a_real_lock_and_then_holds(real):
    w, town = real
    cti = os.urandom(8)
    command = put_status(town, 4, [(cti, START + 3600)])
    w.command(LOCK_ID, command)
    assert w.result(command.id).version == 4
    name, outcome = town.present(town.credential(cti=cti), session.COMMAND_UNLOCK)
    assert (name, outcome.reason) == (holder.OUTCOME, reasons.REVOKED)
    w.run(70)
    assert w.states(LOCK_ID)[-1].status_version == 4


def test_a_full_status_list_and_then_a_delta_reach_a_real_lock(real):
    w, town = real
    first = put_status(town, 1, names(1900))
    w.command(LOCK_ID, first)
    assert w.result(first.id).version == 1
    second = put_status(town, 2, names(1905), base=1, added=names(5, 1900))
    w.command(LOCK_ID, second)
    assert w.result(second.id).version == 2
    status = town.lock.core.trust.status
    assert status.read(0, 1905 * ENTRY_BYTES) == second.entries
    assert not any("delta" in note.text for note in w.notes)


def watch_offsets(town: Town) -> list[int]:
    """Grows with the offset of each part that the lock is brought."""
    offsets: list[int] = []
    store = town.lock.core.statuses
    take_part = store.take_part

    def watched(document: bytes, offset: int, *others: object) -> tuple:
        offsets.append(offset)
        return take_part(document, offset, *others)

    store.take_part = watched
    return offsets


def test_a_list_whose_carrying_was_cut_short_goes_on_at_a_real_lock(real):
    w, town = real
    w.latency_s = 0.1
    w.run(5)
    offsets = watch_offsets(town)
    command = put_status(town, 1, names(2000))
    w.command(LOCK_ID, command)
    w.run(1)
    assert w.states(LOCK_ID)[-1].status_version == 0
    w.lose(LOCK_ID)
    assert w.result(command.id).version == 1
    assert len(w.connects) == 3
    assert offsets == sorted(offsets) and len(offsets) <= 17


def test_a_list_that_a_real_lock_cannot_take_before_it_knows_the_time_is_kept_for_it(real):
    w, town = real
    w.at += 7200
    town.now += 7200
    town.lock.rtc.offset_s = -3500
    town.lock.power_off()
    town.lock.power_on()
    document, entries = town.keys.status_list(
        LOCK_ID, 7, town.now, names(3, 9), kept_from_hour=town.now // 3600
    )
    command = put_status(town, 7, []).model_copy(update={"document": document, "entries": entries})
    w.command(LOCK_ID, command)
    w.town_tells_time = False
    w.run(30)
    assert w.results(command.id) == []
    w.town_tells_time = True
    assert w.result(command.id, within_s=200).version == 7


def test_keyset_configuration_and_acknowledgement_reach_a_real_lock(real):
    w, town = real
    town.present(town.credential(), session.COMMAND_UNLOCK)
    w.run(5)
    home = w.records_home(LOCK_ID, town.kdk)
    head = Head(LOCK_ID, 1, len(home), audit.record_hash(home[-1]))
    newer = town.keys.keyset_document(town.keys.keyset(2))
    config = town.keys.config_document(LOCK_ID, 3, DoorConfig(relock_after_ms=9000))
    commands = [
        put("keyset", 2, newer),
        put("config", 3, config),
        put("ack", len(home), town.keys.acknowledge(head)),
    ]
    for command in commands:
        w.command(LOCK_ID, command)
        assert w.result(command.id).version == command.version
    state = w.states(LOCK_ID)[-1]
    assert (state.keyset_version, state.config_version, state.acked_seq) == (2, 3, len(home))
    assert town.lock.core.config.door.relock_after_ms == 9000


def test_an_acknowledgement_of_another_history_is_refused_by_a_real_lock(real):
    w, town = real
    w.run(5)
    forged = town.keys.acknowledge(Head(LOCK_ID, 1, 1, bytes(32)))
    w.command(LOCK_ID, put("ack", 1, forged))
    assert w.result("ack-1").error == "NOT_ALLOWED_TO_ISSUE"


def test_signed_time_reaches_a_real_lock_and_narrows_what_it_believes(real):
    w, town = real
    town.lock.rtc.stopped = True
    town.lock.power_off()
    town.lock.power_on()
    w.run(10)
    state = w.states(LOCK_ID)[-1]
    assert w.gateway.counters["times_taken"] == 1
    assert state.time_lo <= START + 10 and state.time_hi - state.time_lo <= 10


def test_a_relayed_opening_moves_a_real_bolt(real):
    w, town = real
    phone = HolderSession(town.credential(), session.COMMAND_UNLOCK_REMOTE, os.urandom)
    name, outcome = relayed(w, town, phone, 0, "r")
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)
    town.lock.advance(2000)
    assert any(record.source == audit.SOURCE_REMOTE for record in town.records())


def relayed(w: World, town: Town, phone: HolderSession, way_ms: int, name: str) -> tuple:
    """What a phone hears whose messages take `way_ms` from challenge to presentation."""
    ((_, hello),) = phone.start()
    w.command(LOCK_ID, RelayOpen(id=f"{name}-o", session=name, message=hello, expires_at=SOON))
    ((_, presentation),) = phone.receive(w.result(f"{name}-o").message)
    town.lock.advance(way_ms)
    send = RelaySend(id=f"{name}-s", session=name, message=presentation, expires_at=SOON)
    w.command(LOCK_ID, send)
    return phone.receive(w.result(f"{name}-s").message)[0]


def test_a_token_for_the_door_alone_opens_nothing_through_the_gateway(real):
    w, town = real
    key = town.credential(permissions=tokens.UNLOCK)
    phone = HolderSession(key, session.COMMAND_UNLOCK, os.urandom)
    name, outcome = relayed(w, town, phone, 0, "near")
    assert (name, outcome.reason) == (holder.OUTCOME, reasons.SCOPE)


def test_a_phone_with_a_long_way_still_opens_because_the_gateway_introduced_itself(real):
    w, town = real
    phone = HolderSession(town.credential(), session.COMMAND_UNLOCK_REMOTE, os.urandom)
    name, outcome = relayed(w, town, phone, 20_000, "slow")
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)


def test_a_gateway_that_the_lock_refuses_still_passes_residents_on(real):
    w, town = real
    w.town_tells_time = False
    w.gateway.adopt({LOCK_ID: keeper(town, ends=1)}, w.now)
    w.run(5)
    phone = HolderSession(town.credential(), session.COMMAND_UNLOCK_REMOTE, os.urandom)
    name, outcome = relayed(w, town, phone, 100, "strange")
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)
    assert w.gateway.counters["introductions_refused"] == 1
