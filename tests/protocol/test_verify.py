"""The verdict on a presentation, as attacks: what opens, what does not, and at what cost."""

from protocol import cbor, cose, keys, reasons, session, statuslist, verify
from protocol import token as tokens
from protocol.crypto import sha256
from protocol.keyset import ROLE_STATUS
from protocol.verify import Denied
from tests.protocol.cases import VerdictCase
from tests.protocol.support import (
    ACK_KEY,
    AHEAD_S,
    BOOKING_KEY,
    CONFIG_KEY,
    EPOCH,
    HELLO,
    LOCK,
    NOON,
    OTHER_LOCK,
    ROOT_KEY,
    STAFF_KEY,
    STATUS_KEY,
    STRANGER_KEY,
    T0,
    T1,
    TIME_KEY,
    WEEK_S,
    Lcg,
    issue,
    key_for,
    make_greeting,
    make_status,
    make_token,
    present,
    sign,
    toy_signature,
    with_bit_flipped,
)


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
        message = present(issue(), self.lock.greeting)
        self.assertAllowed(self.lock.judge(message))
        self.calls.clear()
        fresh = make_greeting(nonce=b"M" * 16)
        verdict = self.lock.judge(message, greeting=fresh)
        self.assertDeniedUnverified(verdict, reasons.BAD_MAC)

    def test_a_sniffed_token_opens_nothing(self):
        raw = issue()
        for key in (bytes(32), raw[:32], key_for(raw, OTHER_LOCK), key_for(issue(cti=b"anothert"))):
            message = present(raw, self.lock.greeting, key=key)
            self.assertDeniedUnverified(self.lock.judge(message), reasons.BAD_MAC)

    def test_every_bit_flip_of_a_presentation_is_refused_without_a_signature_check(self):
        message = present(issue(), self.lock.greeting)
        for bit in range(8 * len(message)):
            verdict = self.lock.judge(with_bit_flipped(message, bit))
            self.assertIsInstance(verdict, Denied)
            self.assertFalse(reasons.needs_mac(verdict.reason))
            self.assertIsNone(verdict.key)
        self.assertEqual(self.calls, [])

    def test_every_bit_flip_of_the_challenge_is_refused_without_a_signature_check(self):
        message = present(issue(), self.lock.greeting)
        for bit in range(8 * len(self.lock.challenge)):
            other = (HELLO, with_bit_flipped(self.lock.challenge, bit))
            verdict = self.lock.judge(message, greeting=other)
            self.assertDenied(verdict, reasons.BAD_MAC)
        self.assertEqual(self.calls, [])

    def test_another_version_in_hello_is_refused_as_a_downgrade(self):
        message = present(issue(), self.lock.greeting)
        for version in (0, 2, 255):
            heard = (session.encode_hello(version), self.lock.challenge)
            self.assertDenied(self.lock.judge(message, greeting=heard), reasons.BAD_MAC)
        for bit in range(8 * len(HELLO)):
            heard = (with_bit_flipped(HELLO, bit), self.lock.challenge)
            self.assertDenied(self.lock.judge(message, greeting=heard), reasons.BAD_MAC)
        self.assertEqual(self.calls, [])

    def test_interleaved_sessions_do_not_lend_each_other_their_presentations(self):
        first, second = make_greeting(nonce=b"1" * 16), make_greeting(nonce=b"2" * 16)
        for said, heard in ((first, second), (second, first)):
            verdict = self.lock.judge(present(issue(), said), greeting=heard)
            self.assertDeniedUnverified(verdict, reasons.BAD_MAC)

    def test_a_message_of_the_locks_role_is_refused_from_a_holder(self):
        raw = issue()
        for kind in (session.CHALLENGE, session.OUTCOME, session.REPLY, session.REFUSAL):
            presentation = session.encode_presentation(bytes(16), raw, session.COMMAND_UNLOCK)
            other = bytes([kind]) + presentation[1:]
            mac = session.presentation_mac(key_for(raw), self.lock.greeting, other)
            self.assertDeniedUnverified(self.lock.judge(other + mac), reasons.MALFORMED)

    def test_every_truncation_is_refused_without_a_signature_check(self):
        message = present(issue(), self.lock.greeting)
        for end in range(len(message)):
            verdict = self.lock.judge(message[:end])
            self.assertIsInstance(verdict, Denied)
            self.assertFalse(reasons.needs_mac(verdict.reason))
        self.assertEqual(self.calls, [])

    def test_the_locks_own_mac_reflected_is_refused(self):
        raw = issue()
        message = present(raw, self.lock.greeting)
        presentation, mac_h = session.split_mac(message)
        outcome = session.encode_outcome(session.Outcome(0, {}, 0, bytes(32)))
        mac_l = session.outcome_mac(key_for(raw), self.lock.greeting, presentation, mac_h, outcome)
        for reflected in (presentation + mac_l, outcome + mac_l):
            verdict = self.lock.judge(reflected)
            self.assertIsInstance(verdict, Denied)
            self.assertFalse(reasons.needs_mac(verdict.reason))
        self.assertEqual(self.calls, [])

    def test_a_request_is_not_a_presentation_even_under_the_right_key(self):
        raw = issue()
        presentation = session.encode_presentation(bytes(16), raw, session.COMMAND_UNLOCK)
        other = bytes([session.REQUEST]) + presentation[1:]
        mac = session.presentation_mac(key_for(raw), self.lock.greeting, other)
        self.assertDeniedUnverified(self.lock.judge(other + mac), reasons.MALFORMED)

    def test_an_empty_or_cut_mac_is_refused(self):
        message = present(issue(), self.lock.greeting)
        for length in (1, 8, 15, 16):
            verdict = self.lock.judge(message[:-length])
            self.assertIsInstance(verdict, Denied)
        self.assertEqual(self.calls, [])

    def test_an_oversize_message_is_refused_unread(self):
        message = bytes(session.MAX_PRESENTATION_BYTES + 1)
        self.assertDeniedUnverified(self.lock.judge(message), reasons.TOO_LARGE)
        self.assertDeniedUnverified(self.lock.judge(message[1:]), reasons.MALFORMED)

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
            message = present(noise.bytes(noise.below(200)), self.lock.greeting)
            self.assertDenied(self.lock.judge(message), reasons.MALFORMED)
        self.assertEqual(self.calls, [])


