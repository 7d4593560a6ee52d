"""The lock's journal: an append-only chain of audit records in fixed slots with a CRC.

Decides where a record goes, what the head is after a restart, what has to go when the journal is
full, and whether an acknowledgement speaks of this very history. One event is one append. Storage
is a port (firmware/hal/storage.py): `names`, `read`, `write`, `append`, `delete`. Slots lie in
segments, files named after their first sequence number; beside each lies a checkpoint of what the
records before it mean (firmware/core/memory.py), so that a boot replays the last segment only.
After an append that failed the journal looks again at what is there: it goes on behind the last
good slot, in a new segment when that is torn. Sequence numbers never repeat and the head never
falls, not even when the segment that held it cannot be read. What an append costs: docs/adr/0011.
"""

import binascii

from firmware.core import memory
from firmware.core.memory import CheckpointError, Memory
from protocol import audit
from protocol.audit import AuditError
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
_CHECKPOINT = ".state"


def encode_slot(raw_record: bytes) -> bytes:
    """[magic, kind, length, record, zeros, CRC-32 big endian]: 128 bytes."""
    body = bytes([_MAGIC, _KIND_RECORD, len(raw_record)]) + raw_record
    body += bytes(SLOT_BYTES - _CRC_BYTES - len(body))
    return body + (binascii.crc32(body) & 0xFFFFFFFF).to_bytes(4, "big")


def decode_slot(slot: bytes | None) -> bytes | None:
    """The record in a slot, or None when the slot is torn, blank, foreign or unreadable."""
    if slot is None or len(slot) != SLOT_BYTES or slot[0] != _MAGIC or slot[1] != _KIND_RECORD:
        return None
    crc = int.from_bytes(slot[-_CRC_BYTES:], "big")
    if crc != binascii.crc32(slot[:-_CRC_BYTES]) & 0xFFFFFFFF:
        return None
    return slot[_HEADER_BYTES : _HEADER_BYTES + slot[2]]


