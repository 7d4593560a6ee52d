"""Acknowledgements, gaps, checkpoints, and a memory that after any restart is what it was."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from firmware.core import journal
from firmware.core.journal import Journal
from protocol import audit
from protocol.timebound import TimeBound
from simulator.virtual.storage import MemoryStorage

LOCK_ID, SLOTS, SEGMENTS = "aaaaaaaa", 4, 3
NOW = TimeBound(1000, 1010)


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SLOTS_PER_SEGMENT", SLOTS)
    monkeypatch.setattr(journal, "MAX_SEGMENTS", SEGMENTS)


class Counting(MemoryStorage):
    """Counts `reads`, `writes` and `appends`; the next of `fails` ("before", "after") fails so."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = self.appends = 0
        self.longest_read = 0
        self.fails: list[str] = []

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        self.reads += 1
        found = super().read(name, offset, size)
        self.longest_read = max(self.longest_read, len(found or b""))
        return found

    def write(self, name: str, data: bytes) -> None:
        self.writes += 1
        self._perhaps(super().write, name, data)

    def append(self, name: str, data: bytes) -> None:
        self.appends += 1
        self._perhaps(super().append, name, data)

    def delete(self, name: str) -> None:
        self._perhaps(super().delete, name)

    def _perhaps(self, operate, *arguments) -> None:  # type: ignore[no-untyped-def]
        how = self.fails.pop(0) if self.fails else ""
        if how != "before":
            operate(*arguments)
        if how:
            raise OSError(5)


def boot(storage: MemoryStorage) -> Journal:
    return Journal(storage, LOCK_ID, 1)


def write(kept: Journal, count: int = 1) -> None:
    for _ in range(count):
        kept.append(NOW, audit.DOOR_STATE, 0, 0)


def head(kept: Journal, seq: int | None = None) -> audit.Head:
    """What the town acknowledges when it has all up to `seq` (None: all)."""
    if seq is None or seq == kept.head_seq:
        return audit.Head(LOCK_ID, kept.epoch, kept.head_seq, kept.head_hash)
    return audit.Head(LOCK_ID, kept.epoch, seq, audit.record_hash(kept.read(seq, 1)[0]))


def records(kept: Journal) -> list[audit.Record]:
    raw = kept.read(1, 10_000)
    first = audit.decode_record(raw[0])  # not oldest_seq: a segment may go and storage say it fails
    return audit.check_run(raw, first.seq, first.previous)[0]


def gaps(kept: Journal) -> list[tuple[int, int, int | None]]:
    """(seq, how many were dropped, the first one kept)."""
    return [(r.seq, r.code, r.value) for r in records(kept) if r.event == audit.GAP]


def memory_of(kept: Journal, acked: int = 0) -> bytes:
    """All that the memory holds; how much is acknowledged may be less after a restart."""
    before, kept.memory.acked = kept.memory.acked, acked
    raw = kept.memory.encode()
    kept.memory.acked = before
    return raw


# --- acknowledgements ---


@pytest.mark.parametrize("seq", [0, 1, 5, 9])
def test_the_town_acknowledges_any_prefix(short_segments: None, seq: int) -> None:
    kept = boot(MemoryStorage())
    empty = head(kept)
    write(kept, 9)
    assert kept.acknowledge(head(kept, seq) if seq else empty)
    assert kept.acked_seq == seq


def test_an_older_acknowledgement_changes_nothing(short_segments: None) -> None:
    kept = boot(MemoryStorage())
    write(kept, 5)
    assert kept.acknowledge(head(kept, 4)) and kept.acknowledge(head(kept, 2))
    assert kept.acked_seq == 4


def test_an_acknowledgement_of_another_history_is_a_fork() -> None:
    kept = boot(MemoryStorage())
    write(kept, 5)
    assert kept.acknowledge(head(kept, 3))
    this = head(kept, 4)
    for other in (
        audit.Head("bbbbbbbb", 1, 4, this.record_hash),
        audit.Head(LOCK_ID, 2, 4, this.record_hash),
        audit.Head(LOCK_ID, 0, 4, this.record_hash),
        audit.Head(LOCK_ID, 1, 4, bytes(32)),
        audit.Head(LOCK_ID, 1, 3, this.record_hash),
        audit.Head(LOCK_ID, 1, 2, this.record_hash),
        audit.Head(LOCK_ID, 1, 5, this.record_hash),
        audit.Head(LOCK_ID, 1, 6, kept.head_hash),
        audit.Head(LOCK_ID, 1, 0, bytes(32)),
    ):
        assert not kept.acknowledge(other)
        assert kept.acked_seq == 3


