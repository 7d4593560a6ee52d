"""The lock's configuration: the bounds of every figure, groups, and who may sign it."""

import unittest

from protocol import cbor, lockconfig, verify
from protocol.keyset import ROLE_CONFIG
from protocol.lockconfig import CONTEXT, FIGURES, DoorConfig, LockConfig, LockConfigError
from tests.protocol.support import (
    CONFIG_KEY,
    GROUP,
    LOCK,
    NOON,
    STAFF_KEY,
    Lcg,
    Lock,
    issue,
    sign,
    with_bit_flipped,
)

GOOD = [LOCK, 1, NOON, [GROUP], {1: 5000, 6: 0}]


class TestFigures(unittest.TestCase):
    def test_a_door_without_figures_has_the_defaults_and_is_strict(self):
        door = DoorConfig()
        for name, least, most, default in FIGURES.values():
            self.assertEqual(getattr(door, name), default)
            self.assertTrue(least <= default <= most)
        self.assertEqual(door.doubt_s, 0)

    def test_every_figure_keeps_its_bounds(self):
        for name, least, most, _ in FIGURES.values():
            for value in (least, most):
                self.assertEqual(getattr(DoorConfig(**{name: value}), name), value)
            for value in (least - 1, most + 1, None, "5", b"", [], 1 << 63):
                with self.subTest((name, value)):
                    with self.assertRaises(LockConfigError):
                        DoorConfig(**{name: value})

    def test_a_bool_is_no_figure(self):
        for name, _, _, _ in FIGURES.values():
            with self.assertRaises(LockConfigError):
                DoorConfig(**{name: True})

    def test_an_unknown_name_is_refused(self):
        with self.assertRaises(LockConfigError):
            DoorConfig(open_sesame=1)
        with self.assertRaises(LockConfigError):
            DoorConfig(doubt_s=0, strict=1)

    def test_an_unknown_figure_in_a_document_is_refused(self):
        for figures in ({99: 1}, {1: 5000, 9: 0}, {"doubt_s": 0}, {0: 1}, {-1: 1}):
            raw = cbor.encode(GOOD[:4] + [figures])
            self.assertRaises(LockConfigError, lockconfig.decode, raw)

    def test_figures_left_out_have_their_defaults(self):
        door = lockconfig.decode(cbor.encode(GOOD[:4] + [{6: 900}])).door
        self.assertEqual((door.doubt_s, door.relock_after_ms), (900, 5000))


class TestForm(unittest.TestCase):
    def test_a_configuration_comes_back(self):
        door = DoorConfig(doubt_s=60, pin_allowed=0, max_hold_s=7200)
        made = LockConfig(LOCK, 7, NOON, [GROUP, "+swimmers"], door)
        _, seen = lockconfig.parse(sign(lockconfig.encode(made), CONFIG_KEY, CONTEXT))
        self.assertEqual((seen.lock_id, seen.version, seen.issued_at), (LOCK, 7, NOON))
        self.assertEqual(seen.groups, [GROUP, "+swimmers"])
        for name, _, _, _ in FIGURES.values():
            self.assertEqual(getattr(seen.door, name), getattr(door, name))

    def test_odd_members_are_refused(self):
        lockconfig.decode(cbor.encode(GOOD))
        for index, values in (
            (0, ("kita", GROUP, b"kitaguch", None)),
            (1, (0, -1, True, None)),
            (2, (-1, None, False)),
            (3, (None, {}, "abc", [LOCK], ["+short"], [1], [GROUP] * 17, [[GROUP]])),
            (4, (None, [], [[1, 5000]], {1: "5000"}, {1: 499}, {1: 600001}, 5)),
        ):
            for value in values:
                with self.subTest((index, value)):
                    members = list(GOOD)
                    members[index] = value
                    self.assertRaises(LockConfigError, lockconfig.decode, cbor.encode(members))

    def test_sixteen_groups_are_the_most(self):
        groups = ["+group" + a + b + "a" for a in "abcd" for b in "abcd"]
        config = lockconfig.decode(cbor.encode(GOOD[:3] + [groups] + GOOD[4:]))
        self.assertEqual(config.groups, groups)

    def test_the_town_cannot_write_a_configuration_that_no_lock_would_read(self):
        for members in ((LOCK, 0, NOON, []), (LOCK, 1, NOON, [LOCK]), ("x", 1, NOON, [])):
            made = LockConfig(*members, DoorConfig())
            self.assertRaises(LockConfigError, lockconfig.encode, made)

    def test_random_bytes_are_refused(self):
        noise = Lcg(81)
        for _ in range(1000):
            data = noise.bytes(noise.below(60))
            self.assertRaises(LockConfigError, lockconfig.decode, data)
            self.assertRaises(ValueError, lockconfig.parse, data)


class TestWhoSigns(unittest.TestCase):
    def setUp(self):
        self.lock = Lock()
        made = LockConfig(LOCK, 1, NOON, [GROUP], DoorConfig())
        self.payload = lockconfig.encode(made)

    def holds(self, document):
        signed, _ = lockconfig.parse(document)
        held, crypto = self.lock.trust.keyset, self.lock.crypto
        return verify.verify_document(held, crypto, signed, ROLE_CONFIG, CONTEXT)

    def test_the_config_key_signs(self):
        self.assertTrue(self.holds(sign(self.payload, CONFIG_KEY, CONTEXT)))

    def test_staff_cannot_loosen_a_door(self):
        self.assertFalse(self.holds(sign(self.payload, STAFF_KEY, CONTEXT)))
        self.assertEqual(self.lock.verifier.calls, [])

    def test_another_context_does_not_hold(self):
        for context in (b"", b"kannuki-status", b"kannuki-keyset"):
            self.assertFalse(self.holds(sign(self.payload, CONFIG_KEY, context)))

    def test_a_token_is_no_configuration(self):
        self.assertRaises(LockConfigError, lockconfig.parse, issue(CONFIG_KEY))

    def test_every_bit_flip_is_not_believed(self):
        document = sign(self.payload, CONFIG_KEY, CONTEXT)
        for bit in range(8 * len(document)):
            self.lock.verifier.calls.clear()
            try:
                self.assertFalse(self.holds(with_bit_flipped(document, bit)))
            except ValueError:
                pass