class TestAudience(VerdictCase):
    def test_a_token_for_another_lock_is_refused(self):
        raw = issue(audience=OTHER_LOCK)
        message = present(raw, self.lock.greeting, key=key_for(raw, OTHER_LOCK))
        self.assertDeniedUnverified(self.lock.judge(message), reasons.WRONG_LOCK)

    def test_a_token_of_an_epoch_that_the_lock_does_not_hold_is_refused(self):
        for epoch in (EPOCH - 1, EPOCH + 1, 255):
            raw = issue(epoch=epoch)
            message = present(raw, self.lock.greeting, key=key_for(raw, LOCK, epoch))
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
            self.assertFalse(self.lock.trust.remembered.holds(sha256(with_bit_flipped(raw, bit))))

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
        payload = statuslist.encode(statuslist.build(LOCK, 1, NOON, [])[0])
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

    def test_a_token_issued_further_ahead_than_its_issuer_may_is_refused(self):
        for late, expected in ((0, True), (1, False)):
            raw = issue(issued_at=T0 - AHEAD_S - late)
            verdict = self.lock.judge_token(raw)
            if expected:
                self.assertAllowed(verdict)
            else:
                self.assertDenied(verdict, reasons.NOT_ALLOWED_TO_ISSUE)

    def test_no_key_of_another_role_issues_tokens(self):
        for public_key in (STATUS_KEY, TIME_KEY, CONFIG_KEY, ACK_KEY):
            verdict = self.lock.judge_token(issue(public_key))
            self.assertDenied(verdict, reasons.NOT_ALLOWED_TO_ISSUE)

    def test_a_role_of_the_future_issues_no_tokens(self):
        self.lock.trust.keyset.keys[keys.key_id(BOOKING_KEY)].role = 200
        verdict = self.lock.judge_token(issue())
        self.assertDenied(verdict, reasons.NOT_ALLOWED_TO_ISSUE)

    def test_a_root_issues_no_tokens(self):
        verdict = self.lock.judge_token(issue(ROOT_KEY))
        self.assertDeniedUnverified(verdict, reasons.UNKNOWN_ISSUER)


