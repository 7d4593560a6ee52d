"""The chip's clocks, over a stand-in for `machine` and for MicroPython's ticks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.firmware.standins import standins

FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
NEVER_SET = (2000, 1, 1, 5, 0, 0, 12, 0)


class Rtc:
    """`machine.RTC`: one clock, however often it is made."""

    shown: tuple[int, ...] = NEVER_SET

    def datetime(self, when: tuple[int, ...] | None = None) -> tuple[int, ...]:
        if when is not None:
            Rtc.shown = when
        return Rtc.shown


@pytest.fixture(scope="module")
def clock() -> Iterator[Any]:
    with standins(machine=SimpleNamespace(RTC=Rtc)) as import_module:
        yield import_module("firmware.hal.clock")


@given(unix_s=st.integers(FIRST, END - 1))
def test_rtc_is_set_to_the_calendars_date_and_reads_the_same(clock: Any, unix_s: int) -> None:
    rtc = clock.ChipRtc()
    rtc.set(unix_s)
    when = datetime.fromtimestamp(unix_s, UTC)
    date = (when.year, when.month, when.day, when.weekday())
    assert Rtc.shown == (*date, when.hour, when.minute, when.second, 0)
    assert rtc.read() == unix_s


@pytest.mark.parametrize("year", [1970, 2000, 2025])
def test_rtc_that_lost_its_power_says_nothing(clock: Any, year: int) -> None:
    Rtc.shown = (year, 12, 31, 2, 23, 59, 59, 0)
    assert clock.ChipRtc().read() is None


@pytest.mark.parametrize("unix_s", [0, FIRST - 1, END, 1 << 40])
def test_year_that_an_rtc_cannot_show_changes_nothing(clock: Any, unix_s: int) -> None:
    Rtc.shown = NEVER_SET
    clock.ChipRtc().set(unix_s)
    assert Rtc.shown == NEVER_SET


def test_uptime_grows_on_when_the_chips_ticks_wrap_around(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    period, now = 1 << 30, [(1 << 30) - 100]
    monkeypatch.setattr(time, "ticks_ms", lambda: now[0], raising=False)
    half = period // 2
    monkeypatch.setattr(
        time, "ticks_diff", lambda a, b: (a - b + half) % period - half, raising=False
    )
    uptime = clock.Uptime()
    now[0] = 150
    assert uptime.ms() == 250
    now[0] = 400
    assert uptime.ms() == 500
