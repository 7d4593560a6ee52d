"""Decides what a presentation or a request of an open session does to this lock.

This is the last step of protocol/verify.py's order: journal, then act. An opening that cannot be
recorded does not happen; a refusal to a proven holder is recorded; whatever an unproven peer sends
is only counted. Does no I/O of its own: journal, door and documents are handed in.
"""

from protocol import audit, reasons, session, statuslist, verify
from protocol.cose import CoseError
from protocol.session import OK, Outcome
from protocol.shim import Any
from protocol.statuslist import StatusListError
from protocol.token import MAINTAIN

_SOURCES = {
    session.COMMAND_UNLOCK: audit.SOURCE_HOLDER,
    session.COMMAND_UNLOCK_REMOTE: audit.SOURCE_REMOTE,
    session.COMMAND_LOCK: audit.SOURCE_HOLDER,
}
MAX_RECORDS_PER_REPLY = 8  # a reply of about 1 kB: the heap has no large free pieces


class Access:
    """What one lock may do on behalf of proven holders."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock  # firmware.core.lock.Lock: journal, door, trust, clock, storage

    def decide(self, verdict: Any, at: int) -> Outcome:
        """Record and carry out a verdict whose holder has proved possession."""
        if isinstance(verdict, verify.Denied):
            return self._refuse(verdict)
        if verdict.command == session.COMMAND_SYNC:
            return self._outcome(OK, {})
        return self._operate(verdict, at)

    def answer(self, token: Any, operation: int, argument: Any) -> tuple:
        """(reason, value) for a request in the open session of `token`."""
        if operation == session.REQUEST_STATE:
            return OK, self._lock.state()
        if not token.permissions & MAINTAIN:
            return reasons.SCOPE, None
        if operation == session.REQUEST_AUDIT:
            return self._read_audit(token, argument)
        if operation == session.REQUEST_STATUS_LIST:
            return self._adopt_status_list(argument)
        return reasons.MALFORMED, None

    def _refuse(self, denied: Any) -> Outcome:
        subject = denied.token.cti
        source = _SOURCES.get(denied.command, audit.SOURCE_NONE)
        self._record(audit.LOCK_OPERATION_ERROR, denied.reason, source, subject)
        detail = {}
        if denied.opens_at is not None:
            detail[session.DETAIL_OPENS_AT] = denied.opens_at
        return self._outcome(denied.reason, detail)

    def _operate(self, allowed: Any, at: int) -> Outcome:
        source = _SOURCES[allowed.command]
        unlock = allowed.command != session.COMMAND_LOCK
        code = audit.OPERATION_UNLOCK if unlock else audit.OPERATION_LOCK
        if not self._record(audit.LOCK_OPERATION, code, source, allowed.token.cti):
            return self._outcome(reasons.STORAGE, {})
        door = self._lock.door
        self._lock.note(door.unlock(source, at) if unlock else door.lock(source, at))
        detail = {session.DETAIL_RELOCK_AFTER_MS: self._lock.config.door.relock_after_ms}
        return self._outcome(OK, detail if unlock else {})

    def _outcome(self, reason: int, detail: dict) -> Outcome:
        journal = self._lock.journal
        return Outcome(reason, detail, journal.head_seq, journal.head_hash)

    def _record(self, event: int, code: int, source: int, subject: bytes) -> bool:
        return self._lock.record(event, code, source, subject)

    def _read_audit(self, token: Any, argument: Any) -> tuple:
        if not _two_uints(argument):
            return reasons.MALFORMED, None
        journal = self._lock.journal
        records = journal.read(argument[0], min(argument[1], MAX_RECORDS_PER_REPLY))
        batch = audit.Batch(self._lock.config.lock_id, token.epoch, journal.epoch, records)
        raw = audit.encode_batch(batch)
        return OK, [raw, audit.seal(self._lock.audit_keys[token.epoch], raw)]

    def _adopt_status_list(self, document: Any) -> tuple:
        """Take a newer status list; an older or equal one changes nothing and is no error."""
        lock = self._lock
        try:
            signed, status = statuslist.parse(document)
        except (CoseError, StatusListError, TypeError):
            return reasons.MALFORMED, None
        if status.lock_id != lock.config.lock_id:
            return reasons.WRONG_LOCK, None
        if status.version > lock.trust.status.version:
            role, context = verify.ROLE_STATUS, statuslist.CONTEXT
            if not verify.verify_document(lock.trust, lock.crypto, signed, role, context):
                return reasons.BAD_SIGNATURE, None
            if not lock.adopt_status_list(document, status):
                return reasons.STORAGE, None
        return OK, lock.trust.status.version


def _two_uints(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in value)
    )
