"""Decides what a presentation or a request of an open session does to this lock.

This is the last step of protocol/verify.py's order: journal, then act. An opening that cannot be
recorded does not happen; a refusal to a proven holder is recorded, or counted when there are many
(refusals.py); whatever an unproven peer sends is only counted. Does no I/O of its own: journal,
door and documents are handed in. What documents change is decided in adoption.py.
"""

from firmware.core.adoption import Adoption
from protocol import audit, reasons, session, verify
from protocol.audit import AuditError, Head
from protocol.forms import are_uints, is_bytes
from protocol.session import OK, Outcome
from protocol.shim import Any
from protocol.timebound import FOREVER
from protocol.token import MAINTAIN, UNLOCK

MAX_RECORDS_PER_REPLY = 8  # a reply of about 1 kB: the heap has no large free pieces

_OPERATIONS = {
    session.COMMAND_UNLOCK: audit.OPERATION_UNLOCK,
    session.COMMAND_UNLOCK_REMOTE: audit.OPERATION_UNLOCK,
    session.COMMAND_LOCK: audit.OPERATION_LOCK,
    session.COMMAND_HOLD_OPEN: audit.OPERATION_HOLD_OPEN,
    session.COMMAND_EVACUATE: audit.OPERATION_EVACUATE,
}
_HOLDS = (session.COMMAND_HOLD_OPEN, session.COMMAND_EVACUATE)
# What needs a good token, and which permissions. A gateway's token opens nothing, so it must not
# help guessing PINs either: only who may unlock anyway clears the keypad.
_AFTER_OK_ONLY = {
    session.REQUEST_STATE: 0,
    session.REQUEST_HEAD: 0,
    session.REQUEST_TOKEN: MAINTAIN,
    session.REQUEST_CLEAR_KEYPAD: MAINTAIN | UNLOCK,
}


class Asking:
    """Who asks, in which session: `nonce` of its challenge, given out at `challenged_at`.

    `kid` names the key that signed the token, after OK.
    """

    def __init__(
        self, token: Any, kid: bytes | None, reason: int, nonce: bytes, challenged_at: int
    ) -> None:
        self.token = token
        self.kid = kid
        self.reason = reason
        self.nonce = nonce
        self.challenged_at = challenged_at


