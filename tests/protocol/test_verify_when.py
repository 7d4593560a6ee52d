"""When a token opens: time, doubt, hours of the week, groups, single use, emergency."""

import unittest

from protocol import keys, reasons, session
from protocol import token as tokens
from protocol.timebound import FOREVER, TimeBound, unknown
from tests.protocol.cases import VerdictCase
from tests.protocol.support import (
    BOOKING_KEY,
    EMERGENCY_KEY,
    GROUP,
    LOCK,
    NOON,
    OTHER_LOCK,
    STAFF_KEY,
    T0,
    T1,
    WEEK_S,
    YEAR_S,
    Lock,
    at,
    issue,
    key_for,
    make_status,
    make_token,
    present,
)


class TestTime(VerdictCase):
    def judge_at(self, lo, hi):
        return self.lock.judge(present(issue(), self.lock.greeting), TimeBound(lo, hi))

    def test_surely_inside_opens_at_both_ends(self):
        self.assertAllowed(self.judge_at(T0, T0))
        self.assertAllowed(self.judge_at(T1 - 1, T1 - 1))
        self.assertAllowed(self.judge_at(T0, T1 - 1))

    def test_too_early_is_refused_and_says_when_it_opens(self):
        for lo, hi in ((T0 - 1, T0 - 1), (0, T0 - 1)):
            verdict = self.judge_at(lo, hi)
            self.assertDenied(verdict, reasons.NOT_YET_VALID)
            self.assertEqual(verdict.opens_at, T0)

    def test_expired_is_refused(self):
        for lo, hi in ((T1, T1), (T1, 1 << 39)):
            verdict = self.judge_at(lo, hi)
            self.assertDenied(verdict, reasons.EXPIRED)
            self.assertIsNone(verdict.opens_at)

    def test_unsure_at_either_end_is_refused_as_unknown(self):
        for lo, hi in ((T0 - 1, T0), (T1 - 1, T1), (T0 - 1, T1), (T0, T1), (0, 1 << 39)):
            self.assertDenied(self.judge_at(lo, hi), reasons.TIME_UNKNOWN)

    def test_a_lock_that_does_not_know_the_time_refuses(self):
        message = present(issue(), self.lock.greeting)
        for now in (unknown(), TimeBound(T0), TimeBound(T1 - 1)):
            self.assertDenied(self.lock.judge(message, now), reasons.TIME_UNKNOWN)

    def test_a_floor_alone_is_enough_to_expire_a_token(self):
        message = present(issue(), self.lock.greeting)
        self.assertDenied(self.lock.judge(message, TimeBound(T1)), reasons.EXPIRED)

    def test_the_tokens_own_iat_never_serves_as_clock(self):
        raw = issue(issued_at=T1 + 5)
        self.assertDenied(self.lock.judge_token(raw, T0 - 1), reasons.NOT_YET_VALID)
        self.assertAllowed(self.lock.judge_token(raw, NOON))


class TestDoubt(unittest.TestCase):
    """What a door makes of an interval that only touches the window."""

    def reason(self, lo, hi, doubt_s, raw=None):
        lock = Lock(doubt_s=doubt_s)
        message = present(issue() if raw is None else raw, lock.greeting)
        return getattr(lock.judge(message, TimeBound(lo, hi)), "reason", session.OK)

    def test_a_strict_door_bears_no_doubt(self):
        for lo, hi in ((T0 - 1, T0), (T1 - 1, T1)):
            self.assertEqual(self.reason(lo, hi, 0), reasons.TIME_UNKNOWN)

    def test_a_loose_door_bears_exactly_its_figure(self):
        for lo, hi in ((T0 - 60, T0), (T1 - 1, T1 + 59)):
            self.assertEqual(self.reason(lo, hi, 60), session.OK)
            self.assertEqual(self.reason(lo, hi, 59), reasons.TIME_UNKNOWN)

    def test_no_door_opens_for_what_is_surely_outside(self):
        for doubt_s in (0, 60, 3600):
            self.assertEqual(self.reason(T1, T1 + 5, doubt_s), reasons.EXPIRED)
            self.assertEqual(self.reason(T0 - 5, T0 - 1, doubt_s), reasons.NOT_YET_VALID)

    def test_a_clock_that_was_never_set_opens_no_loose_door(self):
        self.assertEqual(self.reason(0, FOREVER, 3600), reasons.TIME_UNKNOWN)

    def test_a_window_shorter_than_the_doubt_can_pass_a_loose_door_alone(self):
        raw = issue(not_before=NOON, expires_at=NOON + 10)
        self.assertEqual(self.reason(NOON - 30, NOON + 30, 60, raw), session.OK)
        self.assertEqual(self.reason(NOON - 30, NOON + 30, 0, raw), reasons.TIME_UNKNOWN)


