"""The audit record and the chain that makes edits, gaps and reordering show.

Decides the form of a record, how each binds its predecessor, whether a run of records continues a
chain, and the parcel in which records leave the lock. A record is CBOR
[seq, time_lo, time_hi, event, code, source, subject, value, previous_hash]; its hash is SHA-256 of
these bytes; the first record of a journal binds `genesis(lock_id, journal_epoch)`. A parcel hides
the records from its carrier and goes under a seal that only the lock and the vault can make. Two
signed documents go with it: the town's acknowledgement, and the lock's own word on its head.
"""

from protocol import cbor, cose, forms, timebound
from protocol.crypto import HASH_BYTES, MAC_BYTES, aes_ctr, hmac_sha256, same_bytes, sha256
from protocol.forms import are_uints, is_bytes, is_uint
from protocol.keys import audit_cipher_key, audit_key
from protocol.shim import Callable
from protocol.timebound import TimeBound
from protocol.token import CTI_BYTES, is_lock_id

MAX_RECORD_BYTES = 112
SALT_BYTES = 16
ACK_CONTEXT = b"kannuki-ack"
HEAD_CONTEXT = b"kannuki-head"
HEAD_NONCE_BYTES = 16

# Events, named after Matter's Door Lock cluster where it has one. Append only.
BOOT = 1  # code: reset cause
LOCK_OPERATION = 2  # code: an operation below; value of a single opening: when its token expires
LOCK_OPERATION_ERROR = 3  # code: a reason; value: it stands for so many refusals, counted
DOOR_LOCK_ALARM = 4  # code: an alarm below
DOOR_STATE = 5  # code: 0 open, 1 closed
STATUS_LIST = 6  # code: version now held
KEYSET = 7  # code: version now held
CONFIG = 8  # code: version now held
TIME = 9  # code: a time code below; value: the floor, which never falls but by a reset
GAP = 10  # code: how many records were dropped unacknowledged; value: the first one kept
PIN_ATTEMPT = 11  # value: failures in a row if this one fails; written before the PIN is looked at
KEYPAD = 12  # code: a keypad code below

OPERATION_LOCK = 0
OPERATION_UNLOCK = 1
OPERATION_HOLD_OPEN = 2
OPERATION_EVACUATE = 3

ALARM_JAMMED = 0
ALARM_FORCED = 1
ALARM_HELD = 2
ALARM_TAMPER = 3
ALARM_WRONG_CODE = 4  # ten wrong PINs in a row
ALARM_KEYPAD_DISABLED = 5  # a hundred: the keypad is off until staff clear it
ALARM_EMERGENCY_KEY = 6  # an emergency token opened
ALARM_EVACUATION = 7
ALARM_TIME = 8  # signed time contradicts a healthy clock or the floor
ALARM_FORK = 9  # the town acknowledges another history than this lock's

TIME_CHECKPOINT = 0
TIME_SET = 1  # lo and hi of this record are what the lock made of a signed answer
TIME_RESET = 2  # by a root

KEYPAD_CLEARED = 0

DOOR_OPEN = 0
DOOR_CLOSED = 1

# Who moved it. Append only.
SOURCE_NONE = 0
SOURCE_HOLDER = 1  # a holder at the door
SOURCE_REMOTE = 2  # a holder by relay
SOURCE_AUTO = 3  # relock
SOURCE_BUTTON = 4  # request to exit
SOURCE_MANUAL = 5  # by hand, seen by the sensors
SOURCE_KEYPAD = 6  # a PIN

_SEAL_LABEL = b"kannuki1-audit"


class AuditError(ValueError):
    """Bytes that are no record or parcel, or a run of records that does not continue its chain."""


class Record:
    """One event. `subject`: a cti or PIN name (8 bytes) or None; `value`: as the event says."""

    def __init__(
        self,
        seq: int,
        time: TimeBound,
        event: int,
        code: int,
        source: int,
        subject: bytes | None,
        value: int | None,
        previous: bytes,
    ) -> None:
        self.seq = seq
        self.time = time
        self.event = event
        self.code = code
        self.source = source
        self.subject = subject
        self.value = value
        self.previous = previous


class Parcel:
    """Records as one lock gave them. What a carrier sees: all but the records themselves."""

    def __init__(
        self,
        lock_id: str,
        vault_epoch: int,
        journal_epoch: int,
        first_seq: int,
        count: int,
        salt: bytes,
        hidden: bytes,
    ) -> None:
        self.lock_id = lock_id
        self.vault_epoch = vault_epoch
        self.journal_epoch = journal_epoch
        self.first_seq = first_seq
        self.count = count
        self.salt = salt
        self.hidden = hidden


class Head:
    """Where a journal stands; what an acknowledgement and the lock's signed head speak of."""

    def __init__(self, lock_id: str, journal_epoch: int, seq: int, record_hash: bytes) -> None:
        self.lock_id = lock_id
        self.journal_epoch = journal_epoch
        self.seq = seq
        self.record_hash = record_hash


