"""Vectors of messages at the edges of their shapes: what each decoder takes and what it refuses.

Called by generate_session.py. A message here is without its MAC.
"""

from __future__ import annotations

from typing import Any

from protocol import cbor, session
from protocol.timebound import FOREVER
from tests.protocol.generate_town import HOLDER_NONCE, LOCK_NONCE, issue
from tests.protocol.support import LOCK, NOON

_HASH = bytes(32)
_BEYOND = 1 << 64
GOOD: dict[str, list[Any]] = {
    "HELLO": [1],
    "CHALLENGE": [1, LOCK, LOCK_NONCE, [NOON, NOON + 2], 1, 4, 2, [3], 182],
    "PRESENTATION": [HOLDER_NONCE, issue(), 1],
    "OUTCOME": [0, {}, 41, _HASH],
    "REQUEST": [1, 1, None],
    "REPLY": [1, 0, None],
    "REFUSAL": [6],
}
# (type, why, index of the member, its value)
TAKEN = (
    ("HELLO", "a version of far away days", 0, _BEYOND - 1),
    ("CHALLENGE", "one second", 3, [NOON, NOON]),
    ("CHALLENGE", "the last second of all", 3, [FOREVER - 1, FOREVER - 1]),
    ("CHALLENGE", "the last second of all, or later", 3, [FOREVER - 1, None]),
    ("CHALLENGE", "the smallest fragment", 8, 20),
    ("CHALLENGE", "the largest fragment", 8, 509),
    ("CHALLENGE", "two epochs", 7, [255, 3]),
    ("OUTCOME", "a detail of later days", 1, {99: [True, None]}),
    ("REFUSAL", "the first reason", 0, 1),
    ("REFUSAL", "the last one without MAC", 0, 31),
)
REFUSED: tuple[tuple[str, str, int, Any], ...] = (
    ("HELLO", "a version below zero", 0, -1),
    ("CHALLENGE", "a version that is no number", 0, True),
    ("CHALLENGE", "a lock id of 7 letters", 1, LOCK[:7]),
    ("CHALLENGE", "a lock id with a digit of none", 1, "kitaguc1"),
    ("CHALLENGE", "a lock id in bytes", 1, LOCK.encode()),
    ("CHALLENGE", "a nonce of 17 bytes", 2, bytes(17)),
    ("CHALLENGE", "a nonce that is text", 2, "0123456789abcdef"),
    ("CHALLENGE", "a time of one member", 3, [NOON]),
    ("CHALLENGE", "a time that is no array", 3, NOON),
    ("CHALLENGE", "hi before lo", 3, [NOON, NOON - 1]),
    ("CHALLENGE", "no lo", 3, [None, NOON]),
    ("CHALLENGE", "for ever in numbers", 3, [NOON, FOREVER]),
    ("CHALLENGE", "lo for ever", 3, [FOREVER, None]),
    ("CHALLENGE", "a keyset below zero", 4, -1),
    ("CHALLENGE", "a status list that is no number", 5, None),
    ("CHALLENGE", "a configuration that is text", 6, "2"),
    ("CHALLENGE", "no epoch", 7, []),
    ("CHALLENGE", "three epochs", 7, [1, 2, 3]),
    ("CHALLENGE", "an epoch that is no number", 7, [None]),
    ("CHALLENGE", "a fragment of 19", 8, 19),
    ("CHALLENGE", "a fragment of 510", 8, 510),
    ("PRESENTATION", "a nonce of 15 bytes", 0, bytes(15)),
    ("PRESENTATION", "a token that is text", 1, "token"),
    ("PRESENTATION", "a command below zero", 2, -1),
    ("PRESENTATION", "a command that is no number", 2, True),
    ("OUTCOME", "a reason below zero", 0, -1),
    ("OUTCOME", "details in a list", 1, []),
    ("OUTCOME", "a detail that has a name", 1, {"x": 1}),
    ("OUTCOME", "a detail below zero", 1, {-1: 1}),
    ("OUTCOME", "a head that is no number", 2, None),
    ("OUTCOME", "a hash of 31 bytes", 3, bytes(31)),
    ("REQUEST", "a counter that is no number", 0, False),
    ("REQUEST", "an operation below zero", 1, -1),
    ("REPLY", "a counter below zero", 0, -1),
    ("REPLY", "a reason that is no number", 1, None),
    ("REFUSAL", "no reason", 0, 0),
    ("REFUSAL", "a reason that needs a MAC", 0, 32),
    ("REFUSAL", "a reason that is no number", 0, True),
)


def message(kind: str, members: Any) -> str:
    return (bytes([getattr(session, kind)]) + cbor.encode(members)).hex()


def _rows(cases: tuple) -> list[dict[str, Any]]:
    rows = []
    for kind, why, at, value in cases:
        members = [*GOOD[kind][:at], value, *GOOD[kind][at + 1 :]]
        rows.append({"type": kind, "why": why, "message": message(kind, members)})
    return rows


def edges() -> dict[str, Any]:
    """{"taken": rows, "refused": rows} of (type, why, message)."""
    taken = [{"type": k, "why": "usual", "message": message(k, m)} for k, m in GOOD.items()]
    refused = _rows(REFUSED)
    for kind, members in GOOD.items():
        shapes = (
            ("a member too many", [*members, 0]),
            ("a member missing", members[:-1]),
            ("no array", members[0]),
        )
        refused += [{"type": kind, "why": w, "message": message(kind, m)} for w, m in shapes]
        longer = message(kind, members) + "00"
        refused.append({"type": kind, "why": "a byte behind", "message": longer})
    return {"taken": taken + _rows(TAKEN), "refused": refused}
