"""The token and its envelope: one form, and nothing else is a token."""

import unittest

from protocol import cbor, cose, keys
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.timebound import FOREVER
from protocol.token import TokenError, Weekly
from tests.protocol.support import (
    BOOKING_KEY,
    GROUP,
    LOCK,
    T0,
    T1,
    Lcg,
    issue,
    make_token,
    sign,
    with_bit_flipped,
)

CLAIMS = cbor.decode(tokens.encode_claims(make_token()))


def changed(**changes):
    """The usual claims as CBOR, some replaced (name -> value; None removes)."""
    numbers = {"aud": 3, "exp": 4, "nbf": 5, "iat": 6, "cti": 7, "cnf": 8, "scope": 9, "extra": 10}
    numbers.update({"weekly": -65537, "once": -65538})
    claims = dict(CLAIMS)
    for name, value in changes.items():
        if value is None:
            del claims[numbers[name]]
        else:
            claims[numbers[name]] = value
    return cbor.encode(claims)


class TestClaims(unittest.TestCase):
    def test_claims_come_back(self):
        token = tokens.decode_claims(tokens.encode_claims(make_token()))
        self.assertEqual(token.audience, LOCK)
        self.assertEqual((token.not_before, token.expires_at), (T0, T1))
        self.assertEqual(token.issued_at, T0 - 86400)
        self.assertEqual(token.permissions, tokens.UNLOCK)
        self.assertEqual(token.epoch, 3)

    def test_usual_tokens_have_at_most_140_bytes(self):
        for usual in ({}, {"audience": GROUP}, {"epoch": 255, "permissions": 127}):
            self.assertLessEqual(len(issue(**usual)), 140)

    def test_the_largest_token_fits_the_cap(self):
        weekly = Weekly(-840, [(10000 + n, 10080) for n in range(8)])
        late = {"not_before": FOREVER - 3, "expires_at": FOREVER - 2, "issued_at": FOREVER - 4}
        for audience, once in ((LOCK, True), (GROUP, False)):
            raw = issue(audience=audience, once=once, weekly=weekly, permissions=127, **late)
            self.assertLessEqual(len(raw), tokens.MAX_TOKEN_BYTES)
            self.assertEqual(tokens.parse(raw)[1].audience, audience)

    def test_a_token_with_a_claim_missing_or_too_many_is_refused(self):
        for name in ("aud", "exp", "nbf", "iat", "cti", "cnf", "scope"):
            with self.subTest(name):
                self.assertRaises(TokenError, tokens.decode_claims, changed(**{name: None}))
        self.assertRaises(TokenError, tokens.decode_claims, changed(extra=1))
        self.assertRaises(TokenError, tokens.decode_claims, changed(extra=1, cti=None))

    def test_claims_of_another_kind_or_out_of_bounds_are_refused(self):
        for claim, values in (
            ("aud", (1, b"kitaguch", "kitaguc", "kitaguch2", "KITAGUCH", "kitaguc1", [LOCK], "")),
            ("aud", ("+", "+kitaguc", "++kitaguc", "kitaguch+", "+KITAGUCH", b"+kitaguch")),
            ("exp", (0, -1, "1", True, 1 << 40, FOREVER, (1 << 64) - 1, T0, T0 - 1, b"\x01")),
            ("nbf", (0, -1, "1", True, T1, T1 + 1, (1 << 64) - 1)),
            ("iat", (0, -1, "1", False, 1 << 40, -(1 << 64))),
            ("cti", (1, "01234567", b"", b"1234567", b"123456789", [1])),
            ("cnf", (3, [], {}, {3: b""}, {3: b"ab"}, {3: 1}, {4: b"a"}, {3: b"a", 4: b"b"})),
            ("cnf", ({3: b"\x00"}, {"3": b"a"}, b"\xa1\x03A\x01")),
        ):
            for value in values:
                with self.subTest((claim, value)):
                    self.assertRaises(TokenError, tokens.decode_claims, changed(**{claim: value}))

    def test_a_group_may_be_the_audience(self):
        token = tokens.decode_claims(changed(aud=GROUP))
        self.assertEqual(token.audience, GROUP)
        self.assertTrue(tokens.is_group_id(GROUP))
        self.assertFalse(tokens.is_group_id(LOCK) or tokens.is_lock_id(GROUP))

    def test_a_single_opening_says_so_with_true_alone(self):
        self.assertFalse(tokens.decode_claims(changed()).once)
        self.assertTrue(tokens.decode_claims(changed(once=True)).once)
        for value in (False, 1, 0, "true", [], {}):
            with self.subTest(value):
                self.assertRaises(TokenError, tokens.decode_claims, changed(once=value))

    def test_a_groups_token_cannot_be_single(self):
        raw = changed(aud=GROUP, once=True)
        self.assertRaises(TokenError, tokens.decode_claims, raw)
        token = make_token(audience=GROUP, once=True)
        self.assertRaises(TokenError, tokens.encode_claims, token)

    def test_odd_hours_of_the_week_are_refused(self):
        tokens.decode_claims(changed(weekly=[540, [[0, 10080], [10079, 1]]]))
        tokens.decode_claims(changed(weekly=[-840, [[n, 1] for n in range(8)]]))
        for weekly in (
            [540, []],
            [540, [[n, 1] for n in range(9)]],
            [540, [[10080, 1]]],
            [540, [[-1, 1]]],
            [540, [[0, 0]]],
            [540, [[0, 10081]]],
            [540, [[0, True]]],
            [540, [[False, 1]]],
            [540, [[0, 1, 1]]],
            [540, [[0]]],
            [540, [5]],
            [540, {0: 1}],
            [540, "ab"],
            [841, [[0, 1]]],
            [-841, [[0, 1]]],
            [True, [[0, 1]]],
            ["540", [[0, 1]]],
            [None, [[0, 1]]],
            [540],
            [540, [[0, 1]], 1],
            {},
            True,
            b"ab",
        ):
            with self.subTest(weekly):
                self.assertRaises(TokenError, tokens.decode_claims, changed(weekly=weekly))

    def test_hours_of_the_week_come_back(self):
        weekly = Weekly(-90, [(60, 120), (9000, 600)])
        seen = tokens.decode_claims(tokens.encode_claims(make_token(weekly=weekly))).weekly
        self.assertEqual((seen.utc_offset_minutes, seen.windows), (-90, [(60, 120), (9000, 600)]))

    def test_a_scope_that_is_not_one_aif_entry_is_refused(self):
        for scope in (
            [],
            ["door", 1],
            [["door"]],
            [["door", 1, 1]],
            [["door", 1], ["door", 2]],
            [["window", 1]],
            [[b"door", 1]],
            [["door", 0]],
            [["door", -1]],
            [["door", 128]],
            [["door", True]],
            [["door", "1"]],
            [["door", [1]]],
            [["door", (1 << 64) - 1]],
            {"door": 1},
            [{1: 0, "door": 0}],
            [{1: "door", "door": 1}],
            "ab",
            b"ab",
            1,
            None,
        ):
            with self.subTest(scope):
                raw = cbor.encode(scope)
                self.assertRaises(TokenError, tokens.decode_claims, changed(scope=raw))
        for raw in (b"", b"\x81", "text", 1, [["door", 1]]):
            with self.subTest(raw):
                self.assertRaises(TokenError, tokens.decode_claims, changed(scope=raw))

    def test_payloads_that_are_no_map_are_refused(self):
        for payload in (b"", b"\x01", b"\x80", b"\xa0", b"\xf6", b"\x47" + bytes(7)):
            self.assertRaises(TokenError, tokens.decode_claims, payload)

    def test_an_issuer_cannot_write_a_token_that_no_lock_would_read(self):
        for changes in (
            {"audience": "Kitaguch"},
            {"not_before": T1},
            {"cti": b"short"},
            {"permissions": 0},
            {"permissions": 128},
            {"epoch": 0},
            {"epoch": 256},
            {"issued_at": 0},
            {"expires_at": 1 << 40},
            {"permissions": True},
            {"audience": "+short"},
            {"weekly": Weekly(0, [])},
            {"weekly": Weekly(900, [(0, 1)])},
            {"weekly": Weekly(0, [(0, 0)])},
        ):
            with self.subTest(changes):
                self.assertRaises(TokenError, tokens.encode_claims, make_token(**changes))


