"""Hours of the week: which window counts at a second, whatever the zone, and how doubt falls.

Held against a plain search over minutes, which knows nothing of the code's arithmetic.
"""

import unittest

from protocol.timebound import AFTER, BEFORE, INSIDE, UNSURE, TimeBound
from protocol.token import Weekly
from tests.protocol.support import Lcg, make_token

MINUTE, DAY, WEEK = 60, 86400, 7 * 86400
MONDAY = 1_790_294_400 // WEEK * WEEK + 4 * DAY  # 0:00 UTC on a Monday
TUESDAY_EVENING = (1440 + 18 * 60, 180)


def is_open(windows, offset_minutes, t):
    """By looking at every window of this week and the last: the slow way."""
    minute_of_week = (t - MONDAY + offset_minutes * 60) % WEEK
    return any(
        (minute_of_week - start * MINUTE) % WEEK < length * MINUTE for start, length in windows
    )


def token(windows, offset=0, not_before=MONDAY, expires_at=MONDAY + 3 * WEEK):
    weekly = Weekly(offset, windows)
    return make_token(not_before=not_before, expires_at=expires_at, weekly=weekly)


def at(t):
    return TimeBound(t, t)


class TestWindows(unittest.TestCase):
    def test_the_reference_is_a_monday(self):
        self.assertEqual((MONDAY // DAY + 3) % 7, 0)  # 1970-01-01 was a Thursday

    def test_an_evening_opens_and_closes_by_the_minute(self):
        one = token([TUESDAY_EVENING])
        opens = MONDAY + TUESDAY_EVENING[0] * MINUTE
        for week in (0, WEEK, 2 * WEEK):
            start, end = opens + week, opens + week + 180 * MINUTE
            for t, expected in (
                (start - 1, BEFORE),
                (start, INSIDE),
                (end - 1, INSIDE),
            ):
                self.assertEqual(one.relation(at(t)), expected)
                self.assertEqual(one.window(t), (start, end))
        self.assertEqual(one.window(opens + 180 * MINUTE)[0], opens + WEEK)

    def test_after_the_last_window_it_has_expired_though_the_token_has_not(self):
        one = token([TUESDAY_EVENING], expires_at=MONDAY + WEEK)
        end = MONDAY + (TUESDAY_EVENING[0] + 180) * MINUTE
        self.assertEqual(one.relation(at(end - 1)), INSIDE)
        for t in (end, end + DAY, MONDAY + WEEK - 1, MONDAY + WEEK, MONDAY + 9 * WEEK):
            self.assertEqual(one.relation(at(t)), AFTER)

    def test_a_window_is_cut_by_the_tokens_own_ends(self):
        start = MONDAY + TUESDAY_EVENING[0] * MINUTE
        end = start + 180 * MINUTE
        cut = token([TUESDAY_EVENING], 0, start + 100, end - 100)
        self.assertEqual(cut.window(start), (start + 100, end - 100))
        for t, expected in (
            (start, BEFORE),
            (start + 99, BEFORE),
            (start + 100, INSIDE),
            (end - 101, INSIDE),
            (end - 100, AFTER),
        ):
            self.assertEqual(cut.relation(at(t)), expected)

    def test_a_token_that_no_window_meets_is_never_open(self):
        never = token([TUESDAY_EVENING], 0, MONDAY, MONDAY + DAY)
        for t in range(MONDAY - DAY, MONDAY + 3 * DAY, 3607):
            self.assertNotEqual(never.relation(at(t)), INSIDE)
        self.assertNotEqual(never.relation(TimeBound(MONDAY - DAY)), INSIDE)

    def test_a_night_runs_over_the_end_of_the_week(self):
        night = token([(6 * 1440 + 22 * 60, 8 * 60)], 0, MONDAY - WEEK)
        sunday = MONDAY - 2 * 3600
        self.assertEqual(night.window(MONDAY), (sunday, MONDAY + 6 * 3600))
        for t in (sunday, MONDAY - 1, MONDAY, MONDAY + 6 * 3600 - 1):
            self.assertEqual(night.relation(at(t)), INSIDE)
        self.assertEqual(night.relation(TimeBound(MONDAY - 1, MONDAY + 1)), INSIDE)
        self.assertEqual(night.relation(at(MONDAY + 6 * 3600)), BEFORE)

    def test_the_offset_says_whose_monday(self):
        morning = [(0, 60)]
        for offset in (-840, -90, 0, 540, 840):
            starts = MONDAY - offset * 60
            one = token(morning, offset, MONDAY - WEEK)
            self.assertEqual(one.window(starts), (starts, starts + 3600))
            self.assertEqual(one.relation(at(starts - 1)), BEFORE)

    def test_any_second_agrees_with_a_plain_search(self):
        noise = Lcg(91)
        for _ in range(120):
            windows = [
                (noise.below(10080), 1 + noise.below(10080 if noise.below(4) == 0 else 600))
                for _ in range(1 + noise.below(8))
            ]
            offset = noise.below(1681) - 840
            one = token(windows, offset, MONDAY - WEEK)
            for _ in range(20):
                t = MONDAY + noise.below(2 * WEEK)
                expected = is_open(windows, offset, t)
                self.assertEqual(one.relation(at(t)) == INSIDE, expected)

    def test_the_next_window_is_the_next_one(self):
        noise = Lcg(92)
        for _ in range(60):
            windows = [(noise.below(10080), 1 + noise.below(60)) for _ in range(3)]
            one = token(windows, 0, MONDAY - WEEK)
            t = MONDAY + noise.below(WEEK)
            if is_open(windows, 0, t):
                continue
            start = one.window(t)[0]
            self.assertTrue(start > t and is_open(windows, 0, start))
            for between in range(t, start, MINUTE):
                self.assertFalse(is_open(windows, 0, between))


class TestDoubt(unittest.TestCase):
    def setUp(self):
        self.token = token([TUESDAY_EVENING])
        self.start = MONDAY + TUESDAY_EVENING[0] * MINUTE
        self.end = self.start + 180 * MINUTE

    def relation(self, lo, hi):
        return self.token.relation(TimeBound(lo, hi))

    def test_doubt_at_an_edge_is_unsure(self):
        self.assertEqual(self.relation(self.start - 1, self.start), UNSURE)
        self.assertEqual(self.relation(self.end - 1, self.end), UNSURE)

    def test_doubt_from_one_window_into_the_next_is_unsure(self):
        self.assertEqual(self.relation(self.start + 60, self.start + 60 + WEEK), UNSURE)
        self.assertEqual(self.relation(self.end, self.start + WEEK), UNSURE)

    def test_doubt_between_two_windows_is_before_the_second(self):
        self.assertEqual(self.relation(self.end, self.start + WEEK - 1), BEFORE)

    def test_a_clock_never_set_is_unsure(self):
        self.assertEqual(self.token.relation(TimeBound(0)), UNSURE)

    def test_doubt_never_opens_what_no_second_of_it_would(self):
        noise = Lcg(93)
        for _ in range(300):
            lo = MONDAY + noise.below(2 * WEEK)
            hi = lo + noise.below(7200)
            if self.relation(lo, hi) == INSIDE:
                for t in (lo, (lo + hi) // 2, hi):
                    self.assertTrue(is_open([TUESDAY_EVENING], 0, t))
