"""Events on their way: in order, each until it is acknowledged, and none holding up the others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.machine import Settings, StorageError, StoredEvent
from gateway.machine.outbox import (
    AGAIN_SLOWEST,
    FIRST_WINDOW,
    NEWEST_EVERY,
    PATIENT_ROUNDS,
    SLOWEST,
    Outbox,
)
from gateway.store import SqliteStore
from tests.gateway.fakelock import LOCK_A

WINDOW = 7
AFTER_S = 5.0


@dataclass
class Town:
    """An outbox and its receiver, `delay_s` apart; time moves in `run` only."""

    store: SqliteStore
    delay_s: float = 0.1
    is_there: bool = True
    undigestible: set[str] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)  # at the receiver, in order, each once
    sent: list[tuple[float, str]] = field(default_factory=list)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.store, Settings(outbox_window=WINDOW, resend_after_s=AFTER_S))
        self._on_the_way: list[tuple[float, str]] = []
        self.outbox.broker_up()

    def put(self, *seqs: int) -> None:
        for seq in seqs:
            event = StoredEvent(0, f"e{seq}", "event", "gw-1", b"payload")
            self.store.put_event(event, LOCK_A, 1, seq + 1)

    def run(self, seconds: float) -> None:
        ends_at = self.at + seconds
        while True:
            self._send()
            due = [at for at, _ in self._on_the_way[:1]]
            due += [at for at in [self.outbox.next_due_at()] if at is not None]
            next_at = min(due, default=ends_at)
            if next_at >= ends_at:
                self.at = ends_at
                return
            assert next_at > self.at or self._on_the_way, "a timer that does not move spins"
            self.at = max(next_at, self.at)
            self._answer()

    def _send(self) -> None:
        for event in self.outbox.to_send(self.at):
            self.sent.append((self.at, event.id))
            if self.is_there and event.id not in self.undigestible:
                self.taken += [event.id] if event.id not in self.taken else []
                self._on_the_way.append((self.at + self.delay_s, event.id))

    def _answer(self) -> None:
        while self._on_the_way and self._on_the_way[0][0] <= self.at:
            self.outbox.acknowledged([self._on_the_way.pop(0)[1]])


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    store = SqliteStore(tmp_path / "outbox.sqlite", reserve_bytes=0)
    yield Town(store)
    store.close()


def names(*seqs: int) -> list[str]:
    return [f"e{seq}" for seq in seqs]


def test_an_outbox_larger_than_its_window_is_walked_through_in_order(town):
    town.put(*range(1, 101))
    town.run(10)
    assert [event for _, event in town.sent] == names(*range(1, 101))
    assert town.store.waiting_events() == 0


def test_no_more_than_a_window_is_on_its_way(town):
    town.put(*range(1, 101))
    under_way: list[str] = []
    most = 0
    for second in range(200):
        under_way += [event.id for event in town.outbox.to_send(second)]
        most = max(most, len(under_way))
        town.outbox.acknowledged(under_way[:2])
        del under_way[:2]
    assert most == WINDOW
    assert town.store.waiting_events() == 0


def test_a_gateway_that_is_killed_again_and_again_does_not_bury_a_slow_town(town):
    """It never lives to hear an answer: a whole window each time would be what the town takes."""
    town.put(*range(1, 101))
    for _ in range(50):
        outbox = Outbox(town.store, Settings(outbox_window=50))
        outbox.broker_up()
        assert [event.id for event in outbox.to_send(0.0)] == names(*range(1, FIRST_WINDOW + 1))


def test_a_receiver_that_comes_back_after_days_gets_everything_in_order(town):
    town.is_there = False
    for day in range(5):
        town.put(*range(day * 40 + 1, day * 40 + 41))
        town.run(86_400)
    sent = len(town.sent)
    assert sent < 5 * 86_400 / (SLOWEST * AFTER_S) * 1.2, "a bad line is kept busy for nothing"
    town.is_there = True
    town.run(120)
    assert town.taken == names(*range(1, 201))
    assert town.store.waiting_events() == 0


def test_a_receiver_that_says_anything_after_a_long_silence_is_tried_at_once(town):
    town.is_there = False
    town.put(*range(1, 31))
    town.run(3600 + 2)
    town.run(town.sent[-1][0] + AFTER_S + 1 - town.at)
    tries = len(town.sent)
    town.outbox.receiver_speaks()
    town.is_there = True
    town.run(1)
    assert len(town.sent) > tries
    assert town.taken == names(*range(1, 31))


def test_a_slow_receiver_is_not_sent_anything_twice(town):
    """One answer every four seconds: a window takes it half a minute."""
    town.put(*range(1, 31))
    on_the_way: list[str] = []
    for second in range(200):
        on_the_way += [event.id for event in town.outbox.to_send(second)]
        if second % 4 == 3 and on_the_way:
            town.taken.append(on_the_way[0])
            town.outbox.acknowledged([on_the_way.pop(0)])
    assert town.taken == names(*range(1, 31))


def test_a_broker_that_comes_back_makes_it_begin_again_with_the_oldest(town):
    town.is_there = False
    town.put(*range(1, 31))
    town.run(1)
    town.outbox.broker_down()
    town.run(86_400)
    assert len(town.sent) == FIRST_WINDOW
    town.is_there = True
    town.outbox.broker_up()
    town.run(1.5)
    assert town.taken == names(*range(1, 31))


def test_an_undigestible_event_holds_up_no_other_and_is_tried_less_and_less_often(town):
    town.undigestible = {"e3"}
    town.put(*range(1, 21))
    town.run(3 * AFTER_S)
    assert town.taken == names(1, 2, *range(4, 21))
    town.run(86_400)
    tries = sum(event == "e3" for _, event in town.sent)
    assert 100 < tries < 86_400 / (AGAIN_SLOWEST * AFTER_S) * 1.2
    town.undigestible.clear()
    town.run(AGAIN_SLOWEST * AFTER_S + 1)
    assert town.store.waiting_events() == 0


def test_an_event_that_was_lost_on_the_way_is_sent_again_before_a_long_outbox_is_through(town):
    town.delay_s = 1.0
    town.put(*range(1, 101))
    town.undigestible = {"e3"}
    town.run(1.5)
    town.undigestible.clear()
    town.run(AFTER_S)
    assert "e3" in town.taken
    assert town.store.waiting_events() > 30


def test_a_whole_window_of_undigestible_events_holds_up_the_others_for_minutes_at_most(town):
    town.undigestible = set(names(*range(1, 2 * WINDOW + 1)))
    town.put(*range(1, 31))
    town.run(2 * WINDOW * (PATIENT_ROUNDS + 2) * AFTER_S)
    assert set(town.taken) == set(names(*range(2 * WINDOW + 1, 31)))
    town.put(31)
    town.run(2 * AFTER_S)
    assert town.taken[-1] == "e31"


def test_what_is_new_passes_an_undigestible_event_that_was_alone(town):
    town.undigestible = {"e1"}
    town.put(1)
    town.run(86_400)
    town.put(2)
    town.run(2 * AFTER_S)
    assert town.taken == ["e2"]
    town.put(*range(3, 20))
    town.run(2 * AFTER_S)
    assert town.taken == names(*range(2, 20)), "now it is known which one it is"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_event_comes_and_the_timer_never_spins(town, seed):
    chance = random.Random(seed)
    seqs = iter(range(1, 10_000))
    for _ in range(60):
        what = chance.randrange(5)
        if what == 0:
            town.put(*(next(seqs) for _ in range(chance.randrange(20))))
        elif what == 1:
            town.is_there = not town.is_there
        elif what == 2:
            waiting = town.store.events_after(0, 100)
            town.undigestible = {e.id for e in waiting if chance.random() < 0.3}
        elif what == 3:
            town.outbox.broker_down()
            town.run(chance.uniform(0, 20))
            town.outbox.broker_up()
        town.run(chance.uniform(0, 60))
    town.is_there, town.undigestible = True, set()
    town.run(3600)
    assert town.store.waiting_events() == 0
    assert set(town.taken) == set(names(*range(1, next(seqs))))


def test_the_rest_behind_an_undigestible_event_waits_minutes_at_most_for_a_receiver_that_was_away(
    town,
):
    town.is_there = False
    town.undigestible = {"e1"}
    town.put(*range(1, 20))
    town.run(86_400)
    town.is_there = True
    town.run((NEWEST_EVERY + 1) * SLOWEST * AFTER_S)
    assert set(town.taken) == set(names(*range(2, 20)))


def test_a_store_that_cannot_be_read_is_asked_again_later_and_not_at_once(town):
    town.undigestible = {"e1"}
    town.put(1, 2, 3)
    town.run(2 * AFTER_S + 1)
    real, town.store.events_after = town.store.events_after, broken
    for _ in range(5):
        due_at = town.outbox.next_due_at()
        if due_at is None:
            break
        town.at = max(due_at, town.at)
        with pytest.raises(StorageError):
            town.outbox.to_send(town.at)
        later = town.outbox.next_due_at()
        assert later is None or later > town.at
    town.store.events_after = real
    town.undigestible.clear()
    town.run(3600)
    assert town.store.waiting_events() == 0


def broken(*_arguments: object) -> None:
    raise StorageError("the disk is gone")
