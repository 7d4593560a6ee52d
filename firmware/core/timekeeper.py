"""The lock's idea of the time: an interval, from what it was told and from two clocks of its own.

Decides what a signed answer, a carried document, a restart and passing time make of [lo, hi]. Does
not check signatures or nonces, writes no journal and drives no chip: milliseconds since boot and
the real-time clock (RTC) come in as ports, the memory of earlier days as arguments.

Invariants: lo never falls, but by a root's reset; while every told time was honest and the clocks
keep their bounds, the true time lies in [lo, hi]. Seconds here are whole ones, cut off, at both
ends. Every rounding goes outwards.

What an answer does to what is known, its own interval being [t - e, t + e + time under way]:

    they overlap                       what both say
    beyond hi by at most an hour       the answer's interval; alarm: the clock was slow, or a lie
    below lo by at most an hour        hi comes down to lo, which goes on by the own clock; alarm
    farther away                       nothing; alarm: only a root's reset helps

lo never waits for an answer to catch up: else a thief of the time key could make the lock's time
stand still. A clock that does not know hi has nothing beyond it and takes any later time.

After a restart the interval follows the RTC when it never stopped and nothing shows that it was
turned; otherwise only the floor is left, and what it is told then stays in RAM for a day (neither
RTC nor journal keep it): a stolen time key and one restart do no lasting harm. What nobody can
see: an RTC turned, while the power was off, to a time after the last checkpoint. Who can do that
has opened the lock's case.
"""

from protocol.shim import Any, Callable
from protocol.signedtime import SignedTime
from protocol.timebound import FOREVER, TimeBound

# Bluetooth's active clock accuracy (Core specification, vol 6, part B, 4.2.1): a lock whose crystal
# is worse than this loses its connections. Espressif promises 10 ppm at room temperature (ESP-IDF,
# "System Time"); the rest is for heat, frost and age. It also holds for the chip's own RTC.
DRIFT_PPM = 50
# DS3231 data sheet: 3.5 ppm from -40 to 85 degrees Celsius, 5 ppm of ageing in ten years.
DS3231_DRIFT_PPM = 10

TOLERANCE_S = 3600
RAM_ONLY_MS = 24 * 3600 * 1000
CHECKPOINT_S = 3600
GAIN_S = 3  # an answer that narrows the doubt by less is not worth setting the RTC again
_SETTING_S = 2  # setting the RTC, and the second cut off from what it is set to, take less
_JUMP_S = 1  # what two readings may differ by beyond the time between them, for the same reasons
_MILLION = 1000000


