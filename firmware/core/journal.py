"""The lock's journal: an append-only chain of audit records in fixed slots with a CRC.

Decides where a record goes, what the head is after a restart, and what has to go when the journal
is full. One event is one append. Storage is a port (firmware/hal/storage.py): `names`, `read`,
`append`, `delete`. Slots lie in segments, files named after their first sequence number; a torn
last slot is never continued, the next record starts a new segment. Sequence numbers never repeat
and the head never falls.
"""

import binascii

from protocol import audit
from protocol.shim import Any
from protocol.timebound import TimeBound

SLOT_BYTES = 128
SLOTS_PER_SEGMENT = 256
MAX_SEGMENTS = 8  # full ones: 2,048 records
MAX_FILES = 32  # a torn write ends a segment early; such short ones must not push records out
_MAGIC = 0x4B
_KIND_RECORD = 1
_HEADER_BYTES = 3
_CRC_BYTES = 4
_FOLDER = "journal"


def encode_slot(raw_record: bytes) -> bytes:
    """[magic, kind, length, record, zeros, CRC-32 big endian]: 128 bytes."""
    body = bytes([_MAGIC, _KIND_RECORD, len(raw_record)]) + raw_record
    body += bytes(SLOT_BYTES - _CRC_BYTES - len(body))
    return body + (binascii.crc32(body) & 0xFFFFFFFF).to_bytes(4, "big")


def decode_slot(slot: bytes) -> bytes | None:
    """The record in a slot, or None when the slot is torn, blank or foreign."""
    if len(slot) != SLOT_BYTES or slot[0] != _MAGIC or slot[1] != _KIND_RECORD:
        return None
    crc = int.from_bytes(slot[-_CRC_BYTES:], "big")
    if crc != binascii.crc32(slot[:-_CRC_BYTES]) & 0xFFFFFFFF:
        return None
    return slot[_HEADER_BYTES : _HEADER_BYTES + slot[2]]


class Journal:
    """`head_seq` 0 means empty; `head_hash` is what the next record names as its predecessor."""

    def __init__(self, storage: Any, lock_id: str, epoch: int) -> None:
        self.epoch = epoch
        self.head_seq = 0
        self.head_hash = audit.genesis(lock_id, epoch)
        self._storage = storage
        self._segments = sorted(int(name) for name in storage.names(_FOLDER))
        self._used = SLOTS_PER_SEGMENT  # slots in the last segment; full: start a new one
        self._recover()

    @property
    def oldest_seq(self) -> int:
        """The first record still kept (1 when nothing was ever written)."""
        return self._segments[0] if self._segments else 1

    def append(
        self, time: TimeBound | None, event: int, code: int, source: int, subject: bytes | None
    ) -> None:
        """Write one record. Raises OSError when storage fails; the head then stays as it was."""
        seq = self.head_seq + 1
        record = audit.Record(seq, time, event, code, source, subject, self.head_hash)
        raw = audit.encode_record(record)
        if self._used >= SLOTS_PER_SEGMENT:
            self._start_segment(seq)
        try:
            self._storage.append(self._name(self._segments[-1]), encode_slot(raw))
        except OSError:
            self._used = SLOTS_PER_SEGMENT  # the slot may be torn: never continue after it
            raise
        self._used += 1
        self.head_seq, self.head_hash = seq, audit.record_hash(raw)

    def read(self, from_seq: int, count: int) -> list:
        """Up to `count` raw records from `from_seq` (or the oldest kept) on, in order."""
        found = []
        seq = max(from_seq, self.oldest_seq)
        while len(found) < count and seq <= self.head_seq:
            first, end = self._segment_of(seq)
            batch = self._read_segment(first, seq, min(count - len(found), end - seq))
            if not batch:
                break
            found.extend(batch)
            seq += len(batch)
        return found

    def _recover(self) -> None:
        for first in reversed(self._segments):
            raw, good, whole = self._last_good(first)
            if raw is not None:
                self.head_seq = first + good - 1
                self.head_hash = audit.record_hash(raw)
                self._used = good if whole else SLOTS_PER_SEGMENT
                return
            if not self._storage.read(self._name(first), SLOT_BYTES, 1):
                self._discard(first)  # nothing but one torn slot: it would hide what comes after

    def _last_good(self, first: int) -> tuple:
        """(last valid record or None, how many valid ones, whether nothing torn follows)."""
        name, raw, good = self._name(first), None, 0
        while True:
            slot = self._storage.read(name, good * SLOT_BYTES, SLOT_BYTES)
            found = decode_slot(slot)
            if found is None:
                return raw, good, not slot
            raw, good = found, good + 1

    def _start_segment(self, seq: int) -> None:
        if seq in self._segments:  # left empty or torn by a cut: nothing in it was acknowledged
            self._discard(seq)
        while self._segments and self._is_full(seq):
            self._discard(self._segments[0])
        self._segments.append(seq)
        self._used = 0

    def _is_full(self, seq: int) -> bool:
        kept = seq - self._segments[0]
        return kept >= MAX_SEGMENTS * SLOTS_PER_SEGMENT or len(self._segments) >= MAX_FILES

    def _discard(self, first: int) -> None:
        self._storage.delete(self._name(first))
        self._segments.remove(first)

    def _segment_of(self, seq: int) -> tuple:
        """(first, end) of the segment that holds `seq`.

        What lies in its slots from `end` on was written by an append that storage then refused:
        it never counted, and the true record of that number is in the next segment.
        """
        first = max(first for first in self._segments if first <= seq)
        return first, min([later for later in self._segments if later > seq] + [self.head_seq + 1])

    def _read_segment(self, first: int, seq: int, count: int) -> list:
        """Slot by slot: a chip's heap has no large free pieces."""
        found = []
        name, at = self._name(first), (seq - first) * SLOT_BYTES
        while len(found) < count:
            raw = decode_slot(self._storage.read(name, at, SLOT_BYTES))
            if raw is None:
                break
            found.append(raw)
            at += SLOT_BYTES
        return found

    @staticmethod
    def _name(first: int) -> str:
        return "{}/{:08d}".format(_FOLDER, first)
