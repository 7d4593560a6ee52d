"""The status list: what it withdraws, how big it gets, and how a newer one is made of an older."""

import unittest

from protocol import cbor, keys, statuslist, verify
from protocol import token as tokens
from protocol.crypto import sha256
from protocol.keyset import ROLE_STATUS
from protocol.statuslist import StatusListError
from tests.protocol.support import (
    BOOKING_KEY,
    GROUP,
    LOCK,
    NOON,
    OTHER_LOCK,
    STAFF_KEY,
    STATUS_KEY,
    T1,
    Lcg,
    Lock,
    issue,
    make_status,
    sign,
)

BOOKING, STAFF = keys.key_id(BOOKING_KEY), keys.key_id(STAFF_KEY)
HOUR = T1 // 3600 + 1  # T1 rounded up
WRAP = 8 * 65536  # an hour whose two bytes are 0


def cti(number):
    return number.to_bytes(6, "big") + b"--"


def listed(numbers, expires_at=T1):
    return make_status([(cti(n), expires_at) for n in numbers])


def entries_of(status):
    return status.read(0, 8 * status.header.count)


def merged(older, additions, kept_from_hour):
    """The merged entries; whole ones, and nothing is read beyond the older list's end."""
    end = 8 * older.header.count

    def read(offset, size):
        if offset + size > end:
            raise AssertionError("read beyond the last entry")
        return older.read(offset, size)

    strict = statuslist.StatusList(older.header, read)
    entries = list(statuslist.merge(strict, additions, kept_from_hour))
    if any(len(raw) != 8 for raw in entries):
        raise AssertionError("an entry has 8 bytes")
    return b"".join(entries)


class TestRevocation(unittest.TestCase):
    def revokes(self, rows, kid=BOOKING, audience=LOCK, issued_at=NOON):
        return make_status(min_iat=rows).revokes(cti(1), kid, audience, issued_at)

    def test_every_listed_token_is_found_and_no_neighbour(self):
        for count in (0, 1, 2, 3, 7, 8, 9, 100):
            status = listed([10 * n + 5 for n in range(count)])
            for number in range(10 * count + 10):
                expected = number % 10 == 5 and number < 10 * count
                self.assertEqual(status.revokes(cti(number), BOOKING, LOCK, NOON), expected)
                self.assertEqual(status.lists(cti(number)), expected)

    def test_the_order_of_revocation_does_not_matter(self):
        self.assertEqual(entries_of(listed([3, 1, 2])), entries_of(listed([1, 2, 3])))

    def test_a_token_withdrawn_twice_is_listed_once(self):
        once = listed([5])
        twice = listed([5, 5])
        self.assertEqual((twice.header.count, entries_of(twice)), (1, entries_of(once)))

    def test_two_tokens_with_the_same_beginning_are_both_revoked(self):
        for later in (T1, T1 + 9999):
            status = make_status([(b"abcdef01", T1), (b"abcdef02", later)])
            previous = b""
            for at in range(0, 8 * status.header.count, 8):
                raw = status.read(at, 8)
                statuslist.check_order(previous, raw)
                previous = raw
            self.assertTrue(status.lists(b"abcdef01") and status.lists(b"abcdef02"))

    def test_a_pin_name_is_found_by_its_first_six_bytes(self):
        status = make_status([(b"pin-name", T1)])
        self.assertTrue(status.lists(b"pin-name") and status.lists(b"pin-na"))
        self.assertFalse(status.lists(b"pin-nb"))

    def test_min_iat_revokes_what_was_issued_before(self):
        rows = [(BOOKING, None, NOON)]
        self.assertTrue(self.revokes(rows, issued_at=NOON - 1))
        self.assertFalse(self.revokes(rows, issued_at=NOON))

    def test_min_iat_is_per_key_and_per_audience(self):
        everywhere, here = [(BOOKING, None, NOON)], [(BOOKING, LOCK, NOON)]
        for audience in (LOCK, OTHER_LOCK, GROUP):
            self.assertTrue(self.revokes(everywhere, audience=audience, issued_at=NOON - 1))
            self.assertFalse(self.revokes(everywhere, STAFF, audience, NOON - 1))
            told = self.revokes(here, audience=audience, issued_at=NOON - 1)
            self.assertEqual(told, audience == LOCK)

    def test_the_strictest_of_several_rows_counts(self):
        rows = [(BOOKING, LOCK, NOON - 50), (STAFF, None, NOON + 99), (BOOKING, None, NOON)]
        self.assertTrue(self.revokes(rows, issued_at=NOON - 1))
        self.assertTrue(self.revokes(rows[::-1], issued_at=NOON - 1))
        self.assertFalse(self.revokes(rows, issued_at=NOON))

    def test_an_empty_list_revokes_nothing(self):
        status = statuslist.empty(LOCK)
        self.assertEqual((status.version, status.header.count), (0, 0))
        self.assertFalse(status.revokes(cti(0), BOOKING, LOCK, 1))

    def test_a_name_too_short_is_refused(self):
        for odd in (b"", b"12345"):
            self.assertRaises(StatusListError, statuslist.entry, odd, T1)