def test_a_lock_restored_from_an_old_image_learns_that_it_was() -> None:
    storage = MemoryStorage()
    write(boot(storage), 3)
    old = dict(storage.files)
    kept = boot(storage)
    write(kept, 2)
    seen = head(kept)
    storage.files = old
    restored = boot(storage)
    assert not restored.acknowledge(seen)
    restored.append(NOW, audit.BOOT, 0, 0)
    write(restored, 4)
    assert not restored.acknowledge(seen)


def test_an_acknowledged_record_that_is_gone_is_acknowledged_still(short_segments: None) -> None:
    kept = boot(MemoryStorage())
    write(kept, 3)
    early = head(kept, 3)
    write(kept, 9)
    assert kept.acknowledge(head(kept))
    write(kept, 8)
    assert kept.oldest_seq == 9
    assert kept.acknowledge(early) and kept.acked_seq == 12
    # Its successor still names this one.
    assert not kept.acknowledge(audit.Head(LOCK_ID, 1, 8, bytes(32)))


def test_what_went_unacknowledged_cannot_be_acknowledged_later(short_segments: None) -> None:
    kept = boot(MemoryStorage())
    write(kept, 3)
    early = head(kept)
    write(kept, 3 * SLOTS)
    assert kept.oldest_seq == 5
    assert kept.acknowledge(early)  # nothing says that it is another history
    assert kept.acked_seq == 0


def test_an_acknowledgement_outlives_a_restart_once_a_segment_began(short_segments: None) -> None:
    storage = MemoryStorage()
    kept = boot(storage)
    write(kept, 3)
    assert kept.acknowledge(head(kept))
    assert boot(storage).acked_seq == 0
    write(kept, 2)
    assert kept.acknowledge(head(kept))
    assert boot(storage).acked_seq == 3


# --- full ---


def test_acknowledged_records_go_silently(short_segments: None) -> None:
    kept = boot(MemoryStorage())
    for _ in range(40):
        write(kept)
        assert kept.acknowledge(head(kept))
    assert gaps(kept) == []
    assert (kept.head_seq, kept.oldest_seq) == (40, 40 - SEGMENTS * SLOTS + 1)


def test_a_gap_record_says_how_many_went_unacknowledged(short_segments: None) -> None:
    kept = boot(MemoryStorage())
    write(kept, 12)
    assert kept.acknowledge(head(kept, 3))
    write(kept)
    assert gaps(kept) == [(14, 1, 5)]
    write(kept, 3)
    assert gaps(kept) == [(14, 1, 5), (18, 4, 9)]


def test_whatever_is_missing_unacknowledged_a_kept_record_says_so(short_segments: None) -> None:
    kept = boot(MemoryStorage())
    told = 0
    for number in range(400):
        write(kept)
        if kept.oldest_seq > kept.acked_seq + 1:
            assert gaps(kept)[-1][2] == kept.oldest_seq
            told += 1
        if number % 67 > 40:
            assert kept.acknowledge(head(kept))
    assert 100 < told < 300


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_gap_record_that_storage_refused_refuses_no_event(short_segments: None, how: str) -> None:
    storage = Counting()
    kept = boot(storage)
    write(kept, 12)
    # A checkpoint, two deletes and the event succeed; the record of the gap does not.
    storage.fails = ["", "", "", "", how]
    write(kept)
    assert storage.fails == [] and kept.head_seq == 13
    write(kept)
    assert gaps(kept) == [(15 if how == "before" else 14, 4, 5)]
    assert memory_of(boot(storage)) == memory_of(kept)


