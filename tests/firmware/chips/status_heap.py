"""2,000 entries whole and by delta in the heap of a chip: `micropython status_heap.py IMAGE`.

IMAGE is a host file that becomes the flash (its LittleFS is made anew). Entries are made when they
are sent, so that what has to fit is the store alone. Prints one JSON line of what it took.
"""

import gc
import hashlib
import json
import os
import sys

from firmware.core.statusstore import NAMES, StatusStore
from firmware.hal.storage import FileStorage
from protocol.session import OK
from protocol.statuslist import ENTRY_BYTES, MAX_ENTRIES, StatusHeader
from tests.firmware.chips import status_lists as lists

BLOCK_BYTES, BLOCKS = 4096, 48
MOUNT = "/cut"
ADDED = 10
PIECE = 240  # entries: about 2 kB


class HostFlash:
    """A flash in a host file, in the shape `os.VfsLfs2` wants; `reads` counts."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w+b")
        self.reads = 0
        for _ in range(BLOCKS):
            self._file.write(b"\xff" * BLOCK_BYTES)

    def readblocks(self, block: int, buffer: object, offset: int = 0) -> None:
        self.reads += 1
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block: int, buffer: object, offset: int = 0) -> None:
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.write(buffer)

    def ioctl(self, op: int, arg: int) -> int:
        return {4: BLOCKS, 5: BLOCK_BYTES}.get(op, 0)


class Counting(FileStorage):
    """Counts reads."""

    reads = 0

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        self.reads += 1
        return FileStorage.read(self, name, offset, size)


def name_at(index: int, version: int) -> int:
    """The names of a list in order; version 1 has a gap of ADDED in the middle."""
    middle = MAX_ENTRIES // 2
    return 4 * (index if version == 2 or index < middle else index + ADDED)


def entries(version: int, first: int, end: int) -> bytes:
    """Entries `first` to before `end` of a list."""
    raw = bytearray((end - first) * ENTRY_BYTES)
    for i in range(first, end):
        at = (i - first) * ENTRY_BYTES
        raw[at : at + ENTRY_BYTES] = lists.raw_entry(name_at(i, version), lists.HOUR + 50)
    return bytes(raw)


def listed(version: int) -> tuple:
    """(document, number of entries)"""
    count = MAX_ENTRIES - ADDED * (version == 1)
    state = hashlib.sha256()
    for at in range(0, count, PIECE):
        state.update(entries(version, at, min(at + PIECE, count)))
    rows = [lists.LOCK, version, lists.NOW, lists.HOUR, [], count, state.digest()]
    return lists.document(StatusHeader(*rows)), count


def used() -> int:
    gc.collect()
    return gc.mem_alloc()


def bring(store: StatusStore, before: int) -> int:
    """Version 1 in parts; how many bytes of heap were held between two parts.

    The last part counts: the collector may still see it on the stack.
    """
    document, count = listed(1)
    most = 0
    for at in range(0, count, PIECE):
        end = min(at + PIECE, count)
        piece = entries(1, at, end)
        answer = store.take_part(document, at * ENTRY_BYTES, piece, lists.NOW, lists.trusted)
        assert answer == (OK, None if end == count else end * ENTRY_BYTES), answer
        most = max(most, used() - before)
    return most


def look_up(store: StatusStore, storage: Counting, flash: HostFlash) -> dict:
    """Every name and every one between; the most reads that one lookup took."""
    most = {"storage": 0, "flash": 0}
    for index in range(0, MAX_ENTRIES, 7):
        for name in (name_at(index, 2), name_at(index, 2) + 1):
            before = storage.reads, flash.reads
            assert store.current.lists(name.to_bytes(6, "big")) == (name % 4 == 0)
            most["storage"] = max(most["storage"], storage.reads - before[0])
            most["flash"] = max(most["flash"], flash.reads - before[1])
    return most


def main(path: str) -> None:
    flash = HostFlash(path)
    os.VfsLfs2.mkfs(flash)
    os.mount(os.VfsLfs2(flash), MOUNT)
    storage = Counting(MOUNT + "/data")
    before = used()
    store = StatusStore(storage, lists.LOCK)
    found = {"entries": MAX_ENTRIES, "idle_bytes": used() - before}
    found["upload_bytes"] = bring(store, before)
    middle = MAX_ENTRIES // 2
    added = entries(2, middle, middle + ADDED)
    answer = store.take_delta(listed(2)[0], 1, added, lists.NOW, lists.trusted)
    assert answer == (OK, None), answer
    store = StatusStore(storage, lists.LOCK)
    assert store.current.version == 2 and store.current.header.count == MAX_ENTRIES
    found["lookup_reads"] = look_up(store, storage, flash)
    found["held_bytes"] = used() - before
    found["file_bytes"] = [os.stat(MOUNT + "/data/" + name)[6] for name in NAMES]
    print(json.dumps(found))


main(sys.argv[1])
