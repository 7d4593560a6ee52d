"""What a holder with a good key, but a token that is over or not meant for this, cannot do."""

from __future__ import annotations

import pytest

from firmware.core import refusals
from protocol import audit, holder, reasons, session
from tests.firmware.town import Town

UNLOCK = session.COMMAND_UNLOCK


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
