"""A lock's clocks in a world where the true time is known: crystal, RTC, power, the town's answers.

Decides what the hardware shows; what the lock makes of it is firmware/core/timekeeper.py's. Time
moves only when told. The lock around the keeper is the smallest that keeps its promises: it writes
what is due, and remembers the newest of it over a restart.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware.core.timekeeper import DRIFT_PPM, TimeKeeper
from protocol.signedtime import SignedTime
from protocol.timebound import TimeBound

START_S = 1_800_000_000
HOUR_S = 3600
DAY_S = 86400
_US = 1_000_000


class VirtualRtc:
    """Counts on without the lock's power; shows whole seconds, or None once it has stopped."""

    def __init__(self, setting: Callable[[], None] = lambda: None) -> None:
        self._us: int | None = None
        self._setting = setting  # what happens before the chip takes the new time

    def read(self) -> int | None:
        return None if self._us is None else self._us // _US

    def set(self, unix_s: int) -> None:
        self._setting()
        self._us = unix_s * _US

    def stop(self) -> None:
        self._us = None

    def turn(self, by_s: int) -> None:
        """Somebody sets it."""
        assert self._us is not None
        self._us += by_s * _US

    def pass_time(self, us: int) -> None:
        if self._us is not None:
            self._us += us


class PowerCut(Exception):
    """Between the RTC and the journal."""


class World:
    """`us`: the true time. Rates are how wrong crystal and RTC are now, in parts per million."""

    def __init__(self, rtc_drift_ppm: int = DRIFT_PPM) -> None:
        self.us = START_S * _US
        self.crystal_ppm = 0
        self.rtc_ppm = 0
        self.setting_ms = 0
        self.rtc = VirtualRtc(lambda: self.pass_us(self.setting_ms * 1000))
        self.floor = START_S - 30 * DAY_S
        self.time_set: TimeBound | None = None
        self.alarms = 0
        self.resets = 0
        self._rtc_drift_ppm = rtc_drift_ppm
        self.boot()

    @property
    def true_s(self) -> int:
        return self.us // _US

    def boot(self, off_s: int = 0) -> None:
        """Power comes (back) after `off_s`."""
        self.pass_us(off_s * _US)
        self._crystal_us = 0
        self.keeper = TimeKeeper(
            self.ticks, self.rtc, self.floor, self.time_set, self._rtc_drift_ppm
        )
        self.keep()

    def ticks(self) -> int:
        return self._crystal_us // 1000

    def wait(self, seconds: int, ms: int = 0) -> None:
        """Time passes; the lock does its housekeeping every ten minutes."""
        left = seconds * 1000 + ms
        while left > 0:
            step = min(left, 600_000)
            self.pass_us(step * 1000)
            self.keep()
            left -= step

    def keep(self, cut: bool = False) -> None:
        """What a lock does with the keeper from time to time. `cut`: power goes before a write."""
        bound = self.keeper.time_set_due()
        if bound is not None:
            if cut:
                raise PowerCut
            self.time_set, self.floor = bound, max(self.floor, bound.lo)
            self.keeper.time_set_persisted()
            self.keeper.persisted(self.floor)
        if self.keeper.checkpoint_due():
            self.floor = self.keeper.now().lo
            self.keeper.persisted(self.floor)
        self.alarms += self.keeper.alarm_due()

    def answer(
        self, error_s: int = 2, skew_s: int = 0, there_s: int = 0, back_s: int = 0
    ) -> tuple[SignedTime, int]:
        """(the town's answer, the tick of the question); its clock is `skew_s` wrong."""
        asked = self.ticks()
        self.pass_us(there_s * _US)
        said = SignedTime("kitaguch", bytes(16), self.true_s + skew_s, error_s)
        self.pass_us(back_s * _US)
        return said, asked

    def ask(self, cut: bool = False, **how: int) -> bool:
        """Ask the town and take what comes; whether it was accepted."""
        accepted = self.keeper.take(*self.answer(**how))
        self.keep(cut)
        return accepted

    def reset(self) -> None:
        """A root sets the time right."""
        bound = self.keeper.reset(*self.answer())
        self.time_set, self.floor = bound, bound.lo
        self.keeper.time_set_persisted()
        self.keeper.persisted(self.floor)
        self.resets += 1

    def knows(self) -> bool:
        """Whether the true time lies in what the lock says."""
        now = self.keeper.now()
        return now.lo <= self.true_s <= now.hi

    def pass_us(self, us: int) -> None:
        """Time passes and the lock does nothing."""
        self.us += us
        self._crystal_us = getattr(self, "_crystal_us", 0) + us * (_US + self.crystal_ppm) // _US
        self.rtc.pass_time(us * (_US + self.rtc_ppm) // _US)
