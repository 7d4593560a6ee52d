"""Writes firmware/core/ed25519_viper.py: the field arithmetic of Ed25519, unrolled for viper.

    python -m firmware.tools.generate_ed25519_viper > firmware/core/ed25519_viper.py

Decides the machine code's shape. A field element is 20 signed limbs of 13 bits (2**260 = 608 mod
p), so every sum of products stays below 2**31, the only product viper has. Lines are made for both
word sizes at once: loads from memory extend with zeros on 64-bit words and with the sign on 32-bit
words, so all sums are right modulo 2**32 only, and each carry is taken from a sum that was biased
to be positive and masked by a word that memory holds (all ones in 32 bits).
Invariant: indices of ptr32 are constants (a variable one is miscompiled on RV32 before 1.28).
"""

LIMBS = 20
HALF = 10
HIGH, SUM_A, SUM_B, LOW_PRODUCT, HIGH_PRODUCT = 0, 20, 30, 40, 60  # words of the scratch area

_HEAD = '''"""The field arithmetic of Ed25519 in machine words, generated: see the generator.

Written by firmware/tools/generate_ed25519_viper.py; change that and run it again.
"""

import micropython

'''

_RUN_HEAD = '''
@micropython.viper
def run(a: ptr32, b: ptr32, h: ptr32, p: ptr8):
    """Interpret the program `p` over the memory `a`, with the tables `b` and `h`."""
    memory = int(a)
    base_table = int(b)
    key_table = int(h)
    scratch = memory + {scratch}
    b = ptr32(memory + {control})
    mask = uint(b[0])
    bias = int(b[1])
    carry_bias = int(b[2])
    center_bias = int(b[3])
    rounds = int(b[4])
    i = int(b[5])
    words = memory + {words}
    r = ptr32(memory)
    u = uint(0)
    c = 0
    q = 0
    while True:
        op = int(p[i])
        if op == 0:
            rounds -= 1
            if rounds <= 0:
                break
            i = 0
            continue
        r = ptr32(memory + int(p[i + 1]) * 80)
        a = ptr32(memory + int(p[i + 2]) * 80)
        b = ptr32(memory + int(p[i + 3]) * 80)
        i += 4
'''

# What the program and ed25519_fast.py agree on: bytes from the start of memory.
CONTROL, WORDS, SCRATCH = 16 * 80, 16 * 80 + 24, 20 * 80
ENTRY_ELEMENT = 5  # the two halves here and in 6, d * x * y in 7


def module() -> str:
    """The text of the generated module."""
    lines = [_RUN_HEAD.format(scratch=SCRATCH, control=CONTROL, words=WORDS)]
    for keyword, body in (
        ("if op == 1", _multiply()),
        ("elif op == 2", [f"r[{i}] = a[{i}] + b[{i}]" for i in range(LIMBS)]),
        ("elif op == 3", [f"r[{i}] = a[{i}] - b[{i}]" for i in range(LIMBS)]),
        ("elif op == 4", _load_entry()),
        ("else", _carry([f"a[{i}]" for i in range(LIMBS)])),
    ):
        lines.append(f"        {keyword}:\n")
        lines.extend(f"            {line}\n" for line in body)
    return _HEAD + "".join(lines)


def _products(x: str, y: str, column: int, low: int, high: int) -> str:
    """The sum of x[i] * y[column - i] with both indices in low..high-1."""
    pairs = [(i, column - i) for i in range(low, high) if low <= column - i < high]
    return " + ".join(f"{x}[{i}] * {y}[{j}]" for i, j in pairs)


