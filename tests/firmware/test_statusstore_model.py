"""Any sequence of uploads, deltas, interruptions, restarts and hostile pieces, against sets."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware.core.statusstore import StatusStore
from protocol import reasons
from protocol.session import OK
from protocol.statuslist import HOUR_S
from simulator.virtual.storage import MemoryStorage
from tests.firmware.chips.status_lists import HOUR, LOCK, held, pack, raw_entry, signed, trusted

SPAN = 40  # hours
NAMES = st.sets(st.integers(0, 400), max_size=60)


class Refusing(MemoryStorage):
    """Fails, undone, after `left` more changes."""

    left = -1

    def append(self, name: str, data: bytes) -> None:
        self._change()
        super().append(name, data)

    def delete(self, name: str) -> None:
        self._change()
        super().delete(name)

    def _change(self) -> None:
        self.left -= 1
        if self.left == -1:
            raise OSError(28)


class StatusModel(RuleBasedStateMachine):
    """`listed` and `version` are what the lock must hold; `coming` is (document, raw, result)."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = Refusing()
        self.store = StatusStore(self.storage, LOCK)
        self.version = 0
        self.hour = HOUR
        self.listed: set[bytes] = set()
        self.coming: tuple[bytes, bytes, tuple[int, set[bytes]]] | None = None
        self.taken = 0

    @property
    def lo(self) -> int:
        return self.hour * HOUR_S

    def made(self, names: set[int], step: int) -> tuple[int, set[bytes], set[bytes]]:
        """(version, entries, added): an honest successor of what is held."""
        added = {raw_entry(name, self.hour + name % SPAN) for name in names}
        return self.version + step, self.kept() | added, added

    def kept(self) -> set[bytes]:
        """What is not past."""
        hours = {self.hour + later & 0xFFFF for later in range(SPAN)}
        return {raw for raw in self.listed if int.from_bytes(raw[6:], "big") in hours}

    def document(self, version: int, listed: set[bytes]) -> bytes:
        return signed(version, pack(listed), self.hour, self.lo)

    def adopt(self, version: int, listed: set[bytes]) -> None:
        self.version, self.listed = version, listed
        self.coming = None

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.hour += hours

    @rule()
    def restart(self) -> None:
        self.store = StatusStore(self.storage, LOCK)
        self.taken = 0

    @rule(names=NAMES, step=st.integers(1, 3))
    def a_list_is_published(self, names: set[int], step: int) -> None:
        version, listed, _ = self.made(names, step)
        self.coming = self.document(version, listed), pack(listed), (version, listed)

    @precondition(lambda self: self.coming)
    @rule(count=st.integers(0, 80), stride=st.sampled_from([0, 0, 0, -8, 8, 80]))
    def a_part_comes(self, count: int, stride: int) -> None:
        document, raw, result = self.coming
        reason, wanted = self.store.take_part(document, 1 << 40, b"", self.lo, trusted)
        assert reason == OK
        offset = max(0, wanted + stride)
        piece = raw[offset : offset + 8 * count]
        reason, value = self.store.take_part(document, offset, piece, self.lo, trusted)
        assert reason == OK
        if offset == wanted and wanted + len(piece) == len(raw):
            assert value is None
            self.adopt(*result)
        else:
            assert value == (wanted + len(piece) if offset == wanted else wanted)

    @rule(names=NAMES, step=st.integers(1, 3))
    def a_delta_comes(self, names: set[int], step: int) -> None:
        version, listed, added = self.made(names, step)
        assert self.delta(version, listed, added, self.version) == (OK, None)
        self.adopt(version, listed)

    @rule(names=NAMES, distance=st.integers(1, 3))
    def a_delta_from_another_base_comes(self, names: set[int], distance: int) -> None:
        version, listed, added = self.made(names, 5)
        result = self.delta(version, listed, added, self.version + distance)
        assert result == (reasons.OTHER_BASE, None)

    @precondition(lambda self: self.version)
    @rule(names=NAMES, back=st.integers(0, 3))
    def an_old_list_comes(self, names: set[int], back: int) -> None:
        _, listed, _ = self.made(names, 1)
        document = self.document(max(1, self.version - back), listed)
        assert self.store.take_part(document, 0, pack(listed), self.lo, trusted) == (OK, None)

    @rule(names=NAMES, missing=st.integers(0, 59), by_delta=st.booleans())
    def a_thief_gives_one_back(self, names: set[int], missing: int, by_delta: bool) -> None:
        dear = sorted(self.kept())
        if not dear:
            return
        version, listed, added = self.made(names, 1)
        gone = dear[missing % len(dear)]
        added, listed = added - {gone}, listed - {gone}
        result = self.delta(version, listed, added, self.version) if by_delta else None
        if result is None:
            document = self.document(version, listed)
            result = self.store.take_part(document, 0, pack(listed), self.lo, trusted)
        assert result == (reasons.MALFORMED, None)

    @precondition(lambda self: self.coming)
    @rule(piece=st.binary(max_size=100), offset=st.sampled_from([0, 8, 480]))
    def a_hostile_piece_comes(self, piece: bytes, offset: int) -> None:
        """It may spoil the upload, never the list (unless chance makes it the right piece)."""
        document, raw, _ = self.coming
        if raw != piece != b"":
            reason, value = self.store.take_part(document, offset, piece, self.lo, trusted)
            assert reason in (OK, reasons.MALFORMED)
            assert reason != OK or value is not None
            self.store = StatusStore(self.storage, LOCK)

    @rule(names=NAMES, left=st.integers(0, 2))
    def a_delta_comes_to_a_full_flash(self, names: set[int], left: int) -> None:
        version, listed, added = self.made(names, 1)
        self.storage.left = left
        reason, _ = self.delta(version, listed, added, self.version)
        self.storage.left = -1
        assert reason in (OK, reasons.STORAGE)
        if reason == OK:
            self.adopt(version, listed)

    def delta(self, version: int, listed: set[bytes], added: set[bytes], base: int) -> Any:
        document = self.document(version, listed)
        return self.store.take_delta(document, base, pack(added), self.lo, trusted)

    @invariant()
    def the_list_in_force_is_the_models(self) -> None:
        for store in (self.store, StatusStore(self.storage, LOCK)):
            assert store.current.version == self.version
            assert held(store) == pack(self.listed)


TestStatusModel = StatusModel.TestCase
TestStatusModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
