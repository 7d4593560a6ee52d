"""A signed document in two files: what damage, refusals of storage and old versions make of it."""

from __future__ import annotations

import pytest

from firmware.core.documents import DocumentStore
from simulator.virtual.storage import MemoryStorage

FILES = ("keyset.a", "keyset.b")


class Bad(MemoryStorage):
    """Files in `unreadable` cannot be read; the next `refusals` changes fail, done or undone."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()
        self.refusals: list[str] = []

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        if name in self.unreadable:
            raise OSError(5)
        return super().read(name, offset, size)

    def write(self, name: str, data: bytes) -> None:
        how = self.refusals.pop(0) if self.refusals else ""
        if how != "undone":
            super().write(name, data)
        if how:
            raise OSError(28)

    def delete(self, name: str) -> None:
        if self.refusals and self.refusals.pop(0):
            raise OSError(5)
        super().delete(name)


@pytest.fixture
def storage() -> Bad:
    return Bad()


def store(storage: Bad) -> DocumentStore:
    """As after a restart."""
    return DocumentStore(storage, "keyset")


def saved(storage: Bad, *versions: int) -> None:
    for version in versions:
        store(storage).save(b"document %d" % version, version)


def file_of(storage: Bad, raw: bytes) -> str:
    return next(name for name in FILES if raw in storage.files.get(name, b""))


def test_nothing_was_ever_saved(storage: Bad) -> None:
    assert store(storage).load() is None


@pytest.mark.parametrize("raw", [b"", b"x", bytes(range(256)) * 8])
def test_what_was_saved_is_loaded(storage: Bad, raw: bytes) -> None:
    store(storage).save(raw, (1 << 64) - 1)
    assert store(storage).load() == raw


def test_each_version_leaves_the_one_before_it_alone(storage: Bad) -> None:
    for version in range(1, 6):
        before = dict(storage.files)
        saved(storage, version)
        assert store(storage).load() == b"document %d" % version
        assert len([name for name in before if storage.files[name] == before[name]]) == min(
            version - 1, 1
        )


def test_any_flipped_bit_of_the_newest_falls_back_to_the_one_before(storage: Bad) -> None:
    saved(storage, 1, 2)
    newest = file_of(storage, b"document 2")
    good = storage.files[newest]
    for bit in range(8 * len(good)):
        rotten = bytearray(good)
        rotten[bit // 8] ^= 1 << bit % 8
        storage.files[newest] = bytes(rotten)
        assert store(storage).load() == b"document 1"


def test_a_newest_cut_short_or_grown_falls_back_to_the_one_before(storage: Bad) -> None:
    saved(storage, 1, 2)
    newest = file_of(storage, b"document 2")
    good = storage.files[newest]
    for odd in [good[:size] for size in range(len(good))] + [good + b"\0", good + good]:
        storage.files[newest] = odd
        assert store(storage).load() == b"document 1"


def test_an_unreadable_newest_does_not_stop_the_boot_nor_the_next_version(storage: Bad) -> None:
    saved(storage, 1, 2)
    storage.unreadable = {file_of(storage, b"document 2")}
    assert store(storage).load() == b"document 1"
    saved(storage, 3)
    storage.unreadable = set()
    assert store(storage).load() == b"document 3"
    assert b"document 1" in storage.files[file_of(storage, b"document 1")]


def test_with_both_files_damaged_there_is_no_document_and_a_new_one_can_be_saved(
    storage: Bad,
) -> None:
    saved(storage, 1, 2)
    storage.files = {FILES[0]: b"?" * 40, FILES[1]: b""}
    assert store(storage).load() is None
    saved(storage, 1)
    assert store(storage).load() == b"document 1"


@pytest.mark.parametrize("how", ["done", "undone"])
@pytest.mark.parametrize("before", [(), (1,), (1, 2)])
def test_a_save_that_storage_refuses_loses_nothing(
    storage: Bad, before: tuple[int, ...], how: str
) -> None:
    saved(storage, *before)
    old = store(storage).load()
    storage.refusals = [how]
    with pytest.raises(OSError, match="28"):
        saved(storage, 3)
    assert store(storage).load() == (b"document 3" if how == "done" else old)
    if old is not None:
        assert file_of(storage, old)
    saved(storage, 4)
    assert store(storage).load() == b"document 4"


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_is_not_newer_replaces_the_old_one_when_the_caller_says_so(
    storage: Bad, version: int
) -> None:
    saved(storage, 1, 2)
    store(storage).save(b"enrolled anew", version)
    assert store(storage).load() == b"enrolled anew"
    assert list(storage.files.values()) == [storage.files[file_of(storage, b"enrolled anew")]]


def test_a_deleted_document_is_gone(storage: Bad) -> None:
    saved(storage, 1, 2)
    store(storage).delete()
    assert store(storage).load() is None
    assert storage.files == {}


@pytest.mark.parametrize("versions", [(1, 2), (1, 2, 3)])
def test_a_cut_deletion_brings_no_older_version_back(
    storage: Bad, versions: tuple[int, ...]
) -> None:
    saved(storage, *versions)
    storage.refusals = ["", "undone"]
    with pytest.raises(OSError, match="5"):
        store(storage).delete()
    assert store(storage).load() == b"document %d" % versions[-1]


def test_two_documents_do_not_meet(storage: Bad) -> None:
    saved(storage, 1, 2)
    other = DocumentStore(storage, "config")
    assert other.load() is None
    other.save(b"other", 9)
    assert (other.load(), store(storage).load()) == (b"other", b"document 2")
