"""A gateway keeps its locks in order: state, audit home, status lists out."""

from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from gateway.machine import Settings
from kannuki.messages import GatewayState, StatusPut
from protocol import audit
from protocol import token as tokens
from tests.gateway.fakelock import (
    LOCK_A,
    LOCK_B,
    LOCK_C,
    LOCK_D,
    T0,
    aes,
    credential,
    kdk_of,
    status_document,
)

FOREVER = T0 + 10**6


def put(version: int, lock: str = LOCK_A, expires_at: int = FOREVER, **kwargs) -> StatusPut:
    return StatusPut(
        id=f"put-{version}",
        document=status_document(lock, version, **kwargs),
        version=version,
        entries=b"",
        expires_at=expires_at,
    )


def test_each_lock_is_visited_at_its_interval_and_its_state_published_retained(world):
    w = world([LOCK_A], Settings(sync_interval_s=60))
    w.broker_up()
    w.run(125)
    assert len({state.seen_at for state in w.states(LOCK_A)}) == 3
    state = w.states(LOCK_A)[-1]
    assert (state.reachable, state.bolt, state.door) == (True, "locked", "closed")
    assert (state.keyset_version, state.config_version, state.acked_seq) == (1, 1, 0)
    assert (state.keypad, state.held_open) == ("ready", False)
    assert all(p.retain for p in w.published if p.channel == "state")


