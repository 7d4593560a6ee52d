"""Hostile status lists: what a proven holder, or a stolen status key, cannot do."""

from __future__ import annotations

import pytest

from firmware.core.statusstore import CHUNK_BYTES, StatusStore
from protocol import reasons
from protocol.session import OK
from protocol.statuslist import HOUR_S
from simulator.virtual.storage import MemoryStorage
from tests.firmware.chips.status_lists import (
    HOUR,
    LOCK,
    NOW,
    bring,
    pack,
    signed,
)
from tests.firmware.status_support import (
    Watched,
    boot,
    entries,
    give,
    give_delta,
    state,
)

REFUSED = (reasons.MALFORMED, None)


YEAR_HOURS = 8766


@pytest.fixture
def storage() -> Watched:
    return Watched()


@pytest.fixture
def store(storage: Watched) -> StatusStore:
    return StatusStore(storage, LOCK)


def bad_entries() -> dict[str, tuple[bytes, bytes]]:
    """(entries that the header names, entries that come)"""
    good = sorted(entries(*range(100)))
    raw = b"".join(good)
    swapped = b"".join([good[1], good[0], *good[2:]])
    twice = b"".join([good[0], *good[:-1]])
    return {
        "out of order, as signed": (swapped, swapped),
        "twice, as signed": (twice, twice),
        "out of order": (raw, swapped),
        "another entry": (raw, b"".join(good[:-1]) + b"\xff" * 8),
        "one too many": (raw, raw + b"\xff" * 8),
        "some, though there are none": (b"", raw),
    }


@pytest.mark.parametrize("case", bad_entries())
@pytest.mark.parametrize("piece_bytes", [24, 512, 4000])
def test_entries_that_are_not_the_headers_leave_the_old_list(
    storage: Watched, store: StatusStore, case: str, piece_bytes: int
) -> None:
    assert give(store, 1, entries(7)) == (OK, None)
    named, come = bad_entries()[case]
    assert bring(store, signed(2, named), come, piece_bytes=piece_bytes) == REFUSED
    assert state(store) == state(boot(storage)) == (1, pack(entries(7)))
    assert give(store, 2, entries(*range(100))) == (OK, None)


def test_entries_behind_a_complete_list_are_not_looked_at(store: StatusStore) -> None:
    raw = pack(entries(1, 2))
    assert bring(store, signed(1, raw), raw + b"\xff" * 8, piece_bytes=8) == (OK, None)
    assert state(store) == (1, raw)


def test_a_list_kept_from_an_hour_that_the_lock_has_not_reached_is_refused(
    store: StatusStore,
) -> None:
    late = {"kept_from_hour": HOUR + 1, "lo": (HOUR + 1) * HOUR_S - 1}
    assert give(store, 1, entries(1), **late) == REFUSED
    assert give_delta(store, 1, entries(1), entries(1), **late) == REFUSED
    assert store.current.version == 0
    assert give(store, 1, entries(1), kept_from_hour=HOUR + 1, lo=(HOUR + 1) * HOUR_S) == (OK, None)


@pytest.mark.parametrize("kept_from_hour", [0, HOUR - 40000, HOUR - 32768, HOUR - 168, HOUR])
@pytest.mark.parametrize("missing", [0, 50, 99])
def test_a_stolen_status_key_cannot_give_back_what_was_withdrawn(
    storage: Watched, store: StatusStore, missing: int, kept_from_hour: int
) -> None:
    old = entries(*range(100))
    assert give(store, 1, old) == (OK, None)
    how = {"kept_from_hour": kept_from_hour, "issued_at": 0}
    assert give(store, 2, old - entries(missing) | entries(200), **how) == REFUSED
    assert give_delta(store, 2, old - entries(missing), set(), **how) == REFUSED
    assert give_delta(store, 2, set(), set(), **how) == REFUSED
    assert state(store) == state(boot(storage)) == (1, pack(old))


