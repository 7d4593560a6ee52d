"""What a phone carries to a virtual lock, and when it does not bother."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import audit, session
from protocol.holder import Credential
from simulator.phone import carrying
from simulator.phone.carrying import Documents, StatusList
from simulator.phone.opening import Conversation, Result, TransportError
from simulator.scenarios.virtual import VirtualDepth
from simulator.town_keys import RESIDENT, aes
from simulator.virtual.phone import run_now

LOCK_ID = "carrying"
T0 = 1_796_115_600
HOUR_S = 3600


class Town:
    """The town's service in memory; `is_far` makes every call fail."""

    def __init__(self, depth: VirtualDepth) -> None:
        self._depth = depth
        self.is_far = False
        self.asked: list[str] = []
        self.wrong_s = 0
        self.status: StatusList | None = None
        self.records: list[bytes] = []

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.is_far:
            raise TransportError("OFFLINE")

    async def signed_time(self, nonce: bytes) -> bytes:
        self._note("time")
        at = int(self._depth.wall_s()) + self.wrong_s
        return self._depth.keys.time_answer(LOCK_ID, nonce, at)

    async def documents(self) -> Documents:
        self._note("documents")
        return Documents(self.status, {})

    async def take_parcel(self, parcel: bytes, seal: bytes) -> None:
        self._note("parcel")
        kdk = self._depth.keys.kdk(self._depth.enrolment)
        self.records += audit.unpack(aes, kdk, parcel, seal)

    async def note_head(self, seq: int, record_hash: bytes) -> None:
        self._note("head")


class Door:
    """A virtual door without a gateway, a town, and a phone."""

    def __init__(self, depth: VirtualDepth) -> None:
        self.depth = depth
        self.town = Town(depth)
        for gateway in depth.town.gateways.values():
            gateway.kill()

    def key(self, begins: int, ends: int) -> Credential:
        return self.depth.credential(bytes(8), T0 + begins, T0 + ends, RESIDENT)

    def lose_clock(self) -> None:
        self.depth.lock.rtc.stopped = True
        self.depth.town.cut_power(LOCK_ID, 100)

    def refusals(self) -> int:
        journal = self.depth.lock.core.journal
        raw = journal.read(1, journal.head_seq)
        events = [audit.decode_record(record).event for record in raw]
        return events.count(audit.LOCK_OPERATION_ERROR)

    def visit(self, credential: Credential) -> Result:
        async def go() -> Result:
            async with self.depth.town.link(LOCK_ID) as link:
                conversation = Conversation(link, credential, self.depth.around)
                command = session.COMMAND_UNLOCK
                result = await carrying.present(conversation, command, self.town)
                if result.granted:
                    await carrying.run_errands(conversation, result, self.town)
                return result

        return run_now(go())


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    depth = VirtualDepth(LOCK_ID, T0)
    run_now(depth.__aenter__())
    yield Door(depth)
    run_now(depth.__aexit__(None, None, None))


def test_a_lost_clock_is_set_by_the_phone_and_the_key_opens(door: Door) -> None:
    door.lose_clock()
    assert door.visit(door.key(-HOUR_S, HOUR_S)).code == "OPENED"
    assert door.town.asked.count("time") == 1
    assert door.refusals() == 1


def test_a_key_that_is_really_early_is_refused_once(door: Door) -> None:
    """The town's own word says that time is not the hindrance: no second record for nothing."""
    assert door.visit(door.key(HOUR_S, 2 * HOUR_S)).code == "NOT_YET_VALID"
    assert door.town.asked == ["time"]
    assert door.refusals() == 1


def test_a_second_refusal_ends_it(door: Door) -> None:
    """A town whose clock is far ahead of a healthy lock's: its time is rejected, once."""
    door.town.wrong_s = 2 * HOUR_S
    assert door.visit(door.key(HOUR_S, 3 * HOUR_S)).code == "NOT_YET_VALID"
    assert door.town.asked == ["time"]
    assert door.refusals() == 1


@pytest.mark.parametrize(
    ("lose", "code"), [(Door.lose_clock, "TIME_UNKNOWN"), (lambda _door: None, "OPENED")]
)
def test_a_town_that_is_far_changes_no_answer(
    door: Door, lose: Callable[[Door], None], code: str
) -> None:
    lose(door)
    door.town.is_far = True
    assert door.visit(door.key(-HOUR_S, HOUR_S)).code == code


def test_a_list_that_the_lock_has_is_not_carried_again_and_a_difference_is_short(
    door: Door,
) -> None:
    key = door.key(-HOUR_S, HOUR_S)
    gone = [(bytes([i]) * 8, T0 + HOUR_S) for i in range(1, 201)]
    document, entries = door.depth.keys.status_list(LOCK_ID, 1, T0, gone[:150])
    door.town.status = StatusList(1, document, entries, None, None)
    door.visit(key)
    assert door.depth.lock.core.trust.status.version == 1
    document, entries = door.depth.keys.status_list(LOCK_ID, 2, T0, gone)
    _, additions = door.depth.keys.status_list(LOCK_ID, 2, T0, gone[150:])
    door.town.status = StatusList(2, document, b"no whole list", 1, additions)
    door.visit(key)
    assert door.depth.lock.core.trust.status.version == 2
    assert door.visit(key).code == "OPENED"


def test_records_go_home_sealed_and_in_order(door: Door) -> None:
    door.visit(door.key(-HOUR_S, HOUR_S))
    records, _ = audit.check_run(door.town.records, 1, audit.genesis(LOCK_ID, 1))
    assert audit.LOCK_OPERATION in [record.event for record in records]
