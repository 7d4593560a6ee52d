"""What a phone brings to a lock that has no network, and what it takes home."""

from __future__ import annotations

import os

import pytest

from hil_tests.bench import Bench
from protocol import audit, lockstate, reasons, session, statuslist
from protocol.holder import Credential
from protocol.token import CTI_BYTES
from simulator.phone import carrying
from simulator.phone.ble import LockLink
from simulator.phone.carrying import Documents, StatusList
from simulator.phone.opening import Conversation, Result
from simulator.town_keys import JOURNAL_EPOCH, aes

pytestmark = pytest.mark.slow

FULL = statuslist.MAX_ENTRIES
DAY_S = 86400


class BenchTown:
    """simulator.phone.carrying.Town with the bench's keys; keeps what it is given."""

    def __init__(self, bench: Bench, status: StatusList | None = None) -> None:
        self._bench = bench
        self._status = status
        self.heads: list[tuple[int, bytes]] = []
        self.records: list[bytes] = []

    async def signed_time(self, nonce: bytes) -> bytes:
        bench = self._bench
        return bench.town.time_answer(bench.enrolment.lock_id, nonce, bench.now())

    async def documents(self) -> Documents:
        return Documents(self._status, {})

    async def take_parcel(self, parcel: bytes, seal: bytes) -> None:
        kdk = self._bench.town.kdk(self._bench.enrolment)
        self.records += audit.unpack(aes, kdk, parcel, seal)

    async def note_head(self, seq: int, record_hash: bytes) -> None:
        self.heads.append((seq, record_hash))


async def visit(bench: Bench, credential: Credential, town: BenchTown) -> Result:
    """A phone that reaches the town holds a key to the door, and does its errands if it opens."""
    async with LockLink(bench.enrolment.lock_id) as link:
        conversation = Conversation(link, credential)
        result = await carrying.present(conversation, session.COMMAND_UNLOCK, town)
        if result.granted:
            await carrying.run_errands(conversation, result, town)
        return result


async def test_a_lock_that_lost_its_clock_opens_once_a_phone_brings_signed_time(
    bench: Bench,
) -> None:
    await bench.lose_clock()
    key = bench.credential(-60, 600)
    assert (await bench.present(key)).code == "TIME_UNKNOWN"
    town = BenchTown(bench)
    assert (await visit(bench, key, town)).code == "OPENED"
    state = await bench.ask(session.REQUEST_STATE, None)
    lo, hi = state[lockstate.STATE_TIME_LO], state[lockstate.STATE_TIME_HI]
    assert lo <= bench.now() <= hi
    assert hi - lo < 10
    assert (await visit(bench, bench.credential(-600, -60), town)).code == "EXPIRED"


async def test_time_for_another_session_opens_nothing(bench: Bench) -> None:
    await bench.lose_clock()
    async with bench.housekeeping() as keeper:
        assert keeper.outcome.reason == reasons.TIME_UNKNOWN
        old = bench.town.time_answer(bench.enrolment.lock_id, bytes(16), bench.now())
        assert (await keeper.ask(session.REQUEST_TIME, old))[0] == reasons.TIME_REJECTED
    assert (await bench.present(bench.credential(-60, 600))).code == "TIME_UNKNOWN"


async def test_a_full_status_list_comes_in_parts_and_the_next_one_as_a_difference(
    bench: Bench,
) -> None:
    """2,000 withdrawn keys are 16,000 bytes; a phone brings them, and takes the records home."""
    lock_id, now = bench.enrolment.lock_id, bench.now()
    gone, also, good = (bench.credential(-60, 600) for _ in range(3))
    others = [(os.urandom(CTI_BYTES), now + DAY_S) for _ in range(FULL - 2)]
    first = [*others, (gone.token.cti, now + DAY_S)]
    document, entries = bench.town.status_list(lock_id, 1, now, first)
    town = BenchTown(bench, StatusList(1, document, entries, None, None))
    assert (await visit(bench, good, town)).code == "OPENED"
    assert (await bench.present(gone)).code == "REVOKED"

    document, entries = bench.town.status_list(
        lock_id, 2, now, [*first, (also.token.cti, now + DAY_S)]
    )
    assert len(entries) == FULL * statuslist.ENTRY_BYTES
    more = statuslist.build(lock_id, 2, now, [(also.token.cti, now + DAY_S)])[1]
    town = BenchTown(bench, StatusList(2, document, b"", 1, more))
    assert (await visit(bench, good, town)).code == "OPENED"
    assert (await bench.present(also)).code == "REVOKED"
    state = await bench.ask(session.REQUEST_STATE, None)
    assert state[lockstate.STATE_STATUS_VERSION] == 2
    start = audit.genesis(lock_id, JOURNAL_EPOCH)
    records, _ = audit.check_run(town.records, 1, start)
    seq, record_hash = town.heads[0]
    assert record_hash == audit.record_hash(town.records[seq - 1])
    assert len(records) > seq
