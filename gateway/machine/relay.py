"""Residents' sessions that pass through: whole messages in, whole messages out, nothing understood.

Decides which session has a lock, what answers a command and when a session is over. Does not
connect, and can neither read nor forge what passes: a presentation answers the lock's fresh nonce
under a key that is not here. Sessions live in RAM; after a restart they are gone (NO_SESSION).
Invariant: each command id has one answer, however often the command comes.

Methods return steps: Tell(lock, message), Answer(lock, result, expires_at), HangUp(lock).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.machine import values
from gateway.machine.values import Now, Settings
from kannuki.messages import CommandResult, RelayClose, RelayOpen, RelaySend
from protocol.frames import MAX_MESSAGE_BYTES

RelayCommand = RelayOpen | RelaySend | RelayClose

_NO_USE = (values.OUT_OF_RANGE, values.NO_RADIO)  # to try again while somebody waits
INBOX_SIZE = 1000
INBOX_KEEPS_S = 600.0  # later, a repeated relay command finds no session anyway


@dataclass(frozen=True)
class Tell:
    """Pass this to the lock."""

    lock: str
    message: bytes


@dataclass(frozen=True)
class Answer:
    """The one answer to a command."""

    lock: str
    result: CommandResult
    expires_at: int


@dataclass(frozen=True)
class HangUp:
    """The session at this lock is over, or begins anew on a fresh connection."""

    lock: str


Step = Tell | Answer | HangUp


@dataclass
class _Session:
    """One session: `command` waits for an answer until deadline_at, or is None since quiet_at."""

    lock: str
    id: str
    command: RelayCommand | None
    deadline_at: float
    tries_left: int
    quiet_at: float
    linked: bool = False  # the greeting was passed on

    @property
    def opening(self) -> bool:
        return isinstance(self.command, RelayOpen)


@dataclass
class _Seen:
    """A command id and its answer, once there is one."""

    keep_until_at: float
    answer: Answer | None = None


class RelayDesk:
    """All sessions of one gateway: at most one per lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: dict[str, _Session] = {}
        self._inbox: dict[str, _Seen] = {}

    # --- what the gateway asks ---

    def has(self, lock: str) -> bool:
        """Whether someone has this lock."""
        return lock in self._sessions

    def wants_link(self) -> list[str]:
        """Locks with a session that has no connection yet, first come first."""
        return [lock for lock, session in self._sessions.items() if not session.linked]

    def next_due_at(self) -> float | None:
        """When the next session runs out of time."""
        return min(map(self._ends_at, self._sessions.values()), default=None)

    # --- commands ---

    def command(self, lock: str, command: RelayCommand, now: Now) -> list[Step]:
        """Steps for a command to a lock of ours."""
        seen = self._inbox.get(command.id)
        if seen is not None:
            return [seen.answer] if seen.answer else []
        if now.wall >= command.expires_at:
            return [_answer(lock, command, error=values.EXPIRED_COMMAND)]
        if not self._remember(command, now):
            return [_answer(lock, command, error=values.BUSY)]
        return list(self._recorded(self._carry_out(lock, command, now)))

    def _carry_out(self, lock: str, command: RelayCommand, now: Now) -> list[Step]:
        if isinstance(command, RelayClose):
            return self._close(lock, command)
        if not 0 < len(command.message) <= MAX_MESSAGE_BYTES:
            error = values.TOO_LARGE if command.message else values.MALFORMED
            return [_answer(lock, command, error=error)]
        if isinstance(command, RelayOpen):
            return self._open(lock, command, now)
        return self._send(lock, command, now)

    def _open(self, lock: str, command: RelayOpen, now: Now) -> list[Step]:
        current = self._sessions.get(lock)
        if current is not None and not self._yields(current, command, now):
            return [_answer(lock, command, error=values.BUSY)]
        ended = self._end(current, values.NO_SESSION) if current else []
        self._sessions[lock] = _Session(
            lock,
            command.session,
            command,
            self._deadline(command, now, self._settings.relay_open_within_s),
            self._settings.relay_connect_tries,
            now.at,
        )
        return ended

    def _yields(self, current: _Session, command: RelayOpen, now: Now) -> bool:
        """A phone may start over; one that has gone quiet gives way to the next person."""
        if current.id == command.session:
            return True
        quiet_s = now.at - current.quiet_at
        return current.command is None and quiet_s >= self._settings.relay_yields_after_s

    def _send(self, lock: str, command: RelaySend, now: Now) -> list[Step]:
        current = self._sessions.get(lock)
        if current is None or current.id != command.session:
            return [_answer(lock, command, error=values.NO_SESSION)]
        if current.command is not None:
            return [_answer(lock, command, error=values.BUSY)]
        current.command = command
        current.deadline_at = self._deadline(command, now, self._settings.relay_answer_within_s)
        return [Tell(lock, command.message)]

    def _close(self, lock: str, command: RelayClose) -> list[Step]:
        current = self._sessions.get(lock)
        ours = current is not None and current.id == command.session
        ended = self._end(current, values.NO_SESSION) if current and ours else []
        return [*ended, _answer(lock, command)]

    # --- the link ---

    def link_up(self, lock: str, now: Now) -> list[Step]:
        """There is a fresh connection: greet."""
        current = self._sessions.get(lock)
        if current is None or current.command is None or isinstance(current.command, RelayClose):
            return [HangUp(lock)]
        current.linked = True
        return [Tell(lock, current.command.message)]

    def received(self, lock: str, message: bytes, now: Now) -> list[Step]:
        """The lock said something: the answer, if someone waits for one."""
        current = self._sessions.get(lock)
        if current is None or current.command is None:
            return []
        command, current.command = current.command, None
        current.quiet_at = now.at
        return list(self._recorded([_answer(lock, command, message=message)]))

    def link_down(self, lock: str, why: str) -> list[Step]:
        """The connection is gone, or was never made."""
        current = self._sessions.get(lock)
        if current is None:
            return []
        current.tries_left -= 1
        current.linked = False
        if current.opening and current.tries_left > 0 and why not in _NO_USE:
            return []
        return list(self._recorded(self._end(current, values.UNREACHABLE, hang_up=False)))

    def abandon(self, lock: str, session_id: str) -> list[Step]:
        """Another gateway carries this session: nothing of it is said or answered here."""
        current = self._sessions.get(lock)
        if current is None or current.id != session_id:
            return []
        current.command = None
        return self._end(current, values.NO_SESSION)

    def drop(self, lock: str) -> list[Step]:
        """The lock is no longer ours."""
        current = self._sessions.get(lock)
        return list(self._recorded(self._end(current, values.UNKNOWN_LOCK))) if current else []

    # --- time ---

    def tick(self, now: Now) -> list[Step]:
        """Ends what waited too long or has gone quiet."""
        late = [s for s in self._sessions.values() if now.at >= self._ends_at(s)]
        steps = [step for session in late for step in self._end(session, self._late(session))]
        return list(self._recorded(steps))

    def _ends_at(self, session: _Session) -> float:
        if session.command is None:
            return session.quiet_at + self._settings.relay_idle_s
        return session.deadline_at

    def _late(self, session: _Session) -> str:
        if session.linked:
            return values.TIMEOUT
        untried = session.tries_left == self._settings.relay_connect_tries
        return values.BUSY if untried else values.UNREACHABLE

    def _deadline(self, command: RelayOpen | RelaySend, now: Now, within_s: float) -> float:
        return min(now.at + within_s, now.at_of(command.expires_at))

    def _end(self, session: _Session, error: str, hang_up: bool = True) -> list[Step]:
        """Ends a session; whoever still waits for an answer gets `error`."""
        del self._sessions[session.lock]
        steps: list[Step] = [HangUp(session.lock)] if hang_up else []
        if session.command is not None:
            steps.append(_answer(session.lock, session.command, error=error))
        return steps

    # --- the inbox ---

    def _remember(self, command: RelayCommand, now: Now) -> bool:
        """Takes note of an id; False when there is no room for one more."""
        if len(self._inbox) >= INBOX_SIZE:
            self._inbox = {k: s for k, s in self._inbox.items() if s.keep_until_at > now.at}
        if len(self._inbox) >= INBOX_SIZE:
            return False
        keep_s = min(INBOX_KEEPS_S, command.expires_at - now.wall)
        self._inbox[command.id] = _Seen(now.at + keep_s)
        return True

    def _recorded(self, steps: list[Step]) -> Iterator[Step]:
        for step in steps:
            if isinstance(step, Answer) and step.result.id in self._inbox:
                self._inbox[step.result.id].answer = step
            yield step


def _answer(
    lock: str, command: RelayCommand, error: str | None = None, message: bytes | None = None
) -> Answer:
    result = CommandResult(id=command.id, ok=error is None, error=error, message=message)
    return Answer(lock, result, command.expires_at)
