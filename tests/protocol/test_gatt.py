"""The advertised name: it carries a lock id and nothing else may pass for one."""

import unittest

from protocol import gatt


class TestName(unittest.TestCase):
    def test_a_lock_is_found_by_its_name(self):
        self.assertEqual(gatt.lock_id_in(gatt.advertised_name("kitaguch")), "kitaguch")

    def test_the_name_fits_a_scan_response(self):
        self.assertLessEqual(len(gatt.advertised_name("kitaguch")) + 2, 31)

    def test_other_names_are_not_ours(self):
        for name in (None, "", "kannuki", "kannuki-", "speaker", "Kannuki-kitaguch"):
            self.assertIsNone(gatt.lock_id_in(name))

    def test_a_hostile_name_never_becomes_a_lock_id(self):
        for tail in ("../../etc", "kitaguch2", "KITAGUCH", "kita/+/#", "kitaguc1", "kitaguc\u00e9"):
            self.assertIsNone(gatt.lock_id_in("kannuki-" + tail))
