"""Passes a phone's messages to its lock and back, through MQTT and a gateway. Reads none of them.

Decides who may speak to which lock (a relay ticket, for its own lock alone), that a ticket has one
session at a time, and how each failure is told. The cloud never acts as a holder: it has no proof
key and could not answer a lock's challenge. Sessions live in memory, as the connection behind them
does; after a restart the phone is told to start again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cloud.clock import Clock
from cloud.problems import Problem
from kannuki.messages import (
    CommandResult,
    Message,
    RelayClose,
    RelayOpen,
    RelaySend,
    to_base64url,
)

log = logging.getLogger(__name__)
SESSION_S = 30
ANSWER_WITHIN_S = 12.0
MAX_SESSIONS = 1_000
_OVER = ("NO_SESSION",)

# send(lock_id, command, expires_after_s): publishes a command to a lock's topic.
Send = Callable[[str, Message, float], Awaitable[None]]


@dataclass
class RelaySession:
    """One phone's connection to one lock; `waits_for` is the id of the command under way."""

    session_id: str
    lock_id: str
    ticket_digest: bytes
    ends_at: float
    via: str | None = None  # the gateway that has it; None: nobody has answered yet
    waits_for: str | None = None


@dataclass
class RelayHub:
    """Every relay session of the town. `monotonic` gives seconds that never jump."""

    send: Send
    clock: Clock
    monotonic: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    is_connected: Callable[[], bool]
    answer_within_s: float = ANSWER_WITHIN_S
    sessions: dict[str, RelaySession] = field(default_factory=dict)
    _answers: dict[str, asyncio.Future[CommandResult]] = field(default_factory=dict)

    async def open(
        self, lock_id: str, ticket_digest: bytes, message: bytes, via: str | None = None
    ) -> tuple[str, bytes]:
        """(session, the lock's challenge) for a holder's HELLO. Raises Problem.

        `via`: the gateway that shall act, when several may hear the lock. Without one whoever
        reaches it answers, and the first to do so has the session.
        """
        if not self.is_connected():
            raise Problem("GATEWAY_OFFLINE")
        await self._make_room(ticket_digest)
        ends_at = self.monotonic() + SESSION_S
        session = RelaySession(self._new_id(), lock_id, ticket_digest, ends_at, via)
        self.sessions[session.session_id] = session
        command = RelayOpen(
            id=self._new_id(),
            session=session.session_id,
            message=message,
            expires_at=self._expires_at(),
            via=via,
        )
        try:
            return session.session_id, await self._ask(session, command)
        except (Problem, asyncio.CancelledError):
            self.sessions.pop(session.session_id, None)
            raise

    async def pass_on(self, session_id: str, ticket_digest: bytes, message: bytes) -> bytes:
        """The lock's answer to the holder's next message. Raises Problem."""
        session = self._session(session_id, ticket_digest)
        if session.waits_for is not None:
            raise Problem("RELAY_BUSY")
        command = RelaySend(
            id=self._new_id(),
            session=session_id,
            message=message,
            expires_at=self._expires_at(),
            via=session.via,
        )
        try:
            return await self._ask(session, command)
        except Problem:
            self.sessions.pop(session_id, None)
            raise

    async def close(self, session_id: str, ticket_digest: bytes) -> None:
        """Hangs up; closing twice is closing once."""
        try:
            session = self._session(session_id, ticket_digest)
        except Problem:
            return
        await self._hang_up(session)

    def on_result(self, result: CommandResult) -> bool:
        """A gateway's answer; False when nobody waits for it."""
        waiting = self._answers.get(result.id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(result)
        return True

    def waiting_locks(self) -> set[str]:
        """Locks for which a phone waits for an answer now."""
        return {s.lock_id for s in self.sessions.values() if s.waits_for is not None}

    def give_up(self, lock_ids: set[str]) -> None:
        """No gateway reaches these locks any more: nobody shall wait for their answers."""
        for session in self.sessions.values():
            waiting = self._answers.get(session.waits_for or "")
            if session.lock_id in lock_ids and waiting is not None and not waiting.done():
                waiting.set_exception(Problem("GATEWAY_OFFLINE"))

    def gateway_gone(self, gateway_id: str) -> None:
        """Sessions that this gateway had are over, though another may reach the lock."""
        for session in self.sessions.values():
            waiting = self._answers.get(session.waits_for or "")
            if session.via == gateway_id and waiting is not None and not waiting.done():
                waiting.set_exception(Problem("GATEWAY_OFFLINE"))

    def _session(self, session_id: str, ticket_digest: bytes) -> RelaySession:
        session = self.sessions.get(session_id)
        if session is None or session.ticket_digest != ticket_digest:
            raise Problem("RELAY_OVER")
        if session.ends_at <= self.monotonic():
            self.sessions.pop(session_id, None)
            raise Problem("RELAY_OVER")
        return session

    async def _make_room(self, ticket_digest: bytes) -> None:
        """One session a ticket: the older one makes way, unless it is in the middle of a step."""
        now = self.monotonic()
        for session in list(self.sessions.values()):
            if session.ends_at <= now and session.waits_for is None:
                self.sessions.pop(session.session_id, None)
            elif session.ticket_digest == ticket_digest:
                if session.waits_for is not None:
                    raise Problem("RELAY_BUSY")
                await self._hang_up(session)
        if len(self.sessions) >= MAX_SESSIONS:
            raise Problem("RELAY_BUSY")

    async def _hang_up(self, session: RelaySession) -> None:
        self.sessions.pop(session.session_id, None)
        command = RelayClose(
            id=self._new_id(), session=session.session_id, expires_at=self._expires_at()
        )
        try:
            await self.send(session.lock_id, command, self.answer_within_s)
        except TimeoutError:
            log.warning("a hang-up did not reach the broker; the gateway ends it by itself")

    async def _ask(self, session: RelaySession, command: RelayOpen | RelaySend) -> bytes:
        answer: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._answers[command.id] = answer
        session.waits_for = command.id
        try:
            async with asyncio.timeout(self.answer_within_s):
                await self.send(session.lock_id, command, self.answer_within_s)
                result = await answer
                session.via = session.via or result.gateway
                return _message(result)
        except TimeoutError:
            raise Problem("TIMEOUT") from None
        finally:
            session.waits_for = None
            self._answers.pop(command.id, None)

    def _expires_at(self) -> int:
        return self.clock() + int(self.answer_within_s) + 1

    def _new_id(self) -> str:
        return to_base64url(self.random_bytes(12))


def _message(result: CommandResult) -> bytes:
    if result.ok and result.message is not None:
        return result.message
    error = result.error or "NO_ANSWER"
    if error in ("UNREACHABLE", "TIMEOUT", "BUSY"):
        raise Problem(error)
    if error == "EXPIRED_COMMAND":
        raise Problem("TIMEOUT")
    if error in _OVER:
        raise Problem("RELAY_OVER")
    raise Problem("RELAY_FAILED", error=error)
