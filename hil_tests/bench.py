"""The bench: one enrolled lock and everything to hold against it, simulated or on a cable.

Decides what a bench must offer; the tests use nothing else, so the same suite runs on both. A bench
knows the issuing keys of its own small town, so it can make any credential, also a wrong one.
Talking to the lock is always the same: Bluetooth LE through unmodified bleak.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from kannuki.enrolment import EnrolmentFile
from protocol import holder, lockstate, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from simulator import waiting
from simulator.phone.ble import LockLink
from simulator.phone.opening import Result, attempt
from simulator.town_keys import RESIDENT, TownKeys


class Bench(ABC):
    """One lock on a bench. `town` made its keys, `enrolment` is what the lock said of itself."""

    town: TownKeys
    enrolment: EnrolmentFile

    @abstractmethod
    def now(self) -> int:
        """The lock's time, Unix seconds."""

    @abstractmethod
    def life(self) -> object:
        """Something that is another one after every start of the lock."""

    @abstractmethod
    async def restart(self) -> None:
        """Take power away and give it back; returns when the lock advertises again."""

    @abstractmethod
    async def lose_clock(self) -> None:
        """A restart after so long without power that the real-time clock stopped, too."""

    @abstractmethod
    async def press_keys(self, keys: str, at_once: bool = False) -> None:
        """Press keys as a person does, or as fast as the keypad's wire can; then return."""

    @abstractmethod
    async def keypad(self) -> tuple[int, str]:
        """(how many keys were answered, ever; what the keypad shows, a word of docs/spec/pin.md)"""

    async def type_keys(self, keys: str, at_once: bool = False) -> str:
        """Press keys; what the keypad shows once the last one was answered."""
        before, _ = await self.keypad()
        await self.press_keys(keys, at_once)

        async def answered() -> str | None:
            answers, shown = await self.keypad()
            return shown if answers >= before + len(keys) else None

        shown: str = await until(answered, "every key was answered")
        return shown

    def credential(self, begins: int, ends: int, permissions: int = RESIDENT) -> Credential:
        """A credential whose window is given in seconds from now."""
        now = self.now()
        return self.town.credential(self.enrolment, now + begins, now + ends, permissions)

    async def present(
        self, credential: Credential, command: int = session.COMMAND_UNLOCK, confirm: bool = True
    ) -> Result:
        """One whole attempt over Bluetooth LE, waiting for the bolt when it was granted."""
        async with LockLink(self.enrolment.lock_id) as link:
            return await attempt(link, credential, command, confirm)

    async def bolt(self) -> int | None:
        """What the lock says of its bolt (protocol numbers), under its MAC."""
        state = await self.ask(session.REQUEST_STATE, None)
        return state[lockstate.STATE_BOLT] if state else None

    async def ask(self, operation: int, argument: Any) -> Any:
        """One housekeeping request; its value, or None when it was refused."""
        async with self.housekeeping() as keeper:
            return (await keeper.ask(operation, argument))[1]

    async def tell_time(self, error_s: int = 1) -> tuple[int, Any]:
        """Give the lock the town's signed time, as a gateway does; (reason, its time since).

        A lock that believes no signature says so and is told nothing.
        """
        async with self.housekeeping() as keeper:
            assert keeper.outcome is not None
            if not session.stays_open(keeper.outcome.reason):
                return keeper.outcome.reason, None
            answer = self.town.time_answer(
                self.enrolment.lock_id, keeper.challenge.nonce, self.now(), error_s
            )
            return await keeper.ask(session.REQUEST_TIME, answer)

    @asynccontextmanager
    async def housekeeping(self) -> AsyncIterator[Housekeeping]:
        """A keeper's session with the lock; its window leaves room for a clock in doubt."""
        credential = self.credential(-3600, 3600, tokens.MAINTAIN | tokens.UNLOCK)
        async with LockLink(self.enrolment.lock_id) as link:
            keeper = Housekeeping(link, credential)
            await keeper.begin()
            yield keeper


class Housekeeping:
    """Requests in one open session."""

    def __init__(self, link: LockLink, credential: Credential) -> None:
        self._link = link
        self._machine = HolderSession(credential, session.COMMAND_SYNC, os.urandom)
        self.outcome: session.Outcome | None = None

    @property
    def challenge(self) -> session.Challenge:
        """What the lock said of itself."""
        challenge: session.Challenge = self._machine.challenge
        return challenge

    async def begin(self) -> None:
        """Greet and present; the session is open also when only documents may follow."""
        events = self._machine.start()
        while events[-1][0] == holder.SEND:
            await self._link.send(events[-1][1])
            events = self._machine.receive(await self._link.receive())
        ((kind, self.outcome),) = events
        assert kind == holder.OUTCOME, (kind, self.outcome)

    async def ask(self, operation: int, argument: Any) -> tuple[int, Any]:
        """(reason, value) of one request."""
        ((_, request),) = self._machine.request(operation, argument)
        await self._link.send(request)
        ((kind, *answer),) = self._machine.receive(await self._link.receive())
        assert kind == holder.REPLY
        return answer[0], answer[1]


def system_clock() -> int:
    """The PC's time, for benches whose lock was set from it."""
    return int(time.time())


async def until(condition: Callable[[], Awaitable[Any]], what: str, within_s: float = 60.0) -> Any:
    """The first true value of `condition`; fails the test when none comes in time."""
    found = await waiting.until(condition, within_s)
    assert found, f"not within {within_s} s: {what}"
    return found
