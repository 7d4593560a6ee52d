"""The gateway's machine and the lock's real core, in one process and under one clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware.core.session import SEND
from gateway.machine import Settings
from kannuki.messages import RelayOpen, RelaySend, StatusPut
from protocol import audit, holder, session
from protocol import token as tokens
from protocol.holder import HolderSession
from tests.firmware.town import LOCK_ID, Town
from tests.gateway.fakelock import T0
from tests.gateway.world import World

SOON = T0 + 3600


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
        sessions, at = self.town.lock.core.sessions, self.town.lock.now_ms
        self.town.now = int(self.wall)
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


@pytest.fixture
def real(tmp_path: Path) -> tuple[World, Town]:
    town = Town()
    town.now = T0
    own = town.credential(permissions=tokens.MAINTAIN, ends=10**6)
    w = World(tmp_path, [], Settings(sync_interval_s=60), credentials={})
    w.locks[LOCK_ID] = RealLock(town)
    w.gateway.adopt({LOCK_ID: own}, w.now)
    w.broker_up()
    return w, town


def test_the_state_of_a_real_lock_is_published(real):
    w, _town = real
    w.run(5)
    state = w.states(LOCK_ID)[-1]
    assert (state.reachable, state.bolt, state.door) == (True, "locked", "closed")
    assert (state.time_lo, state.time_hi) == (T0, T0)


def test_the_whole_journal_of_a_real_lock_comes_home_and_its_chain_holds(real):
    w, town = real
    for _ in range(30):
        town.present(town.credential(), session.COMMAND_UNLOCK)
        town.lock.advance(12_000)
    w.run(70)
    home = w.records_home(LOCK_ID)
    records, _ = audit.check_run(home, 1, audit.genesis(LOCK_ID, 1))
    assert len(records) == len(town.records()) > 48
    assert w.gateway.counters["visits_failed"] == 0


def test_a_revocation_is_carried_to_a_real_lock_and_then_holds(real):
    w, town = real
    cti = os.urandom(8)
    document = town.status_list(4, [(cti, T0 + 3600)])
    w.command(LOCK_ID, StatusPut(id="p", document=document, version=4, expires_at=SOON))
    assert w.result("p").version == 4
    name, outcome = town.present(town.credential(cti=cti), session.COMMAND_UNLOCK)
    assert (name, outcome.reason) == (holder.OUTCOME, 38)
    w.run(70)
    assert w.states(LOCK_ID)[-1].status_version == 4


def test_a_relayed_opening_moves_a_real_bolt(real):
    w, town = real
    phone = HolderSession(town.credential(), session.COMMAND_UNLOCK_REMOTE, os.urandom)
    ((_, hello),) = phone.start()
    w.command(LOCK_ID, RelayOpen(id="1", session="s", message=hello, expires_at=SOON))
    ((_, presentation),) = phone.receive(w.result("1").message)
    w.command(LOCK_ID, RelaySend(id="2", session="s", message=presentation, expires_at=SOON))
    ((name, outcome),) = phone.receive(w.result("2").message)
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)
    town.lock.advance(2000)
    assert any(record.source == audit.SOURCE_REMOTE for record in town.records())


def relayed(w, town, phone: HolderSession, way_ms: int, name: str) -> object:
    """What a phone hears whose messages take `way_ms` from challenge to presentation."""
    ((_, hello),) = phone.start()
    w.command(LOCK_ID, RelayOpen(id=f"{name}-o", session=name, message=hello, expires_at=SOON))
    ((_, presentation),) = phone.receive(w.result(f"{name}-o").message)
    town.lock.advance(way_ms)
    send = RelaySend(id=f"{name}-s", session=name, message=presentation, expires_at=SOON)
    w.command(LOCK_ID, send)
    return phone.receive(w.result(f"{name}-s").message)[0]


def test_a_phone_with_a_long_way_still_opens_because_the_gateway_introduced_itself(real):
    w, town = real
    phone = HolderSession(town.credential(), session.COMMAND_UNLOCK_REMOTE, os.urandom)
    name, outcome = relayed(w, town, phone, 20_000, "slow")
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)


def test_a_gateway_that_the_lock_refuses_still_passes_residents_on(real):
    w, town = real
    w.gateway.adopt({LOCK_ID: town.credential(permissions=tokens.MAINTAIN, ends=1)}, w.now)
    w.run(5)
    phone = HolderSession(town.credential(), session.COMMAND_UNLOCK_REMOTE, os.urandom)
    name, outcome = relayed(w, town, phone, 100, "strange")
    assert (name, outcome.reason) == (holder.OUTCOME, session.OK)
    assert w.gateway.counters["introductions_refused"] == 1
