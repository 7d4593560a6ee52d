"""Vectors of tokens, keysets, configurations and signed time.

One function per file of protocol/vectors; called by generate_vectors.py.
"""

from __future__ import annotations

from typing import Any

from protocol import (
    cbor,
    keyset,
    lockconfig,
    signedtime,
    statuslist,
    timebound,
)
from protocol import token as tokens
from protocol.lockconfig import DoorConfig, LockConfig
from protocol.signedtime import SignedTime
from protocol.timebound import TimeBound
from protocol.token import Token, Weekly
from tests.protocol import generate_town as town
from tests.protocol import support
from tests.protocol.generate_town import LOCK_NONCE, document_row, issue, public_key, sign
from tests.protocol.support import EPOCH, GROUP, LOCK, NOON, OTHER_LOCK, T0, T1

# Tuesday and Thursday evenings, and a night that runs over the end of the week.
EVENINGS = Weekly(540, [(1440 + 1080, 180), (3 * 1440 + 1080, 180), (6 * 1440 + 1320, 480)])


# Two that begin together, one within another, and three that touch.
OVERLAPPING = Weekly(-300, [(60, 600), (60, 120), (300, 60), (660, 60), (720, 30)])
EIGHT = [(10079, 10080), (0, 1)] + [(n, n) for n in range(1, 7)]


def token_vectors() -> dict[str, Any]:
    week = {"not_before": T0, "expires_at": T0 + 2 * 604800, "weekly": EVENINGS}
    return {
        "keys": {
            name: {"seed": town.SEEDS[name].hex(), "public_key": public_key(name).hex()}
            for name in (*town.ROLES, "root", "other_root", "lock")
        },
        "tokens": [
            token_row("booking"),
            token_row("staff", permissions=tokens.ALL_PERMISSIONS, epoch=255, cti=bytes(8)),
            token_row("booking", audience=OTHER_LOCK, not_before=1, expires_at=2, issued_at=1),
            token_row("staff", not_before=(1 << 40) - 3, expires_at=(1 << 40) - 2),
            token_row("staff", audience=GROUP),
            token_row("booking", once=True),
            token_row("staff", **week),
            token_row("staff", weekly=Weekly(-840, [(0, 10080)]), audience=GROUP),
            token_row("emergency", permissions=tokens.UNLOCK, expires_at=T0 + 30 * 86400),
            token_row("staff", weekly=Weekly(840, EIGHT)),
            token_row("staff", issued_at=(1 << 40) - 2),
        ],
        "weeks": week_rows(support.make_token(**week)),
        "overlapping": week_rows(support.make_token(**{**week, "weekly": OVERLAPPING}), 86_399),
        "refused": refused_tokens(),
    }


def token_row(name: str, **claims: Any) -> dict[str, Any]:
    token = support.make_token(**claims)
    raw = issue(name, **claims)
    signed, _ = tokens.parse(raw)
    weekly = None
    if token.weekly is not None:
        weekly = [token.weekly.utc_offset_minutes, [list(each) for each in token.weekly.windows]]
    return {
        "issuer": name,
        "claims": {**vars(token), "cti": token.cti.hex(), "weekly": weekly},
        "payload": signed.payload.hex(),
        "protected": signed.protected.hex(),
        "kid": signed.kid.hex(),
        "sig_structure": signed.signed_bytes().hex(),
        "signature": signed.signature.hex(),
        "token": raw.hex(),
    }


def week_rows(token: Token, step: int = 6 * 3600 + 17) -> dict[str, Any]:
    """Which window counts at a second, and how an interval relates to it."""
    asked = [T0 - 1, T0, *range(T0 + step, T0 + 2 * 604800, step), T0 + 2 * 604800]
    edges = [edge for t in asked for edge in token.window(t)]
    asked = sorted({*asked, *edges, *(edge - 1 for edge in edges)})
    return {
        "token": issue("staff", **vars(token)).hex(),
        "windows": [{"t": t, "window": list(token.window(t))} for t in asked],
        "relations": [
            {"lo": t, "hi": t + doubt, "relation": token.relation(TimeBound(t, t + doubt))}
            for t in asked
            for doubt in (0, 1, 900)
        ],
    }


