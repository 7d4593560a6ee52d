"""Status lists: deltas that lead to the whole, and withdrawing much in one step."""

from __future__ import annotations

from typing import Any

import pytest

from cloud import fleet, lists, lock_settings, reports
from cloud.credentials import renew
from cloud.lists import publish_lists
from cloud.models import Credential, KeyLink, StatusOutbox
from cloud.problems import Problem
from kannuki.messages import LockState
from protocol import cose, statuslist
from protocol import token as tokens
from protocol.keys import key_id
from protocol.keyset import ROLE_STATUS
from protocol.statuslist import ENTRY_BYTES, HOUR_S, StatusList
from protocol.verify import verify_document
from tests.cloud.support import CRYPTO, START, Town
from tests.cloud.test_calendar import calendar, event

ON_BOTH_DATABASES = True

DAY_S = 86_400
ROOM = "LOCATION:和室"
LOCK = "bbbbbbbb"


def days(sequence: int, status: str, count: int = 5, uid: str = "u") -> bytes:
    rule = f"RRULE:FREQ=DAILY;COUNT={count}"
    extra = (ROOM, rule, f"SEQUENCE:{sequence}", f"STATUS:{status}")
    return calendar(event(*extra, uid=uid))


def withdraw(town: Town, number: int) -> list[bytes]:
    """Withdraws the credentials of `number` bookings; their ctis."""
    with town.service.database.write() as session:
        found = session.query(Credential).filter_by(lock_id=LOCK, revoked_at=None).limit(number)
        gone = list(found)
        for credential in gone:
            credential.revoked_at = town.clock()
        publish_lists(session, town.service.signers, {LOCK}, town.clock())
    return [credential.cti for credential in gone]


def newest(town: Town) -> tuple[StatusOutbox, StatusList, lists.Delta | None]:
    with town.service.database.read() as session:
        outbox = session.get_one(StatusOutbox, LOCK)
        header = statuslist.parse(outbox.document)[1]
        delta = lists.delta(session, LOCK, header, outbox.entries)
    return outbox, statuslist.in_memory(header, outbox.entries), delta


def acknowledge(town: Town, version: int) -> None:
    with town.service.database.write() as session:
        fleet.acknowledge_list(session, LOCK, version)


def test_list_is_signed_by_the_status_key_and_names_what_is_withdrawn(town: Town) -> None:
    town.take(days(0, "CONFIRMED"))
    gone = withdraw(town, 2)
    outbox, listed, _ = newest(town)
    signed = cose.decode(outbox.document)
    keyset = town.service.keyset.keyset
    assert verify_document(keyset, CRYPTO, signed, ROLE_STATUS, statuslist.CONTEXT)
    assert all(listed.lists(cti) for cti in gone)
    assert (listed.version, listed.header.count) == (1, 2)


def test_delta_leads_a_lock_from_what_it_holds_to_the_newest(town: Town) -> None:
    town.take(days(0, "CONFIRMED", 12))
    withdraw(town, 3)
    _, first, delta = newest(town)
    assert delta is None
    acknowledge(town, 1)
    withdraw(town, 2)
    withdraw(town, 4)
    outbox, last, delta = newest(town)
    assert delta is not None
    assert (delta.base_version, len(delta.additions)) == (1, 6 * ENTRY_BYTES)
    made = b"".join(statuslist.merge(first, delta.additions, last.header.kept_from_hour))
    assert made == outbox.entries


def test_delta_drops_what_has_expired_as_the_lock_does(town: Town) -> None:
    town.take(days(0, "CONFIRMED", 12))
    withdraw(town, 12)
    _, first, _ = newest(town)
    acknowledge(town, 1)
    town.clock.now = START + 12 * DAY_S
    town.take(days(0, "CONFIRMED", 20, "later"))
    withdraw(town, 1)
    outbox, last, delta = newest(town)
    assert delta is not None
    assert 0 < last.header.count < 13
    assert last.header.kept_from_hour * HOUR_S <= town.clock.now - lists.KEPT_AFTER_EXPIRY_S
    assert b"".join(statuslist.merge(first, delta.additions, last.header.kept_from_hour)) == (
        outbox.entries
    )


