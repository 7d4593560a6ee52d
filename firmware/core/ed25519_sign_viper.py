"""Signing's arithmetic in machine words: the same instructions for every secret.

Decides how a secret scalar is reduced and how a table is read without its index showing: numbers
are 16 halves of 16 bits, so that no sum leaves a word of either size; choices are masks. Words are
reached by moving pointers, never by a variable index. Functions are long because one viper function
reaches another only through objects, which would cost more than the loops.
"""

import micropython


@micropython.viper
def horner(total: ptr16, work: ptr16, bits: ptr8, count: int):
    """For each of `count` bits, the highest first: total = 2 * total + bit * addend, modulo order.

    With a count of 0: total += addend. `work` is addend, order and scratch, 16 halves each; total
    and addend are below the order, the order below 2**253.
    """
    first = int(total)
    at = count - 1
    adding = 0
    if count == 0:
        adding = 1
    while True:
        other = first
        mask = 0 - 1
        if adding:
            other = int(work)
            if count:
                mask = 0 - ((int(bits[at >> 3]) >> (at & 7)) & 1)
        place = first
        carry = 0
        left = 16
        while left:
            p = ptr16(place)
            q = ptr16(other)
            carry += int(p[0]) + (int(q[0]) & mask)
            p[0] = carry & 0xFFFF
            carry >>= 16
            place += 2
            other += 2
            left -= 1
        place = first
        other = int(work) + 32
        carry = 1
        left = 16
        while left:
            p = ptr16(place)
            q = ptr16(other)
            carry += int(p[0]) + 0xFFFF - int(q[0])
            q[16] = carry & 0xFFFF
            carry >>= 16
            place += 2
            other += 2
            left -= 1
        mask = 0 - carry
        place = first
        other = int(work) + 64
        left = 16
        while left:
            p = ptr16(place)
            q = ptr16(other)
            t = int(p[0])
            p[0] = t ^ ((t ^ int(q[0])) & mask)
            place += 2
            other += 2
            left -= 1
        if adding:
            at -= 1
            if at < 0:
                break
        adding ^= 1


@micropython.viper
def make_odd(number: ptr16, order: ptr16):
    """Add the order (odd) to a number that is even."""
    place = int(number)
    other = int(order)
    mask = (int(number[0]) & 1) - 1
    carry = 0
    left = 16
    while left:
        p = ptr16(place)
        q = ptr16(other)
        carry += int(p[0]) + (int(q[0]) & mask)
        p[0] = carry & 0xFFFF
        carry >>= 16
        place += 2
        other += 2
        left -= 1


@micropython.viper
def select(table: ptr32, bits: ptr8, at: int, out: ptr32):
    """Write to `out` the entry (24 words) of column `at` of an odd number's bits, its sign applied.

    `bits` are the number's, with bit 259 set: bit b + 1 there is bit b recoded. Reads all of the
    table's first 64 entries.
    """
    signs = 0
    bit = at + 1
    tooth = 0
    while tooth < 7:
        signs |= ((int(bits[bit >> 3]) >> (bit & 7)) & 1) << tooth
        bit += 37
        tooth += 1
    negative = (signs >> 6) - 1
    index = (signs ^ negative) & 63
    place = int(out)
    left = 24
    while left:
        p = ptr32(place)
        p[0] = 0
        place += 4
        left -= 1
    source = int(table)
    entry = 0
    while entry < 64:
        mask = ((entry ^ index) - 1) >> 31
        place = int(out)
        left = 6
        while left:
            p = ptr32(place)
            q = ptr32(source)
            p[0] = int(p[0]) | (int(q[0]) & mask)
            p[1] = int(p[1]) | (int(q[1]) & mask)
            p[2] = int(p[2]) | (int(q[2]) & mask)
            p[3] = int(p[3]) | (int(q[3]) & mask)
            place += 16
            source += 16
            left -= 1
        entry += 1
    place = int(out)
    left = 8
    while left:
        p = ptr32(place)
        t = (int(p[0]) ^ int(p[8])) & negative
        p[0] = int(p[0]) ^ t
        p[8] = int(p[8]) ^ t
        place += 4
        left -= 1
    place = int(out) + 64
    carry = 1
    low = 0xFFED
    left = 16
    while left:
        h = ptr16(place)
        t = int(h[0])
        if left == 1:
            low = 0x7FFF
        carry += low + 0xFFFF - t
        h[0] = t ^ ((t ^ (carry & 0xFFFF)) & negative)
        carry >>= 16
        low = 0xFFFF
        place += 2
        left -= 1
