"""Each arithmetic of the lock's Ed25519 against plain affine formulas and libsodium's verdicts."""

import json
import sys
import unittest

from firmware.core import ed25519, sha512
from firmware.core import ed25519_curve as curve
from protocol.crypto import sha256
from tests.protocol.support import unhex

EDGES = "tests/vectors/ed25519_edges.json"
P, L = curve.P, curve.L
D = -121665 * pow(121666, P - 2, P) % P
BASE = (curve.BASE_X, curve.BASE_Y)
NEUTRAL = (0, 1)
_ORDER8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
TORSION = (curve.recover_x(_ORDER8, 0), _ORDER8)


def add(a, b):
    """The textbook's addition of affine points."""
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + k, P - 2, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - k + P, P - 2, P) % P


def multiply(n, point):
    total = NEUTRAL
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def table(point):
    found = bytearray(curve.TABLE_BYTES)
    curve.build_table(found, point[0], point[1])
    return found


def numbers(seed, count):
    """Numbers below L that are the same in every run and on both runtimes."""
    found = []
    for i in range(count):
        found.append(int.from_bytes(sha256(seed + bytes((i,))), "little") % L)
    return found


def on_micropython():
    return sys.implementation.name == "micropython"


class TestArithmetic(unittest.TestCase):
    def test_micropython_computes_in_machine_words_and_cpython_in_integers(self):
        expected = "machine words" if on_micropython() else "integers"
        self.assertEqual(ed25519.boot(), expected)
        self.assertEqual(ed25519.arithmetic(), expected)
        self.assertEqual(sha512.sha512 is sha512.portable_sha512, False)

    def test_each_arithmetic_knows_sums_of_multiples_even_with_a_part_of_small_order(self):
        (a,) = numbers(b"key", 1)
        base = table(BASE)
        scalars = [0, 1, 2, 3, L - 2, L - 1, (1 << 252) - 1] + numbers(b"scalars", 4)
        for key in (multiply(a, BASE), add(multiply(a, BASE), TORSION)):
            of_key = table(key)
            for i, h in enumerate(scalars):
                s = scalars[-1 - i]
                expected = encode(add(multiply(s, BASE), multiply(h, key)))
                for name, compute in ed25519.candidates():
                    self.assertEqual(compute(s, base, h, of_key), expected, (name, s, h))

    def test_machine_words_and_integers_agree_for_many_scalars(self):
        base, key = table(BASE), table(add(multiply(7, BASE), TORSION))
        many = numbers(b"many", 120)
        for s, h in zip(many[::2], many[1::2]):
            expected = curve.encoded_double_scalar(s, base, h, key)
            for name, compute in ed25519.candidates():
                self.assertEqual(compute(s, base, h, key), expected, (name, s, h))

    def test_verdicts_at_every_edge_are_those_of_libsodium(self):
        with open(EDGES) as file:
            cases = json.load(file)
        verdicts = []
        for key, message, signature, verdict in cases:
            verdicts.append(verdict)
            found = ed25519.verify(unhex(key), unhex(message), unhex(signature))
            self.assertEqual(found, verdict, (key, signature))
        self.assertTrue(verdicts.count(True) > 20 and verdicts.count(False) > 100)


class TestSmallOrder(unittest.TestCase):
    def test_none_of_the_eight_points_is_a_key_or_an_r_in_any_encoding(self):
        self.assertEqual(multiply(8, TORSION), NEUTRAL)
        points = [multiply(n, TORSION) for n in range(8)]
        self.assertEqual(len(set(points)), 8)
        key, message, signature = _good()
        for _, y in points:
            for number in (y, y + P):
                for sign in (0, 1):
                    if number < 1 << 255:
                        raw = (number | sign << 255).to_bytes(32, "little")
                        self.assertTrue(ed25519.decode_key(raw) is None)
                        self.assertFalse(ed25519.verify(key, message, raw + signature[32:]))
                        self.assertFalse(_equation_alone_decides(key, message, raw))


class TestFieldInMachineWords(unittest.TestCase):
    """The unrolled code at the ends of the range that the formulas reach; not on CPython."""

    def test_products_and_squares_of_extreme_limbs(self):
        if not on_micropython():
            return  # CPython has no viper: the same test runs inside MicroPython
        from firmware.core import ed25519_fast as fast

        fast.encoded_double_scalar(1, table(BASE), 1, table(BASE))  # sets the constants
        mul, square = bytes((1, 10, 8, 9, 0)), bytes((1, 10, 8, 8, 0))
        patterns = [
            lambda i: 8198,
            lambda i: -8198,
            lambda i: 8198 if i & 1 else -8198,
            lambda i: -8198 if i < 10 else 8198,
            lambda i: 0 if i else -1,
            lambda i: 0 if i < 19 else -8198,
        ]
        for left in patterns:
            for right in patterns:
                a, b = _put(fast, 8, left), _put(fast, 9, right)
                fast._run(mul, b"", b"")
                self.assertEqual(_value(fast, 10), a * b % P)
                fast._run(square, b"", b"")
                self.assertEqual(_value(fast, 10), a * a % P)


