"""What a scenario may ask of a town, whatever it is made of.

Decides what is the same at every depth: whose keys there are, how a person presents one near or by
relay, and when a door is at rest. A depth adds the parts themselves and how time passes. A fault of
the town is a KannukiError and ends the scenario.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from kannuki.enrolment import EnrolmentFile
from kannuki.errors import KannukiError
from protocol import audit, session
from protocol.holder import Credential
from simulator.phone.opening import Result, Surroundings, Transport, attempt
from simulator.scenarios.home import Home
from simulator.scenarios.orders import Orders
from simulator.town_keys import TOWN, TownKeys

GATEWAY = "gw-1"
WALK_MS = 1000
WITHIN_S = 60.0
ANSWER_LASTS_S = 30


class DepthError(KannukiError):
    """The town did not do what any town must do."""


class Depth(ABC):
    """One town with one lock and one gateway; use as an async context manager.

    When it is entered, a depth has its lock enrolled and calls `_trust`.
    """

    name: str
    around: Surroundings
    enrolment: EnrolmentFile
    home: Home

    def __init__(self) -> None:
        self.keys = TownKeys()
        self._openings = 0
        self._boots = 1

    # --- what differs ---

    @abstractmethod
    async def __aenter__(self) -> Depth: ...

    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

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
        async with self._orders.relay(self.enrolment.lock_id) as link:
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
        document, entries = self.keys.status_list(lock_id, version, issued_at, revoked)
        await self._orders.put_status_list(lock_id, document, entries, version)

    async def rest(self) -> None:
        """Until the bolt is out again after every opening so far, and its records are home."""
        await self.need(self._is_at_rest, "the bolt's return in the record")

    def records(self) -> list[bytes]:
        """The raw records that came home."""
        return self.home.of(self.enrolment.lock_id)

    async def need(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that must come. Raises DepthError."""
        if not await self.until(condition, WITHIN_S):
            faults = "; ".join(self.home.faults) or "no event was faulty"
            raise DepthError(f"waited {WITHIN_S:.0f} s for {what} ({faults})")

    def _trust(self, enrolment: EnrolmentFile, say: Callable[[str, bytes], None]) -> None:
        """The lock is enrolled: what its cloud knows and says begins here."""
        self.enrolment = enrolment
        kdks = {enrolment.lock_id: self.keys.kdk(enrolment)}
        self.home = Home(TOWN, kdks, say, self._signed_time)
        self._orders = Orders(self.home, self.until, self.wall_s)

    def _signed_time(self, lock_id: str, nonce: bytes) -> tuple[bytes, int]:
        now = int(self.wall_s())
        return self.keys.time_answer(lock_id, nonce, now), now + ANSWER_LASTS_S

    def _noted(self, result: Result) -> Result:
        self._openings += result.code == "OPENED"
        return result

    def _count(self, event: int, code: int | None = None) -> int:
        decoded = self.home.decoded.values()
        return sum(r.event == event and code in (None, r.code) for r in decoded)

    def _is_at_rest(self) -> bool:
        return self._count(audit.LOCK_OPERATION, audit.OPERATION_LOCK) == self._openings

    def _knows_time(self) -> bool:
        """A bench's clock is not exact enough for rights that end within the minute."""
        return self._count(audit.TIME, audit.TIME_SET) > 0

    def _has_booted(self) -> bool:
        return self._count(audit.BOOT) == self._boots
