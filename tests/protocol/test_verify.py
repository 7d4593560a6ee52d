"""The verdict on a presentation, as attacks: what opens, what does not, and at what cost."""

import unittest

from protocol import cbor, cose, keys, reasons, session, statuslist, verify
from protocol import token as tokens
from protocol.timebound import TimeBound
from protocol.verify import Allowed, Denied
from tests.protocol.support import (
    BOOKING_KEY,
    EPOCH,
    LOCK,
    NOON,
    OTHER_LOCK,
    STAFF_KEY,
    STATUS_KEY,
    STRANGER_KEY,
    T0,
    T1,
    WEEK_S,
    Lcg,
    Lock,
    issue,
    key_for,
    make_challenge,
    make_token,
    present,
    sign,
    toy_signature,
    with_bit_flipped,
)


class VerdictCase(unittest.TestCase):
    def setUp(self):
        self.lock = Lock()
        self.calls = self.lock.verifier.calls

    def assertAllowed(self, verdict):
        reason = getattr(verdict, "reason", None)
        self.assertIsInstance(verdict, Allowed, "denied for {}".format(reason))

    def assertDenied(self, verdict, reason):
        self.assertIsInstance(verdict, Denied)
        self.assertEqual(reasons.name(verdict.reason), reasons.name(reason))
        self.assertEqual(verdict.key is not None, reasons.needs_mac(reason))

    def assertDeniedUnverified(self, verdict, reason):
        """Denied, and no signature was verified for it."""
        self.assertDenied(verdict, reason)
        self.assertEqual(self.calls, [])


class TestOpening(VerdictCase):
    def test_a_good_presentation_is_allowed(self):
        raw = issue()
        verdict = self.lock.judge_token(raw)
        self.assertAllowed(verdict)
        self.assertEqual(verdict.command, session.COMMAND_UNLOCK)
        self.assertEqual(verdict.token.cti, make_token().cti)
        self.assertEqual(verdict.key, key_for(raw))

    def test_the_signature_is_verified_once_over_the_sig_structure(self):
        payload = tokens.encode_claims(make_token())
        self.lock.judge_token(issue())
        ((public_key, message, signature),) = self.calls
        self.assertEqual(public_key, BOOKING_KEY)
        self.assertEqual(message, cose.to_sign(keys.key_id(BOOKING_KEY), payload))
        self.assertEqual(signature, toy_signature(BOOKING_KEY, message))


