"""The audit record and the chain that makes edits, gaps and reordering show.

Decides the form of a record, how each binds its predecessor, and whether a run of records
continues a chain. A record is CBOR
[seq, time_lo, time_hi, event, code, source, subject, previous_hash]; its hash is SHA-256 of these
bytes; the first record of a journal binds `genesis(lock_id, journal_epoch)`. What leaves the lock
goes as a batch under a seal that only the lock and the vault can make.
"""

from protocol import cbor
from protocol.cbor import CborError
from protocol.crypto import MAC_BYTES, hmac_sha256, sha256
from protocol.shim import Any
from protocol.timebound import TimeBound
from protocol.token import CTI_BYTES, is_lock_id

MAX_RECORD_BYTES = 112

# Events, named after Matter's Door Lock cluster. Append only.
BOOT = 1  # code: reset cause
LOCK_OPERATION = 2  # code: an operation below
LOCK_OPERATION_ERROR = 3  # code: a reason (protocol/reasons.py)
DOOR_LOCK_ALARM = 4  # code: an alarm below
DOOR_STATE = 5  # code: 0 open, 1 closed
STATUS_LIST = 6  # code: version now held

OPERATION_LOCK = 0
OPERATION_UNLOCK = 1

ALARM_JAMMED = 0
ALARM_FORCED = 1
ALARM_HELD = 2
ALARM_TAMPER = 3

DOOR_OPEN = 0
DOOR_CLOSED = 1

# Who moved it. Append only.
SOURCE_NONE = 0
SOURCE_HOLDER = 1  # a holder at the door
SOURCE_REMOTE = 2  # a holder by relay
SOURCE_AUTO = 3  # relock
SOURCE_BUTTON = 4  # request to exit
SOURCE_MANUAL = 5  # by hand, seen by the sensors

_SEAL_LABEL = b"kannuki1-audit"


class AuditError(ValueError):
    """Bytes that are no record or batch, or a run of records that does not continue its chain."""


class Record:
    """One event; `time` is a TimeBound or None, `subject` the cti of the token or None."""

    def __init__(
        self,
        seq: int,
        time: TimeBound | None,
        event: int,
        code: int,
        source: int,
        subject: bytes | None,
        previous: bytes,
    ) -> None:
        self.seq = seq
        self.time = time
        self.event = event
        self.code = code
        self.source = source
        self.subject = subject
        self.previous = previous


class Batch:
    """Records as one lock gave them: vault_epoch names the kdk whose audit key made the seal."""

    def __init__(self, lock_id: str, vault_epoch: int, journal_epoch: int, records: list) -> None:
        self.lock_id = lock_id
        self.vault_epoch = vault_epoch
        self.journal_epoch = journal_epoch
        self.records = records  # raw bytes each


def genesis(lock_id: str, journal_epoch: int) -> bytes:
    """What the first record of a journal names as its predecessor."""
    return sha256(cbor.encode(["kannuki-audit", lock_id, journal_epoch]))


def record_hash(raw_record: bytes) -> bytes:
    """The name of a record in its successor and in outcomes: 32 bytes."""
    return sha256(raw_record)


def encode_record(record: Record) -> bytes:
    """At most MAX_RECORD_BYTES."""
    time = record.time
    raw = cbor.encode(
        [
            record.seq,
            None if time is None else time.lo,
            None if time is None else time.hi,
            record.event,
            record.code,
            record.source,
            record.subject,
            record.previous,
        ]
    )
    if len(raw) > MAX_RECORD_BYTES:
        raise AuditError("a record has at most 112 bytes")
    return raw


def decode_record(raw: bytes) -> Record:
    """The record in `raw`. Raises AuditError."""
    seq, lo, hi, event, code, source, subject, previous = _array(raw, 8)
    _need(all(_is_uint(v) for v in (seq, event, code, source)))
    _need(subject is None or (isinstance(subject, bytes) and len(subject) == CTI_BYTES))
    _need(isinstance(previous, bytes) and len(previous) == 32)
    return Record(seq, _time(lo, hi), event, code, source, subject, previous)


def check_run(raw_records: list, next_seq: int, previous_hash: bytes) -> tuple:
    """(records, hash of the last) of a run that continues a chain at `next_seq`.

    Raises AuditError naming the first record that does not fit: edited, missing or out of order.
    """
    records = []
    for raw in raw_records:
        record = decode_record(raw)
        if record.seq != next_seq:
            raise AuditError("expected record {}, got {}".format(next_seq, record.seq))
        if record.previous != previous_hash:
            raise AuditError("record {} does not follow its predecessor".format(record.seq))
        records.append(record)
        previous_hash = record_hash(raw)
        next_seq += 1
    return records, previous_hash


def encode_batch(batch: Batch) -> bytes:
    """The bytes that the seal covers."""
    return cbor.encode([batch.lock_id, batch.vault_epoch, batch.journal_epoch, batch.records])


def decode_batch(raw: bytes) -> Batch:
    """The batch in `raw`; records are not looked into. Raises AuditError."""
    lock_id, vault_epoch, journal_epoch, records = _array(raw, 4)
    _need(is_lock_id(lock_id) and _is_uint(vault_epoch) and _is_uint(journal_epoch))
    _need(isinstance(records, list) and all(isinstance(r, bytes) for r in records))
    return Batch(lock_id, vault_epoch, journal_epoch, records)


def seal(audit_key: bytes, raw_batch: bytes) -> bytes:
    """16 bytes that prove the batch came from the lock (keys.audit_key)."""
    return hmac_sha256(audit_key, _SEAL_LABEL, sha256(raw_batch))[:MAC_BYTES]


def _array(raw: bytes, count: int) -> list:
    try:
        members = cbor.decode(raw)
    except CborError as error:
        raise AuditError(str(error))
    _need(isinstance(members, list) and len(members) == count)
    return members


def _time(lo: Any, hi: Any) -> TimeBound | None:
    if lo is None and hi is None:
        return None
    _need(_is_uint(lo) and _is_uint(hi) and lo <= hi)
    return TimeBound(lo, hi)


def _need(condition: bool) -> None:
    if not condition:
        raise AuditError("unexpected form")


def _is_uint(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