def test_a_gap_cut_off_before_its_record_is_told_by_the_next_life(short_segments: None) -> None:
    storage = Counting()
    kept = boot(storage)
    write(kept, 12)
    storage.fails = ["", "", "", "before"]
    with pytest.raises(OSError, match="5"):
        write(kept)
    kept = boot(storage)
    assert kept.oldest_seq == 5
    write(kept)
    assert gaps(kept) == [(14, 4, 5)]


def test_checkpoints_go_with_their_segments(short_segments: None) -> None:
    storage = MemoryStorage()
    kept = boot(storage)
    storage.write("journal/00000099.state", b"left by a cut")
    write(kept, 50)
    names = sorted(storage.names("journal"))
    assert names[0::2] == [name + "" for name in names if name.isdigit()]
    assert names[1::2] == [name + ".state" for name in names if name.isdigit()]


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_real_journal_wraps_at_2048_records(acknowledges: bool) -> None:
    storage = Counting()
    kept = boot(storage)
    while kept.head_seq < 2_600:
        kept.append(NOW, audit.PIN_ATTEMPT, 0, 6, None, kept.head_seq)
        if acknowledges and kept.head_seq % 100 == 0:
            assert kept.acknowledge(head(kept))
    assert kept.oldest_seq == 769
    wanted = [] if acknowledges else [(2050, 256, 257), (2306, 256, 513), (2562, 256, 769)]
    assert gaps(kept) == wanted
    assert len(records(kept)) == 2_600 - 768
    assert storage.appends == 2_600, "one record, one write"
    assert storage.writes == 11, "one checkpoint for each segment begun"
    assert memory_of(boot(storage)) == memory_of(kept)


def test_a_boot_reads_the_last_segment_and_one_slot_at_a_time() -> None:
    storage = Counting()
    write(boot(storage), 2_048)
    storage.reads = storage.longest_read = 0
    boot(storage)
    assert storage.reads == 1 + 256 + 1
    assert storage.longest_read == journal.SLOT_BYTES


# --- checkpoints ---


def tell(kept: Journal) -> None:
    """Something of everything, early; then nothing more of it."""
    kept.append(NOW, audit.TIME, audit.TIME_SET, 0, None, 900)
    kept.append(NOW, audit.PIN_ATTEMPT, 0, audit.SOURCE_KEYPAD, None, 3)
    kept.append(NOW, audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, 1, b"cticticc", 2000)


def test_counters_marks_and_floor_outlive_the_records_that_set_them(short_segments: None) -> None:
    storage = MemoryStorage()
    kept = boot(storage)
    tell(kept)
    write(kept, 40)
    found = boot(storage).memory
    assert (found.floor, found.pin_failures, found.spent) == (900, 3, {b"cticticc": 2000})
    assert found.time_set is not None and (found.time_set.lo, found.time_set.hi) == (1000, 1010)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, b"torn", None])
@pytest.mark.parametrize("which", ["last", "all", "all but the first"])
def test_without_checkpoints_the_records_are_replayed(
    short_segments: None, damage: bytes | None, which: str
) -> None:
    storage = MemoryStorage()
    kept = boot(storage)
    tell(kept)
    write(kept, 7)
    tell(kept)
    names = sorted(name for name in storage.files if name.endswith(".state"))
    chosen = {"last": names[-1:], "all": names, "all but the first": names[1:]}[which]
    for name in chosen:
        if damage is None:
            storage.delete(name)
        else:
            storage.write(name, damage)
    assert memory_of(boot(storage)) == memory_of(kept)
    assert boot(storage).head_seq == kept.head_seq == 14


def test_a_checkpoint_that_cannot_be_written_costs_one_record(short_segments: None) -> None:
    storage = Counting()
    kept = boot(storage)
    write(kept, SLOTS)
    storage.fails = ["before"]
    with pytest.raises(OSError, match="5"):
        write(kept)
    assert kept.head_seq == SLOTS
    write(kept)
    assert memory_of(boot(storage)) == memory_of(kept)


def test_a_refused_record_counts_only_when_it_is_there_after_all(short_segments: None) -> None:
    for how, failures in (("before", 0), ("after", 1)):
        storage = Counting()
        kept = boot(storage)
        write(kept)
        storage.fails = [how]
        with pytest.raises(OSError, match="5"):
            kept.append(NOW, audit.PIN_ATTEMPT, 0, 6, None, 1)
        assert kept.memory.pin_failures == 0
        write(kept)
        assert kept.memory.pin_failures == failures
        assert memory_of(boot(storage)) == memory_of(kept)


