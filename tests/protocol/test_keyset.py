"""The keyset: one form, and which one a lock takes after which; as attacks on the root."""

import unittest

from protocol import cbor, keys, keyset, verify
from protocol.keyset import IssuerKey, KeysetError
from tests.protocol.support import (
    BOOKING_KEY,
    OTHER_ROOT_KEY,
    ROOT_KEY,
    STAFF_KEY,
    STRANGER_KEY,
    TOWN,
    VAULT_PUBLIC_KEY,
    Lcg,
    Lock,
    make_keyset,
    sign,
    with_bit_flipped,
)

# Two keys whose ids, the first 4 bytes of SHA-256, are the same.
COLLIDING = tuple(number.to_bytes(32, "big") for number in (50323, 54260))


def row(public_key=BOOKING_KEY, role=1, permissions=1, lifetime=60, ahead=60):
    return [role, public_key, permissions, lifetime, ahead]


def members():
    """A small keyset as CBOR members."""
    return [TOWN, 1, 5, [row()], [[3, VAULT_PUBLIC_KEY]], [ROOT_KEY, OTHER_ROOT_KEY]]


class TestForm(unittest.TestCase):
    def test_a_keyset_comes_back(self):
        made = make_keyset()
        seen = keyset.decode(keyset.encode(made))
        self.assertEqual((seen.town, seen.version, seen.roots), (TOWN, 1, made.roots))
        self.assertEqual((seen.issued_at, seen.vaults), (made.issued_at, made.vaults))
        self.assertEqual(sorted(seen.keys), sorted(made.keys))
        for kid, key in made.keys.items():
            self.assertEqual(kid, keys.key_id(key.public_key))
            for name in ("public_key", "role", "permissions", "max_lifetime_s", "max_ahead_s"):
                self.assertEqual(getattr(seen.keys[kid], name), getattr(key, name))

    def test_the_order_in_which_keys_were_named_does_not_matter(self):
        rows = list(make_keyset().keys.values())
        usual = keyset.encode(make_keyset(keys=rows))
        self.assertEqual(keyset.encode(make_keyset(keys=rows[3:] + rows[:3])), usual)
        self.assertEqual(keyset.encode(keyset.decode(usual)), usual)

    def test_a_role_of_the_future_is_kept_and_may_sign_nothing_known(self):
        raw = cbor.encode(members()[:3] + [[row(role=200)]] + members()[4:])
        lock = Lock()
        lock.trust.keyset = keyset.decode(raw)
        kid = keys.key_id(BOOKING_KEY)
        self.assertEqual(lock.trust.keyset.keys[kid].role, 200)

    def test_odd_members_are_refused(self):
        keyset.decode(cbor.encode(members()))
        many = [row(bytes([n]) * 32) for n in range(keyset.MAX_KEYS + 1)]
        vault = VAULT_PUBLIC_KEY
        for index, values in (
            (0, ("", "x" * 33, b"sakura", None, 1)),
            (1, (0, -1, True, None, "1")),
            (2, (-1, None, False)),
            (3, ([], many, [row(), row()], {}, None, [row()[:4]], [row() + [1]], [1])),
            (3, ([row(b"short")], [row("B" * 32)], [row(role=0)], [row(role=True)])),
            (3, ([row(permissions=-1)], [row(lifetime=None)], [row(ahead=-1)])),
            (4, ([], [[1, vault], [2, vault], [3, vault]], [[3, vault], [3, vault]], {3: vault})),
            (4, ([[0, vault]], [[256, vault]], [[True, vault]], [[3, vault[1:]]], [[3]], [3])),
            (5, ([], [ROOT_KEY], [ROOT_KEY, ROOT_KEY], [ROOT_KEY, OTHER_ROOT_KEY, vault])),
            (5, ([ROOT_KEY, None], [ROOT_KEY, bytes(31)], {}, None)),
        ):
            for value in values:
                with self.subTest((index, value)):
                    changed = members()
                    changed[index] = value
                    self.assertRaises(KeysetError, keyset.decode, cbor.encode(changed))

    def test_two_keys_with_one_key_id_are_refused(self):
        first, second = COLLIDING
        self.assertNotEqual(first, second)
        self.assertEqual(keys.key_id(first), keys.key_id(second))
        raw = cbor.encode(members()[:3] + [[row(first), row(second)]] + members()[4:])
        self.assertRaises(KeysetError, keyset.decode, raw)
        roots = cbor.encode(members()[:5] + [list(COLLIDING)])
        self.assertRaises(KeysetError, keyset.decode, roots)

    def test_the_bounds_themselves_are_good(self):
        most = [row(bytes([n]) * 32) for n in range(keyset.MAX_KEYS)]
        vaults = [[1, VAULT_PUBLIC_KEY], [255, VAULT_PUBLIC_KEY]]
        wide = ["x" * 32, (1 << 64) - 1, 0, most, vaults, [ROOT_KEY, OTHER_ROOT_KEY]]
        self.assertEqual(len(keyset.decode(cbor.encode(wide)).keys), keyset.MAX_KEYS)

    def test_the_town_cannot_write_a_keyset_that_no_lock_would_read(self):
        for changes in (
            {"town": ""},
            {"version": 0},
            {"keys": []},
            {"issued_at": -1},
            {"vaults": {}},
            {"vaults": {0: VAULT_PUBLIC_KEY}},
            {"roots": (ROOT_KEY, ROOT_KEY)},
            {"roots": (ROOT_KEY,)},
        ):
            with self.subTest(changes):
                self.assertRaises(KeysetError, keyset.encode, make_keyset(**changes))

    def test_random_bytes_are_refused(self):
        noise = Lcg(51)
        for _ in range(1000):
            data = noise.bytes(noise.below(90))
            self.assertRaises(KeysetError, keyset.decode, data)
            self.assertRaises(ValueError, keyset.parse, data)

    def test_every_truncation_is_refused(self):
        raw = keyset.encode(make_keyset())
        for end in range(len(raw)):
            self.assertRaises(KeysetError, keyset.decode, raw[:end])


