"""A door obeys physics, whatever pins and people do to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.door import (
    PIN_BOLT_EXTENDED,
    PIN_BOLT_RETRACTED,
    PIN_DOOR_CLOSED,
    PIN_MOTOR_EXTEND,
    PIN_MOTOR_RETRACT,
    PIN_REX,
    PIN_TAMPER,
    TRAVEL_MS,
    Door,
)


def retract(door: Door) -> list[str]:
    door.drive(PIN_MOTOR_RETRACT, 1)
    events = door.step(TRAVEL_MS)
    door.drive(PIN_MOTOR_RETRACT, 0)
    return events


def extend(door: Door) -> list[str]:
    door.drive(PIN_MOTOR_EXTEND, 1)
    events = door.step(TRAVEL_MS)
    door.drive(PIN_MOTOR_EXTEND, 0)
    return events


def test_a_new_door_is_shut_and_bolted() -> None:
    inputs = Door().inputs()
    assert inputs[PIN_BOLT_EXTENDED] == 1 and inputs[PIN_BOLT_RETRACTED] == 0
    assert inputs[PIN_DOOR_CLOSED] == 1


def test_motor_takes_its_travel_time_and_stops_at_the_end_switch() -> None:
    door = Door()
    door.drive(PIN_MOTOR_RETRACT, 1)
    assert door.step(TRAVEL_MS / 2) == ["bolt_moving"]
    assert door.bolt == pytest.approx(0.5)
    assert door.inputs()[PIN_BOLT_EXTENDED] == door.inputs()[PIN_BOLT_RETRACTED] == 0
    assert door.step(TRAVEL_MS) == ["bolt_moved", "bolt_retracted"]
    assert door.inputs()[PIN_BOLT_RETRACTED] == 1
    assert door.step(TRAVEL_MS) == []


def test_both_motor_outputs_stall_the_bolt() -> None:
    door = Door()
    door.drive(PIN_MOTOR_RETRACT, 1)
    door.step(100)
    halfway = door.bolt
    door.drive(PIN_MOTOR_EXTEND, 1)
    assert door.step(100) == ["bolt_moved", "motor_stalled"]
    assert door.step(100) == []
    assert door.bolt == halfway


def test_a_bolted_door_rattles_and_stays_shut() -> None:
    door = Door()
    assert door.pull_handle() == ["handle_rattled"]
    assert door.push_open(1000) == ["handle_rattled"]
    assert not door.is_open


def test_a_half_retracted_bolt_still_holds_the_door() -> None:
    door = Door()
    door.drive(PIN_MOTOR_RETRACT, 1)
    door.step(TRAVEL_MS - 1)
    assert door.pull_handle() == ["handle_rattled"]


def test_somebody_goes_through_and_the_closer_shuts_the_door() -> None:
    door = Door()
    retract(door)
    assert door.push_open(500) == ["opened"]
    assert door.inputs()[PIN_DOOR_CLOSED] == 0
    assert door.step(499) == []
    assert door.step(1) == ["closed"]
    assert door.step(1000) == []


def test_a_bolt_thrown_while_open_keeps_the_door_from_closing_until_it_is_back() -> None:
    door = Door()
    retract(door)
    door.push_open(100)
    extend(door)
    assert door.is_open
    assert door.step(1000) == []  # the closer tried and failed while the bolt came out
    assert door.close() == ["close_blocked"] or door.is_open
    events = retract(door)
    assert events[-1] == "closed"
    assert not door.is_open


def test_closing_by_hand_against_a_thrown_bolt_is_told_every_time() -> None:
    door = Door()
    retract(door)
    door.pull_handle()
    extend(door)
    assert door.close() == ["close_blocked"]
    assert door.close() == ["close_blocked"]
    assert door.is_open


def test_a_jam_stops_the_bolt_on_its_way_until_it_is_removed() -> None:
    door = Door()
    door.jam(0.25)
    assert retract(door) == ["bolt_moving"]
    assert door.bolt == 0.25 and door.is_jammed
    door.drive(PIN_MOTOR_RETRACT, 1)
    assert door.step(50) == ["bolt_moved", "bolt_jammed"]
    assert door.pull_handle() == ["handle_rattled"]
    assert door.unjam() == ["jam_removed"]
    assert "bolt_retracted" in door.step(TRAVEL_MS)


def test_a_forced_door_is_open_though_bolted_and_cannot_shut() -> None:
    door = Door()
    assert door.force() == ["forced"]
    assert door.is_open and door.bolt == 1.0
    assert door.close() == ["close_blocked"]


def test_rex_is_released_by_itself_and_tamper_is_not() -> None:
    door = Door()
    door.press_rex(200)
    door.set_tamper(True)
    assert door.inputs()[PIN_REX] == 1
    door.step(200)
    assert door.inputs()[PIN_REX] == 0
    assert door.inputs()[PIN_TAMPER] == 1


def test_a_dead_chip_lets_the_motor_stop() -> None:
    door = Door()
    door.drive(PIN_MOTOR_RETRACT, 1)
    door.step(100)
    door.power_lost()
    assert door.step(100) == ["bolt_moved"]
    position = door.bolt
    door.step(1000)
    assert door.bolt == position


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("drive"), st.sampled_from((25, 26, 27, 34)), st.integers(0, 1)),
        st.tuples(st.just("step"), st.floats(0, 500)),
        st.tuples(st.just("pull_handle")),
        st.tuples(st.just("push_open"), st.floats(1, 1000)),
        st.tuples(st.just("close")),
        st.tuples(st.just("jam"), st.one_of(st.none(), st.floats(0, 1))),
        st.tuples(st.just("unjam")),
        st.tuples(st.just("press_rex")),
        st.tuples(st.just("power_lost")),
    ),
    max_size=60,
)


@given(STEPS)
def test_without_force_a_door_only_opens_or_shuts_past_a_retracted_bolt(steps: list) -> None:
    door = Door()
    for name, *arguments in steps:
        was_open = door.is_open
        bolts = {door.bolt}
        events = getattr(door, name)(*arguments)
        bolts.add(door.bolt)
        assert 0.0 <= door.bolt <= 1.0
        assert not (door.inputs()[PIN_BOLT_EXTENDED] and door.inputs()[PIN_BOLT_RETRACTED])
        if door.is_open != was_open:
            assert 0.0 in bolts
            assert ("opened" in events) == door.is_open
        if name != "step":
            assert len(bolts) == 1, "only time moves a bolt"