def test_a_record_of_another_form_stops_no_boot(short_segments: None) -> None:
    storage = MemoryStorage()
    kept = boot(storage)
    tell(kept)
    storage.append("journal/00000001", journal.encode_slot(b"another form"))
    again = boot(storage)
    assert again.head_seq == 4
    assert memory_of(again) == memory_of(kept)
    write(again, 2)
    assert again.acknowledge(head(again))


# --- any life ---

EVENTS = st.one_of(
    st.tuples(st.just(audit.TIME), st.integers(0, 2), st.just(0), st.none(), st.integers(0, 9)),
    st.tuples(st.just(audit.PIN_ATTEMPT), st.just(0), st.just(6), st.none(), st.integers(1, 100)),
    st.tuples(st.just(audit.KEYPAD), st.integers(0, 1), st.just(0), st.none(), st.none()),
    st.tuples(
        st.just(audit.LOCK_OPERATION),
        st.integers(0, 3),
        st.sampled_from([1, 2, 6]),
        st.one_of(st.none(), st.binary(min_size=8, max_size=8)),
        st.one_of(st.none(), st.integers(0, 99)),
    ),
    st.tuples(st.just(audit.DOOR_STATE), st.integers(0, 1), st.just(0), st.none(), st.none()),
)


class AnyLife(RuleBasedStateMachine):
    """Records, failures of storage, acknowledgements and restarts, in any order."""

    @initialize(spent=st.integers(0, 80))
    def begin(self, spent: int) -> None:
        self.storage = Counting()
        self.acked = self.kept_acked = 0
        self.kept = boot(self.storage)
        for number in range(spent):
            cti = number.to_bytes(8, "big")
            self.kept.append(NOW, audit.LOCK_OPERATION, 1, 1, cti, 50 + number % 7)

    @rule(events=st.lists(EVENTS, min_size=1, max_size=6), lo=st.integers(0, 50))
    def events(self, events: list[tuple], lo: int) -> None:
        for event, code, source, subject, value in events:
            before = self.kept.head_seq
            self.kept.append(TimeBound(lo), event, code, source, subject, value)
            assert self.kept.head_seq > before

    @rule(event=EVENTS, fails=st.lists(st.sampled_from(["", "before", "after"]), max_size=6))
    def storage_fails(self, event: tuple, fails: list[str]) -> None:
        self.storage.fails = list(fails)
        before = memory_of(self.kept), self.kept.head_seq
        try:
            self.kept.append(NOW, *event)
        except OSError:
            # What an earlier failure had left may have come to light, this record has not.
            assert self.kept.head_seq in (before[1], before[1] + 1)
            assert self.kept.head_seq > before[1] or memory_of(self.kept) == before[0]
        self.storage.fails = []

    @rule(back=st.integers(0, 20))
    def town_acknowledges(self, back: int) -> None:
        if self.kept.head_seq:
            seq = max(records(self.kept)[0].seq, self.kept.head_seq - back)
            assert self.kept.acknowledge(head(self.kept, seq))
            assert self.kept.acked_seq >= seq

    @rule()
    def power_returns(self) -> None:
        before = self.kept
        self.kept = boot(self.storage)
        assert self.kept.head_seq >= before.head_seq
        assert self.kept.acked_seq <= before.acked_seq

    @invariant()
    def memory_rebuilt_is_the_running_one(self) -> None:
        if self.storage_in_doubt():
            return
        assert memory_of(boot(self.storage)) == memory_of(self.kept)

    @invariant()
    def every_record_kept_is_chained(self) -> None:
        if self.kept.head_seq:
            assert records(self.kept)[-1].seq == self.kept.head_seq

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.kept.memory.spent) <= 64

    def storage_in_doubt(self) -> bool:
        """A refused record may be there; the lock looks at its next event, a restart at once."""
        return boot(self.storage).head_seq != self.kept.head_seq


@pytest.mark.usefixtures("short_segments")
class TestAnyLife(AnyLife.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
