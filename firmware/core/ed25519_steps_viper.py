"""The loops around ed25519_viper.run in machine words: a scalar's columns, the inverse, bytes.

Right on 32- and 64-bit words: loads from memory extend with zeros on the one and with the sign on
the other, so sums that may be negative are biased and masked before they are shifted. Words are
reached by moving pointers, never by a variable index (miscompiled on RV32 before 1.28).
"""

import micropython


@micropython.viper
def columns(bits: ptr8, out: ptr32, flags: int):
    """Write every second word of `out`: offset of a column's entry, bit 0 to negate, `flags`."""
    place = int(out)
    at = 36
    while at >= 0:
        signs = 0
        tooth = 0
        bit = at
        while tooth < 7:
            signs |= ((int(bits[bit >> 3]) >> (bit & 7)) & 1) << tooth
            tooth += 1
            bit += 37
        out = ptr32(place)
        if signs & 64:
            out[0] = (signs & 63) * 96 + flags
        else:
            out[0] = (signs ^ 63) * 96 + flags + 1
        place += 8
        at -= 1


@micropython.viper
def normalize(memory: ptr32, element: int, mask: int, extra: int):
    """Make all limbs 0..8191 except the last, which keeps the sign.

    `extra` is 0, or 8191 to add 32 * p, so that every limb is positive.
    """
    one = 1 << 15
    one = one << 15
    place = int(memory) + element * 80
    carry = 0
    if extra:
        carry = 0 - 607
    left = 19
    while left > 0:
        p = ptr32(place)
        s = (p[0] + extra + carry + one) & mask
        p[0] = s & 8191
        carry = (s >> 13) - 131072
        place += 4
        left -= 1
    p = ptr32(place)
    p[0] = p[0] + extra + carry


@micropython.viper
def invert(memory: ptr32, control: ptr32):
    """Element 23 becomes 1/element 23 by Bernstein and Yang's division steps, 13 at a time.

    Elements 22..25 are f, g, d, e with d * Z = f and e * Z = g modulo p, where f = p, g = Z at
    first; g ends as 0, f as 1 or -1. All normalized. Takes d to 24, returns nothing; sign of f in
    control[1] (0 or 1), a zero to invert leaves d = 0.
    """
    base = int(memory) + 22 * 80
    mask = int(control[0])
    one = 1 << 15
    one = one << 15
    delta = 1
    while True:
        any_bits = 0
        place = base + 80
        left = 20
        while left > 0:
            p = ptr32(place)
            any_bits |= p[0]
            place += 4
            left -= 1
        if any_bits == 0:
            break
        p = ptr32(base)
        f = int(p[0])
        g = int(p[20])
        u = 1
        v = 0
        q = 0
        r = 1
        left = 13
        while left > 0:
            if g & 1:
                if delta > 0:
                    delta = 0 - delta
                    t = f
                    f = g
                    g = 0 - t
                    t = u
                    u = q
                    q = 0 - t
                    t = v
                    v = r
                    r = 0 - t
                g += f
                q += u
                r += v
            delta += 1
            g >>= 1
            u <<= 1
            v <<= 1
            left -= 1
        pair = 0
        while pair < 2:
            place = base + pair * 160
            p = ptr32(place)
            m = 0
            n = 0
            if pair:
                # The multiples of p that make both sums divisible by 8192: 2587 = 1/19.
                m = (((u * p[0] + v * p[20]) * 2587 & 8191) ^ 4096) - 4096
                n = (((q * p[0] + r * p[20]) * 2587 & 8191) ^ 4096) - 4096
            x = u * p[0] + v * p[20] - 19 * m + one
            y = q * p[0] + r * p[20] - 19 * n + one
            left = 19
            while left > 0:
                c = ((x & mask) >> 13) - 131072
                d = ((y & mask) >> 13) - 131072
                place += 4
                p = ptr32(place)
                if left == 1:
                    c += m << 8
                    d += n << 8
                x = u * p[0] + v * p[20] + c + one
                y = q * p[0] + r * p[20] + d + one
                p = ptr32(place - 4)
                p[0] = x & 8191
                p[20] = y & 8191
                left -= 1
            p = ptr32(place)
            p[0] = ((x & mask) >> 13) - 131072
            p[20] = ((y & mask) >> 13) - 131072
            pair += 1
    p = ptr32(base)
    control[1] = (int(p[0]) >> 1) & 1


@micropython.viper
def pack(memory: ptr32, element: int, out: ptr8):
    """Write the 260 bits of a normalized element (all limbs positive) as 33 bytes."""
    place = int(memory) + element * 80
    held = 0
    count = 0
    left = 20
    while left > 0:
        p = ptr32(place)
        held |= int(p[0]) << count
        count += 13
        while count >= 8:
            out[0] = held & 255
            out = ptr8(int(out) + 1)
            held >>= 8
            count -= 8
        place += 4
        left -= 1
    out[0] = held & 255
