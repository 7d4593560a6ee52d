"""Deterministic CBOR: the examples of RFC 8949 that we speak, and everything we refuse."""

import unittest

from protocol import cbor
from protocol.cbor import CborError, Tag
from tests.protocol.noise import Lcg, unhex

# RFC 8949 appendix A, the rows inside our subset.
EXAMPLES = (
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
    (
        {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"},
        "a56161614161626142616361436164614461656145",
    ),
    ({24: 0, -1: 0, b"\x01": 0, b"\x00\x00": 0, "z": 0}, "a5181800200041010042000000617a00"),
    ([[[[[[[[[]]]]]]]]], "81" * 8 + "80"),
    ([[[[[[[[0]]]]]]]], "81" * 8 + "00"),
)

REFUSED = (
    ("", "nothing"),
    ("0000", "trailing bytes"),
    ("1800", "zero in two bytes"),
    ("1817", "23 in two bytes"),
    ("1900ff", "255 in three bytes"),
    ("1a0000ffff", "65535 in five bytes"),
    ("1b00000000ffffffff", "2^32-1 in nine bytes"),
    ("3817", "-24 in two bytes"),
    ("580100", "a length in two bytes that fits one"),
    ("99000100", "a count in three bytes that fits one"),
    ("18", "argument missing"),
    ("19ff", "argument cut"),
    ("41", "byte string cut"),
    ("61", "text cut"),
    ("5bffffffffffffffff", "a length beyond all memory"),
    ("9bffffffffffffffff", "a count beyond all memory"),
    ("bbffffffffffffffff", "a map beyond all memory"),
    ("bb8000000000000000", "a map whose doubled count wraps at 64 bits"),
    ("81", "member missing"),
    ("a1", "pair missing"),
    ("a101", "value missing"),
    ("a201020103", "the same key twice"),
    ("a203040102", "keys out of order"),
    ("a2616200616100", "text keys out of order"),
    ("a262616100616200", "a longer text key before a shorter one"),
    ("a1f400", "a boolean as key"),
    ("a18000", "an array as key"),
    ("a1f600", "null as key"),
    ("1c", "reserved additional information"),
    ("1f", "indefinite integer"),
    ("5f4100ff", "indefinite byte string"),
    ("7f6161ff", "indefinite text"),
    ("9f00ff", "indefinite array"),
    ("bf0000ff", "indefinite map"),
    ("ff", "a break on its own"),
    ("f7", "undefined"),
    ("e0", "simple value 0"),
    ("f0", "simple value 16"),
    ("f818", "simple value 24"),
    ("f820", "simple value 32"),
    ("f93c00", "half float"),
    ("fa47c35000", "single float"),
    ("fb3ff199999999999a", "double float"),
    ("81" * 9 + "00", "a number nine arrays deep"),
    ("81" * 9 + "80", "ten arrays"),
    ("81" * 9 + "a100a0", "a map with something in it, nine arrays deep"),
    ("1d", "more reserved additional information"),
    ("1e", "the last reserved additional information"),
    ("f4f4", "two items"),
    ("f3", "simple value 19"),
    ("f815", "true in two bytes"),
    ("c000", "a tag nobody asked for"),
    ("d28440a04040", "COSE_Sign1 where no tag is expected"),
    ("61ff", "text that is not UTF-8"),
    ("6180", "a lone continuation byte"),
    ("62c080", "an overlong NUL"),
    ("62c1bf", "an overlong DEL"),
    ("63e08080", "an overlong three-byte form"),
    ("64f0808080", "an overlong four-byte form"),
    ("63eda080", "a surrogate"),
    ("64f4908080", "beyond U+10FFFF"),
    ("64f5808080", "a lead byte beyond F4"),
    ("61c3", "a character cut at the end"),
    ("62e6b0", "a longer character cut at the end"),
    ("62c341", "a lead byte followed by a letter"),
)


class TestCbor(unittest.TestCase):
    def test_rfc8949_examples_encode(self):
        for value, expected in EXAMPLES:
            with self.subTest(expected):
                self.assertEqual(cbor.encode(value).hex(), expected)

    def test_rfc8949_examples_decode(self):
        for value, encoded in EXAMPLES:
            with self.subTest(encoded):
                decoded = cbor.decode(unhex(encoded))
                self.assertEqual(decoded, value)
                self.assertIs(type(decoded), type(value))

    def test_everything_outside_the_subset_is_refused(self):
        for encoded, why in REFUSED:
            with self.subTest(why):
                self.assertRaises(CborError, cbor.decode, unhex(encoded))

    def test_every_truncation_of_a_document_is_refused(self):
        whole = cbor.encode([1, {"a": b"xyz", 1: [None, True]}, "\u9589", 1 << 40])
        for end in range(len(whole)):
            self.assertRaises(CborError, cbor.decode, whole[:end])

    def test_depth_is_bounded_both_ways(self):
        value = 1
        for _ in range(cbor.MAX_DEPTH):
            value = [value]
        self.assertEqual(cbor.decode(cbor.encode(value)), value)
        self.assertRaises(CborError, cbor.encode, [value])
        self.assertRaises(CborError, cbor.decode, b"\x81" * (cbor.MAX_DEPTH + 1) + b"\x01")
        self.assertRaises(CborError, cbor.decode, b"\x81" * 60000)
        self.assertRaises(CborError, cbor.decode, b"\xa1\x01" * 30000)

    def test_a_nested_key_is_refused_at_any_depth(self):
        self.assertRaises(CborError, cbor.decode, b"\xa1" * 60000)

    def test_an_item_beyond_the_largest_is_refused(self):
        self.assertRaises(CborError, cbor.decode, bytes(cbor.MAX_ITEM_BYTES + 1))

    def test_only_named_tags_are_accepted(self):
        self.assertEqual(cbor.decode(b"\xd2\x80", (18,)), Tag(18, []))
        self.assertEqual(cbor.encode(Tag(18, [])), b"\xd2\x80")
        self.assertRaises(CborError, cbor.decode, b"\xd2\x80", (17,))
        self.assertRaises(CborError, cbor.decode, b"\xd8\x12\x80", (18,))

    def test_a_negative_tag_has_no_encoding(self):
        self.assertRaises(CborError, cbor.encode, Tag(-1, 0))

    def test_map_keys_are_sorted_by_their_encoding(self):
        value = {"aa": 1, "b": 2, b"a": 3, -1: 4, 10: 5, 100: 6}
        expected = "a60a05186406200441610361620262616101"
        self.assertEqual(cbor.encode(value).hex(), expected)
        self.assertEqual(cbor.decode(unhex(expected)), value)

    def test_text_and_bytes_of_the_same_letters_are_different_keys(self):
        decoded = cbor.decode(unhex("a2416101616102"))
        self.assertEqual(len(decoded), 2)
        self.assertEqual(decoded[b"a"], 1)
        self.assertEqual(decoded["a"], 2)

    def test_numbers_beyond_64_bits_have_no_encoding(self):
        self.assertRaises(CborError, cbor.encode, 1 << 64)
        self.assertRaises(CborError, cbor.encode, -(1 << 64) - 1)

    def test_other_types_have_no_encoding(self):
        for value in (1.5, object(), {1, 2}, {None: 1}, {True: 1}, {(1, 2): 3}):
            self.assertRaises(CborError, cbor.encode, value)

    def test_a_lone_surrogate_has_no_encoding(self):
        self.assertRaises(CborError, cbor.encode, "\ud800")

    def test_decoding_something_that_is_no_bytes_is_refused(self):
        for value in (None, 5, "text", [1], {}, True):
            self.assertRaises(CborError, cbor.decode, value)

    def test_views_and_arrays_of_bytes_decode_alike(self):
        raw = cbor.encode([1, b"x"])
        self.assertEqual(cbor.decode(bytearray(raw)), [1, b"x"])
        self.assertEqual(cbor.decode(memoryview(raw)), [1, b"x"])
        self.assertEqual(cbor.encode([memoryview(b"x"), bytearray(b"y")]), b"\x82\x41x\x41y")

    def test_random_bytes_decode_to_what_reencodes_or_are_refused(self):
        noise, decoded = Lcg(20260901), 0
        for _ in range(3000):
            data = noise.bytes(1 + noise.below(12))
            try:
                value = cbor.decode(data, (18,))
            except CborError:
                continue
            decoded += 1
            self.assertEqual(cbor.encode(value), data)
        self.assertTrue(decoded > 20, "the noise never hit a valid item")
