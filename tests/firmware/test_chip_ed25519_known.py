"""The 1,024 known answers of Ed25519's authors, and RFC 8032's: keys, signatures and verdicts."""

import sys
import unittest

from firmware.core import ed25519, ed25519_sign
from tests.protocol.support import unhex

KNOWN = "tests/vectors/ed25519_sign.input"
COUNT = 1024


class TestKnownAnswers(unittest.TestCase):
    def test_all_keys_and_signatures_are_the_published_ones(self):
        """Signing verifies what it made, so each answer is also one of verification."""
        count = 0
        with open(KNOWN) as file:
            for line in file:
                secret, key, message, signed = line.split(":")[:4]
                seed, key, message = unhex(secret)[:32], unhex(key), unhex(message)
                signature = unhex(signed)[:64]
                self.assertEqual(ed25519_sign.sign(seed, key, message), signature, count)
                changed = bytearray(signature)
                changed[count % 64] ^= 1 << count % 8
                self.assertFalse(ed25519.verify(key, message, bytes(changed)), count)
                if count % 16 == 0:
                    self.assertEqual(ed25519_sign.public_key(seed), key)
                count += 1
        self.assertEqual(count, COUNT)


class TestSigning(unittest.TestCase):
    SEED = bytes(range(32))

    def test_public_key_of_another_seed_gets_no_signature(self):
        """Two signatures of one message under two keys would give the secret away."""
        other = ed25519_sign.public_key(bytes(32))
        with self.assertRaises(ed25519_sign.SigningFault):
            ed25519_sign.sign(self.SEED, other, b"head")

    def test_a_fault_while_signing_gives_nothing_out(self):
        own = ed25519_sign.public_key(self.SEED)
        real = ed25519_sign.sha512
        calls = []

        def faulty(message):
            calls.append(message)
            digest = bytearray(real(message))
            digest[5] ^= len(calls) == 3  # the hash that S depends on
            return bytes(digest)

        ed25519_sign.sha512 = faulty
        try:
            with self.assertRaises(ed25519_sign.SigningFault):
                ed25519_sign.sign(self.SEED, own, b"head")
        finally:
            ed25519_sign.sha512 = real
        self.assertEqual(len(calls), 3)

    def test_seed_of_another_length_is_refused(self):
        for length in (0, 31, 33, 64):
            with self.assertRaises(ValueError):
                ed25519_sign.public_key(bytes(length))

    def test_without_arithmetic_nothing_is_signed(self):
        candidates = ed25519.candidates
        ed25519.candidates = lambda: []
        try:
            ed25519.boot()
            with self.assertRaises(ed25519_sign.SigningFault):
                ed25519_sign.public_key(self.SEED)
        finally:
            ed25519.candidates = candidates
            ed25519.boot()

    def test_each_arithmetic_signs_alike(self):
        own = ed25519_sign.public_key(self.SEED)
        signature = ed25519_sign.sign(self.SEED, own, b"head")
        candidates = ed25519.candidates
        try:
            for candidate in candidates():
                ed25519.candidates = lambda: [candidate]  # noqa: B023
                self.assertEqual(ed25519.boot(), candidate[0])
                self.assertEqual(ed25519_sign.public_key(self.SEED), own)
                self.assertEqual(ed25519_sign.sign(self.SEED, own, b"head"), signature)
        finally:
            ed25519.candidates = candidates
            ed25519.boot()


if sys.implementation.name != "micropython":

    class TestAgainstLibsodium(unittest.TestCase):
        def test_signatures_of_any_length_are_libsodiums(self):
            from nacl.signing import SigningKey

            for length in range(0, 260, 13):
                seed, message = bytes([length]) * 32, bytes(range(length % 256))
                theirs = SigningKey(seed)
                own = ed25519_sign.public_key(seed)
                self.assertEqual(own, bytes(theirs.verify_key))
                signature = ed25519_sign.sign(seed, own, message)
                self.assertEqual(signature, theirs.sign(message).signature)
