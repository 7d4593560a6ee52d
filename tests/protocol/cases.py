"""A case for tests of the verdict: one lock, and assertions that say why it refused."""

import unittest

from protocol import reasons
from protocol.verify import Allowed, Denied
from tests.protocol.support import Lock


class VerdictCase(unittest.TestCase):
    def setUp(self):
        self.lock = Lock()
        self.calls = self.lock.verifier.calls

    def assertAllowed(self, verdict):
        reason = getattr(verdict, "reason", None)
        self.assertIsInstance(verdict, Allowed, "denied for {}".format(reason))

    def assertDenied(self, verdict, reason):
        self.assertIsInstance(verdict, Denied)
        self.assertEqual(reasons.name(verdict.reason), reasons.name(reason))
        self.assertEqual(verdict.key is not None, reasons.needs_mac(reason))

    def assertDeniedUnverified(self, verdict, reason):
        """Denied, and no signature was verified for it."""
        self.assertDenied(verdict, reason)
        self.assertEqual(self.calls, [])
