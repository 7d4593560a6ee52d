"""Enrolment: a new board makes its own keys and is told whom to trust.

Decides the order: firmware on the board, the lock makes its keys, their public halves go into a
file for the town's service. The private halves never leave the board, and nothing secret is told to
it. A board is a port with one method, `run(source) -> printed text`, whether it is a simulated chip
or a real one on a cable. A lock that is enrolled again begins another journal: its epoch must rise,
or its new records would look like a forgery of the old.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Protocol

from kannuki.enrolment import EnrolmentFile, TrustFile
from kannuki.errors import KannukiError
from protocol.keys import KEY_BYTES
from protocol.token import LOCK_ID_ALPHABET, LOCK_ID_CHARS

FIRST_JOURNAL_EPOCH = 1
CLOCK_ERROR_S = 60  # the bench's clock, as a technician keeps it


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


def enrol(
    board: Board,
    trust: TrustFile,
    lock_id: str,
    enrolled_at: int,
    journal_epoch: int = FIRST_JOURNAL_EPOCH,
    config: bytes | None = None,
) -> EnrolmentFile:
    """Have the board make its keys; what the town's service needs to know of it.

    `enrolled_at`: this bench's time, Unix seconds; `config`: a signed configuration to begin with.
    Raises EnrolmentFailed.
    """
    request = _request(trust, lock_id, enrolled_at, journal_epoch, config)
    source = f"from firmware.enrol import run\nrun({json.dumps(request)!r})\n"
    answer = _answer(board.run(source))
    return EnrolmentFile(
        town=trust.town,
        lock_id=lock_id,
        public_key=_key(answer, "public_key"),
        signing_key=_key(answer, "signing_key"),
        journal_epoch=journal_epoch,
        enrolled_at=enrolled_at,
    )


def _request(
    trust: TrustFile, lock_id: str, now: int, journal_epoch: int, config: bytes | None
) -> dict[str, object]:
    return {
        "town": trust.town,
        "lock_id": lock_id,
        "roots": [root.hex() for root in trust.roots],
        "keyset": trust.keyset.hex(),
        "journal_epoch": journal_epoch,
        "time": [now, CLOCK_ERROR_S],
        "config": config.hex() if config is not None else None,
    }


def _key(answer: dict[str, str], name: str) -> bytes:
    try:
        key = bytes.fromhex(answer[name])
    except (KeyError, TypeError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise EnrolmentFailed(
            f"the board told no {name}", "check that firmware and bench are of one version"
        )
    return key


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
