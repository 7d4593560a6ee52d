"""The point formulas of Ed25519 as programs of steps for ed25519_viper.run and ed25519_rv32.run.

Decides the formulas, nothing about words. A step is four bytes: operation, element of the result,
elements of the operands; a zero byte ends a round. Elements 1..4 are X, Y, Z, T of a point; 5..7 an
entry of a table; 8..14 temporary; 15 zero. Squares are products: viper code for them would take
8 kB and save a thirtieth of the time.
"""

MUL, ADD, SUB, LOAD, CARRY = 1, 2, 3, 4, 5
BASE, KEY = 0, 2  # flags in a word that names an entry; 1 negates it


def program(*steps: tuple) -> bytes:
    """One round's steps, its end not yet written."""
    return b"".join(bytes(step) for step in steps)


ENTRY = program((LOAD, 0, 0, 0))  # the next entry that the control words name
SUM = program(  # the point plus the entry, T left out
    (SUB, 8, 2, 1),
    (MUL, 10, 8, 6),
    (ADD, 8, 2, 1),
    (MUL, 11, 8, 5),
    (MUL, 12, 4, 7),
    (SUB, 8, 11, 10),
    (ADD, 9, 11, 10),
    (SUB, 10, 3, 12),
    (ADD, 11, 3, 12),
    (MUL, 1, 8, 10),
    (MUL, 2, 11, 9),
    (MUL, 3, 10, 11),
)
FULL_T = program((MUL, 4, 8, 9))  # after a sum; not needed before a doubling
DOUBLE = program(
    (MUL, 10, 1, 1),
    (MUL, 11, 2, 2),
    (MUL, 12, 3, 3),
    (MUL, 13, 1, 2),
    (ADD, 9, 10, 11),
    (SUB, 14, 10, 11),
    (SUB, 8, 15, 13),
    (SUB, 8, 8, 13),
    (ADD, 12, 12, 12),
    (ADD, 12, 12, 14),
    (CARRY, 10, 12, 12),
    (MUL, 1, 8, 10),
    (MUL, 2, 14, 9),
    (MUL, 3, 10, 14),
    (MUL, 4, 8, 9),
)
COMB = DOUBLE + ENTRY + SUM + FULL_T + ENTRY + SUM + b"\0"
ONE_MORE = FULL_T + ENTRY + SUM + b"\0"


def _squares(element: int, rounds: int) -> tuple:
    return program((MUL, element, element, element)) + b"\0", rounds


def _once(*steps: tuple) -> tuple:
    return program(*steps) + b"\0", 1


# (steps, rounds) that put X / Z into 1 and Y / Z into 2: z**(2**255 - 21) is the inverse of the z
# in 3. The same steps for every number. Comments: the powers of z that stand in the elements.
TO_AFFINE = (
    _once((MUL, 8, 3, 3), (MUL, 9, 8, 8), (MUL, 9, 9, 9), (MUL, 9, 9, 3)),  # 9: 9
    _once((MUL, 8, 8, 9), (MUL, 10, 8, 8), (MUL, 9, 9, 10)),  # 8: 11, 9: 2**5 - 1
    _once((MUL, 10, 9, 9)),
    _squares(10, 4),
    _once((MUL, 9, 10, 9), (MUL, 10, 9, 9)),  # 9: 2**10 - 1
    _squares(10, 9),
    _once((MUL, 10, 10, 9), (MUL, 11, 10, 10)),  # 10: 2**20 - 1
    _squares(11, 19),
    _once((MUL, 11, 11, 10), (MUL, 11, 11, 11)),  # 2**40 - 1, doubled
    _squares(11, 9),
    _once((MUL, 9, 11, 9), (MUL, 10, 9, 9)),  # 9: 2**50 - 1
    _squares(10, 49),
    _once((MUL, 10, 10, 9), (MUL, 11, 10, 10)),  # 10: 2**100 - 1
    _squares(11, 99),
    _once((MUL, 11, 11, 10), (MUL, 11, 11, 11)),  # 2**200 - 1, doubled
    _squares(11, 49),
    _once((MUL, 9, 11, 9), (MUL, 12, 9, 9)),  # 9: 2**250 - 1
    _squares(12, 4),
    _once((MUL, 12, 12, 8), (MUL, 1, 1, 12), (MUL, 2, 2, 12)),
)
