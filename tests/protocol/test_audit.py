"""The audit chain, as attacks: edits, deletions, reorderings, forks and forged seals all show."""

import unittest

from protocol import audit, cbor, keys, verify
from protocol.audit import AuditError, Head, Record
from protocol.keyset import ROLE_ACK
from protocol.timebound import FOREVER, TimeBound, unknown
from tests.protocol.support import (
    ACK_KEY,
    EPOCH,
    LOCK,
    NOON,
    OTHER_LOCK,
    STAFF_KEY,
    Lcg,
    Lock,
    aes,
    kdk,
    sign,
    with_bit_flipped,
)

JOURNAL = 1


def make_run(count, lock_id=LOCK, journal_epoch=JOURNAL, code=0):
    """`count` records of a new journal."""
    previous, run = audit.genesis(lock_id, journal_epoch), []
    for seq in range(count):
        time = unknown() if seq == 0 else TimeBound(NOON + seq, NOON + seq + 2)
        subject, value = (b"subject!", NOON + 99) if seq % 2 else (None, None)
        event, source = audit.LOCK_OPERATION, audit.SOURCE_HOLDER
        record = Record(seq, time, event, code, source, subject, value, previous)
        run.append(audit.encode_record(record))
        previous = audit.record_hash(run[-1])
    return run


class TestChain(unittest.TestCase):
    def setUp(self):
        self.run = make_run(6)
        self.start = audit.genesis(LOCK, JOURNAL)

    def assertShows(self, run, next_seq=0, previous=None):
        previous = self.start if previous is None else previous
        self.assertRaises(AuditError, audit.check_run, run, next_seq, previous)

    def test_a_whole_run_is_good(self):
        records, head = audit.check_run(self.run, 0, self.start)
        self.assertEqual([record.seq for record in records], [0, 1, 2, 3, 4, 5])
        self.assertEqual(head, audit.record_hash(self.run[-1]))

    def test_a_run_continues_where_the_last_one_ended(self):
        _, head = audit.check_run(self.run[:4], 0, self.start)
        records, _ = audit.check_run(self.run[4:], 4, head)
        self.assertEqual([record.seq for record in records], [4, 5])

    def test_an_empty_run_changes_nothing(self):
        self.assertEqual(audit.check_run([], 3, b"h" * 32), ([], b"h" * 32))

    def test_every_bit_edited_in_any_record_but_the_last_shows(self):
        for index in range(len(self.run) - 1):
            for bit in range(8 * len(self.run[index])):
                edited = list(self.run)
                edited[index] = with_bit_flipped(edited[index], bit)
                self.assertShows(edited)

    def test_an_edit_of_the_last_record_shows_against_the_head(self):
        _, head = audit.check_run(self.run, 0, self.start)
        for bit in range(8 * len(self.run[-1])):
            edited = with_bit_flipped(self.run[-1], bit)
            self.assertNotEqual(audit.record_hash(edited), head)

    def test_a_deleted_record_shows(self):
        for index in range(len(self.run) - 1):
            self.assertShows(self.run[:index] + self.run[index + 1 :])

    def test_a_cut_tail_shows_against_the_head(self):
        _, head = audit.check_run(self.run, 0, self.start)
        _, shorter = audit.check_run(self.run[:-1], 0, self.start)
        self.assertNotEqual(shorter, head)

    def test_reordered_records_show(self):
        for index in range(len(self.run) - 1):
            swapped = list(self.run)
            swapped[index], swapped[index + 1] = swapped[index + 1], swapped[index]
            self.assertShows(swapped)

    def test_a_repeated_record_shows(self):
        self.assertShows(self.run[:2] + self.run[1:])

    def test_a_number_that_jumps_shows_even_where_the_hashes_fit(self):
        for seq in (0, 2, 7):
            first = audit.record_hash(self.run[0])
            record = Record(seq, unknown(), audit.BOOT, 0, audit.SOURCE_NONE, None, None, first)
            self.assertShows([self.run[0], audit.encode_record(record)])

    def test_a_fork_shows(self):
        other = make_run(6, code=1)
        for at in range(1, 6):
            self.assertShows(self.run[:at] + other[at:])
        _, head = audit.check_run(self.run[:3], 0, self.start)
        self.assertShows(other[3:], 3, head)

    def test_a_run_of_another_lock_or_journal_shows(self):
        self.assertShows(make_run(6, lock_id=OTHER_LOCK))
        self.assertShows(make_run(6, journal_epoch=JOURNAL + 1))

    def test_a_run_that_starts_later_than_expected_shows(self):
        self.assertShows(self.run[1:])


