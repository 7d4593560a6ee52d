"""What the lock believes about the time, against a world that knows it."""

from __future__ import annotations

import pytest

from firmware.core.timekeeper import DRIFT_PPM, DS3231_DRIFT_PPM, TimeKeeper
from protocol.signedtime import SignedTime
from protocol.timebound import AFTER, FOREVER, TimeBound
from tests.firmware.clocks import DAY_S, HOUR_S, START_S, PowerCut, VirtualRtc, World

YEAR_S = 365 * DAY_S


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def told(world: World) -> World:
    """A lock that has known the time, and had an RTC, for longer than the day of doubt."""
    assert world.ask()
    world.wait(DAY_S + 60)
    assert world.time_set is not None
    return world


def says(t: int, error_s: int = 0) -> SignedTime:
    return SignedTime("kitaguch", bytes(16), t, error_s)


def ends(bound: TimeBound) -> tuple[int, int]:
    return bound.lo, bound.hi


# --- what is known without anybody's word ---


def test_lock_that_was_never_told_knows_its_floor_and_the_time_since(world: World) -> None:
    assert ends(world.keeper.now()) == (world.floor, FOREVER)
    world.wait(1_000_000)
    lo, hi = ends(world.keeper.now())
    assert (lo, hi) == (START_S - 30 * DAY_S + 1_000_000 - 50, FOREVER)


def test_drift_widens_the_bound_on_both_sides_and_is_rounded_outwards(world: World) -> None:
    world.rtc.stop()
    assert world.ask(error_s=0)
    assert ends(world.keeper.now()) == (START_S, START_S)
    world.wait(0, 1)
    assert ends(world.keeper.now()) == (START_S, START_S + 1)
    world.wait(999_999, 999)
    million = START_S + 1_000_000
    assert ends(world.keeper.now()) == (million - 50, million + 51)


def test_a_better_rtc_keeps_the_bound_narrower_than_the_crystal_would() -> None:
    doubts = []
    for ppm in (DRIFT_PPM, DS3231_DRIFT_PPM):
        world = World(ppm)
        world.ask()
        world.wait(DAY_S + 60)
        world.boot(30 * DAY_S)
        assert world.knows()
        doubts.append(world.keeper.now().doubt)
    assert doubts == [277, 69]


# --- answers ---


def test_answer_is_as_wide_as_its_error_and_the_time_since_the_nonce(world: World) -> None:
    assert world.ask(error_s=2, there_s=5, back_s=10)
    assert ends(world.keeper.now()) == (START_S + 5 - 2, START_S + 5 + 2 + 16)
    assert world.knows()


def test_gateway_that_delays_an_answer_only_widens(told: World) -> None:
    before = told.keeper.now()
    answer = told.answer(back_s=1200)
    told.wait(0, 1)
    assert told.keeper.take(*answer)
    after = told.keeper.now()
    assert after.lo >= before.lo and told.knows()
    assert not told.keeper.alarm_due()


def test_answer_and_clock_together_know_more_than_either(told: World) -> None:
    told.wait(30 * DAY_S)
    wide = told.keeper.now()
    assert told.ask(error_s=5, skew_s=3)
    now = told.keeper.now()
    assert ends(now) == (max(wide.lo, told.true_s - 2), min(wide.hi, told.true_s + 8))
    assert told.knows()


@pytest.mark.parametrize("ahead_s", [HOUR_S + 1, DAY_S, 10 * YEAR_S])
def test_time_more_than_an_hour_ahead_of_a_healthy_clock_is_rejected_with_an_alarm(
    told: World, ahead_s: int
) -> None:
    before = told.keeper.now()
    assert not told.keeper.take(says(before.hi + ahead_s), told.ticks())
    assert ends(told.keeper.now()) == ends(before)
    assert told.keeper.alarm_due() and not told.keeper.alarm_due()


@pytest.mark.parametrize("behind_s", [HOUR_S + 1, DAY_S, 10 * YEAR_S])
def test_time_more_than_an_hour_behind_a_healthy_clock_is_rejected_with_an_alarm(
    told: World, behind_s: int
) -> None:
    before = told.keeper.now()
    assert not told.keeper.take(says(before.lo - behind_s), told.ticks())
    assert ends(told.keeper.now()) == ends(before)
    assert told.keeper.alarm_due()


