"""The COSE working group's examples with the lock's own signature check, on both runtimes."""

import json
import os
import unittest

from firmware.core import ed25519, ed25519_sign
from protocol import cbor, cose
from tests.protocol.support import unhex

FOLDER = "tests/vectors/cose/"


def example(name):
    with open(FOLDER + name) as file:
        return json.load(file)


class TestExamples(unittest.TestCase):
    def test_the_eddsa_example_is_signed_over_our_sig_structure_and_verifies(self):
        known = example("eddsa-sig-01.json")
        envelope = cbor.decode(unhex(known["output"]["cbor"].lower()), (18,))
        protected, _, payload, signature = envelope.value
        to_sign = cose.Signed(protected, b"", payload, signature).signed_bytes()
        self.assertEqual(to_sign, unhex(known["intermediates"]["ToBeSign_hex"].lower()))
        secret = known["input"]["sign0"]["key"]
        key = unhex(secret["x_hex"])
        self.assertTrue(ed25519.verify(key, to_sign, signature))
        self.assertFalse(ed25519.verify(key, to_sign + b"\0", signature))
        self.assertEqual(ed25519_sign.sign(unhex(secret["d_hex"]), key, to_sign), signature)

    def test_no_envelope_from_outside_passes_for_one_of_ours(self):
        names = [name for name in os.listdir(FOLDER) if name.endswith(".json")]
        self.assertEqual(len(names), 6)
        for name in names:
            raw = unhex(example(name)["output"]["cbor"].lower())
            with self.assertRaises(cose.CoseError):
                cose.decode(raw)