class TestSuccession(unittest.TestCase):
    def follows(self, held=None, **changes):
        held = make_keyset() if held is None else held
        return held.may_be_followed_by(make_keyset(**changes))

    def test_a_newer_version_may_follow(self):
        self.assertTrue(self.follows(version=2))
        self.assertTrue(self.follows(version=1 << 60))

    def test_an_older_or_equal_version_never_follows(self):
        held = make_keyset(version=7)
        for version in (1, 6, 7):
            self.assertFalse(self.follows(held, version=version))

    def test_the_keyset_of_another_town_never_follows(self):
        self.assertFalse(self.follows(version=2, town="ume"))

    def test_one_root_may_be_replaced_but_not_both(self):
        for roots in ((ROOT_KEY, STRANGER_KEY), (STRANGER_KEY, OTHER_ROOT_KEY)):
            self.assertTrue(self.follows(version=2, roots=roots))
        self.assertFalse(self.follows(version=2, roots=(STRANGER_KEY, BOOKING_KEY)))

    def test_roots_may_be_replaced_one_after_the_other(self):
        second = make_keyset(version=2, roots=(ROOT_KEY, STRANGER_KEY))
        self.assertTrue(make_keyset().may_be_followed_by(second))
        self.assertTrue(self.follows(second, version=3, roots=(BOOKING_KEY, STRANGER_KEY)))

    def test_vaults_and_issuers_may_all_change_at_once(self):
        rows = [IssuerKey(STRANGER_KEY, keyset.ROLE_BOOKING, 1, 60, 60)]
        self.assertTrue(self.follows(version=2, keys=rows, vaults={9: STRANGER_KEY}))


class TestRoots(unittest.TestCase):
    def setUp(self):
        self.lock = Lock()
        self.payload = keyset.encode(make_keyset(version=2))

    def holds(self, document, context=keyset.CONTEXT):
        signed, _ = keyset.parse(document)
        return verify.verify_root(self.lock.trust.keyset, self.lock.crypto, signed, context)

    def test_either_root_signs(self):
        for root in (ROOT_KEY, OTHER_ROOT_KEY):
            self.assertTrue(self.holds(sign(self.payload, root, keyset.CONTEXT)))

    def test_no_other_key_signs_a_keyset_and_no_signature_is_verified_for_it(self):
        for public_key in (BOOKING_KEY, STAFF_KEY, STRANGER_KEY):
            self.assertFalse(self.holds(sign(self.payload, public_key, keyset.CONTEXT)))
        self.assertEqual(self.lock.verifier.calls, [])

    def test_a_keyset_does_not_hold_without_its_context(self):
        for context in (b"", b"kannuki-config", b"kannuki-time-reset"):
            self.assertFalse(self.holds(sign(self.payload, ROOT_KEY, context)))

    def test_a_bit_flip_anywhere_does_not_hold(self):
        document = sign(self.payload, ROOT_KEY, keyset.CONTEXT)
        for bit in range(0, 8 * len(document), 3):
            self.lock.verifier.calls.clear()
            try:
                self.assertFalse(self.holds(with_bit_flipped(document, bit)))
            except ValueError:
                pass

    def test_a_root_cannot_issue_tokens_by_being_a_root(self):
        self.assertIsNone(self.lock.trust.keyset.keys.get(keys.key_id(ROOT_KEY)))
