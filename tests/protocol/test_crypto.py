"""HMAC and HKDF against the RFCs' own vectors, and the comparison of MACs."""

import unittest

from protocol.crypto import aes_ctr, hkdf_sha256, hmac_sha256, same_bytes, sha256
from tests.protocol.support import aes, unhex

# RFC 4231: key, data, HMAC-SHA-256 (case 5 is cut to 16 bytes there).
RFC4231 = (
    (
        "0b" * 20,
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        "aa" * 20,
        "dd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        "0102030405060708090a0b0c0d0e0f10111213141516171819",
        "cd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    ("0c" * 20, "546573742057697468205472756e636174696f6e", "a3b6167473100ee06e0c796c2955552b"),
    (
        "aa" * 131,
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20"
        "48617368204b6579204669727374",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        "aa" * 131,
        "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a"
        "65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865"
        "206b6579206e6565647320746f20626520686173686564206265666f7265206265696e672075736564206279"
        "2074686520484d414320616c676f726974686d2e",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)

# RFC 5869 appendix A, SHA-256: secret, salt, info, length, output.
RFC5869 = (
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        "".join("{:02x}".format(i) for i in range(0x00, 0x50)),
        "".join("{:02x}".format(i) for i in range(0x60, 0xB0)),
        "".join("{:02x}".format(i) for i in range(0xB0, 0x100)),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
)

# AES-256 in counter mode from counter 0, as OpenSSL has it: key, plaintext, ciphertext.
_COUNTING_KEY = "".join("{:02x}".format(i) for i in range(32))
CTR_FROM_ZERO = (
    ("00" * 32, "", ""),
    (_COUNTING_KEY, "78", "8a"),
    (_COUNTING_KEY, "00" * 16, "f29000b62a499fd0a9f39a6add2e7780"),
    (
        _COUNTING_KEY,
        "".join("{:02x}".format(i) for i in range(100)),
        "f29102b52e4c99d7a1fa9061d123798fe04c64bd5eac89f2beef812a54df28222e9d97fd9109a59a2081831e"
        "3401bfb6e27264601cb45618b8a789b8f9c263690e1ea4ff6eb7fe417b8a3bbe8d832701f95613b52d2410f2"
        "08ef657d163d10bb890e5c69",
    ),
)


class TestHash(unittest.TestCase):
    def test_parts_hash_like_their_concatenation(self):
        expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        self.assertEqual(sha256(b"abc").hex(), expected)
        self.assertEqual(sha256(b"a", b"", b"bc").hex(), expected)

    def test_hmac_rfc4231(self):
        for key, data, expected in RFC4231:
            with self.subTest(expected):
                mac = hmac_sha256(unhex(key), unhex(data)).hex()
                self.assertEqual(mac[: len(expected)], expected)

    def test_hmac_parts_are_concatenated(self):
        self.assertEqual(hmac_sha256(b"k", b"ab", b"c"), hmac_sha256(b"k", b"a", b"bc"))

    def test_a_key_of_one_block_is_not_hashed_and_a_longer_one_is(self):
        block = bytes(64)
        self.assertEqual(hmac_sha256(block, b"x"), hmac_sha256(b"", b"x"))
        self.assertEqual(hmac_sha256(bytes(65), b"x"), hmac_sha256(sha256(bytes(65)), b"x"))

    def test_hkdf_rfc5869(self):
        for secret, salt, info, length, expected in RFC5869:
            with self.subTest(expected):
                out = hkdf_sha256(unhex(secret), unhex(info), length, unhex(salt))
                self.assertEqual(out.hex(), expected)

    def test_hkdf_refuses_impossible_lengths(self):
        self.assertEqual(len(hkdf_sha256(b"s", b"", 255 * 32)), 255 * 32)
        for length in (0, -1, 255 * 32 + 1):
            self.assertRaises(ValueError, hkdf_sha256, b"s", b"", length)


class TestCounterMode(unittest.TestCase):
    def test_it_is_the_mode_of_the_standard(self):
        for key, plain, cipher in CTR_FROM_ZERO:
            with self.subTest(cipher):
                block = aes(unhex(key))
                self.assertEqual(aes_ctr(block, unhex(plain)).hex(), cipher)
                self.assertEqual(aes_ctr(block, unhex(cipher)).hex(), plain)


class TestSameBytes(unittest.TestCase):
    def test_equal_bytes_are_the_same(self):
        self.assertTrue(same_bytes(b"", b""))
        self.assertTrue(same_bytes(b"\x00\xff", b"\x00\xff"))

    def test_a_difference_of_one_bit_anywhere_shows(self):
        mac = bytes(range(16))
        for bit in range(128):
            other = bytearray(mac)
            other[bit // 8] ^= 1 << bit % 8
            self.assertFalse(same_bytes(mac, bytes(other)))

    def test_a_prefix_is_not_the_same(self):
        self.assertFalse(same_bytes(b"ab", b"a"))
        self.assertFalse(same_bytes(b"", b"a"))
