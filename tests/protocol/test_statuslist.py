"""The status list: its form, its bisection, and who may not pass for one."""

import unittest

from protocol import cbor, statuslist
from protocol.statuslist import StatusListError
from tests.protocol.support import LOCK, NOON, STATUS_KEY, T1, Lcg, sign


def cti(number):
    return number.to_bytes(6, "big") + b"--"


def build(numbers, version=1, min_iat=0):
    return statuslist.build(LOCK, version, NOON, min_iat, [(cti(n), T1) for n in numbers])


class TestRevocation(unittest.TestCase):
    def test_every_listed_token_is_found_and_no_neighbour(self):
        for count in (0, 1, 2, 3, 7, 8, 9, 100):
            status = build([10 * n + 5 for n in range(count)])
            for number in range(10 * count + 10):
                expected = number % 10 == 5 and number < 10 * count
                self.assertEqual(status.revokes(cti(number), NOON), expected)

    def test_the_order_of_revocation_does_not_matter(self):
        self.assertEqual(build([3, 1, 2]).entries, build([1, 2, 3]).entries)

    def test_two_tokens_with_the_same_beginning_are_both_revoked(self):
        status = statuslist.build(LOCK, 1, NOON, 0, [(b"abcdef01", T1), (b"abcdef02", T1 + 9999)])
        self.assertTrue(status.revokes(b"abcdef01", NOON) and status.revokes(b"abcdef02", NOON))
        statuslist.decode(statuslist.encode(status))
        alike = statuslist.build(LOCK, 1, NOON, 0, [(b"abcdef01", T1), (b"abcdef02", T1)])
        self.assertEqual(len(statuslist.decode(statuslist.encode(alike)).entries), 16)

    def test_min_iat_revokes_what_was_issued_before(self):
        status = build([], min_iat=NOON)
        self.assertTrue(status.revokes(cti(1), NOON - 1))
        self.assertFalse(status.revokes(cti(1), NOON))

    def test_an_empty_list_revokes_nothing(self):
        self.assertFalse(statuslist.empty(LOCK).revokes(cti(0), 1))

    def test_hours_round_up_and_stay_in_two_bytes(self):
        base = NOON // 3600 * 3600
        for expires_at, hours in (
            (base, 0),
            (base + 1, 1),
            (base + 3600, 1),
            (base + 3601, 2),
            (base - 7200, 0),
            (base + 3600 * 70000, 0xFFFF),
        ):
            status = statuslist.build(LOCK, 1, NOON, 0, [(cti(1), expires_at)])
            self.assertEqual(status.entries[6:], hours.to_bytes(2, "big"))

    def test_a_cti_of_another_length_is_refused(self):
        for odd in (b"", b"1234567", b"123456789"):
            self.assertRaises(StatusListError, statuslist.build, LOCK, 1, NOON, 0, [(odd, T1)])


class TestForm(unittest.TestCase):
    def test_a_document_comes_back(self):
        status = build([1, 2, 3], version=7, min_iat=99)
        signed, seen = statuslist.parse(
            sign(statuslist.encode(status), STATUS_KEY, statuslist.CONTEXT)
        )
        self.assertEqual((seen.lock_id, seen.version, seen.issued_at), (LOCK, 7, NOON))
        self.assertEqual((seen.base_hour, seen.min_iat), (NOON // 3600, 99))
        self.assertEqual(seen.entries, status.entries)

    def test_odd_members_are_refused(self):
        good = [LOCK, 1, NOON, 5, 0, b"\x00" * 8]
        statuslist.decode(cbor.encode(good))
        for index, values in (
            (0, ("kita", b"kitaguch", None, 1)),
            (1, (-1, True, "1", None)),
            (2, (-1, False, b"")),
            (3, (-1, None)),
            (4, (-1, [], True)),
            (5, (b"\x00" * 7, b"\x00" * 9, "00000000", None, 0, [])),
            (5, (b"\x02" * 8 + b"\x01" * 8, bytes(8 * (statuslist.MAX_ENTRIES + 1)))),
        ):
            for value in values:
                with self.subTest((index, type(value))):
                    members = list(good)
                    members[index] = value
                    raw = cbor.encode(members)
                    self.assertRaises(StatusListError, statuslist.decode, raw)

    def test_payloads_of_another_shape_are_refused(self):
        for value in ([], [LOCK], [LOCK, 1, 2, 3, b""], [LOCK, 1, 2, 3, 4, 5, b""], 1, None):
            self.assertRaises(StatusListError, statuslist.decode, cbor.encode(value))
        for value in ("kitaguch", b"kitaguch", {}, {LOCK: 1, 1: 1, 2: 1, 3: 1, 4: 1, b"": 1}):
            self.assertRaises(StatusListError, statuslist.decode, cbor.encode(value))
        self.assertRaises(StatusListError, statuslist.decode, b"")

    def test_random_bytes_are_refused(self):
        noise = Lcg(31)
        for _ in range(1000):
            data = noise.bytes(noise.below(60))
            self.assertRaises(StatusListError, statuslist.decode, data)
            self.assertRaises(ValueError, statuslist.parse, data)
