"""Derived keys: each purpose, lock, town, epoch and token has its own."""

import unittest

from protocol import keys, pin
from tests.protocol.support import (
    EPOCH,
    LOCK,
    LOCK_PUBLIC_KEY,
    OTHER_LOCK,
    SHARED_SECRET,
    TOWN,
    VAULT_PUBLIC_KEY,
    issue,
    kdk,
)


class TestKeys(unittest.TestCase):
    USUAL = (SHARED_SECRET, TOWN, LOCK, EPOCH, LOCK_PUBLIC_KEY, VAULT_PUBLIC_KEY)

    def test_every_input_changes_the_key_derivation_key(self):
        derived = [keys.lock_kdk(*self.USUAL)]
        others = (bytes(32), "ume", OTHER_LOCK, EPOCH + 1, bytes(32), bytes(32))
        for index, other in enumerate(others):
            changed = list(self.USUAL)
            changed[index] = other
            derived.append(keys.lock_kdk(*changed))
        self.assertEqual(len(set(derived)), 7)
        self.assertEqual([len(key) for key in derived], [keys.KEY_BYTES] * 7)

    def test_the_public_keys_are_not_exchangeable(self):
        swapped = self.USUAL[:4] + (VAULT_PUBLIC_KEY, LOCK_PUBLIC_KEY)
        self.assertNotEqual(keys.lock_kdk(*swapped), keys.lock_kdk(*self.USUAL))

    def test_moving_a_letter_from_town_to_lock_changes_the_key(self):
        public = self.USUAL[4:]
        first = keys.lock_kdk(SHARED_SECRET, "ab", "c", 1, *public)
        self.assertNotEqual(first, keys.lock_kdk(SHARED_SECRET, "a", "bc", 1, *public))

    def test_a_proof_key_belongs_to_one_token_at_one_lock_in_one_epoch(self):
        token, other = issue(), issue(cti=b"otherone")
        derived = [
            keys.proof_key(kdk(), token),
            keys.proof_key(kdk(), other),
            keys.proof_key(kdk(OTHER_LOCK), token),
            keys.proof_key(kdk(LOCK, EPOCH + 1), token),
            keys.audit_key(kdk()),
            keys.audit_cipher_key(kdk(), bytes(16)),
            keys.audit_cipher_key(kdk(), b"S" * 16),
            pin.pin_key(kdk()),
            kdk(),
        ]
        self.assertEqual(len(set(derived)), len(derived))

    def test_a_key_id_is_the_beginning_of_the_hash(self):
        self.assertEqual(keys.key_id(b"abc").hex(), "ba7816bf")