def genesis(lock_id: str, journal_epoch: int) -> bytes:
    """What the first record of a journal names as its predecessor."""
    return sha256(cbor.encode(["kannuki-audit", lock_id, journal_epoch]))


def record_hash(raw_record: bytes) -> bytes:
    """The name of a record in its successor and in outcomes: 32 bytes."""
    return sha256(raw_record)


def encode_record(record: Record) -> bytes:
    """At most MAX_RECORD_BYTES."""
    lo, hi = timebound.to_wire(record.time)
    raw = cbor.encode(
        [
            record.seq,
            lo,
            hi,
            record.event,
            record.code,
            record.source,
            record.subject,
            record.value,
            record.previous,
        ]
    )
    if len(raw) > MAX_RECORD_BYTES:
        raise AuditError("a record has at most 112 bytes")
    return raw


def decode_record(raw: bytes) -> Record:
    """The record in `raw`. Raises AuditError."""
    members = forms.array(raw, 9, AuditError)
    seq, lo, hi, event, code, source, subject, value, previous = members
    time = timebound.from_wire(lo, hi)
    if time is None:
        raise AuditError("unexpected form")
    _need(are_uints(seq, event, code, source))
    _need(subject is None or is_bytes(subject, CTI_BYTES))
    _need((value is None or is_uint(value)) and is_bytes(previous, HASH_BYTES))
    return Record(seq, time, event, code, source, subject, value, previous)


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


# --- parcels ---


def pack(
    aes: Callable, kdk: bytes, salt: bytes, head: Head, vault_epoch: int, raw_records: list
) -> tuple:
    """(raw parcel, seal: 16 bytes) of records whose first has head.seq.

    `aes` as in protocol.crypto.Crypto; `salt`: SALT_BYTES fresh random bytes.
    """
    encrypt_block = aes(audit_cipher_key(kdk, salt))
    hidden = aes_ctr(encrypt_block, cbor.encode(raw_records))
    members = [head.lock_id, vault_epoch, head.journal_epoch, head.seq, len(raw_records)]
    raw = cbor.encode(members + [salt, hidden])
    return raw, seal(audit_key(kdk), raw)


def decode_parcel(raw: bytes) -> Parcel:
    """What a carrier may read. Raises AuditError."""
    lock_id, vault_epoch, epoch, first_seq, count, salt, hidden = forms.array(raw, 7, AuditError)
    _need(is_lock_id(lock_id) and are_uints(vault_epoch, epoch, first_seq, count))
    _need(is_bytes(salt, SALT_BYTES) and isinstance(hidden, bytes))
    return Parcel(lock_id, vault_epoch, epoch, first_seq, count, salt, hidden)


def unpack(aes: Callable, kdk: bytes, raw: bytes, parcel_seal: bytes) -> list:
    """The raw records in a parcel. Raises AuditError, also when the seal is not this lock's."""
    parcel = decode_parcel(raw)
    if not same_bytes(parcel_seal, seal(audit_key(kdk), raw)):
        raise AuditError("the seal is not this lock's")
    encrypt_block = aes(audit_cipher_key(kdk, parcel.salt))
    records = forms.array(aes_ctr(encrypt_block, parcel.hidden), parcel.count, AuditError)
    _need(all(isinstance(raw_record, bytes) for raw_record in records))
    return records


def seal(key: bytes, raw_parcel: bytes) -> bytes:
    """16 bytes that prove the parcel came from the lock (keys.audit_key)."""
    return hmac_sha256(key, _SEAL_LABEL, sha256(raw_parcel))[:MAC_BYTES]


# --- heads ---


def encode_ack(head: Head) -> bytes:
    """The payload with which the town's key of role "ack" says: committed up to this record."""
    return cbor.encode([head.lock_id, head.journal_epoch, head.seq, head.record_hash])


def decode_ack(payload: bytes) -> Head:
    """The head that a payload acknowledges. Raises AuditError."""
    lock_id, epoch, seq, record = forms.array(payload, 4, AuditError)
    _need(is_lock_id(lock_id) and are_uints(epoch, seq) and is_bytes(record, HASH_BYTES))
    return Head(lock_id, epoch, seq, record)


def parse_ack(document: bytes) -> tuple:
    """(Signed, Head) of an unverified acknowledgement. Raises CoseError or AuditError."""
    signed = cose.decode(document)
    return signed, decode_ack(signed.payload)


def encode_head(head: Head, nonce: bytes) -> bytes:
    """The payload with which a lock's own key says where its journal stands, now."""
    return cbor.encode([head.lock_id, head.journal_epoch, head.seq, head.record_hash, nonce])


def decode_head(payload: bytes) -> tuple:
    """(Head, nonce). Raises AuditError."""
    lock_id, epoch, seq, record, nonce = forms.array(payload, 5, AuditError)
    _need(is_lock_id(lock_id) and are_uints(epoch, seq) and is_bytes(record, HASH_BYTES))
    _need(is_bytes(nonce, HEAD_NONCE_BYTES))
    return Head(lock_id, epoch, seq, record), nonce


def _need(condition: bool) -> None:
    forms.need(condition, AuditError)
