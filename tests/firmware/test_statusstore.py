"""The status list on flash: whole lists in parts, deltas, and what storage does to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.core.statusstore import CHUNK_BYTES, MAX_DOCUMENT_BYTES, NAMES, StatusStore
from firmware.hal.storage import FileStorage
from protocol import cose, reasons, statuslist
from protocol.session import OK
from protocol.statuslist import ENTRY_BYTES, HOUR_S, StatusHeader
from protocol.timebound import FOREVER
from tests.firmware.chips import status_lists as lists
from tests.firmware.chips.status_lists import (
    HOUR,
    LOCK,
    NOW,
    bring,
    pack,
    signed,
    trusted,
)
from tests.firmware.status_support import (
    Watched,
    boot,
    entries,
    give,
    give_delta,
    state,
    unasked,
)

REFUSED = (reasons.MALFORMED, None)


@pytest.fixture
def storage() -> Watched:
    return Watched()


@pytest.fixture
def store(storage: Watched) -> StatusStore:
    return StatusStore(storage, LOCK)


# --- whole lists ---


def test_a_new_lock_has_an_empty_list(store: StatusStore) -> None:
    assert state(store) == (0, b"")
    assert store.document is None
    assert not store.current.lists(b"sixsix")


@pytest.mark.parametrize("piece_bytes", [8, 504, 512, 520, 4000])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 300])
def test_a_list_in_parts_is_in_force_and_stays(
    storage: Watched, store: StatusStore, count: int, piece_bytes: int
) -> None:
    raw = pack(entries(*range(0, 2 * count, 2)))
    document = signed(7, raw)
    assert bring(store, document, raw, piece_bytes=piece_bytes) == (OK, None)
    for each in (store, boot(storage)):
        assert state(each) == (7, raw)
        assert each.document == document
        found = [name for name in range(2 * count) if each.current.lists(name.to_bytes(6, "big"))]
        assert found == list(range(0, 2 * count, 2))


def test_the_two_files_take_turns(storage: Watched, store: StatusStore) -> None:
    listed: set[bytes] = set()
    for version in range(1, 6):
        before = dict(storage.files)
        listed |= entries(version)
        assert give(store, version, listed) == (OK, None)
        assert state(boot(storage)) == (version, pack(listed))
        kept = [name for name in before if storage.files[name] == before[name]]
        assert len(kept) == min(version - 1, 1)


def test_the_signature_is_checked_once_per_upload_and_before_anything_is_written(
    storage: Watched, store: StatusStore
) -> None:
    raw, calls = pack(entries(*range(300))), []

    def judge(parsed: cose.Signed) -> bool:
        calls.append(dict(storage.files))
        return trusted(parsed)

    document = signed(1, raw)
    for offset in range(0, len(raw), 400):
        store.take_part(document, offset, raw[offset : offset + 400], NOW, judge)
    assert calls == [{}]
    assert store.current.version == 1


def test_a_list_that_the_status_key_did_not_sign_changes_nothing(
    storage: Watched, store: StatusStore
) -> None:
    raw = pack(entries(*range(300)))
    document = signed(1, raw)
    forged = document[:-1] + bytes([document[-1] ^ 1])
    assert store.take_part(forged, 0, raw, NOW, trusted) == (reasons.BAD_SIGNATURE, None)
    assert store.take_delta(forged, 0, raw, NOW, trusted) == (reasons.BAD_SIGNATURE, None)
    assert storage.files == {}


def test_another_locks_list_is_refused(storage: Watched, store: StatusStore) -> None:
    raw = pack(entries(1))
    document = signed(1, raw, lock="minamigu")
    assert store.take_part(document, 0, raw, NOW, trusted) == (reasons.WRONG_LOCK, None)
    assert store.take_delta(document, 0, raw, NOW, trusted) == (reasons.WRONG_LOCK, None)
    assert storage.files == {}


def test_a_file_of_another_lock_is_not_taken_over_at_boot(
    storage: Watched, store: StatusStore
) -> None:
    assert give(store, 1, entries(1)) == (OK, None)
    assert StatusStore(storage, "minamigu").current.version == 0


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_or_equal_version_changes_nothing_and_is_no_error(
    storage: Watched, store: StatusStore, version: int
) -> None:
    assert give(store, 2, entries(1, 2)) == (OK, None)
    before = dict(storage.files)
    raw = pack(entries(3))
    document = signed(version, raw)
    for offset in (0, 8):
        assert store.take_part(document, offset, raw, NOW, unasked) == (OK, None)
    assert store.take_delta(document, 1, raw, NOW, unasked) == (OK, None)
    assert storage.files == before
    assert state(store) == (2, pack(entries(1, 2)))


def test_a_part_that_does_not_fit_is_answered_with_the_offset_wanted_and_not_taken(
    storage: Watched, store: StatusStore
) -> None:
    raw = pack(entries(*range(300)))
    document = signed(1, raw)
    assert store.take_part(document, 8, raw[8:], NOW, unasked) == (OK, 0)
    assert store.take_part(document, 0, raw[:800], NOW, trusted) == (OK, 800)
    before = dict(storage.files)
    for offset in (0, 8, 792, 808, 2400, 1 << 70):
        piece = raw[offset : offset + 80] or raw[:80]
        assert store.take_part(document, offset, piece, NOW, trusted) == (OK, 800)
    assert storage.files == before
    assert store.take_part(document, 800, raw[800:], NOW, trusted) == (OK, None)
    assert state(boot(storage)) == (1, raw)


def test_an_empty_part_asks_where_to_go_on(store: StatusStore) -> None:
    raw = pack(entries(1, 2))
    document = signed(1, raw)
    assert store.take_part(document, 0, b"", NOW, trusted) == (OK, 0)
    assert store.take_part(document, 0, raw[:8], NOW, trusted) == (OK, 8)
    assert store.take_part(document, 8, b"", NOW, trusted) == (OK, 8)
    assert store.take_part(document, 8, raw[8:], NOW, trusted) == (OK, None)


def test_the_last_part_sent_again_is_no_error(store: StatusStore) -> None:
    raw = pack(entries(1, 2))
    document = signed(1, raw)
    for _ in range(2):
        assert store.take_part(document, 0, raw, NOW, trusted) == (OK, None)


def test_a_restart_in_the_middle_begins_again(storage: Watched, store: StatusStore) -> None:
    raw = pack(entries(*range(300)))
    document = signed(1, raw)
    assert store.take_part(document, 0, raw[:1600], NOW, trusted) == (OK, 1600)
    again = boot(storage)
    assert state(again) == (0, b"")
    assert again.take_part(document, 1600, raw[1600:], NOW, trusted) == (OK, 0)
    assert bring(again, document, raw) == (OK, None)
    assert state(boot(storage)) == (1, raw)


def test_only_the_first_part_of_another_list_ends_an_upload(store: StatusStore) -> None:
    one, two = pack(entries(*range(300))), pack(entries(*range(310)))
    first, second = signed(1, one), signed(2, two)
    assert store.take_part(first, 0, one[:800], NOW, trusted) == (OK, 800)
    assert store.take_part(second, 80, two[80:], NOW, trusted) == (OK, 0)
    assert store.take_part(first, 800, one[800:1600], NOW, trusted) == (OK, 1600)
    assert store.take_part(second, 0, two[:800], NOW, trusted) == (OK, 800)
    assert store.take_part(first, 1600, one[1600:], NOW, trusted) == (OK, 0)
    assert store.take_part(second, 800, two[800:], NOW, trusted) == (OK, None)
    assert state(store) == (2, two)


# --- deltas ---


def test_a_delta_adds_to_the_list_in_force(storage: Watched, store: StatusStore) -> None:
    old, added = entries(*range(0, 300, 3)), entries(*range(1, 300, 60), 10**9)
    assert give(store, 1, old) == (OK, None)
    assert give_delta(store, 5, old | added, added) == (OK, None)
    assert state(store) == state(boot(storage)) == (5, pack(old | added))


def test_a_delta_drops_what_is_past(store: StatusStore) -> None:
    short, long, added = entries(*range(50), hour=HOUR + 5), entries(60, 61), entries(3)
    assert give(store, 1, short | long) == (OK, None)
    at = {"kept_from_hour": HOUR + 6, "lo": (HOUR + 6) * HOUR_S}
    assert give_delta(store, 2, long | added, added, **at) == (OK, None)
    assert state(store) == (2, pack(long | added))


def test_a_first_delta_starts_from_nothing(store: StatusStore) -> None:
    assert give_delta(store, 1, entries(1, 2), entries(1, 2)) == (OK, None)
    assert state(store) == (1, pack(entries(1, 2)))


def test_additions_that_are_there_already_are_no_error(store: StatusStore) -> None:
    assert give(store, 1, entries(1, 2)) == (OK, None)
    assert give_delta(store, 2, entries(1, 2, 3), entries(2, 3)) == (OK, None)


@pytest.mark.parametrize("base", [0, 1, 3, 1 << 64])
def test_a_delta_from_a_version_that_is_not_held_asks_for_the_whole(
    storage: Watched, store: StatusStore, base: int
) -> None:
    assert give(store, 2, entries(1)) == (OK, None)
    before = dict(storage.files)
    result = give_delta(store, 4, entries(1, 2), entries(2), base=base)
    assert result == (reasons.OTHER_BASE, None)
    assert storage.files == before


@pytest.mark.parametrize(
    "additions",
    [
        b"",
        pack(entries(2)),
        pack(entries(2, 3, 4)),
        pack(entries(3)) + pack(entries(2)),
        pack(entries(2, 3)) * 2,
    ],
)
def test_a_delta_that_does_not_make_the_list_leaves_the_old_one(
    storage: Watched, store: StatusStore, additions: bytes
) -> None:
    assert give(store, 1, entries(1)) == (OK, None)
    document = signed(2, pack(entries(1, 2, 3)))
    assert store.take_delta(document, 1, additions, NOW, trusted) == REFUSED
    assert state(store) == state(boot(storage)) == (1, pack(entries(1)))
    assert give_delta(store, 2, entries(1, 2, 3), entries(2, 3)) == (OK, None)


def test_a_delta_in_the_middle_of_an_upload_takes_its_place(
    storage: Watched, store: StatusStore
) -> None:
    assert give(store, 1, entries(1)) == (OK, None)
    raw = pack(entries(*range(300)))
    document = signed(9, raw)
    assert store.take_part(document, 0, raw[:1600], NOW, trusted) == (OK, 1600)
    assert give_delta(store, 2, entries(1, 2), entries(2)) == (OK, None)
    assert store.take_part(document, 1600, raw[1600:], NOW, trusted) == (OK, 0)
    assert state(boot(storage)) == (2, pack(entries(1, 2)))
    assert bring(store, document, raw) == (OK, None)
    assert state(boot(storage)) == (9, raw)


@pytest.mark.parametrize("named", [2, 150, 250])
def test_an_upload_does_not_go_on_where_a_failed_delta_has_written(
    storage: Watched, store: StatusStore, named: int
) -> None:
    assert give(store, 1, entries(1)) == (OK, None)
    raw = pack(entries(*range(300)))
    document = signed(9, raw)
    assert store.take_part(document, 0, raw[:1600], NOW, trusted) == (OK, 1600)
    assert give_delta(store, 2, entries(*range(named)), entries(*range(200))) == REFUSED
    assert store.take_part(document, 1600, raw[1600:], NOW, trusted) == (OK, 0)
    assert bring(store, document, raw) == (OK, None)
    assert state(boot(storage)) == (9, raw)


# --- storage ---


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("by_delta", [False, True])
@pytest.mark.parametrize(("method", "calls"), [("delete", 1), ("append", 5), ("read", 2)])
def test_when_storage_fails_the_old_list_stays_and_the_next_try_succeeds(
    storage: Watched, store: StatusStore, method: str, calls: int, by_delta: bool, landed: bool
) -> None:
    listed = entries(*range(100))
    assert give(store, 1, listed) == (OK, None)
    for call in range(calls):
        old, version = listed, store.current.version
        listed = old | entries(*range(1000 * call + 1000, 1000 * call + 1200))
        storage.fails, storage.landed = {method: call}, landed
        for result in (reasons.STORAGE, OK):
            if by_delta:
                given = give_delta(store, version + 1, listed, listed - old)
            else:
                given = give(store, version + 1, listed)
            assert given == (result, None)
            held_now = (version, pack(old)) if result else (version + 1, pack(listed))
            assert state(store) == held_now
        assert storage.fails == {}
        assert state(boot(storage)) == held_now


def test_a_rotten_newest_file_falls_back_to_the_one_before(
    storage: Watched, store: StatusStore
) -> None:
    assert give(store, 1, entries(1)) == (OK, None)
    assert give(store, 2, entries(1, 2)) == (OK, None)
    good = dict(storage.files)
    newest = max(NAMES, key=lambda name: len(good[name]))
    for bit in range(8 * len(good[newest])):
        rotten = bytearray(good[newest])
        rotten[bit // 8] ^= 1 << bit % 8
        storage.files[newest] = bytes(rotten)
        assert state(boot(storage)) == (1, pack(entries(1)))
    for size in range(len(good[newest])):
        storage.files[newest] = good[newest][:size]
        assert state(boot(storage)) == (1, pack(entries(1)))


def test_a_rotten_length_does_not_make_the_boot_ask_for_all_the_memory(storage: Watched) -> None:
    storage.files = dict.fromkeys(NAMES, b"\xff" * 70_000)
    assert state(boot(storage)) == (0, b"")
    assert storage.largest <= MAX_DOCUMENT_BYTES


def test_unreadable_files_do_not_stop_the_boot_nor_the_next_list(
    storage: Watched, store: StatusStore
) -> None:
    assert give(store, 1, entries(1)) == (OK, None)
    assert give(store, 2, entries(1, 2)) == (OK, None)
    newest = max(NAMES, key=lambda name: len(storage.files[name]))
    storage.unreadable = {newest}
    assert state(boot(storage)) == (1, pack(entries(1)))
    storage.unreadable = set(NAMES)
    again = boot(storage)
    assert state(again) == (0, b"")
    storage.unreadable = set()
    assert give(again, 3, entries(1, 2, 3)) == (OK, None)
    assert state(boot(storage)) == (3, pack(entries(1, 2, 3)))


def test_a_list_that_becomes_unreadable_says_so_instead_of_nothing(
    storage: Watched, store: StatusStore
) -> None:
    assert give(store, 1, entries(*range(100))) == (OK, None)
    name = next(iter(storage.files))
    whole = storage.files[name]
    for left in (None, b"", whole[:-400]):
        storage.files = {} if left is None else {name: left}
        with pytest.raises(OSError, match="5"):
            store.current.lists((99).to_bytes(6, "big"))
    storage.files = {}
    assert store.document is None


def test_a_lookup_among_2000_entries_reads_at_most_11_times(
    storage: Watched, store: StatusStore
) -> None:
    assert give(store, 1, entries(*range(0, 4000, 2))) == (OK, None)
    most = 0
    for name in range(4000):
        before = storage.reads
        assert store.current.lists(name.to_bytes(6, "big")) == (name % 2 == 0)
        most = max(most, storage.reads - before)
    assert most == 11


def test_nothing_reads_or_writes_more_than_a_chunk_at_once(
    storage: Watched, store: StatusStore
) -> None:
    old = entries(*range(0, 3980, 2))
    assert give(store, 1, old) == (OK, None)
    assert len(storage.states) == 1 + 32  # a deletion, then 16 kB in chunks
    assert give_delta(store, 2, old | entries(5, 7), entries(5, 7)) == (OK, None)
    boot(storage)
    assert storage.largest == CHUNK_BYTES
    assert max(len(data) for data in storage.files.values()) > 16_000


def test_the_largest_header_fits(store: StatusStore) -> None:
    huge, latest = (1 << 64) - 1, FOREVER - 1
    rows = [[bytes([n]) * 4, "+" + LOCK, latest] for n in range(statuslist.MAX_MIN_IAT_ROWS)]
    raw = pack(entries(1))
    digest = statuslist.sha256(raw)
    document = lists.document(StatusHeader(LOCK, huge, latest, 0, rows, 1, digest))
    assert MAX_DOCUMENT_BYTES // 2 < len(document) < MAX_DOCUMENT_BYTES - 30
    assert bring(store, document, raw) == (OK, None)
    assert store.current.header.min_iat[15] == tuple(rows[15])


def test_uploads_and_records_may_alternate_in_the_storage_of_a_chip(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path / "data"))
    store, records = boot(storage), 0
    listed: set[bytes] = set()
    for version in range(1, 6):
        listed |= entries(*range(1000 * version, 1000 * version + 150))
        raw = pack(listed)
        document = signed(version, raw)
        assert store.take_part(document, 0, raw[:ENTRY_BYTES], NOW, trusted)[0] == OK
        for offset in range(ENTRY_BYTES, len(raw), 200):
            storage.append("journal/00000001", b"r" * 128)
            records += 1
            piece = raw[offset : offset + 200]
            assert store.take_part(document, offset, piece, NOW, trusted)[0] == OK
        assert state(store) == state(boot(storage)) == (version, raw)
        if version == 3:  # another upload was begun over the older list, and given up
            half = signed(9, raw)
            store.take_part(half, 0, raw[:1600], NOW, trusted)
    assert storage.read("journal/00000001") == b"r" * 128 * records
    for name in NAMES:
        storage.delete(name)  # the last one that grew is still open
