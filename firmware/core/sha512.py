"""SHA-512 (FIPS 180-4) for chips whose hashlib stops at SHA-256.

Decides once, at import, who computes it: the library, the machine words of sha512_viper (when the
runtime takes them and they know the answers), else plain integers.
"""

import hashlib
from array import array

_MASK = (1 << 64) - 1
_BLOCK_BYTES = 128


def _primes(count: int) -> list:
    found = []
    candidate = 2
    while len(found) < count:
        if all(candidate % p for p in found):
            found.append(candidate)
        candidate += 1
    return found


def _root_fraction(n: int, degree: int) -> int:
    """The first 64 bits of the fraction of n ** (1 / degree)."""
    low, high = 0, 1 << 70
    target = n << (64 * degree)
    while low < high - 1:
        middle = (low + high) >> 1
        if middle**degree <= target:
            low = middle
        else:
            high = middle
    return low & _MASK


def _constants() -> tuple:
    primes = _primes(80)
    return [_root_fraction(p, 2) for p in primes[:8]], [_root_fraction(p, 3) for p in primes]


def _pad(message: bytes) -> bytearray:
    """Whole blocks, made in one piece."""
    size = len(message)
    padded = bytearray((size + 17 + _BLOCK_BYTES - 1) // _BLOCK_BYTES * _BLOCK_BYTES)
    padded[:size] = message
    padded[size] = 0x80
    padded[-8:] = (8 * size).to_bytes(8, "big")
    return padded


def _rotate(x: int, n: int) -> int:
    return (x >> n) | (x << (64 - n)) & _MASK


def _schedule(block: bytes) -> list:
    w = [int.from_bytes(block[i : i + 8], "big") for i in range(0, _BLOCK_BYTES, 8)]
    for i in range(16, 80):
        x, y = w[i - 15], w[i - 2]
        small0 = _rotate(x, 1) ^ _rotate(x, 8) ^ (x >> 7)
        small1 = _rotate(y, 19) ^ _rotate(y, 61) ^ (y >> 6)
        w.append((w[i - 16] + small0 + w[i - 7] + small1) & _MASK)
    return w


def _compress(state: list, block: bytes, k: list) -> list:
    a, b, c, d, e, f, g, h = state
    w = _schedule(block)
    for i in range(80):
        big1 = _rotate(e, 14) ^ _rotate(e, 18) ^ _rotate(e, 41)
        t1 = h + big1 + ((e & f) ^ (~e & g)) + k[i] + w[i]
        big0 = _rotate(a, 28) ^ _rotate(a, 34) ^ _rotate(a, 39)
        t2 = big0 + ((a & b) ^ (a & c) ^ (b & c))
        a, b, c, d, e, f, g, h = (t1 + t2) & _MASK, a, b, c, (d + t1) & _MASK, e, f, g
    return [(x + y) & _MASK for x, y in zip(state, (a, b, c, d, e, f, g, h))]


_cached = []


def _known_constants() -> tuple:
    if not _cached:
        _cached.append(_constants())
    return _cached[0]


def portable_sha512(message: bytes) -> bytes:
    """The 64-byte digest, computed here on any runtime."""
    state, k = _known_constants()
    padded = _pad(message)
    for at in range(0, len(padded), _BLOCK_BYTES):
        state = _compress(state, padded[at : at + _BLOCK_BYTES], k)
    return b"".join(x.to_bytes(8, "big") for x in state)


def _hashlib_sha512(message: bytes) -> bytes:
    return hashlib.sha512(message).digest()


def _fast_sha512() -> object:
    """The same in machine words. Raises what its import raises."""
    from firmware.core.sha512_viper import compress

    start, k = [_halves(numbers) for numbers in _known_constants()]
    work = array("I", bytes(4 * 160) + b"\xff\xff\xff\xff")
    _cached.clear()

    def sha512(message: bytes) -> bytes:
        state, padded = array("I", start), memoryview(_pad(message))
        for at in range(0, len(padded), _BLOCK_BYTES):
            compress(state, work, k, padded[at : at + _BLOCK_BYTES])
        return _big_endian(bytearray(state))

    return sha512


def _big_endian(words: bytearray) -> bytes:
    """Little-endian words with their bytes turned, without an object for each word."""
    for i in range(0, len(words), 4):
        words[i], words[i + 3] = words[i + 3], words[i]
        words[i + 1], words[i + 2] = words[i + 2], words[i + 1]
    return bytes(words)


def _halves(numbers: list) -> object:
    return array("I", [half for x in numbers for half in (x >> 32, x & 0xFFFFFFFF)])


def _knows_the_answers(candidate: object) -> bool:
    """Two blocks whose digest is known (FIPS 180-4's second example), and one bit's difference."""
    message = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
    message += b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
    known = b"\x8e\x95\x9b\x75\xda\xe3\x13\xda\x8c\xf4\xf7\x28\x14\xfc\x14\x3f"
    digest = candidate(message)
    return (
        digest[:16] == known
        and digest[32:36] == b"\x50\x1d\x28\x9e"
        and (candidate(message[:-1] + b"v")[:16] != known)
    )


def _chosen() -> object:
    if hasattr(hashlib, "sha512"):
        return _hashlib_sha512
    try:
        fast = _fast_sha512()
    except (ImportError, SyntaxError, ValueError, MemoryError):
        return portable_sha512
    return fast if _knows_the_answers(fast) else portable_sha512


sha512 = _chosen()
