"""What a lock remembers of tokens, and in which order it checks them."""

from protocol import cose, keys, reasons, session, verify
from protocol import token as tokens
from protocol.crypto import sha256
from protocol.keyset import ROLE_STATUS
from tests.protocol.cases import VerdictCase
from tests.protocol.support import (
    BOOKING_KEY,
    EPOCH,
    GROUP,
    NOON,
    OTHER_LOCK,
    STATUS_KEY,
    STRANGER_KEY,
    T1,
    Lock,
    issue,
    make_status,
    make_token,
    present,
)


class TestRemembered(VerdictCase):
    def test_a_second_opening_verifies_no_signature(self):
        raw = issue()
        self.assertAllowed(self.lock.judge_token(raw))
        self.assertAllowed(self.lock.judge_token(raw))
        self.assertEqual(len(self.calls), 1)

    def test_a_remembered_token_still_needs_possession(self):
        raw = issue()
        self.lock.judge_token(raw)
        message = present(raw, self.lock.greeting, key=bytes(32))
        self.assertDenied(self.lock.judge(message), reasons.BAD_MAC)

    def test_a_remembered_token_still_expires(self):
        raw = issue()
        self.lock.judge_token(raw)
        self.assertDenied(self.lock.judge_token(raw, T1), reasons.EXPIRED)

    def test_a_remembered_token_can_still_be_revoked(self):
        raw = issue()
        self.lock.judge_token(raw)
        self.lock.trust.status = make_status([(make_token().cti, T1)])
        self.assertDenied(self.lock.judge_token(raw), reasons.REVOKED)

    def test_a_remembered_token_still_needs_its_scope(self):
        raw = issue()
        self.lock.judge_token(raw)
        verdict = self.lock.judge_token(raw, NOON, session.COMMAND_UNLOCK_REMOTE)
        self.assertDenied(verdict, reasons.SCOPE)

    def test_a_remembered_token_falls_with_its_issuer_or_epoch(self):
        raw, trust = issue(), self.lock.trust
        self.lock.judge_token(raw)
        issuer = trust.keyset.keys.pop(keys.key_id(BOOKING_KEY))
        self.assertDenied(self.lock.judge_token(raw), reasons.UNKNOWN_ISSUER)
        trust.keyset.keys[keys.key_id(BOOKING_KEY)] = issuer
        trust.kdks.pop(EPOCH)
        self.assertDenied(self.lock.judge_token(raw), reasons.UNKNOWN_ISSUER)

    def test_a_remembered_token_falls_when_the_issuers_role_changes(self):
        raw = issue()
        self.lock.judge_token(raw)
        self.lock.trust.keyset.keys[keys.key_id(BOOKING_KEY)].role = ROLE_STATUS
        self.assertDenied(self.lock.judge_token(raw), reasons.NOT_ALLOWED_TO_ISSUE)

    def test_a_new_keyset_forgets_every_token(self):
        raw, ahead = issue(), issue(cti=b"ahead of")
        self.lock.judge_token(raw)
        self.assertEqual(verify.check_ahead(self.lock.trust, self.lock.crypto, ahead), session.OK)
        self.lock.trust.remembered.forget()
        self.calls.clear()
        self.lock.judge_token(raw)
        self.lock.judge_token(ahead)
        self.assertEqual(len(self.calls), 2)

    def test_a_refused_signature_is_not_remembered(self):
        signed, _ = tokens.parse(issue())
        forged = cose.encode(signed.kid, signed.payload, bytes(64))
        self.assertDenied(self.lock.judge_token(forged), reasons.BAD_SIGNATURE)
        self.assertDenied(self.lock.judge_token(forged), reasons.BAD_SIGNATURE)
        self.assertEqual(len(self.calls), 2)

    def test_memory_is_bounded_and_forgets_the_oldest(self):
        first = issue(cti=b"\x00" * 8)
        self.lock.judge_token(first)
        for number in range(verify.MAX_REMEMBERED):
            self.lock.judge_token(issue(cti=b"later" + number.to_bytes(3, "big")))
        self.assertFalse(self.lock.trust.remembered.holds(sha256(first)))
        before = len(self.calls)
        self.assertAllowed(self.lock.judge_token(first))
        self.assertEqual(len(self.calls), before + 1)

    def test_memory_holds_as_many_as_it_says(self):
        used = [issue(cti=b"used---" + bytes([n])) for n in range(verify.MAX_REMEMBERED)]
        ahead = [issue(cti=b"ahead--" + bytes([n])) for n in range(verify.MAX_AHEAD)]
        for raw in ahead:
            verify.check_ahead(self.lock.trust, self.lock.crypto, raw)
        for raw in used:
            self.lock.judge_token(raw)
        for raw in used + ahead:
            self.assertTrue(self.lock.trust.remembered.holds(sha256(raw)))

    def test_a_token_in_use_is_kept_while_others_come_and_go(self):
        usual = issue(cti=b"everyday")
        for number in range(2 * verify.MAX_REMEMBERED):
            self.lock.judge_token(issue(cti=b"passing" + bytes([number])))
            self.lock.judge_token(usual)
        before = len(self.calls)
        self.lock.judge_token(usual)
        self.assertEqual(len(self.calls), before)