class TestEnvelope(unittest.TestCase):
    def setUp(self):
        self.kid = keys.key_id(BOOKING_KEY)
        self.payload = tokens.encode_claims(make_token())
        self.raw = issue()

    def _envelope(self, protected=None, unprotected=None, payload=None, signature=None, tag=18):
        members = [
            cbor.encode({1: -19, 4: self.kid}) if protected is None else protected,
            {} if unprotected is None else unprotected,
            self.payload if payload is None else payload,
            bytes(64) if signature is None else signature,
        ]
        return cbor.encode(cbor.Tag(tag, members))

    def test_parts_come_back(self):
        signed, token = tokens.parse(self.raw)
        self.assertEqual(signed.kid, self.kid)
        self.assertEqual(signed.payload, self.payload)
        self.assertEqual(token.audience, LOCK)
        self.assertEqual(signed.signed_bytes(), cose.to_sign(self.kid, self.payload))
        self.assertEqual(cose.encode(signed.kid, signed.payload, signed.signature), self.raw)

    def test_another_algorithm_is_refused(self):
        for alg in (-8, -7, 5, 0, "EdDSA", None, True):
            with self.subTest(alg):
                header = cbor.encode({1: alg, 4: self.kid})
                self.assertRaises(CoseError, cose.decode, self._envelope(protected=header))

    def test_other_headers_are_refused(self):
        for header in (
            {1: -19},
            {4: self.kid},
            {},
            {1: -19, 4: self.kid, 2: [1]},
            {1: -19, 5: self.kid},
            {1: -19, 4: b"abc"},
            {1: -19, 4: b"abcde"},
            {1: -19, 4: "abcd"},
            [1, -19, 4, self.kid],
        ):
            with self.subTest(header):
                envelope = self._envelope(protected=cbor.encode(header))
                self.assertRaises(CoseError, cose.decode, envelope)
        for protected in (b"", b"\xff", 5, None, {}, [1]):
            with self.subTest(protected):
                items = [protected, {}, self.payload, bytes(64)]
                envelope = cbor.encode(cbor.Tag(18, items))
                self.assertRaises(CoseError, cose.decode, envelope)

    def test_anything_unprotected_is_refused(self):
        for unprotected in ({4: self.kid}, {1: -19}, [], 0, b"", False):
            with self.subTest(unprotected):
                envelope = self._envelope(unprotected=unprotected)
                self.assertRaises(CoseError, cose.decode, envelope)

    def test_other_tags_and_shapes_are_refused(self):
        self.assertRaises(CoseError, cose.decode, self._envelope(tag=17))
        self.assertRaises(CoseError, cose.decode, self._envelope(tag=61))
        self.assertRaises(CoseError, cose.decode, self.raw[1:])
        self.assertRaises(CoseError, cose.decode, b"\xd8\x3d" + self.raw)
        for members in ([], [b"", {}, b""], [b"", {}, b"", b"", b""], {}, 1, "abcd", b"abcd"):
            envelope = cbor.encode(cbor.Tag(18, members))
            self.assertRaises(CoseError, cose.decode, envelope)

    def test_a_detached_payload_or_odd_signature_is_refused(self):
        items = [cbor.encode({1: -19, 4: self.kid}), {}, None, bytes(64)]
        self.assertRaises(CoseError, cose.decode, cbor.encode(cbor.Tag(18, items)))
        for signature in (b"", bytes(63), bytes(65), "x" * 64, [0] * 64):
            with self.subTest(signature):
                envelope = self._envelope(signature=signature)
                self.assertRaises(CoseError, cose.decode, envelope)

    def test_an_oversize_token_is_refused_unread(self):
        self.assertRaises(TokenError, tokens.parse, self.raw + bytes(256))

    def test_every_truncation_and_extension_is_refused(self):
        for end in range(len(self.raw)):
            self.assertRaises(ValueError, tokens.parse, self.raw[:end])
        self.assertRaises(CoseError, tokens.parse, self.raw + b"\x00")

    def test_every_bit_flip_is_refused_or_changes_what_is_signed(self):
        signed = tokens.parse(self.raw)[0]
        known = (signed.kid, signed.signed_bytes(), signed.signature)
        for bit in range(8 * len(self.raw)):
            try:
                other = tokens.parse(with_bit_flipped(self.raw, bit))[0]
            except (CoseError, TokenError):
                continue
            self.assertNotEqual((other.kid, other.signed_bytes(), other.signature), known)

    def test_the_context_keeps_kinds_of_document_apart(self):
        first = cose.to_sign(self.kid, self.payload)
        self.assertNotEqual(first, cose.to_sign(self.kid, self.payload, b"kannuki-status"))

    def test_an_envelope_cannot_be_made_with_odd_parts(self):
        self.assertRaises(CoseError, cose.encode, self.kid, b"", bytes(63))
        self.assertRaises(CoseError, cose.encode, b"abc", b"", bytes(64))
        self.assertRaises(CoseError, cose.to_sign, b"abcde", b"")

    def test_random_bytes_are_never_a_token(self):
        noise = Lcg(5)
        for _ in range(2000):
            data = noise.bytes(noise.below(200))
            self.assertRaises(ValueError, tokens.parse, data)

    def test_random_payloads_in_a_good_envelope_are_never_a_token(self):
        noise = Lcg(6)
        for _ in range(500):
            self.assertRaises(ValueError, tokens.parse, sign(noise.bytes(noise.below(80))))
