"""Bookings that were there before the outbox get their keys: after an upgrade, in small steps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlalchemy import text

from cloud import reports
from cloud.booking import states
from cloud.database import TownDatabase
from cloud.issuer import OrderError
from cloud.keyring import worker
from cloud.keyring.entitlement import keyed_rows
from cloud.keyring.worker import KeySteps
from cloud.models import Booking, Credential, KeyWork
from cloud.rekey import follow_keyset
from cloud.service import open_service
from tests.cloud.keys.support import PostOffice, book, cancel, live, steps
from tests.cloud.support import START, TOWN, Clock, Town, make_keys
from tests.cloud.test_upgrade_0002 import old, upgraded

__all__ = ["old", "upgraded"]
HOUR_S = 3600


def test_upgraded_town_has_the_right_keys_once(upgraded: TownDatabase, tmp_path: Any) -> None:
    make_keys(tmp_path / "keys")
    clock = Clock()
    service = open_service(TOWN, upgraded, tmp_path / "keys", clock, "https://key.example/open")
    follow_keyset(service)
    keys = KeySteps(service, "", PostOffice())
    while keys.sweep():
        pass
    keys.drain()
    with upgraded.read() as session:
        coming = session.query(Booking).filter(Booking.ends_at > clock.now - 600)
        wanted = sorted(b.booking_id for b in coming.filter_by(status="confirmed"))
        held = session.query(Credential).filter_by(revoked_at=None)
        assert sorted(row.booking_id for row in held) == wanted
        assert len(wanted) > 3
        count = session.query(Credential).count()
    again = KeySteps(service, "")
    again.sweep()
    again.drain()
    with upgraded.read() as session:
        assert session.query(Credential).count() == count


def test_what_nobody_asked_for_is_found_in_bounded_steps(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BACK_FILL_AT_ONCE", 3)
    ids = [book(town, START + n * HOUR_S) for n in range(8)]
    with town.service.database.write() as session:
        session.connection().execute(text("DELETE FROM key_work"))
    keys = steps(town)
    rounds = 1
    while keys.sweep():
        rounds += 1
        keys.drain()
    keys.drain()
    assert rounds == 3
    assert all(len(live(town, booking_id)) == 1 for booking_id in ids)


def test_cancelled_past_our_code_loses_its_key_all_the_same(town: Town) -> None:
    booking_id = book(town)
    keys = steps(town)
    keys.drain()
    with town.service.database.write() as session:
        session.get_one(Booking, booking_id).status = "cancelled"
    keys.sweep()
    keys.drain()
    assert live(town, booking_id) == []


def test_one_transaction_issues_no_more_than_its_bound(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        book(town, START + number * HOUR_S)
    keys = KeySteps(town.service, "", at_once=3)
    counts = []
    while keys.settle():
        with town.service.database.read() as session:
            counts.append(session.query(Credential).count())
    assert counts == [3, 6, 7]


def test_booking_that_cannot_be_keyed_delays_nobody_raises_an_alarm_and_heals(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = book(town), book(town, START + HOUR_S)
    issuer = town.service.signers.issuer
    real = issuer.issue

    def refuse_first(order: Any, issued_at: int) -> Any:
        if order.not_before < START:
            raise OrderError("beyond what this key may sign")
        return real(order, issued_at)

    monkeypatch.setattr(issuer, "issue", refuse_first)
    keys = steps(town)
    keys.drain()
    assert (len(live(town, first)), len(live(town, second))) == (0, 1)
    with town.service.database.read() as session:
        assert [line["kind"] for line in reports.alarm_lines(session, 9)] == ["KEY_NOT_ISSUED"]
    monkeypatch.undo()
    town.clock.now += 60
    keys.drain()
    assert len(live(town, first)) == 1
    with town.service.database.read() as session:
        assert reports.alarm_lines(session, 9) == []


def test_condition_on_rows_says_what_keyed_says(town: Town) -> None:
    booking_id = book(town)
    for status, state, later in itertools.product(
        states.STATUSES, states.PAYMENT_STATES, (True, False)
    ):
        values = {"status": status, "payment_state": state, "pay_later": later}
        with town.service.database.write() as session:
            row = session.get_one(Booking, booking_id)
            for name, value in (values | {"hold_until": START}).items():
                setattr(row, name, value)
        with town.service.database.read() as session:
            found = session.query(Booking).filter(keyed_rows()).count()
            assert found == states.keyed(session.get_one(Booking, booking_id))


def test_asking_twice_is_asking_once(town: Town) -> None:
    booking_id = book(town)
    keys = steps(town)
    keys.drain()
    with town.service.database.read() as session:
        row = session.get_one(KeyWork, booking_id)
        assert (row.wanted, row.done) == (1, 1)
    for _ in range(3):
        cancel(town, booking_id)
    keys.drain()
    with town.service.database.read() as session:
        row = session.get_one(KeyWork, booking_id)
        assert (row.wanted, row.done) == (2, 2)
        assert session.query(Credential).count() == 1
