"""The cloud's commands in a scenario: said again and again under one id until they are answered.

Decides repetition and what a relayed session is made of. Time passes in the `until` that is handed
in, so this is the same at every depth.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from types import TracebackType

from kannuki.errors import KannukiError
from kannuki.messages import CommandResult, Message, RelayClose, RelayOpen, RelaySend, StatusPut
from simulator.scenarios.home import Home

REPEAT_AFTER_S = 5.0
REPEATS = 8
COMMAND_LIVES_S = 60
RELAY_TRIES = 3

Until = Callable[[Callable[[], object], float], Awaitable[bool]]


class NotCarriedOut(KannukiError):
    """A command had no answer, or one that says that nothing was done."""


class Orders:
    """`until(condition, within_s)` lets time pass; `wall_s()` gives Unix seconds."""

    def __init__(self, home: Home, until: Until, wall_s: Callable[[], float]) -> None:
        self._home = home
        self._until = until
        self._wall_s = wall_s
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """An id for a command or a session."""
        return f"order-{next(self._numbers)}"

    async def give(self, device: str, make: Callable[[str, int], Message]) -> CommandResult:
        """`make(id, expires_at)` the command, and say it until it is answered."""
        command_id = self.new_id()
        command = make(command_id, int(self._wall_s()) + COMMAND_LIVES_S)
        for _ in range(REPEATS):
            self._home.command(device, command)
            if await self._until(lambda: command_id in self._home.results, REPEAT_AFTER_S):
                return self._home.results[command_id]
        kind = type(command).__name__
        raise NotCarriedOut(f"no answer to {kind}", "see the gateway's log")

    async def put_status_list(
        self, lock_id: str, document: bytes, entries: bytes, version: int
    ) -> None:
        """Have the gateway carry a status list to a lock. Raises NotCarriedOut."""
        result = await self.give(
            lock_id,
            lambda command_id, expires_at: StatusPut(
                id=command_id,
                document=document,
                entries=entries,
                version=version,
                expires_at=expires_at,
            ),
        )
        if not result.ok:
            raise NotCarriedOut(f"the status list was not carried: {result.error}")

    def relay(self, lock_id: str) -> RelayLink:
        """A holder's connection to a lock through its gateway."""
        return RelayLink(self, lock_id)


class RelayLink:
    """A Transport through the gateway; use as an async context manager."""

    def __init__(self, orders: Orders, lock_id: str) -> None:
        self._orders = orders
        self._lock_id = lock_id
        self._session = orders.new_id()
        self._is_open = False
        self._answer: bytes | None = None

    async def __aenter__(self) -> RelayLink:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_open:
            return
        try:
            await self._order(RelayClose)
        except NotCarriedOut:
            return  # the gateway hangs up by itself

    async def send(self, message: bytes) -> None:
        """Pass one message on; its answer comes with `receive`. Raises NotCarriedOut."""
        if self._is_open:
            result = await self._order(RelaySend, message=message)
        else:
            result = await self._open(message)
        if not result.ok or result.message is None:
            raise NotCarriedOut(f"the relay failed: {result.error}")
        self._answer = result.message

    async def receive(self) -> bytes:
        """What the lock said to the message sent last."""
        assert self._answer is not None
        answer, self._answer = self._answer, None
        return answer

    async def _open(self, message: bytes) -> CommandResult:
        """Nothing has been presented yet, so trying again is harmless."""
        for _ in range(RELAY_TRIES):
            result = await self._order(RelayOpen, message=message)
            if result.ok:
                break
        self._is_open = result.ok
        return result

    async def _order(self, kind: Callable[..., Message], **content: bytes) -> CommandResult:
        return await self._orders.give(
            self._lock_id,
            lambda command_id, expires_at: kind(
                id=command_id, session=self._session, expires_at=expires_at, **content
            ),
        )
