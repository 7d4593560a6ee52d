"""The lock: one object that owns the journal, the door, what is trusted, and all sessions.

Decides nothing that its parts do not decide; it is where they meet. Ports come in from outside:
`crypto` is a protocol.crypto.Crypto, `storage` keeps files (firmware/hal/storage.py says which
methods), `ticks()` gives milliseconds that never run backwards, `rtc` as timekeeper.py says.
Everything else arrives through methods with `at`, on the clock of `ticks`. A restart opens nothing.
"""

from firmware.core import identity as identities
from firmware.core import keypad
from firmware.core.access import Access
from firmware.core.documents import DocumentStore
from firmware.core.door import JAMMED, LOCKED, UNLOCKED, Door, Sensors
from firmware.core.identity import Identity
from firmware.core.journal import Journal
from firmware.core.keypad import Attempt, Keypad
from firmware.core.refusals import Refusals
from firmware.core.secrets import Secrets
from firmware.core.session import Sessions
from firmware.core.statusstore import StatusStore
from firmware.core.timekeeper import TimeKeeper
from protocol import audit, lockconfig, lockstate, reasons, session, timebound
from protocol.audit import Head
from protocol.cose import CoseError
from protocol.crypto import Crypto
from protocol.keyset import Keyset
from protocol.lockconfig import DoorConfig, LockConfig, LockConfigError
from protocol.session import OK, Challenge
from protocol.shim import Any, Callable
from protocol.signedtime import SignedTime
from protocol.statuslist import StatusList
from protocol.timebound import TimeBound
from protocol.verify import Trust

VERSION = "0.1.0"  # what STATE_FIRMWARE says
KEEP_TIME_EVERY_MS = 60000

_BOLT_CODES = {
    LOCKED: lockstate.BOLT_LOCKED,
    UNLOCKED: lockstate.BOLT_UNLOCKED,
    JAMMED: lockstate.BOLT_JAMMED,
}


