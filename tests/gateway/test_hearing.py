"""A lock that lost its power, or was carried away, is said to be out of reach within a minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.machine import Settings
from gateway.machine.hearing import Hearing
from tests.gateway.fakelock import LOCK_A, LOCK_B, LOCK_C
from tests.gateway.world import World

WITHIN_S = 60.0
SETTINGS = Settings()


def lock_ids(count: int) -> list[str]:
    digits = "abcdefghijklmnopqrstuvwxyz234567"
    return [f"lock{digits[n // 32]}{digits[n % 32]}aa" for n in range(count)]


class AirWorld(World):
    """Locks within range are heard once a second while somebody listens; time is what it costs."""

    deaf = False
    tries = 0

    def listen(self) -> None:
        self.gateway.listening(True, self.now)
        self.carry_out()

    def let_pass(self, seconds: float, listens: Callable[[float], bool] = lambda at: True) -> None:
        """Time with sightings; `listens(second)`: whether the scanner is on then."""
        for second in range(int(seconds)):
            is_on = listens(second)
            self.gateway.listening(is_on, self.now)
            self.carry_out()
            for lock in self.locks:
                if is_on and lock not in self.out_of_range and not self.deaf:
                    self.gateway.sighted(lock, self.now)
                    self.carry_out()
            self.run(1.0)

    def until_gone(self, locks: list[str], within_s: float = 200.0) -> float:
        """How long it takes until all of these are told to be out of reach."""
        began_at = self.at
        while any(self.states(lock)[-1].reachable for lock in locks):
            assert self.at - began_at < within_s, "nobody was told"
            self.let_pass(1.0)
        return self.at - began_at


@pytest.fixture
def air(tmp_path: Path):
    made = []

    def make(locks: list[str], settings: Settings = SETTINGS, **kwargs) -> AirWorld:
        w = AirWorld(tmp_path, locks, settings, **kwargs)
        made.append(w)
        w.broker_up()
        w.listen()
        return w

    yield make
    for w in made:
        w.store.close()


@pytest.mark.parametrize("count", [1, 16, 64])
def test_one_lock_that_falls_silent_is_told_within_a_minute(air, count):
    locks = lock_ids(count)
    w = air(locks)
    w.let_pass(45)  # in the middle of an interval: no visit is near
    w.out_of_range.add(locks[0])
    assert w.until_gone(locks[:1]) <= WITHIN_S
    assert all(w.states(lock)[-1].reachable for lock in locks[1:])


@pytest.mark.parametrize("count", [16, 64])
def test_a_whole_building_without_power_is_told_within_a_minute(air, count):
    locks = lock_ids(count)
    w = air(locks)
    w.let_pass(45)
    w.out_of_range.update(locks)
    assert w.until_gone(locks) <= WITHIN_S
    assert w.most_links <= w.settings.max_links


def test_a_lock_that_was_never_there_is_told_within_a_minute_of_the_start(air):
    locks = lock_ids(64)
    w = air(locks, out_of_range=locks)
    w.let_pass(WITHIN_S)
    assert all(w.states(lock) and not w.states(lock)[-1].reachable for lock in locks)


def test_a_lock_that_comes_back_is_told_at_once(air):
    w = air([LOCK_A])
    w.let_pass(10)
    w.out_of_range.add(LOCK_A)
    w.until_gone([LOCK_A])
    w.let_pass(600)
    w.out_of_range.clear()
    w.let_pass(10)
    assert w.states(LOCK_A)[-1].reachable


def test_supervision_costs_no_connection_as_long_as_a_lock_is_heard(air):
    w = air([LOCK_A, LOCK_B])
    w.let_pass(610)
    assert len(w.connects) == 2 * 11  # its interval's, and the first
    assert w.gateway.counters["locks_missed"] == 0


def test_a_lock_that_is_not_heard_but_answers_is_there(air):
    """A scanner that hears nothing must not say that a lock is gone which talks to us."""
    w = air([LOCK_A])
    w.deaf = True
    w.let_pass(1800)
    assert all(state.reachable for state in w.states(LOCK_A))
    assert w.gateway.counters["visits_failed"] == 0


def test_silence_while_nobody_listens_is_no_news(air):
    w = air([LOCK_A], Settings(sync_interval_s=3600))
    w.let_pass(5)
    w.let_pass(600, listens=lambda second: False)
    assert w.gateway.counters["locks_missed"] == 0
    assert w.states(LOCK_A)[-1].reachable


def test_a_scanner_that_makes_room_for_connections_most_of_the_time_is_enough(air):
    w = air([LOCK_A, LOCK_B, LOCK_C])
    w.let_pass(30, listens=lambda second: second % 4 == 0)
    w.out_of_range.add(LOCK_A)
    began_at = w.at
    while w.states(LOCK_A)[-1].reachable:
        w.let_pass(4, listens=lambda second: second % 4 == 0)
        assert w.at - began_at <= WITHIN_S
    assert w.states(LOCK_B)[-1].reachable


def test_a_stranger_who_advertises_in_a_locks_name_hides_its_end_only_until_its_visits_fail(air):
    w = air([LOCK_A])
    w.let_pass(10)
    w.unwilling.add(LOCK_A)  # heard, and nobody behind it
    assert w.until_gone([LOCK_A]) <= SETTINGS.sync_interval_s + 20


def test_a_gateway_whose_adapter_is_gone_reaches_nobody_and_says_so_within_a_minute(air):
    locks = lock_ids(64)
    w = air(locks)
    w.let_pass(45)
    w.gateway.listening(False, w.now)
    w.gateway.radio(False, w.now)
    w.out_of_range.update(locks)
    w.run(WITHIN_S - 1)
    assert not any(w.states(lock)[-1].reachable for lock in locks)
    w.out_of_range.clear()
    w.gateway.radio(True, w.now)
    w.let_pass(120)
    assert all(w.states(lock)[-1].reachable for lock in locks)


def test_a_bluetooth_service_that_is_started_anew_is_no_news_of_any_lock(air):
    w = air([LOCK_A, LOCK_B], Settings(sync_interval_s=3600))
    w.let_pass(10)
    for _ in range(10):
        w.gateway.listening(False, w.now)
        w.gateway.radio(False, w.now)
        w.run(15)
        w.gateway.radio(True, w.now)
        w.let_pass(15)
    assert all(w.states(lock)[-1].reachable for lock in (LOCK_A, LOCK_B))
    assert w.gateway.counters["locks_missed"] == 0


def test_each_silence_is_told_once(air):
    w = air([LOCK_A])
    w.let_pass(10)
    w.out_of_range.add(LOCK_A)
    w.let_pass(900)
    told = [state.reachable for state in w.states(LOCK_A)]
    assert told.count(False) == 1
    assert w.gateway.counters["locks_missed"] == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["heard", "on", "off", "look"]), st.floats(0.0, 30.0)), max_size=60
)


@given(STEPS)
def test_a_lock_is_never_missed_or_gone_unless_it_was_silent_for_so_long_and_listened_for(steps):
    hearing = Hearing(SETTINGS)
    hearing.add(LOCK_A, 0.0)
    at = heard_at = listened = 0.0
    is_on = False
    told: list[str] = []
    for what, wait in steps:
        at += wait
        listened += wait if is_on else 0.0
        if what == "heard":
            hearing.heard(LOCK_A, at)
            heard_at, listened, told = at, 0.0, []
        elif what == "look":
            missed, gone = hearing.newly_missed(at), hearing.newly_gone(at)
            enough = is_on and listened >= SETTINGS.listen_at_least_s - 1e-6
            told += ["missed"] * len(missed) + ["gone"] * len(gone)
            if missed:
                assert enough
                assert at - heard_at >= SETTINGS.silent_after_s
            if gone:
                assert enough
                assert at - heard_at >= SETTINGS.gone_after_s
            assert told.count("missed") <= 1
            assert told.count("gone") <= 1
            due_at = hearing.next_due_at()
            assert due_at is None or due_at > at - 1e-6, "a timer in the past spins"
        else:
            is_on = what == "on"
            hearing.listening(is_on, at)
