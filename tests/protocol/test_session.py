"""Messages of a session: their forms, and what exactly each MAC covers."""

import unittest

from protocol import cbor, reasons, session
from protocol.crypto import hmac_sha256, sha256
from protocol.session import Challenge, Outcome, SessionError
from protocol.timebound import TimeBound, unknown
from tests.protocol.support import LOCK, Lcg

KEY = b"K" * 32
GREETING = (b"hello", b"challenge")
GOOD_CHALLENGE = [1, LOCK, b"N" * 16, [5, 9], 1, 2, 3, [4], 100]
DECODERS = (
    session.decode_hello,
    session.decode_challenge,
    session.decode_presentation,
    session.decode_outcome,
    session.decode_request,
    session.decode_reply,
    session.decode_refusal,
)


class TestForms(unittest.TestCase):
    def test_hello(self):
        kind, body = session.split(session.encode_hello())
        self.assertEqual(kind, session.HELLO)
        self.assertEqual(session.decode_hello(body), session.WIRE_VERSION)

    def test_a_greeting_that_would_fill_the_heap_is_refused_unread(self):
        bomb = cbor.encode([[[]] * 4000])
        self.assertRaises(SessionError, session.decode_hello, bomb)

    def test_the_wire_version_is_1(self):
        self.assertEqual(session.WIRE_VERSION, 1)
        self.assertEqual(session.decode_hello(session.encode_hello(7)[1:]), 7)

    def test_odd_greetings_are_refused(self):
        for value in ([], [1, 2], [-1], [True], [None], ["1"], 1, {0: 1}, [[1]]):
            self.assertRaises(SessionError, session.decode_hello, cbor.encode(value))

    def test_challenge(self):
        for time in (unknown(), TimeBound(5, 9), TimeBound(5)):
            challenge = Challenge(LOCK, b"N" * 16, time, (1, 2, 3), [4, 5], 100)
            kind, body = session.split(session.encode_challenge(challenge))
            self.assertEqual(kind, session.CHALLENGE)
            seen = session.decode_challenge(body)
            self.assertEqual((seen.version, seen.lock_id, seen.nonce), (1, LOCK, b"N" * 16))
            self.assertEqual((seen.versions, seen.epochs), ((1, 2, 3), [4, 5]))
            self.assertEqual(seen.max_fragment, 100)
            self.assertEqual((seen.time.lo, seen.time.hi), (time.lo, time.hi))

    def test_odd_challenges_are_refused(self):
        for largest in (20, 100, 509):
            session.decode_challenge(cbor.encode(GOOD_CHALLENGE[:8] + [largest]))
        for index, value in (
            (0, -1),
            (0, True),
            (1, "kita"),
            (1, b"kitaguch"),
            (2, bytes(15)),
            (2, "N" * 16),
            (3, 5),
            (3, [5]),
            (3, [9, 5]),
            (3, None),
            (3, [None, None]),
            (3, [None, 9]),
            (3, [0, 1 << 40]),
            (3, [5, 9, 9]),
            (3, {5: 9}),
            (3, [True, True]),
            (4, None),
            (5, -1),
            (6, "1"),
            (7, []),
            (7, [1, 2, 3]),
            (7, [-1]),
            (7, 4),
            (8, 19),
            (8, 510),
            (8, (1 << 64) - 1),
            (8, None),
        ):
            with self.subTest((index, value)):
                members = list(GOOD_CHALLENGE)
                members[index] = value
                self.assertRaises(SessionError, session.decode_challenge, cbor.encode(members))

    def test_presentation(self):
        kind, body = session.split(session.encode_presentation(b"H" * 16, b"token", 1))
        self.assertEqual(kind, session.PRESENTATION)
        self.assertEqual(session.decode_presentation(body), (b"H" * 16, b"token", 1))
        for members in ([bytes(15), b"t", 1], [bytes(16), "t", 1], [bytes(16), b"t", True]):
            with self.subTest(members):
                self.assertRaises(SessionError, session.decode_presentation, cbor.encode(members))

    def test_another_message_is_not_opened_as_a_presentation(self):
        presentation = session.encode_presentation(b"H" * 16, b"token", 1)
        self.assertEqual(session.open_presentation(presentation)[1], b"token")
        for kind in (0, 1, 2, 4, 5, 6, 7, 255):
            with self.subTest(kind):
                other = bytes([kind]) + presentation[1:]
                self.assertRaises(SessionError, session.open_presentation, other)

    def test_outcome(self):
        raw = session.encode_outcome(Outcome(34, {1: 99}, 7, bytes(32)))
        kind, body = session.split(raw)
        self.assertEqual(kind, session.OUTCOME)
        seen = session.decode_outcome(body)
        self.assertEqual((seen.reason, seen.detail), (34, {1: 99}))
        self.assertEqual((seen.head_seq, seen.head_hash), (7, bytes(32)))
        for members in (
            [True, {}, 0, bytes(32)],
            [0, [], 0, bytes(32)],
            [0, {}, -1, bytes(32)],
            [0, {}, 0, bytes(31)],
        ):
            with self.subTest(members):
                self.assertRaises(SessionError, session.decode_outcome, cbor.encode(members))

    def test_request_and_reply(self):
        kind, body = session.split(session.encode_request(1, 2, [3, None]))
        self.assertEqual((kind, session.decode_request(body)), (session.REQUEST, (1, 2, [3, None])))
        kind, body = session.split(session.encode_reply(1, 0, {1: b"x"}))
        self.assertEqual((kind, session.decode_reply(body)), (session.REPLY, (1, 0, {1: b"x"})))
        for members in ([True, 1, None], [-1, 1, None], [1, "1", None]):
            with self.subTest(members):
                raw = cbor.encode(members)
                self.assertRaises(SessionError, session.decode_request, raw)
                self.assertRaises(SessionError, session.decode_reply, raw)

    def test_only_reasons_that_need_no_mac_may_come_unauthenticated(self):
        for reason in reasons.NAMES:
            raw = session.encode_refusal(reason)[1:]
            with self.subTest(reason):
                if reasons.needs_mac(reason):
                    self.assertRaises(SessionError, session.decode_refusal, raw)
                else:
                    self.assertEqual(session.decode_refusal(raw), reason)

    def test_nobody_is_told_ok_without_a_mac(self):
        self.assertRaises(
            SessionError, session.decode_refusal, session.encode_refusal(session.OK)[1:]
        )

    def test_messages_too_short_to_be_any_are_refused(self):
        for message in (b"", b"\x01"):
            self.assertRaises(SessionError, session.split, message)
        for length in (0, 1, 16, 17):
            self.assertRaises(SessionError, session.split_mac, bytes(length))

    def test_a_message_of_another_length_or_type_is_refused_by_every_decoder(self):
        for decode in DECODERS:
            for value in ([], [1] * 20, {}, {1: 2}, 1, None, "abc", b"abc", True, [[[]]]):
                with self.subTest((decode, value)):
                    self.assertRaises(SessionError, decode, cbor.encode(value))

    def test_random_bodies_decode_or_raise_only_session_error(self):
        noise = Lcg(8)
        for _ in range(1500):
            body = noise.bytes(noise.below(40))
            for decode in DECODERS:
                try:
                    decode(body)
                except SessionError:
                    pass


