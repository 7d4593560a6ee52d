"""Signed time on its way to a lock: asked for when needed, never waited for long."""

from __future__ import annotations

from gateway.machine import Settings
from kannuki.messages import TimeAnswer, TimeRequest
from protocol import frames, reasons, session
from protocol.timebound import TimeBound
from tests.gateway.fakelock import LOCK_A, LOCK_B, STRANGER, T0, time_document
from tests.gateway.world import GATEWAY, World

SOON = T0 + 3600


def silent(world, *args, **kwargs) -> World:
    """A world whose town says nothing of the time by itself, with its broker there."""
    w = world(*args, **kwargs)
    w.town_tells_time = False
    w.broker_up()
    return w


def forget_time(w: World) -> None:
    """The lock does not know how late it is, but bears our token all the same."""
    w.locks[LOCK_A].doubt_s = None
    w.locks[LOCK_A].token_time = TimeBound(T0, T0)


def first_request(w: World, count: int = 1) -> TimeRequest:
    w.until(lambda: len(w.time_requests()) >= count)
    return w.time_requests()[count - 1]


def was_given_time(w: World, lock: str = LOCK_A) -> int:
    return w.locks[lock].requests.count(session.REQUEST_TIME)


def test_a_lock_without_a_clock_learns_the_time_in_one_visit(world):
    w = world([LOCK_A])
    forget_time(w)
    w.broker_up()
    w.run(3)
    assert w.states(LOCK_A)[0].time_hi is None
    assert w.states(LOCK_A)[-1].time_hi - w.states(LOCK_A)[-1].time_lo <= 3
    assert len(w.connects) == 1
    assert w.gateway.counters["times_taken"] == 1


def test_a_request_goes_out_on_the_gateways_topic_with_the_nonce_and_a_short_life(world):
    w = silent(world, [LOCK_A])
    request = first_request(w)
    (said,) = [p for p in w.published if p.channel == "request"]
    assert (said.device, said.retain, said.expiry_s) == (GATEWAY, False, 4.0)
    assert (request.lock, request.nonce) == (LOCK_A, w.locks[LOCK_A]._nonce)


def test_other_work_goes_on_while_the_town_is_asked(world):
    w = silent(world, [LOCK_A])
    w.locks[LOCK_A].happen(times=60)
    first_request(w)
    w.run(1)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records
    assert w.is_linked(LOCK_A), "it still waits for the time"


def test_nobody_waits_longer_than_a_few_seconds_for_a_town_that_says_nothing(world):
    w = silent(world, [LOCK_A])
    first_request(w)
    w.run(4.2)
    assert not w.is_linked(LOCK_A)
    assert was_given_time(w) == 0
    assert (w.gateway.counters["times_missed"], w.gateway.counters["visits_finished"]) == (1, 1)
    assert w.gateway.counters["visits_failed"] == 0


def test_a_town_that_is_down_costs_each_lock_one_wait_until_it_answers_again(world):
    w = silent(world, [LOCK_A], Settings(sync_interval_s=20))
    w.run(4.5)
    assert w.gateway.counters["times_missed"] == 1
    w.until(lambda: len(w.time_requests()) == 2)
    w.run(0.5)
    assert not w.is_linked(LOCK_A), "it did not wait again"
    w.answer_time(w.time_requests()[1])
    w.until(lambda: len(w.time_requests()) == 3)
    w.run(3)
    assert w.is_linked(LOCK_A), "it waits, because the town has answered, if too late"
    w.answer_time(w.time_requests()[2])
    assert was_given_time(w) == 1


def test_a_gateway_without_a_broker_asks_nothing_and_waits_for_nothing(world):
    w = world([LOCK_A])
    forget_time(w)
    w.run(0.5)
    w.broker_up()
    assert w.time_requests() == []
    assert w.gateway.counters["visits_finished"] == 1


def test_a_late_answer_is_not_given_to_a_lock(world):
    w = silent(world, [LOCK_A])
    request = first_request(w)
    w.run(10)
    w.answer_time(request)
    w.run(10)
    assert was_given_time(w) == 0
    assert w.gateway.counters["stray_time_answers"] == 1


def test_an_answer_to_an_earlier_visit_is_not_given_in_a_later_one(world):
    w = silent(world, [LOCK_A], Settings(sync_interval_s=20))
    old = first_request(w)
    w.lose(LOCK_A)
    new = first_request(w, count=2)
    w.answer_time(old)
    forged = time_document(LOCK_A, old.nonce, T0 + 60)
    w.answer_time(new, document=forged)
    assert was_given_time(w) == 0
    assert w.gateway.counters["stray_time_answers"] == 2
    w.answer_time(new)
    assert was_given_time(w) == 1


def test_an_answer_for_another_lock_or_on_another_locks_topic_is_not_given(world):
    w = silent(world, [LOCK_A, LOCK_B])
    w.until(lambda: len(w.time_requests()) == 2)
    of = {request.lock: request for request in w.time_requests()}
    swapped = time_document(LOCK_B, of[LOCK_B].nonce, T0)
    w.answer_time(of[LOCK_A], document=swapped)
    right = time_document(LOCK_A, of[LOCK_A].nonce, T0)
    w.command(LOCK_B, TimeAnswer(id=of[LOCK_A].id, document=right, expires_at=SOON))
    assert was_given_time(w) == was_given_time(w, LOCK_B) == 0
    assert w.gateway.counters["stray_time_answers"] == 2


