"""What locks and gateways say of themselves, which gateway acts, and tokens sent ahead."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from cloud import ahead, fleet
from cloud.ahead import AHEAD_S, AHEAD_TOKENS, DueToken
from cloud.desk import fleet_view
from cloud.models import Alarm, Booking, Credential, LockReport, TokenAhead
from kannuki.messages import CommandResult, GatewayState, LockState
from protocol import token as tokens
from tests.cloud.support import FIRST, Town

LOCK = "aaaaaaaa"


def gateway(town: Town, name: str, online: bool = True) -> None:
    with town.service.database.write() as session:
        fleet.note_gateway(session, name, GatewayState(online=online), town.clock())


def report(town: Town, by: str | None = "gw-1", reachable: bool = True, **held: Any) -> None:
    with town.service.database.write() as session:
        held.setdefault("seen_at", town.clock())
        told = LockState(reachable=reachable, gateway=by, **held)
        assert fleet.note_lock(session, LOCK, told, town.clock())


def alarms(town: Town) -> list[tuple[str, int]]:
    with town.service.database.read() as session:
        rows = session.scalars(select(Alarm).where(Alarm.device == LOCK).order_by(Alarm.kind))
        return [(row.kind, row.times) for row in rows]


def line(town: Town) -> dict[str, Any]:
    with town.service.database.read() as session:
        told = fleet_view.fleet_lines(session, None, 1, town.clock())
        return next(each for each in told["locks"] if each["lock_id"] == LOCK)


def carrier(town: Town) -> str | None:
    with town.service.database.read() as session:
        return fleet.carrier(session, LOCK)


def bolt(town: Town) -> str:
    with town.service.database.read() as session:
        return session.get_one(LockReport, LOCK).bolt


# --- battery, firmware, lost records ---


def test_what_a_lock_tells_of_itself_stands_on_the_desk(town: Town) -> None:
    town.hang(0)
    report(town, battery=82, firmware="0.1.0", lost_records=0)
    shown = line(town)
    assert (shown["battery"], shown["firmware"], shown["lost_records"]) == (82, "0.1.0", 0)
    report(town, reachable=False)
    assert line(town)["battery"] == 82, "what it said last, not a guess"


def test_a_lock_and_a_gateway_of_before_tell_nothing_and_that_is_said(town: Town) -> None:
    town.hang(0)
    report(town, by=None)
    shown = line(town)
    assert (shown["battery"], shown["firmware"], shown["lost_records"]) == (None, None, 0)
    assert alarms(town) == []


def test_a_low_battery_is_an_alarm_once_until_somebody_has_put_in_another(town: Town) -> None:
    town.hang(0)
    for percent in (40, 21, 19, 20, 19, 12, 34):  # it falls to and fro
        report(town, battery=percent)
    assert alarms(town) == [("BATTERY_LOW", 2)]
    report(town, battery=100)
    assert alarms(town) == []
    report(town, battery=5)
    assert alarms(town) == [("BATTERY_LOW", 1)]


def test_a_lock_whose_first_word_is_a_low_battery_is_an_alarm_too(town: Town) -> None:
    town.hang(0)
    report(town, battery=3)
    assert alarms(town) == [("BATTERY_LOW", 1)]


def test_each_loss_of_records_is_told_once(town: Town) -> None:
    town.hang(0)
    for lost in (0, 2, 2, 3, 0, 1):  # between 3 and 0 it started anew
        report(town, lost_records=lost)
    assert alarms(town) == [("RECORDS_LOST", 3)]


# --- two gateways ---


def test_the_gateway_that_reached_the_lock_last_acts(town: Town) -> None:
    town.hang(0)
    assert carrier(town) is None
    gateway(town, "gw-1")
    gateway(town, "gw-2")
    report(town, "gw-1")
    assert carrier(town) == "gw-1"
    town.clock.now += 30
    report(town, "gw-2")
    assert carrier(town) == "gw-2"
    gateway(town, "gw-2", online=False)
    assert carrier(town) == "gw-1"


def test_a_lock_out_of_one_gateways_reach_is_there_as_long_as_another_reaches_it(
    town: Town,
) -> None:
    town.hang(0)
    gateway(town, "gw-1")
    gateway(town, "gw-2")
    report(town, "gw-1")
    report(town, "gw-2")
    report(town, "gw-2", reachable=False)
    assert (line(town)["contact"], carrier(town)) == ("now", "gw-1")
    report(town, "gw-1", reachable=False)
    assert (line(town)["contact"], carrier(town)) == ("earlier", None)
    report(town, "gw-2")
    assert (line(town)["contact"], carrier(town)) == ("now", "gw-2")


def test_a_gateway_that_never_reached_a_lock_takes_it_from_nobody(town: Town) -> None:
    town.hang(0)
    gateway(town, "gw-1")
    gateway(town, "gw-2")
    report(town, "gw-1")
    report(town, "gw-2", reachable=False)
    assert (line(town)["contact"], carrier(town)) == ("now", "gw-1")


def test_a_lock_whose_only_gateway_went_is_not_reached_though_another_is_online(
    town: Town,
) -> None:
    town.hang(0)
    gateway(town, "gw-1")
    gateway(town, "gw-2")
    report(town, "gw-1")
    gateway(town, "gw-1", online=False)
    with town.service.database.read() as session:
        assert fleet.gateway_is_offline(session, LOCK)


def test_what_another_gateway_saw_earlier_is_no_news_while_the_lock_is_reached(town: Town) -> None:
    """A gateway that comes back tells what it saw before it went."""
    town.hang(0)
    for each in ("gw-1", "gw-2"):
        gateway(town, each)
    then = town.clock()
    town.clock.now += 600
    report(town, "gw-1", bolt="locked")
    report(town, "gw-2", seen_at=then, bolt="unlocked")
    assert bolt(town) == "locked"
    report(town, "gw-1", seen_at=then, bolt="unlocked")  # its clock was set back
    assert bolt(town) == "unlocked"
    gateway(town, "gw-1", online=False)
    report(town, "gw-2", seen_at=then - 60, bolt="locked")
    assert bolt(town) == "locked"


def test_a_lock_that_an_older_gateway_told_of_is_out_of_reach_when_the_new_one_says_so(
    town: Town,
) -> None:
    town.hang(0)
    gateway(town, "gw-1")
    report(town, by=None)
    assert line(town)["contact"] == "now"
    report(town, "gw-1", reachable=False, seen_at=0)  # it never reached the lock since its start
    assert line(town)["contact"] == "earlier"


# --- tokens ahead ---


def due(town: Town) -> list[DueToken]:
    with town.service.database.write() as session:
        return ahead.due(session, town.clock())


def issue(
    town: Town, starts_in: int, name: bytes = b"token-01", revoked: bool = False
) -> Credential:
    """A credential as the keys' worker makes it; the first booking of the town stands for any."""
    at = town.clock() + starts_in
    with town.service.database.write() as session:
        booking_id = session.scalar(select(Booking.booking_id).limit(1))
        row = Credential(
            cti=name,
            booking_id=booking_id,
            holder_id=name.hex(),
            lock_id=LOCK,
            raw_token=b"signed " + name,
            not_before=at,
            expires_at=at + 3600,
            issued_at=town.clock(),
            revoked_at=town.clock() if revoked else None,
        )
        session.add(row)
        return row


