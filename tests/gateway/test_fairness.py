"""No lock starves another: 64 locks share three links, and most of them mean no good."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.machine import Connect, Disconnect, Now, Settings
from gateway.machine import values as v
from gateway.machine.link import Use
from gateway.machine.relay import RelayDesk
from gateway.machine.scheduler import AGAIN_AFTER_S, Scheduler, Urgency
from gateway.machine.sharing import LinkShare
from gateway.machine.values import Counters

SETTINGS = Settings()
HANG_UP_S = 0.5  # how long a link takes to go down in this model
# A visit ends after round_within_s at the latest, one that does not connect after connect_within_s.
LONGEST_S = SETTINGS.connect_within_s + SETTINGS.round_within_s + 2 * SETTINGS.hang_up_within_s


@dataclass(frozen=True)
class Conduct:
    """What a lock does with a visit: it takes so long, and fails or not."""

    visit_s: float
    fails: bool = False
    seen: bool = True


HEALTHY = Conduct(1.5)
DEAD = Conduct(6.0, fails=True, seen=False)  # not found
UNWILLING = Conduct(25.0, fails=True)  # advertises, never connects
MUTE = Conduct(11.0, fails=True)  # connects, never answers
DRIPPING = Conduct(30.0)  # answers so slowly that the visit is ended by its bound
BAD = (DEAD, UNWILLING, MUTE, DRIPPING)


class Building:
    """Scheduler and links alone, with visits that only take time: an hour is some milliseconds."""

    def __init__(self, conducts: list[list[Conduct]], max_links: int) -> None:
        self.at = 0.0
        self.waits: dict[str, list[float]] = {}
        self.most_links = 0
        self._settings = Settings(max_links=max_links)
        self._conducts = {f"{n:08}": itertools.cycle(each) for n, each in enumerate(conducts)}
        self._now: dict[str, Conduct] = {}
        self._visit: dict[str, int] = {}
        self._later: list[tuple[float, int, object]] = []
        self._order = itertools.count(1)
        self._due_since: dict[str, float] = {}
        self.actions: list[v.Action] = []
        self.scheduler = Scheduler(self._settings)
        relays = RelayDesk(self._settings)
        self.counters = Counters()
        self.links = LinkShare(
            self._settings, self.scheduler, relays, self.actions, self.counters, self._stop
        )
        for lock in self._conducts:
            self.waits[lock] = []
            self._due_since[lock] = 0.0
            self.links.add(lock)
            self.scheduler.add(lock, 0.0)

    def run(self, seconds: float) -> None:
        """Lets time pass, event by event."""
        end_at = self.at + seconds
        self._share()
        while True:
            next_at = self.links.next_due_at()
            times = [end_at] + [at for at in (next_at,) if at is not None]
            times += [self._later[0][0]] if self._later else []
            before, self.at = self.at, max(self.at, min(times))
            assert self.at > before or self._later, "a timer that does not move spins"
            if self.at >= end_at:
                return
            while self._later and self._later[0][0] <= self.at:
                heapq.heappop(self._later)[2]()  # type: ignore[operator]
            for lock, _ in self.links.give_up_overdue(self._clock):
                self._fail(lock)
            self._share()

    @property
    def _clock(self) -> Now:
        return Now(self.at, self.at)

    def _share(self) -> None:
        self.links.share(self._clock)
        for action in self._taken():
            if isinstance(action, Connect):
                self._connect(action.lock)
            elif isinstance(action, Disconnect):
                self._after(HANG_UP_S, lambda lock=action.lock: self._down(lock))
        self.most_links = max(self.most_links, len(self._visit))

    def _taken(self) -> list[v.Action]:
        taken = list(self.actions)
        self.actions.clear()
        return taken

    def _connect(self, lock: str) -> None:
        conduct = self._now[lock] = next(self._conducts[lock])
        number = self._visit[lock] = next(self._order)
        self.waits[lock].append(self.at - self._due_since[lock])
        self._after(conduct.visit_s, lambda: self._over(lock, number))

    def _stop(self, lock: str) -> None:
        """The visit gives way."""
        self._due_since[lock] = self.at
        self._visit[lock] = 0

    def _over(self, lock: str, number: int) -> None:
        if self._visit.get(lock) != number:
            return
        self._visit[lock] = 0
        if self._now[lock].fails:
            self._fail(lock)
        else:
            again = self._now[lock] is DRIPPING
            self.scheduler.succeeded(lock, self.at, again)
            wait_s = AGAIN_AFTER_S if again else self._settings.sync_interval_s
            self._due_since[lock] = self.at + wait_s
        self.links.hang_up(lock, self._clock)

    def _fail(self, lock: str) -> None:
        self.scheduler.failed(lock, self.at, in_reach=False)
        if self._now[lock].seen:  # heard at once: due again after the shortest rest
            self.scheduler.sighted(lock, self.at)
        self._due_since[lock] = self.at + self._settings.first_retry_s

    def _down(self, lock: str) -> None:
        if self._visit.pop(lock, None) is not None:
            self.links.down(lock, self._clock)

    def _after(self, delay_s: float, work: object) -> None:
        heapq.heappush(self._later, (self.at + delay_s, next(self._order), work))


def bound_s(healthy: int, max_links: int) -> float:
    """How long a lock in good standing waits at most, as sharing.py says."""
    others = (healthy + 1) * (SETTINGS.quick_s + HANG_UP_S)
    return LONGEST_S + others / (max_links - 1)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("healthy", [1, 8, 32])
def test_a_healthy_lock_among_bad_ones_waits_for_its_peers_and_little_more(bad, healthy):
    building = Building([[HEALTHY]] * healthy + [[bad]] * (64 - healthy), max_links=3)
    building.run(5400)
    waits = list(building.waits.values())
    for each in waits[:healthy]:
        assert max(each[1:]) <= bound_s(healthy, 3)
        assert len(each) > 5400 / (60 + bound_s(healthy, 3))
    assert all(len(each) >= 3 for each in waits[healthy:]), "a bad lock is given up"
    assert building.most_links <= 3


def test_in_a_building_in_order_nobody_waits_for_long():
    building = Building([[HEALTHY]] * 64, max_links=3)
    building.run(3600)
    assert max(max(each[1:]) for each in building.waits.values()) < 70


def test_with_one_link_the_bad_get_half_of_it_at_most():
    building = Building([[HEALTHY]] * 4 + [[UNWILLING]] * 60, max_links=1)
    building.run(5400)
    for each in list(building.waits.values())[:4]:
        assert max(each[1:]) <= 2 * LONGEST_S


CONDUCTS = st.lists(
    st.builds(Conduct, st.floats(0.05, 55.0), st.booleans(), st.booleans()), min_size=1, max_size=4
)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(CONDUCTS, min_size=1, max_size=63),
    st.integers(1, 8),
    st.integers(2, 4),
)
def test_whatever_the_others_do_a_healthy_lock_is_visited_in_time(others, healthy, max_links):
    """Others may turn from good to bad and back at every visit; each counts as a peer."""
    others = others[: 64 - healthy]
    building = Building([[HEALTHY]] * healthy + others, max_links)
    building.run(2 * 3600)
    limit = bound_s(healthy + len(others), max_links)
    for each in list(building.waits.values())[:healthy]:
        assert len(each) >= 2
        assert max(each[1:]) <= limit
    assert building.most_links <= max_links


@pytest.mark.soak
def test_a_day_among_ever_changing_locks(capsys):
    chance = random.Random(5)
    kinds = [HEALTHY, *BAD]
    others = [chance.choices(kinds, k=9) for _ in range(56)]
    building = Building([[HEALTHY]] * 8 + others, max_links=3)
    building.run(86400)
    waits = sorted(wait for each in list(building.waits.values())[:8] for wait in each[1:])
    with capsys.disabled():
        print(
            f"\n8 healthy among 56 changing locks, 3 links, a day: wait p50 "
            f"{waits[len(waits) // 2]:.1f} s, p99 {waits[len(waits) * 99 // 100]:.1f} s, "
            f"most {waits[-1]:.1f} s, bound {bound_s(64, 3):.0f} s"
        )
    assert waits[-1] <= bound_s(64, 3)


# --- order ---


def test_a_withdrawal_overtakes_papers_papers_tokens_and_tokens_the_rest():
    scheduler = Scheduler(Settings())
    for lock, urgency in zip("abcd", reversed(Urgency), strict=True):
        scheduler.add(lock, 0.0)
        scheduler.hurry(lock, 10.0, urgency)
    assert scheduler.due(10.0) == ["a", "b", "c", "d"]


def test_what_is_urgent_does_not_hold_up_the_rest_for_ever():
    scheduler = Scheduler(Settings())
    scheduler.add("urgent", 0.0)
    scheduler.add("patient", 0.0)
    first = []
    for at in range(0, 400, 10):
        scheduler.hurry("urgent", at, Urgency.WITHDRAWAL)
        first.append(scheduler.due(at)[0])
        scheduler.started("urgent", at)
        scheduler.succeeded("urgent", at + 1.0)
    assert first[0] == "urgent"
    assert "patient" in first


def test_urgency_ends_with_the_visit_that_was_made_for_it():
    scheduler = Scheduler(Settings())
    scheduler.add("a", 0.0)
    scheduler.hurry("a", 0.0, Urgency.WITHDRAWAL)
    scheduler.started("a", 0.0)
    scheduler.succeeded("a", 1.0)
    scheduler.add("b", 30.0)
    assert scheduler.due(70.0) == ["b", "a"]


def test_a_link_that_a_resident_takes_over_is_no_suspects_any_more():
    building = Building([[UNWILLING], [HEALTHY]], max_links=2)
    building.links.share(Now(0.0, 0.0))
    assert building.links.is_for("00000000", Use.HOUSEKEEPING)
    assert not building.links.is_for("00000001", Use.HOUSEKEEPING), "one link is kept free"
