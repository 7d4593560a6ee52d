"""Decides which signed documents this lock takes: keyset, configuration, time, status list, ack.

Who brings one does not matter, it only has to hold a key for this lock: the signature counts. An
older document, or the same again, changes nothing and is no error; the answer says what is held.
Stored before it counts. Never raises for any argument.
"""

from firmware.core.documents import DocumentStore
from firmware.core.identity import CONFIG_NAME, KEYSET_NAME
from protocol import audit, lockconfig, reasons, session, signedtime, statuslist, timebound, verify
from protocol import keyset as keysets
from protocol.audit import AuditError, Head
from protocol.cose import CoseError
from protocol.keyset import ROLE_ACK, ROLE_CONFIG, ROLE_STATUS, ROLE_TIME, KeysetError
from protocol.lockconfig import LockConfigError
from protocol.session import OK
from protocol.shim import Any, Callable
from protocol.signedtime import SignedTimeError
from protocol.statuslist import StatusListError

MAX_FORKS = 8  # acknowledged histories that are not this lock's: alarms from one start to the next

_UNREADABLE = (
    CoseError,
    KeysetError,
    LockConfigError,
    SignedTimeError,
    AuditError,
    StatusListError,
    TypeError,
)


class Adoption:
    """The documents of one lock."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._forks = []  # what was told of since the start
        self._takers = {
            session.REQUEST_STATUS_PART: self._status_part,
            session.REQUEST_STATUS_DELTA: self._status_delta,
            session.REQUEST_KEYSET: self._keyset,
            session.REQUEST_CONFIG: self._config,
            session.REQUEST_TIME: self._time,
            session.REQUEST_TIME_RESET: self._time_reset,
            session.REQUEST_ACK: self._ack,
        }

    def take(self, asking: Any, operation: int, argument: Any) -> tuple:
        """(reason, value) for a document brought in the session `asking` (access.Asking)."""
        taker = self._takers.get(operation)
        if taker is None:
            return reasons.MALFORMED, None
        return taker(asking, argument)

    # --- keyset and configuration ---

    def _keyset(self, asking: Any, document: Any) -> tuple:
        lock, current = self._lock, self._lock.trust.keyset
        parsed = _parsed(keysets.parse, document)
        if parsed is None:
            return reasons.MALFORMED, None
        signed, newer = parsed
        if newer.version > current.version:
            if not verify.verify_root(current, lock.crypto, signed, keysets.CONTEXT):
                return reasons.BAD_SIGNATURE, None
            kdks = lock.kdks_under(newer) if current.may_be_followed_by(newer) else None
            if kdks is None:
                return reasons.NOT_ALLOWED_TO_ISSUE, None
            if not self._save(KEYSET_NAME, document, newer.version):
                return reasons.STORAGE, None
            lock.adopt_keyset(newer, kdks)
        return OK, lock.trust.keyset.version

    def _config(self, asking: Any, document: Any) -> tuple:
        lock = self._lock
        parsed = _parsed(lockconfig.parse, document)
        if parsed is None:
            return reasons.MALFORMED, None
        signed, newer = parsed
        if newer.lock_id != lock.trust.lock_id:
            return reasons.WRONG_LOCK, None
        if newer.version > lock.config.version:
            if not self._signed_by(ROLE_CONFIG, lockconfig.CONTEXT)(signed):
                return reasons.BAD_SIGNATURE, None
            if not self._save(CONFIG_NAME, document, newer.version):
                return reasons.STORAGE, None
            lock.adopt_config(newer)
        return OK, lock.config.version

    # --- time ---

    def _time(self, asking: Any, document: Any) -> tuple:
        answer, reason = self._answer(asking, document, signedtime.TIME_CONTEXT)
        if answer is None:
            return reason, None
        asking.nonce = b""  # one answer to a nonce
        if not self._lock.set_time(answer, asking.challenged_at):
            return reasons.TIME_REJECTED, None
        return OK, timebound.to_wire(self._lock.now())

    def _time_reset(self, asking: Any, document: Any) -> tuple:
        answer, reason = self._answer(asking, document, signedtime.RESET_CONTEXT)
        if answer is None:
            return reason, None
        asking.nonce = b""
        if not self._lock.reset_time(answer, asking.challenged_at):
            return reasons.STORAGE, None
        return OK, timebound.to_wire(self._lock.now())

    def _answer(self, asking: Any, document: Any, context: bytes) -> tuple:
        """(SignedTime, 0), or (None, reason) when it is not the town's answer to this session."""
        parsed = _parsed(signedtime.parse, document)
        if parsed is None:
            return None, reasons.MALFORMED
        signed, answer = parsed
        if answer.lock_id != self._lock.trust.lock_id:
            return None, reasons.WRONG_LOCK
        if answer.nonce != asking.nonce:
            return None, reasons.TIME_REJECTED
        if context == signedtime.RESET_CONTEXT:
            keyset, crypto = self._lock.trust.keyset, self._lock.crypto
            genuine = verify.verify_root(keyset, crypto, signed, context)
        else:
            genuine = self._signed_by(ROLE_TIME, context)(signed)
        return (answer, OK) if genuine else (None, reasons.BAD_SIGNATURE)

    # --- status list ---

    def _status_part(self, asking: Any, argument: Any) -> tuple:
        if not _members(argument, 3):
            return reasons.MALFORMED, None
        document, offset, piece = argument
        if not self._keeps_rows(document):
            return reasons.MALFORMED, None
        store, lo = self._lock.statuses, self._raised_lo(document)
        trusted = self._signed_by(ROLE_STATUS, statuslist.CONTEXT)
        return self._status_taken(*store.take_part(document, offset, piece, lo, trusted))

    def _status_delta(self, asking: Any, argument: Any) -> tuple:
        if not _members(argument, 3):
            return reasons.MALFORMED, None
        document, base_version, additions = argument
        if not self._keeps_rows(document):
            return reasons.MALFORMED, None
        store, lo = self._lock.statuses, self._raised_lo(document)
        trusted = self._signed_by(ROLE_STATUS, statuslist.CONTEXT)
        return self._status_taken(*store.take_delta(document, base_version, additions, lo, trusted))

    def _status_taken(self, reason: int, next_offset: Any) -> tuple:
        """After the store has decided: what the lock holds now counts from this moment on."""
        lock = self._lock
        if lock.statuses.current.version != lock.trust.status.version:
            lock.adopt_status(lock.statuses.current)
        return reason, [next_offset, lock.trust.status.version] if reason == OK else None

    def _keeps_rows(self, document: Any) -> bool:
        """Whether a newer list withdraws all that rows of min_iat withdraw today."""
        parsed, trust = _parsed(statuslist.parse, document), self._lock.trust
        if parsed is None or parsed[1].version <= trust.status.version:
            return True  # the store says what is wrong with it, if anything
        return parsed[1].keeps(trust.status.header, trust.keyset.keys)

    def _raised_lo(self, document: Any) -> int:
        """The lock's lo as it will be once the document counts: only upwards, never past hi."""
        parsed = _parsed(statuslist.parse, document)
        now = self._lock.now()
        return now.lo if parsed is None else min(now.hi, max(now.lo, parsed[1].issued_at))

    # --- acknowledgement ---

    def _ack(self, asking: Any, document: Any) -> tuple:
        lock = self._lock
        parsed = _parsed(audit.parse_ack, document)
        if parsed is None:
            return reasons.MALFORMED, None
        signed, head = parsed
        if head.lock_id != lock.trust.lock_id:
            return reasons.WRONG_LOCK, None
        if head.journal_epoch < lock.journal.epoch:
            return reasons.NOT_ALLOWED_TO_ISSUE, None  # of before this lock was enrolled anew
        # An old one that fits is no news and costs no signature; one that does not fit is a fork.
        if head.seq <= lock.journal.acked_seq and not lock.journal.contradicts(head):
            return OK, lock.journal.acked_seq
        if not self._signed_by(ROLE_ACK, audit.ACK_CONTEXT)(signed):
            return reasons.BAD_SIGNATURE, None
        if not lock.journal.acknowledge(head):
            self._forked(head)
            return reasons.NOT_ALLOWED_TO_ISSUE, None
        return OK, lock.journal.acked_seq

    def _forked(self, head: Head) -> None:
        """Raise the alarm, once for each such document: whoever repeats it fills no journal."""
        name = head.journal_epoch, head.seq, head.record_hash
        if name not in self._forks and len(self._forks) < MAX_FORKS:
            self._forks.append(name)
            self._lock.alarm(audit.ALARM_FORK, audit.SOURCE_NONE, None)

    # --- helpers ---

    def _signed_by(self, role: int, context: bytes) -> Callable:
        lock = self._lock
        return lambda signed: verify.verify_document(
            lock.trust.keyset, lock.crypto, signed, role, context
        )

    def _save(self, name: str, document: bytes, version: int) -> bool:
        try:
            DocumentStore(self._lock.storage, name).save(document, version)
            return True
        except OSError:
            return False


def _parsed(parse: Callable, document: Any) -> tuple | None:
    """(Signed, content), or None when it is not such a document."""
    try:
        return parse(document)
    except _UNREADABLE:
        return None


def _members(argument: Any, count: int) -> bool:
    return isinstance(argument, list) and len(argument) == count