@pytest.fixture
def hung(town: Town) -> Town:
    """A town with imported bookings far from now, and a lock that has reported."""
    town.hang(0)
    town.take(FIRST)
    with town.service.database.write() as session:
        for row in session.scalars(select(Credential)):
            row.not_before -= 10**8
    report(town)
    return town


def answer(town: Town, token: DueToken, error: str | None = None) -> None:
    result = CommandResult(id=token.command_id, ok=error is None, error=error)
    with town.service.database.write() as session:
        assert ahead.note_result(session, LOCK, result, town.clock())


def test_a_token_is_sent_when_its_booking_begins_soon_and_not_before(hung: Town) -> None:
    issue(hung, AHEAD_S + 60)
    assert due(hung) == []
    hung.clock.now += 61
    (token,) = due(hung)
    assert (token.lock_id, token.raw_token) == (LOCK, b"signed token-01")
    assert len(token.command_id) <= 64


def test_it_is_sent_again_ever_later_until_the_lock_has_it(hung: Town) -> None:
    issue(hung, 600)
    sent = []
    for _ in range(16):
        sent += [hung.clock.now for _ in due(hung)]
        hung.clock.now += 30
    gaps = [later - earlier for earlier, later in zip(sent, sent[1:], strict=False)]
    assert gaps == sorted(gaps) and gaps[0] == 60
    with hung.service.database.write() as session:
        ahead.make_waiting_due(session, hung.clock())
    (token,) = due(hung)
    answer(hung, token)
    hung.clock.now += 700
    assert due(hung) == []