def _equation_alone_decides(key, message, raw_r):
    """Whether R of small order passes with the S that fits it for the key B (whose secret is 1)."""
    key = encode(BASE)
    h = int.from_bytes(sha512.sha512(raw_r + key + message), "little") % L
    return ed25519.verify(key, message, raw_r + h.to_bytes(32, "little"))


def _put(fast, element, limb):
    value = 0
    for i in range(19, -1, -1):
        value = (value << 13) + limb(i)
        fast._memory[20 * element + i] = limb(i) & 0xFFFFFFFF
    return value


def _value(fast, element):
    """The element modulo P; every limb must be within what the formulas count on."""
    value = 0
    for i in range(19, -1, -1):
        limb = fast._memory[20 * element + i]
        limb -= (limb >> 31) << 32
        assert -4100 <= limb <= 4100, (i, limb)
        value = (value << 13) + limb
    return value % P


class TestSha512(unittest.TestCase):
    def test_the_chosen_one_agrees_with_the_portable_one_around_block_lengths(self):
        for length in (0, 1, 63, 64, 111, 112, 127, 128, 129, 239, 240, 241, 300):
            for filler in (0, 85, 255):
                message = bytes([filler]) * length
                self.assertEqual(sha512.sha512(message), sha512.portable_sha512(message))


class TestBoot(unittest.TestCase):
    def setUp(self):
        self._candidates = ed25519.candidates

    def tearDown(self):
        ed25519.candidates = self._candidates
        ed25519.boot()

    def test_arithmetic_that_is_wrong_verifies_nothing_and_says_so(self):
        key, message, signature = _good()
        self.assertTrue(ed25519.verify(key, message, signature))
        for wrong in (lambda s, base, h, key: bytes(32), lambda s, base, h, key: _known_r()):
            ed25519.candidates = lambda: [("wrong", wrong)]  # noqa: B023
            self.assertIn("known answers", ed25519.boot())
            self.assertIn("known answers", ed25519.arithmetic())
            self.assertFalse(ed25519.verify(key, message, signature))

    def test_arithmetic_that_needs_more_memory_than_there_is_leaves_it_to_integers(self):
        def greedy(s, base, h, key):
            raise MemoryError("no heap for this")

        good = [("integers", curve.encoded_double_scalar)]
        ed25519.candidates = lambda: [("greedy", greedy)] + good
        self.assertEqual(ed25519.boot(), "integers")
        ed25519.candidates = lambda: [("greedy", greedy)]
        self.assertIn("known answers", ed25519.boot())

    def test_wrong_machine_words_leave_it_to_integers(self):
        key, message, signature = _good()
        good = [("integers", curve.encoded_double_scalar)]
        ed25519.candidates = lambda: [("wrong", lambda s, base, h, key: bytes(32))] + good
        self.assertEqual(ed25519.boot(), "integers")
        self.assertTrue(ed25519.verify(key, message, signature))
        self.assertFalse(ed25519.verify(key, message + b"!", signature))


class TestTables(unittest.TestCase):
    def tearDown(self):
        ed25519.boot()

    def test_tables_are_kept_by_the_port_and_damaged_ones_built_again(self):
        port = FakePort()
        key, message, signature = _good()
        ed25519.boot(port)
        self.assertTrue(ed25519.verify(key, message, signature))
        self.assertEqual(len(port.kept), 2)
        written = port.writes
        ed25519.boot(port)
        self.assertTrue(ed25519.verify(key, message, signature))
        self.assertEqual(port.writes, written)
        for name in port.kept:
            port.kept[name] = port.kept[name][:100] + b"x" + port.kept[name][101:]
        ed25519.boot(port)
        self.assertTrue(ed25519.verify(key, message, signature))
        self.assertEqual(port.writes, written + 2)

    def test_a_table_of_another_key_is_not_taken(self):
        port = FakePort()
        key, message, signature = _good()
        ed25519.boot(port)
        ed25519.verify(key, message, signature)
        base, own = port.kept["base"], [n for n in port.kept if n != "base"][0]
        port.kept[own] = base
        ed25519.boot(port)
        self.assertTrue(ed25519.verify(key, message, signature))

    def test_more_keys_than_fit_in_memory_are_all_verified(self):
        with open(EDGES) as file:
            good = [case for case in json.load(file) if case[3]][: ed25519.MAX_KEYS + 2]
        for _ in range(2):
            for key, message, signature, _verdict in good:
                self.assertTrue(ed25519.verify(unhex(key), unhex(message), unhex(signature)))


class FakePort:
    def __init__(self):
        self.kept, self.writes = {}, 0

    def read_into(self, name, buffer):
        if name not in self.kept:
            return False
        buffer[:] = self.kept[name]
        return True

    def write(self, name, content):
        self.kept[name] = bytes(content)
        self.writes += 1


def _good():
    with open(EDGES) as file:
        key, message, signature, verdict = json.load(file)[0]
    assert verdict
    return unhex(key), unhex(message), unhex(signature)


def _known_r():
    """What an arithmetic stuck at one good answer would say."""
    return unhex(ed25519._KNOWN_SIGNATURES[0])[:32]