class TestHours(unittest.TestCase):
    def hour_of(self, expires_at):
        return int.from_bytes(statuslist.entry(cti(1), expires_at)[6:], "big")

    def test_hours_round_up_and_wrap_in_two_bytes(self):
        for expires_at, hour in (
            (WRAP * 3600, 0),
            (WRAP * 3600 + 1, 1),
            (WRAP * 3600 + 3600, 1),
            (WRAP * 3600 - 1, 0),
            (WRAP * 3600 - 3600, 0xFFFF),
            (WRAP * 3600 - 7199, 0xFFFF),
            (WRAP * 3600 - 7200, 0xFFFE),
        ):
            self.assertEqual(self.hour_of(expires_at), hour)

    def test_an_entry_is_kept_until_its_hour_has_passed(self):
        raw = statuslist.entry(cti(1), T1)
        for kept_from, kept in ((HOUR - 1, True), (HOUR, True), (HOUR + 1, False)):
            self.assertEqual(statuslist.is_kept(raw, kept_from), kept)

    def test_an_entry_is_kept_over_the_wrap_of_hours(self):
        for expiry in (WRAP - 1, WRAP, WRAP + 1):
            raw = statuslist.entry(cti(1), expiry * 3600)
            for kept_from in range(WRAP - 4, WRAP + 5):
                self.assertEqual(statuslist.is_kept(raw, kept_from), expiry >= kept_from)

    def test_an_entry_of_three_years_is_kept(self):
        three_years = 3 * 366 * 24
        raw = statuslist.entry(cti(1), (HOUR + three_years) * 3600)
        self.assertTrue(statuslist.is_kept(raw, HOUR))
        self.assertFalse(statuslist.is_kept(statuslist.entry(cti(1), T1), HOUR + three_years))

    def test_a_list_that_never_dropped_anything_keeps_every_hour(self):
        for expires_at in (1, T1, WRAP * 3600, WRAP * 3600 + 5, 1 << 39):
            self.assertTrue(statuslist.is_kept(statuslist.entry(cti(1), expires_at), 0))
        older = listed(range(5))
        self.assertEqual(merged(older, b"", 0), entries_of(older))

    def test_a_list_leaves_out_what_has_expired_before_it_begins(self):
        revoked = [(cti(1), T1 - 3600), (cti(2), T1), (cti(3), T1 + 3600)]
        status = make_status(revoked, kept_from_hour=HOUR)
        self.assertEqual([status.lists(cti(n)) for n in (1, 2, 3)], [False, True, True])