def test_an_answer_may_come_on_the_gateways_own_topic(world):
    w = silent(world, [LOCK_A])
    request = first_request(w)
    document = time_document(LOCK_A, request.nonce, w.now.wall)
    w.command(GATEWAY, TimeAnswer(id=request.id, document=document, expires_at=SOON))
    assert was_given_time(w) == 1


def test_a_gateway_whose_own_clock_is_wrong_still_brings_the_towns_time(world):
    w = silent(world, [LOCK_A])
    w.wall_ahead += 10**6
    w.answer_time(first_request(w), expires_at=T0 + 5)
    assert was_given_time(w) == 1


def test_a_lock_that_talks_while_the_town_is_asked_fails_its_visit_and_no_more(world):
    w = silent(world, [LOCK_A])
    request = first_request(w)
    w.run(1)
    for fragment in frames.fragment(bytes([session.REPLY]) + bytes(40), 100):
        w.gateway.link_received(LOCK_A, fragment, w.now)
    w.carry_out()
    w.answer_time(request)
    assert was_given_time(w) == 0
    assert w.gateway.counters["visits_failed"] == 1
    w.until(lambda: w.gateway.counters["visits_finished"])


def test_what_is_no_signed_document_never_reaches_a_lock(world):
    w = silent(world, [LOCK_A])
    request = first_request(w)
    good = time_document(LOCK_A, request.nonce, T0)
    for document in (b"", b"\xff" * 90, good[:-1], good + b"\x00", request.nonce):
        w.answer_time(request, document=document)
    assert was_given_time(w) == 0


def test_an_answer_counts_once(world):
    w = silent(world, [LOCK_A])
    request = first_request(w)
    w.answer_time(request)
    w.answer_time(request)
    w.run(2)
    assert was_given_time(w) == 1


def test_an_answer_held_back_on_the_way_only_widens_what_the_lock_believes(world):
    w = silent(world, [LOCK_A])
    forget_time(w)
    request = first_request(w)
    document = time_document(LOCK_A, request.nonce, w.now.wall)
    w.run(3)
    w.answer_time(request, document=document)
    w.run(1)
    state = w.states(LOCK_A)[-1]
    assert state.time_hi - state.time_lo >= 5
    assert state.time_lo <= T0 + w.at - 1000 <= state.time_hi


def test_a_time_that_nobody_of_the_town_signed_changes_nothing_and_is_noted(world):
    w = silent(world, [LOCK_A], Settings(sync_interval_s=20))
    forget_time(w)
    request = first_request(w)
    forged = time_document(LOCK_A, request.nonce, T0, key=STRANGER)
    w.answer_time(request, document=forged)
    w.run(5)
    assert w.states(LOCK_A)[-1].time_hi is None
    assert any("BAD_SIGNATURE" in note.text for note in w.notes)


def test_a_lock_that_rejects_the_time_is_noted_and_left_alone_for_a_while(world):
    w = world([LOCK_A], Settings(sync_interval_s=20, time_rests_s=600))
    w.locks[LOCK_A].replies[session.REQUEST_TIME] = (reasons.TIME_REJECTED, None)
    w.broker_up()
    w.run(500)
    assert was_given_time(w) == 1
    assert any("TIME_REJECTED" in note.text for note in w.notes)
    assert w.gateway.counters["visits_failed"] == 0
    w.run(200)
    assert was_given_time(w) == 2


def test_a_lock_in_no_doubt_is_brought_the_time_once_an_hour(world):
    w = world([LOCK_A], Settings(sync_interval_s=60, time_every_s=3600))
    w.broker_up()
    w.run(3500)
    assert was_given_time(w) == 1
    w.run(300)
    assert was_given_time(w) == 2


def test_a_lock_in_doubt_is_brought_the_time_at_once(world):
    w = world([LOCK_A], Settings(sync_interval_s=60))
    w.broker_up()
    w.run(30)
    w.locks[LOCK_A].doubt_s = 11
    w.run(60)
    assert was_given_time(w) == 2


def test_a_resident_does_not_wait_for_a_visit_that_waits_for_the_time(world):
    from tests.gateway.test_relay import Phone

    w = silent(world, [LOCK_A])
    first_request(w)
    w.run(1)
    before = w.at
    assert Phone(w, LOCK_A).unlock().reason == session.OK
    assert w.at - before < 1


def test_a_lock_that_knows_no_time_and_so_refuses_our_token_is_helped_out(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].doubt_s = None
    w.broker_up()
    w.run(6)
    assert w.gateway.counters["visits_finished"] == 1
    assert w.states(LOCK_A)[-1].time_hi is not None


def test_a_lock_that_stays_sure_that_our_token_is_over_is_not_besieged(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].token_time = TimeBound(T0 + 10**9)
    w.locks[LOCK_A].replies[session.REQUEST_TIME] = (session.OK, [T0 + 10**9, T0 + 10**9])
    w.broker_up()
    w.run(600)
    assert len(w.connects) < 12
    assert any("EXPIRED" in note.text for note in w.notes)


def test_a_reply_to_the_time_that_is_no_interval_ends_the_visit(world):
    for value in (None, [], [T0], [T0, T0 - 1], [None, T0], [-1, T0], "now", [T0, T0, T0]):
        w = world([LOCK_A])
        w.locks[LOCK_A].replies[session.REQUEST_TIME] = (session.OK, value)
        w.broker_up()
        w.run(1)
        assert any("no interval" in note.text for note in w.notes), value
        w.kill()
        w.path.unlink()