class Lock:
    """`sensors`: the first readings after power came.

    `battery()`: per cent left, or None on a board without one.
    """

    def __init__(
        self,
        identity: Identity,
        secrets: Secrets,
        storage: Any,
        crypto: Crypto,
        ticks: Callable,
        rtc: Any,
        sensors: Sensors,
        reset_cause: int = 0,
        battery: Callable | None = None,
    ) -> None:
        self.crypto = crypto
        self.storage = storage
        self.lost_records = 0  # events that storage refused; openings never depend on one
        self._secrets = secrets
        self._ticks = ticks
        self._battery = battery
        self._refusals = Refusals()
        lock_id = identity.lock_id
        self.journal = Journal(storage, lock_id, identity.journal_epoch)
        self._clock = _time_keeper(ticks, rtc, identity, self.journal.memory)
        self.statuses = StatusStore(storage, lock_id)
        self.config = _stored_config(storage, lock_id)
        keyset = identities.load_keyset(storage)
        kdks = secrets.kdks(lock_id, keyset)
        self.trust = Trust(lock_id, keyset, kdks, self.statuses.current)
        self.trust.spent = self.journal.memory.spent
        self.door = Door(self.config.door, sensors, ticks())
        self.keypad = Keypad(self._pin_failures, self._count_pin, self._judge_pin, False, ticks())
        self._apply_config()
        self.sessions = Sessions(self, Access(self))
        for issued_at in (keyset.issued_at, self.statuses.current.header.issued_at):
            self._clock.raise_lo(issued_at)
        self.record(audit.BOOT, reset_cause, audit.SOURCE_NONE)
        self._time_kept_at = ticks()
        self._keep_time()

    # --- time ---

    def now(self) -> TimeBound:
        """The lock's idea of the time."""
        return self._clock.now()

    def set_time(self, answer: SignedTime, asked_at: int) -> bool:
        """Take the town's answer to a nonce given out at `asked_at`; False: it contradicts."""
        taken = self._clock.take(answer, asked_at)
        self._keep_time()
        return taken

    def reset_time(self, answer: SignedTime, asked_at: int) -> bool:
        """A root's word, which may lower the floor. False when it could not be recorded."""
        bound = self._clock.reset(answer, asked_at)
        return self._record_time(bound, audit.TIME_RESET)

    def _keep_time(self) -> None:
        """Write down what the clock says must outlive a restart, and its alarms."""
        clock = self._clock
        if clock.alarm_due():
            self.alarm(audit.ALARM_TIME, audit.SOURCE_NONE, None)
        bound = clock.time_set_due()
        if bound is not None:
            self._record_time(bound, audit.TIME_SET)
        elif clock.checkpoint_due():
            self._record_time(self.now(), audit.TIME_CHECKPOINT)

    def _record_time(self, bound: TimeBound, code: int) -> bool:
        try:
            self.journal.append(bound, audit.TIME, code, audit.SOURCE_NONE, None, bound.lo)
        except OSError:
            self.lost_records += 1
            return False
        self._clock.persisted(bound.lo)
        if code != audit.TIME_CHECKPOINT:
            self._clock.time_set_persisted()
        return True

    # --- the door and the journal ---

    def sense(self, sensors: Sensors, at: int) -> int:
        """Take readings, let time pass, and say what the motor must do (firmware.core.door)."""
        self.note(self.door.sense(sensors, at))
        self.sessions.tick(at)
        if at - self._time_kept_at >= KEEP_TIME_EVERY_MS:
            self._time_kept_at = at
            self._keep_time()
            self._keep_refusals(at)
        return self.door.drive

    def note(self, events: list) -> None:
        """Record what the door reports."""
        for event, code, source in events:
            self.record(event, code, source)

    def refused(self, reason: int, source: int, subject: bytes) -> None:
        """Record a refusal of a proven holder, or count it when his are too many."""
        if self._refusals.is_due(subject, reason, source, self._ticks()):
            self.record(audit.LOCK_OPERATION_ERROR, reason, source, subject)

    def _keep_refusals(self, at: int) -> None:
        for reason, source, subject, count in self._refusals.over(at):
            self.record(audit.LOCK_OPERATION_ERROR, reason, source, subject, count)

    def alarm(self, code: int, source: int, subject: bytes | None) -> None:
        """Record that something is wrong."""
        self.record(audit.DOOR_LOCK_ALARM, code, source, subject)

    def record(
        self,
        event: int,
        code: int,
        source: int,
        subject: bytes | None = None,
        value: int | None = None,
    ) -> bool:
        """Append to the journal; False when storage refused (the caller decides what then)."""
        try:
            self.journal.append(self.now(), event, code, source, subject, value)
            return True
        except OSError:
            self.lost_records += 1
            return False

    def sign_head(self, nonce: bytes) -> bytes:
        """The lock's own signature on where its journal stands."""
        journal = self.journal
        head = Head(self.trust.lock_id, journal.epoch, journal.head_seq, journal.head_hash)
        return self._secrets.sign_head(head, nonce)

    # --- documents ---

    def kdks_under(self, keyset: Keyset) -> dict | None:
        """{vault epoch: kdk}; None when a vault's key is one that nothing can be agreed with."""
        try:
            return self._secrets.kdks(self.trust.lock_id, keyset)
        except ValueError:
            return None

    def adopt_keyset(self, keyset: Keyset, kdks: dict) -> None:
        """A newer keyset, stored already, counts from now on; `kdks` as `kdks_under` gives them."""
        self.trust.keyset = keyset
        self.trust.kdks = kdks
        self.trust.remembered.forget()
        self.statuses.abandon()
        self._clock.raise_lo(keyset.issued_at)
        self.record(audit.KEYSET, keyset.version, audit.SOURCE_NONE)

    def adopt_config(self, config: LockConfig) -> None:
        """A newer configuration, stored already, counts from now on."""
        self.config = config
        self._apply_config()
        self.record(audit.CONFIG, config.version, audit.SOURCE_NONE)

    def adopt_status(self, status: StatusList) -> None:
        """A newer status list, stored already, counts from now on."""
        self.trust.status = status
        self._clock.raise_lo(status.header.issued_at)
        self.record(audit.STATUS_LIST, status.version, audit.SOURCE_NONE)

    def _apply_config(self) -> None:
        self.door.configure(self.config.door)
        self.trust.groups = self.config.groups
        self.trust.doubt_s = self.config.door.doubt_s
        self.keypad.allowed = self.config.door.pin_allowed == 1

    # --- the keypad ---

    def key_pressed(self, key: str, at: int) -> int | None:
        """One key of the keypad; the reason to show (OK: it opens), or None: go on typing."""
        attempt = self.keypad.press(key, at)
        return None if attempt is None else self._attempted(attempt, at)

    def _attempted(self, attempt: Attempt, at: int) -> int:
        source = audit.SOURCE_KEYPAD
        self.note(attempt.events)
        if attempt.reason != OK:
            if attempt.name is not None:
                self.record(audit.LOCK_OPERATION_ERROR, attempt.reason, source, attempt.name)
            return attempt.reason
        operation = audit.OPERATION_UNLOCK
        if not self.record(audit.LOCK_OPERATION, operation, source, attempt.name):
            return reasons.STORAGE
        self.note(self.door.unlock(source, at))
        return OK

    def clear_keypad(self, subject: bytes) -> int:
        """Staff have looked at it: the keypad works again. OK or STORAGE."""
        done = self.record(audit.KEYPAD, audit.KEYPAD_CLEARED, audit.SOURCE_HOLDER, subject)
        if not done:
            return reasons.STORAGE
        self.keypad.clear(self._ticks())
        return OK

    def _pin_failures(self) -> int:
        return self.journal.memory.pin_failures

    def _count_pin(self, failures: int) -> bool:
        return self.record(audit.PIN_ATTEMPT, 0, audit.SOURCE_KEYPAD, None, failures)

    def _judge_pin(self, digits: str) -> tuple:
        trust, door = self.trust, self.config.door
        return keypad.judge_pin(
            digits,
            trust.lock_id,
            trust.kdks,
            self.crypto.aes,
            self.now(),
            door.doubt_s,
            trust.status,
        )

    # --- what it says of itself ---

    def challenge(self, nonce: bytes, max_fragment: int) -> bytes:
        """A challenge with this nonce."""
        trust = self.trust
        versions = (trust.keyset.version, trust.status.version, self.config.version)
        epochs = sorted(trust.kdks)
        return session.encode_challenge(
            Challenge(trust.lock_id, nonce, self.now(), versions, epochs, max_fragment)
        )

    def state(self) -> dict:
        """What a holder of an open session may know of the door."""
        lo, hi = timebound.to_wire(self.now())
        closed, journal = self.door.sensors.closed, self.journal
        state = {
            lockstate.STATE_BOLT: _BOLT_CODES.get(self.door.state, lockstate.BOLT_MOVING),
            lockstate.STATE_DOOR: lockstate.LEAF_CLOSED if closed else lockstate.LEAF_OPEN,
            lockstate.STATE_STATUS_VERSION: self.trust.status.version,
            lockstate.STATE_HEAD_SEQ: journal.head_seq,
            lockstate.STATE_TIME_LO: lo,
            lockstate.STATE_TIME_HI: hi,
            lockstate.STATE_OLDEST_SEQ: journal.oldest_seq,
            lockstate.STATE_JOURNAL_EPOCH: journal.epoch,
            lockstate.STATE_KEYSET_VERSION: self.trust.keyset.version,
            lockstate.STATE_CONFIG_VERSION: self.config.version,
            lockstate.STATE_ACKED_SEQ: journal.acked_seq,
            lockstate.STATE_KEYPAD: self.keypad.state(self._ticks()),
            lockstate.STATE_HELD_OPEN: self.door.held_open,
            lockstate.STATE_LOST_RECORDS: self.lost_records,
            lockstate.STATE_FIRMWARE: VERSION,
        }
        battery = self._battery() if self._battery else None
        if battery is not None:
            state[lockstate.STATE_BATTERY] = battery
        return state


def _time_keeper(ticks: Callable, rtc: Any, identity: Identity, memory: Any) -> TimeKeeper:
    """Time as the journal knows it; before its first record, as the bench said at enrolment."""
    t, error = identity.enrolled_time
    told = TimeBound(t - error, t + error)
    return TimeKeeper(ticks, rtc, memory.floor or told.lo, memory.time_set or told)


def _stored_config(storage: Any, lock_id: str) -> LockConfig:
    """The configuration adopted last, or what a lock does that was never told: version 0."""
    document = DocumentStore(storage, identities.CONFIG_NAME).load()
    try:
        return lockconfig.parse(document)[1]
    except (CoseError, LockConfigError, TypeError):
        return LockConfig(lock_id, 0, 0, [], DoorConfig())