def test_dating_a_list_back_does_not_make_its_entries_past_for_the_next(
    storage: Watched, store: StatusStore
) -> None:
    old = entries(*range(100))
    assert give(store, 1, old) == (OK, None)
    assert give(store, 2, old, kept_from_hour=0, issued_at=0) == (OK, None)
    assert give(boot(storage), 3, set(), kept_from_hour=HOUR) == REFUSED
    assert give(boot(storage), 3, old, kept_from_hour=HOUR) == (OK, None)


def test_what_the_lock_knows_to_be_past_may_go(storage: Watched, store: StatusStore) -> None:
    short, long = entries(*range(0, 100, 2), hour=HOUR + 5), entries(*range(1, 100, 2))
    assert give(store, 1, short | long) == (OK, None)
    at = {"kept_from_hour": HOUR + 5, "lo": (HOUR + 5) * HOUR_S}
    assert give(store, 2, long, **at) == REFUSED  # they end in that hour
    at = {"kept_from_hour": HOUR + 6, "lo": (HOUR + 6) * HOUR_S}
    assert give(store, 2, long, **at) == (OK, None)
    assert state(boot(storage)) == (2, pack(long))


@pytest.mark.parametrize("years", [1, 3, 4, 5])
def test_a_lock_that_lay_in_a_drawer_for_years_takes_the_list_of_today(
    store: StatusStore, years: int
) -> None:
    assert give(store, 1, entries(*range(100))) == (OK, None)
    today = HOUR + years * YEAR_HOURS
    listed = entries(*range(200, 300), hour=today + 50)
    at = {"kept_from_hour": today, "issued_at": today * HOUR_S, "lo": today * HOUR_S}
    assert give(store, 2, listed, **at) == (OK, None)


def test_no_file_is_whole_before_everything_is_checked(
    storage: Watched, store: StatusStore
) -> None:
    """Whatever a hostile list leaves at any moment, a boot there has the old one."""
    old = entries(*range(100))
    assert give(store, 1, old) == (OK, None)
    storage.states = []
    assert give(store, 2, old - entries(99)) == REFUSED
    assert give(store, 2, old - entries(0)) == REFUSED
    assert give(store, 2, set()) == REFUSED
    assert give_delta(store, 2, set(), set()) == REFUSED
    assert storage.states, "nothing was written, so nothing was tried"
    for files in storage.states:
        left = MemoryStorage()
        left.files = files
        assert state(boot(left)) == (1, pack(old))


def test_a_file_that_ends_with_a_chunk_is_not_whole_before_everything_is_checked_either(
    storage: Watched, store: StatusStore
) -> None:
    dear = entries(10_000)  # behind all others
    assert give(store, 1, dear) == (OK, None)
    head, how = 10, {"kept_from_hour": 256, "issued_at": 1}  # numbers that make the lengths meet
    fits = []
    for count in range(40, 200):
        raw = pack(entries(*range(count)))
        if (head + len(signed(24, raw, **how)) + len(raw)) % CHUNK_BYTES == 0:
            fits.append(count)
            assert give(store, 24, entries(*range(count)), **how) == REFUSED
            assert state(boot(storage)) == (1, pack(dear))
    assert len(fits) > 1


ODD = (
    None, True, False, 0, 1, -1, 1 << 64, -(1 << 70), 1.5, b"", b"x" * 8, b"x" * 9, bytes(4000),
    "", "x", [], [b""], {}, {0: 0}, bytearray(8), object(),
)  # fmt: skip


def test_arguments_of_any_type_are_refused_and_never_raise(
    storage: Watched, store: StatusStore
) -> None:
    raw = pack(entries(1))
    good = [signed(1, raw), 0, raw, NOW]
    for member in range(4):
        for odd in ODD:
            arguments = good[:member] + [odd] + good[member + 1 :]
            for take in (store.take_part, store.take_delta):
                reason, value = take(*arguments, lambda _: False)
                assert reason in (OK, reasons.MALFORMED, reasons.OTHER_BASE, reasons.BAD_SIGNATURE)
                assert value in (None, 0)
    assert storage.files == {}
