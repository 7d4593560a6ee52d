"""Enrolment: a new board makes its own keys and is told whom to trust.

Decides the order: firmware on the board, the lock makes its keys, its public half goes into a
file for the town's service. The private half never leaves the board. A board is a port with one
method, `run(source) -> printed text`, whether it is a simulated chip or a real one on a cable.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Protocol

from kannuki.enrolment import EnrolmentFile, TrustFile
from kannuki.errors import KannukiError
from protocol.token import LOCK_ID_ALPHABET, LOCK_ID_CHARS

JOURNAL_EPOCH = 1


class Board(Protocol):
    """A lock board that runs Python source, as a raw REPL does."""

    def run(self, source: str) -> str:
        """Everything that `source` printed. Raises KannukiError when the board fails."""


class EnrolmentFailed(KannukiError):
    """The board did not do what enrolment asked."""


def new_lock_id(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A fresh lock id: 40 random bits as 8 characters of base32."""
    number = int.from_bytes(random_bytes(5), "big")
    return "".join(LOCK_ID_ALPHABET[number >> 5 * i & 31] for i in range(LOCK_ID_CHARS))


def enrol(board: Board, trust: TrustFile, lock_id: str, enrolled_at: int) -> EnrolmentFile:
    """Have the board make its keys; what the town's service needs to know of it."""
    source = f"from firmware.enrol import run\nrun({json.dumps(_request(trust, lock_id))!r})\n"
    answer = _answer(board.run(source))
    return EnrolmentFile(
        town=trust.town,
        lock_id=lock_id,
        public_key=bytes.fromhex(answer["public_key"]),
        vault_epoch=trust.vault_epoch,
        journal_epoch=JOURNAL_EPOCH,
        enrolled_at=enrolled_at,
    )


def _request(trust: TrustFile, lock_id: str) -> dict[str, object]:
    keys = [
        {
            "public_key": key.public_key.hex(),
            "role": key.role,
            "permissions": key.permissions,
            "max_lifetime_s": key.max_lifetime_s,
        }
        for key in trust.keys
    ]
    return {
        "town": trust.town,
        "lock_id": lock_id,
        "keyset_version": trust.keyset_version,
        "keys": keys,
        "vault_epoch": trust.vault_epoch,
        "vault_public_key": trust.vault_public_key.hex(),
        "journal_epoch": JOURNAL_EPOCH,
    }


def _answer(printed: str) -> dict[str, str]:
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if not lines:
        raise EnrolmentFailed(
            f"the board did not answer: {printed.strip() or 'nothing printed'}",
            "check that the firmware is on the board",
        )
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise EnrolmentFailed(
            f"the board refused: {answer['error']}", "use a new image, or retire the lock first"
        )
    return answer
