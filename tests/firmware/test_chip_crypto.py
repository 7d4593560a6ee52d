"""The lock's own cryptography against vectors made by others, on both runtimes."""

import json
import unittest

from firmware.core import ed25519, sha512, x25519
from protocol.crypto import sha256
from tests.protocol.support import unhex

WYCHEPROOF = "tests/vectors/wycheproof_ed25519.json"

# FIPS 180-4 examples.
SHA512 = (
    (
        b"",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    ),
    (
        b"abc",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
)

# RFC 8032 section 7.1, tests 1 to 3: public key, message, signature.
RFC8032 = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
)

# RFC 7748 section 5.2 and 6.1.
X25519 = (
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
)

SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


class TestSha512(unittest.TestCase):
    def test_published_digests(self):
        for message, digest in SHA512:
            self.assertEqual(sha512.portable_sha512(message), unhex(digest))

    def test_every_length_around_a_block_agrees_with_the_library_if_there_is_one(self):
        if sha512.sha512 is sha512.portable_sha512:
            return  # MicroPython has none: the digests above are its test
        for length in range(0, 260):
            message = bytes(range(256))[: length % 256] + bytes(max(0, length - 255))
            self.assertEqual(sha512.portable_sha512(message), sha512.sha512(message))


class TestEd25519(unittest.TestCase):
    def test_rfc_8032(self):
        for key, message, signature in RFC8032:
            self.assertTrue(ed25519.verify(unhex(key), unhex(message), unhex(signature)))

    def test_wycheproof(self):
        with open(WYCHEPROOF) as file:
            groups = json.load(file)["testGroups"]
        count = 0
        for group in groups:
            key = unhex(group["publicKey"]["pk"])
            for case in group["tests"]:
                count += 1
                verdict = ed25519.verify(key, unhex(case["msg"]), unhex(case["sig"]))
                self.assertEqual(verdict, case["result"] == "valid", case["tcId"])
        self.assertEqual(count, 151)

    def test_any_flipped_bit_is_refused(self):
        key, message, signature = [unhex(part) for part in RFC8032[2]]
        for bit in range(0, 512, 13):
            bad = bytearray(signature)
            bad[bit // 8] ^= 1 << bit % 8
            self.assertFalse(ed25519.verify(key, message, bytes(bad)))

    def test_keys_and_points_of_small_order_are_refused(self):
        # S = 0 and R = the key: the equation holds for such keys when nothing checks the order.
        for point in SMALL_ORDER:
            raw = unhex(point)
            for message in (b"", b"a", sha256(b"b")):
                self.assertFalse(ed25519.verify(raw, message, raw + bytes(32)))

    def test_wrong_lengths_are_refused_and_never_raise(self):
        key, message, signature = [unhex(part) for part in RFC8032[0]]
        for length in (0, 1, 31, 33, 64):
            self.assertFalse(ed25519.verify(bytes(length), message, signature))
        for length in (0, 1, 63, 65, 128):
            self.assertFalse(ed25519.verify(key, message, bytes(length)))


class TestX25519(unittest.TestCase):
    def test_rfc_7748(self):
        for scalar, point, shared in X25519:
            self.assertEqual(x25519.x25519(unhex(scalar), unhex(point)), unhex(shared))

    def test_both_sides_agree(self):
        a, b = sha256(b"a"), sha256(b"b")
        left = x25519.x25519(a, x25519.public_key(b))
        self.assertEqual(left, x25519.x25519(b, x25519.public_key(a)))

    def test_point_of_small_order_is_refused(self):
        with self.assertRaises(ValueError):
            x25519.x25519(sha256(b"a"), bytes(32))
