"""Signed documents to be carried to locks: commands that survive a restart.

Decides what answers each of them. Keeps them in the store only, so that a gateway that is killed at
any moment goes on where it was. Of each kind (status list, keyset, configuration, acknowledgement)
a newer document takes the place of an older one; every command whose version the lock then holds is
answered ok. A document is looked at for its form alone: whether the town signed it, the lock says.
Invariant: one answer per command id.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.machine import lockstate, values
from gateway.machine.herald import Herald
from gateway.machine.ports import Errand, Handled, Pending, StorageError, Store, What
from gateway.machine.scheduler import Urgency
from gateway.machine.values import Counters, Now
from kannuki import messages
from kannuki.messages import CommandResult, DocumentPut, StatusPut
from protocol import audit, keyset, lockconfig, statuslist
from protocol.audit import AuditError
from protocol.cose import CoseError
from protocol.frames import MAX_MESSAGE_BYTES
from protocol.keyset import KeysetError
from protocol.lockconfig import LockConfigError
from protocol.statuslist import StatusListError

PutCommand = StatusPut | DocumentPut
Answers = list[tuple[str, CommandResult]]

KINDS: tuple[What, ...] = ("status", "keyset", "config", "ack")
PAPERS: tuple[What, ...] = ("keyset", "config")
# The largest keyset has some 1,100 bytes; the other half of a message is for a list's entries.
MAX_DOCUMENT_BYTES = MAX_MESSAGE_BYTES // 2


class ErrandDesk:
    """Methods publish their answers; on a broken store the commands stay open."""

    def __init__(self, store: Store, herald: Herald, counters: Counters) -> None:
        self._store = store
        self._herald = herald
        self._counters = counters

    def command(self, lock: str, command: PutCommand, now: Now) -> None:
        """Accepts a document for a lock of ours, or repeats what became of it."""
        try:
            answers = self._command(lock, command, now)
        except StorageError:
            self._counters.add("storage_errors")
            answers = [(lock, _failed(command.id, values.STORAGE))]
        self._tell(answers)

    def carried(self, lock: str, what: What, version: int) -> None:
        """The lock holds `version`: everything up to it is done."""
        self._publish(lambda: self._carried(lock, what, version))

    def not_carried(self, lock: str, what: What, error: str) -> None:
        """The lock will not have the pending document."""
        self._publish(lambda: self._not_carried(lock, what, error))

    def expire(self, wall: float) -> None:
        """Commands past their time have no effect any more."""
        self._publish(lambda: self._expire(wall))

    def drop(self, lock: str) -> None:
        """The lock is no longer ours."""
        for what in KINDS:
            self.not_carried(lock, what, values.UNKNOWN_LOCK)

    def has_pending(self, lock: str) -> bool:
        """Whether a document waits for this lock."""
        try:
            return self._store.has_pending(lock)
        except StorageError:
            self._counters.add("storage_errors")
            return False

    def urgency(self, lock: str) -> Urgency:
        """How much this lock should be visited, for what waits for it."""
        try:
            if self._store.pending(lock, "status") is not None:
                return Urgency.WITHDRAWAL
            papers = [self._store.pending(lock, what) for what in PAPERS]
        except StorageError:
            self._counters.add("storage_errors")
            return Urgency.ROUTINE
        return Urgency.PAPERS if any(papers) else Urgency.ROUTINE

    def _command(self, lock: str, command: PutCommand, now: Now) -> Answers:
        handled = self._store.handled(command.id)
        if handled is not None:
            return _repeated(handled)
        error = _fault(lock, command, now)
        if error is not None:
            return [(lock, _failed(command.id, error))]
        errand = Errand(command.id, lock, kind_of(command), command.version)
        superseded = self._other_journals(errand, command.document)
        self._store.accept(errand, _pending(command), command.expires_at)
        return superseded

    def _other_journals(self, errand: Errand, document: bytes) -> Answers:
        """Sequence numbers of two journals do not compare: the acknowledgement come last counts."""
        pending = self._store.pending(errand.lock, "ack") if errand.what == "ack" else None
        if pending is None or _journal(pending.document) == _journal(document):
            return []
        return self._not_carried(errand.lock, "ack", values.REFUSED)

    def _carried(self, lock: str, what: What, version: int) -> Answers:
        done = [each for each in self._store.errands(lock, what) if each.version <= version]
        results = [CommandResult(id=each.id, ok=True, version=version) for each in done]
        return self._settle(lock, what, results, version)

    def _not_carried(self, lock: str, what: What, error: str) -> Answers:
        pending = self._store.pending(lock, what)
        failed = [_failed(errand.id, error) for errand in self._store.errands(lock, what)]
        return self._settle(lock, what, failed, pending.version if pending else None)

    def _expire(self, wall: float) -> Answers:
        answers: Answers = []
        for errand in self._store.expired(wall):
            failed = _failed(errand.id, values.EXPIRED_COMMAND)
            answers += self._settle(errand.lock, errand.what, [failed], None)
        self._store.sweep(wall)
        return answers

    def _settle(
        self, lock: str, what: What, results: list[CommandResult], carried: int | None
    ) -> Answers:
        if results:
            answers = {result.id: messages.encode(result) for result in results}
            self._store.answer(lock, what, answers, carried)
        return [(lock, result) for result in results]

    def _publish(self, settle: Callable[[], Answers]) -> None:
        """Says what `settle` has made durable."""
        try:
            answers = settle()
        except StorageError:
            self._counters.add("storage_errors")
            return
        self._tell(answers)

    def _tell(self, answers: Answers) -> None:
        for device, result in answers:
            self._herald.answer(device, result)


def kind_of(command: PutCommand) -> What:
    """The kind of document that a command brings."""
    return "status" if isinstance(command, StatusPut) else command.what


def _pending(command: PutCommand) -> Pending:
    if isinstance(command, DocumentPut):
        return Pending(command.version, command.document)
    return Pending(
        command.version,
        command.document,
        command.entries,
        command.base_version,
        command.additions,
    )


def _repeated(handled: Handled) -> Answers:
    if handled.answer is None:
        return []
    result = messages.decode("response", handled.answer)
    assert isinstance(result, CommandResult)
    return [(handled.lock, result)]


def _failed(command_id: str, error: str) -> CommandResult:
    return CommandResult(id=command_id, ok=False, error=error)


# --- whether a command can be carried at all ---


def _fault(lock: str, command: PutCommand, now: Now) -> str | None:
    if now.wall >= command.expires_at:
        return values.EXPIRED_COMMAND
    if len(command.document) > MAX_DOCUMENT_BYTES:
        return values.TOO_LARGE
    try:
        named = _named(lock, command)
    except (CoseError, AuditError, KeysetError, LockConfigError, StatusListError):
        return values.MALFORMED
    fits = named == (lock, command.version) and 0 < command.version < lockstate.LARGEST
    return None if fits else values.MALFORMED


def _named(lock: str, command: PutCommand) -> tuple[str, int]:
    """(lock, version) that the document names; a keyset is every lock's. Raises its own error."""
    if isinstance(command, StatusPut):
        return _named_by_status(command)
    if command.what == "keyset":
        return lock, keyset.parse(command.document)[1].version
    if command.what == "config":
        config = lockconfig.parse(command.document)[1]
        return config.lock_id, config.version
    head = audit.parse_ack(command.document)[1]
    return head.lock_id, head.seq


def _named_by_status(command: StatusPut) -> tuple[str, int]:
    header = statuslist.parse(command.document)[1]
    statuslist.in_memory(header, command.entries)
    base, additions = command.base_version, command.additions
    if (base is None) != (additions is None):
        raise StatusListError("a delta is a base and additions")
    if base is not None and not 0 <= base < header.version:
        raise StatusListError("a delta leads from an older version")
    if additions is not None and len(additions) % statuslist.ENTRY_BYTES:
        raise StatusListError("additions are whole entries")
    return header.lock_id, header.version


def _journal(ack: bytes) -> int:
    """The journal that a pending acknowledgement speaks of; its form was checked."""
    return int(audit.parse_ack(ack)[1].journal_epoch)
