"""Time as an interval against a window [not_before, expires_at): every edge."""

import unittest

from protocol.timebound import AFTER, BEFORE, INSIDE, UNSURE, TimeBound

OPENS, CLOSES = 1000, 2000


class TestRelation(unittest.TestCase):
    def test_every_edge(self):
        for lo, hi, expected in (
            (999, 999, BEFORE),
            (1000, 1000, INSIDE),
            (1999, 1999, INSIDE),
            (2000, 2000, AFTER),
            (0, 999, BEFORE),
            (999, 1000, UNSURE),
            (1000, 1999, INSIDE),
            (1000, 2000, UNSURE),
            (1999, 2000, UNSURE),
            (2000, 9999, AFTER),
            (0, 9999, UNSURE),
        ):
            with self.subTest((lo, hi)):
                self.assertEqual(TimeBound(lo, hi).relation(OPENS, CLOSES), expected)

    def test_an_interval_that_ends_before_it_begins_is_refused(self):
        self.assertRaises(ValueError, TimeBound, 2, 1)
