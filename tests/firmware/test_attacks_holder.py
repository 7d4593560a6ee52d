"""What a holder with a good key, but a token that is over or not meant for this, cannot do."""

from __future__ import annotations

import dataclasses

import pytest
from nacl.signing import SigningKey

from firmware.core import refusals
from protocol import audit, holder, reasons, session
from protocol.holder import Credential
from tests.firmware.town import Peer, Town
from tests.firmware.visits import UNLOCK, reason_of


@pytest.fixture
def town() -> Town:
    return Town()


def test_an_expired_token_cannot_push_the_records_out_of_the_journal(town: Town) -> None:
    honest = town.credential()
    town.present(honest, UNLOCK)
    expired = town.credential(begins=-120, ends=-60)
    peer, before = town.connect(), town.lock.core.journal.head_seq
    for _ in range(3000):
        event = peer.attempt(expired, UNLOCK)
        assert (event[0], event[1].reason) == (holder.OUTCOME, reasons.EXPIRED)
    assert town.lock.core.journal.head_seq - before == refusals.RECORDED
    peer.leave()
    town.lock.leap(refusals.WITHIN_MS // 1000)
    town.lock.advance(100)
    records = town.records()
    assert any(record.subject == honest.token.cti for record in records)
    counted = [record for record in records if record.value == 3000 - refusals.RECORDED]
    assert [(r.event, r.code, r.source, r.subject) for r in counted] == [
        (
            audit.LOCK_OPERATION_ERROR,
            reasons.EXPIRED,
            audit.SOURCE_HOLDER,
            expired.token.cti,
        )
    ]


def test_a_token_refused_too_often_still_opens_when_its_time_has_come(town: Town) -> None:
    early = town.credential(begins=60, ends=3600)
    for _ in range(100):
        assert town.present(early, UNLOCK)[1].reason == reasons.NOT_YET_VALID
    town.pass_time(61)
    assert town.present(early, UNLOCK)[1].reason == session.OK
    assert town.records()[-1].event == audit.LOCK_OPERATION
    assert town.records()[-1].subject == early.token.cti


def keeper_with_open_session(town: Town) -> tuple[Peer, Credential]:
    keeper = town.staff()
    peer = town.connect()
    assert reason_of(peer.attempt(keeper, session.COMMAND_SYNC)) == session.OK
    return peer, keeper


def clear_keypad(peer: Peer) -> int:
    event = peer.request(session.REQUEST_CLEAR_KEYPAD, None)
    assert event[0] == holder.REPLY
    return int(event[1])


def keep_open(town: Town, peer: Peer, seconds: int) -> None:
    """Anything now and then keeps a session from being hung up."""
    for _ in range(0, seconds, 20):
        town.pass_time(20)
        assert peer.request(session.REQUEST_AUDIT, [0, 0])[1] == session.OK


def test_a_session_kept_open_clears_no_keypad_after_its_token_was_withdrawn(town: Town) -> None:
    peer, keeper = keeper_with_open_session(town)
    assert clear_keypad(peer) == session.OK
    assert town.put_status(1, [(keeper.token.cti, keeper.token.expires_at)])[1] == session.OK
    assert clear_keypad(peer) == reasons.REVOKED
    assert peer.request(session.REQUEST_STATE, None)[1] == reasons.REVOKED
    assert [r.event for r in town.records()].count(audit.KEYPAD) == 1


def test_a_session_kept_open_clears_no_keypad_after_its_token_has_expired(town: Town) -> None:
    peer, _ = keeper_with_open_session(town)
    keep_open(town, peer, 3660)
    assert clear_keypad(peer) == reasons.EXPIRED


def test_a_session_kept_open_has_no_rights_after_its_issuer_has_gone(town: Town) -> None:
    peer, _ = keeper_with_open_session(town)
    newer = dataclasses.replace(town.keys, staff=SigningKey(b"g" * 32))
    document = newer.keyset_document(newer.keyset(2))
    assert peer.request(session.REQUEST_KEYSET, document)[1:] == (session.OK, 2)
    assert clear_keypad(peer) == reasons.UNKNOWN_ISSUER
    assert peer.request(session.REQUEST_AUDIT, [0, 1])[1] == session.OK


def test_a_stolen_gateway_does_not_help_guessing_pins(town: Town) -> None:
    answer = town.bring(session.REQUEST_CLEAR_KEYPAD, None, by=town.keeper())
    assert answer == (holder.REPLY, reasons.SCOPE, None)
    answer = town.bring(session.REQUEST_CLEAR_KEYPAD, None, by=town.staff())
    assert answer == (holder.REPLY, session.OK, None)
