"""The lock: one object that owns the journal, the door, what is trusted, and all sessions.

Decides nothing that its parts do not decide; it is where they meet. Ports come in from outside:
`clock()` gives a TimeBound or None, `crypto` is a protocol.crypto.Crypto, `storage` keeps files
(firmware/hal/storage.py says which methods). Everything else arrives through methods with `at`,
milliseconds that never run backwards. A restart opens nothing.
"""

from firmware.core.access import Access
from firmware.core.config import Config
from firmware.core.door import JAMMED, LOCKED, UNLOCKED, Door, Sensors
from firmware.core.journal import Journal
from firmware.core.session import Sessions
from protocol import audit, keys, lockstate, session, statuslist
from protocol.crypto import Crypto
from protocol.session import Challenge
from protocol.shim import Any, Callable
from protocol.statuslist import StatusList
from protocol.timebound import TimeBound
from protocol.verify import Trust

STATUS_FILE = "status.cose"

_BOLT_CODES = {
    LOCKED: lockstate.BOLT_LOCKED,
    UNLOCKED: lockstate.BOLT_UNLOCKED,
    JAMMED: lockstate.BOLT_JAMMED,
}


class Lock:
    """`kdks`: {vault epoch: kdk, 32 bytes}; `sensors`: the first readings after power came."""

    def __init__(
        self,
        config: Config,
        kdks: dict,
        storage: Any,
        crypto: Crypto,
        clock: Callable,
        sensors: Sensors,
        at: int,
        reset_cause: int = 0,
    ) -> None:
        self.config = config
        self.crypto = crypto
        self.audit_keys = {epoch: keys.audit_key(kdk) for epoch, kdk in kdks.items()}
        self.journal = Journal(storage, config.lock_id, config.journal_epoch)
        self.door = Door(config.door, sensors, at)
        self.trust = Trust(config.lock_id, config.keyset, kdks, _stored_status(storage, config))
        self.sessions = Sessions(self, Access(self))
        self.lost_records = 0  # events that storage refused; openings never depend on one
        self._clock = clock
        self._storage = storage
        self.record(audit.BOOT, reset_cause, audit.SOURCE_NONE, None)

    def now(self) -> TimeBound | None:
        """The lock's idea of the time."""
        return self._clock()

    def sense(self, sensors: Sensors, at: int) -> int:
        """Take readings, let time pass, and say what the motor must do (firmware.core.door)."""
        self.note(self.door.sense(sensors, at))
        self.sessions.tick(at)
        return self.door.drive

    def note(self, events: list) -> None:
        """Record what the door reports."""
        for event, code, source in events:
            self.record(event, code, source, None)

    def record(self, event: int, code: int, source: int, subject: bytes | None) -> bool:
        """Append to the journal; False when storage refused (the caller decides what then)."""
        try:
            self.journal.append(self.now(), event, code, source, subject)
            return True
        except OSError:
            self.lost_records += 1
            return False

    def challenge(self, max_fragment: int) -> bytes:
        """A fresh challenge: the nonce lives in the connection that asked."""
        nonce = self.crypto.random_bytes(session.NONCE_BYTES)
        versions = (self.config.keyset_version, self.trust.status.version, self.config.version)
        epochs = sorted(self.trust.kdks)
        lock_id = self.config.lock_id
        return session.encode_challenge(
            Challenge(lock_id, nonce, self.now(), versions, epochs, max_fragment)
        )

    def adopt_status_list(self, document: bytes, status: StatusList) -> bool:
        """Keep a verified, newer list: stored before it counts. False when storage refused."""
        try:
            self._storage.write(STATUS_FILE, document)
        except OSError:
            return False
        self.trust.status = status
        self.record(audit.STATUS_LIST, status.version, audit.SOURCE_NONE, None)
        return True

    def state(self) -> dict:
        """What a holder of an open session may know of the door."""
        now, closed = self.now(), self.door.sensors.closed
        return {
            lockstate.STATE_BOLT: _BOLT_CODES.get(self.door.state, lockstate.BOLT_MOVING),
            lockstate.STATE_DOOR: lockstate.LEAF_CLOSED if closed else lockstate.LEAF_OPEN,
            lockstate.STATE_STATUS_VERSION: self.trust.status.version,
            lockstate.STATE_HEAD_SEQ: self.journal.head_seq,
            lockstate.STATE_TIME_LO: None if now is None else now.lo,
            lockstate.STATE_TIME_HI: None if now is None else now.hi,
            lockstate.STATE_OLDEST_SEQ: self.journal.oldest_seq,
            lockstate.STATE_JOURNAL_EPOCH: self.journal.epoch,
        }


def _stored_status(storage: Any, config: Config) -> StatusList:
    """The list adopted last; its signature was checked then, and files are replaced whole."""
    document = storage.read(STATUS_FILE)
    if document is None:
        return statuslist.empty(config.lock_id)
    return statuslist.parse(document)[1]
