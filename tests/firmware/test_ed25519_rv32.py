"""The very machine code that ESP32-C3 and C6 get, executed: right, few instructions, none secret.

Everything that the functions compute is held against integers of Python; the whole verification
and signing against libsodium. Counts are exact and the same on every machine, so they are asserted.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from firmware.core import ed25519_curve as curve
from kannuki.parts import require_program
from provisioning import mpy
from provisioning.tree import RISCV, device_tree
from simulator.rv32 import Firmware, firmware
from tests.firmware.generate_ed25519_edges import TARGET, libsodium

P, L = curve.P, curve.L
ASSEMBLED = "ed25519_rv32_viper"
BYTECODE = (
    "ed25519",
    "ed25519_curve",
    "ed25519_program",
    "ed25519_riscv",
    "ed25519_sign",
    "sha512",
)
DRAW = 20261121
MUL, ADD, SUB, LOAD, CARRY = range(1, 6)
EDGES = [0, 1, 19, P - 1, P, P + 1, 2 * P - 1, 2 * P, 2 * P + 37, (1 << 256) - 1, (1 << 256) - 38]


@pytest.fixture(scope="module")
def tree() -> dict[str, bytes]:
    return device_tree(architecture=RISCV)


@pytest.fixture
def assembled(tree: dict[str, bytes]) -> Iterator[Firmware]:
    with firmware(tree) as found:
        assert found.ed25519.boot() == "rv32 instructions"
        yield found


@pytest.fixture
def viper(tree: dict[str, bytes]) -> Iterator[Firmware]:
    """A lock whose runtime refuses the assembled module."""
    with firmware(tree, without=(ASSEMBLED,)) as found:
        assert found.ed25519.boot() == "machine words"
        yield found


@pytest.fixture(params=["assembled", "viper"])
def lock(request: pytest.FixtureRequest) -> Firmware:
    found: Firmware = request.getfixturevalue(request.param)
    return found


def signed(draw: random.Random, length: int) -> tuple[bytes, bytes, bytes]:
    key, message = SigningKey(draw.randbytes(32)), draw.randbytes(length)
    return bytes(key.verify_key), message, key.sign(message).signature


# --- the field, step by step ---


def step(core: Firmware, op: int, a: int, b: int) -> int:
    """One step on two elements of the assembled arithmetic."""
    memory = bytearray(4 * 204)
    memory[8 * 32 : 9 * 32] = a.to_bytes(32, "little")
    memory[9 * 32 : 10 * 32] = b.to_bytes(32, "little")
    memory[16 * 32] = 1
    program = bytes((op, 10, 8, 9, 0))
    core.cores[ASSEMBLED].call("run", memory, b"", b"", program)
    assert memory[8 * 32 : 9 * 32] == a.to_bytes(32, "little")
    return int.from_bytes(memory[10 * 32 : 11 * 32], "little")


def test_every_step_of_the_assembled_field_is_right_modulo_p(assembled: Firmware) -> None:
    draw = random.Random(DRAW)
    numbers = EDGES + [draw.getrandbits(256) for _ in range(20)]
    for a in numbers:
        for b in numbers:
            assert step(assembled, MUL, a, b) % P == a * b % P
            assert step(assembled, ADD, a, b) % P == (a + b) % P
            assert step(assembled, SUB, a, b) % P == (a - b) % P
        assert step(assembled, MUL, a, a) % P == a * a % P
        assert step(assembled, CARRY, a, a) == a


def test_products_of_extreme_limbs_are_right_in_viper(viper: Firmware) -> None:
    import firmware.core as core

    fast = core.ed25519_fast
    fast._reset()
    draw = random.Random(DRAW)
    rows = [[8198] * 20, [-8198] * 20, [8198, -8198] * 10, [-1] + [0] * 19]
    rows += [[draw.randint(-8198, 8198) for _ in range(20)] for _ in range(30)]
    for left in rows:
        for right in rows:
            a, b = put(fast, 8, left), put(fast, 9, right)
            fast._run(bytes((MUL, 10, 8, 9, 0)), b"", b"")
            assert value(fast, 10) == a * b % P
            fast._run(bytes((ADD, 11, 8, 9, CARRY, 12, 11, 11, 0)), b"", b"")
            assert value(fast, 12) == (a + b) % P
            fast._run(bytes((SUB, 11, 8, 9, CARRY, 12, 11, 11, 0)), b"", b"")
            assert value(fast, 12) == (a - b) % P
        fast._run(bytes((MUL, 10, 8, 8, 0)), b"", b"")
        assert value(fast, 10) == a * a % P


def put(fast: object, element: int, limbs: list[int]) -> int:
    for i, limb in enumerate(limbs):
        fast._memory[20 * element + i] = limb & 0xFFFFFFFF
    return sum(limb << 13 * i for i, limb in enumerate(limbs))


def value(fast: object, element: int) -> int:
    found = 0
    for i in range(20):
        limb = fast._memory[20 * element + i]
        limb -= limb >> 31 << 32
        assert -4100 <= limb <= 4100
        found += limb << 13 * i
    return found % P


def test_sums_of_multiples_are_those_of_integers(lock: Firmware) -> None:
    draw = random.Random(DRAW)
    base, key = bytearray(curve.TABLE_BYTES), bytearray(curve.TABLE_BYTES)
    curve.build_table(base, curve.BASE_X, curve.BASE_Y)
    curve.build_table(key, P - curve.BASE_X, curve.BASE_Y)
    compute = lock.ed25519._state[0]
    scalars = [0, 1, 2, L - 2, L - 1, 1 << 252, *(draw.randrange(L) for _ in range(6))]
    for s in scalars:
        for h in draw.sample(scalars, 3):
            expected = curve.encoded_double_scalar(s, base, h, key)
            assert compute(s, base, h, key) == expected, (s, h)


def test_division_finds_the_inverse_of_any_element(viper: Firmware) -> None:
    import firmware.core as core

    fast, draw = core.ed25519_fast, random.Random(DRAW)
    for z in [1, 2, 19, P - 1, P - 2, (P + 1) // 2, *(draw.randrange(1, P) for _ in range(20))]:
        fast._reset()
        for element, number in ((1, 5 * z), (2, 7 * z), (3, z)):
            put(fast, element, [number % P >> 13 * i & 8191 for i in range(20)])
        assert fast._encoded(b"") == (7 | 1 << 255).to_bytes(32, "little")


def test_columns_are_those_of_integers(lock: Firmware) -> None:
    draw = random.Random(DRAW)
    name = ASSEMBLED if ASSEMBLED in lock.cores else "ed25519_steps_viper"
    for odd in [1, L, 2 * L - 1, *(draw.randrange(L) | 1 for _ in range(30))]:
        bits, out = curve.recoded(odd), bytearray(8 * curve.COLUMNS)
        lock.cores[name].call("columns", bits, out, 2)
        for i in range(curve.COLUMNS):
            signs = curve.column(bits, curve.COLUMNS - 1 - i)
            negative = not signs & 64
            index = (~signs if negative else signs) & 63
            word = int.from_bytes(out[8 * i : 8 * i + 4], "little")
            assert word == index * curve.ENTRY_BYTES + 2 + negative


def test_sha512_is_the_librarys_for_every_length_around_blocks(assembled: Firmware) -> None:
    draw = random.Random(DRAW)
    for length in (0, 1, 55, 111, 112, 127, 128, 129, 160, 224, 239, 240, 400):
        for message in (bytes(length), b"\xff" * length, draw.randbytes(length)):
            assert assembled.sha512(message) == hashlib.sha512(message).digest()


# --- whole signatures ---


def test_verdicts_on_real_machine_code_are_libsodiums(lock: Firmware) -> None:
    draw = random.Random(DRAW)
    verdicts = []
    for length in (0, 1, 160, 300):
        key, message, signature = signed(draw, length)
        for bit in (None, *draw.sample(range(512), 6)):
            changed = bytearray(signature)
            if bit is not None:
                changed[bit // 8] ^= 1 << bit % 8
            case = (key, message, bytes(changed))
            verdicts.append(lock.ed25519.verify(*case))
            assert verdicts[-1] == libsodium(*case)
    assert verdicts.count(True) == 4


def test_verdicts_at_every_edge_are_libsodiums(assembled: Firmware) -> None:
    cases = json.loads(TARGET.read_text(encoding="utf-8"))
    for key, message, signature, verdict in cases:
        case = [bytes.fromhex(part) for part in (key, message, signature)]
        assert assembled.ed25519.verify(*case) == verdict, (key, signature)


def test_signatures_are_libsodiums(lock: Firmware) -> None:
    draw = random.Random(DRAW)
    for seed in (bytes(32), b"\xff" * 32, draw.randbytes(32), draw.randbytes(32)):
        theirs, message = SigningKey(seed), draw.randbytes(draw.randrange(200))
        own = lock.sign.public_key(seed)
        assert own == bytes(theirs.verify_key)
        assert lock.sign.sign(seed, own, message) == theirs.sign(message).signature


def test_scalars_are_reduced_and_chosen_like_integers(assembled: Firmware) -> None:
    draw = random.Random(DRAW)
    import firmware.core as core

    multiply, reduced, multiply_add = assembled.sign._uniform(core.ed25519_riscv)
    edges = [0, 1, L - 1, L, L + 1, (1 << 256) - 1]
    for size in (32, 64):
        for number in [*edges, *(draw.getrandbits(8 * size) for _ in range(8)), 256**size - 1]:
            found = reduced(number.to_bytes(size, "little"))
            assert int.from_bytes(found, "little") == number % L
    for a, b, c in ((0, 0, 0), (L - 1, L - 1, L - 1), (draw.randrange(L), draw.randrange(L), 1)):
        raw = [bytearray(n.to_bytes(32, "little")) for n in (a, b, c)]
        assert int.from_bytes(multiply_add(*raw), "little") == (a * b + c) % L
    base = assembled.ed25519.base_table()
    for number in (0, 1, 2, L - 1, draw.randrange(L)):
        expected = curve.encoded_double_scalar(number, base, 0, base)
        assert multiply(bytearray(number.to_bytes(32, "little"))) == expected


# --- counts ---


def test_cold_verification_of_a_token_takes_less_than_c_takes(
    assembled: Firmware, capsys: pytest.CaptureFixture[str]
) -> None:
    """Monocypher 4.0.3 in C takes 3.1 M instructions on such a core; bytecode is not in ours."""
    key, message, signature = signed(random.Random(DRAW), 160)
    assert assembled.ed25519.verify(key, message, signature)  # builds the table
    counts = assembled.counted(lambda: assembled.ed25519.verify(key, message, signature))
    with capsys.disabled():
        print(f"\nRV32IMC instructions in machine code, cold verification: {counts}")
    assert set(counts) == {ASSEMBLED, "sha512_viper"}
    assert sum(counts.values()) < 1_000_000


def test_code_tables_and_scratch_leave_room_in_48_kilobytes(
    assembled: Firmware, tree: dict[str, bytes]
) -> None:
    """Signing with it. Bytecode counts as long as its file; objects of modules come on top."""
    import firmware.core as core

    code = sum(
        assembled.cores[name].code_bytes
        for name in (ASSEMBLED, "ed25519_sign_viper", "sha512_viper")
    )
    tables = (1 + assembled.ed25519.MAX_KEYS) * assembled.ed25519._SLOT_BYTES
    scratch = 4 * len(core.ed25519_riscv._memory) + 4 * (161 + 176)
    bytecode = sum(len(tree[f"/lib/firmware/core/{name}.mpy"]) for name in BYTECODE)
    assert code + tables + scratch + bytecode < 42_000
    assert "firmware.core.ed25519_fast" not in sys.modules


def test_signing_runs_the_same_instructions_for_every_secret(lock: Firmware) -> None:
    """Seeds and messages differ, their lengths do not; only the public self-check may differ."""
    draw = random.Random(DRAW)
    seeds = [bytes(32), b"\xff" * 32, *(draw.randbytes(32) for _ in range(8))]
    verify, lock.ed25519.verify = lock.ed25519.verify, lambda *_: True
    try:
        counts = set()
        for seed in seeds:
            own, message = bytes(SigningKey(seed).verify_key), draw.randbytes(40)
            found = lock.counted(lambda s=seed, o=own, m=message: lock.sign.sign(s, o, m))
            counts.add(tuple(sorted(found.items())))
    finally:
        lock.ed25519.verify = verify
    assert len(counts) == 1
    ((*found,),) = counts
    assert dict(found)["ed25519_sign_viper"] > 100_000


# --- how the instructions get there ---


def test_assembled_functions_are_wrapped_as_the_compiler_wraps_viper(
    tree: dict[str, bytes], tmp_path: Path
) -> None:
    """Header, names and constants are byte for byte those of a viper module of the same names."""
    source = tmp_path / "ed25519_rv32.py"
    text = "import micropython\n"
    for name, arguments in (("run", "a, b, c, d"), ("columns", "a, b, c")):
        text += f"@micropython.viper\ndef {name}({arguments}):\n    pass\n"
    source.write_text(text, encoding="utf-8")
    out, name = tmp_path / "viper.mpy", "firmware/core/ed25519_rv32.py"
    compiler = str(require_program("mpy-cross"))
    subprocess.run(
        (compiler, f"-march={RISCV}", "-s", name, "-o", str(out), str(source)), check=True
    )
    ours, theirs = tree[f"/lib/firmware/core/{ASSEMBLED}.mpy"], out.read_bytes()
    until = theirs.index(b"columns\0\0") + len(b"columns\0\0")
    assert ours[:until] == theirs[:until]
    kinds = [(f.name, f.kind) for f in mpy.functions(ours)]
    assert kinds == [(f.name, f.kind) for f in mpy.functions(theirs)]


@pytest.mark.parametrize("cut", [0, 3, 20, 60, 90, 3000])
def test_a_module_that_ends_early_or_is_no_machine_code_is_refused(
    tree: dict[str, bytes], cut: int
) -> None:
    whole = tree[f"/lib/firmware/core/{ASSEMBLED}.mpy"]
    for raw in (whole[:cut], b"X" + whole, tree["/lib/firmware/core/ed25519.mpy"]):
        with pytest.raises(mpy.NotUnderstood):
            mpy.functions(raw)


def test_other_boards_and_locks_without_machine_code_do_not_get_the_instructions() -> None:
    for architecture in (None, "x64", "xtensawin"):
        assert not [path for path in device_tree(architecture=architecture) if "rv32" in path]
