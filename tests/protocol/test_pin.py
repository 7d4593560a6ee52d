"""FF1 by NIST's samples, and what a PIN may and may not do; on both runtimes."""

import unittest

from protocol import ff1, pin
from protocol.pin import Pin, PinError
from protocol.timebound import TimeBound
from tests.protocol.support import (
    LOCK,
    OTHER_LOCK,
    T0,
    T1,
    aes,
    cryptolib,
    make_status,
    unhex,
    vectors,
)

NIST_KEY = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94"
NUMERALS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONG_TWEAK = "3737373770717273373737"

# NIST "FF1samples": key bytes, tweak, radix, plaintext, ciphertext.
NIST_SAMPLES = (
    (16, "", 10, "0123456789", "2433477484"),
    (16, "39383736353433323130", 10, "0123456789", "6124200773"),
    (16, LONG_TWEAK, 36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
    (24, "", 10, "0123456789", "2830668132"),
    (24, "39383736353433323130", 10, "0123456789", "2496655549"),
    (24, LONG_TWEAK, 36, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
    (32, "", 10, "0123456789", "6657667009"),
    (32, "39383736353433323130", 10, "0123456789", "1001623463"),
    (32, LONG_TWEAK, 36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
)
QUARTER = T0 // pin.QUARTER_S * pin.QUARTER_S
CIPHER_KEY = bytes(range(32))


def number(numerals, radix):
    value = 0
    for numeral in numerals:
        value = value * radix + NUMERALS.index(numeral)
    return value


class TestFf1(unittest.TestCase):
    def test_samples_of_nist(self):
        tried = 0
        for size, tweak, radix, plain, cipher in NIST_SAMPLES:
            if size == 24 and cryptolib is not None:
                continue
            block, tweak = aes(unhex(NIST_KEY)[:size]), unhex(tweak)
            made = ff1.encrypt(block, tweak, number(plain, radix), len(plain), radix)
            self.assertEqual(made, number(cipher, radix))
            back = ff1.decrypt(block, tweak, made, len(plain), radix)
            self.assertEqual(back, number(plain, radix))
            tried += 1
        self.assertEqual(tried, 9 if cryptolib is None else 6)

    def test_small_domains_and_foreign_values_are_refused(self):
        for value, length, radix in ((0, 5, 10), (10**10, 10, 10), (-1, 10, 10), (0, 10, 1)):
            with self.assertRaises(ff1.Ff1Error):
                ff1.encrypt(aes(CIPHER_KEY), b"", value, length, radix)


class TestPin(unittest.TestCase):
    def setUp(self):
        self.block = aes(CIPHER_KEY)

    def test_vectors(self):
        kept = vectors("pin")
        self.assertEqual(list(pin.LENGTHS_QUARTERS), kept["lengths_quarters"])
        block = aes(pin.pin_key(unhex(kept["kdk"])))
        for row in kept["pins"]:
            made = Pin(row["starts_at"], row["quarters"], row["serial"])
            self.assertEqual(pin.encode(block, kept["lock_id"], made), row["digits"])
            self.assertEqual(pin.name(kept["lock_id"], made), unhex(row["name"]))

    def test_every_length_and_serial_comes_back(self):
        for quarters in pin.LENGTHS_QUARTERS:
            for serial in (0, 1, 31):
                digits = pin.encode(self.block, LOCK, Pin(QUARTER, quarters, serial))
                self.assertEqual(len(digits), 10)
                found = pin.decode(self.block, LOCK, digits)
                said = (found.starts_at, found.quarters, found.serial)
                self.assertEqual(said, (QUARTER, quarters, serial))

    def test_a_pin_of_one_lock_says_something_else_at_another(self):
        digits = pin.encode(self.block, LOCK, Pin(QUARTER, 8, 0))
        found = pin.decode(self.block, OTHER_LOCK, digits)
        now = TimeBound(QUARTER, QUARTER)
        self.assertTrue(found is None or not found.fits(now, True))

    def test_exactly_7232_pins_are_good_at_any_instant(self):
        # A PIN's meaning is one-to-one with its digits, so counting meanings counts PINs. No
        # window is longer than 48 quarters: a wide span around the instant holds every good one.
        now = QUARTER // pin.QUARTER_S
        for second in (0, 450, 899):
            at = TimeBound(QUARTER + second, QUARTER + second)
            good = 0
            for quarter in range(now - 60, now + 10):
                for quarters in pin.LENGTHS_QUARTERS:
                    if Pin(quarter * pin.QUARTER_S, quarters, 0).fits(at, True):
                        good += pin.SERIALS
            self.assertEqual(good, 7232)

    def test_each_pin_has_a_name_of_its_own_that_the_status_list_can_hold(self):
        usual = Pin(QUARTER, 8, 0)
        named = [
            pin.name(LOCK, usual),
            pin.name(OTHER_LOCK, usual),
            pin.name(LOCK, Pin(QUARTER + pin.QUARTER_S, 8, 0)),
            pin.name(LOCK, Pin(QUARTER, 10, 0)),
            pin.name(LOCK, Pin(QUARTER, 8, 1)),
        ]
        self.assertEqual([len(each) for each in named], [pin.PIN_NAME_BYTES] * 5)
        self.assertEqual(len(set(named)), 5)
        status = make_status([(named[0], T1)])
        self.assertEqual([status.lists(each) for each in named], [True] + [False] * 4)

    def test_what_is_no_pin_is_refused(self):
        for text in (
            "",
            "123456789",
            "12345678901",
            "12345678 9",
            "-123456789",
            "１２３４５６７８９０",
        ):
            with self.assertRaises(PinError):
                pin.decode(self.block, LOCK, text)

    def test_windows_that_no_pin_can_say_are_refused(self):
        for starts_at, quarters, serial in (
            (QUARTER + 1, 4, 0),
            (-900, 4, 0),
            (QUARTER, 5, 0),
            (QUARTER, 0, 0),
            (QUARTER, 4, 32),
            (QUARTER, 4, -1),
            (10**12, 4, 0),
        ):
            with self.assertRaises(PinError):
                Pin(starts_at, quarters, serial)


class TestWindow(unittest.TestCase):
    def fits(self, lo, hi, strict):
        return Pin(QUARTER, 4, 0).fits(TimeBound(QUARTER + lo, QUARTER + hi), strict)

    def test_strict_door_wants_the_whole_interval_inside(self):
        self.assertTrue(self.fits(0, 3599, True))
        self.assertFalse(self.fits(-1, 0, True))
        self.assertFalse(self.fits(3599, 3600, True))

    def test_other_doors_accept_a_small_doubt(self):
        self.assertTrue(self.fits(-900, 0, False))
        self.assertTrue(self.fits(3599, 3600, False))
        self.assertFalse(self.fits(-901, 0, False))
        self.assertFalse(self.fits(-500, -1, False))
        self.assertFalse(self.fits(3600, 4000, False))

    def test_inside_is_inside_however_large_the_doubt_within_the_window(self):
        self.assertTrue(self.fits(0, 3599, False))