class TestOpenSessions(unittest.TestCase):
    def test_exactly_doubt_about_the_time_keeps_a_refused_session_open(self):
        stay = [reasons.NOT_YET_VALID, reasons.EXPIRED, reasons.TIME_UNKNOWN]
        self.assertEqual(sorted(r for r in reasons.NAMES if session.stays_open(r)), stay)
        self.assertTrue(session.stays_open(session.OK))
        self.assertFalse(session.stays_open(9999))


class TestMacs(unittest.TestCase):
    def test_mac_is_hmac_over_label_and_hash_of_length_prefixed_parts(self):
        parts = b"\x00\x00\x00\x01h\x00\x00\x00\x03abc\x00\x00\x00\x02de"
        expected = hmac_sha256(KEY, b"kannuki1-H" + sha256(parts))[:16]
        self.assertEqual(session.presentation_mac(KEY, (b"h", b"abc"), b"de"), expected)

    def test_moving_a_byte_between_the_parts_changes_the_mac(self):
        macs = {
            session.presentation_mac(KEY, (b"h", b"abc"), b"de"),
            session.presentation_mac(KEY, (b"h", b"ab"), b"cde"),
            session.presentation_mac(KEY, (b"ha", b"bc"), b"de"),
            session.presentation_mac(KEY, (b"", b"habc"), b"de"),
        }
        self.assertEqual(len(macs), 4)

    def test_the_greeting_of_the_holder_is_under_every_mac(self):
        other = (b"hellp", GREETING[1])
        usual = session.transcript(GREETING, b"p", b"o")
        self.assertNotEqual(session.transcript(other, b"p", b"o"), usual)
        for said in (GREETING, other):
            self.assertEqual(len(session.presentation_mac(KEY, said, b"p")), 16)
        self.assertNotEqual(
            session.presentation_mac(KEY, GREETING, b"p"),
            session.presentation_mac(KEY, other, b"p"),
        )
        self.assertNotEqual(
            session.outcome_mac(KEY, GREETING, b"p", b"m", b"o"),
            session.outcome_mac(KEY, other, b"p", b"m", b"o"),
        )

    def test_each_direction_and_kind_has_its_own_label(self):
        macs = {
            session.presentation_mac(KEY, (b"", b"a"), b"b"),
            session.request_mac(KEY, b"a", b"b"),
            session.reply_mac(KEY, b"a", b"b", b""),
            session.outcome_mac(KEY, (b"", b"a"), b"b", b"", b""),
        }
        self.assertEqual(len(macs), 4)

    def test_the_outcome_mac_covers_everything_said(self):
        parts = [b"hello", b"challenge", b"presentation", b"mac", b"outcome"]

        def mac(key, said):
            return session.outcome_mac(key, tuple(said[:2]), *said[2:])

        usual = mac(KEY, parts)
        for index in range(5):
            other = list(parts)
            other[index] += b"!"
            self.assertNotEqual(mac(KEY, other), usual)
        self.assertNotEqual(mac(b"L" * 32, parts), usual)

    def test_a_request_is_bound_to_its_session(self):
        bound = session.transcript(GREETING, b"presentation", b"outcome")
        for greeting, presentation, outcome in (
            ((b"hello", b"challengf"), b"presentation", b"outcome"),
            ((b"hellp", b"challenge"), b"presentation", b"outcome"),
            (GREETING, b"presentatiom", b"outcome"),
            (GREETING, b"presentation", b"outcomf"),
            ((b"hello", b"challengep"), b"resentation", b"outcome"),
        ):
            other = session.transcript(greeting, presentation, outcome)
            self.assertNotEqual(
                session.request_mac(KEY, bound, b"ask"), session.request_mac(KEY, other, b"ask")
            )
            self.assertNotEqual(
                session.reply_mac(KEY, bound, b"ask", b"say"),
                session.reply_mac(KEY, other, b"ask", b"say"),
            )
        self.assertNotEqual(
            session.reply_mac(KEY, bound, b"ask", b"say"),
            session.reply_mac(KEY, bound, b"asK", b"say"),
        )
