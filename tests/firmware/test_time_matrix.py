"""Every way a clock can be wrong, every place of a token, every path for signed time.

A strict door never opens to an expired token; a live booker is let in wherever signed time can
reach the lock. When a clock contradicts the town, the lock raises an alarm and a root sets it right
by the same path: only that helps a lock whose clock runs more than its bounds ahead. One case is
beyond any lock without a path: an RTC turned back, in the opened case or by a fault, while the
power was off, to a time after the last checkpoint. Even then nothing opens that ended longer ago
than the RTC is behind.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol import token as tokens
from protocol import verify
from protocol.keyset import ROLE_BOOKING
from protocol.session import OK
from protocol.token import Token
from tests.firmware.clocks import DAY_S, HOUR_S, World

STRICT, LOOSE = 0, 900


def _true(world: World) -> None:
    world.boot(HOUR_S)


def _never_set(world: World) -> None:
    world.rtc.stop()
    world.floor, world.time_set = 0, None
    world.boot(HOUR_S)


def _lost(world: World) -> None:
    world.time_set = None
    world.boot(HOUR_S)


def _slow(world: World) -> None:
    world.crystal_ppm = world.rtc_ppm = -50
    world.boot(60 * DAY_S)
    world.wait(DAY_S)


def _fast(world: World) -> None:
    world.crystal_ppm = world.rtc_ppm = 50
    world.boot(60 * DAY_S)
    world.wait(DAY_S)


def _turned_off(by_s: int) -> Callable[[World], None]:
    def turn(world: World) -> None:
        world.rtc.turn(by_s)
        world.boot(HOUR_S)

    return turn


def _turned_on(by_s: int) -> Callable[[World], None]:
    def turn(world: World) -> None:
        world.rtc.turn(by_s)
        world.wait(HOUR_S)

    return turn


def _stopped(world: World) -> None:
    world.rtc.stop()
    world.boot(HOUR_S)


CLOCKS = {
    "true": _true,
    "never set": _never_set,
    "lost": _lost,
    "slow": _slow,
    "fast": _fast,
    "slower than its bounds": _turned_off(-600 - HOUR_S),
    "faster than its bounds, by minutes": _turned_off(40 * 60),
    "set back a week while off": _turned_off(-7 * DAY_S),
    "set back a week while on": _turned_on(-7 * DAY_S),
    "set forward a week while off": _turned_off(7 * DAY_S),
    "set forward a week while on": _turned_on(7 * DAY_S),
    "oscillator stopped": _stopped,
}
BEHIND_S = {"slower than its bounds": 600 + HOUR_S}
AHEAD = ("faster than its bounds, by minutes", "set forward a week while off")
KNOWN = ("true", "slow", "fast", "set back a week while on", "set forward a week while on")

# A booking of two hours, padded by ten minutes at both ends; where the visitor stands in it.
TOKENS = {
    "early": (1800, 1800 + 8400),
    "live": (-3600, 4800),
    "live, in its first minute": (-660, 7740),
    "live, in its last minute": (-7740, 660),
    "expired a quarter hour ago": (-8400 - LOOSE - 60, -LOOSE - 60),
    "expired yesterday": (-DAY_S - 8400, -DAY_S),
}
PATHS = {
    "none": None,
    "online phone": {"error_s": 2, "there_s": 1, "back_s": 1},
    "gateway": {"error_s": 2, "there_s": 30, "back_s": 90},
    "gateway that dawdles": {"error_s": 2, "there_s": 120, "back_s": 120},
}


def token(begins_in_s: int, ends_in_s: int, now: int) -> Token:
    return Token(
        "kitaguch", now + begins_in_s, now + ends_in_s, now - DAY_S, bytes(8), tokens.UNLOCK, 1
    )


def come_by(world: World, path: str) -> None:
    """Signed time reaches the lock, and a root's when the lock complains."""
    before = world.alarms
    world.ask(**PATHS[path])
    if world.alarms > before:
        world.reset()


def lock_with(clock: str) -> World:
    """A lock that knew the time and lived for weeks, before its clock went wrong."""
    world = World()
    world.ask()
    world.wait(14 * DAY_S)
    CLOCKS[clock](world)
    return world


@pytest.mark.parametrize("doubt_s", [STRICT, LOOSE], ids=["strict", "loose"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("clock", CLOCKS)
def test_no_expired_opening_and_no_live_booker_refused_where_signed_time_arrives(
    clock: str, path: str, doubt_s: int
) -> None:
    world = lock_with(clock)
    if path != "none":
        come_by(world, path)
    for place, window in TOKENS.items():
        told = verify._time_reason(
            world.keeper.now(), token(*window, world.true_s), ROLE_BOOKING, doubt_s
        )
        opens = told == OK
        if place.startswith("expired"):
            unseen_s = BEHIND_S.get(clock, 0) if path == "none" else 0
            assert not opens or -window[1] <= unseen_s, place
        elif place.startswith("live") and (path != "none" or clock in KNOWN):
            assert opens, (place, told)
        elif place == "early" and (path != "none" or clock not in AHEAD):
            assert not opens, place


@pytest.mark.parametrize(
    "clock", ["true", "never set", "lost", "slow", "fast", "oscillator stopped"]
)
@pytest.mark.parametrize("path", ["online phone", "gateway"])
def test_no_root_is_needed_unless_a_clock_broke_its_bounds(clock: str, path: str) -> None:
    world = lock_with(clock)
    come_by(world, path)
    assert world.resets == 0 and world.knows()


@pytest.mark.parametrize("clock", ["never set", "lost", "oscillator stopped"])
def test_without_any_path_an_unknown_time_opens_nothing(clock: str) -> None:
    now = lock_with(clock)
    for window in TOKENS.values():
        for doubt_s in (STRICT, LOOSE):
            ticket = token(*window, now.true_s)
            assert verify._time_reason(now.keeper.now(), ticket, ROLE_BOOKING, doubt_s) != OK
