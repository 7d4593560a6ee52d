"""Numbers for keypads: what the town tells, a lock takes; what is withdrawn, it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud import bookings, lock_settings
from cloud.keyring import pinplan
from cloud.keyring.knowledge import knowledge_of_booking, names_of
from cloud.keyring.pins import live_pin
from cloud.models import AuditRecord, IssuedPin, Lock
from cloud.ports import LockKey, PinOrder
from protocol import audit, reasons, session
from protocol.pin import LENGTHS_QUARTERS, QUARTER_S, SERIALS
from tests.cloud.keys.support import book, cancel, check_lists, claim, link, move, steps
from tests.cloud.support import START, Town, open_town
from tests.cloud.test_keys import Phone
from tests.cloud.test_with_lock import Street, tell_time
from tests.cloud.web import open_web

HOUR_S = 3600


@given(
    st.integers(0, 4 * 24 * 30).map(lambda quarter: START + quarter * QUARTER_S),
    st.integers(1, 11 * 60),
    st.integers(0, 14),
)
def test_planned_window_is_one_a_pin_can_say_and_covers_the_booking(
    start: int, minutes: int, odd: int
) -> None:
    starts_at, ends_at = start + odd * 60, start + (odd + minutes) * 60
    planned = pinplan.plan(starts_at, ends_at)
    assert planned is not None
    at, quarters = planned
    assert at % QUARTER_S == 0
    assert quarters in LENGTHS_QUARTERS
    assert at <= starts_at < ends_at <= at + quarters * QUARTER_S
    shorter = [n for n in LENGTHS_QUARTERS if n < quarters]
    bare = starts_at // QUARTER_S * QUARTER_S
    if shorter and at == bare:
        assert bare + shorter[-1] * QUARTER_S < ends_at + pinplan.PAD_S


@pytest.mark.parametrize(
    ("minutes", "quarters", "early_s"),
    [(60, 6, 900), (120, 10, 900), (180, 12, 0), (420, 32, 0), (480, 32, 0), (720, 48, 0)],
)
def test_number_opens_ten_minutes_around_unless_that_would_reach_far_into_the_next_booking(
    minutes: int, quarters: int, early_s: int
) -> None:
    assert pinplan.plan(START, START + minutes * 60) == (START - early_s, quarters)


def test_no_number_says_more_than_twelve_hours() -> None:
    assert pinplan.plan(START, START + 12 * HOUR_S + 60) is None


def shown(town: Town, booking_id: str) -> str | None:
    pin = claim(town, link(town, booking_id), Phone()).pin
    return pin.digits if pin else None


def test_number_is_told_again_and_never_stored(town: Town) -> None:
    booking_id, phone = book(town), Phone()
    secret = link(town, booking_id)
    first, second = claim(town, secret, phone).pin, claim(town, secret, phone).pin
    assert first is not None and first == second
    with town.service.database.read() as session:
        assert session.query(IssuedPin).count() == 1


def test_every_booking_of_a_window_gets_another_number_until_all_32_are_used(town: Town) -> None:
    told = []
    for _ in range(SERIALS + 1):
        booking_id = book(town)
        told.append(shown(town, booking_id))
        cancel(town, booking_id)
        steps(town).drain()
    assert told[-1] is None
    assert len(set(told[:-1])) == SERIALS
    check_lists(town)


def test_door_that_takes_no_numbers_gets_none(town: Town) -> None:
    with town.service.database.write() as session:
        lock_settings.change(
            session, town.service.signers, "aaaaaaaa", {"pin_allowed": 0}, None, START
        )
    assert shown(town, book(town)) is None


@pytest.mark.parametrize("how", ["cancelled", "moved", "other device", "reissued"])
async def test_number_dies_with_what_it_was_for(town: Town, how: str) -> None:
    booking_id = book(town)
    shown(town, booking_id)
    with town.service.database.read() as session:
        before = live_pin(session, booking_id, "")
    assert before is not None
    if how == "cancelled":
        cancel(town, booking_id)
    elif how == "moved":
        move(town, booking_id, ends_at=START + 2 * HOUR_S)
    elif how == "other device":
        shown(town, booking_id)
    else:
        async with open_web(town.service) as web:
            await web.staff("POST", f"/bookings/{booking_id}/key-link")
    steps(town).drain()
    with town.service.database.read() as session:
        row = session.query(IssuedPin).filter_by(serial=before.serial, starts_at=before.starts_at)
        assert row.first().revoked_at is not None
    check_lists(town)


async def test_clerk_prints_a_slip_and_a_retired_epoch_gives_another_number(town: Town) -> None:
    booking_id = book(town)
    async with open_web(town.service) as web:
        first = await web.staff("POST", f"/bookings/{booking_id}/pin", json={})
        again = await web.staff("POST", f"/bookings/{booking_id}/pin", json={})
        other = await web.staff("POST", f"/bookings/{booking_id}/pin", json={"holder_id": "x"})
        await web.staff("POST", f"/bookings/{booking_id}/cancel")
        gone = await web.staff("POST", f"/bookings/{booking_id}/pin", json={})
    assert first.status_code == 200 and first.json() == again.json()
    assert other.json()["code"] == "UNKNOWN_HOLDER"
    assert gone.json()["code"] == "NOT_CONFIRMED"


def test_vault_tells_what_the_locks_own_key_says(town: Town) -> None:
    booking_id = book(town)
    digits = shown(town, booking_id)
    with town.service.database.read() as session:
        row = live_pin(session, booking_id, "")
        lock = session.get_one(Lock, "aaaaaaaa")
    assert row is not None
    order = PinOrder(row.starts_at, row.quarters, row.serial)
    told = town.service.vault.pin(LockKey(lock.lock_id, lock.public_key), 1, order)
    assert told == digits
    other = town.service.vault.pin(LockKey("bbbbbbbb", lock.public_key), 1, order)
    assert other != digits


# --- at the real keypad ---


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """A lock that the town enrolled and that knows the time; no booking yet."""
    with open_town(tmp_path, hung=0) as town:
        street = Street(town)
        tell_time(street)
        yield street


def typed(street: Street, digits: str) -> int | None:
    """What the lock's core says to the last of these keys: OK, or a reason."""
    lock = street.lock
    answers = [lock.core.key_pressed(digit, lock.now_ms) for digit in digits]
    lock.carry_out()
    assert answers[:-1] == [None] * (len(digits) - 1)
    return answers[-1]


