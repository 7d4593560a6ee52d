"""Cuts a journal's life everywhere: `micropython journal_cuts.py MODE SEED STEPS`, one JSON line.

The life is one of acknowledgements, gaps, PIN counters, single-use marks and time, on the real
LittleFS; what it should mean is worked out here by rules of our own, not by the code under test.
Modes: `images` boots what every cut of one life leaves; `twice` cuts the next life's first records
too; `lives` lives anew on a flash that dies at each operation; `glitches` fails one operation at a
time while the lock lives on; `forgetful`, `hasty` and `untold` are `images` with a classic
mistake in the journal; `cost` counts what a record takes.
"""

import json
import sys

from firmware.core import journal
from firmware.core.journal import Journal
from firmware.core.memory import MAX_SPENT, Memory
from firmware.hal.storage import FileStorage
from protocol import audit
from protocol.timebound import TimeBound
from simulator.chip.cut_flash import WAYS, CutFlash
from tests.firmware.chips.cut_bench import MOUNT, Dice, every_cut, formatted, mount, unmount

LOCK_ID, NOW = "aaaaaaaa", 1796000000
SLOTS, SEGMENTS = 3, 2
UNLOCK, LOCK = audit.OPERATION_UNLOCK, audit.OPERATION_LOCK


class Meaning:
    """What a town would say that the records it saw mean: the oracle."""

    def __init__(self) -> None:
        self.floor = self.failures = 0
        self.marks = {}

    def read(self, raw: bytes) -> None:
        record = audit.decode_record(raw)
        event, code, value = record.event, record.code, record.value
        if event == audit.TIME:
            self.floor = value if code == audit.TIME_RESET or value > self.floor else self.floor
        elif event == audit.PIN_ATTEMPT:
            self.failures = value
        elif event == audit.KEYPAD:
            self.failures = 0
        elif event == audit.LOCK_OPERATION and code != LOCK:
            if record.source == audit.SOURCE_KEYPAD:
                self.failures = 0
            if value is not None:
                self.marks[record.subject] = value

    def row(self) -> tuple:
        return self.floor, self.failures, tuple(sorted(self.marks.items()))


def row_of(memory: Memory) -> tuple:
    return memory.floor, memory.pin_failures, tuple(sorted(memory.spent.items()))


class Life:
    """One life of a journal on `flash`.

    `meant`: {seq: Meaning.row() after this record}; `raws`: {seq: record}; `told`: (operations so
    far, seq) of whatever the caller was told is kept; `acks`: (operations so far, seq).
    """

    def __init__(self, flash: CutFlash, seed: int) -> None:
        self.flash = flash
        self.meant, self.raws = {0: Meaning().row()}, {}
        self.told, self.acks = [], []
        self._dice = Dice(seed)
        self._meaning = Meaning()
        self._seq = 0

    def live(self, steps: int) -> None:
        mount(self.flash)
        try:
            try:
                self._boot()
            except OSError:  # the folder: a lock without one starts again
                self._boot()
            for _ in range(steps):
                self._step()
        except OSError:
            assert self.flash.dead, "storage failed though the flash lives"
        finally:
            unmount()

    def _boot(self) -> None:
        self.journal = boot()

    def _step(self) -> None:
        chance = self._dice.below(10)
        if chance == 0:
            self._restart()
        elif chance < 3:
            self._acknowledge()
        else:
            self._append()

    def _append(self) -> None:
        bound = TimeBound(NOW, NOW + 9)
        try:
            self.journal.append(bound, *self._event())
        except OSError:
            if self.flash.dead:
                raise
            return  # one glitch: the next event finds out what it left
        self.told.append((self.flash.operations, self.journal.head_seq))
        if self.flash.dead:  # under the gap record: the event itself was kept
            self.meant[self.journal.head_seq] = row_of(self.journal.memory)
            raise OSError(5)
        self._follow()
        assert row_of(self.journal.memory) == self._meaning.row(), "a wrong memory in RAM"

    def _event(self) -> tuple:
        number = self._dice.below(8)
        if number < 2:
            code = (audit.TIME_CHECKPOINT, audit.TIME_SET)[number]
            return audit.TIME, code, 0, None, NOW + self._dice.below(5000)
        if number == 2 and self._dice.below(4) == 0:
            return audit.TIME, audit.TIME_RESET, 0, None, NOW - self._dice.below(5000)
        if number == 3:
            return audit.LOCK_OPERATION, UNLOCK, 6, self._dice.random_bytes(8), None
        if number == 4 and len(self._meaning.marks) < MAX_SPENT:
            return audit.LOCK_OPERATION, UNLOCK, 1, self._dice.random_bytes(8), NOW + 60
        if number == 5:
            return audit.DOOR_STATE, 0, 0, None, None
        return audit.PIN_ATTEMPT, 0, 6, None, self._meaning.failures + 1

    def _follow(self) -> None:
        """Read, as the town would, what was written since."""
        for raw in self.journal.read(self._seq + 1, 99):
            self._seq += 1
            assert audit.decode_record(raw).seq == self._seq, "a record is missing"
            self._meaning.read(raw)
            self.raws[self._seq], self.meant[self._seq] = raw, self._meaning.row()

    def _acknowledge(self) -> None:
        raw = self.journal.read(self.journal.oldest_seq + self._dice.below(SLOTS * SEGMENTS), 1)
        if raw:
            seq = audit.decode_record(raw[0]).seq
            head = audit.Head(LOCK_ID, 1, seq, audit.record_hash(raw[0]))
            assert self.journal.acknowledge(head), "a fork where there is none"
            self.acks.append((self.flash.operations, self.journal.acked_seq))

    def _restart(self) -> None:
        unmount()
        mount(self.flash)
        before = self.journal
        self._boot()
        self._follow()
        assert self.journal.head_seq >= before.head_seq, "the head fell"
        assert self.journal.acked_seq <= before.acked_seq, "acknowledged out of nothing"
        assert row_of(self.journal.memory) == self._meaning.row(), "a restart forgets"