def test_withdrawn_token_stays_listed_for_a_week_after_its_end(town: Town) -> None:
    town.take(days(0, "CONFIRMED", 1))
    (cti,) = withdraw(town, 1)
    with town.service.database.read() as session:
        ends = session.get_one(Credential, cti).expires_at
    for late, listed in ((7 * DAY_S - 1, True), (7 * DAY_S + 2 * HOUR_S, False)):
        town.clock.now = ends + late
        withdraw(town, 0)
        assert newest(town)[1].lists(cti) is listed


def test_lock_that_holds_a_version_long_gone_gets_the_whole(town: Town) -> None:
    town.take(days(0, "CONFIRMED", 3))
    for _ in range(12):
        withdraw(town, 0)
    acknowledge(town, 2)
    assert newest(town)[2] is None
    acknowledge(town, 11)
    assert newest(town)[2] is not None


def test_lock_made_anew_that_holds_nothing_gets_the_whole(town: Town) -> None:
    town.take(days(0, "CONFIRMED", 3))
    withdraw(town, 1)
    acknowledge(town, 1)
    withdraw(town, 1)
    with town.service.database.write() as session:
        fleet.note_lock(session, LOCK, LockState(reachable=True, seen_at=START), town.clock())
        (due,) = fleet.due_lists(session, town.clock())
    assert (due.version, due.delta, len(due.entries)) == (2, None, 2 * ENTRY_BYTES)


def collect_all(town: Town) -> None:
    """Somebody has each of the keys."""
    with town.service.database.write() as session:
        for row in session.query(Credential).filter_by(lock_id=LOCK, revoked_at=None):
            name = row.cti.hex()[:8].encode()
            session.add(
                KeyLink(
                    secret_sha256=name,
                    ticket_sha256=name,
                    booking_id=row.booking_id,
                    created_at=1,
                    claimed_at=1,
                )
            )


