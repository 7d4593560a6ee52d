"""Any sequence of waiting, restarts and answers: what the lock says about the time stays true."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware.core.timekeeper import DRIFT_PPM
from protocol.signedtime import SignedTime
from protocol.timebound import FOREVER
from tests.firmware.clocks import DAY_S, HOUR_S, START_S, PowerCut, World

RATES = st.integers(-DRIFT_PPM, DRIFT_PPM)


class HonestTown(RuleBasedStateMachine):
    """Clocks within their bounds, honest answers however late: the truth is always inside."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(crystal=RATES, rtc=RATES, s=st.integers(0, 40 * DAY_S), ms=st.integers(0, 999))
    def time_passes(self, crystal: int, rtc: int, s: int, ms: int) -> None:
        self.world.crystal_ppm, self.world.rtc_ppm = crystal, rtc
        self.world.pass_us(s * 1_000_000 + ms * 1000)

    @rule(ms=st.integers(0, 900))
    def rtc_takes_its_time(self, ms: int) -> None:
        self.world.setting_ms = ms

    @rule()
    def housekeeping(self) -> None:
        self.world.keep()

    @rule(
        error=st.integers(0, 3600),
        skew=st.integers(-3600, 3600),
        there=st.integers(0, DAY_S),
        back=st.integers(0, DAY_S),
        cut=st.booleans(),
    )
    def town_answers(self, error: int, skew: int, there: int, back: int, cut: bool) -> None:
        skew = max(-error, min(error, skew))
        try:
            assert self.world.ask(cut, error_s=error, skew_s=skew, there_s=there, back_s=back)
        except PowerCut:
            self.world.boot()

    @rule(age=st.integers(0, DAY_S))
    def document_is_carried(self, age: int) -> None:
        self.world.keeper.raise_lo(self.world.true_s - age)

    @rule(off=st.integers(0, 40 * DAY_S))
    def power_goes(self, off: int) -> None:
        self.world.boot(off)

    @rule(off=st.integers(0, DAY_S))
    def battery_and_power_go(self, off: int) -> None:
        self.world.rtc.stop()
        self.world.boot(off)

    @rule()
    def root_sets_it(self) -> None:
        self.world.reset()

    @invariant()
    def truth_is_inside(self) -> None:
        now = self.world.keeper.now()
        assert now.lo <= self.world.true_s <= now.hi, (now.lo, now.hi, self.world.true_s)

    @invariant()
    def nothing_is_contradicted(self) -> None:
        assert self.world.alarms == 0


class StolenTimeKey(RuleBasedStateMachine):
    """Whatever is signed and however the RTC is turned, lo and floor only fall by a root's word."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.lo = self.floor = 0

    @rule(t=st.integers(3600, FOREVER - 3601), error=st.integers(0, 3600), late=st.integers(0, 100))
    def anything_is_signed(self, t: int, error: int, late: int) -> None:
        self.world.keeper.take(
            SignedTime("kitaguch", bytes(16), t, error), self.world.ticks() - late
        )
        self.world.keep()

    @rule(skew=st.integers(-2 * HOUR_S, 2 * HOUR_S), error=st.integers(0, 3600))
    def near_the_truth(self, skew: int, error: int) -> None:
        self.world.ask(skew_s=skew, error_s=error)

    @rule(s=st.integers(0, 3 * DAY_S))
    def time_passes(self, s: int) -> None:
        self.world.pass_us(s * 1_000_000)
        self.world.keep()

    @rule(t=st.integers(0, 2 * START_S))
    def document_is_carried(self, t: int) -> None:
        self.world.keeper.raise_lo(t)

    @rule(by=st.integers(-365 * DAY_S, 365 * DAY_S))
    @precondition(lambda self: self.world.rtc.read() is not None)
    def rtc_is_turned(self, by: int) -> None:
        self.world.rtc.turn(by)

    @rule()
    def battery_goes(self) -> None:
        self.world.rtc.stop()

    @rule()
    def power_goes(self) -> None:
        self.world.boot()
        self.lo = self.floor

    @rule()
    def root_sets_it(self) -> None:
        self.world.reset()
        self.lo = self.floor = 0

    @invariant()
    def lo_and_floor_never_fall(self) -> None:
        lo = self.world.keeper.now().lo
        assert lo >= self.lo and lo >= self.world.floor >= self.floor
        self.lo, self.floor = lo, self.world.floor


STEPS = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestHonestTown = HonestTown.TestCase
TestHonestTown.settings = STEPS
TestStolenTimeKey = StolenTimeKey.TestCase
TestStolenTimeKey.settings = STEPS