class TestPossession(VerdictCase):
    def test_replay_of_a_presentation_in_another_session_is_refused(self):
        message = present(issue(), self.lock.challenge)
        self.assertAllowed(self.lock.judge(message))
        self.calls.clear()
        fresh = make_challenge(nonce=b"M" * 16)
        verdict = self.lock.judge(message, challenge=fresh)
        self.assertDeniedUnverified(verdict, reasons.BAD_MAC)

    def test_a_sniffed_token_opens_nothing(self):
        raw = issue()
        for key in (bytes(32), raw[:32], key_for(raw, OTHER_LOCK), key_for(issue(cti=b"anothert"))):
            message = present(raw, self.lock.challenge, key=key)
            self.assertDeniedUnverified(self.lock.judge(message), reasons.BAD_MAC)

    def test_every_bit_flip_of_a_presentation_is_refused_without_a_signature_check(self):
        message = present(issue(), self.lock.challenge)
        for bit in range(8 * len(message)):
            verdict = self.lock.judge(with_bit_flipped(message, bit))
            self.assertIsInstance(verdict, Denied)
            self.assertFalse(reasons.needs_mac(verdict.reason))
            self.assertIsNone(verdict.key)
        self.assertEqual(self.calls, [])

    def test_every_bit_flip_of_the_challenge_is_refused_without_a_signature_check(self):
        message = present(issue(), self.lock.challenge)
        for bit in range(8 * len(self.lock.challenge)):
            other = with_bit_flipped(self.lock.challenge, bit)
            verdict = self.lock.judge(message, challenge=other)
            self.assertDenied(verdict, reasons.BAD_MAC)
        self.assertEqual(self.calls, [])

    def test_every_truncation_is_refused_without_a_signature_check(self):
        message = present(issue(), self.lock.challenge)
        for end in range(len(message)):
            verdict = self.lock.judge(message[:end])
            self.assertIsInstance(verdict, Denied)
            self.assertFalse(reasons.needs_mac(verdict.reason))
        self.assertEqual(self.calls, [])

    def test_the_locks_own_mac_reflected_is_refused(self):
        raw = issue()
        message = present(raw, self.lock.challenge)
        presentation, mac_h = session.split_mac(message)
        outcome = session.encode_outcome(session.Outcome(0, {}, 0, bytes(32)))
        mac_l = session.outcome_mac(key_for(raw), self.lock.challenge, presentation, mac_h, outcome)
        for reflected in (presentation + mac_l, outcome + mac_l):
            verdict = self.lock.judge(reflected)
            self.assertIsInstance(verdict, Denied)
            self.assertFalse(reasons.needs_mac(verdict.reason))
        self.assertEqual(self.calls, [])

    def test_a_request_is_not_a_presentation_even_under_the_right_key(self):
        raw = issue()
        presentation = session.encode_presentation(bytes(16), raw, session.COMMAND_UNLOCK)
        other = bytes([session.REQUEST]) + presentation[1:]
        mac = session.presentation_mac(key_for(raw), self.lock.challenge, other)
        self.assertDeniedUnverified(self.lock.judge(other + mac), reasons.MALFORMED)

    def test_an_empty_or_cut_mac_is_refused(self):
        message = present(issue(), self.lock.challenge)
        for length in (1, 8, 15, 16):
            verdict = self.lock.judge(message[:-length])
            self.assertIsInstance(verdict, Denied)
        self.assertEqual(self.calls, [])

    def test_an_oversize_message_is_refused_unread(self):
        message = bytes(session.MAX_PRESENTATION_BYTES + 1)
        self.assertDeniedUnverified(self.lock.judge(message), reasons.TOO_LARGE)

    def test_random_bytes_are_refused_without_a_signature_check(self):
        noise = Lcg(11)
        for _ in range(1500):
            body = noise.bytes(noise.below(session.MAX_PRESENTATION_BYTES + 10))
            for message in (body, bytes([session.PRESENTATION]) + body):
                self.assertIsInstance(self.lock.judge(message), Denied)
        self.assertEqual(self.calls, [])

    def test_random_tokens_in_a_good_form_are_refused_without_a_signature_check(self):
        noise = Lcg(12)
        for _ in range(300):
            message = present(noise.bytes(noise.below(200)), self.lock.challenge)
            self.assertDenied(self.lock.judge(message), reasons.MALFORMED)
        self.assertEqual(self.calls, [])


class TestAudience(VerdictCase):
    def test_a_token_for_another_lock_is_refused(self):
        raw = issue(audience=OTHER_LOCK)
        message = present(raw, self.lock.challenge, key=key_for(raw, OTHER_LOCK))
        self.assertDeniedUnverified(self.lock.judge(message), reasons.WRONG_LOCK)

    def test_a_token_of_an_epoch_that_the_lock_does_not_hold_is_refused(self):
        for epoch in (EPOCH - 1, EPOCH + 1, 255):
            raw = issue(epoch=epoch)
            message = present(raw, self.lock.challenge, key=key_for(raw, LOCK, epoch))
            self.assertDeniedUnverified(self.lock.judge(message), reasons.UNKNOWN_ISSUER)

    def test_a_token_of_an_unknown_key_is_refused(self):
        verdict = self.lock.judge_token(issue(STRANGER_KEY))
        self.assertDeniedUnverified(verdict, reasons.UNKNOWN_ISSUER)