def test_clock_set_in_this_power_cycle_is_healthy_without_any_rtc(world: World) -> None:
    assert world.ask()
    assert not world.ask(skew_s=HOUR_S + 10)
    assert not world.ask(skew_s=-HOUR_S - 10)
    assert world.alarms == 2 and world.knows()


def test_clock_up_to_an_hour_slow_is_set_right_with_an_alarm(told: World) -> None:
    before = told.keeper.now()
    assert told.keeper.take(says(before.hi + HOUR_S, 0), told.ticks())
    assert ends(told.keeper.now()) == (before.hi + HOUR_S, before.hi + HOUR_S)
    assert told.keeper.alarm_due()


def test_answer_below_lo_within_the_hour_brings_hi_down_and_stops_no_time(told: World) -> None:
    told.wait(30 * DAY_S)
    before = told.keeper.now()
    assert told.keeper.take(says(before.lo - HOUR_S), told.ticks())
    assert ends(told.keeper.now()) == (before.lo, before.lo)
    assert told.keeper.alarm_due()
    told.wait(100)
    assert told.keeper.now().lo == before.lo + 99


def test_thief_of_the_time_key_cannot_make_time_stand_still(told: World) -> None:
    start = told.keeper.now().lo
    for _ in range(100):
        told.wait(60)
        told.keeper.take(says(start), told.ticks())
    assert told.keeper.now().lo >= start + 6000 - 100


def test_answer_before_the_floor_never_lowers_it(world: World) -> None:
    floor = world.floor
    assert not world.keeper.take(says(floor - HOUR_S - 1), world.ticks())
    assert world.keeper.alarm_due() and ends(world.keeper.now()) == (floor, FOREVER)
    assert world.keeper.take(says(floor - 5), world.ticks())
    assert world.keeper.alarm_due() and ends(world.keeper.now()) == (floor, floor)


# --- carried documents ---


def test_carried_document_raises_lo_only_and_time_goes_on_from_there(world: World) -> None:
    world.keeper.raise_lo(START_S - 100)
    assert ends(world.keeper.now()) == (START_S - 100, FOREVER)
    world.keeper.raise_lo(START_S - 200)
    assert ends(world.keeper.now()) == (START_S - 100, FOREVER)
    world.wait(50)
    assert world.keeper.now().lo == START_S - 51


def test_carried_document_never_raises_lo_past_hi(told: World) -> None:
    before = told.keeper.now()
    told.keeper.raise_lo(before.hi + YEAR_S)
    assert ends(told.keeper.now()) == (before.hi, before.hi)


# --- restarts ---


def test_after_a_restart_the_bound_follows_the_rtc(told: World) -> None:
    width = told.time_set.doubt
    told.boot(10)
    assert told.knows()
    assert told.keeper.now().doubt <= width + 2 * 5 + 1 + 2 + 2
    told.boot(YEAR_S)
    assert told.knows()
    assert told.keeper.now().doubt < 2 * 50 * 32 + width + 20


def test_restart_without_a_kept_time_leaves_the_floor(told: World) -> None:
    told.time_set = None
    told.boot()
    assert ends(told.keeper.now()) == (told.floor, FOREVER)


def test_restart_with_a_stopped_oscillator_leaves_the_floor(told: World) -> None:
    told.rtc.stop()
    told.boot()
    assert ends(told.keeper.now()) == (told.floor, FOREVER)
    assert not told.keeper.may_persist()


def test_time_kept_without_an_end_makes_an_rtc_worth_nothing(told: World) -> None:
    told.time_set = TimeBound(told.true_s)
    told.boot(60)
    told.rtc.turn(-HOUR_S)
    told.wait(60)
    assert told.keeper.now().hi == FOREVER and told.alarms == 0


def test_rtc_that_says_less_than_when_it_was_set_is_not_believed(told: World) -> None:
    told.floor = 0
    told.rtc.turn(-10 * DAY_S)
    told.boot()
    assert told.alarms == 1
    assert ends(told.keeper.now()) == (0, FOREVER)


def test_after_a_restart_lo_goes_on_from_the_floor_when_the_rtc_says_less(told: World) -> None:
    told.time_set = TimeBound(told.true_s - 600, told.true_s + 600)
    told.rtc.set(told.true_s)
    told.floor = told.true_s
    told.boot()
    told.wait(100)
    assert told.keeper.now().lo == told.true_s - 1