def at_door(street: Street) -> tuple[str, str]:
    """(booking that begins now, its number)"""
    with street.service.database.write() as opened:
        now = street.now
        booking = bookings.create(
            opened,
            street.service.random_bytes,
            now,
            room_id="room-1",
            starts_at=now,
            ends_at=now + HOUR_S,
            holder_name="x",
        )
    return booking.booking_id, shown(street.town, booking.booking_id) or ""


def test_lock_opens_for_the_number_of_the_town_and_its_name_is_on_record(street: Street) -> None:
    booking_id, digits = at_door(street)
    assert typed(street, digits) == session.OK
    assert street.fetch() > 0
    with street.service.database.read() as opened:
        row = live_pin(opened, booking_id, "")
        assert row is not None
        (record,) = opened.query(AuditRecord).filter_by(subject=row.name)
        told = names_of(opened, [record.subject])
    assert record.event == audit.LOCK_OPERATION
    assert told[row.name] == {"what": "pin", "booking_id": booking_id, "holder_id": ""}


@pytest.mark.parametrize("how", ["cancelled", "reissued"])
def test_lock_refuses_the_withdrawn_number_once_the_list_has_come(street: Street, how: str) -> None:
    booking_id, digits = at_door(street)
    if how == "cancelled":
        cancel(street.town, booking_id)
    else:
        shown(street.town, booking_id)
    steps(street.town).drain()
    assert typed(street, digits) == session.OK  # the lock has not heard of it yet
    assert known(street, booking_id) == [False]
    assert [answer[1] for answer in street.carry()] == [session.OK]
    assert known(street, booking_id) == [True]
    assert typed(street, digits) == reasons.PIN_REFUSED
    if how == "reissued":
        assert typed(street, shown(street.town, booking_id) or "") == session.OK


def known(street: Street, booking_id: str) -> list[bool]:
    """What the console says the lock knows of withdrawn numbers."""
    with street.service.database.read() as opened:
        lines = knowledge_of_booking(opened, booking_id)
    return [bool(line["known_by_lock"]) for line in lines if line["what"] == "pin"]


def test_lock_refuses_the_number_before_its_quarter_hour_and_after(street: Street) -> None:
    _, digits = at_door(street)
    street.pass_time(2 * HOUR_S)
    tell_time(street)
    assert typed(street, digits) == reasons.PIN_REFUSED
