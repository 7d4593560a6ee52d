"""Tokens of bookings that begin soon, on their way to the locks that will be asked to take them.

A lock that has checked a token's signature beforehand opens with HMACs alone, which is the
difference between a second and an instant on its chip. Decides which tokens wait for which lock,
when they are worthless, and what answers their commands. Keeps them in RAM only, a handful a lock:
a gateway that is killed loses speed at some door and nothing else, and the town sends again what
was not answered. A withdrawn token is not carried on. A token opens nothing without its proof key,
which is not here; it is kept out of the log all the same.
Invariants: one answer per command id while it is remembered; at most MAX_PER_LOCK tokens a lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.machine import values
from gateway.machine.steps import Remark, Step, TokenJudged
from gateway.machine.values import Now
from gateway.machine.view import NOT_NOW, Request, View
from kannuki.messages import CommandResult, TokenPut
from protocol import reasons, session
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.statuslist import StatusList
from protocol.token import Token, TokenError

MAX_PER_LOCK = 16  # as many as a lock remembers ahead
MAX_ANSWERS = 1000


@dataclass(frozen=True)
class _Waiting:
    """A token that a lock has not been brought yet."""

    command: TokenPut
    kid: bytes
    token: Token

    def is_over(self, wall: float) -> bool:
        return wall >= self.command.expires_at or wall >= self.token.expires_at


class TokenDesk:
    """Methods that end commands return their answers."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, _Waiting]] = {}  # lock -> command id -> token
        self._answered: dict[str, CommandResult] = {}

    def command(self, lock: str, command: TokenPut, now: Now) -> list[CommandResult]:
        """Takes a token for a lock of ours, or repeats what became of it."""
        answered = self._answered.get(command.id)
        if answered is not None:
            return [answered]
        if command.id in self._of(lock):
            return []
        found = _read(lock, command)
        if found is None:
            return [self._end(command.id, values.MALFORMED)]
        if found.is_over(now.wall):
            return [self._end(command.id, values.EXPIRED_COMMAND)]
        self._of(lock)[command.id] = found
        return self._make_room(lock)

    def begins_by(self, lock: str, wall: float) -> bool:
        """Whether a token that waits for this lock may be used by then."""
        return any(each.token.not_before <= wall for each in self._of(lock).values())

    def to_carry(self, lock: str, wall: float) -> list[TokenPut]:
        """What to bring to this lock now, the earliest to be used first."""
        found = [each for each in self._of(lock).values() if not each.is_over(wall)]
        found.sort(key=lambda each: each.token.not_before)
        return [each.command for each in found]

    def judged(self, lock: str, command_id: str, error: str | None) -> list[CommandResult]:
        """The lock has taken a token, or never will."""
        if self._of(lock).pop(command_id, None) is None:
            return []
        return [self._end(command_id, error)]

    def withdraw(self, lock: str, status: StatusList) -> list[CommandResult]:
        """A status list for this lock came: what it withdraws is not carried any more."""
        return self._drop(lock, lambda each: _is_withdrawn(status, each), "REVOKED")

    def expire(self, wall: float) -> list[tuple[str, CommandResult]]:
        """Forgets what is worthless by now. (lock, answer) of each."""
        return [
            (lock, result)
            for lock in list(self._waiting)
            for result in self._drop(lock, lambda each: each.is_over(wall), values.EXPIRED_COMMAND)
        ]

    def drop(self, lock: str) -> list[CommandResult]:
        """The lock is no longer ours."""
        return self._drop(lock, lambda each: True, values.UNKNOWN_LOCK)

    def _of(self, lock: str) -> dict[str, _Waiting]:
        return self._waiting.setdefault(lock, {})

    def _make_room(self, lock: str) -> list[CommandResult]:
        """Too many: the one that is used last is brought another time."""
        waiting = self._of(lock)
        if len(waiting) <= MAX_PER_LOCK:
            return []
        last = max(waiting, key=lambda command_id: waiting[command_id].token.not_before)
        return self._drop(lock, lambda each: each.command.id == last, values.BUSY)

    def _drop(
        self, lock: str, is_gone: Callable[[_Waiting], bool], error: str
    ) -> list[CommandResult]:
        waiting = self._of(lock)
        gone = [command_id for command_id, each in waiting.items() if is_gone(each)]
        for command_id in gone:
            del waiting[command_id]
        return [self._end(command_id, error) for command_id in gone]

    def _end(self, command_id: str, error: str | None) -> CommandResult:
        result = CommandResult(id=command_id, ok=error is None, error=error)
        if error not in (values.BUSY, values.UNKNOWN_LOCK):  # these may change
            self._answered[command_id] = result
            if len(self._answered) > MAX_ANSWERS:
                del self._answered[next(iter(self._answered))]
        return result


class TokensChore:
    """Tokens to one lock, each offered once in a visit."""

    def __init__(self, view: View, to_carry: Callable[[], list[TokenPut]]) -> None:
        self._view = view
        self._to_carry = to_carry
        self._offered: set[str] = set()
        self._asked = ""

    def next(self) -> Request | None:
        """The next token that was not offered yet."""
        for command in self._to_carry():
            if command.id not in self._offered:
                self._offered.add(command.id)
                self._asked = command.id
                return session.REQUEST_TOKEN, command.token
        return None

    def reply(self, reason: int, value: Any) -> list[Step]:
        """Whether the lock remembers it now. It says no more than that."""
        if reason == session.OK:
            return [TokenJudged(self._asked, None)]
        if reason in NOT_NOW:
            return [Remark(f"a token is not taken ahead now: {reasons.name(reason)}")]
        return [TokenJudged(self._asked, reasons.NAMES.get(reason, values.REFUSED))]


def _read(lock: str, command: TokenPut) -> _Waiting | None:
    """The token, if it can be one for this lock. The lock itself says whether it is good."""
    try:
        signed, token = tokens.parse(command.token)
    except (CoseError, TokenError):
        return None
    if token.audience != lock and not tokens.is_group_id(token.audience):
        return None
    return _Waiting(command, signed.kid, token)


def _is_withdrawn(status: StatusList, each: _Waiting) -> bool:
    token = each.token
    return bool(status.revokes(token.cti, each.kid, token.audience, token.issued_at))