def test_rtc_that_says_less_than_the_floor_is_not_believed(told: World) -> None:
    told.wait(10 * DAY_S)
    told.rtc.turn(-9 * DAY_S)
    told.boot()
    assert told.alarms == 1
    assert ends(told.keeper.now()) == (told.floor, FOREVER)
    assert not told.keeper.may_persist()


def test_rtc_set_back_while_the_power_was_off_opens_nothing_that_ended_before_the_checkpoint(
    told: World,
) -> None:
    told.wait(10 * DAY_S)
    assert told.true_s - told.floor <= 2 * HOUR_S
    for back_s in range(0, 4 * HOUR_S, 60):
        world = World()
        world.us, world.floor, world.time_set = told.us, told.floor, told.time_set
        world.rtc.set(told.true_s - back_s)
        world.boot()
        assert world.keeper.now().relation(0, told.floor) == AFTER


# --- RTC turned while the lock runs ---


@pytest.mark.parametrize("by_s", [-YEAR_S, -600, -10, 10, 600, YEAR_S])
def test_rtc_turned_while_the_lock_runs_is_noticed_and_the_ticks_go_on(
    told: World, by_s: int
) -> None:
    told.rtc.turn(by_s)
    assert told.knows()
    assert told.keeper.alarm_due()
    told.wait(60)
    assert told.knows() and not told.keeper.alarm_due()


def test_rtc_that_was_turned_is_set_right_by_the_next_answer(told: World) -> None:
    told.rtc.turn(-600)
    assert told.ask()
    told.boot(60)
    assert told.knows() and told.keeper.now().hi != FOREVER


def test_rtc_that_stops_while_the_lock_runs_takes_nothing_away(told: World) -> None:
    told.rtc.stop()
    told.wait(HOUR_S)
    assert told.knows() and told.keeper.now().hi != FOREVER
    assert told.keeper.may_persist()
    assert told.ask()
    assert told.rtc.read() is not None


def test_rtc_that_stopped_is_not_believed_again_before_it_is_set(told: World) -> None:
    told.ask(error_s=0)
    told.rtc.stop()
    told.wait(1)
    told.rtc.set(told.true_s)
    kept = told.time_set
    assert told.ask(error_s=HOUR_S)
    assert told.time_set is not kept


@pytest.mark.parametrize("by_s", [-200, -3, 3, 200])
def test_rtc_turned_by_less_than_the_clocks_may_differ_by_now_is_noticed_too(
    told: World, by_s: int
) -> None:
    told.wait(30 * DAY_S)
    told.rtc.turn(by_s)
    told.wait(60)
    assert told.knows() and told.alarms == 1


def test_rtc_turned_second_by_second_is_noticed_in_the_end(told: World) -> None:
    for _ in range(60):
        told.rtc.turn(-1)
        told.wait(10)
    assert told.alarms == 1


# --- a day in RAM ---


def test_after_the_oscillator_stopped_new_time_stays_in_ram_for_a_day(world: World) -> None:
    floor = world.floor
    assert world.ask()
    world.wait(DAY_S - 60)
    assert world.floor == floor and world.time_set is None and world.rtc.read() is None
    assert not world.keeper.may_persist() and not world.keeper.checkpoint_due()
    world.wait(120)
    assert world.floor > START_S and world.time_set is not None
    assert world.rtc.read() is not None and world.knows()
    world.boot(7 * DAY_S)
    assert world.knows() and world.keeper.now().hi != FOREVER


def test_restart_within_the_day_forgets_the_new_time(world: World) -> None:
    floor = world.floor
    world.ask(skew_s=YEAR_S)
    world.wait(DAY_S - 60)
    world.boot()
    assert ends(world.keeper.now()) == (floor, FOREVER)
    assert world.ask() and world.knows()


def test_contradiction_within_the_day_begins_it_anew(world: World) -> None:
    world.ask()
    world.wait(DAY_S - 60)
    assert world.ask(skew_s=1000)
    world.wait(120)
    assert not world.keeper.may_persist()


def test_day_does_not_begin_before_somebody_told_the_time(world: World) -> None:
    world.keeper.raise_lo(START_S - 5)
    world.wait(10 * DAY_S)
    assert not world.keeper.may_persist() and world.time_set is None


def test_storage_that_refuses_the_first_time_set_is_asked_again(world: World) -> None:
    world.ask()
    world.pass_us((DAY_S + 60) * 1_000_000)
    assert world.keeper.time_set_due() is not None
    assert world.rtc.read() is None
    world.wait(500)
    assert world.time_set is not None and world.rtc.read() is not None
    world.boot(60)
    assert world.knows() and world.keeper.now().hi != FOREVER


