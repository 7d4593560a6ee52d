"""What is said of a door: of now, of the past, or nothing."""

from __future__ import annotations

from dataclasses import replace

from cloud.desk.doors import Papers, Report, clock_line, door_line, fleet_line

NOW = 1_800_000_000
REPORT = Report(
    True, NOW - 5, "locked", "closed", False, "ready", 3, 1, 2, 40, 38, NOW - 6, NOW - 4
)


def test_a_door_is_of_now_only_while_its_gateway_is_there() -> None:
    assert door_line("aaaaaaaa", REPORT, True)["contact"] == "now"
    assert door_line("aaaaaaaa", REPORT, False)["contact"] == "earlier"
    gone = replace(REPORT, reachable=False)
    assert door_line("aaaaaaaa", gone, True)["contact"] == "earlier"
    assert door_line("aaaaaaaa", gone, True)["last_contact"] == NOW - 5


def test_a_room_without_a_lock_and_a_lock_without_a_word_are_told_apart() -> None:
    assert door_line(None, None, False)["contact"] == "none"
    never = door_line("aaaaaaaa", None, True)
    assert (never["contact"], never["bolt"], never["last_contact"]) == ("never", "unknown", None)


def test_a_clock_is_sure_when_it_is_narrow_and_right() -> None:
    sure = clock_line(REPORT)
    assert sure is not None and sure["sure"] and sure["width_s"] == 2
    wide = clock_line(replace(REPORT, time_hi=NOW + 3600))
    assert wide is not None and not wide["sure"]
    open_ended = clock_line(replace(REPORT, time_hi=None))
    assert open_ended is not None and not open_ended["sure"] and open_ended["width_s"] is None
    wrong = clock_line(replace(REPORT, time_lo=NOW - 9000, time_hi=NOW - 8990))
    assert wrong is not None and not wrong["sure"] and wrong["off_by_s"] == 8985
    assert clock_line(replace(REPORT, time_lo=0)) is None
    assert clock_line(None) is None


def test_what_nobody_tells_is_null_and_never_a_guess() -> None:
    line = fleet_line("aaaaaaaa", REPORT, Papers(4, 1, 2, NOW - 60), True)
    assert line["battery"] is None and line["firmware"] is None
    assert line["list"] == {"held": 3, "newest": 4, "newest_issued_at": NOW - 60}
    silent = fleet_line("aaaaaaaa", None, Papers(), False)
    assert silent["list"]["held"] is None and silent["journal"]["head"] is None
