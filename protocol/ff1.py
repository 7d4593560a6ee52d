"""FF1 format-preserving encryption (NIST SP 800-38G, section 5.1) of short numeral strings.

Decides nothing about keys or meaning. The block cipher is injected: `encrypt_block(16 bytes) ->
16 bytes`, AES under the caller's key. Integers stand for numeral strings: `value` of `length`
numerals in `radix`, most significant first. No more than 10 rounds of a few block encryptions.
"""

from protocol.shim import Callable

MIN_DOMAIN = 1000000  # SP 800-38G rev. 1: radix ** length must not be smaller
MAX_LENGTH = 64
_ROUNDS = 10
_BLOCK_BYTES = 16


class Ff1Error(ValueError):
    """A domain or value outside what FF1 is defined for here."""


def encrypt(encrypt_block: Callable, tweak: bytes, value: int, length: int, radix: int = 10) -> int:
    """The ciphertext numerals of `value`, as an integer below radix ** length."""
    u, v = _halves(value, length, radix)
    a, b = divmod(value, radix**v)
    round_of = _rounds(encrypt_block, tweak, length, radix, u, v)
    for i in range(_ROUNDS):
        modulus = radix ** (u if i % 2 == 0 else v)
        a, b = b, (a + round_of(i, b)) % modulus
    return a * radix**v + b


def decrypt(encrypt_block: Callable, tweak: bytes, value: int, length: int, radix: int = 10) -> int:
    """The numerals whose `encrypt` is `value`."""
    u, v = _halves(value, length, radix)
    a, b = divmod(value, radix**v)
    round_of = _rounds(encrypt_block, tweak, length, radix, u, v)
    for i in range(_ROUNDS - 1, -1, -1):
        modulus = radix ** (u if i % 2 == 0 else v)
        a, b = (b - round_of(i, a)) % modulus, a
    return a * radix**v + b


def _halves(value: int, length: int, radix: int) -> tuple:
    if not 2 <= radix <= 65536 or not 2 <= length <= MAX_LENGTH or radix**length < MIN_DOMAIN:
        raise Ff1Error("the domain is too small or too large")
    if not 0 <= value < radix**length:
        raise Ff1Error("the value has more numerals than the domain")
    return length // 2, length - length // 2


def _rounds(
    encrypt_block: Callable, tweak: bytes, length: int, radix: int, u: int, v: int
) -> Callable:
    """The round function: (round, half as an integer) -> a large integer."""
    size = _bytes_for(radix**v - 1)  # b of the standard
    wide = 4 * ((size + 3) // 4) + 4  # d of the standard
    head = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256])
    head += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
    padded = tweak + bytes((-len(tweak) - size - 1) % _BLOCK_BYTES)

    def round_of(i: int, half: int) -> int:
        r = _prf(encrypt_block, head + padded + bytes([i]) + half.to_bytes(size, "big"))
        s = r
        counter = 1
        while len(s) < wide:
            s += encrypt_block(_xor(r, counter.to_bytes(_BLOCK_BYTES, "big")))
            counter += 1
        return int.from_bytes(s[:wide], "big")

    return round_of


def _bytes_for(largest: int) -> int:
    size = 0
    while largest:
        largest >>= 8
        size += 1
    return size


def _prf(encrypt_block: Callable, data: bytes) -> bytes:
    """CBC-MAC over whole blocks (algorithm 4 of the standard)."""
    y = bytes(_BLOCK_BYTES)
    for at in range(0, len(data), _BLOCK_BYTES):
        y = encrypt_block(_xor(y, data[at : at + _BLOCK_BYTES]))
    return y


def _xor(a: bytes, b: bytes) -> bytes:
    """Of two blocks; by integers, because bytes from a generator litter a small heap."""
    both = int.from_bytes(a, "big") ^ int.from_bytes(b, "big")
    return both.to_bytes(_BLOCK_BYTES, "big")