class TimeKeeper:
    """`ticks() -> ms` since boot, growing without end; `floor`: Unix s that the journal holds.

    `rtc.read() -> Unix s`, or None when its oscillator has stopped since it was set;
    `rtc.set(unix_s)`. `time_set`: the bound that was persisted when the RTC was last set (to its
    middle), or None. `rtc_drift_ppm`: how wrong the RTC's rate may be.
    """

    def __init__(
        self,
        ticks: Callable,
        rtc: Any,
        floor: int,
        time_set: TimeBound | None,
        rtc_drift_ppm: int = DRIFT_PPM,
    ) -> None:
        self._ticks = ticks
        self._rtc = rtc
        self._rtc_ppm = rtc_drift_ppm
        self._floor = floor  # the highest lo ever said
        self._persisted = floor
        self._alarm = False
        self._track = None  # how the RTC's readings are to be understood; None: not at all
        self._due = None  # a time_set that the journal does not hold yet
        self._due_at = 0
        self._told_at = None  # when a stopped clock was told the time
        self._at = ticks()
        self._known = TimeBound(floor)  # at self._at
        self._stopped = not self._follow_rtc(time_set)

    def now(self) -> TimeBound:
        """The bound of this moment; its lo is never below an earlier one's."""
        return self._now(self._ticks())

    def take(self, answer: SignedTime, asked_at_ms: int) -> bool:
        """Learn from an answer to a nonce given out at `asked_at_ms`; False: it was rejected.

        The caller has checked signature, role, lock id and nonce, and asks `alarm_due` afterwards.
        """
        at = self._ticks()
        known, said = self._now(at), _said(answer, at - asked_at_ms)
        far = said.lo > known.hi + TOLERANCE_S or said.hi + TOLERANCE_S < known.lo
        agrees = said.lo <= known.hi and known.lo <= said.hi
        self._alarm = self._alarm or not agrees
        if far:
            return False
        if agrees:
            bound = TimeBound(max(known.lo, said.lo), min(known.hi, said.hi))
        else:
            bound = said if said.lo > known.hi else TimeBound(known.lo, known.lo)
        self._learn(at, bound, agrees)
        if not agrees or self._track is None or known.doubt - bound.doubt >= GAIN_S:
            self._set_rtc(at, bound)
        return True

    def raise_lo(self, t: int) -> None:
        """A verified document was issued at `t` (Unix s): it is not earlier. Never past hi."""
        at = self._ticks()
        known = self._now(at)
        if t > known.lo:
            self._learn(at, TimeBound(min(t, known.hi), known.hi), True)

    def reset(self, answer: SignedTime, asked_at_ms: int) -> TimeBound:
        """A root's word replaces everything and may lower lo; the bound is to be persisted.

        The journal's floor becomes its lo.
        """
        at = self._ticks()
        bound = _said(answer, at - asked_at_ms)
        self._floor = bound.lo
        self._stopped = False
        self._learn(at, bound, True)
        self._set_rtc(at, bound)
        return bound

    def alarm_due(self) -> bool:
        """Whether a contradiction was noticed since the last call."""
        due, self._alarm = self._alarm, False
        return due

    # --- what the journal keeps ---

    def may_persist(self) -> bool:
        """Whether this clock's time may outlive a restart: not for a day after the RTC stopped."""
        if not self._stopped:
            return True
        return self._told_at is not None and self._ticks() - self._told_at >= RAM_ONLY_MS

    def checkpoint_due(self) -> bool:
        """Whether lo has come an hour beyond the floor that the journal holds."""
        return self.may_persist() and self.now().lo >= self._persisted + CHECKPOINT_S

    def persisted(self, floor: int) -> None:
        """The journal holds this floor now."""
        self._persisted = floor

    def time_set_due(self) -> TimeBound | None:
        """The bound that the journal must hold for the next restart (a record's lo and hi).

        Ask after every accepted answer and with every checkpoint; say `time_set_persisted` at once
        when it is written. One that is not written is given out again.
        """
        if self._stopped:
            # The record comes first here: a cut before the RTC is set leaves it stopped.
            self._due_at = self._ticks()
            self._due = self._now(self._due_at) if self.may_persist() else None
        return self._due

    def time_set_persisted(self) -> None:
        """The journal holds what `time_set_due` gave last."""
        bound, self._due = self._due, None
        if self._stopped and bound is not None:
            self._stopped = False
            at = self._ticks()
            self._set_rtc_to(at, bound, _middle(bound) + (at - self._due_at) // 1000)

    # --- inside ---

    def _follow_rtc(self, time_set: TimeBound | None) -> bool:
        """Start from the RTC if it can be believed; False when it stopped or was turned."""
        reading = self._rtc.read()
        if reading is None:
            return False
        if time_set is None or time_set.hi == FOREVER:
            return True
        track = _Track(time_set, reading, self._at)
        lo, hi = track.bound(reading, self._rtc_ppm)
        if hi < self._floor or reading < time_set.lo:
            self._alarm = True
            return False
        self._track = track
        self._known = _bound(max(lo, self._floor), hi)
        return True

    def _now(self, at: int) -> TimeBound:
        elapsed = at - self._at
        lo = self._known.lo + _at_least_s(elapsed, DRIFT_PPM)
        hi = self._known.hi + _at_most_s(elapsed, DRIFT_PPM)
        if not self._stopped and self._track is not None:
            lo, hi = self._with_rtc(at, lo, hi)
        self._floor = max(lo, self._floor)
        return _bound(self._floor, hi)

    def _with_rtc(self, at: int, lo: int, hi: int) -> tuple:
        """(lo, hi) narrowed by the RTC, which is believed no longer once it does not fit."""
        reading = self._rtc.read()
        if reading is None or self._track.jumped(reading, at, self._rtc_ppm):
            self._track = self._due = None
            self._alarm = self._alarm or reading is not None
            return lo, hi
        rtc_lo, rtc_hi = self._track.bound(reading, self._rtc_ppm)
        return max(lo, rtc_lo), min(hi, rtc_hi)

    def _learn(self, at: int, bound: TimeBound, agrees: bool) -> None:
        self._at, self._known = at, bound
        if self._told_at is None or not agrees:
            self._told_at = at if bound.hi != FOREVER else None

    def _set_rtc(self, at: int, bound: TimeBound) -> None:
        """Set it before the record is written: a cut between leaves the older, wider time_set."""
        if not self._stopped:
            self._due = bound
            self._set_rtc_to(at, bound, _middle(bound))

    def _set_rtc_to(self, at: int, bound: TimeBound, unix_s: int) -> None:
        self._rtc.set(unix_s)
        self._track = _Track(bound, unix_s, at)


class _Track:
    """An RTC that was set to the middle of `time_set`, and read as `reading` at tick `at`."""

    def __init__(self, time_set: TimeBound, reading: int, at: int) -> None:
        self.time_set = time_set
        self._first = self._last = reading, at

    def bound(self, reading: int, ppm: int) -> tuple:
        """(lo, hi) when it shows `reading`."""
        elapsed = (reading - _middle(self.time_set)) * 1000
        lo = self.time_set.lo + _at_least_s(elapsed, ppm)
        return lo, self.time_set.hi + _at_most_s(elapsed + 1000, ppm) + _SETTING_S

    def jumped(self, reading: int, at: int, ppm: int) -> bool:
        """Whether it moved otherwise than the ticks, since the last look or in all."""
        jumped = _moved_apart(self._last, reading, at, ppm)
        jumped = jumped or _moved_apart(self._first, reading, at, ppm)
        self._last = reading, at
        return jumped


def _moved_apart(then: tuple, reading: int, at: int, ppm: int) -> bool:
    moved, elapsed, ppm = reading - then[0], at - then[1], ppm + DRIFT_PPM
    least = _at_least_s(elapsed, ppm) - _JUMP_S
    return not least <= moved <= _at_most_s(elapsed, ppm) + _JUMP_S


def _said(answer: SignedTime, under_way_ms: int) -> TimeBound:
    """What an answer says about the moment it arrives."""
    late = _at_most_s(max(0, under_way_ms), DRIFT_PPM)
    return _bound(answer.t - answer.error_s, answer.t + answer.error_s + late)


def _bound(lo: int, hi: int) -> TimeBound:
    lo = min(lo, FOREVER - 1)  # no record or message can hold more
    return TimeBound(lo, min(max(lo, hi), FOREVER))


def _middle(bound: TimeBound) -> int:
    return (bound.lo + bound.hi) // 2


def _at_least_s(elapsed_ms: int, ppm: int) -> int:
    """Whole seconds that have passed on a perfect clock when ours says `elapsed_ms`, or fewer."""
    return elapsed_ms * _MILLION // ((_MILLION + ppm) * 1000)


def _at_most_s(elapsed_ms: int, ppm: int) -> int:
    """Seconds that have passed on a perfect clock when ours says `elapsed_ms`, or more."""
    return -(-elapsed_ms * _MILLION // ((_MILLION - ppm) * 1000))
