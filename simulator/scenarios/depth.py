"""What a scenario may ask of a town, whatever it is made of.

Decides what is the same at every depth: whose keys there are, how a person presents one near or by
relay, how the cloud repeats a command until it is answered, and when a door is at rest. A depth adds
the parts themselves and how time passes. Faults of a town are DepthError and end the scenario.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from kannuki.enrolment import EnrolmentFile
from kannuki.errors import KannukiError
from kannuki.messages import (
    CommandResult,
    Message,
    MessageId,
    RelayClose,
    RelayOpen,
    RelaySend,
    StatusPut,
)
from protocol import audit, keys, session
from protocol.holder import Credential
from simulator.phone.opening import Result, Surroundings, Transport, attempt
from simulator.scenarios.home import Home
from simulator.town_keys import TOWN, TownKeys

GATEWAY = "gw-1"
WALK_MS = 1000
WITHIN_S = 40.0
REPEAT_AFTER_S = 5.0
COMMAND_LIVES_S = 60
RELAY_TRIES = 3


class DepthError(KannukiError):
    """The town did not do what any town must do."""


class Depth(ABC):
    """One town with one lock and one gateway; use as an async context manager.

    A depth sets `enrolment` and `home` when it is entered.
    """

    name: str
    around: Surroundings
    enrolment: EnrolmentFile
    home: Home

    def __init__(self) -> None:
        self.keys = TownKeys()
        self._openings = 0
        self._boots = 1
        self._command_ids = (f"command-{number}" for number in itertools.count(1))

    # --- what differs ---

    @abstractmethod
    async def __aenter__(self) -> Depth: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @abstractmethod
    async def set_clock(self, unix_s: int) -> None:
        """Put the lock's clock to a time, where it stands."""

    @abstractmethod
    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        """Let time pass until something is so; False when it was not so in time."""

    @abstractmethod
    def near(self) -> AbstractAsyncContextManager[Transport]:
        """A phone's connection at the door."""

    @abstractmethod
    def wall_s(self) -> float:
        """The time of the gateway and the cloud, Unix seconds; it runs."""

    @abstractmethod
    async def walk_through(self) -> None:
        """Someone opens the unlocked door and goes in; the closer shuts it."""

    @abstractmethod
    async def press_exit(self) -> None:
        """Someone inside presses the button."""

    @abstractmethod
    async def cut_power(self) -> None:
        """The lock loses power and gets it back."""

    # --- what is the same ---

    def credential(
        self, cti: bytes, not_before: int, expires_at: int, permissions: int
    ) -> Credential:
        """A right to this lock; times are Unix seconds."""
        return self.keys.credential(self.enrolment, not_before, expires_at, permissions, cti)

    async def present_near(self, credential: Credential) -> Result:
        """One attempt at the door, waiting for the bolt when it was granted."""
        async with self.near() as link:
            command = session.COMMAND_UNLOCK
            result = await attempt(link, credential, command, around=self.around)
        return self._noted(result)

    async def present_by_relay(self, credential: Credential) -> Result:
        """One attempt through cloud, broker and gateway."""
        async with RelayLink(self) as link:
            command = session.COMMAND_UNLOCK_REMOTE
            result = await attempt(link, credential, command, around=self.around)
        return self._noted(result)

    async def exit_by_button(self) -> None:
        """Press the button inside."""
        await self.press_exit()
        self._openings += 1

    async def power_cut(self) -> None:
        """Cut the lock's power; over when its start is in the records at home."""
        await self.cut_power()
        self._boots += 1
        await self.need(self._has_booted, "the lock's restart in the record")

    async def deliver_status_list(self, version: int, revoked: list[tuple[bytes, int]]) -> None:
        """Have the gateway carry a status list to the lock."""
        lock_id, issued_at = self.enrolment.lock_id, int(self.wall_s())
        document = self.keys.status_list(lock_id, version, issued_at, revoked)
        result = await self.order(
            lambda command_id, expires_at: StatusPut(
                id=command_id, document=document, version=version, expires_at=expires_at
            )
        )
        if not result.ok:
            raise DepthError(f"the status list was not carried: {result.error}")

    async def rest(self) -> None:
        """Until the bolt is out again after every opening so far, and the records of it are home."""
        await self.need(self._is_at_rest, "the bolt's return in the record")

    def records(self) -> list[bytes]:
        """The raw records that came home."""
        return self.home.of(self.enrolment.lock_id)

    async def order(self, make: Callable[[str, int], Message]) -> CommandResult:
        """Say a command to the lock, again and again under one id, until it is answered."""
        command_id: MessageId = next(self._command_ids)
        command = make(command_id, int(self.wall_s()) + COMMAND_LIVES_S)
        for _ in range(int(WITHIN_S / REPEAT_AFTER_S)):
            self.home.command(self.enrolment.lock_id, command)
            if await self.until(lambda: command_id in self.home.results, REPEAT_AFTER_S):
                return self.home.results[command_id]
        raise DepthError(f"no answer to {type(command).__name__}")

    async def need(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that must come. Raises DepthError."""
        if not await self.until(condition, WITHIN_S):
            raise DepthError(f"waited {WITHIN_S:.0f} s for {what}; faults: {self.home.faults}")

    def audit_keys(self) -> dict[str, bytes]:
        """What a Home needs to check seals."""
        return {self.enrolment.lock_id: keys.audit_key(self.keys.kdk(self.enrolment))}

    def _noted(self, result: Result) -> Result:
        self._openings += result.code == "OPENED"
        return result

    def _count(self, event: int, code: int | None = None) -> int:
        records = [audit.decode_record(raw) for raw in self.records()]
        return sum(r.event == event and code in (None, r.code) for r in records)

    def _is_at_rest(self) -> bool:
        return self._count(audit.LOCK_OPERATION, audit.OPERATION_LOCK) == self._openings

    def _has_booted(self) -> bool:
        return self._count(audit.BOOT) == self._boots


class RelayLink:
    """A Transport through the gateway; use as an async context manager."""

    def __init__(self, depth: Depth) -> None:
        self._depth = depth
        self._session = f"session-{next(depth._command_ids)}"
        self._is_open = False
        self._answer: bytes | None = None

    async def __aenter__(self) -> RelayLink:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            await self._order(RelayClose)

    async def send(self, message: bytes) -> None:
        """Pass one message on; its answer comes with `receive`. Raises DepthError."""
        if self._is_open:
            result = await self._order(RelaySend, message=message)
        else:
            result = await self._open(message)
        if not result.ok or result.message is None:
            raise DepthError(f"the relay failed: {result.error}")
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
        return await self._depth.order(
            lambda command_id, expires_at: kind(
                id=command_id, session=self._session, expires_at=expires_at, **content
            )
        )
