"""A status key that was stolen cannot give back what rows of min_iat have withdrawn."""

from __future__ import annotations

import pytest

from protocol import holder, keys, reasons, session
from tests.firmware.town import KEYS, LOCK_ID, START, Town

BOOKING_KID = keys.key_id(bytes(KEYS.booking.verify_key))
STAFF_KID = keys.key_id(bytes(KEYS.staff.verify_key))
GONE_KID = b"gone"
HELD = [(BOOKING_KID, LOCK_ID, START - 100), (GONE_KID, None, START)]


def bring(town: Town, version: int, rows: list[tuple[bytes, str | None, int]]) -> int:
    document, entries = town.keys.status_list(LOCK_ID, version, town.now, [], rows)
    event = town.bring(session.REQUEST_STATUS_PART, [document, 0, entries])
    assert event[0] == holder.REPLY
    return event[1]


@pytest.fixture
def town() -> Town:
    """It holds a row of a key that it believes, and one of a key that it does not know."""
    lock = Town()
    assert bring(lock, 1, HELD) == session.OK
    return lock


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(BOOKING_KID, LOCK_ID, START - 101)],
        [(STAFF_KID, None, START)],
        [(BOOKING_KID, "+abcdefgh", START)],
    ],
)
def test_list_that_drops_or_lowers_a_row_is_refused(town: Town, rows: list) -> None:
    assert bring(town, 2, rows) == reasons.MALFORMED
    assert town.lock.core.trust.status.version == 1


@pytest.mark.parametrize(
    "rows",
    [
        HELD[:1],
        [(BOOKING_KID, LOCK_ID, START)],
        [(BOOKING_KID, None, START - 100)],
        [(STAFF_KID, None, START), *HELD],
    ],
)
def test_row_may_be_raised_widened_or_go_with_its_key(town: Town, rows: list) -> None:
    assert bring(town, 2, rows) == session.OK
    assert town.lock.core.trust.status.version == 2


def test_token_issued_before_its_keys_second_is_refused(town: Town) -> None:
    old = town.credential(issued_at=START - 101)
    event = town.present(old, session.COMMAND_UNLOCK)
    assert event[1].reason == reasons.REVOKED
    fresh = town.present(town.credential(issued_at=START - 100), session.COMMAND_UNLOCK)
    assert fresh[1].reason == session.OK