class Access:
    """What one lock may do on behalf of proven holders."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock  # firmware.core.lock.Lock: journal, door, trust, clock, storage
        self._adoption = Adoption(lock)

    # --- presentations ---

    def decide(self, verdict: Any, relayed: bool, at: int) -> Outcome:
        """Record and carry out a verdict whose holder has proved possession."""
        source = _source(verdict.command, relayed)
        if isinstance(verdict, verify.Denied):
            return self._refuse(verdict.reason, verdict.token, source, verdict.opens_at)
        if verdict.command == session.COMMAND_SYNC:
            return self._outcome(OK, {})
        return self._operate(verdict, source, at)

    def _refuse(self, reason: int, token: Any, source: int, opens_at: int | None = None) -> Outcome:
        self._lock.refused(reason, source, token.cti)
        detail = {}
        if opens_at is not None:
            detail[session.DETAIL_OPENS_AT] = opens_at
        return self._outcome(reason, detail)

    def _operate(self, allowed: Any, source: int, at: int) -> Outcome:
        lock, token, command = self._lock, allowed.token, allowed.command
        hold_s = self._hold_s(token, command)
        if command == session.COMMAND_HOLD_OPEN and hold_s <= 0:
            return self._refuse(reasons.TIME_UNKNOWN, token, source)
        spends = token.once and command != session.COMMAND_LOCK
        if spends and not lock.journal.memory.room(lock.now()):
            return self._refuse(reasons.FULL, token, source)
        value = token.expires_at if spends else None
        operation = _OPERATIONS[command]
        if not lock.record(audit.LOCK_OPERATION, operation, source, token.cti, value):
            return self._outcome(reasons.STORAGE, {})
        if allowed.emergency:
            lock.alarm(audit.ALARM_EMERGENCY_KEY, source, token.cti)
        return self._move(command, source, hold_s, at)

    def _move(self, command: int, source: int, hold_s: int, at: int) -> Outcome:
        lock, door = self._lock, self._lock.door
        if command == session.COMMAND_LOCK:
            lock.note(door.lock(source, at))
            return self._outcome(OK, {})
        if command not in _HOLDS:
            lock.note(door.unlock(source, at))
            return self._outcome(
                OK, {session.DETAIL_RELOCK_AFTER_MS: lock.config.door.relock_after_ms}
            )
        hold = door.evacuate if command == session.COMMAND_EVACUATE else door.hold_open
        lock.note(hold(at + hold_s * 1000, source, at))
        return self._outcome(OK, self._held(hold_s))

    def _held(self, hold_s: int) -> dict:
        detail, now = {session.DETAIL_RELOCK_AFTER_MS: hold_s * 1000}, self._lock.now()
        if now.hi != FOREVER:
            detail[session.DETAIL_HELD_UNTIL] = now.hi + hold_s
        return detail

    def _hold_s(self, token: Any, command: int) -> int:
        """How long the door may be held: no longer than its figure, no later than its window.

        In doubt about the time an evacuation lasts as long as the figure says; nothing else may.
        """
        now, longest = self._lock.now(), self._lock.config.door.max_hold_s
        left = token.window(now.lo)[1] - now.hi
        if left <= 0 and command == session.COMMAND_EVACUATE:
            return longest
        return min(left, longest)

    def _outcome(self, reason: int, detail: dict) -> Outcome:
        journal = self._lock.journal
        return Outcome(reason, detail, journal.head_seq, journal.head_hash)

    # --- requests ---

    def answer(self, asking: Asking, operation: int, argument: Any) -> tuple:
        """(reason, value) for a request in an open session. Never raises for any argument."""
        if operation in _AFTER_OK_ONLY:
            reason = self._standing(asking, operation)
            if reason != OK:
                return reason, None
        if operation == session.REQUEST_STATE:
            return OK, self._lock.state()
        if operation == session.REQUEST_AUDIT:
            return self._read_audit(asking.token.epoch, argument)
        if operation == session.REQUEST_HEAD:
            return self._sign_head(argument)
        if operation == session.REQUEST_TOKEN:
            return verify.check_ahead(self._lock.trust, self._lock.crypto, argument), None
        if operation == session.REQUEST_CLEAR_KEYPAD:
            return self._lock.clear_keypad(asking.token.cti), None
        return self._adoption.take(asking, operation, argument)

    def _standing(self, asking: Asking, operation: int) -> int:
        """A session may be kept open for ever, but not beyond the rights that it began with."""
        if asking.reason != OK:
            return reasons.SCOPE
        if _AFTER_OK_ONLY[operation] & ~asking.token.permissions:
            return reasons.SCOPE
        return verify.standing(self._lock.trust, self._lock.now(), asking.kid, asking.token)

    def _read_audit(self, epoch: int, argument: Any) -> tuple:
        if not _two_uints(argument):
            return reasons.MALFORMED, None
        lock = self._lock
        records = lock.journal.read(argument[0], min(argument[1], MAX_RECORDS_PER_REPLY))
        try:
            first = audit.decode_record(records[0]).seq if records else argument[0]
        except AuditError:  # whole by its CRC, but of no form of ours: another firmware wrote it
            return reasons.STORAGE, None
        head = Head(lock.trust.lock_id, lock.journal.epoch, first, b"")
        salt = lock.crypto.random_bytes(audit.SALT_BYTES)
        kdk = lock.trust.kdks.get(epoch)
        if kdk is None:  # the epoch went with a keyset that came in this very session
            return reasons.UNKNOWN_ISSUER, None
        raw, seal = audit.pack(lock.crypto.aes, kdk, salt, head, epoch, records)
        return OK, [raw, seal]

    def _sign_head(self, nonce: Any) -> tuple:
        if not is_bytes(nonce, audit.HEAD_NONCE_BYTES):
            return reasons.MALFORMED, None
        return OK, self._lock.sign_head(nonce)


def _source(command: int, relayed: bool) -> int:
    if command == session.COMMAND_SYNC or command not in _OPERATIONS:
        return audit.SOURCE_NONE
    if relayed or command == session.COMMAND_UNLOCK_REMOTE:
        return audit.SOURCE_REMOTE
    return audit.SOURCE_HOLDER


def _two_uints(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and are_uints(*value)