def _multiply() -> list:
    """One level of Karatsuba: three products of ten limbs; the middle one is summed on the fly."""
    lines = ["h = ptr32(scratch)"]
    for i in range(HALF):
        lines.append(f"h[{SUM_A + i}] = a[{i}] + a[{i + HALF}]")
        lines.append(f"h[{SUM_B + i}] = b[{i}] + b[{i + HALF}]")
    for k in range(2 * HALF - 1):
        lines.append(f"h[{LOW_PRODUCT + k}] = {_products('a', 'b', k, 0, HALF)}")
        lines.append(f"h[{HIGH_PRODUCT + k}] = {_products('a', 'b', k + 2 * HALF, HALF, LIMBS)}")
    lines.append(f"a = ptr32(scratch + {4 * SUM_A})")
    lines.append(f"b = ptr32(scratch + {4 * SUM_B})")
    columns = [_column(k) for k in range(2 * LIMBS - 1)]
    return lines + _fold(columns)


def _column(k: int) -> str:
    """Limb k of the product, from the three smaller products."""
    parts = []
    if k < 2 * HALF - 1:
        parts.append(f"h[{LOW_PRODUCT + k}]")
    if 0 <= k - LIMBS < 2 * HALF - 1:
        parts.append(f"h[{HIGH_PRODUCT + k - LIMBS}]")
    middle = k - HALF
    if not 0 <= middle < 2 * HALF - 1:
        return " + ".join(parts)
    less = f" - h[{LOW_PRODUCT + middle}] - h[{HIGH_PRODUCT + middle}]"
    return " + ".join([_products("a", "b", middle, 0, HALF), *parts]) + less


def _fold(columns: list) -> list:
    """Carry the upper half into h, fold it 608 times into the lower half."""
    lines, carry = [], "bias"
    for i, column in enumerate(columns[LIMBS:]):
        lines.append(f"u = uint({column} + {carry}) & mask")
        lines.append(f"h[{HIGH + i}] = u & 8191")
        lines.append("c = int(u >> 13) + carry_bias")
        carry = "c"
    lines.append(f"h[{HIGH + LIMBS - 1}] = c - bias")
    return lines + _carry([f"{columns[i]} + h[{HIGH + i}] * 608" for i in range(LIMBS)])


def _carry(columns: list) -> list:
    """Store to r the limbs of `columns`, each within -4096..4095 (the third a little more)."""
    lines = ["c = bias + 4096"]
    for i, column in enumerate(columns):
        lines.append(f"u = uint({column} + c) & mask")
        lines.append(f"r[{i}] = int(u & 8191) - 4096")
        lines.append("c = int(u >> 13) + center_bias")
    lines.append("c = c - 4096 - bias")
    for i, column in enumerate(("r[0] + c * 608 + bias + 4096", "r[1] + c")):
        lines.append(f"u = uint({column}) & mask")
        lines.append(f"r[{i}] = int(u & 8191) - 4096")
        lines.append("c = int(u >> 13) + center_bias")
    return [*lines, "r[2] = r[2] + c - 4096 - bias"]


def _load_entry() -> list:
    """Unpack the entry that the next control word names; bit 0 negates it, bit 1 is the key's."""
    lines = [
        "a = ptr32(words)",
        "words += 4",
        "q = a[0]",
        "c = q & 1",
        "a = ptr32((key_table if q & 2 else base_table) + (q & -4))",
    ]
    places = (f"{ENTRY_ELEMENT * 80} + c * 80", f"{(ENTRY_ELEMENT + 1) * 80} - c * 80", "560")
    for number, place in enumerate(places):
        lines.append(f"b = ptr32(memory + {place})")
        lines.extend(f"b[{i}] = {_limb_of_words(i, 8 * number)}" for i in range(LIMBS))
    lines.append("if c:")
    lines.extend(f"    b[{i}] = 0 - b[{i}]" for i in range(LIMBS))
    return lines


def _limb_of_words(limb: int, first: int) -> str:
    """Bits 13 * limb to 13 * limb + 12 of a number in eight words."""
    word, shift = divmod(13 * limb, 32)
    held = min(32 - shift, 13)
    low = f"a[{first + word}] >> {shift}" if shift else f"a[{first + word}]"
    if held == 13 or word == 7:
        return f"({low}) & {(1 << held) - 1}"
    return f"(({low}) & {(1 << held) - 1}) | ((a[{first + word + 1}] << {held}) & 8191)"


if __name__ == "__main__":
    print(module(), end="")