class Journal:
    """`head_seq` 0 means empty; `head_hash` is what the next record names as its predecessor.

    `memory` is what all the records mean, up to the head; only the journal changes it, in place.
    """

    def __init__(self, storage: Any, lock_id: str, epoch: int) -> None:
        self.epoch = epoch
        self.head_seq = 0
        self.head_hash = audit.genesis(lock_id, epoch)
        self.memory = Memory()
        self._lock_id = lock_id
        self._storage = storage
        self._segments = sorted(int(n) for n in storage.names(_FOLDER) if n.isdigit())
        self._used = 0  # slots in the last segment
        self._in_doubt = False  # an append failed: nobody knows what it left
        self._replay()
        self._recover()

    @property
    def oldest_seq(self) -> int:
        """The first record still kept (1 when nothing was ever written)."""
        return self._segments[0] if self._segments else 1

    @property
    def acked_seq(self) -> int:
        """The town has all records up to this one. A restart may fall back to an earlier one."""
        return self.memory.acked

    def append(
        self,
        time: TimeBound,
        event: int,
        code: int,
        source: int,
        subject: bytes | None = None,
        value: int | None = None,
    ) -> None:
        """Write one record. Raises OSError when storage fails; the head does not move then.

        A GAP record follows when unacknowledged ones had to go; if storage refuses that one, it
        follows the next.
        """
        self._write(time, event, code, source, subject, value)
        lost = self.oldest_seq - max(self.memory.acked + 1, self.memory.kept_from)
        if lost > 0:
            try:
                self._write(time, audit.GAP, lost, audit.SOURCE_NONE, None, self.oldest_seq)
            except OSError:
                return

    def contradicts(self, head: audit.Head) -> bool:
        """Whether `head` speaks of another history: another lock, epoch or hash, or of the future.

        What cannot be compared any more contradicts nothing.
        """
        if (head.lock_id, head.journal_epoch) != (self._lock_id, self.epoch):
            return True
        if head.seq > self.head_seq:
            return True
        return self._hash_at(head.seq) not in (None, head.record_hash)

    def acknowledge(self, head: audit.Head) -> bool:
        """The town has all up to `head` (its signature is the caller's to check).

        False when that is no history of this journal. What cannot be compared any more changes
        nothing and is True.
        """
        if self.contradicts(head):
            return False
        if self._hash_at(head.seq) is not None:
            self.memory.acked = max(self.memory.acked, head.seq)
        return True

    def read(self, from_seq: int, count: int) -> list:
        """Up to `count` raw records, one after the other, from `from_seq` on.

        What was dropped or cannot be read is left out at the beginning and ends the run later.
        """
        found = []
        for seq in range(max(from_seq, self.oldest_seq), self.head_seq + 1):
            raw = self._record(seq) if len(found) < count else None
            if raw is not None:
                found.append(raw)
            elif found or count < 1:
                break
        return found

    def _write(
        self,
        time: TimeBound,
        event: int,
        code: int,
        source: int,
        subject: bytes | None,
        value: int | None,
    ) -> None:
        if self._in_doubt:
            self._recover()
        seq = self.head_seq + 1
        record = audit.Record(seq, time, event, code, source, subject, value, self.head_hash)
        raw = audit.encode_record(record)
        self._in_doubt = True
        if self._used >= SLOTS_PER_SEGMENT or not self._segments:
            self._start_segment(seq)
        self._storage.append(_name(self._segments[-1]), encode_slot(raw))
        self._in_doubt = False
        self._used += 1
        self.head_seq, self.head_hash = seq, audit.record_hash(raw)
        self.memory.apply(record)

    def _replay(self) -> None:
        """Rebuild the memory up to the last segment (`_recover` replays that one)."""
        start = len(self._segments)
        found = None
        while found is None and start > 0:
            start -= 1
            found = self._checkpoint(self._segments[start])
        self.memory = found or Memory()
        for i in range(start, len(self._segments) - 1):
            self._scan(self._segments[i], self._segments[i + 1])

    def _recover(self) -> None:
        """Find the head, and whether the last segment can go on. The head never falls."""
        self._in_doubt = False
        self._used = SLOTS_PER_SEGMENT
        at_boot = self.head_seq == 0
        raw = None
        for first in reversed(self._segments):
            found = self._scan(first)
            if first == self._segments[-1]:
                last, next_seq, given_out = first, found[2], found[3]
            if found[0] is not None:
                raw, seq = found[:2]
                break
        if raw is not None and seq > self.head_seq:
            self.head_seq, self.head_hash = seq, audit.record_hash(raw)
        if at_boot and self._segments:
            self.head_seq = max(self.head_seq, given_out)
        if self._segments and next_seq == self.head_seq + 1:
            self._used = next_seq - last

    def _scan(self, first: int, until: int | None = None) -> tuple:
        """(last valid record or None, its seq, the next slot's seq or 0, the last seq given out).

        Only the last slot can be torn: all before it were acknowledged, readable or not. The next
        slot is 0 when none can follow. Records before `until` that are news go into the memory:
        from there on a later segment has the word.
        """
        raw, found_at, seq = None, 0, first
        while True:
            slot = self._slot(first, seq)
            if slot is None:
                return raw, found_at, 0, first + SLOTS_PER_SEGMENT - 1
            if len(slot) < SLOT_BYTES:
                given_out = seq - 1 if slot else seq - 2
                return raw, found_at, 0 if slot else seq, max(first - 1, found_at, given_out)
            good = decode_slot(slot)
            if good is not None:
                raw, found_at = good, seq
                if seq > self.memory.seq and (until is None or seq < until):
                    self._apply(good)
            seq += 1

    def _apply(self, raw: bytes) -> None:
        """A record of another form means nothing to this lock; it must not stop the boot."""
        try:
            self.memory.apply(audit.decode_record(raw))
        except AuditError:
            return

    def _start_segment(self, seq: int) -> None:
        """The checkpoint comes first: what a dropped record meant is kept before it goes."""
        if seq in self._segments:  # it begins torn: nothing in it was acknowledged
            self._storage.delete(_name(seq))
            self._segments.remove(seq)
        self._storage.write(_name(seq) + _CHECKPOINT, self.memory.encode())
        while self._segments and self._is_full(seq):
            self._storage.delete(_name(self._segments[0]))
            del self._segments[0]
        self._segments.append(seq)
        self._sweep()
        self._used = 0

    def _sweep(self) -> None:
        """Checkpoints go with their segments, also those that a cut has left alone."""
        kept = [_name(first) + _CHECKPOINT for first in self._segments]
        for name in self._storage.names(_FOLDER):
            path = _FOLDER + "/" + name
            if name.endswith(_CHECKPOINT) and path not in kept:
                self._storage.delete(path)

    def _checkpoint(self, first: int) -> Memory | None:
        """What the records before a segment mean, when that was kept and can be read."""
        try:
            raw = self._storage.read(_name(first) + _CHECKPOINT)
            return None if raw is None else memory.decode(raw)
        except (OSError, CheckpointError):
            return None

    def _hash_at(self, seq: int) -> bytes | None:
        """The hash of a record, from itself or from its successor."""
        if seq == self.head_seq:
            return self.head_hash
        raw = self._record(seq)
        if raw is not None:
            return audit.record_hash(raw)
        after = self._record(seq + 1)
        try:
            return None if after is None else audit.decode_record(after).previous
        except AuditError:
            return None

    def _is_full(self, seq: int) -> bool:
        kept = seq - self._segments[0]
        return kept >= MAX_SEGMENTS * SLOTS_PER_SEGMENT or len(self._segments) >= MAX_FILES

    def _record(self, seq: int) -> bytes | None:
        """The newest segment that has it: an older one may hold a record given up in doubt."""
        for first in reversed(self._segments):
            raw = decode_slot(self._slot(first, seq)) if first <= seq else None
            if raw is not None:
                return raw
        return None

    def _slot(self, first: int, seq: int) -> bytes | None:
        """One slot (a chip's heap has no large free pieces); b"" past the end, None: unreadable."""
        try:
            offset = (seq - first) * SLOT_BYTES
            return self._storage.read(_name(first), offset, SLOT_BYTES) or b""
        except OSError:
            return None


def _name(first: int) -> str:
    return "{}/{:08d}".format(_FOLDER, first)