class TestRecord(unittest.TestCase):
    GOOD = [1, 5, 9, 2, 0, 1, b"subject!", 7, bytes(32)]

    def test_a_record_comes_back(self):
        record = audit.decode_record(make_run(2)[1])
        self.assertEqual((record.seq, record.event, record.code), (1, audit.LOCK_OPERATION, 0))
        self.assertEqual((record.time.lo, record.time.hi), (NOON + 1, NOON + 3))
        self.assertEqual((record.source, record.subject), (audit.SOURCE_HOLDER, b"subject!"))
        self.assertEqual(record.value, NOON + 99)

    def test_a_record_without_clock_subject_or_value_comes_back(self):
        record = audit.decode_record(make_run(1)[0])
        self.assertEqual((record.time.lo, record.time.hi), (0, FOREVER))
        self.assertEqual((record.subject, record.value), (None, None))

    def test_the_largest_record_fits_its_slot(self):
        big = (1 << 64) - 1
        late = TimeBound(FOREVER - 1, FOREVER - 1)
        usual = Record(1 << 32, late, 255, 1 << 32, 255, bytes(8), FOREVER, bytes(32))
        self.assertLessEqual(len(audit.encode_record(usual)), 99)
        record = Record(big, late, big, big, big, bytes(8), big, bytes(32))
        self.assertEqual(len(audit.encode_record(record)), 107)

    def test_an_oversize_record_is_refused(self):
        record = Record(0, unknown(), 0, 0, 0, bytes(8), None, bytes(93))
        self.assertEqual(len(audit.encode_record(record)), audit.MAX_RECORD_BYTES)
        record.previous += b"!"
        self.assertRaises(AuditError, audit.encode_record, record)

    def test_odd_members_are_refused(self):
        audit.decode_record(cbor.encode(self.GOOD))
        for index, values in (
            (0, (-1, True, None, "1")),
            (1, (None, 10, -1, True, "5")),
            (2, (4, -1, "9", FOREVER + 1)),
            (3, (-1, None)),
            (4, (False, b"")),
            (5, (None, -5)),
            (6, (b"", b"subject", "subject!", 1, bytes(9))),
            (7, (-1, True, "7", b"")),
            (8, (bytes(31), bytes(33), None, "h" * 32)),
        ):
            for value in values:
                with self.subTest((index, value)):
                    members = list(self.GOOD)
                    members[index] = value
                    self.assertRaises(AuditError, audit.decode_record, cbor.encode(members))

    def test_a_record_of_the_old_form_is_refused(self):
        old = self.GOOD[:7] + self.GOOD[8:]
        self.assertRaises(AuditError, audit.decode_record, cbor.encode(old))

    def test_random_bytes_are_refused(self):
        noise = Lcg(41)
        decoders = (audit.decode_record, audit.decode_parcel, audit.decode_ack, audit.decode_head)
        for _ in range(700):
            data = noise.bytes(noise.below(60))
            for decode in decoders:
                self.assertRaises(AuditError, decode, data)
            self.assertRaises(ValueError, audit.parse_ack, data)


