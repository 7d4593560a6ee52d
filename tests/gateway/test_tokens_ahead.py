"""Tokens of bookings that begin soon reach their locks before their holders do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.machine import Settings
from gateway.machine.tokens import MAX_PER_LOCK
from kannuki.messages import TokenPut
from protocol import reasons, session
from protocol import token as tokens
from protocol.crypto import Crypto
from protocol.holder import Credential
from tests.firmware.town import LOCK_ID, START, Town
from tests.gateway.fakelock import LOCK_A, LOCK_B, T0, credential
from tests.gateway.test_real_core import RealLock, keeper, put, put_status
from tests.gateway.world import START_AT, World

LATE = START + 10**6


class Counting:
    """What a lock's chip would have to compute: signature checks are the slow thing."""

    def __init__(self, crypto: Crypto) -> None:
        self.verifications = 0
        self._verify, crypto.verify_signature = crypto.verify_signature, self

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        self.verifications += 1
        return bool(self._verify(public_key, message, signature))


@pytest.fixture
def real(tmp_path: Path):
    town = Town()
    w = World(tmp_path, [], Settings(sync_interval_s=60), credentials={})
    w.wall_ahead = START - START_AT
    w.sign_time = lambda lock, nonce, t: town.keys.time_answer(lock, nonce, int(t) + START - T0)
    w.locks[LOCK_ID] = RealLock(town)
    w.gateway.adopt({LOCK_ID: keeper(town)}, w.now)
    w.broker_up()
    w.until(lambda: w.gateway.counters["visits_finished"])
    yield w, town, Counting(town.lock.core.crypto)
    w.store.close()


def key_for(town: Town, starts_in: int = -60, ends_in: int = 7200, **kwargs) -> Credential:
    return town.credential(begins=starts_in, ends=ends_in, **kwargs)


def put_token(key: Credential, expires_at: int = LATE) -> TokenPut:
    return TokenPut(id=f"token-{key.token.cti.hex()}", token=key.raw_token, expires_at=expires_at)


def checks_at_the_door(town: Town, counting: Counting, key: Credential) -> int:
    """How many signatures the lock checks while somebody stands there; it must open."""
    before = counting.verifications
    _, outcome = town.present(key, session.COMMAND_UNLOCK)
    assert outcome.reason == session.OK, reasons.name(outcome.reason)
    return counting.verifications - before


def test_a_door_opens_without_a_signature_check_when_the_token_came_ahead(real):
    w, town, counting = real
    told, untold = key_for(town), key_for(town, cti=b"untold!!")
    w.command(LOCK_ID, put_token(told))
    assert w.result(put_token(told).id).ok
    assert checks_at_the_door(town, counting, untold) == 1
    assert checks_at_the_door(town, counting, told) == 0


def test_a_token_that_begins_soon_is_worth_a_visit_and_one_for_later_waits_for_the_next(real):
    w, town, _ = real
    visits = w.gateway.counters["visits_finished"]
    later = key_for(town, starts_in=1500)
    w.command(LOCK_ID, put_token(later))
    w.run(20)
    assert w.gateway.counters["visits_finished"] == visits
    soon = key_for(town, starts_in=30, cti=b"soon1234")
    w.command(LOCK_ID, put_token(soon))
    w.result(put_token(soon).id, within_s=5)
    assert w.result(put_token(later).id, within_s=5).ok, "and takes the other one along"


def test_the_same_command_again_gets_the_same_answer_and_is_not_carried_again(real):
    w, town, counting = real
    command = put_token(key_for(town))
    w.command(LOCK_ID, command)
    w.command(LOCK_ID, command)
    w.result(command.id)
    checked = counting.verifications
    w.command(LOCK_ID, command)
    w.run(130)
    assert [result.ok for result in w.results(command.id)] == [True, True]
    assert counting.verifications == checked


def test_a_kill_loses_speed_and_nothing_else(real):
    w, town, counting = real
    key = key_for(town, starts_in=1500)
    w.command(LOCK_ID, put_token(key))
    w.kill()
    w.credentials = {LOCK_ID: keeper(town)}
    w.start()
    w.broker_up()
    w.run(70)
    assert not w.results(put_token(key).id)
    w.command(LOCK_ID, put_token(key))  # as the town does, having heard nothing
    assert w.result(put_token(key).id).ok


