"""What the records of a journal mean for a lock that has lost its RAM. Pure: does no I/O.

Decides, record by record, the floor of time, the last signed time, how many PINs failed in a row,
which single-use tokens are spent, and which dropped records a GAP record has told of; and the form
of the checkpoint that saves replaying all of it. `apply` alone changes any of this (the journal
sets `acked`): so the memory rebuilt from the records is the one that was lost. A record applied
again, or out of its turn, changes nothing.
"""

import binascii

from protocol import audit, cbor, forms, timebound
from protocol.forms import are_uints, is_bytes, is_uint
from protocol.shim import Any
from protocol.timebound import TimeBound
from protocol.token import CTI_BYTES

MAX_SPENT = 64
_FORM = 1
_CRC_BYTES = 4


class CheckpointError(ValueError):
    """Bytes that are no checkpoint of ours, or not whole."""


class Memory:
    """`floor`: Unix s, only a reset lowers it; `spent`: {cti: expires_at}; `acked`: seq.

    `time_set`: TimeBound of the newest signed time, or None; `pin_failures`: in a row; `seq`: the
    newest record applied; `kept_from`: the newest GAP record tells of what was dropped before this.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.floor = 0
        self.time_set = None
        self.pin_failures = 0
        self.spent = {}
        self.acked = 0
        self.kept_from = 1

    def room(self, now: TimeBound) -> bool:
        """Whether one more single-use token can be marked and none forgotten that may still open.

        Marks of expired tokens stay until they are pushed out: a reset of time can make such a
        token live again.
        """
        return sum(1 for expires_at in self.spent.values() if expires_at > now.lo) < MAX_SPENT

    def apply(self, record: audit.Record) -> None:
        """Take in the next record, once it is written."""
        if record.seq <= self.seq:
            return
        self.seq = record.seq
        if record.event == audit.LOCK_OPERATION and record.code != audit.OPERATION_LOCK:
            self._opened(record)
        elif record.event == audit.KEYPAD and record.code == audit.KEYPAD_CLEARED:
            self.pin_failures = 0
        elif record.value is not None:
            self._valued(record.event, record.code, record.value, record.time)

    def _opened(self, record: audit.Record) -> None:
        if record.source == audit.SOURCE_KEYPAD:
            self.pin_failures = 0
        if record.value is None or record.subject is None:
            return
        self.spent[record.subject] = record.value
        if len(self.spent) > MAX_SPENT:  # whoever asked for room loses an expired one
            del self.spent[min((expires_at, cti) for cti, expires_at in self.spent.items())[1]]

    def _valued(self, event: int, code: int, value: int, time: TimeBound) -> None:
        if event == audit.PIN_ATTEMPT:
            self.pin_failures = value
        elif event == audit.GAP:
            self.kept_from = value
        elif event == audit.TIME:
            self.floor = value if code == audit.TIME_RESET else max(self.floor, value)
            if code in (audit.TIME_SET, audit.TIME_RESET):
                self.time_set = time

    def encode(self) -> bytes:
        """CBOR [form, seq, floor, [lo, hi] / null, failures, {cti: expires_at}, acked, kept_from]
        and its CRC-32, big endian: 13 bytes to about 1 kB.
        """
        time_set = None if self.time_set is None else timebound.to_wire(self.time_set)
        body = cbor.encode(
            [
                _FORM,
                self.seq,
                self.floor,
                time_set,
                self.pin_failures,
                self.spent,
                self.acked,
                self.kept_from,
            ]
        )
        return body + _crc(body)


def decode(raw: bytes) -> Memory:
    """The memory in a checkpoint. Raises CheckpointError."""
    body = raw[:-_CRC_BYTES]
    _need(raw[-_CRC_BYTES:] == _crc(body))
    members = forms.array(body, 8, CheckpointError)
    memory = Memory()
    form, memory.seq, memory.floor, time_set = members[:4]
    memory.pin_failures, memory.spent, memory.acked, memory.kept_from = members[4:]
    _need(form == _FORM and are_uints(memory.seq, memory.floor, memory.pin_failures))
    _need(are_uints(memory.acked, memory.kept_from) and _are_marks(memory.spent))
    memory.time_set = None if time_set is None else _bound(time_set)
    return memory


def _crc(body: bytes) -> bytes:
    return (binascii.crc32(body) & 0xFFFFFFFF).to_bytes(_CRC_BYTES, "big")


def _are_marks(spent: Any) -> bool:
    if not isinstance(spent, dict) or len(spent) > MAX_SPENT:
        return False
    return all(is_bytes(cti, CTI_BYTES) and is_uint(spent[cti]) for cti in spent)


def _bound(members: Any) -> TimeBound:
    _need(isinstance(members, list) and len(members) == 2)
    bound = timebound.from_wire(members[0], members[1])
    _need(bound is not None)
    return bound


def _need(condition: bool) -> None:
    forms.need(condition, CheckpointError)
