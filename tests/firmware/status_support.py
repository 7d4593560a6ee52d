"""What the tests of the status store share: a watched storage, lists of names, honest uploads."""

from __future__ import annotations

from typing import Any

from firmware.core.statusstore import StatusStore
from protocol import cose
from simulator.virtual.storage import MemoryStorage
from tests.firmware.chips.status_lists import (
    HOUR,
    LOCK,
    NOW,
    bring,
    held,
    pack,
    raw_entry,
    signed,
    trusted,
)


class Watched(MemoryStorage):
    """Counts reads, keeps every state of the files, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.largest = 0
        self.states: list[dict[str, bytes]] = []
        self.fails: dict[str, int] = {}  # a method -> how many calls of it go well before one fails
        self.landed = False  # whether an append that fails has added its bytes all the same
        self.unreadable: set[str] = set()

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        self._may("read")
        if name in self.unreadable:
            raise OSError(5)
        data = super().read(name, offset, size)
        self.reads += 1
        self.largest = max(self.largest, size)
        return data

    def append(self, name: str, data: bytes) -> None:
        landed = self.landed and self.fails.get("append") == 0
        if landed:
            super().append(name, data)
        self._may("append")
        self.largest = max(self.largest, len(data))
        super().append(name, data)
        self.states.append(dict(self.files))

    def delete(self, name: str) -> None:
        self._may("delete")
        super().delete(name)
        self.states.append(dict(self.files))

    def _may(self, method: str) -> None:
        left = self.fails.get(method)
        if left is not None:
            self.fails[method] = left - 1
        if left == 0:
            del self.fails[method]
            raise OSError(5)


def boot(storage: MemoryStorage) -> StatusStore:
    return StatusStore(storage, LOCK)


def entries(*names: int, hour: int = HOUR + 100) -> set[bytes]:
    return {raw_entry(name, hour) for name in names}


def give(store: StatusStore, version: int, listed: set[bytes], **how: Any) -> tuple[int, Any]:
    """A whole list, honestly signed."""
    lo = how.pop("lo", NOW)
    raw = pack(listed)
    return bring(store, signed(version, raw, **how), raw, lo)


def give_delta(
    store: StatusStore, version: int, listed: set[bytes], added: set[bytes], **how: Any
) -> tuple[int, Any]:
    """A delta whose result should be `listed`."""
    base, lo = how.pop("base", store.current.version), how.pop("lo", NOW)
    document = signed(version, pack(listed), **how)
    return store.take_delta(document, base, pack(added), lo, trusted)


def state(store: StatusStore) -> tuple[int, bytes]:
    return store.current.version, held(store)


def unasked(parsed: cose.Signed) -> bool:
    """A signature check that must not happen."""
    raise AssertionError("a signature was checked")
