"""One attempt to open a door: the holder machine driven over any transport.

Decides the conversation's end and its result as a value; the transport (Bluetooth or the town's
relay) only sends a message and returns the next one. After a granted unlock over Bluetooth the
holder asks for the bolt until it has moved, so that a jam is told to the person and not hidden.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from protocol import holder, reasons, session
from protocol.holder import Credential, HolderSession
from protocol.lockstate import BOLT_JAMMED, BOLT_UNLOCKED, STATE_BOLT

_MOVED_WITHIN_S = 4.0
_ASK_EVERY_S = 0.1


class TransportError(Exception):
    """A message did not get through; `code` is a text code for the person."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(f"{code}: {why}" if why else code)
        self.code = code


class Transport(Protocol):
    """Whole messages to and from one lock; both methods may raise TransportError."""

    async def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes: ...


@dataclass(frozen=True)
class Surroundings:
    """A holder's ports: seconds that never run backwards, waiting, and random bytes."""

    now_s: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    random_bytes: Callable[[int], bytes]


REAL = Surroundings(time.monotonic, asyncio.sleep, os.urandom)


@dataclass(frozen=True)
class Result:
    """`code` is OPENED, LOCKED or the name of a reason; `authentic` says the lock's MAC was right.

    ms: from the first byte sent to the lock's authenticated answer. opens_at: Unix seconds.
    head: (seq, hash) that the lock committed to.
    """

    code: str
    authentic: bool
    ms: float = 0.0
    opens_at: int | None = None
    door: str | None = None
    head: tuple[int, bytes] | None = None
    bolt: int | None = None
    events: tuple[str, ...] = field(default=())

    @property
    def granted(self) -> bool:
        """Whether the lock did what was asked."""
        return self.code in ("OPENED", "LOCKED")


class Conversation:
    """One connection to one lock: presented once or again, then asked while the session is open."""

    def __init__(
        self, transport: Transport, credential: Credential, around: Surroundings = REAL
    ) -> None:
        self.credential = credential
        self.around = around
        self._transport = transport
        self._machine = HolderSession(credential, session.COMMAND_UNLOCK, around.random_bytes)

    @property
    def challenge(self) -> session.Challenge:
        """What the lock said of itself in the greeting of the last presentation."""
        challenge: session.Challenge = self._machine.challenge
        return challenge

    async def present(self, command: int) -> Result:
        """Greet, present, and tell what came of it. Raises TransportError."""
        started_at = self.around.now_s()
        self._machine = HolderSession(self.credential, command, self.around.random_bytes)
        ((kind, value),) = self._machine.start()
        while kind == holder.SEND:
            await self._transport.send(value)
            ((kind, value),) = self._machine.receive(await self._transport.receive())
        if kind == holder.OUTCOME:
            return _outcome(value, command, (self.around.now_s() - started_at) * 1000)
        return _unproven(kind, value)

    async def ask(self, operation: int, argument: Any) -> tuple[int, Any]:
        """(reason, value) of one request. Raises TransportError, also for a forged reply."""
        ((_, request),) = self._machine.request(operation, argument)
        await self._transport.send(request)
        ((kind, *answer),) = self._machine.receive(await self._transport.receive())
        if kind != holder.REPLY:
            raise TransportError("NOT_GENUINE", str(answer))
        return answer[0], answer[1]

    async def confirmed(self, result: Result) -> Result:
        """The same, once the bolt has moved; an opening that jams is told as such."""
        if result.code != "OPENED":
            return result
        try:
            bolt = await self._bolt_after()
        except TransportError:
            return result
        return replace(result, code="JAMMED" if bolt == BOLT_JAMMED else result.code, bolt=bolt)

    async def _bolt_after(self) -> int | None:
        """Where the bolt is once it has moved, or its last known place when that takes too long."""
        bolt, deadline = None, self.around.now_s() + _MOVED_WITHIN_S
        while bolt not in (BOLT_UNLOCKED, BOLT_JAMMED) and self.around.now_s() < deadline:
            _, state = await self.ask(session.REQUEST_STATE, None)
            if not isinstance(state, dict):
                return bolt
            bolt = state.get(STATE_BOLT)
            await self.around.sleep(_ASK_EVERY_S)
        return bolt


async def attempt(
    transport: Transport,
    credential: Credential,
    command: int,
    confirm: bool = True,
    around: Surroundings = REAL,
) -> Result:
    """Greet, present, and return what came of it.

    A TransportError passes through until the lock has answered; afterwards its answer stands.
    """
    conversation = Conversation(transport, credential, around)
    result = await conversation.present(command)
    return await conversation.confirmed(result) if confirm else result


def _outcome(outcome: session.Outcome, command: int, ms: float) -> Result:
    head = (outcome.head_seq, outcome.head_hash)
    if outcome.reason != session.OK:
        opens_at = outcome.detail.get(session.DETAIL_OPENS_AT)
        return Result(reasons.name(outcome.reason), True, ms, opens_at, head=head)
    code = "LOCKED" if command == session.COMMAND_LOCK else "OPENED"
    return Result(code, True, ms, head=head)


def _unproven(kind: str, value: Any) -> Result:
    if kind == holder.WRONG_ROOM:
        return Result("WRONG_LOCK", False, door=value)
    if kind == holder.ADVISORY:
        return Result(reasons.name(value), False)
    return Result("NOT_GENUINE", False)