def refused_tokens() -> list[dict[str, str]]:
    raw, signed = issue(), tokens.parse(issue())[0]
    claims = cbor.decode(signed.payload)
    signature = signed.signature
    old = cbor.encode({1: -8, 4: signed.kid})
    status = statuslist.build(LOCK, 1, NOON, [])[0]
    rows = [
        ("algorithm -8 (deprecated EdDSA)", cose_with(old, {}, signed.payload, signature)),
        (
            "kid unprotected",
            cose_with(signed.protected, {4: signed.kid}, signed.payload, signature),
        ),
        ("no tag", raw[1:]),
        ("CWT tag around it", bytes.fromhex("d83d") + raw),
        ("trailing byte", raw + b"\x00"),
        ("last byte missing", raw[:-1]),
        ("a status list", sign("status", statuslist.encode(status), statuslist.CONTEXT)),
        *other_envelopes(signed),
    ]
    rows += [
        (why, sign("booking", cbor.encode({**claims, **changed})))
        for why, changed in (
            ("a claim too many", {1: "issuer"}),
            ("a claim before the first", {2: "subject"}),
            ("a claim behind the last", {10: b"nonce"}),
            ("window empty", {4: claims[5]}),
            ("audience in capitals", {3: "KITAGUCH"}),
            ("a group without its mark", {3: "gymnasiaa"}),
            ("two marks", {3: "++gymnasi"}),
            ("cti too short", {7: b"short"}),
            ("epoch 0", {8: {3: b"\x00"}}),
            ("unknown permission", {9: scope(128)}),
            ("no permission", {9: scope(0)}),
            ("a boolean as time", {5: True}),
            ("an end beyond any time", {4: timebound.FOREVER}),
            ("not single, and says so", {-65538: False}),
            ("single for a group", {3: GROUP, -65538: True}),
            ("a week without windows", {-65537: [540, []]}),
            ("nine windows of the week", {-65537: [540, [[n, 1] for n in range(9)]]}),
            ("a window after the week", {-65537: [540, [[10080, 1]]]}),
            ("a window of no length", {-65537: [540, [[0, 0]]]}),
            ("a window longer than a week", {-65537: [540, [[0, 10081]]]}),
            ("an offset of no country", {-65537: [841, [[0, 1]]]}),
            ("an offset of no country in the west", {-65537: [-841, [[0, 1]]]}),
            ("hours of the week with a member too many", {-65537: [540, [[0, 1]], 0]}),
            ("a window with a member too many", {-65537: [540, [[0, 1, 0]]]}),
            ("issued at 0", {6: 0}),
            ("issued beyond any time", {6: timebound.FOREVER}),
            ("not before 0", {5: 0}),
            ("another claim of private use", {-65539: True}),
            ("an epoch in two bytes", {8: {3: b"\x03\x03"}}),
            ("an epoch that is no byte string", {8: {3: 3}}),
            ("a key beside its id", {8: {1: b"", 3: b"\x03"}}),
            ("an epoch in a list", {8: [b"\x03"]}),
            ("a scope that is no byte string", {9: [["door", 1]]}),
            ("a scope of two entries", {9: cbor.encode([["door", 1], ["door", 1]])}),
            ("a scope of three members", {9: cbor.encode([["door", 1, 0]])}),
            ("a scope with a byte behind", {9: scope(1) + b"\x00"}),
            ("a scope about another object", {9: cbor.encode([["gate", 1]])}),
        )
    ]
    names = {4: "expiry", 3: "audience", 5: "beginning", 6: "issue", 7: "cti", 8: "cnf", 9: "scope"}
    for claim, name in names.items():
        without = {each: value for each, value in claims.items() if each != claim}
        rows.append((f"no {name}", sign("booking", cbor.encode(without))))
    return [{"why": why, "token": data.hex()} for why, data in rows]


def other_envelopes(signed: Any) -> list[tuple[str, bytes]]:
    """COSE_Sign1 of a good payload in forms that RFC 9052 knows and we do not."""
    protected, payload, signature = signed.protected, signed.payload, signed.signature
    kid = signed.kid
    headers = (
        ("no kid", {1: -19}),
        ("a kid of 5 bytes", {1: -19, 4: kid + b"\x00"}),
        ("no algorithm", {4: kid}),
        ("another header parameter", {1: -19, 4: kid, 5: b""}),
    )
    rows = [(why, cose_with(cbor.encode(made), {}, payload, signature)) for why, made in headers]
    members = [protected, {}, payload, signature]
    shapes = (
        ("a payload that is elsewhere", [protected, {}, None, signature]),
        ("a protected header that is a map", [{1: -19, 4: kid}, {}, payload, signature]),
        ("a signature of 63 bytes", [*members[:3], signature[:-1]]),
        ("a signature of 65 bytes", [*members[:3], signature + b"\x00"]),
        ("an envelope of five", [*members, 0]),
        ("an envelope of three", members[:3]),
    )
    return rows + [(why, cbor.encode(cbor.Tag(18, made))) for why, made in shapes]