def test_what_the_lock_will_not_have_is_not_sent_again_and_what_came_too_late_is(
    hung: Town,
) -> None:
    issue(hung, 600)
    issue(hung, 700, b"token-02")
    first, second = due(hung)
    answer(hung, first, "BAD_SIGNATURE")
    answer(hung, second, "EXPIRED_COMMAND")
    hung.clock.now += 61
    assert [token.cti for token in due(hung)] == [second.cti]
    gateway(hung, "gw-1")  # comes back
    assert [token.cti for token in due(hung)] == [second.cti]


def test_a_withdrawn_token_is_not_sent(hung: Town) -> None:
    issue(hung, 600, revoked=True)
    row = issue(hung, 600, b"token-02")
    assert [token.cti for token in due(hung)] == [row.cti]
    with hung.service.database.write() as session:
        session.get_one(Credential, row.cti).revoked_at = hung.clock()
    hung.clock.now += 61
    assert due(hung) == []


def test_a_lock_is_sent_no_more_than_it_remembers_the_first_first(hung: Town) -> None:
    for number in range(AHEAD_TOKENS + 4):
        issue(hung, 1000 - number, b"tok" + number.to_bytes(5, "big"))
    sent = due(hung)
    assert len(sent) == AHEAD_TOKENS
    for token in sent:
        answer(hung, token)
    assert due(hung) == [], "the others would push these out"


def test_no_token_is_sent_for_a_lock_that_nobody_has_heard_of(hung: Town) -> None:
    with hung.service.database.write() as session:
        session.delete(session.get_one(LockReport, LOCK))
    issue(hung, 600)
    assert due(hung) == []


def test_looking_for_tokens_writes_nothing(hung: Town) -> None:
    issue(hung, 600)
    with hung.service.database.read() as session:
        assert ahead.has_due(session, hung.clock())
    with hung.service.database.read() as session:
        assert session.query(TokenAhead).count() == 0


@pytest.mark.parametrize("name", ["token-", "token-zz", "token-0011", "status-aaaaaaaa-1", "x"])
def test_an_answer_to_no_token_of_ours_changes_nothing(hung: Town, name: str) -> None:
    issue(hung, 600)
    due(hung)
    with hung.service.database.write() as session:
        assert ahead.note_result(session, LOCK, CommandResult(id=name, ok=True), hung.clock())
        assert session.scalars(select(TokenAhead.taken_at)).all() == [None]


def test_an_answer_at_another_lock_is_not_believed(hung: Town) -> None:
    issue(hung, 600)
    (token,) = due(hung)
    result = CommandResult(id=token.command_id, ok=True)
    with hung.service.database.write() as session:
        assert not ahead.note_result(session, "bbbbbbbb", result, hung.clock())
        assert session.scalars(select(TokenAhead.taken_at)).all() == [None]


def test_the_keys_of_a_real_booking_are_what_is_sent(town: Town) -> None:
    town.hang(0)
    report(town)
    town.take(FIRST)
    with town.service.database.read() as session:
        query = select(Credential).where(
            Credential.lock_id == LOCK, Credential.revoked_at.is_(None)
        )
        first = session.scalars(query.order_by(Credential.not_before)).first()
        assert first is not None
        begins, raw = first.not_before, first.raw_token
    town.clock.now = begins - AHEAD_S
    sent = due(town)
    assert raw in [token.raw_token for token in sent]
    assert tokens.parse(raw)[1].audience == LOCK
