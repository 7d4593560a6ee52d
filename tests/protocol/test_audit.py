"""The audit chain, as attacks: edits, deletions, reorderings, forks and forged seals all show."""

import unittest

from protocol import audit, cbor, keys
from protocol.audit import AuditError, Batch, Record
from protocol.timebound import TimeBound
from tests.protocol.support import LOCK, NOON, OTHER_LOCK, Lcg, kdk, with_bit_flipped

JOURNAL = 1


def make_run(count, lock_id=LOCK, journal_epoch=JOURNAL, code=0):
    """`count` records of a new journal."""
    previous, run = audit.genesis(lock_id, journal_epoch), []
    for seq in range(count):
        time = None if seq == 0 else TimeBound(NOON + seq, NOON + seq + 2)
        subject = b"subject!" if seq % 2 else None
        record = Record(
            seq, time, audit.LOCK_OPERATION, code, audit.SOURCE_HOLDER, subject, previous
        )
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
            record = Record(seq, None, audit.BOOT, 0, audit.SOURCE_NONE, None, first)
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
    GOOD = [1, 5, 9, 2, 0, 1, b"subject!", bytes(32)]

    def test_a_record_comes_back(self):
        record = audit.decode_record(make_run(2)[1])
        self.assertEqual((record.seq, record.event, record.code), (1, audit.LOCK_OPERATION, 0))
        self.assertEqual((record.time.lo, record.time.hi), (NOON + 1, NOON + 3))
        self.assertEqual((record.source, record.subject), (audit.SOURCE_HOLDER, b"subject!"))
        self.assertIsNone(audit.decode_record(make_run(1)[0]).time)

    def test_the_largest_record_fits_its_slot(self):
        most = (1 << 64) - 1
        record = Record(most, TimeBound(most, most), most, most, most, bytes(8), bytes(32))
        self.assertLessEqual(len(audit.encode_record(record)), audit.MAX_RECORD_BYTES)

    def test_an_oversize_record_is_refused(self):
        record = Record(0, None, 0, 0, 0, bytes(8), bytes(120))
        self.assertRaises(AuditError, audit.encode_record, record)

    def test_odd_members_are_refused(self):
        audit.decode_record(cbor.encode(self.GOOD))
        for index, values in (
            (0, (-1, True, None, "1")),
            (1, (None, 10, -1, True, "5")),
            (2, (None, 4, -1, "9")),
            (3, (-1, None)),
            (4, (False, b"")),
            (5, (None, -5)),
            (6, (b"", b"subject", "subject!", 1)),
            (7, (bytes(31), bytes(33), None, "h" * 32)),
        ):
            for value in values:
                with self.subTest((index, value)):
                    members = list(self.GOOD)
                    members[index] = value
                    self.assertRaises(AuditError, audit.decode_record, cbor.encode(members))

    def test_random_bytes_are_refused(self):
        noise = Lcg(41)
        for _ in range(1000):
            data = noise.bytes(noise.below(60))
            self.assertRaises(AuditError, audit.decode_record, data)
            self.assertRaises(AuditError, audit.decode_batch, data)


class TestBatch(unittest.TestCase):
    def setUp(self):
        self.raw = audit.encode_batch(Batch(LOCK, 3, JOURNAL, make_run(3)))
        self.key = keys.audit_key(kdk())

    def test_a_batch_comes_back(self):
        batch = audit.decode_batch(self.raw)
        self.assertEqual((batch.lock_id, batch.vault_epoch, batch.journal_epoch), (LOCK, 3, 1))
        self.assertEqual(batch.records, make_run(3))

    def test_any_change_of_the_batch_or_key_changes_the_seal(self):
        seal = audit.seal(self.key, self.raw)
        self.assertEqual(len(seal), 16)
        self.assertNotEqual(audit.seal(keys.audit_key(kdk(OTHER_LOCK)), self.raw), seal)
        for bit in range(0, 8 * len(self.raw), 5):
            self.assertNotEqual(audit.seal(self.key, with_bit_flipped(self.raw, bit)), seal)

    def test_odd_batches_are_refused(self):
        for members in (
            ["kita", 3, 1, []],
            [LOCK, -1, 1, []],
            [LOCK, 3, True, []],
            [LOCK, 3, 1, {}],
            [LOCK, 3, 1, ["text"]],
            [LOCK, 3, 1],
            [LOCK, 3, 1, [], 5],
        ):
            with self.subTest(members):
                self.assertRaises(AuditError, audit.decode_batch, cbor.encode(members))