def scope(permissions: int) -> bytes:
    return cbor.encode([["door", permissions]])


def cose_with(protected: bytes, unprotected: dict, payload: bytes, signature: bytes) -> bytes:
    return cbor.encode(cbor.Tag(18, [protected, unprotected, payload, signature]))


def replaced(members: list, *changes: tuple) -> list[dict[str, str]]:
    """Payloads with one member replaced: (why, index, value)."""
    rows = []
    for why, index, value in changes:
        other = [*members[:index], value, *members[index + 1 :]]
        rows.append({"why": why, "payload": cbor.encode(other).hex()})
    rows.append({"why": "a member too many", "payload": cbor.encode([*members, 0]).hex()})
    rows.append({"why": "a member missing", "payload": cbor.encode(members[:-1]).hex()})
    return rows


# --- keyset ---


def keyset_vectors() -> dict[str, Any]:
    first = town.make_keyset()
    rotated = town.make_keyset(
        version=2,
        issued_at=T0,
        vaults={EPOCH: town.VAULT_PUBLIC, EPOCH + 1: town.NEXT_VAULT_PUBLIC},
        roots=(public_key("root"), public_key("new_root")),
    )
    return {
        "keysets": [
            {
                **document_row("root", keyset.encode(each), keyset.CONTEXT),
                "fields": keyset_fields(each),
            }
            for each in (first, rotated, town.largest_keyset())
        ],
        "successors": successor_rows(),
        "refused": refused_keysets(
            cbor.decode(keyset.encode(town.make_keyset(keys=town.issuer_keys()[:1])))
        ),
    }


def keyset_fields(made: keyset.Keyset) -> dict[str, Any]:
    return {
        "town": made.town,
        "version": made.version,
        "issued_at": made.issued_at,
        "keys": [
            {**vars(key), "kid": kid_.hex(), "public_key": key.public_key.hex()}
            for kid_, key in made.keys.items()
        ],
        "vaults": [[epoch, key.hex()] for epoch, key in made.vaults.items()],
        "roots": [root.hex() for root in made.roots],
    }


def successor_rows() -> list[dict[str, Any]]:
    """Which keyset may follow which; with one key each, to stay small."""

    def small(**changes: Any) -> keyset.Keyset:
        return town.make_keyset(keys=town.issuer_keys()[:1], **changes)

    roots = {name: public_key(name) for name in ("root", "other_root", "new_root", "stranger")}
    first = small()
    rotated = small(version=2, roots=(roots["root"], roots["new_root"]))
    swapped = (roots["other_root"], roots["root"])
    both_new = (roots["new_root"], roots["stranger"])
    rows = (
        ("one root replaced", first, rotated),
        ("the same again", first, first),
        ("an older one", rotated, first),
        ("both roots replaced", first, small(version=2, roots=both_new)),
        ("another town", first, small(version=2, town="ume")),
        ("the roots in another order", first, small(version=2, roots=swapped)),
        ("many versions later", first, small(version=1 << 40)),
    )
    return [
        {
            "why": why,
            "held": keyset.encode(held).hex(),
            "brought": keyset.encode(brought).hex(),
            "taken": held.may_be_followed_by(brought),
        }
        for why, held, brought in rows
    ]


