"""Writes firmware/core/ed25519_rv32.py: the field arithmetic of Ed25519 for RV32IM, assembled.

    python -m firmware.tools.generate_ed25519_rv32 > firmware/core/ed25519_rv32.py

Decides the machine code's shape. A field element is 8 words of 32 bits, any number below 2**256
that is right modulo p (2**256 = 38 mod p); a product is summed by columns, every word of both
factors in a register. Which instructions run depends on the program alone, never on a number, so
that signing may use it; `columns` is for public scalars only.
Invariant: code needs no relocation and calls nothing, so it runs wherever it is copied.
"""

WORDS = 8
ELEMENT_BYTES = 32
# Bytes from the start of memory: rounds and start of the program, entries to load.
ROUNDS, START, ENTRIES = 16 * 32, 16 * 32 + 4, 16 * 32 + 8
ENTRY_ELEMENT, ZERO_ELEMENT = 5, 15

A = ("s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9")
B = ("s10", "s11", "a3", "a4", "a5", "a6", "a7", "t3")
SAVED = ("ra", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11")
# On the stack: saved registers, the two tables, the next entry, rounds, the program, low words.
_TABLES, _NEXT, _LEFT, _PROGRAM, _LOW, _FRAME = 52, 60, 64, 68, 72, 112

_HEAD = '''"""The field arithmetic of Ed25519 in RV32IM instructions, generated: see the generator.

Written by firmware/tools/generate_ed25519_rv32.py; change that and run it again.
"""

import micropython

'''


def module() -> str:
    """The text of the generated module."""
    functions = (("run(a0, a1, a2, a3)", _run()), ("columns(a0, a1, a2)", _columns()))
    text = _HEAD
    for signature, lines in functions:
        body = "".join(f"    {line}\n" for line in lines)
        text += f"\n@micropython.asm_rv32\ndef {signature}:\n{body}\n"
    return text[:-1]


def _run() -> list:
    """Interpret the program at a3 over the memory at a0, with the tables at a1 and a2."""
    lines = [f"addi(sp, sp, -{_FRAME})"]
    lines.extend(f"sw({register}, {4 * i}(sp))" for i, register in enumerate(SAVED))
    lines += [
        "c_mv(s0, a0)",
        f"sw(a1, {_TABLES}(sp))",
        f"sw(a2, {_TABLES + 4}(sp))",
        f"sw(a3, {_PROGRAM}(sp))",
        f"addi(t0, s0, {ENTRIES})",
        f"sw(t0, {_NEXT}(sp))",
        f"lw(t0, {ROUNDS}(s0))",
        f"sw(t0, {_LEFT}(sp))",
        f"lw(s1, {START}(s0))",
        "c_add(s1, a3)",
        "jal(zero, STEP)",
        *_load_entry(),
        *_copy_step(),
        *_add(),
        *_subtract(),
        *_step(),
        *_multiply(),
        "label(END)",
    ]
    lines.extend(f"lw({register}, {4 * i}(sp))" for i, register in enumerate(SAVED))
    return [*lines, f"addi(sp, sp, {_FRAME})"]


def _step() -> list:
    """Fetch one step; a0 becomes the address of its result, a1 and a2 of its operands."""
    lines = ["label(STEP)", "lbu(t0, 0(s1))", "bne(t0, zero, FETCH)"]
    lines += [
        f"lw(t1, {_LEFT}(sp))",
        "addi(t1, t1, -1)",
        f"sw(t1, {_LEFT}(sp))",
        f"lw(s1, {_PROGRAM}(sp))",
        "bne(t1, zero, STEP)",
        "jal(zero, END)",
        "label(FETCH)",
    ]
    for i, register in enumerate(("a0", "a1", "a2")):
        lines.append(f"lbu({register}, {i + 1}(s1))")
        lines.append(f"slli({register}, {register}, 5)")
        lines.append(f"c_add({register}, s0)")
    lines.append("addi(s1, s1, 4)")
    for op, place in ((2, "ADD"), (3, "SUBTRACT"), (4, "LOAD"), (5, "COPY")):
        lines.append(f"addi(t1, zero, {op})")
        lines.append(f"beq(t0, t1, {place})")
    return lines


def _multiply() -> list:
    """a0 = a1 * a2; what is above 2**256 is folded 38 times into what is below."""
    lines = [f"lw({register}, {4 * i}(a1))" for i, register in enumerate(A)]
    lines.extend(f"lw({register}, {4 * i}(a2))" for i, register in enumerate(B))
    lines += ["c_li(a1, 0)", "addi(a2, zero, 38)"]
    sums = ["t4", "t5", "t6"]
    for column in range(2 * WORDS - 1):
        lines += _column(column, sums)
        lines += _finish(column, sums[0])
        sums = [sums[1], sums[2], sums[0]]
    lines += _finish(2 * WORDS - 1, sums[0])
    return [*lines, "mul(t0, a1, a2)", *_store_folded(), "jal(zero, STEP)"]


def _column(column: int, sums: list) -> list:
    """Add the products of one column to the three words of the running sum."""
    low, middle, high = sums
    lines = []
    if column == 0:
        return [
            f"mul({low}, {A[0]}, {B[0]})",
            f"mulhu({middle}, {A[0]}, {B[0]})",
            f"c_li({high}, 0)",
        ]
    first = True
    for i in range(max(0, column - WORDS + 1), min(WORDS, column + 1)):
        j = column - i
        lines += [
            f"mul(t0, {A[i]}, {B[j]})",
            f"mulhu(t1, {A[i]}, {B[j]})",
            f"c_add({low}, t0)",
            f"sltu(t0, {low}, t0)",
            "c_add(t1, t0)",
            f"c_add({middle}, t1)",
        ]
        if first:
            lines.append(f"sltu({high}, {middle}, t1)")
        else:
            lines += [f"sltu(t1, {middle}, t1)", f"c_add({high}, t1)"]
        first = False
    return lines


def _finish(column: int, word: str) -> list:
    """Keep a low word; fold a high one into the low one it meets, carry in a1."""
    place = f"{_LOW + 4 * (column % WORDS)}(sp)"
    if column < WORDS:
        return [f"sw({word}, {place})"]
    return [
        f"mul(t0, {word}, a2)",
        f"mulhu(t1, {word}, a2)",
        f"lw(t2, {place})",
        "c_add(t0, t2)",
        "sltu(t2, t0, t2)",
        "c_add(t1, t2)",
        "c_add(t0, a1)",
        "sltu(a1, t0, a1)",
        "c_add(a1, t1)",
        f"c_mv({A[column - WORDS]}, t0)",
    ]


def _store_folded() -> list:
    """Add t0 (below 2**31) to the words in A, 38 for what overflows, store at a0. a2 is 38."""
    lines = []
    for register in A:
        lines += [f"c_add({register}, t0)", f"sltu(t0, {register}, t0)"]
    lines += ["mul(t0, t0, a2)", f"c_add({A[0]}, t0)"]
    return lines + _store()


def _store() -> list:
    return [f"sw({register}, {4 * i}(a0))" for i, register in enumerate(A)]


def _add() -> list:
    lines = ["label(ADD)", "c_li(t3, 0)"]
    for i, register in enumerate(A):
        lines += [
            f"lw({register}, {4 * i}(a1))",
            f"lw(t1, {4 * i}(a2))",
            f"c_add({register}, t3)",
            f"sltu(t3, {register}, t3)",
            f"c_add({register}, t1)",
            f"sltu(t1, {register}, t1)",
            "c_add(t3, t1)",
        ]
    lines += ["addi(a2, zero, 38)", "mul(t0, t3, a2)", *_store_folded()]
    return [*lines, "jal(zero, STEP)"]


def _subtract() -> list:
    """a0 = a1 - a2; below zero stands 2**256 more, so 38 is taken away (twice at most)."""
    lines = ["label(SUBTRACT)", "jal(ra, DIFFERENCE)", "jal(zero, STEP)", "label(DIFFERENCE)"]
    lines.append("c_li(t3, 0)")
    for i, register in enumerate(A):
        lines += [
            f"lw(t0, {4 * i}(a1))",
            f"lw(t1, {4 * i}(a2))",
            "sub(t2, t0, t1)",
            "sltu(t0, t0, t1)",
            f"sub({register}, t2, t3)",
            "sltu(t1, t2, t3)",
            "or_(t3, t0, t1)",
        ]
    lines += ["addi(a2, zero, 38)", "mul(t0, t3, a2)"]
    for register in A:
        lines += [f"sltu(t1, {register}, t0)", f"sub({register}, {register}, t0)", "c_mv(t0, t1)"]
    lines += ["mul(t0, t0, a2)", f"sub({A[0]}, {A[0]}, t0)"]
    return [*lines, *_store(), "c_jr(ra)"]


def _copy_step() -> list:
    return ["label(COPY)", *_copy(), "jal(zero, STEP)"]


def _copy() -> list:
    lines = [f"lw({register}, {4 * i}(a1))" for i, register in enumerate(A)]
    return lines + _store()


def _load_entry() -> list:
    """The entry that the next control word names; bit 0 negates it, bit 1 is the key's."""
    first = ENTRY_ELEMENT * ELEMENT_BYTES
    last = first + 2 * ELEMENT_BYTES
    lines = [
        "label(LOAD)",
        f"lw(t2, {_NEXT}(sp))",
        "lw(t0, 0(t2))",
        "addi(t2, t2, 4)",
        f"sw(t2, {_NEXT}(sp))",
        f"lw(a1, {_TABLES}(sp))",
        "andi(t1, t0, 2)",
        "beq(t1, zero, OF_BASE)",
        f"lw(a1, {_TABLES + 4}(sp))",
        "label(OF_BASE)",
        "andi(t2, t0, -4)",
        "c_add(a1, t2)",
        "andi(t2, t0, 1)",
        "slli(t2, t2, 5)",
        f"addi(a0, s0, {first})",
        "c_add(a0, t2)",
        *_copy(),
        "addi(a1, a1, 32)",
        f"addi(a0, s0, {first + ELEMENT_BYTES})",
        "sub(a0, a0, t2)",
        *_copy(),
        "addi(a1, a1, 32)",
        f"addi(a0, s0, {last})",
        *_copy(),
        "beq(t2, zero, LOADED)",
        f"addi(a1, s0, {ZERO_ELEMENT * ELEMENT_BYTES})",
        "c_mv(a2, a0)",
        "jal(ra, DIFFERENCE)",
        "label(LOADED)",
        "jal(zero, STEP)",
    ]
    return lines


def _columns() -> list:
    """Write every second word at a1: offset of a column's entry in the bits at a0, flags a2."""
    return [
        "addi(t0, zero, 36)",
        "label(COLUMN)",
        "addi(t1, t0, 222)",  # the bit of tooth 6
        "c_li(a3, 0)",
        "label(TOOTH)",
        "srli(a4, t1, 3)",
        "c_add(a4, a0)",
        "lbu(a5, 0(a4))",
        "andi(t2, t1, 7)",
        "srl(a5, a5, t2)",
        "andi(a5, a5, 1)",
        "slli(a3, a3, 1)",
        "or_(a3, a3, a5)",
        "addi(t1, t1, -37)",
        "bge(t1, zero, TOOTH)",
        "srli(a5, a3, 6)",
        "xori(a5, a5, 1)",  # 1: negative
        "sub(a4, zero, a5)",
        "xor(a3, a3, a4)",
        "andi(a3, a3, 63)",
        "addi(a4, zero, 96)",
        "mul(a3, a3, a4)",
        "c_add(a3, a5)",
        "c_add(a3, a2)",
        "sw(a3, 0(a1))",
        "addi(a1, a1, 8)",
        "addi(t0, t0, -1)",
        "bge(t0, zero, COLUMN)",
    ]


if __name__ == "__main__":
    print(module(), end="")
