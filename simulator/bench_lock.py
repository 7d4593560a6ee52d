"""`kannuki bench lock`: what an opening costs in computing, ours against RFC 8032's own code.

Both verify the same token's signature on the lock's runtime (MicroPython out of a LittleFS image,
the heap of a lock) in one process; the reference is the Python of RFC 8032, section 6, with our
SHA-512 under it, which is kind to the reference. Milliseconds are of this PC; the ratio says more.
With `--full` also instructions of an RV32IMC core in machine code (extra `dev`: unicorn).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from protocol import cose
from provisioning import image
from provisioning.tree import device_tree
from simulator import bench_wire, rv32
from simulator.chip_board import HEAP_BYTES, ImageBoard

ROUNDS, FULL_ROUNDS = 20, 200
_REFERENCE_ROUNDS = 5

# RFC 8032, section 6; MicroPython's pow has no negative exponents and hashlib no SHA-512.
_REFERENCE = """
p = 2**255 - 19
q = 2**252 + 27742317777372353535851937790883648493
def modp_inv(x):
    return pow(x, p - 2, p)
d = -121665 * modp_inv(121666) % p
modp_sqrt_m1 = pow(2, (p - 1) // 4, p)
def point_add(P, Q):
    A, B = (P[1] - P[0]) * (Q[1] - Q[0]) % p, (P[1] + P[0]) * (Q[1] + Q[0]) % p
    C, D = 2 * P[3] * Q[3] * d % p, 2 * P[2] * Q[2] % p
    E, F, G, H = B - A, D - C, D + C, B + A
    return (E * F, G * H, F * G, E * H)
def point_mul(s, P):
    Q = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            Q = point_add(Q, P)
        P = point_add(P, P)
        s >>= 1
    return Q
def point_equal(P, Q):
    if (P[0] * Q[2] - Q[0] * P[2]) % p != 0:
        return False
    if (P[1] * Q[2] - Q[1] * P[2]) % p != 0:
        return False
    return True
def recover_x(y, sign):
    if y >= p:
        return None
    x2 = (y * y - 1) * modp_inv(d * y * y + 1)
    if x2 % p == 0:
        return None if sign else 0
    x = pow(x2 % p, (p + 3) // 8, p)
    if (x * x - x2) % p != 0:
        x = x * modp_sqrt_m1 % p
    if (x * x - x2) % p != 0:
        return None
    if (x & 1) != sign:
        x = p - x
    return x
g_y = 4 * modp_inv(5) % p
g_x = recover_x(g_y, 0)
G = (g_x, g_y, 1, g_x * g_y % p)
def point_decompress(s):
    y = int.from_bytes(s, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % p)
def reference(public, msg, signature):
    A = point_decompress(public)
    Rs = signature[:32]
    R = point_decompress(Rs)
    if not A or not R:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= q:
        return False
    h = int.from_bytes(sha512(Rs + public + msg), "little") % q
    return point_equal(point_mul(s, G), point_add(R, point_mul(h, A)))
"""

_ON_CHIP = """
import gc, json, time
from binascii import unhexlify
from protocol import cose, keyset, statuslist, token, verify
from protocol.crypto import Crypto
from protocol.timebound import TimeBound
gc.collect()
_empty = gc.mem_alloc()
from firmware.core import ed25519
from firmware.core.sha512 import sha512
gc.collect()
module_bytes = gc.mem_alloc() - _empty
case = json.loads({case!r})
key = unhexlify(case["public_key"])
hello, challenge, message, kdk = [
    unhexlify(case[n]) for n in ("hello", "challenge", "message", "kdk")]
parsed = cose.decode(unhexlify(case["token"]))
signed, signature = parsed.signed_bytes(), parsed.signature
def measure(work, rounds):
    took = []
    for _ in range(rounds):
        gc.collect()
        began = time.ticks_us()
        assert work()
        took.append(time.ticks_diff(time.ticks_us(), began))
    took.sort()
    return took[len(took) // 2] / 1000
gc.collect()
before_boot = gc.mem_alloc()
began = time.ticks_us()
arithmetic = ed25519.boot()
boot_ms = time.ticks_diff(time.ticks_us(), began) / 1000
began = time.ticks_us()
assert ed25519.verify(key, signed, signature)
first_ms = time.ticks_diff(time.ticks_us(), began) / 1000
gc.collect()
heap_bytes = module_bytes + gc.mem_alloc() - before_boot
gc.disable()
began = gc.mem_alloc()
ed25519.verify(key, signed, signature)
garbage_bytes = gc.mem_alloc() - began
gc.enable()
row = keyset.IssuerKey(key, case["role"], 127, 86400, 86400)
believed = keyset.Keyset("bench", 1, 0, [row], {{}}, ())
trust = verify.Trust(case["lock_id"], believed, {{1: kdk}}, statuslist.empty(case["lock_id"]))
crypto, now = Crypto(ed25519.verify, None, None), TimeBound(case["now"], case["now"])
greeting = (hello, challenge)
def warm():
    return isinstance(verify.verify(trust, crypto, now, greeting, message), verify.Allowed)
def cold():
    trust.remembered.forget()
    return warm()
assert cold()
{reference}
verify_ms = measure(lambda: ed25519.verify(key, signed, signature), case["rounds"])
reference_ms = measure(lambda: reference(key, signed, signature), {reference_rounds})
print(json.dumps({{
    "ratio_to_reference": verify_ms / reference_ms, "verify_ms": verify_ms,
    "reference_ms": reference_ms, "cold_ms": measure(cold, case["rounds"]),
    "warm_ms": measure(warm, case["rounds"]), "boot_ms": boot_ms, "first_verify_ms": first_ms,
    "heap_bytes": heap_bytes, "garbage_bytes": garbage_bytes, "arithmetic": arithmetic,
}}))
"""


def run(full: bool) -> dict[str, Any]:
    """Median milliseconds and bytes; `full` takes more rounds."""
    case = bench_wire.opening_case(FULL_ROUNDS if full else ROUNDS)
    source = _ON_CHIP.format(
        case=json.dumps(case), reference=_REFERENCE, reference_rounds=_REFERENCE_ROUNDS
    )
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder) / "bench.img"
        image.create(flash, device_tree())
        printed = ImageBoard(flash).run(source)
    figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
    rounded = {n: round(v, 4) if isinstance(v, float) else v for n, v in figures.items()}
    return {
        **rounded,
        **(_on_riscv(case) if full else {}),
        "heap_limit": HEAP_BYTES,
        "rounds": case["rounds"],
        "note": "MicroPython's unix port on this PC (64-bit objects), not a chip",
    }


def _on_riscv(case: dict[str, Any]) -> dict[str, int]:
    parsed = cose.decode(bytes.fromhex(case["token"]))
    key = bytes.fromhex(case["public_key"])
    return rv32.figures(key, parsed.signed_bytes(), parsed.signature)
