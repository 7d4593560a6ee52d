"""Time as an interval against a window [not_before, expires_at): every edge, and its wire form."""

import unittest

from protocol import timebound
from protocol.timebound import AFTER, BEFORE, FOREVER, INSIDE, UNSURE, TimeBound

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
            (0, FOREVER, UNSURE),
            (1000, FOREVER, UNSURE),
            (2000, FOREVER, AFTER),
        ):
            with self.subTest((lo, hi)):
                self.assertEqual(TimeBound(lo, hi).relation(OPENS, CLOSES), expected)

    def test_a_clock_that_was_never_set_is_sure_of_nothing_but_the_end_of_time(self):
        now = timebound.unknown()
        self.assertEqual((now.lo, now.hi, now.doubt), (0, FOREVER, FOREVER))
        self.assertEqual(now.relation(1, FOREVER), UNSURE)

    def test_doubt_is_the_width(self):
        self.assertEqual(TimeBound(5, 5).doubt, 0)
        self.assertEqual(TimeBound(5, 9).doubt, 4)

    def test_an_interval_that_ends_before_it_begins_is_refused(self):
        self.assertRaises(ValueError, TimeBound, 2, 1)

    def test_an_interval_before_1970_or_beyond_any_time_is_refused(self):
        self.assertRaises(ValueError, TimeBound, -1, 5)
        self.assertRaises(ValueError, TimeBound, 5, FOREVER + 1)
        self.assertRaises(ValueError, TimeBound, FOREVER + 1)


class TestWire(unittest.TestCase):
    def test_nobody_knows_how_late_it_is_travels_as_null(self):
        self.assertEqual(timebound.to_wire(TimeBound(5)), [5, None])
        self.assertEqual(timebound.to_wire(timebound.unknown()), [0, None])

    def test_bounds_come_back(self):
        for lo, hi in ((0, 0), (5, 9), (7, FOREVER - 1), (7, FOREVER), (FOREVER - 1, FOREVER)):
            bound = TimeBound(lo, hi)
            seen = timebound.from_wire(*timebound.to_wire(bound))
            self.assertEqual((seen.lo, seen.hi), (lo, hi))

    def test_no_time_on_the_wire_is_for_ever(self):
        self.assertIsNone(timebound.from_wire(FOREVER, None))
        self.assertFalse(timebound.is_time(FOREVER))
        self.assertTrue(timebound.is_time(FOREVER - 1))
        self.assertFalse(timebound.is_time(True))

    def test_there_is_one_way_to_say_that_nobody_knows(self):
        self.assertIsNone(timebound.from_wire(5, FOREVER))
        self.assertEqual(timebound.from_wire(5, FOREVER - 1).hi, FOREVER - 1)

    def test_odd_members_are_no_bound(self):
        for lo, hi in (
            (None, 5),
            (None, None),
            (5, 4),
            (-1, 5),
            (5, -1),
            (True, 5),
            (0, True),
            ("5", 9),
            (5, "9"),
            (0, FOREVER + 1),
            (FOREVER + 1, None),
            (b"", b""),
        ):
            with self.subTest((lo, hi)):
                self.assertIsNone(timebound.from_wire(lo, hi))
