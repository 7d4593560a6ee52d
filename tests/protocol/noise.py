"""Bytes for tests: reproducible noise, hex, flipped bits. Imports nothing, to leave a heap free."""


class Lcg:
    """Reproducible bytes on both runtimes (Numerical Recipes' generator; nothing secret)."""

    def __init__(self, seed):
        self._state = seed

    def below(self, limit):
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % limit

    def bytes(self, length):
        return bytes(self.below(256) for _ in range(length))


def unhex(text):
    return bytes.fromhex(text)


def with_bit_flipped(data, bit):
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << (bit % 8)
    return bytes(flipped)
