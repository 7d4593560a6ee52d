"""What records mean after a restart, rule by rule, and the checkpoint's form. On both runtimes."""

import unittest

from firmware.core import memory
from firmware.core.memory import MAX_SPENT, CheckpointError, Memory
from protocol import audit, cbor
from protocol.timebound import TimeBound

NOW = TimeBound(1000, 1010)


class Story:
    """Records one after the other into a memory."""

    def __init__(self) -> None:
        self.memory = Memory()
        self._seq = 0

    def tell(self, event, code=0, source=0, subject=None, value=None, time=NOW) -> Memory:
        self._seq += 1
        record = audit.Record(self._seq, time, event, code, source, subject, value, bytes(32))
        self.memory.apply(record)
        return self.memory

    def spend(self, number: int, expires_at: int) -> None:
        cti = number.to_bytes(8, "big")
        self.tell(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, 1, cti, expires_at)


class TestMeaning(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()

    def test_the_floor_rises_and_does_not_fall_by_a_checkpoint_or_signed_time(self) -> None:
        for code, value, floor in (
            (audit.TIME_CHECKPOINT, 500, 500),
            (audit.TIME_SET, 900, 900),
            (audit.TIME_CHECKPOINT, 400, 900),
            (audit.TIME_SET, 1, 900),
        ):
            self.assertEqual(self.story.tell(audit.TIME, code, value=value).floor, floor)

    def test_a_reset_lowers_the_floor_and_it_rises_again_from_there(self) -> None:
        self.story.tell(audit.TIME, audit.TIME_SET, value=900)
        self.assertEqual(self.story.tell(audit.TIME, audit.TIME_RESET, value=100).floor, 100)
        found = self.story.tell(audit.TIME, audit.TIME_CHECKPOINT, value=101)
        self.assertEqual(found.floor, 101)

    def test_the_last_signed_time_is_that_of_the_record_not_of_a_later_checkpoint(self) -> None:
        self.assertIsNone(self.story.memory.time_set)
        for number, code in enumerate((audit.TIME_SET, audit.TIME_RESET)):
            bound = TimeBound(50 + number, 60 + number)
            self.story.tell(audit.TIME, code, value=50, time=bound)
            self.story.tell(audit.TIME, audit.TIME_CHECKPOINT, value=99, time=TimeBound(99))
            found = self.story.memory.time_set
            self.assertEqual((found.lo, found.hi), (50 + number, 60 + number))

    def test_a_failed_pin_counts_until_a_pin_opens_or_staff_clear_the_keypad(self) -> None:
        opening = (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_KEYPAD)
        for end in (opening, (audit.KEYPAD, audit.KEYPAD_CLEARED)):
            for failures in (1, 2, 3):
                found = self.story.tell(audit.PIN_ATTEMPT, value=failures)
                self.assertEqual(found.pin_failures, failures)
            self.assertEqual(self.story.tell(*end).pin_failures, 0)

    def test_nothing_but_a_right_pin_or_staff_clears_failed_pins(self) -> None:
        self.story.tell(audit.PIN_ATTEMPT, value=7)
        self.story.tell(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_HOLDER)
        self.story.tell(audit.LOCK_OPERATION, audit.OPERATION_LOCK, audit.SOURCE_KEYPAD)
        self.story.tell(audit.LOCK_OPERATION_ERROR, 40, audit.SOURCE_KEYPAD)
        self.story.tell(audit.KEYPAD, audit.KEYPAD_CLEARED + 1)
        self.story.tell(audit.BOOT)
        self.assertEqual(self.story.tell(audit.DOOR_STATE).pin_failures, 7)

    def test_every_kind_of_single_opening_spends_its_token(self) -> None:
        opening = (audit.OPERATION_UNLOCK, audit.OPERATION_HOLD_OPEN, audit.OPERATION_EVACUATE)
        for code in opening:
            self.story.tell(audit.LOCK_OPERATION, code, 1, bytes([code] * 8), 2000 + code)
        wanted = {bytes([code] * 8): 2000 + code for code in opening}
        self.assertEqual(self.story.memory.spent, wanted)

    def test_what_opens_more_than_once_or_not_at_all_is_not_spent(self) -> None:
        self.story.tell(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, 1, b"cticticc")
        self.story.tell(audit.LOCK_OPERATION, audit.OPERATION_LOCK, 1, b"cticticc", 2000)
        self.story.tell(audit.LOCK_OPERATION_ERROR, 37, 1, b"cticticc", 2000)
        self.story.tell(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, 1, None, 2000)
        self.assertEqual(self.story.memory.spent, {})

    def test_there_is_room_until_64_unexpired_tokens_are_spent(self) -> None:
        for number in range(MAX_SPENT):
            self.assertTrue(self.story.memory.room(NOW))
            self.story.spend(number, 1001)
        self.assertFalse(self.story.memory.room(NOW))
        self.assertTrue(self.story.memory.room(TimeBound(1001)))

    def test_a_mark_is_never_pushed_out_before_one_that_expires_earlier(self) -> None:
        for number in range(MAX_SPENT):
            self.story.spend(number, 1500 if number != 9 else 900)
        self.assertTrue(self.story.memory.room(NOW))
        self.story.spend(100, 3000)
        spent = self.story.memory.spent
        self.assertEqual(len(spent), MAX_SPENT)
        self.assertFalse((9).to_bytes(8, "big") in spent)
        self.assertFalse(self.story.memory.room(NOW))

    def test_a_mark_outlives_its_token_so_that_a_reset_of_time_revives_nothing(self) -> None:
        self.story.spend(1, 900)
        self.assertTrue(self.story.memory.room(NOW))
        self.story.tell(audit.TIME, audit.TIME_RESET, value=100)
        self.assertTrue((1).to_bytes(8, "big") in self.story.memory.spent)

    def test_a_record_applied_again_changes_nothing(self) -> None:
        self.story.tell(audit.PIN_ATTEMPT, value=3)
        self.story.tell(audit.PIN_ATTEMPT, value=4)
        for seq in (1, 2):
            again = audit.Record(seq, NOW, audit.PIN_ATTEMPT, 0, 0, None, 1, bytes(32))
            self.story.memory.apply(again)
        self.assertEqual(self.story.memory.pin_failures, 4)

    def test_what_a_gap_record_told_is_remembered(self) -> None:
        self.assertEqual(self.story.tell(audit.GAP, 256, value=257).kept_from, 257)

    def test_values_without_a_meaning_are_left_alone(self) -> None:
        before = Memory()
        for event in (audit.TIME, audit.GAP, audit.PIN_ATTEMPT, 200):
            before = self.story.tell(event)
        self.story.tell(200, value=5)
        self.story.tell(audit.DOOR_STATE, value=5)
        empty = Memory()
        empty.seq = before.seq
        self.assertEqual(before.encode(), empty.encode())


class TestCheckpoint(unittest.TestCase):
    def full(self) -> Memory:
        story = Story()
        for number in range(MAX_SPENT):
            story.spend(number << 40, 1 << 31)
        story.tell(audit.TIME, audit.TIME_SET, value=1 << 31, time=TimeBound(1 << 31))
        story.tell(audit.GAP, 5, value=6)
        story.tell(audit.PIN_ATTEMPT, value=100)
        story.memory.acked = 8
        return story.memory

    def test_a_checkpoint_brings_everything_back(self) -> None:
        for before in (Memory(), self.full()):
            after = memory.decode(before.encode())
            self.assertEqual(after.encode(), before.encode())
            self.assertEqual(after.spent, before.spent)
            self.assertEqual(
                (after.seq, after.floor, after.pin_failures, after.acked, after.kept_from),
                (before.seq, before.floor, before.pin_failures, before.acked, before.kept_from),
            )
            self.assertEqual(after.time_set is None, before.time_set is None)

    def test_its_size_is_bounded(self) -> None:
        self.assertTrue(len(Memory().encode()) < 24)
        self.assertTrue(len(self.full().encode()) < 1024)

    def test_any_changed_byte_or_missing_end_is_found(self) -> None:
        raw = self.full().encode()
        for at in range(len(raw)):
            changed = bytearray(raw)
            changed[at] ^= 0x11
            self.refused(bytes(changed))
            self.refused(raw[:at])
        self.refused(raw + b"\0")

    def test_a_right_sum_over_another_form_is_refused(self) -> None:
        good = [1, 2, 3, [4, 5], 6, {bytes(8): 7}, 8, 9]
        self.assertEqual(memory.decode(self.summed(good)).pin_failures, 6)
        others = {
            0: (0, 2, None),
            1: (-1, None, b""),
            2: (-1, True),
            3: ([4], [5, 4], [4, 5, 6], ["a", None], 4, [4, 1 << 40]),
            4: (None, -1),
            5: ([], None, {bytes(7): 1}, {bytes(8): -1}, {"a": 1}),
            6: (None,),
            7: (-2,),
        }
        for at, values in others.items():
            for value in values:
                self.refused(self.summed(good[:at] + [value] + good[at + 1 :]))
        self.refused(self.summed(good[:7]))
        self.refused(self.summed("text"))
        marks = {number.to_bytes(8, "big"): 1 for number in range(MAX_SPENT + 1)}
        self.refused(self.summed(good[:5] + [marks] + good[6:]))

    def summed(self, value: object) -> bytes:
        body = cbor.encode(value)
        return body + memory._crc(body)

    def refused(self, raw: bytes) -> None:
        with self.assertRaises(CheckpointError):
            memory.decode(raw)


if __name__ == "__main__":
    unittest.main()