class TestAhead(VerdictCase):
    """Tokens brought before they are used: their own quota, so that neither crowds the other."""

    def check(self, raw):
        return verify.check_ahead(self.lock.trust, self.lock.crypto, raw)

    def test_a_token_checked_ahead_opens_without_another_check(self):
        raw = issue()
        self.assertEqual(self.check(raw), session.OK)
        self.calls.clear()
        self.assertAllowed(self.lock.judge_token(raw))
        self.assertEqual(self.calls, [])

    def test_a_token_checked_ahead_opens_nothing_by_itself(self):
        raw = issue(not_before=T1, expires_at=T1 + 60)
        self.assertEqual(self.check(raw), session.OK)
        self.assertDenied(self.lock.judge_token(raw), reasons.NOT_YET_VALID)
        message = present(raw, self.lock.greeting, key=bytes(32))
        self.assertDenied(self.lock.judge(message), reasons.BAD_MAC)

    def test_what_is_not_a_token_for_this_lock_is_refused_with_its_reason(self):
        signed, _ = tokens.parse(issue())
        forged = cose.encode(signed.kid, signed.payload, bytes(64))
        for raw, reason in (
            (b"", reasons.MALFORMED),
            (b"junk", reasons.MALFORMED),
            (None, reasons.MALFORMED),
            (7, reasons.MALFORMED),
            (bytes(300), reasons.MALFORMED),
            (issue(audience=OTHER_LOCK), reasons.WRONG_LOCK),
            (issue(audience=GROUP), reasons.WRONG_LOCK),
            (issue(STRANGER_KEY), reasons.UNKNOWN_ISSUER),
            (forged, reasons.BAD_SIGNATURE),
        ):
            self.assertEqual(self.check(raw), reason)
        self.assertEqual(len(self.calls), 1)

    def test_many_ahead_do_not_push_out_those_in_use(self):
        usual = issue()
        self.lock.judge_token(usual)
        for number in range(3 * verify.MAX_AHEAD):
            self.check(issue(cti=b"ahead--" + bytes([number])))
        self.calls.clear()
        self.lock.judge_token(usual)
        self.assertEqual(self.calls, [])

    def test_many_in_use_do_not_push_out_those_ahead(self):
        ahead = issue(cti=b"ahead of")
        self.check(ahead)
        for number in range(2 * verify.MAX_REMEMBERED):
            self.lock.judge_token(issue(cti=b"passing" + bytes([number])))
        self.assertTrue(self.lock.trust.remembered.holds(sha256(ahead)))

    def test_of_those_ahead_the_oldest_goes(self):
        first = issue(cti=b"\x00" * 8)
        self.check(first)
        for number in range(verify.MAX_AHEAD):
            self.check(issue(cti=b"ahead--" + bytes([number])))
        self.assertFalse(self.lock.trust.remembered.holds(sha256(first)))


class TestOrder(VerdictCase):
    """Each presentation is wrong in two ways; the check that comes first gives the reason."""

    def assertFirst(self, verdict, reason):
        self.assertDenied(verdict, reason)

    def test_audience_before_issuer(self):
        verdict = self.lock.judge_token(issue(STRANGER_KEY, audience=OTHER_LOCK))
        self.assertFirst(verdict, reasons.WRONG_LOCK)

    def test_issuer_before_mac(self):
        raw = issue(STRANGER_KEY)
        verdict = self.lock.judge(present(raw, self.lock.greeting, key=bytes(32)))
        self.assertFirst(verdict, reasons.UNKNOWN_ISSUER)

    def test_mac_before_signature_and_everything_the_token_says(self):
        signed, _ = tokens.parse(issue(not_before=1, expires_at=2))
        forged = cose.encode(signed.kid, signed.payload, bytes(64))
        verdict = self.lock.judge(present(forged, self.lock.greeting, key=bytes(32)))
        self.assertFirst(verdict, reasons.BAD_MAC)
        self.assertEqual(self.calls, [])

    def test_signature_before_role(self):
        signed, _ = tokens.parse(issue(STATUS_KEY))
        forged = cose.encode(signed.kid, signed.payload, bytes(64))
        self.assertFirst(self.lock.judge_token(forged), reasons.BAD_SIGNATURE)

    def test_role_before_time(self):
        raw = issue(STATUS_KEY, not_before=1, expires_at=2)
        self.assertFirst(self.lock.judge_token(raw), reasons.NOT_ALLOWED_TO_ISSUE)

    def test_time_before_scope(self):
        verdict = self.lock.judge_token(issue(), T1, session.COMMAND_LOCK)
        self.assertFirst(verdict, reasons.EXPIRED)

    def test_scope_before_single_use(self):
        self.lock.trust.spent = {make_token().cti}
        verdict = self.lock.judge_token(issue(once=True), NOON, session.COMMAND_EVACUATE)
        self.assertFirst(verdict, reasons.SCOPE)

    def test_single_use_before_the_status_list(self):
        lock = Lock(make_status([(make_token().cti, T1)]), spent={make_token().cti})
        self.assertFirst(lock.judge_token(issue(once=True)), reasons.SPENT)
