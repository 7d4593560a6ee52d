"""The true time beside everything that claims to know it: the lock's crystal and its RTC.

Decides how time passes for each of them, and whether the lock can still know the truth: `honest`
while every time answer it took was honest and no RTC was turned unseen.
"""

from __future__ import annotations

from protocol.timebound import TimeBound
from tests.firmware.clocks import VirtualRtc
from tests.firmware.town import Town

_M = 1_000_000
DRIFT_PPM = 45  # within what every lock must bear


class World:
    """Puts an RTC of its own into the town's lock; moves `town.now`."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.true_us = town.now * _M
        self.crystal_ppm = self.rtc_ppm = 0
        self.honest = True
        self.turned = False  # the RTC, since the lock set it last
        self.may_alarm = False
        self.rtc = VirtualRtc(self._was_set)
        self.rtc.set(town.now)
        town.lock.rtc = self.rtc  # type: ignore[assignment]

    @property
    def true_s(self) -> int:
        return self.true_us // _M

    def pass_ms(self, ms: int) -> None:
        """`ms` on the lock's crystal; the rest follows at its own rate."""
        us = ms * 1000 * _M // (_M + self.crystal_ppm)
        self.true_us += us
        self.rtc.pass_time(us * (_M + self.rtc_ppm) // _M)
        self.town.now = self.true_s

    def stop_rtc(self) -> None:
        self.rtc.stop()
        self.turned = False

    def turn_rtc(self, by_s: int) -> None:
        """Somebody has opened the case."""
        if self.rtc.read() is not None:
            self.rtc.turn(by_s)
            self.turned = self.may_alarm = True

    def booted(self) -> None:
        """What the RTC shows now is what the lock goes by."""
        self.honest = self.honest and not self.turned

    def lied_to(self) -> None:
        """The lock took a dishonest answer."""
        self.honest, self.may_alarm = False, True

    def was_reset(self) -> None:
        """A root has set everything right."""
        self.honest, self.turned = True, False

    def check(self, now: TimeBound) -> None:
        assert not self.honest or now.lo <= self.true_s <= now.hi

    def _was_set(self) -> None:
        self.turned = False
