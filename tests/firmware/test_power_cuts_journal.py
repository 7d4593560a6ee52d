"""What the journal makes of power cuts on LittleFS, and of damage that another storage may leave.

The first part runs chips/journal_cuts.py inside MicroPython: it cuts the journal's life at every
programme and erase operation, with acknowledgements, gaps, PIN counters, marks and time in it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from firmware.core import journal
from firmware.core.journal import SLOT_BYTES, Journal
from protocol import audit
from protocol.timebound import TimeBound
from simulator.chip_board import micropython
from simulator.virtual.storage import MemoryStorage

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / "tests" / "firmware" / "chips" / "journal_cuts.py"
SEED, STEPS = 3, 30
LOCK_ID, SLOTS = "aaaaaaaa", 4


def cut(mode: str, seed: int, steps: int) -> dict[str, Any]:
    """What one run of chips/journal_cuts.py printed."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}:{ROOT}/simulator/chip:.frozen"}
    command = [micropython(), "-X", "heapsize=32m", str(RUN), mode, str(seed), str(steps)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def assert_survived(found: dict[str, Any]) -> None:
    """There were cuts, gaps and acknowledgements, and nothing was lost at any cut."""
    assert found["cuts"] > 100
    assert found["gaps"] > 3 and found["acknowledged"] > 10
    assert found["failures"] == 0, found["first"]


@pytest.mark.slow
def test_no_cut_takes_a_record_a_counter_a_mark_or_the_floor_back() -> None:
    found = cut("images", SEED, STEPS)
    assert_survived(found)
    assert found["cuts"] == 4 * found["operations"] + 1


@pytest.mark.slow
def test_a_cut_in_the_life_after_a_cut_takes_nothing_back_either() -> None:
    assert_survived(cut("twice", SEED, STEPS))


@pytest.mark.slow
def test_a_journal_whose_flash_dies_under_it_has_told_no_lie() -> None:
    assert_survived(cut("lives", SEED, STEPS))


@pytest.mark.slow
def test_one_failed_operation_costs_one_record_at_most_and_no_memory() -> None:
    assert_survived(cut("glitches", SEED, STEPS))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["forgetful", "hasty", "untold"])
