"""The town's word on the time: one form, two contexts, and who may not give it."""

import unittest

from protocol import cbor, session, signedtime, verify
from protocol.crypto import MAC_BYTES
from protocol.keyset import ROLE_TIME
from protocol.signedtime import RESET_CONTEXT, TIME_CONTEXT, SignedTime, SignedTimeError
from protocol.timebound import FOREVER
from tests.protocol.support import (
    BOOKING_KEY,
    LOCK,
    NOON,
    OTHER_ROOT_KEY,
    ROOT_KEY,
    TIME_KEY,
    Lcg,
    Lock,
    issue,
    sign,
    with_bit_flipped,
)

NONCE = b"N" * 16
GOOD = [LOCK, NONCE, NOON, 2]


class TestForm(unittest.TestCase):
    def test_an_answer_comes_back(self):
        payload = signedtime.encode(SignedTime(*GOOD))
        _, seen = signedtime.parse(sign(payload, TIME_KEY, TIME_CONTEXT))
        self.assertEqual([seen.lock_id, seen.nonce, seen.t, seen.error_s], GOOD)

    def test_bringing_an_answer_fits_one_write_at_mtu_185(self):
        document = sign(signedtime.encode(SignedTime(*GOOD)), TIME_KEY, TIME_CONTEXT)
        self.assertEqual(len(document), 114)
        request = session.encode_request(1, session.REQUEST_TIME, document)
        self.assertLessEqual(1 + len(request) + MAC_BYTES, 185 - 3)

    def test_odd_members_are_refused(self):
        signedtime.decode(cbor.encode(GOOD))
        for index, values in (
            (0, ("kita", b"kitaguch", None, "+gymnasia")),
            (1, (bytes(15), bytes(17), None, "N" * 16)),
            (2, (-1, 0, 1, True, None, "1", FOREVER, FOREVER - 2, (1 << 64) - 1)),
            (3, (-1, True, None, 3601, NOON + 1)),
        ):
            for value in values:
                with self.subTest((index, value)):
                    members = list(GOOD)
                    members[index] = value
                    self.assertRaises(SignedTimeError, signedtime.decode, cbor.encode(members))

    def test_the_bounds_themselves_are_good(self):
        for t, error_s in ((2, 2), (0, 0), (NOON, 3600), (FOREVER - 3, 2)):
            signedtime.decode(cbor.encode([LOCK, NONCE, t, error_s]))

    def test_the_town_cannot_write_an_answer_that_no_lock_would_read(self):
        for changes in ((LOCK, NONCE, NOON, 3601), (LOCK, b"", NOON, 1), ("x", NONCE, NOON, 1)):
            self.assertRaises(SignedTimeError, signedtime.encode, SignedTime(*changes))

    def test_random_bytes_are_refused(self):
        noise = Lcg(71)
        for _ in range(1000):
            data = noise.bytes(noise.below(60))
            self.assertRaises(SignedTimeError, signedtime.decode, data)
            self.assertRaises(ValueError, signedtime.parse, data)


class TestWhoSays(unittest.TestCase):
    def setUp(self):
        self.lock = Lock()
        self.payload = signedtime.encode(SignedTime(*GOOD))

    def is_time(self, document):
        signed, _ = signedtime.parse(document)
        held, crypto = self.lock.trust.keyset, self.lock.crypto
        return verify.verify_document(held, crypto, signed, ROLE_TIME, TIME_CONTEXT)

    def is_reset(self, document):
        signed, _ = signedtime.parse(document)
        held, crypto = self.lock.trust.keyset, self.lock.crypto
        return verify.verify_root(held, crypto, signed, RESET_CONTEXT)

    def test_the_time_key_answers(self):
        self.assertTrue(self.is_time(sign(self.payload, TIME_KEY, TIME_CONTEXT)))

    def test_an_issuer_or_a_root_does_not_answer(self):
        for public_key in (BOOKING_KEY, ROOT_KEY):
            self.assertFalse(self.is_time(sign(self.payload, public_key, TIME_CONTEXT)))
        self.assertEqual(self.lock.verifier.calls, [])

    def test_only_a_root_resets(self):
        for root in (ROOT_KEY, OTHER_ROOT_KEY):
            self.assertTrue(self.is_reset(sign(self.payload, root, RESET_CONTEXT)))
        self.assertFalse(self.is_reset(sign(self.payload, TIME_KEY, RESET_CONTEXT)))

    def test_an_answer_cannot_be_passed_off_as_a_reset_nor_a_reset_as_an_answer(self):
        self.assertFalse(self.is_reset(sign(self.payload, ROOT_KEY, TIME_CONTEXT)))
        self.assertFalse(self.is_time(sign(self.payload, TIME_KEY, RESET_CONTEXT)))

    def test_a_token_is_no_answer(self):
        self.assertRaises(SignedTimeError, signedtime.parse, issue(TIME_KEY))

    def test_every_bit_flip_of_an_answer_is_not_believed(self):
        document = sign(self.payload, TIME_KEY, TIME_CONTEXT)
        for bit in range(8 * len(document)):
            self.lock.verifier.calls.clear()
            try:
                self.assertFalse(self.is_time(with_bit_flipped(document, bit)))
            except ValueError:
                pass
