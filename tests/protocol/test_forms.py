"""The small checks of every decoder: each raises the error of the module that asks."""

import unittest

from protocol import cbor, forms


class OwnError(ValueError):
    """The asking module's."""


class TestForms(unittest.TestCase):
    def test_an_array_of_the_right_length_comes_back(self):
        self.assertEqual(forms.array(cbor.encode([1, b"x"]), 2, OwnError), [1, b"x"])
        self.assertEqual(forms.array(cbor.encode([]), 0, OwnError), [])

    def test_anything_else_is_the_askers_error(self):
        for raw in (b"", b"\xff", cbor.encode([1]), cbor.encode([1, 2, 3]), cbor.encode(1)):
            self.assertRaises(OwnError, forms.array, raw, 2, OwnError)
        for value in ({1: 2, 3: 4}, "ab", b"ab", None, True):
            self.assertRaises(OwnError, forms.array, cbor.encode(value), 2, OwnError)
        for raw in ("ab", 5, None, [1, 2]):
            self.assertRaises(OwnError, forms.array, raw, 2, OwnError)

    def test_need(self):
        forms.need(True, OwnError)
        self.assertRaises(OwnError, forms.need, False, OwnError)

    def test_a_bool_is_no_number(self):
        for value in (0, 1, (1 << 64) - 1):
            self.assertTrue(forms.is_uint(value))
        for value in (True, False, -1, None, "1", b"1", [1]):
            self.assertFalse(forms.is_uint(value))
        self.assertTrue(forms.are_uints(1, 2, 3))
        self.assertFalse(forms.are_uints(1, True, 3))

    def test_bytes_of_one_length_alone(self):
        self.assertTrue(forms.is_bytes(b"", 0))
        self.assertTrue(forms.is_bytes(b"ab", 2))
        for value in (b"a", b"abc", "ab", None, [1, 2], bytearray(2)):
            self.assertFalse(forms.is_bytes(value, 2))
