"""A cut while a lock is enrolled, or enrolled again, never leaves a key with another's settings."""

from __future__ import annotations

import pytest

from firmware.core import enrolment
from simulator.virtual.storage import MemoryStorage
from tests.firmware.town import config

OLD, NEW = b"o" * 32, b"n" * 32


class Dying(MemoryStorage):
    """Does `lives` more changes, then none."""

    lives = 1000

    def _change(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise OSError(5)

    def write(self, name: str, data: bytes) -> None:
        self._change()
        super().write(name, data)

    def delete(self, name: str) -> None:
        self._change()
        super().delete(name)


def enrolled_key(storage: MemoryStorage) -> bytes | None:
    """The private key of a lock that is enrolled, else None."""
    kept = storage.read(enrolment.CONFIG_FILE), storage.read(enrolment.KEY_FILE)
    return None if None in kept else kept[1]


@pytest.mark.parametrize("lives", range(4))
@pytest.mark.parametrize("before", [None, OLD])
def test_a_cut_enrolment_leaves_the_old_lock_or_none(before: bytes | None, lives: int) -> None:
    storage = Dying()
    if before:
        enrolment.enrol(config("bbbbbbbb"), storage, lambda _: before)
    old_config = storage.read(enrolment.CONFIG_FILE)
    storage.lives = lives
    if lives < 3:
        with pytest.raises(OSError, match="5"):
            enrolment.enrol(config(), storage, lambda _: NEW)
        assert enrolled_key(storage) == (before if lives == 0 else None)
    else:
        enrolment.enrol(config(), storage, lambda _: NEW)
        assert enrolled_key(storage) == NEW
        assert storage.read(enrolment.CONFIG_FILE) != old_config