def test_rtc_shows_the_kept_middle_and_the_time_since_it_was_written(world: World) -> None:
    world.ask()
    world.pass_us((DAY_S + 60) * 1_000_000)
    bound = world.keeper.time_set_due()
    assert bound is not None
    world.pass_us(5_500_000)
    world.keeper.time_set_persisted()
    assert world.rtc.read() == (bound.lo + bound.hi) // 2 + 5


def test_time_set_that_storage_refused_is_not_given_out_again_after_a_contradiction(
    world: World,
) -> None:
    world.ask()
    world.pass_us((DAY_S + 60) * 1_000_000)
    assert world.keeper.time_set_due() is not None
    assert world.keeper.take(*world.answer(skew_s=1000))
    assert world.keeper.time_set_due() is None


def test_time_set_of_an_rtc_that_was_turned_since_is_not_written(told: World) -> None:
    told.wait(30 * DAY_S)
    assert told.keeper.take(*told.answer())
    assert told.keeper.time_set_due() is not None
    told.rtc.turn(-600)
    told.keeper.now()
    assert told.keeper.time_set_due() is None


# --- checkpoints ---


@pytest.mark.parametrize(("error_s", "written"), [(3600, False), (8, False), (7, False), (6, True)])
def test_answer_that_says_hardly_more_is_not_written(
    told: World, error_s: int, written: bool
) -> None:
    told.rtc.stop()
    told.ask(error_s=9)
    told.ask(error_s=9)
    kept = told.time_set
    assert told.ask(error_s=error_s, skew_s=9 - error_s if error_s < 9 else 0)
    assert (told.time_set is not kept) == written and told.knows()


def test_checkpoint_is_due_every_hour_of_lo(told: World) -> None:
    told.wait(2 * HOUR_S)
    told.keeper.persisted(told.keeper.now().lo)
    told.pass_us((HOUR_S - 5) * 1_000_000)
    assert not told.keeper.checkpoint_due()
    told.pass_us(10 * 1_000_000)
    assert told.keeper.checkpoint_due()
    told.keep()
    assert not told.keeper.checkpoint_due()


def test_restarts_more_often_than_hourly_do_not_put_checkpoints_off(told: World) -> None:
    floor = told.floor
    for _ in range(20):
        told.wait(600)
        told.boot(60)
    assert told.floor > floor + 9000


# --- the root's reset ---


def test_root_reset_lowers_lo_and_floor_and_is_kept_at_once(told: World) -> None:
    told.rtc.turn(YEAR_S)
    told.boot()
    told.keep()
    assert told.keeper.now().lo > told.true_s + YEAR_S - DAY_S
    assert not told.ask()
    told.reset()
    assert told.knows() and told.keeper.now().doubt <= 5
    told.boot(60)
    assert told.knows() and told.floor <= told.true_s


def test_root_reset_ends_the_day_in_ram(world: World) -> None:
    world.reset()
    assert world.keeper.may_persist()
    world.boot(60)
    assert world.knows() and world.keeper.now().hi != FOREVER


# --- a power cut between RTC and journal ---


@pytest.mark.parametrize("skew_s", [-4, 0, 4])
def test_cut_between_rtc_and_journal_leaves_the_truth_inside(told: World, skew_s: int) -> None:
    told.wait(100 * DAY_S)
    with pytest.raises(PowerCut):
        told.ask(cut=True, error_s=5, skew_s=skew_s)
    told.boot(HOUR_S)
    assert told.knows() and told.keeper.now().hi != FOREVER


def test_cut_before_the_rtc_of_a_stopped_clock_is_set_leaves_it_stopped(told: World) -> None:
    told.rtc.stop()
    told.boot(60)
    told.ask(error_s=600, skew_s=600)
    told.pass_us((DAY_S + 60) * 1_000_000)
    assert told.keeper.time_set_due() is not None
    told.boot(60)
    assert ends(told.keeper.now()) == (told.floor, FOREVER)


def test_keeper_asks_its_ports_and_nothing_else() -> None:
    rtc = VirtualRtc()
    keeper = TimeKeeper(lambda: 0, rtc, 5, None)
    assert ends(keeper.now()) == (5, FOREVER) and rtc.read() is None