class TestWeeklyWindow(VerdictCase):
    """A minute of the week is (t - Monday) / 60; NOON lies in its own window of an hour."""

    MINUTE = (NOON - 4 * 86400) // 60 % tokens.WEEK_MINUTES

    def judge(self, start, now=NOON, length=60, **claims):
        weekly = tokens.Weekly(0, [(start % tokens.WEEK_MINUTES, length)])
        raw = issue(STAFF_KEY, weekly=weekly, expires_at=T0 + WEEK_S, **claims)
        return self.lock.judge_token(raw, now)

    def test_inside_its_hours_it_opens(self):
        self.assertAllowed(self.judge(self.MINUTE - 5))

    def test_before_its_hours_it_says_when_it_opens(self):
        verdict = self.judge(self.MINUTE + 5)
        self.assertDenied(verdict, reasons.NOT_YET_VALID)
        self.assertEqual(verdict.opens_at, NOON // 60 * 60 + 300)

    def test_after_its_last_hours_it_has_expired(self):
        late = T0 + WEEK_S - 3600
        verdict = self.judge(self.MINUTE - 5, late)
        self.assertDenied(verdict, reasons.EXPIRED)

    def test_at_the_edge_of_its_hours_a_strict_door_refuses(self):
        start = NOON // 60 * 60
        verdict = self.judge(self.MINUTE, TimeBound(start - 1, start + 1))
        self.assertDenied(verdict, reasons.TIME_UNKNOWN)


class TestGroup(unittest.TestCase):
    def reason(self, lock, raw, key=None):
        key = key_for(raw, lock.trust.lock_id) if key is None else key
        verdict = lock.judge(present(raw, lock.greeting, key=key))
        return getattr(verdict, "reason", session.OK)

    def test_a_groups_token_opens_every_lock_of_the_group(self):
        raw = issue(audience=GROUP)
        for lock_id in (LOCK, OTHER_LOCK):
            self.assertEqual(self.reason(Lock(lock_id=lock_id, groups=[GROUP]), raw), session.OK)

    def test_a_groups_token_opens_no_lock_outside_it(self):
        raw = issue(audience=GROUP)
        for groups in ((), ["+swimmers"]):
            lock = Lock(groups=groups)
            self.assertEqual(self.reason(lock, raw), reasons.WRONG_LOCK)
            self.assertEqual(lock.verifier.calls, [])

    def test_the_proof_key_of_one_lock_of_the_group_is_useless_at_another(self):
        raw, lock = issue(audience=GROUP), Lock(groups=[GROUP])
        self.assertEqual(self.reason(lock, raw, key_for(raw, OTHER_LOCK)), reasons.BAD_MAC)
        self.assertEqual(lock.verifier.calls, [])

    def test_a_lock_that_leaves_its_group_forgets_its_tokens(self):
        raw, lock = issue(audience=GROUP), Lock(groups=[GROUP])
        self.assertEqual(self.reason(lock, raw), session.OK)
        lock.trust.groups = []
        self.assertEqual(self.reason(lock, raw), reasons.WRONG_LOCK)

    def test_a_group_is_revoked_in_one_step(self):
        row = (keys.key_id(BOOKING_KEY), GROUP, NOON)
        lock = Lock(make_status(min_iat=[row]), groups=[GROUP])
        self.assertEqual(self.reason(lock, issue(audience=GROUP)), reasons.REVOKED)
        self.assertEqual(self.reason(lock, issue()), session.OK)


class TestSingle(VerdictCase):
    SPENDS = (
        session.COMMAND_UNLOCK,
        session.COMMAND_UNLOCK_REMOTE,
        session.COMMAND_HOLD_OPEN,
        session.COMMAND_EVACUATE,
    )

    def setUp(self):
        super().setUp()
        self.raw = issue(STAFF_KEY, once=True, permissions=tokens.ALL_PERMISSIONS)

    def test_an_unused_single_opening_is_good(self):
        for command in self.SPENDS:
            self.assertAllowed(self.lock.judge_token(self.raw, NOON, command))

    def test_a_spent_one_opens_nothing_more(self):
        self.lock.trust.spent = {make_token().cti}
        for command in self.SPENDS:
            verdict = self.lock.judge_token(self.raw, NOON, command)
            self.assertDenied(verdict, reasons.SPENT)

    def test_a_spent_one_may_still_lock_and_do_housekeeping(self):
        self.lock.trust.spent = {make_token().cti}
        for command in (session.COMMAND_LOCK, session.COMMAND_SYNC):
            self.assertAllowed(self.lock.judge_token(self.raw, NOON, command))

    def test_the_mark_of_another_token_does_not_spend_it(self):
        self.lock.trust.spent = {b"another!"}
        self.assertAllowed(self.lock.judge_token(self.raw))

    def test_a_token_for_many_openings_is_never_spent(self):
        self.lock.trust.spent = {make_token().cti}
        self.assertAllowed(self.lock.judge_token(issue()))


class TestEmergency(VerdictCase):
    def token(self, **claims):
        return issue(EMERGENCY_KEY, expires_at=T0 + YEAR_S, **claims)

    def test_it_opens_with_a_clock_that_was_never_set_and_is_marked(self):
        for now in (unknown(), TimeBound(T0 - 5), TimeBound(T0 + YEAR_S - 1)):
            verdict = self.lock.judge_token(self.token(), now)
            self.assertAllowed(verdict)
            self.assertTrue(verdict.emergency)

    def test_no_other_token_is_marked(self):
        for public_key in (BOOKING_KEY, STAFF_KEY):
            self.assertFalse(self.lock.judge_token(issue(public_key)).emergency)

    def test_it_does_not_open_when_the_floor_says_it_has_expired(self):
        verdict = self.lock.judge_token(self.token(), TimeBound(T0 + YEAR_S))
        self.assertDenied(verdict, reasons.EXPIRED)

    def test_it_does_not_open_before_its_time(self):
        verdict = self.lock.judge_token(self.token(), at(T0 - 1))
        self.assertDenied(verdict, reasons.NOT_YET_VALID)

    def test_it_is_never_for_a_group(self):
        self.lock.trust.groups = [GROUP]
        verdict = self.lock.judge_token(self.token(audience=GROUP))
        self.assertDenied(verdict, reasons.NOT_ALLOWED_TO_ISSUE)

    def test_it_lasts_no_longer_than_its_key_allows(self):
        raw = issue(EMERGENCY_KEY, expires_at=T0 + YEAR_S + 1)
        self.assertDenied(self.lock.judge_token(raw), reasons.NOT_ALLOWED_TO_ISSUE)

    def test_it_can_be_revoked(self):
        status = make_status([(make_token().cti, T0 + YEAR_S)])
        verdict = Lock(status).judge_token(self.token(), unknown())
        self.assertDenied(verdict, reasons.REVOKED)


class TestRevocation(unittest.TestCase):
    def _reason(self, raw, revoked=(), min_iat=()):
        lock = Lock(make_status(revoked, min_iat))
        return getattr(lock.judge_token(raw), "reason", session.OK)

    def test_a_listed_token_is_refused(self):
        cti = make_token().cti
        self.assertEqual(self._reason(issue(), [(cti, T1)]), reasons.REVOKED)
        self.assertEqual(self._reason(issue(), [(b"someone!", T1)]), session.OK)

    def test_min_iat_revokes_everything_issued_before_it(self):
        issued_at, kid = make_token().issued_at, keys.key_id(BOOKING_KEY)
        self.assertEqual(self._reason(issue(), (), [(kid, None, issued_at)]), session.OK)
        later = [(kid, None, issued_at + 1)]
        self.assertEqual(self._reason(issue(), (), later), reasons.REVOKED)
        self.assertEqual(self._reason(issue(STAFF_KEY), (), later), session.OK)
