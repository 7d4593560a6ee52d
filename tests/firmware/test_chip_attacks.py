"""Attacks on the lock by holders of a good key, on both runtimes."""

import unittest

from firmware.core import refusals
from firmware.core.refusals import Refusals

CTI, REASON, SOURCE = b"eight by", 35, 1


def flood(counter, times, at, cti=CTI):
    """How many of so many refusals would be recorded."""
    return sum(counter.is_due(cti, REASON, SOURCE, at) for _ in range(times))


class TestFloodOfRefusals(unittest.TestCase):
    def test_one_token_gets_a_few_records_and_a_count_however_often_it_is_refused(self):
        counter = Refusals()
        self.assertEqual(flood(counter, 1000, 0), refusals.RECORDED)
        self.assertEqual(counter.over(refusals.WITHIN_MS - 1), [])
        left_out = 1000 - refusals.RECORDED
        self.assertEqual(counter.over(refusals.WITHIN_MS), [(REASON, SOURCE, CTI, left_out)])
        self.assertEqual(counter.over(10 * refusals.WITHIN_MS), [])

    def test_a_token_refused_now_and_then_is_recorded_each_time(self):
        counter, at, recorded = Refusals(), 0, 0
        for _ in range(50):
            recorded += flood(counter, 2, at)
            at += refusals.WITHIN_MS
            self.assertEqual(counter.over(at), [])
        self.assertEqual(recorded, 100)

    def test_many_tokens_fill_neither_the_heap_nor_the_journal(self):
        counter, recorded = Refusals(), 0
        for number in range(1000):
            recorded += flood(counter, 10, 0, number.to_bytes(8, "big"))
        self.assertEqual(recorded, refusals.MAX_TOKENS * refusals.RECORDED)
        counted = counter.over(refusals.WITHIN_MS)
        self.assertEqual(len(counted), refusals.MAX_TOKENS + 1)
        self.assertEqual(sum(row[3] for row in counted), 10000 - recorded)
        self.assertTrue(any(row[2] is None for row in counted))

    def test_a_flood_by_one_does_not_hide_the_first_refusals_of_another(self):
        counter = Refusals()
        flood(counter, 1000, 0)
        self.assertEqual(flood(counter, 1, 1, b"another!"), 1)


if __name__ == "__main__":
    unittest.main()
