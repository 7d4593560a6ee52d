"""A whole lock that asks the time, is told lies, and is set right."""

from __future__ import annotations

import dataclasses

import pytest

from firmware.core import session as sessions
from protocol import audit, holder, reasons, session, timebound
from protocol.lockconfig import DoorConfig
from tests.firmware.town import KEYS, LOCK_ID, START, Peer, Town
from tests.firmware.visits import UNLOCK, events_of, reason_of, visit

ALARM = (audit.DOOR_LOCK_ALARM, audit.ALARM_TIME, audit.SOURCE_NONE)
DAY_S = 86400


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def lost(town: Town) -> Town:
    """A town whose lock does not know how late it is: its RTC stood still."""
    town.lock.rtc.stopped = True
    town.lock.power_on()
    return town


def nonce_of(peer: Peer) -> bytes:
    assert peer.machine.challenge is not None
    return peer.machine.challenge.nonce


def tell(peer: Peer, t: int, error_s: int = 1, operation: int = session.REQUEST_TIME) -> tuple:
    made = KEYS.time_answer if operation == session.REQUEST_TIME else KEYS.time_reset
    return peer.request(operation, made(LOCK_ID, nonce_of(peer), t, error_s))


def arrives(town: Town) -> Peer:
    """A resident with a good key, whatever the lock says to it."""
    peer = town.connect()
    assert peer.attempt(town.credential(), UNLOCK)[0] == holder.OUTCOME
    return peer


def test_a_resident_brings_the_time_and_opens_on_the_same_connection(lost: Town) -> None:
    """The session stays open after TIME_UNKNOWN, takes documents, and may be begun again."""
    peer, credential = lost.connect(), lost.credential()
    assert reason_of(peer.attempt(credential, UNLOCK)) == reasons.TIME_UNKNOWN
    assert peer.request(session.REQUEST_STATE, None)[1] == reasons.SCOPE
    answer = tell(peer, lost.now)
    assert answer == (holder.REPLY, session.OK, [lost.now, lost.now + 1])
    assert reason_of(peer.attempt(credential, UNLOCK)) == session.OK
    assert not peer.hung_up


def test_a_peer_that_greets_again_must_prove_itself_again(lost: Town) -> None:
    peer = arrives(lost)
    peer.send(session.encode_hello())
    assert peer.received[-1][0] == session.CHALLENGE
    peer.send(b"\x03" + bytes(200))
    assert peer.received[-1][0] == session.REFUSAL
    peer.received.clear()
    peer.send(session.encode_hello())
    assert peer.received == []


def test_a_denied_peer_that_says_nothing_more_is_hung_up(lost: Town) -> None:
    peer = arrives(lost)
    lost.lock.advance(sessions.IDLE_WITHIN_MS + 100)
    peer.collect()
    assert peer.hung_up


def test_a_refused_holder_has_no_second_session(town: Town) -> None:
    """After REVOKED or SCOPE nothing that it brings could change the lock's mind."""
    peer = town.connect()
    assert reason_of(peer.attempt(town.credential(), session.COMMAND_SYNC)) == reasons.SCOPE
    peer.received.clear()
    peer.send(session.encode_hello())
    assert peer.received == []


def test_an_answer_counts_once(lost: Town) -> None:
    peer = arrives(lost)
    assert tell(peer, lost.now)[1] == session.OK
    assert tell(peer, lost.now)[1] == reasons.TIME_REJECTED


def test_an_answer_to_another_session_is_refused(lost: Town) -> None:
    """A recorded answer would let an old time come back."""
    first = arrives(lost)
    document = KEYS.time_answer(LOCK_ID, nonce_of(first), lost.now, 1)
    second = arrives(lost)
    assert second.request(session.REQUEST_TIME, document)[1] == reasons.TIME_REJECTED


@pytest.mark.parametrize("role", ["booking", "staff", "status", "config", "emergency", "ack"])
def test_only_the_time_key_tells_the_time(lost: Town, role: str) -> None:
    peer = arrives(lost)
    liar = dataclasses.replace(KEYS, time=getattr(KEYS, role))
    document = liar.time_answer(LOCK_ID, nonce_of(peer), lost.now, 1)
    assert peer.request(session.REQUEST_TIME, document)[1] == reasons.BAD_SIGNATURE
    assert lost.lock.core.now().hi == timebound.FOREVER


def test_an_answer_for_another_lock_is_refused(lost: Town) -> None:
    peer = arrives(lost)
    document = KEYS.time_answer("bbbbbbbb", nonce_of(peer), lost.now, 1)
    assert peer.request(session.REQUEST_TIME, document)[1] == reasons.WRONG_LOCK


def test_a_gateway_that_delays_an_answer_only_widens_it(lost: Town) -> None:
    peer = arrives(lost)
    document = KEYS.time_answer(LOCK_ID, nonce_of(peer), lost.now, 1)
    lost.pass_time(20)
    assert peer.request(session.REQUEST_TIME, document)[1] == session.OK
    now = lost.lock.core.now()
    assert now.lo <= lost.now <= now.hi


@pytest.mark.parametrize("by_s", [-30 * DAY_S, -2 * 3600, 2 * 3600, 30 * DAY_S])
def test_a_stolen_time_key_cannot_move_a_healthy_clock(town: Town, by_s: int) -> None:
    assert tell(arrives(town), town.now + by_s)[1] == reasons.TIME_REJECTED
    assert ALARM in events_of(town)
    now = town.lock.core.now()
    assert now.lo <= town.now <= now.hi