def test_records_come_home_in_batches_under_the_locks_seal_and_form_its_chain(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen(times=60)
    w.broker_up()
    w.run(5)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records
    audit.check_run(w.records_home(LOCK_A), 1, audit.genesis(LOCK_A, 1))
    assert len(w.events()) == 3


def test_only_new_records_are_fetched_after_a_restart(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen(times=30)
    w.broker_up()
    w.run(5)
    w.ack(*w.events())
    w.kill()
    w.published.clear()
    w.locks[LOCK_A].happen(times=2)
    w.start()
    w.broker_up()
    w.run(5)
    assert [audit.decode_record(raw).seq for raw in w.records_home(LOCK_A)] == [31, 32]


def test_a_lock_with_a_new_journal_is_read_from_its_oldest_record(world):
    w = world([LOCK_A])
    w.town_commits = lambda _event: True
    w.locks[LOCK_A].happen(times=5)
    w.broker_up()
    w.run(5)
    w.locks[LOCK_A].journal_epoch, w.locks[LOCK_A].records = 2, []
    w.locks[LOCK_A].happen(times=3)
    w.run(70)
    home = w.records_home(LOCK_A)
    assert len(home) == 8
    audit.check_run(home[5:], 1, audit.genesis(LOCK_A, 2))


def test_a_head_that_fell_back_is_read_again_so_that_an_old_image_shows(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen(times=5)
    w.broker_up()
    w.run(5)
    w.ack(*w.events())
    w.locks[LOCK_A].records = []
    w.locks[LOCK_A].happen(times=2, code=0)
    w.run(70)
    again = w.events()[-1]
    records = audit.unpack(aes, kdk_of(LOCK_A), again.parcel, again.seal)
    assert records == w.locks[LOCK_A].records


def test_records_that_a_lock_has_overwritten_are_no_obstacle(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen(times=40)
    w.locks[LOCK_A].oldest_seq = 11
    w.broker_up()
    w.run(5)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records[10:]


def test_events_leave_the_outbox_only_by_acknowledgement_and_are_repeated_until_then(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen()
    w.broker_up()
    w.run(18)
    assert len({event.id for event in w.events()}) == 1
    assert len(w.events()) == 4
    assert w.store.waiting_events() == 1
    w.ack(w.events()[0])
    assert w.store.waiting_events() == 0
    w.run(95)
    assert len(w.events()) == 4


def test_events_are_kept_while_the_broker_is_away(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen(times=3)
    w.run(30)
    assert w.events() == []
    w.broker_up()
    assert len(w.records_home(LOCK_A)) == 3


def test_an_event_that_nobody_acknowledges_holds_up_no_other(world):
    w = world([LOCK_A], Settings(outbox_window=3, max_records=1, sync_interval_s=5))
    w.locks[LOCK_A].happen(times=3)
    w.broker_up()
    w.run(3)
    w.locks[LOCK_A].happen(times=4)
    stuck = {event.id for event in w.events()}
    w.town_commits = lambda event: event.id not in stuck
    w.run(200)
    assert len(w.records_home(LOCK_A)) == 7
    assert w.store.waiting_events() == 3


def test_a_status_list_is_carried_at_once_and_answered_when_the_lock_holds_it(world):
    w = world([LOCK_A], Settings(sync_interval_s=3600))
    w.broker_up()
    w.run(5)
    w.command(LOCK_A, put(3))
    result = w.result("put-3", within_s=2)
    assert (result.ok, result.version) == (True, 3)
    assert w.locks[LOCK_A].trust.status.version == 3
    assert w.states(LOCK_A)[-1].status_version == 3


def test_the_same_status_command_again_gets_the_same_answer_and_is_not_carried_again(world):
    w = world([LOCK_A])
    w.command(LOCK_A, put(3))
    w.result("put-3")
    w.kill()
    w.start()
    w.command(LOCK_A, put(3))
    w.run(70)
    first, *others = w.results("put-3")
    assert others
    assert all(other == first for other in others)
    assert w.locks[LOCK_A].documents == 1


def test_a_status_list_accepted_before_a_kill_is_carried_after_it(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.command(LOCK_A, put(3))
    w.run(1)
    w.kill()
    w.out_of_range.clear()
    w.start()
    assert w.result("put-3").ok


def test_a_newer_status_list_takes_the_place_of_an_older_and_answers_both(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.command(LOCK_A, put(5))
    w.command(LOCK_A, put(4))
    w.out_of_range.clear()
    assert w.result("put-5").ok
    assert w.result("put-4").version == 5
    assert w.locks[LOCK_A].documents == 1


def test_a_status_list_that_the_lock_refuses_is_answered_and_given_up(world):
    w = world([LOCK_A])
    w.command(LOCK_A, put(3, key=SigningKey(bytes(32))))
    result = w.result("put-3")
    assert (result.ok, result.error) == (False, "BAD_SIGNATURE")
    w.run(200)
    assert w.locks[LOCK_A].documents == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"expires_at": T0 - 1}, "EXPIRED_COMMAND"),
        ({"version": 0}, "MALFORMED"),
        ({"version": -1}, "MALFORMED"),
        ({"version": 1 << 70}, "MALFORMED"),
        ({"document": b""}, "MALFORMED"),
        ({"document": bytes(5000)}, "TOO_LARGE"),
    ],
)
def test_a_status_command_that_cannot_be_carried_says_why(world, change, error):
    w = world([LOCK_A])
    w.command(LOCK_A, put(3).model_copy(update=change))
    assert w.results("put-3")[0].error == error
    w.run(70)
    assert w.locks[LOCK_A].documents == 0


def test_a_status_command_that_expires_on_the_way_has_no_effect(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.command(LOCK_A, put(3, expires_at=T0 + 20))
    w.run(60)
    assert w.results("put-3")[-1].error == "EXPIRED_COMMAND"
    w.out_of_range.clear()
    w.run(400)
    assert w.locks[LOCK_A].trust.status.version == 0


def test_a_lock_out_of_range_is_said_to_be_so_after_some_tries_and_comes_back(world):
    w = world([LOCK_A], Settings(sync_interval_s=60, unreachable_after=3))
    w.broker_up()
    w.run(10)
    w.out_of_range.add(LOCK_A)
    w.until(lambda: not w.states(LOCK_A)[-1].reachable)
    lost = w.states(LOCK_A)[-1]
    assert lost.seen_at == w.states(LOCK_A)[-2].seen_at
    w.out_of_range.clear()
    w.gateway.sighted(LOCK_A, w.now)
    w.until(lambda: w.states(LOCK_A)[-1].reachable, within_s=5)


def test_an_unreachable_lock_is_tried_ever_more_rarely_but_never_given_up(world):
    w = world([LOCK_A], Settings(max_retry_s=300), out_of_range=[LOCK_A])
    w.run(3600)
    times = [at for at, _, _ in w.connects]
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert max(gaps) < 310


def test_sightings_of_a_lock_that_will_not_connect_do_not_make_a_storm(world):
    w = world([LOCK_A])
    w.unwilling.add(LOCK_A)
    for _ in range(600):
        w.gateway.sighted(LOCK_A, w.now)
        w.carry_out()
        w.run(0.1)
    assert len(w.connects) < 30


def test_locks_out_of_range_do_not_starve_the_others(world):
    locks = [LOCK_A, LOCK_B, LOCK_C, LOCK_D]
    settings = Settings(sync_interval_s=10, max_links=1)
    w = world(locks, settings, out_of_range=[LOCK_A, LOCK_B, LOCK_C])
    w.broker_up()
    w.run(600)
    assert len(w.states(LOCK_D)) > 15
    assert w.most_links == 1
    assert not w.states(LOCK_A)[-1].reachable


def test_all_locks_get_their_turn_when_links_are_few(world):
    locks = [LOCK_A, LOCK_B, LOCK_C, LOCK_D]
    w = world(locks, Settings(sync_interval_s=1, max_links=2), latency_s=0.5)
    w.broker_up()
    w.run(300)
    visits = [len(w.states(lock)) for lock in locks]
    assert min(visits) > 10
    assert max(visits) <= 1.1 * min(visits)
    assert w.most_links == 2


def test_a_lock_that_says_nothing_does_not_hold_its_link(world):
    w = world([LOCK_A, LOCK_B], Settings(max_links=1, sync_interval_s=10))
    w.mute.add(LOCK_A)
    w.broker_up()
    w.run(100)
    assert len(w.states(LOCK_B)) > 3


def test_a_lock_that_refuses_our_token_is_reachable_but_noted(world):
    w = world([LOCK_A], credentials={LOCK_A: credential(LOCK_A, tokens.UNLOCK)})
    w.broker_up()
    w.run(60)
    assert any("SCOPE" in note.text for note in w.notes)
    assert all(state.reachable for state in w.states(LOCK_A))


def test_a_lock_that_answers_under_another_name_gives_nothing(world):
    w = world([LOCK_A])
    w.locks[LOCK_A] = type(w.locks[LOCK_A])(LOCK_B)
    w.locks[LOCK_A].happen(times=3)
    w.broker_up()
    w.run(30)
    assert w.events() == []
    assert any("another lock" in note.text for note in w.notes)


def test_a_jump_of_the_wall_clock_moves_no_timer(world):
    w = world([LOCK_A], Settings(sync_interval_s=60))
    w.broker_up()
    w.run(30)
    w.wall_ahead += 10**6
    w.run(100)
    w.wall_ahead -= 3 * 10**6
    w.run(100)
    assert len(w.connects) == 4


def test_a_gateway_says_that_it_is_there_after_each_reconnect(world):
    w = world([LOCK_A])
    w.broker_up()
    w.run(5)
    w.broker_down()
    w.published.clear()
    w.broker_up()
    own = [p for p in w.published if p.device == "gw-1"]
    assert [p.message for p in own] == [
        GatewayState(online=True, version="test", started_at=T0, waiting_events=0)
    ]
    assert len(w.states(LOCK_A)) == 1


def test_a_lock_taken_out_of_the_file_is_left_alone_and_its_commands_answered(world):
    w = world([LOCK_A, LOCK_B], out_of_range=[LOCK_A])
    w.command(LOCK_A, put(3))
    w.gateway.adopt({LOCK_B: w.credentials[LOCK_B]}, w.now)
    w.carry_out()
    assert w.results("put-3")[-1].error == "UNKNOWN_LOCK"
    before = len(w.connects)
    w.run(600)
    assert {lock for _, lock, _ in w.connects[before:]} == {LOCK_B}


def test_a_lock_added_to_the_file_is_visited_at_once(world):
    w = world([LOCK_A, LOCK_B], credentials={LOCK_A: credential(LOCK_A)})
    w.broker_up()
    w.run(5)
    w.gateway.adopt({lock: credential(lock) for lock in (LOCK_A, LOCK_B)}, w.now)
    w.carry_out()
    w.run(1)
    assert w.states(LOCK_B)