class TestScope(VerdictCase):
    NEEDED = (
        (session.COMMAND_UNLOCK, tokens.UNLOCK),
        (session.COMMAND_UNLOCK_REMOTE, tokens.UNLOCK_REMOTE),
        (session.COMMAND_LOCK, tokens.LOCK),
        (session.COMMAND_SYNC, tokens.MAINTAIN),
        (session.COMMAND_HOLD_OPEN, tokens.HOLD_OPEN),
        (session.COMMAND_EVACUATE, tokens.EVACUATE),
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
        for command in (0, 7, 255, (1 << 64) - 1):
            self.assertDenied(self.lock.judge_token(raw, NOON, command), reasons.SCOPE)

    def test_a_command_of_another_kind_is_malformed(self):
        raw = issue()
        for command in (True, None, -1, "1", [1]):
            presentation = bytes([session.PRESENTATION]) + cbor.encode([bytes(16), raw, command])
            mac = session.presentation_mac(key_for(raw), self.lock.greeting, presentation)
            self.assertDeniedUnverified(self.lock.judge(presentation + mac), reasons.MALFORMED)


class TestRelay(VerdictCase):
    def judge(self, permissions, command=session.COMMAND_UNLOCK):
        raw = issue(STAFF_KEY, permissions=permissions)
        return self.lock.judge_token(raw, NOON, command, relayed=True)

    def test_an_unlock_that_a_gateway_passes_on_needs_the_remote_permission(self):
        self.assertDenied(self.judge(tokens.UNLOCK), reasons.SCOPE)
        self.assertAllowed(self.judge(tokens.UNLOCK_REMOTE))
        self.assertAllowed(self.judge(tokens.UNLOCK | tokens.UNLOCK_REMOTE))

    def test_everything_but_unlock_still_needs_its_own_permission(self):
        remote = tokens.UNLOCK | tokens.UNLOCK_REMOTE
        for command, permission in (
            (session.COMMAND_LOCK, tokens.LOCK),
            (session.COMMAND_SYNC, tokens.MAINTAIN),
            (session.COMMAND_HOLD_OPEN, tokens.HOLD_OPEN),
            (session.COMMAND_EVACUATE, tokens.EVACUATE),
        ):
            self.assertDenied(self.judge(remote, command), reasons.SCOPE)
            self.assertAllowed(self.judge(permission, command))

    def test_the_permission_for_remote_opening_alone_does_not_open_at_the_door(self):
        raw = issue(STAFF_KEY, permissions=tokens.UNLOCK_REMOTE)
        self.assertDenied(self.lock.judge_token(raw), reasons.SCOPE)


class TestDocuments(VerdictCase):
    def _holds(self, raw, role=ROLE_STATUS, context=statuslist.CONTEXT):
        signed, trust = cose.decode(raw), self.lock.trust
        return verify.verify_document(trust.keyset, self.lock.crypto, signed, role, context)

    def setUp(self):
        super().setUp()
        self.payload = statuslist.encode(statuslist.build(LOCK, 1, NOON, [])[0])

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


class TestUnreadableList(VerdictCase):
    def test_a_list_that_cannot_be_read_lets_nobody_pass(self):
        header = make_status([(b"x" * 8, NOON)]).header

        def fails(offset, size):
            raise OSError(5)

        self.lock.trust.status = statuslist.StatusList(header, fails)
        self.assertDenied(self.lock.judge_token(issue()), reasons.STORAGE)