class TestSizes(unittest.TestCase):
    """Headers alone: that `build` makes 16,000 bytes of 2,000 is a test of CPython's side."""

    def header(self, count, rows=()):
        return statuslist.StatusHeader(LOCK, 900, NOON, HOUR, list(rows), count, bytes(32))

    def test_the_header_of_a_full_list_is_small(self):
        for rows, size in (((), 142), ([(STAFF, GROUP, NOON)] * 16, 479)):
            payload = statuslist.encode(self.header(statuslist.MAX_ENTRIES, rows))
            document = sign(payload, STATUS_KEY, statuslist.CONTEXT)
            self.assertEqual(len(document), size)

    def test_a_full_list_is_bisected_where_it_lies(self):
        reads = []

        def read(offset, size):
            reads.append(offset)
            return statuslist.entry(cti(offset // 4), T1)[:size]

        status = statuslist.StatusList(self.header(statuslist.MAX_ENTRIES), read)
        for n in (0, 1, 2, 1999, 2000, 3997, 3998, 3999, 5000):
            reads.clear()
            self.assertEqual(status.lists(cti(n)), n % 2 == 0 and n < 4000)
            self.assertLessEqual(len(reads), 11)

    def test_a_delta_of_ten_entries_travels_in_230_bytes(self):
        document = sign(statuslist.encode(self.header(1000)), STATUS_KEY, statuslist.CONTEXT)
        self.assertEqual(len(cbor.encode([document, 899, bytes(80)])), 230)


class TestMerge(unittest.TestCase):
    def test_a_merge_is_the_sorted_set_of_what_is_kept_and_what_is_new(self):
        noise = Lcg(61)
        for _ in range(150):
            older = make_status(self.some(noise))
            added = sorted({statuslist.entry(*pair) for pair in self.some(noise)})
            kept_from = HOUR + noise.below(6) - 1
            added = [raw for raw in added if statuslist.is_kept(raw, kept_from)]
            held = entries_of(older)
            old = [held[at : at + 8] for at in range(0, len(held), 8)]
            kept = [raw for raw in old if statuslist.is_kept(raw, kept_from)]
            expected = b"".join(sorted(set(kept + added)))
            self.assertEqual(merged(older, b"".join(added), kept_from), expected)

    def some(self, noise):
        count = noise.below(12)
        return [(cti(noise.below(20)), T1 + 3600 * noise.below(4)) for _ in range(count)]

    def test_a_delta_makes_the_list_that_the_town_would_have_sent_whole(self):
        older = make_status([(cti(n), T1 + 3600 * (n % 5)) for n in range(50)])
        new = [(cti(n), T1 + 7200) for n in (7, 60, 33)]
        additions = b"".join(sorted(statuslist.entry(*pair) for pair in new))
        old = [(cti(n), T1 + 3600 * (n % 5)) for n in range(50)]
        whole, entries = statuslist.build(LOCK, 2, NOON, old + new, None, HOUR + 2)
        made = merged(older, additions, HOUR + 2)
        self.assertEqual(made, entries)
        statuslist.in_memory(whole, made)

    def test_nothing_added_and_nothing_expired_gives_the_same_list(self):
        older = listed(range(9))
        self.assertEqual(merged(older, b"", HOUR), entries_of(older))
        empty = statuslist.empty(LOCK)
        self.assertEqual(merged(empty, entries_of(older), HOUR), entries_of(older))

    def test_a_delta_on_another_base_does_not_give_the_digest(self):
        header, _ = statuslist.build(LOCK, 3, NOON, [(cti(n), T1) for n in (1, 2, 3)])
        made = merged(listed([1, 9]), statuslist.entry(cti(3), T1), HOUR)
        self.assertRaises(StatusListError, statuslist.in_memory, header, made)

    def test_entries_out_of_order_show(self):
        first, second = statuslist.entry(cti(1), T1), statuslist.entry(cti(2), T1)
        statuslist.check_order(b"", first)
        statuslist.check_order(first, second)
        for previous, raw in ((second, first), (first, first), (b"", b""), (first, second[:7])):
            self.assertRaises(StatusListError, statuslist.check_order, previous, raw)

    def test_entries_that_are_not_the_headers_are_refused(self):
        header, entries = statuslist.build(LOCK, 3, NOON, [(cti(n), T1) for n in (1, 2)])
        statuslist.in_memory(header, entries)
        for other in (b"", entries[:8], entries + entries[:8], entries[8:] + entries[:8]):
            self.assertRaises(StatusListError, statuslist.in_memory, header, other)


class TestForm(unittest.TestCase):
    GOOD = [LOCK, 1, NOON, HOUR, [[BOOKING, None, 5], [STAFF, GROUP, 6]], 2, bytes(32)]

    def test_a_document_comes_back(self):
        rows = [(BOOKING, None, 99), (STAFF, GROUP, 7)]
        header, entries = statuslist.build(LOCK, 7, NOON, [(cti(1), T1)], rows, HOUR)
        document = sign(statuslist.encode(header), STATUS_KEY, statuslist.CONTEXT)
        _, seen = statuslist.parse(document)
        self.assertEqual((seen.lock_id, seen.version, seen.issued_at), (LOCK, 7, NOON))
        self.assertEqual((seen.kept_from_hour, seen.min_iat), (HOUR, rows))
        self.assertEqual((seen.count, seen.digest), (1, sha256(entries)))

    def test_odd_members_are_refused(self):
        statuslist.decode(cbor.encode(self.GOOD))
        row = [BOOKING, None, 5]
        for index, values in (
            (0, ("kita", b"kitaguch", None, 1, GROUP)),
            (1, (0, -1, True, "1", None)),
            (2, (-1, False, b"")),
            (3, (-1, None)),
            (4, ({}, None, [[]], [row[:2]], [row + [1]], [row] * 17, [1])),
            (4, ([[b"abc", None, 5]], [[BOOKING, "gym", 5]], [[BOOKING, None, -1]])),
            (4, ([[BOOKING, 1, 5]], [[None, None, 5]], [[BOOKING, None, True]])),
            (5, (-1, 2001, True, None)),
            (6, (bytes(31), bytes(33), None, "x" * 32)),
        ):
            for value in values:
                with self.subTest((index, value)):
                    members = list(self.GOOD)
                    members[index] = value
                    raw = cbor.encode(members)
                    self.assertRaises(StatusListError, statuslist.decode, raw)

    def test_payloads_of_another_shape_are_refused(self):
        for value in ([], [LOCK], self.GOOD[:6], self.GOOD + [b""], 1, None, "kitaguch", {}):
            self.assertRaises(StatusListError, statuslist.decode, cbor.encode(value))
        self.assertRaises(StatusListError, statuslist.decode, b"")

    def test_the_town_cannot_write_a_header_that_no_lock_would_read(self):
        for rows in ([(BOOKING, None, 5)] * 17, [(b"abc", None, 5)], [(BOOKING, "gym", 5)]):
            header, _ = statuslist.build(LOCK, 1, NOON, [], rows)
            self.assertRaises(StatusListError, statuslist.encode, header)
        header, _ = statuslist.build(LOCK, 0, NOON, [])
        self.assertRaises(StatusListError, statuslist.encode, header)

    def test_random_bytes_are_refused(self):
        noise = Lcg(31)
        for _ in range(1000):
            data = noise.bytes(noise.below(60))
            self.assertRaises(StatusListError, statuslist.decode, data)
            self.assertRaises(ValueError, statuslist.parse, data)

    def test_a_list_of_another_role_or_a_token_does_not_pass_for_one(self):
        lock = Lock()
        payload = statuslist.encode(statuslist.build(LOCK, 1, NOON, [])[0])
        for public_key, context, good in (
            (STATUS_KEY, statuslist.CONTEXT, True),
            (STATUS_KEY, b"", False),
            (STAFF_KEY, statuslist.CONTEXT, False),
        ):
            signed, _ = statuslist.parse(sign(payload, public_key, context))
            held = verify.verify_document(
                lock.trust.keyset, lock.crypto, signed, ROLE_STATUS, statuslist.CONTEXT
            )
            self.assertEqual(held, good)
        self.assertRaises(StatusListError, statuslist.parse, issue(STATUS_KEY))
        self.assertRaises(tokens.TokenError, tokens.decode_claims, payload)