def test_a_withdrawn_token_is_not_carried(real):
    w, town, counting = real
    key, other = key_for(town, starts_in=1500), key_for(town, starts_in=1500, cti=b"other123")
    w.command(LOCK_ID, put_token(key))
    w.command(LOCK_ID, put_token(other))
    w.command(LOCK_ID, put_status(town, 1, [(key.token.cti, key.token.expires_at)]))
    assert w.result(put_token(key).id).error == "REVOKED"
    assert w.result(put_token(other).id).ok
    assert w.gateway.counters["tokens_taken"] == 1


def test_a_withdrawal_goes_before_tokens_in_the_same_visit(real):
    w, town, _ = real
    asked = []
    answer = town.lock.core.sessions  # the requests as the lock's core sees them

    access = answer._access
    real_answer = access.answer

    def listening(asking, operation, argument):
        asked.append(operation)
        return real_answer(asking, operation, argument)

    access.answer = listening
    key = key_for(town, starts_in=1500)
    w.command(LOCK_ID, put_token(key))
    w.command(LOCK_ID, put_status(town, 1, [(b"whoever!", START + 7200)]))
    w.result(put_token(key).id)
    assert asked.index(session.REQUEST_STATUS_PART) < asked.index(session.REQUEST_TOKEN)
    assert asked.index(session.REQUEST_TOKEN) < asked.index(session.REQUEST_AUDIT)


def test_a_token_that_the_lock_will_not_have_is_given_up_with_its_reason(real):
    w, town, _ = real
    good = key_for(town, starts_in=30)
    forged = good.raw_token[:-1] + bytes([good.raw_token[-1] ^ 1])
    command = TokenPut(id="token-forged", token=forged, expires_at=LATE)
    w.command(LOCK_ID, command)
    assert w.result(command.id).error == "BAD_SIGNATURE"
    assert w.gateway.counters["visits_failed"] == 0


def test_tokens_past_their_time_are_dropped_and_said_to_be(real):
    w, town, counting = real
    at = int(w.now.wall)
    late = put_token(key_for(town, starts_in=1500), expires_at=at)
    w.command(LOCK_ID, late)
    assert w.result(late.id).error == "EXPIRED_COMMAND"
    w.out_of_range.add(LOCK_ID)
    soon = put_token(key_for(town, starts_in=1500, cti=b"soon1234"), expires_at=at + 40)
    w.command(LOCK_ID, soon)
    w.run(90)
    assert w.result(soon.id).error == "EXPIRED_COMMAND"
    w.out_of_range.clear()
    w.run(90)
    assert w.gateway.counters["tokens_taken"] == 0


def test_no_lock_is_brought_more_tokens_than_it_remembers_and_the_last_one_waits(real):
    w, town, _ = real
    keys = [
        key_for(town, starts_in=100 + number, cti=number.to_bytes(8, "big"))
        for number in range(MAX_PER_LOCK + 1)
    ]
    w.out_of_range.add(LOCK_ID)
    for key in reversed(keys):
        w.command(LOCK_ID, put_token(key))
    assert w.results(put_token(keys[-1]).id)[-1].error == "BUSY"
    w.out_of_range.clear()
    w.until(lambda: w.gateway.counters["tokens_taken"] == MAX_PER_LOCK)
    w.command(LOCK_ID, put_token(keys[-1]))
    assert w.result(put_token(keys[-1]).id, within_s=130) is not None


def test_tokens_never_stand_in_the_log(real):
    w, town, _ = real
    key = key_for(town, starts_in=30)
    w.command(LOCK_ID, put_token(key))
    w.command(LOCK_ID, TokenPut(id="bad", token=b"no token", expires_at=LATE))
    assert w.result("bad").error == "MALFORMED"
    w.result(put_token(key).id)
    assert not any(key.raw_token.hex()[:16] in note.text for note in w.notes)


def test_a_token_of_another_lock_is_refused_at_once(world):
    w = world([LOCK_A, LOCK_B])
    w.broker_up()
    stray = TokenPut(
        id="stray", token=credential(LOCK_B, tokens.UNLOCK).raw_token, expires_at=T0 + 10**6
    )
    w.command(LOCK_A, stray)
    assert w.results("stray")[-1].error == "MALFORMED"


def test_a_new_keyset_goes_before_the_tokens_that_it_would_make_the_lock_forget(real):
    w, town, counting = real
    key = key_for(town, starts_in=30)
    w.out_of_range.add(LOCK_ID)
    w.command(LOCK_ID, put_token(key))
    w.command(LOCK_ID, put("keyset", 2, town.keys.keyset_document(town.keys.keyset(2))))
    w.out_of_range.clear()
    assert w.result(put_token(key).id).ok
    w.until(lambda: w.results("keyset-2"))
    town.pass_time(60)
    assert checks_at_the_door(town, counting, key) == 0
