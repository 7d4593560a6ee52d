"""Signed status lists to be carried to locks: commands that survive a restart.

Decides what answers each of them. Keeps them in the store only, so that a gateway that is killed at
any moment goes on where it was. A newer document takes the place of an older one; every command
whose version the lock then holds is answered ok. Invariant: one answer per command id.
"""

from __future__ import annotations

from gateway.machine import lockstate, values
from gateway.machine.ports import Errand, Handled, Store
from gateway.machine.values import Now
from kannuki import messages
from kannuki.messages import CommandResult, StatusPut
from protocol.frames import MAX_MESSAGE_BYTES


class ErrandDesk:
    """Methods return (lock, result) pairs to publish, and raise ports.StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def command(self, lock: str, command: StatusPut, now: Now) -> list[tuple[str, CommandResult]]:
        """Accepts a status list for a lock of ours, or repeats what became of it."""
        handled = self._store.handled(command.id)
        if handled is not None:
            return _repeated(handled)
        error = _fault(command, now)
        if error is not None:
            return [(lock, CommandResult(id=command.id, ok=False, error=error))]
        errand = Errand(command.id, lock, command.version)
        self._store.accept_status(errand, command.document, command.expires_at)
        return []

    def carried(self, lock: str, version: int) -> list[tuple[str, CommandResult]]:
        """The lock holds `version`: everything up to it is done."""
        done = [errand for errand in self._store.errands(lock) if errand.version <= version]
        return self._settle(lock, [_done(errand, version) for errand in done], version)

    def not_carried(self, lock: str, error: str) -> list[tuple[str, CommandResult]]:
        """The lock will not have the pending document."""
        pending = self._store.pending_status(lock)
        failed = [_failed(errand, error) for errand in self._store.errands(lock)]
        return self._settle(lock, failed, pending[0] if pending else None)

    def expire(self, wall: float) -> list[tuple[str, CommandResult]]:
        """Commands past their time have no effect any more."""
        answers = []
        for errand in self._store.expired(wall):
            failed = _failed(errand, values.EXPIRED_COMMAND)
            answers += self._settle(errand.lock, [failed], None)
        self._store.sweep(wall)
        return answers

    def drop(self, lock: str) -> list[tuple[str, CommandResult]]:
        """The lock is no longer ours."""
        return self.not_carried(lock, values.UNKNOWN_LOCK)

    def _settle(
        self, lock: str, results: list[CommandResult], carried: int | None
    ) -> list[tuple[str, CommandResult]]:
        if results:
            answers = {result.id: messages.encode(result) for result in results}
            self._store.answer(lock, answers, carried)
        return [(lock, result) for result in results]


def _repeated(handled: Handled) -> list[tuple[str, CommandResult]]:
    if handled.answer is None:
        return []
    result = messages.decode("response", handled.answer)
    assert isinstance(result, CommandResult)
    return [(handled.lock, result)]


def _fault(command: StatusPut, now: Now) -> str | None:
    if now.wall >= command.expires_at:
        return values.EXPIRED_COMMAND
    if not 0 < command.version < lockstate.LARGEST or not command.document:
        return values.MALFORMED
    return values.TOO_LARGE if len(command.document) > MAX_MESSAGE_BYTES - 64 else None


def _done(errand: Errand, version: int) -> CommandResult:
    return CommandResult(id=errand.id, ok=True, version=version)


def _failed(errand: Errand, error: str) -> CommandResult:
    return CommandResult(id=errand.id, ok=False, error=error)
