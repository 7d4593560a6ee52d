"""Single parts of the machine: whose turn it is, and how a link cuts messages."""

from __future__ import annotations

from gateway.machine import Now, Settings
from gateway.machine.link import Link, Phase, Use
from gateway.machine.scheduler import Scheduler
from protocol import frames, session, timebound
from protocol.session import Challenge
from tests.gateway.fakelock import LOCK_A, LOCK_B, LOCK_C


def test_who_waits_longest_goes_first_but_the_unseen_behind_the_seen():
    scheduler = Scheduler(Settings())
    scheduler.add(LOCK_A, 0.0)
    scheduler.add(LOCK_B, 20.0)
    scheduler.add(LOCK_C, 10.0)
    scheduler.sighted(LOCK_B, 25.0)
    scheduler.sighted(LOCK_C, 25.0)
    assert scheduler.due(30.0) == [LOCK_C, LOCK_B, LOCK_A]


def test_the_unseen_are_not_passed_over_for_ever():
    scheduler = Scheduler(Settings(sync_interval_s=1))
    scheduler.add(LOCK_A, 0.0)
    scheduler.add(LOCK_B, 0.0)
    first = []
    for at in range(100):
        scheduler.sighted(LOCK_B, at)
        first.append(scheduler.due(at)[:1])
        scheduler.started(LOCK_B, at)
    assert [LOCK_A] in first
    assert [LOCK_B] in first


def test_a_lock_that_says_what_it_can_take_gets_no_larger_fragments():
    link = Link()
    link.connecting(Use.RELAY, 0.0, 1.0)
    link.up(509)
    said = Challenge(LOCK_A, bytes(16), timebound.unknown(), (1, 0, 0), [1], 60)
    challenge = session.encode_challenge(said)
    assert link.join(frames.fragment(challenge, 509)[0]) == challenge
    assert max(map(len, link.cut(bytes(1000)))) == 60


def test_a_challenge_that_makes_no_sense_changes_nothing():
    link = Link()
    link.up(100)
    link.join(frames.fragment(bytes([session.CHALLENGE]) + b"\xff\xff", 100)[0])
    assert max(map(len, link.cut(bytes(1000)))) == 100


def test_only_connecting_and_hanging_up_have_a_deadline():
    link = Link()
    link.connecting(Use.HOUSEKEEPING, 1.0, 5.0)
    assert not link.overdue(Now(0.0, 4.9))
    assert link.overdue(Now(0.0, 5.0))
    link.up(100)
    assert link.phase is Phase.UP
    assert not link.overdue(Now(0.0, 99.0))
