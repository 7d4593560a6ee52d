"""Gateways that fall silent without a will: missed in time, and only while we could hear."""

from __future__ import annotations

from cloud.pulse import Pulse
from gateway.app import BEATS_EVERY_S
from kannuki.messages import GatewayState

BEATING = GatewayState(online=True, version="1", beats_every_s=20)
GONE = GatewayState(online=False, version="1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_gateway_that_stops_beating_is_missed_once_and_within_a_minute() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    pulse.heard("gw-1", BEATING)
    missed_after = None
    for second in range(120):
        for missed in pulse.missed():
            assert missed_after is None
            missed_after = second
            assert missed == ("gw-1", GONE)
        clock.now += 1
    assert missed_after is not None
    assert 2 * BEATS_EVERY_S < missed_after < 60


def test_gateway_that_beats_is_never_missed() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    for _ in range(100):
        pulse.heard("gw-1", BEATING)
        clock.now += 20
        assert pulse.missed() == []


def test_one_that_does_not_beat_or_said_goodbye_is_left_to_its_will() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    pulse.heard("old", GatewayState(online=True))
    pulse.heard("left", BEATING)
    pulse.heard("left", GONE)
    clock.now += 1000
    assert pulse.missed() == []


def test_silence_while_we_were_away_does_not_count() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    pulse.heard("gw-1", BEATING)
    clock.now += 1000
    pulse.begin_anew()
    assert pulse.missed() == []
    clock.now += 51
    assert [gateway for gateway, _ in pulse.missed()] == ["gw-1"]