def test_a_journal_with_a_classic_mistake_is_found_out(mistake: str) -> None:
    assert cut(mistake, SEED, 20)["failures"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("marks", [0, 64])
def test_a_record_costs_what_the_decision_says(marks: int) -> None:
    """docs/adr/0011; a checkpoint at every 256th record does not change the mean."""
    found = cut("cost", marks, 512)
    assert found["operations"] / found["records"] < 20
    assert found["erases"] / found["records"] < 1.1
    assert found["programmed_bytes"] / found["records"] < 2300
    assert found["new_segment"] <= found["most"] <= 40


@pytest.mark.soak
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("seed", range(10, 13))
@pytest.mark.parametrize("mode", ["images", "twice", "lives", "glitches"])
def test_a_long_journal_survives_every_cut(mode: str, seed: int) -> None:
    assert_survived(cut(mode, seed, 100))


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SLOTS_PER_SEGMENT", SLOTS)
    monkeypatch.setattr(journal, "MAX_SEGMENTS", 3)


class Failing(MemoryStorage):
    """`fails`: what the next appends do, "before" or "after" the bytes are kept, or "torn"."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: list[str] = []
        self.unreadable: set[str] = set()

    def append(self, name: str, data: bytes) -> None:
        how = self.fails.pop(0) if self.fails else ""
        if how != "before":
            super().append(name, data[:50] if how == "torn" else data)
        if how:
            raise OSError(5)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        if name in self.unreadable:
            raise OSError(5)
        return super().read(name, offset, size)


def boot(storage: MemoryStorage) -> Journal:
    return Journal(storage, LOCK_ID, 1)


def write(kept: Journal, count: int = 1) -> None:
    for _ in range(count):
        kept.append(TimeBound(0), audit.DOOR_STATE, 0, 0)


def segments(storage: MemoryStorage) -> list[str]:
    return [name for name in storage.names("journal") if not name.endswith(".state")]


def assert_whole(kept: Journal, head: int) -> None:
    """Every record up to the head is there and chained."""
    raw = kept.read(1, 100)
    assert len(audit.check_run(raw, 1, audit.genesis(LOCK_ID, 1))[0]) == head == kept.head_seq


@pytest.mark.parametrize("left", [1, 50, SLOT_BYTES - 1, SLOT_BYTES])
def test_a_torn_last_slot_is_never_continued(left: int) -> None:
    storage = Failing()
    write(boot(storage), 2)
    storage.append("journal/00000001", b"\0" * left)
    write(boot(storage), 2)
    assert_whole(boot(storage), 4)
    assert segments(storage) == ["00000001", "00000003"]


@pytest.mark.parametrize("content", [b"", b"\xff" * 50, b"\xff" * SLOT_BYTES])
def test_a_segment_that_was_only_begun_is_begun_again(content: bytes) -> None:
    storage = Failing()
    write(boot(storage), SLOTS)
    storage.write("journal/00000005", content)
    write(boot(storage))
    assert_whole(boot(storage), SLOTS + 1)
    assert len(segments(storage)) == 2


@pytest.mark.parametrize("how", ["before", "after", "torn"])
@pytest.mark.parametrize("records", [0, 1, SLOTS - 1, SLOTS])
def test_after_a_failed_append_the_next_one_succeeds(records: int, how: str) -> None:
    storage = Failing()
    kept = boot(storage)
    write(kept, records)
    storage.fails = [how]
    with pytest.raises(OSError, match="5"):
        write(kept)
    assert kept.head_seq == records
    write(kept)
    landed = records + 2 if how == "after" else records + 1
    assert_whole(kept, landed)
    assert_whole(boot(storage), landed)


def test_failed_appends_do_not_use_up_segments() -> None:
    storage = Failing()
    kept = boot(storage)
    write(kept)
    storage.fails = ["before"] * 10
    for _ in range(10):
        with pytest.raises(OSError, match="5"):
            write(kept)
    write(kept)
    assert segments(storage) == ["00000001"]
    assert_whole(kept, 2)


def test_records_behind_a_damaged_slot_can_still_be_read() -> None:
    storage = Failing()
    write(boot(storage), 10)
    name, damaged = "journal/00000005", bytearray(storage.files["journal/00000005"])
    damaged[SLOT_BYTES + 9] ^= 1
    storage.write(name, bytes(damaged))
    kept = boot(storage)
    seqs = [[audit.decode_record(r).seq for r in kept.read(first, 100)] for first in (1, 6, 7)]
    assert seqs == [[1, 2, 3, 4, 5], [7, 8, 9, 10], [7, 8, 9, 10]]
    assert kept.head_seq == 10


def test_a_damaged_slot_in_the_last_segment_does_not_let_the_head_fall() -> None:
    storage = Failing()
    write(boot(storage), 7)
    name, damaged = "journal/00000005", bytearray(storage.files["journal/00000005"])
    damaged[9] ^= 1
    storage.write(name, bytes(damaged))
    assert boot(storage).head_seq == 7
    storage.write(name, b"\0" * 3 * SLOT_BYTES)
    assert boot(storage).head_seq == 6  # only the last of the three may have been unacknowledged


def test_an_unreadable_last_segment_is_kept_and_its_numbers_are_not_used_again() -> None:
    storage = Failing()
    write(boot(storage), 6)
    storage.unreadable = {"journal/00000005"}
    kept = boot(storage)
    write(kept)
    assert kept.head_seq == 4 + SLOTS + 1
    assert segments(storage) == ["00000001", "00000005", "00000009"]
    assert [audit.decode_record(r).seq for r in kept.read(5, 9)] == [9]


def test_a_foreign_file_beside_the_segments_does_not_stop_the_boot() -> None:
    storage = Failing()
    storage.write("journal/lost+found", b"?")
    write(boot(storage))
    assert_whole(boot(storage), 1)


def test_a_record_given_up_in_doubt_is_not_replayed_beside_the_one_that_took_its_number() -> None:
    storage = Failing()
    kept = boot(storage)
    write(kept, 2)
    storage.fails, storage.unreadable = ["after"], {"journal/00000001"}
    with pytest.raises(OSError, match="5"):
        kept.append(TimeBound(0), audit.PIN_ATTEMPT, 0, 0, None, 9)
    kept.append(TimeBound(0), audit.PIN_ATTEMPT, 0, 0, None, 1)
    storage.unreadable = set()
    assert segments(storage) == ["00000001", "00000003"]
    for name in [name for name in storage.files if name.endswith(".state")]:
        storage.delete(name)
    assert boot(storage).memory.pin_failures == kept.memory.pin_failures == 1
    assert_whole(boot(storage), 3)


def test_a_segment_that_cannot_be_read_takes_no_counter_of_the_others_with_it() -> None:
    storage = Failing()
    kept = boot(storage)
    kept.append(TimeBound(0), audit.PIN_ATTEMPT, 0, 0, None, 9)
    write(kept, 5)
    storage.unreadable = {"journal/00000005"}
    kept = boot(storage)
    assert kept.memory.pin_failures == 9
    write(kept)
    assert boot(storage).memory.pin_failures == 9


def test_a_checkpoint_that_cannot_be_read_is_done_without() -> None:
    storage = Failing()
    kept = boot(storage)
    kept.append(TimeBound(0), audit.PIN_ATTEMPT, 0, 0, None, 9)
    write(kept, 5)
    storage.unreadable = {"journal/00000005.state"}
    kept = boot(storage)
    assert (kept.memory.pin_failures, kept.memory.seq) == (9, 6)


def test_a_segment_deleted_though_storage_said_no_is_a_gap_like_any_other() -> None:
    storage = Failing()
    kept = boot(storage)
    write(kept, 3 * SLOTS)
    delete = storage.delete

    def deletes_and_complains(name: str) -> None:
        delete(name)
        raise OSError(5)

    storage.delete = deletes_and_complains  # type: ignore[method-assign]
    with pytest.raises(OSError, match="5"):
        write(kept)
    storage.delete = delete  # type: ignore[method-assign]
    write(kept)
    raw = kept.read(1, 100)
    assert [audit.decode_record(r).seq for r in raw] == list(range(5, 15))
    gap = audit.decode_record(raw[-1])
    assert (gap.event, gap.code, gap.value) == (audit.GAP, 4, 5)
