"""The door's machine on a door with physics: holds, alarms, and what is reported once."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware.core import door as doors
from firmware.core.door import EXTEND, LOCKED, RETRACT, UNLOCKED, Door, Sensors
from protocol import audit
from protocol.lockconfig import DoorConfig
from simulator import door as physics

STEP_MS = 20
MINUTE, HOUR = 60_000, 3_600_000
HOLDER, REMOTE, AUTO = audit.SOURCE_HOLDER, audit.SOURCE_REMOTE, audit.SOURCE_AUTO
LOCKED_BY = audit.LOCK_OPERATION, audit.OPERATION_LOCK
HELD = (audit.DOOR_LOCK_ALARM, audit.ALARM_HELD, audit.SOURCE_NONE)


class Wall:
    """A door in a wall and the machine that works its bolt."""

    def __init__(self, **figures: int) -> None:
        self.config = DoorConfig(**figures)
        self.physics = physics.Door()
        self.at = 0
        self.events: list[tuple[int, int, int]] = []
        self.boot()

    def boot(self) -> None:
        self.door = Door(self.config, self.sensors(), self.at)
        self._drive()

    def sensors(self) -> Sensors:
        level = self.physics.inputs()
        return Sensors(
            level[physics.PIN_BOLT_EXTENDED] == 1,
            level[physics.PIN_BOLT_RETRACTED] == 1,
            level[physics.PIN_DOOR_CLOSED] == 1,
            level[physics.PIN_REX] == 1,
            level[physics.PIN_TAMPER] == 1,
        )

    def wait(self, ms: int) -> None:
        for _ in range(0, ms, STEP_MS):
            self.at += STEP_MS
            self.physics.step(STEP_MS)
            self.events += self.door.sense(self.sensors(), self.at)
            self._drive()

    def unlock(self, source: int = HOLDER) -> None:
        self.events += self.door.unlock(source, self.at)
        self._drive()

    def lock(self, source: int = HOLDER) -> None:
        self.events += self.door.lock(source, self.at)
        self._drive()

    def hold_open(self, for_ms: int, source: int = HOLDER) -> None:
        self.events += self.door.hold_open(self.at + for_ms, source, self.at)
        self._drive()

    def evacuate(self, for_ms: int, source: int = REMOTE) -> None:
        self.events += self.door.evacuate(self.at + for_ms, source, self.at)
        self._drive()

    def _drive(self) -> None:
        self.physics.drive(physics.PIN_MOTOR_EXTEND, int(self.door.drive == EXTEND))
        self.physics.drive(physics.PIN_MOTOR_RETRACT, int(self.door.drive == RETRACT))

    @property
    def bolt(self) -> float:
        return self.physics.bolt


@pytest.fixture
def wall() -> Wall:
    return Wall()


# --- who locked it is said once ---


@pytest.mark.parametrize("source", [HOLDER, REMOTE])
def test_holders_locking_is_not_reported_again_when_the_bolt_arrives(
    wall: Wall, source: int
) -> None:
    wall.unlock()
    wall.wait(1000)
    wall.lock(source)
    wall.wait(1000)
    assert wall.bolt == 1.0 and wall.door.state == LOCKED
    assert wall.events == []


def test_relocking_by_itself_is_reported(wall: Wall) -> None:
    wall.unlock()
    wall.wait(10_000)
    assert wall.events == [(*LOCKED_BY, AUTO)]


def test_holders_locking_that_waits_for_the_leaf_is_the_doors_own_when_it_comes(wall: Wall) -> None:
    wall.unlock()
    wall.wait(1000)
    wall.physics.pull_handle()
    wall.wait(1000)
    wall.lock()
    wall.wait(5000)
    assert wall.bolt == 0.0
    wall.physics.close()
    wall.wait(5000)
    assert wall.bolt == 1.0
    assert wall.events[-1] == (*LOCKED_BY, AUTO)


def test_locking_and_unlocking_by_hand_are_reported(wall: Wall) -> None:
    wall.physics.bolt = 0.0
    wall.wait(100)
    wall.physics.bolt = 1.0
    wall.wait(100)
    manual = audit.SOURCE_MANUAL
    assert wall.events == [
        (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, manual),
        (*LOCKED_BY, manual),
    ]


def test_holders_locking_that_jams_is_reported_by_the_retry_that_succeeds(wall: Wall) -> None:
    wall.unlock()
    wall.wait(1000)
    wall.physics.jam(0.5)
    wall.lock()
    wall.wait(3000)
    wall.physics.unjam()
    wall.wait(8000)
    assert wall.bolt == 1.0
    assert [event for event in wall.events if event[:2] == LOCKED_BY] == [(*LOCKED_BY, AUTO)]
    alarms = [event for event in wall.events if event[0] == audit.DOOR_LOCK_ALARM]
    assert alarms == [(audit.DOOR_LOCK_ALARM, audit.ALARM_JAMMED, HOLDER)]


# --- held open on purpose ---


def test_held_open_door_stays_unlocked_until_its_time_and_not_longer(wall: Wall) -> None:
    wall.hold_open(HOUR)
    assert wall.door.held_open
    wall.wait(HOUR - 100)
    assert wall.bolt == 0.0 and wall.door.state == UNLOCKED and wall.door.held_open
    wall.wait(1000)
    assert wall.bolt == 1.0 and not wall.door.held_open
    assert wall.events == [(*LOCKED_BY, AUTO)]


def test_people_come_and_go_while_it_is_held_and_nobody_is_alarmed(wall: Wall) -> None:
    wall.hold_open(HOUR)
    wall.wait(1000)
    wall.physics.pull_handle()
    wall.wait(10 * MINUTE)
    wall.physics.close()
    wall.wait(10 * MINUTE)
    wall.physics.press_rex()
    wall.wait(10 * MINUTE)
    assert wall.bolt == 0.0
    assert [event[0] for event in wall.events] == [audit.DOOR_STATE] * 2


def test_leaf_that_stays_open_is_held_only_from_the_end_of_the_hold_on(wall: Wall) -> None:
    wall.hold_open(10 * MINUTE)
    wall.wait(1000)
    wall.physics.pull_handle()
    wall.wait(11 * MINUTE)
    assert HELD not in wall.events and not wall.door.held_open
    wall.wait(2 * MINUTE)
    assert wall.events.count(HELD) == 1
    wall.physics.close()
    wall.wait(2000)
    assert wall.bolt == 1.0


def test_leaf_that_was_held_before_a_hold_alarms_again_after_it(wall: Wall) -> None:
    wall.unlock()
    wall.wait(1000)
    wall.physics.pull_handle()
    wall.wait(3 * MINUTE)
    assert wall.events.count(HELD) == 1
    wall.hold_open(10 * MINUTE)
    wall.wait(11 * MINUTE)
    assert wall.events.count(HELD) == 1
    wall.wait(2 * MINUTE)
    assert wall.events.count(HELD) == 2


def test_unlocking_meanwhile_neither_ends_nor_shortens_a_hold(wall: Wall) -> None:
    wall.hold_open(HOUR)
    wall.wait(MINUTE)
    wall.unlock()
    wall.wait(30 * MINUTE)
    assert wall.bolt == 0.0 and wall.door.held_open


@pytest.mark.parametrize("begin", ["hold_open", "evacuate"])
def test_locking_ends_a_hold_at_once(wall: Wall, begin: str) -> None:
    getattr(wall, begin)(HOUR)
    wall.wait(MINUTE)
    wall.lock()
    assert not wall.door.held_open
    wall.wait(1000)
    assert wall.bolt == 1.0


def test_locking_by_hand_ends_a_hold(wall: Wall) -> None:
    wall.hold_open(HOUR)
    wall.wait(MINUTE)
    wall.physics.bolt = 1.0
    wall.wait(MINUTE)
    assert wall.bolt == 1.0 and not wall.door.held_open
    assert wall.events == [(*LOCKED_BY, audit.SOURCE_MANUAL)]


@pytest.mark.parametrize("begin", ["hold_open", "evacuate"])
def test_restart_does_not_resume_a_hold(wall: Wall, begin: str) -> None:
    getattr(wall, begin)(HOUR)
    wall.wait(MINUTE)
    wall.boot()
    assert not wall.door.held_open
    wall.wait(10_000)
    assert wall.bolt == 1.0


def test_hold_lasts_no_longer_than_the_configuration_allows() -> None:
    wall = Wall(max_hold_s=600)
    wall.hold_open(HOUR)
    wall.wait(10 * MINUTE - 100)
    assert wall.bolt == 0.0
    wall.wait(1000)
    assert wall.bolt == 1.0


@pytest.mark.parametrize(("max_hold_s", "for_ms"), [(0, HOUR), (600, 0), (600, -HOUR)])
def test_hold_that_may_not_last_is_an_unlocking(max_hold_s: int, for_ms: int) -> None:
    wall = Wall(max_hold_s=max_hold_s)
    wall.hold_open(for_ms)
    assert not wall.door.held_open
    wall.wait(1000)
    assert wall.bolt == 0.0
    wall.wait(10_000)
    assert wall.bolt == 1.0


def test_shorter_hold_does_not_cut_a_longer_one(wall: Wall) -> None:
    wall.hold_open(HOUR)
    wall.hold_open(MINUTE)
    wall.wait(HOUR - 100)
    assert wall.bolt == 0.0


def test_bolt_that_jams_when_held_open_is_drawn_back_again_not_thrown(wall: Wall) -> None:
    wall.physics.jam(1.0)
    wall.hold_open(HOUR)
    wall.wait(30_000)
    assert wall.bolt == 1.0
    wall.physics.unjam()
    wall.wait(8000)
    assert wall.bolt == 0.0 and wall.door.state == UNLOCKED and wall.door.held_open
    jams = [event for event in wall.events if event[:2] == (4, audit.ALARM_JAMMED)]
    assert jams == [(audit.DOOR_LOCK_ALARM, audit.ALARM_JAMMED, HOLDER)]


def test_hold_that_meets_a_bolt_on_its_way_turns_it_back(wall: Wall) -> None:
    wall.unlock()
    wall.wait(1000)
    wall.lock()
    wall.wait(200)
    wall.hold_open(HOUR)
    wall.wait(1000)
    assert wall.bolt == 0.0 and wall.door.held_open


def test_evacuation_alarms_opens_and_ignores_the_longest_hold() -> None:
    wall = Wall(max_hold_s=0)
    wall.evacuate(HOUR)
    assert wall.events == [(audit.DOOR_LOCK_ALARM, audit.ALARM_EVACUATION, REMOTE)]
    wall.wait(HOUR - 100)
    assert wall.bolt == 0.0 and wall.door.held_open
    wall.wait(1000)
    assert wall.bolt == 1.0


def test_new_configuration_counts_from_the_next_movement_on(wall: Wall) -> None:
    wall.door.configure(DoorConfig(relock_after_ms=60_000))
    wall.unlock()
    wall.wait(50_000)
    assert wall.bolt == 0.0
    wall.wait(15_000)
    assert wall.bolt == 1.0


# --- anything at any time ---


class AnyDay(RuleBasedStateMachine):
    """People, holders, jams and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = Wall(max_hold_s=600)
        self.hold_ends = 0

    @rule(ms=st.sampled_from([20, 200, 1000, 6000, 130_000]))
    def time_passes(self, ms: int) -> None:
        self.wall.wait(ms)

    @rule(source=st.sampled_from([HOLDER, REMOTE]))
    def locked(self, source: int) -> None:
        self.wall.lock(source)
        self.hold_ends = 0

    @rule()
    def unlocked(self) -> None:
        self.wall.unlock()

    @rule(for_ms=st.integers(-1000, 1_000_000))
    def held(self, for_ms: int) -> None:
        self.wall.hold_open(for_ms)
        self.hold_ends = max(self.hold_ends, self.wall.at + min(for_ms, 600_000))

    @rule(for_ms=st.integers(-1000, 1_000_000))
    def evacuated(self, for_ms: int) -> None:
        self.wall.evacuate(for_ms)
        self.hold_ends = max(self.hold_ends, self.wall.at + for_ms)

    @rule(what=st.sampled_from(["pull_handle", "close", "press_rex", "jam", "unjam", "force"]))
    def somebody_does(self, what: str) -> None:
        getattr(self.wall.physics, what)()

    @rule(bolt=st.sampled_from([0.0, 1.0]))
    def hand_turns_the_bolt(self, bolt: float) -> None:
        self.wall.physics.bolt = bolt

    @rule()
    def restarted(self) -> None:
        self.wall.boot()
        self.hold_ends = 0

    @invariant()
    def hold_never_outlives_its_time(self) -> None:
        assert not self.wall.door.held_open or self.wall.at <= self.hold_ends

    @invariant()
    def motor_is_off_while_the_bolt_rests(self) -> None:
        resting = self.wall.door.state in (LOCKED, UNLOCKED, doors.JAMMED)
        assert resting == (self.wall.door.drive == doors.OFF)

    @invariant()
    def locked_door_is_not_called_held_open(self) -> None:
        assert not (self.wall.door.held_open and self.wall.door.state == LOCKED)

    @invariant()
    def a_holders_locking_is_never_reported_by_the_door(self) -> None:
        assert not any(e[:2] == LOCKED_BY and e[2] in (HOLDER, REMOTE) for e in self.wall.events)


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