def boot() -> Journal:
    return Journal(FileStorage(MOUNT + "/data"), LOCK_ID, 1)


def check(image: bytearray, life: Life, operations: int) -> int:
    """Boot what is left after `operations` of `life`; the head then. `image` is used up."""
    told = max([seq for at, seq in life.told if at <= operations] or [0])
    acked = max([seq for at, seq in life.acks if at <= operations] or [0])
    mount(CutFlash(image))
    try:
        found = boot()
        head = found.head_seq
        assert head >= told, "the head fell"
        # Not told, yet there: the event that was being written and the gap record behind it.
        assert head <= told + 2, "records out of nothing"
        assert head in life.meant or head > told, "records that nobody saw"
        if head in life.meant:
            assert row_of(found.memory) == life.meant[head], "the memory went back"
        assert found.acked_seq <= acked, "acknowledged out of nothing"
        _check_records(found, life)
        for _ in range(2):  # a gap record may begin a segment too, and drop another
            found.append(TimeBound(NOW), audit.BOOT, 0, 0)
        _check_next(found, head)
        again = boot()
        assert again.head_seq == found.head_seq, "the head moved between two boots"
        assert row_of(again.memory) == row_of(found.memory), "the second boot forgets"
    finally:
        unmount()
    return head


def _check_records(found: Journal, life: Life) -> None:
    oldest, head = found.oldest_seq, found.head_seq
    assert oldest <= max(1, head + 1 - (SEGMENTS - 1) * SLOTS), "more was dropped than had to be"
    raw = found.read(oldest, head + 1)
    assert len(raw) == head - oldest + 1 or not head, "records are missing"
    for i in range(len(raw)):
        assert raw[i] == life.raws.get(oldest + i, raw[i]), "a record is not the one acknowledged"
    if raw:
        audit.check_run(raw, oldest, audit.decode_record(raw[0]).previous)


def _check_next(found: Journal, head: int) -> None:
    """The next records fit, and whatever went unacknowledged has been told."""
    assert head + 2 <= found.head_seq <= head + 4, "the next record could not be written"
    missing = found.oldest_seq - 1
    assert missing <= max(found.acked_seq, found.memory.kept_from - 1), "a gap that nobody tells"
    rows = [audit.decode_record(raw) for raw in found.read(1, 999)]
    gaps = [row.value for row in rows if row.event == audit.GAP]
    assert missing <= found.acked_seq or found.oldest_seq in gaps, "a gap record is missing"


def _recorded(seed: int, steps: int) -> tuple:
    """(formatted image, log of operations, the life) without a cut."""
    blank = formatted()
    log = []
    life = Life(CutFlash(bytearray(blank), log=log), seed)
    life.live(steps)
    return blank, log, life


def images(seed: int, steps: int, twice: bool = False) -> dict:
    try:
        image, log, life = _recorded(seed, steps)
    except AssertionError as error:  # a mistake that needs no cut
        return {"cuts": 0, "failures": 1, "first": repr(error)}
    dice = Dice(seed + 1)
    tally = Tally(log, life)
    for at, way, left in every_cut(image, log, dice):
        tally.judge(f"cut {at} way {way}", _stumble_and_check, left, life, at, twice, dice)
    return tally.result()


def twice(seed: int, steps: int) -> dict:
    return images(seed, steps, True)


def _stumble_and_check(left: bytearray, life: Life, at: int, twice: bool, dice: Dice) -> None:
    if not twice:
        check(left, life, at)
        return
    flash = CutFlash(left, cut_at=dice.below(24))
    later = Later(flash, dice.below(1 << 30), life)
    later.live(6)
    check(left, later, flash.operations)


