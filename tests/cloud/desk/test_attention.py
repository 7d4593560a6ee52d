"""What comes first at the desk."""

from __future__ import annotations

from dataclasses import replace

from cloud.desk.attention import MAX_LINES, Door, OpenAlarm, Untold, Use, attention

NOW = 1_800_000_000
USE = Use(
    "b1", "room-1", "和室", "山田", NOW + 1800, NOW + 5400, "confirmed", "settled", True, "issued"
)
DOOR = Door("room-1", "和室", "aaaaaaaa", "now", NOW, True)


def kinds(*, uses=(), doors=(), untold=(), alarms=()) -> list[str]:  # noqa: ANN001
    return [line["kind"] for line in attention(uses, doors, untold, alarms, NOW)]


def test_a_quiet_day_asks_for_nothing() -> None:
    assert kinds(uses=[USE], doors=[DOOR]) == []


def test_a_silent_lock_matters_only_where_somebody_comes() -> None:
    silent = replace(DOOR, contact="earlier", last_contact=NOW - 7200)
    assert kinds(doors=[silent]) == []
    assert kinds(uses=[USE], doors=[silent]) == ["silent"]
    assert (
        kinds(uses=[replace(USE, starts_at=NOW + 9000, ends_at=NOW + 9900)], doors=[silent]) == []
    )
    assert kinds(uses=[replace(USE, starts_at=NOW - 900)], doors=[silent]) == ["silent"]


def test_an_unsure_clock_is_told_before_somebody_stands_at_the_door() -> None:
    assert kinds(uses=[USE], doors=[replace(DOOR, clock_sure=False)]) == ["clock"]
    assert kinds(uses=[USE], doors=[replace(DOOR, clock_sure=None)]) == []


def test_who_will_find_no_key_is_told_with_the_reason() -> None:
    unpaid = replace(USE, keyed=False, payment_state="counter", key="none")
    assert kinds(uses=[unpaid]) == ["unpaid"]
    assert kinds(uses=[replace(USE, key="none")]) == ["no_key"]
    pending = replace(USE, status="pending", keyed=False, key="none")
    assert kinds(uses=[pending]) == ["approval"]


def test_what_is_over_or_cancelled_asks_for_nothing() -> None:
    over = replace(USE, starts_at=NOW - 7200, ends_at=NOW, keyed=False)
    cancelled = replace(USE, status="cancelled", keyed=False, key="none")
    assert kinds(uses=[over, cancelled]) == []


def test_the_worst_is_first_then_the_earliest_and_the_list_ends() -> None:
    untold = Untold("b9", "音楽室", NOW - 600, NOW - 3600)
    alarm = OpenAlarm("a" * 16, "LOCK_FORCED", "和室", NOW - 30)
    pending = [
        replace(USE, booking_id=f"p{n}", status="pending", keyed=False, starts_at=NOW + n)
        for n in range(MAX_LINES * 2, 0, -1)
    ]
    told = attention(pending, [], [untold], [alarm], NOW)
    assert [line["kind"] for line in told[:3]] == ["untold", "alarm", "approval"]
    assert told[0]["last_contact"] == NOW - 3600
    assert [line["booking_id"] for line in told[2:5]] == ["p1", "p2", "p3"]
    assert len(told) == MAX_LINES