class TestIssuer(VerdictCase):
    def test_a_tampered_token_is_refused_even_with_its_proof_key(self):
        signed, _ = tokens.parse(issue())
        longer = tokens.encode_claims(make_token(expires_at=T1 + 3600))
        forged = cose.encode(signed.kid, longer, signed.signature)
        self.assertDenied(self.lock.judge_token(forged), reasons.BAD_SIGNATURE)
        self.assertEqual(len(self.calls), 1)

    def test_every_bit_flip_of_the_signature_is_refused(self):
        raw = issue()
        for bit in range(8 * (len(raw) - 64), 8 * len(raw), 7):
            verdict = self.lock.judge_token(with_bit_flipped(raw, bit))
            self.assertDenied(verdict, reasons.BAD_SIGNATURE)
        self.assertEqual(self.lock.trust.remembered, {})

    def test_a_signature_of_another_trusted_key_is_refused(self):
        kid, payload = keys.key_id(BOOKING_KEY), tokens.encode_claims(make_token())
        forged = cose.encode(kid, payload, toy_signature(STAFF_KEY, cose.to_sign(kid, payload)))
        self.assertDenied(self.lock.judge_token(forged), reasons.BAD_SIGNATURE)

    def test_the_status_key_cannot_issue_tokens(self):
        for _ in range(2):  # remembered or not
            verdict = self.lock.judge_token(issue(STATUS_KEY))
            self.assertDenied(verdict, reasons.NOT_ALLOWED_TO_ISSUE)

    def test_a_token_signed_in_the_context_of_a_document_is_refused(self):
        payload = tokens.encode_claims(make_token())
        raw = sign(payload, BOOKING_KEY, statuslist.CONTEXT)
        self.assertDenied(self.lock.judge_token(raw), reasons.BAD_SIGNATURE)

    def test_a_status_document_presented_as_token_is_refused(self):
        payload = statuslist.encode(statuslist.empty(LOCK))
        for context in (b"", statuslist.CONTEXT):
            verdict = self.lock.judge_token(sign(payload, STATUS_KEY, context))
            self.assertDeniedUnverified(verdict, reasons.MALFORMED)

    def test_permissions_beyond_the_issuers_are_refused(self):
        for extra in (tokens.LOCK, tokens.HOLD_OPEN, tokens.MAINTAIN, tokens.EVACUATE):
            raw = issue(permissions=tokens.UNLOCK | extra)
            self.assertDenied(self.lock.judge_token(raw), reasons.NOT_ALLOWED_TO_ISSUE)

    def test_a_window_longer_than_the_issuers_lifetime_is_refused(self):
        most = 2 * 86400
        self.assertAllowed(self.lock.judge_token(issue(expires_at=T0 + most)))
        raw = issue(expires_at=T0 + most + 1)
        self.assertDenied(self.lock.judge_token(raw), reasons.NOT_ALLOWED_TO_ISSUE)
        self.assertAllowed(self.lock.judge_token(issue(STAFF_KEY, expires_at=T0 + WEEK_S)))


class TestTime(VerdictCase):
    def judge_at(self, lo, hi):
        return self.lock.judge(present(issue(), self.lock.challenge), TimeBound(lo, hi))

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
        message = present(issue(), self.lock.challenge)
        verdict = verify.verify(
            self.lock.trust, self.lock.crypto, None, self.lock.challenge, message
        )
        self.assertDenied(verdict, reasons.TIME_UNKNOWN)

    def test_the_tokens_own_iat_never_serves_as_clock(self):
        raw = issue(issued_at=T1 + 5)
        self.assertDenied(self.lock.judge_token(raw, T0 - 1), reasons.NOT_YET_VALID)
        self.assertAllowed(self.lock.judge_token(raw, NOON))


class TestScope(VerdictCase):
    NEEDED = (
        (session.COMMAND_UNLOCK, tokens.UNLOCK),
        (session.COMMAND_UNLOCK_REMOTE, tokens.UNLOCK_REMOTE),
        (session.COMMAND_LOCK, tokens.LOCK),
        (session.COMMAND_SYNC, tokens.MAINTAIN),
    )

    def test_each_command_needs_exactly_its_permission(self):
        for command, needed in self.NEEDED:
            for bit in range(7):
                raw = issue(STAFF_KEY, permissions=1 << bit)
                with self.subTest((command, bit)):
                    verdict = self.lock.judge_token(raw, NOON, command)
                    if 1 << bit == needed:
                        self.assertAllowed(verdict)
                    else:
                        self.assertDenied(verdict, reasons.SCOPE)

    def test_an_unknown_command_is_refused_whatever_the_token_grants(self):
        raw = issue(STAFF_KEY, permissions=tokens.ALL_PERMISSIONS)
        for command in (0, 5, 255, (1 << 64) - 1):
            self.assertDenied(self.lock.judge_token(raw, NOON, command), reasons.SCOPE)

    def test_a_command_of_another_kind_is_malformed(self):
        raw = issue()
        for command in (True, None, -1, "1", [1]):
            presentation = bytes([session.PRESENTATION]) + cbor.encode([bytes(16), raw, command])
            mac = session.presentation_mac(key_for(raw), self.lock.challenge, presentation)
            self.assertDeniedUnverified(self.lock.judge(presentation + mac), reasons.MALFORMED)


class TestRevocation(unittest.TestCase):
    def _reason(self, raw, **status):
        built = statuslist.build(LOCK, 1, NOON, status.get("min_iat", 0), status.get("revoked", ()))
        return getattr(Lock(built).judge_token(raw), "reason", session.OK)

    def test_a_listed_token_is_refused(self):
        cti = make_token().cti
        self.assertEqual(self._reason(issue(), revoked=[(cti, T1)]), reasons.REVOKED)
        self.assertEqual(self._reason(issue(), revoked=[(b"someone!", T1)]), session.OK)

    def test_min_iat_revokes_everything_issued_before_it(self):
        issued_at = make_token().issued_at
        self.assertEqual(self._reason(issue(), min_iat=issued_at), session.OK)
        self.assertEqual(self._reason(issue(), min_iat=issued_at + 1), reasons.REVOKED)