class Later(Life):
    """Goes on where a cut has left another life; its own operations count from 0 again."""

    def __init__(self, flash: CutFlash, seed: int, before: Life) -> None:
        super().__init__(flash, seed)
        self._before = before
        self.acks = [(0, seq) for _, seq in before.acks]

    def _boot(self) -> None:
        super()._boot()
        head = self.journal.head_seq
        if self._seq == 0 and head:
            self.raws = {s: raw for s, raw in self._before.raws.items() if s <= head}
            self.meant = {s: row for s, row in self._before.meant.items() if s <= head}
            for seq in sorted(self.raws):
                self._meaning.read(self.raws[seq])
            self._seq = len(self.raws)
            self._follow()
            self.told.append((0, head))


def lives(seed: int, steps: int) -> dict:
    dice = Dice(seed + 2)
    return _again(seed, steps, "cut_at", lambda at: (WAYS[at % len(WAYS)], dice.random_bytes))


def glitches(seed: int, steps: int) -> dict:
    return _again(seed, steps, "glitch_at", lambda at: None)


def _again(seed: int, steps: int, how: str, tear_at) -> dict:
    blank, log, life = _recorded(seed, steps)
    tally = Tally(log, life)
    for at in range(len(log)):
        flash = CutFlash(bytearray(blank), tear_with=tear_at(at), **{how: at})
        tally.judge(f"{how} {at}", _live_and_check, flash, seed, steps)
    return tally.result()


def _live_and_check(flash: CutFlash, seed: int, steps: int) -> None:
    life = Life(flash, seed)
    life.live(steps)
    check(bytearray(flash.image), life, flash.operations)


class Tally:
    """How many cuts a life survived, and the first that it did not."""

    def __init__(self, log: list, life: Life) -> None:
        rows = [audit.decode_record(raw) for raw in life.raws.values()]
        self._found = {
            "operations": len(log),
            "records": len(rows),
            "gaps": sum(1 for row in rows if row.event == audit.GAP),
            "acknowledged": max([seq for _, seq in life.acks] or [0]),
            "cuts": 0,
            "failures": 0,
            "first": None,
        }

    def judge(self, name: str, trial, *arguments) -> None:
        self._found["cuts"] += 1
        try:
            trial(*arguments)
        except (AssertionError, OSError, ValueError) as error:
            self._found["failures"] += 1
            self._found["first"] = self._found["first"] or f"{name}: {error!r}"

    def result(self) -> dict:
        return self._found


# --- classic mistakes, for the cuts to find ---


def forgetful(seed: int, steps: int) -> dict:
    """No checkpoints: what dropped records meant goes with them."""
    Journal._checkpoint = lambda self, first: None
    return images(seed, steps)


def hasty(seed: int, steps: int) -> dict:
    """The memory, and so the checkpoint, counts a record that is not written yet."""
    write = Journal._write

    def write_later(self, *event) -> None:
        row = event + (self.head_hash,)
        self.memory.apply(audit.Record(self.head_seq + 1, *row))
        write(self, *event)

    Journal._write = write_later
    return images(seed, steps)


def untold(seed: int, steps: int) -> dict:
    """A restart takes for granted that the gap record behind dropped ones was written."""
    replay = Journal._replay

    def replay_and_trust(self) -> None:
        replay(self)
        self.memory.kept_from = self.oldest_seq

    Journal._replay = replay_and_trust
    return images(seed, steps)


def cost(seed: int, records: int) -> dict:
    """Operations per record, segments as in a real lock; `seed`: marks in a checkpoint."""
    flash = CutFlash(formatted())
    mount(flash)
    journal.SLOTS_PER_SEGMENT, journal.MAX_SEGMENTS = 256, 2
    kept = Journal(FileStorage(MOUNT), LOCK_ID, 1)
    for number in range(seed):
        kept.memory.spent[number.to_bytes(8, "big")] = NOW
    counts = []
    for number in range(records):
        before = flash.operations
        kept.append(TimeBound(NOW, NOW + 9), audit.DOOR_STATE, number & 1, 0)
        counts.append(flash.operations - before)
    unmount()
    return {
        "records": records,
        "operations": flash.operations,
        "most": max(counts),
        "new_segment": counts[256],
        "erases": flash.erases,
        "programmed_bytes": flash.programmed_bytes,
    }


MODES = {
    "images": images,
    "twice": twice,
    "lives": lives,
    "glitches": glitches,
    "forgetful": forgetful,
    "hasty": hasty,
    "untold": untold,
    "cost": cost,
}


def main(mode: str, seed: int, steps: int) -> None:
    journal.SLOTS_PER_SEGMENT, journal.MAX_SEGMENTS = SLOTS, SEGMENTS
    print(json.dumps(MODES[mode](seed, steps)))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
