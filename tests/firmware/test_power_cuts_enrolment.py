"""A cut while a lock is enrolled, or enrolled again, never leaves a key with another's identity."""

from __future__ import annotations

import pytest

from firmware.core import enrolment, secrets
from firmware.core import identity as identities
from firmware.core.identity import Identity
from protocol.crypto import Crypto
from simulator.town_keys import JOURNAL_EPOCH, TOWN, TownKeys, aes
from simulator.virtual.lock import verify_signature
from simulator.virtual.storage import MemoryStorage
from tests.firmware.town import KEYS, LOCK_ID, START, identity

OLD, NEW = b"o", b"n"


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
        if name in self.files:
            self._change()
        super().delete(name)


def enrol(storage: MemoryStorage, who: Identity, chance: bytes) -> bytes:
    """The secrets made, from randomness that repeats one byte."""
    crypto = Crypto(verify_signature, lambda size: chance * size, aes)
    config = KEYS.config_document(who.lock_id, 1)
    enrolment.enrol(who, KEYS.keyset_document(), config, storage, crypto)
    return storage.files[secrets.SECRET_FILE]


def enrolled(storage: MemoryStorage) -> tuple[str, bytes] | None:
    """(lock id, secrets) of a lock that is enrolled, else None."""
    try:
        who = identities.load(storage)
        identities.load_keyset(storage)
    except identities.NotEnrolled:
        return None
    return who.lock_id, storage.files[secrets.SECRET_FILE]


@pytest.mark.parametrize("before", [None, OLD])
def test_a_cut_enrolment_leaves_the_old_lock_or_none(before: bytes | None) -> None:
    for lives in range(100):
        storage = Dying()
        old = enrol(storage, identity("bbbbbbbb"), before) if before else None
        storage.files["journal/00000001"] = b"of the old lock"
        storage.lives = lives
        try:
            new = enrol(storage, identity(), NEW)
        except OSError:
            allowed = [None, ("bbbbbbbb", old)] if lives == 0 and old else [None]
            assert enrolled(storage) in allowed, lives
        else:
            assert enrolled(storage) == (LOCK_ID, new)
            assert "journal/00000001" not in storage.files
            return
    pytest.fail("enrolment never ends")


def refused(who: Identity, keyset: bytes, config: bytes | None = None) -> str:
    """Why a lock does not let itself be enrolled; nothing was written."""
    storage = MemoryStorage()
    crypto = Crypto(verify_signature, bytes, aes)
    with pytest.raises(enrolment.EnrolmentError) as error:
        enrolment.enrol(who, keyset, config, storage, crypto)
    assert storage.files == {}
    return str(error.value)


def test_keyset_that_no_root_of_the_lock_signed_is_refused() -> None:
    stranger = TownKeys()
    assert "no root" in refused(identity(), stranger.keyset_document())
    forged = KEYS.keyset_document(root=KEYS.booking)
    assert "no root" in refused(identity(), forged)


def test_keyset_of_another_town_is_refused() -> None:
    other = Identity("elsewhere", LOCK_ID, JOURNAL_EPOCH, KEYS.public_roots, (START, 0))
    assert other.town != TOWN
    assert "another town" in refused(other, KEYS.keyset_document())


def test_configuration_of_another_lock_or_by_another_key_is_refused() -> None:
    keyset = KEYS.keyset_document()
    assert "another lock" in refused(identity(), keyset, KEYS.config_document("bbbbbbbb", 1))
    forged = TownKeys().config_document(LOCK_ID, 1)
    assert "config key" in refused(identity(), keyset, forged)


@pytest.mark.parametrize("garbage", [b"", b"x", b"\xd2\x84"])
def test_garbage_is_refused(garbage: bytes) -> None:
    assert "keyset" in refused(identity(), garbage)
    assert "configuration" in refused(identity(), KEYS.keyset_document(), garbage)
