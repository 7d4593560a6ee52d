"""Derived keys: each purpose, lock, town, epoch and token has its own."""

import unittest

from protocol import keys
from tests.protocol.support import EPOCH, LOCK, OTHER_LOCK, SHARED_SECRET, TOWN, issue, kdk


class TestKeys(unittest.TestCase):
    def test_every_input_changes_the_key_derivation_key(self):
        derived = [
            keys.lock_kdk(SHARED_SECRET, TOWN, LOCK, EPOCH),
            keys.lock_kdk(bytes(32), TOWN, LOCK, EPOCH),
            keys.lock_kdk(SHARED_SECRET, "ume", LOCK, EPOCH),
            keys.lock_kdk(SHARED_SECRET, TOWN, OTHER_LOCK, EPOCH),
            keys.lock_kdk(SHARED_SECRET, TOWN, LOCK, EPOCH + 1),
        ]
        self.assertEqual(len(set(derived)), len(derived))
        self.assertEqual([len(key) for key in derived], [keys.KEY_BYTES] * len(derived))

    def test_moving_a_letter_from_town_to_lock_changes_the_key(self):
        first = keys.lock_kdk(SHARED_SECRET, "ab", "c", 1)
        self.assertNotEqual(first, keys.lock_kdk(SHARED_SECRET, "a", "bc", 1))

    def test_a_proof_key_belongs_to_one_token_at_one_lock_in_one_epoch(self):
        token, other = issue(), issue(cti=b"otherone")
        derived = [
            keys.proof_key(kdk(), token),
            keys.proof_key(kdk(), other),
            keys.proof_key(kdk(OTHER_LOCK), token),
            keys.proof_key(kdk(LOCK, EPOCH + 1), token),
            keys.audit_key(kdk()),
        ]
        self.assertEqual(len(set(derived)), len(derived))

    def test_a_key_id_is_the_beginning_of_the_hash(self):
        self.assertEqual(keys.key_id(b"abc").hex(), "ba7816bf")