def test_a_stolen_time_key_leads_a_healthy_clock_on_by_an_hour_at_a_time_with_alarms(
    town: Town,
) -> None:
    """Within an hour an answer may be right; so steps go through, but never unseen."""
    for step in range(1, 4):
        assert tell(arrives(town), town.now + 3500 * step)[1] == session.OK
        assert events_of(town).count(ALARM) == step
    assert town.lock.core.now().lo > town.now + 10000
    assert tell(arrives(town), town.now)[1] == reasons.TIME_REJECTED
    assert tell(arrives(town), town.now, operation=session.REQUEST_TIME_RESET)[1] == session.OK
    assert visit(town, town.credential()) == session.OK


def test_a_stolen_time_key_at_a_lock_without_rtc_cannot_go_below_its_floor(lost: Town) -> None:
    """Expired long ago stays expired: the floor is in the journal."""
    old = lost.credential(-10 * DAY_S, -5 * DAY_S, issued_at=START - 10 * DAY_S)
    assert tell(arrives(lost), lost.now - 7 * DAY_S)[1] == reasons.TIME_REJECTED
    assert visit(lost, old) == reasons.EXPIRED
    assert lost.lock.core.now().lo >= START


def test_what_a_lock_with_a_stopped_clock_is_told_is_forgotten_by_a_restart(lost: Town) -> None:
    """A stolen time key and one restart do no lasting harm."""
    tell(arrives(lost), lost.now + 300 * DAY_S)
    assert visit(lost, lost.credential()) == reasons.EXPIRED
    lost.lock.power_on()
    assert visit(lost, lost.credential()) == reasons.TIME_UNKNOWN


def test_a_root_lowers_the_floor_and_nobody_else(lost: Town) -> None:
    lied = lost.now + 300 * DAY_S
    tell(arrives(lost), lied)
    peer = arrives(lost)
    assert tell(peer, lost.now)[1] == reasons.TIME_REJECTED
    peer = arrives(lost)
    reset = session.REQUEST_TIME_RESET
    forged = dataclasses.replace(KEYS, roots=(KEYS.time, KEYS.time))
    document = forged.time_reset(LOCK_ID, nonce_of(peer), lost.now)
    assert peer.request(reset, document)[1] == reasons.BAD_SIGNATURE
    assert tell(peer, lost.now, operation=reset)[1] == session.OK
    assert visit(lost, lost.credential()) == session.OK
    assert (audit.TIME, audit.TIME_RESET, audit.SOURCE_NONE) in events_of(lost)
    lost.lock.power_on()
    assert visit(lost, lost.credential()) == session.OK


def test_a_reset_is_no_answer_and_an_answer_no_reset(lost: Town) -> None:
    """Each has a context of its own."""
    peer = arrives(lost)
    document = KEYS.time_answer(LOCK_ID, nonce_of(peer), lost.now, 1)
    assert peer.request(session.REQUEST_TIME_RESET, document)[1] == reasons.BAD_SIGNATURE
    document = KEYS.time_reset(LOCK_ID, nonce_of(peer), lost.now)
    assert peer.request(session.REQUEST_TIME, document)[1] == reasons.BAD_SIGNATURE


def test_lo_outlives_a_restart_without_any_clock(town: Town) -> None:
    """Checkpointed hourly: what expired more than an hour before the cut stays expired."""
    credential = town.credential(ends=60)
    for _ in range(4):
        town.pass_time(1800)
        town.lock.advance(100)
    town.lock.rtc.stopped = True
    town.lock.power_on()
    assert visit(town, credential) == reasons.EXPIRED


def test_an_rtc_turned_with_the_case_open_is_noticed_while_the_power_is_on(town: Town) -> None:
    expired = town.credential(ends=600)
    town.pass_time(7200)
    town.lock.advance(100)
    town.lock.rtc.offset_s -= 7200
    assert visit(town, expired) == reasons.EXPIRED
    town.pass_time(100)
    town.lock.advance(100)
    assert ALARM in events_of(town)


def test_an_rtc_turned_while_the_power_is_off_gains_no_more_than_the_last_checkpoint(
    town: Town,
) -> None:
    """What nobody can see: less than an hour and what passed since. It needs the opened case."""
    before, after = town.credential(ends=1800), town.credential(ends=5000)
    for seconds in (1900, 1900, 1600):
        town.pass_time(seconds)
        town.lock.advance(100)
    town.lock.rtc.offset_s -= 1500
    town.lock.power_on()
    assert visit(town, before) == reasons.EXPIRED
    assert visit(town, after) == session.OK  # 400 s late: the limit, as stated


def test_a_door_that_bears_doubt_opens_within_it_and_a_strict_one_does_not(town: Town) -> None:
    for doubt_s, expected in ((0, reasons.TIME_UNKNOWN), (900, session.OK)):
        town = Town()
        config = KEYS.config_document(LOCK_ID, 1, DoorConfig(doubt_s=doubt_s))
        assert town.bring(session.REQUEST_CONFIG, config)[1] == session.OK
        town.lock.rtc.stopped = True
        town.lock.power_on()
        peer = town.connect()
        peer.attempt(town.credential(), UNLOCK)
        assert tell(peer, town.now, error_s=300)[1] == session.OK
        assert visit(town, town.credential(begins=100)) == expected


def test_a_resident_carries_every_document_when_the_time_is_unknown(lost: Town) -> None:
    peer = arrives(lost)
    document = KEYS.keyset_document(KEYS.keyset(2))
    assert peer.request(session.REQUEST_KEYSET, document) == (holder.REPLY, session.OK, 2)
    config = KEYS.config_document(LOCK_ID, 1)
    assert peer.request(session.REQUEST_CONFIG, config) == (holder.REPLY, session.OK, 1)
    header, entries = KEYS.status_list(LOCK_ID, 1, lost.now, [])
    part = peer.request(session.REQUEST_STATUS_PART, [header, 0, entries])
    assert part == (holder.REPLY, session.OK, [None, 1])