class TestParcel(unittest.TestCase):
    SALT = b"S" * 16

    def setUp(self):
        self.run = make_run(3)
        self.kdk = kdk()
        self.raw, self.seal = self.pack(self.run)

    def pack(self, records, key=None, salt=SALT):
        head = Head(LOCK, JOURNAL, 0, b"")
        return audit.pack(aes, self.kdk if key is None else key, salt, head, EPOCH, records)

    def assertRefused(self, raw, seal, key=None):
        key = self.kdk if key is None else key
        self.assertRaises(AuditError, audit.unpack, aes, key, raw, seal)

    def test_a_parcel_comes_back(self):
        self.assertEqual(audit.unpack(aes, self.kdk, self.raw, self.seal), self.run)
        parcel = audit.decode_parcel(self.raw)
        said = (parcel.lock_id, parcel.vault_epoch, parcel.journal_epoch)
        self.assertEqual(said, (LOCK, EPOCH, JOURNAL))
        self.assertEqual((parcel.first_seq, parcel.count, parcel.salt), (0, 3, self.SALT))

    def test_an_empty_parcel_comes_back(self):
        raw, seal = self.pack([])
        self.assertEqual(audit.unpack(aes, self.kdk, raw, seal), [])

    def test_a_carrier_cannot_read_the_records(self):
        for record in self.run:
            self.assertNotIn(record, self.raw)
        self.assertNotIn(b"subject!", self.raw)
        hidden = audit.decode_parcel(self.raw).hidden
        self.assertEqual(len(hidden), len(cbor.encode(self.run)))
        for shown in (hidden, hidden[1:]):
            self.assertRaises(cbor.CborError, cbor.decode, shown)

    def test_the_same_records_under_another_salt_look_different(self):
        other, _ = self.pack(self.run, salt=b"T" * 16)
        first, second = audit.decode_parcel(self.raw), audit.decode_parcel(other)
        same = sum(a == b for a, b in zip(first.hidden, second.hidden))
        self.assertLessEqual(same, len(first.hidden) // 8)

    def test_any_change_of_the_batch_or_key_changes_the_seal(self):
        self.assertEqual(len(self.seal), 16)
        other_key = keys.audit_key(kdk(OTHER_LOCK))
        self.assertNotEqual(audit.seal(other_key, self.raw), self.seal)
        key = keys.audit_key(self.kdk)
        for bit in range(0, 8 * len(self.raw), 5):
            self.assertNotEqual(audit.seal(key, with_bit_flipped(self.raw, bit)), self.seal)

    def test_every_bit_flip_of_a_parcel_or_its_seal_is_refused(self):
        for bit in range(0, 8 * len(self.raw), 3):
            self.assertRefused(with_bit_flipped(self.raw, bit), self.seal)
        for bit in range(8 * len(self.seal)):
            self.assertRefused(self.raw, with_bit_flipped(self.seal, bit))

    def test_a_short_or_missing_seal_is_refused(self):
        for seal in (b"", self.seal[:15], self.seal + b"\x00"):
            self.assertRefused(self.raw, seal)

    def test_the_key_of_another_lock_or_epoch_opens_no_parcel(self):
        for key in (kdk(OTHER_LOCK), kdk(LOCK, EPOCH + 1), bytes(32)):
            self.assertRefused(self.raw, self.seal, key)

    def test_a_parcel_of_one_lock_cannot_be_relabelled_as_anothers(self):
        members = cbor.decode(self.raw)
        for index, value in ((0, OTHER_LOCK), (1, 9), (2, 2), (3, 7), (4, 2), (5, b"T" * 16)):
            changed = list(members)
            changed[index] = value
            self.assertRefused(cbor.encode(changed), self.seal)

    def test_a_sealed_parcel_that_lies_about_its_count_is_refused(self):
        members = cbor.decode(self.raw)
        for count in (0, 2, 4):
            lying = cbor.encode(members[:4] + [count] + members[5:])
            self.assertRefused(lying, audit.seal(keys.audit_key(self.kdk), lying))

    def test_a_sealed_parcel_of_anything_but_records_is_refused(self):
        for content in ([None], ["text"], [5], [[b""]]):
            self.assertRefused(*self.pack(content))

    def test_odd_parcels_are_refused(self):
        good = cbor.decode(self.raw)
        for index, values in (
            (0, ("kita", None, b"kitaguch")),
            (1, (-1, True)),
            (2, (-1, None)),
            (3, (-1, "0")),
            (4, (-1, True)),
            (5, (bytes(15), bytes(17), None)),
            (6, (None, "text", [])),
        ):
            for value in values:
                with self.subTest((index, value)):
                    members = list(good)
                    members[index] = value
                    self.assertRaises(AuditError, audit.decode_parcel, cbor.encode(members))
        self.assertRaises(AuditError, audit.decode_parcel, cbor.encode(good[:6]))
        self.assertRaises(AuditError, audit.decode_parcel, cbor.encode(good + [1]))


class TestHeads(unittest.TestCase):
    HEAD = Head(LOCK, JOURNAL, 7, b"h" * 32)
    NONCE = b"N" * 16

    def setUp(self):
        self.lock = Lock()

    def acknowledges(self, document):
        signed, _ = audit.parse_ack(document)
        trusted = (self.lock.trust.keyset, self.lock.crypto)
        return verify.verify_document(*trusted, signed, ROLE_ACK, audit.ACK_CONTEXT)

    def test_an_acknowledgement_comes_back(self):
        payload = audit.encode_ack(self.HEAD)
        _, seen = audit.parse_ack(sign(payload, ACK_KEY, audit.ACK_CONTEXT))
        self.assertEqual((seen.lock_id, seen.journal_epoch, seen.seq), (LOCK, JOURNAL, 7))
        self.assertEqual(seen.record_hash, b"h" * 32)

    def test_only_the_ack_key_in_its_context_acknowledges(self):
        payload = audit.encode_ack(self.HEAD)
        self.assertTrue(self.acknowledges(sign(payload, ACK_KEY, audit.ACK_CONTEXT)))
        self.assertFalse(self.acknowledges(sign(payload, STAFF_KEY, audit.ACK_CONTEXT)))
        self.assertFalse(self.acknowledges(sign(payload, ACK_KEY)))
        self.assertFalse(self.acknowledges(sign(payload, ACK_KEY, audit.HEAD_CONTEXT)))

    def test_a_signed_head_comes_back_with_its_nonce(self):
        seen, nonce = audit.decode_head(audit.encode_head(self.HEAD, self.NONCE))
        self.assertEqual((seen.lock_id, seen.journal_epoch, seen.seq), (LOCK, JOURNAL, 7))
        self.assertEqual((seen.record_hash, nonce), (b"h" * 32, self.NONCE))

    def test_a_head_is_no_acknowledgement_and_the_reverse(self):
        head = audit.encode_head(self.HEAD, self.NONCE)
        self.assertRaises(AuditError, audit.decode_ack, head)
        self.assertRaises(AuditError, audit.decode_head, audit.encode_ack(self.HEAD))

    def test_odd_heads_are_refused(self):
        good = [LOCK, JOURNAL, 7, b"h" * 32, self.NONCE]
        for index, values in (
            (0, ("kita", None)),
            (1, (-1, True)),
            (2, (-1, None, "7")),
            (3, (bytes(31), None)),
            (4, (bytes(15), bytes(17), None)),
        ):
            for value in values:
                members = list(good)
                members[index] = value
                self.assertRaises(AuditError, audit.decode_head, cbor.encode(members))
                if index < 4:
                    self.assertRaises(AuditError, audit.decode_ack, cbor.encode(members[:4]))
