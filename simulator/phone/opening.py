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
from typing import Protocol

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
    machine = HolderSession(credential, command, around.random_bytes)
    started_at = around.now_s()
    events = machine.start()
    while True:
        for event in events:
            if event[0] == holder.SEND:
                await transport.send(event[1])
            elif event[0] == holder.OUTCOME:
                ms = (around.now_s() - started_at) * 1000
                told = _outcome(event[1], command, ms)
                if not confirm or told.code != "OPENED":
                    return told
                try:
                    return _seen_to_move(told, await _bolt_after(transport, machine, around))
                except TransportError:
                    return told
            else:
                return _unproven(event)
        events = machine.receive(await transport.receive())


def _outcome(outcome: session.Outcome, command: int, ms: float) -> Result:
    head = (outcome.head_seq, outcome.head_hash)
    if outcome.reason != session.OK:
        opens_at = outcome.detail.get(session.DETAIL_OPENS_AT)
        return Result(reasons.name(outcome.reason), True, ms, opens_at, head=head)
    code = "LOCKED" if command == session.COMMAND_LOCK else "OPENED"
    return Result(code, True, ms, head=head)


def _seen_to_move(told: Result, bolt: int | None) -> Result:
    return replace(told, code="JAMMED" if bolt == BOLT_JAMMED else told.code, bolt=bolt)


async def _bolt_after(
    transport: Transport, machine: HolderSession, around: Surroundings
) -> int | None:
    """Where the bolt is once it has moved, or its last known place when that takes too long."""
    bolt, deadline = None, around.now_s() + _MOVED_WITHIN_S
    while bolt not in (BOLT_UNLOCKED, BOLT_JAMMED) and around.now_s() < deadline:
        ((_, request),) = machine.request(session.REQUEST_STATE, None)
        await transport.send(request)
        ((kind, *answer),) = machine.receive(await transport.receive())
        if kind != holder.REPLY or not isinstance(answer[1], dict):
            return bolt
        bolt = answer[1].get(STATE_BOLT)
        await around.sleep(_ASK_EVERY_S)
    return bolt


def _unproven(event: tuple) -> Result:
    kind, value = event
    if kind == holder.WRONG_ROOM:
        return Result("WRONG_LOCK", False, door=value)
    if kind == holder.ADVISORY:
        return Result(reasons.name(value), False)
    return Result("NOT_GENUINE", False)
