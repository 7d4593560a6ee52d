"""Every decoder against broken bytes, on both runtimes, the same ones each time.

The mutations are seeded, so a failure names its input. What a whole lock makes of such bytes is
tested in tests/firmware.
"""

import gc
import unittest

from tests.protocol.decoders import DECODERS, SLOW, Mutator, corpus

ROUNDS = 600


class TestDecoders(unittest.TestCase):
    def test_every_decoder_gives_a_value_or_its_own_error(self):
        for number, name in enumerate(sorted(DECODERS)):
            gc.collect()
            self._mutate(number + 1, name)

    def _mutate(self, number, name):
        read, errors, _, _ = DECODERS[name]
        mutator, pool = Mutator(number), corpus(name)
        for _ in range(ROUNDS // 10 if name in SLOW else ROUNDS):
            self._read(name, read, errors, mutator.mutate(pool))

    def _read(self, name, read, errors, raw):
        """An exception that is not the decoder's own goes up; the input is printed before."""
        is_fine = False
        try:
            read(raw)
            is_fine = True
        except errors:
            is_fine = True
        finally:
            if not is_fine:
                print(name, "broke on", repr(raw))

    def test_every_decoder_takes_something_of_its_corpus(self):
        for name in sorted(DECODERS):
            gc.collect()
            self.assertTrue(self._takes_something(name), name)

    def _takes_something(self, name):
        read, errors, _, _ = DECODERS[name]
        for raw in corpus(name):
            try:
                read(raw)
                return True
            except errors:
                pass
        return False