def refused_keysets(good: list) -> list[dict[str, str]]:
    key, vault, roots = good[3][0], good[4][0], good[5]
    many = [[*key[:1], bytes([n]) * 32, *key[2:]] for n in range(17)]
    return replaced(
        good,
        ("a town without a name", 0, ""),
        ("a town with 33 letters", 0, "x" * 33),
        ("a town with 33 letters of three bytes", 0, "町" * 33),
        ("version 0", 1, 0),
        ("a version that is no number", 1, True),
        ("a town that is no text", 0, b"sakura"),
        ("issued at no time", 2, None),
        ("issued beyond any time", 2, timebound.FOREVER),
        ("no keys", 3, []),
        ("17 keys", 3, many),
        ("one key twice", 3, [key, key]),
        ("role 0", 3, [[0, *key[1:]]]),
        ("a key of 31 bytes", 3, [[key[0], bytes(31), *key[2:]]]),
        ("a row of the old form", 3, [key[:4]]),
        ("permissions below zero", 3, [[*key[:2], -1, *key[3:]]]),
        ("a lifetime that is no number", 3, [[*key[:3], None, key[4]]]),
        ("an ahead that is no number", 3, [[*key[:4], False]]),
        ("a vault's key of 31 bytes", 4, [[vault[0], bytes(31)]]),
        ("a vault's row of three", 4, [[*vault, 0]]),
        ("a vault's row of one", 4, [vault[:1]]),
        ("a root of 31 bytes", 5, [roots[0], bytes(31)]),
        ("no vault", 4, []),
        ("three vaults", 4, [[1, vault[1]], [2, vault[1]], [3, vault[1]]]),
        ("one epoch twice", 4, [vault, vault]),
        ("epoch 0", 4, [[0, vault[1]]]),
        ("epoch 256", 4, [[256, vault[1]]]),
        ("one root", 5, roots[:1]),
        ("three roots", 5, [*roots, bytes(32)]),
        ("the same root twice", 5, [roots[0], roots[0]]),
    )


# --- configuration and time ---


def lockconfig_vectors() -> dict[str, Any]:
    usual = LockConfig(LOCK, 1, T0, [GROUP], DoorConfig())
    loose = DoorConfig(doubt_s=900, pin_allowed=0, relock_after_ms=30000)
    other = LockConfig(LOCK, 7, T1, [], loose)
    # One figure at each of its bounds, and as many groups as there may be.
    bounds = {row[0]: row[1 + figure % 2] for figure, row in lockconfig.FIGURES.items()}
    many = LockConfig(LOCK, (1 << 53) - 1, (1 << 40) - 2, [GROUP] * 16, DoorConfig(**bounds))
    good = cbor.decode(lockconfig.encode(usual))
    return {
        "figures": [
            {"figure": figure, "name": name, "least": least, "most": most, "default": default}
            for figure, (name, least, most, default) in lockconfig.FIGURES.items()
        ],
        "configs": [
            {
                **document_row("config", lockconfig.encode(each), lockconfig.CONTEXT),
                "fields": {**vars(each), "door": vars(each.door)},
            }
            for each in (usual, other, many)
        ],
        "defaults": cbor.encode([*good[:4], {}]).hex(),
        "refused": [
            *replaced(
                good,
                ("no lock", 0, "kita"),
                ("version 0", 1, 0),
                ("a group without its mark", 3, ["gymnasia"]),
                ("17 groups", 3, [GROUP] * 17),
                ("a group with another mark", 3, ["-gymnasia"]),
                ("a group that is no text", 3, [None]),
                ("issued beyond any time", 2, timebound.FOREVER),
                ("an unknown figure", 4, {99: 1}),
                ("figures in a list", 4, []),
            ),
            *out_of_bounds(good),
        ],
    }


def out_of_bounds(good: list) -> list[dict[str, str]]:
    """Every figure just beyond each of its bounds."""
    return [
        {"why": f"{name} {value}", "payload": cbor.encode([*good[:4], {figure: value}]).hex()}
        for figure, (name, least, most, _) in lockconfig.FIGURES.items()
        for value in (least - 1, most + 1, True)
    ]


def signedtime_vectors() -> dict[str, Any]:
    answer = SignedTime(LOCK, LOCK_NONCE, NOON, 2)
    reset = SignedTime(LOCK, LOCK_NONCE, T0 - 86400, 0)
    widest = SignedTime(LOCK, LOCK_NONCE, 3600, 3600)
    good = cbor.decode(signedtime.encode(answer))
    return {
        "answer": {
            **document_row("time", signedtime.encode(answer), signedtime.TIME_CONTEXT),
            "fields": {**vars(answer), "nonce": LOCK_NONCE.hex()},
        },
        "reset": {
            **document_row("root", signedtime.encode(reset), signedtime.RESET_CONTEXT),
            "fields": {**vars(reset), "nonce": LOCK_NONCE.hex()},
        },
        "widest": signedtime.encode(widest).hex(),
        "refused": replaced(
            good,
            ("a time that is no number", 2, None),
            ("no lock", 0, None),
            ("a nonce of 15 bytes", 1, bytes(15)),
            ("a time before 1970", 2, 1),
            ("a time beyond any", 2, timebound.FOREVER - 2),
            ("an error of more than an hour", 3, 3601),
            ("a boolean error", 3, True),
        ),
    }