def test_keys_that_nobody_collected_leave_half_of_a_list_to_those_that_somebody_has(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.lists.MAX_ENTRIES", 6)
    town.take(days(0, "CONFIRMED", 9))
    withdraw(town, 5)
    assert newest(town)[1].header.count == 3
    acknowledge(town, 1)
    collect_all(town)
    held = withdraw(town, 3)
    _, listed, _ = newest(town)
    assert listed.header.count == 6
    assert all(listed.lists(cti) for cti in held)
    with town.service.database.read() as session:
        assert reports.alarm_lines(session, 9) == []


def test_full_list_never_drops_an_entry_that_a_lock_may_hold(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.lists.MAX_ENTRIES", 4)
    town.take(days(0, "CONFIRMED", 8))
    collect_all(town)
    first = withdraw(town, 4)
    acknowledge(town, 1)
    withdraw(town, 4)
    _, listed, _ = newest(town)
    assert all(listed.lists(cti) for cti in first)
    with town.service.database.read() as session:
        assert [a["kind"] for a in reports.alarm_lines(session, 9)] == ["STATUS_LIST_FULL"]


def test_lock_made_anew_is_bound_by_no_list_of_before(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.lists.MAX_ENTRIES", 4)
    town.take(days(0, "CONFIRMED", 8))
    collect_all(town)
    withdraw(town, 4)
    acknowledge(town, 1)
    withdraw(town, 4)
    town.locks[1].secret, town.locks[1].journal_epoch = bytes(range(32)), 2
    town.hang(1)
    outbox, listed, delta = newest(town)
    assert (outbox.version, outbox.acknowledged_version, delta) == (3, 0, None)
    assert listed.header.count == 4


# --- min_iat ---


def cut(town: Town, least: int, audience: str = "") -> bool:
    kid = key_id(town.service.signers.issuer.public_key)
    with town.service.database.write() as session:
        raised = lists.raise_least(session, kid, audience, least)
        locks = lists.locks_of(session, audience)
        renew(session, town.service.signers, town.clock(), publish=locks)
    town.settle()
    return raised


def live(town: Town) -> list[Any]:
    with town.service.database.read() as session:
        found = session.query(Credential).filter_by(lock_id=LOCK, revoked_at=None)
        return [tokens.parse(row.raw_token)[1] for row in found]


def test_cut_withdraws_every_older_token_in_one_row_and_bookings_get_new_ones(town: Town) -> None:
    town.take(days(0, "CONFIRMED"))
    old = live(town)
    town.clock.now += 60
    assert cut(town, town.clock.now)
    _, listed, _ = newest(town)
    kid = key_id(town.service.signers.issuer.public_key)
    assert listed.header.count == 0
    assert listed.header.min_iat == [(kid, None, town.clock.now)]
    for claims in old:
        assert listed.revokes(claims.cti, kid, claims.audience, claims.issued_at)
    new = live(town)
    assert len(new) == len(old)
    for claims in new:
        assert not listed.revokes(claims.cti, kid, claims.audience, claims.issued_at)


def test_cut_for_one_lock_leaves_the_others_alone(town: Town) -> None:
    town.take(days(0, "CONFIRMED"))
    town.clock.now += 60
    before = live(town)
    assert cut(town, town.clock.now, "aaaaaaaa")
    assert [claims.cti for claims in live(town)] == [claims.cti for claims in before]
    with town.service.database.read() as session:
        assert session.get(StatusOutbox, LOCK) is None
        header = statuslist.parse(session.get_one(StatusOutbox, "aaaaaaaa").document)[1]
    assert [audience for _, audience, _ in header.min_iat] == ["aaaaaaaa"]


def test_cut_never_falls_and_a_wider_one_takes_the_place_of_narrower(town: Town) -> None:
    assert cut(town, START - 400, LOCK)
    assert not cut(town, START - 500, LOCK)
    assert cut(town, START - 300)
    with town.service.database.read() as session:
        header = statuslist.parse(session.get_one(StatusOutbox, LOCK).document)[1]
    assert [(audience, least) for _, audience, least in header.min_iat] == [(None, START - 300)]


def test_entries_once_published_stay_after_a_cut_or_no_lock_would_take_the_list(
    town: Town,
) -> None:
    town.take(days(0, "CONFIRMED"))
    (listed,) = withdraw(town, 1)
    acknowledge(town, 1)
    town.clock.now += 60
    cut(town, town.clock.now)
    _, held, delta = newest(town)
    assert held.lists(listed)
    assert held.header.count == 1
    assert delta is not None


def test_group_row_reaches_the_locks_of_the_group(town: Town) -> None:
    with town.service.database.write() as session:
        lock_settings.change(session, town.service.signers, LOCK, {}, ["+ggggggg2"], START)
    assert cut(town, START - 300, "+ggggggg2")
    with town.service.database.read() as session:
        assert lists.locks_of(session, "+ggggggg2") == [LOCK]
        header = statuslist.parse(session.get_one(StatusOutbox, LOCK).document)[1]
        assert session.get(StatusOutbox, "aaaaaaaa") is None
    assert [audience for _, audience, _ in header.min_iat] == ["+ggggggg2"]


def test_more_rows_than_a_list_holds_are_refused_and_nothing_changes(town: Town) -> None:
    with town.service.database.write() as session:
        for n in range(16):
            lists.raise_least(session, bytes([n] * 4), "", START)
    with pytest.raises(Problem), town.service.database.write() as session:
        lists.raise_least(session, bytes([77] * 4), "", START)
        publish_lists(session, town.service.signers, {LOCK}, START)
    with town.service.database.read() as session:
        assert lists.least_issued_at(session, bytes([77] * 4), LOCK) == 0