class TestRemembered(VerdictCase):
    def test_a_second_opening_verifies_no_signature(self):
        raw = issue()
        self.assertAllowed(self.lock.judge_token(raw))
        self.assertAllowed(self.lock.judge_token(raw))
        self.assertEqual(len(self.calls), 1)

    def test_a_remembered_token_still_needs_possession(self):
        raw = issue()
        self.lock.judge_token(raw)
        message = present(raw, self.lock.challenge, key=bytes(32))
        self.assertDenied(self.lock.judge(message), reasons.BAD_MAC)

    def test_a_remembered_token_still_expires(self):
        raw = issue()
        self.lock.judge_token(raw)
        self.assertDenied(self.lock.judge_token(raw, T1), reasons.EXPIRED)

    def test_a_remembered_token_can_still_be_revoked(self):
        raw = issue()
        self.lock.judge_token(raw)
        self.lock.trust.status = statuslist.build(LOCK, 1, NOON, 0, [(make_token().cti, T1)])
        self.assertDenied(self.lock.judge_token(raw), reasons.REVOKED)

    def test_a_remembered_token_still_needs_its_scope(self):
        raw = issue()
        self.lock.judge_token(raw)
        verdict = self.lock.judge_token(raw, NOON, session.COMMAND_UNLOCK_REMOTE)
        self.assertDenied(verdict, reasons.SCOPE)

    def test_a_remembered_token_falls_with_its_issuer_or_epoch(self):
        raw = issue()
        self.lock.judge_token(raw)
        issuer = self.lock.trust.keyset.pop(keys.key_id(BOOKING_KEY))
        self.assertDenied(self.lock.judge_token(raw), reasons.UNKNOWN_ISSUER)
        self.lock.trust.keyset[keys.key_id(BOOKING_KEY)] = issuer
        self.lock.trust.kdks.pop(EPOCH)
        self.assertDenied(self.lock.judge_token(raw), reasons.UNKNOWN_ISSUER)

    def test_a_remembered_token_falls_when_the_issuers_role_changes(self):
        raw = issue()
        self.lock.judge_token(raw)
        self.lock.trust.keyset[keys.key_id(BOOKING_KEY)].role = verify.ROLE_STATUS
        self.assertDenied(self.lock.judge_token(raw), reasons.NOT_ALLOWED_TO_ISSUE)

    def test_memory_is_bounded_and_forgets_the_oldest(self):
        first = issue(cti=b"\x00" * 8)
        self.lock.judge_token(first)
        for number in range(verify.MAX_REMEMBERED):
            self.lock.judge_token(issue(cti=b"later" + number.to_bytes(3, "big")))
        self.assertEqual(len(self.lock.trust.remembered), verify.MAX_REMEMBERED)
        before = len(self.calls)
        self.assertAllowed(self.lock.judge_token(first))
        self.assertEqual(len(self.calls), before + 1)


class TestDocuments(VerdictCase):
    def _holds(self, raw, role=verify.ROLE_STATUS, context=statuslist.CONTEXT):
        signed = cose.decode(raw)
        return verify.verify_document(self.lock.trust, self.lock.crypto, signed, role, context)

    def setUp(self):
        super().setUp()
        self.payload = statuslist.encode(statuslist.empty(LOCK))

    def test_a_status_list_under_the_status_key_holds(self):
        self.assertTrue(self._holds(sign(self.payload, STATUS_KEY, statuslist.CONTEXT)))

    def test_a_status_list_under_an_issuers_key_does_not(self):
        for public_key in (BOOKING_KEY, STAFF_KEY, STRANGER_KEY):
            self.assertFalse(self._holds(sign(self.payload, public_key, statuslist.CONTEXT)))
        self.assertEqual(self.calls, [])

    def test_a_status_list_without_its_context_does_not_hold(self):
        self.assertFalse(self._holds(sign(self.payload, STATUS_KEY)))

    def test_a_token_presented_as_status_list_is_refused(self):
        with self.assertRaises(ValueError):
            statuslist.parse(issue(STATUS_KEY))

    def test_a_bit_flip_in_the_document_does_not_hold(self):
        raw = sign(self.payload, STATUS_KEY, statuslist.CONTEXT)
        for bit in range(8 * len(raw)):
            self.calls.clear()  # or the record of calls fills a small heap
            try:
                self.assertFalse(self._holds(with_bit_flipped(raw, bit)))
            except cose.CoseError:
                pass
