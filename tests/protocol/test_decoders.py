"""Every decoder against broken bytes, on both runtimes, the same ones each time.

The mutations are seeded, so a failure names its input. What a whole lock makes of such bytes is
tested in tests/firmware.
"""

import gc
import sys
import unittest

from tests.protocol.decoders import DECODERS, SLOW, Mutator, corpus, read_or_refuse

ROUNDS = 600


def make_room():
    """On a small heap; a PC has room, and looks through much more of it."""
    if sys.implementation.name == "micropython":
        gc.collect()


class TestDecoders(unittest.TestCase):
    def test_every_decoder_gives_a_value_or_its_own_error(self):
        for number, name in enumerate(sorted(DECODERS)):
            make_room()
            self._mutate(number + 1, name)

    def _mutate(self, number, name):
        read, errors, _, _ = DECODERS[name]
        mutator, pool = Mutator(number), corpus(name)
        for _ in range(ROUNDS // 10 if name in SLOW else ROUNDS):
            read_or_refuse(name, read, errors, mutator.mutate(pool))

    def test_every_decoder_takes_something_of_its_corpus(self):
        for name in sorted(DECODERS):
            make_room()
            read, errors, _, _ = DECODERS[name]
            taken = any(read_or_refuse(name, read, errors, raw) for raw in corpus(name))
            self.assertTrue(taken, name)
