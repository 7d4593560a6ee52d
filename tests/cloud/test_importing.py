"""Taking files in: once or twice, in any order, whole or with single refusals."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from cloud.models import Booking, Credential, StatusOutbox
from protocol import statuslist
from protocol import token as tokens
from protocol.statuslist import StatusList
from tests.cloud.support import CHANGES, FIRST, START, Town, open_town
from tests.cloud.test_calendar import at, calendar, event

ON_BOTH_DATABASES = True

ROOM = "LOCATION:和室"


def held(town: Town) -> list[tuple[Any, ...]]:
    """Every booking that stands, without the names that chance gave."""
    with town.service.database.read() as session:
        rows = session.query(Booking).filter(Booking.status != "cancelled")
        return sorted(
            (b.uid, b.recurrence_id, b.room_id, b.starts_at, b.ends_at, b.status, b.holder_name)
            for b in rows
        )


def live_tokens(town: Town) -> dict[str, tokens.Token]:
    """{booking's uid + recurrence id: claims} of tokens that are not withdrawn."""
    with town.service.database.read() as session:
        rows = session.query(Credential, Booking).join(
            Booking, Booking.booking_id == Credential.booking_id
        )
        return {
            b.uid + b.recurrence_id: tokens.parse(c.raw_token)[1]
            for c, b in rows
            if c.revoked_at is None
        }


def test_importing_twice_changes_nothing(town: Town) -> None:
    first = town.take(FIRST)
    before, signed = held(town), live_tokens(town).keys()
    again = town.take(FIRST)
    assert first.counts["new"] == len(before) == 21
    assert (again.counts["unchanged"], again.counts.total(), again.events) == (21, 21, [])
    assert (held(town), live_tokens(town).keys()) == (before, signed)


@pytest.mark.parametrize("order", list(permutations([FIRST, FIRST, CHANGES, CHANGES], 4))[::3])
def test_any_order_of_files_ends_the_same(tmp_path: Path, order: tuple[bytes, ...]) -> None:
    with open_town(tmp_path / "a", hung=0) as town, open_town(tmp_path / "b", hung=0) as other:
        for ics in (FIRST, CHANGES):
            town.take(ics)
        for ics in order:
            other.take(ics)
        assert held(other) == held(town)


def test_each_confirmed_booking_has_one_padded_token_and_pending_ones_none(town: Town) -> None:
    town.take(FIRST)
    signed = live_tokens(town)
    confirmed = [row for row in held(town) if row[5] == "confirmed"]
    assert len(signed) == len(confirmed) == 20
    for uid, recurrence_id, _, starts_at, ends_at, *_ in confirmed:
        claims = signed[uid + recurrence_id]
        assert (claims.not_before, claims.expires_at) == (starts_at - 600, ends_at + 600)
        assert claims.permissions == tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK


def as_held(outbox: StatusOutbox) -> StatusList:
    """The list as a lock holds it that took this."""
    return statuslist.in_memory(statuslist.parse(outbox.document)[1], outbox.entries)


def test_changes_withdraw_old_tokens_and_reach_the_status_lists(town: Town) -> None:
    town.take(FIRST)
    old = live_tokens(town)
    report = town.take(CHANGES)
    assert (report.counts["changed"], report.counts["cancelled"]) == (2, 1)
    now = live_tokens(town)
    gone = {claims.cti for claims in old.values()} - {claims.cti for claims in now.values()}
    assert len(gone) == 3
    with town.service.database.read() as session:
        lists = [as_held(row) for row in session.query(StatusOutbox)]
    assert all(any(entry.lists(cti) for entry in lists) for cti in gone)


def test_unknown_room_is_refused_by_name_and_the_rest_gets_in(town: Town) -> None:
    report = town.take(calendar(event("LOCATION:体育館"), event(ROOM, uid="b")))
    assert (report.counts["new"], report.counts["refused"]) == (1, 1)
    refusal = report.events[0] if report.events[0]["outcome"] == "refused" else report.events[1]
    assert refusal["reason"]["code"] == "UNKNOWN_ROOM"
    assert "音楽室" in refusal["reason"]["en"]


def test_overlap_is_refused_by_time_and_never_by_name(town: Town) -> None:
    report = town.take(
        calendar(
            event(ROOM, "SUMMARY:秘密の会"),
            event(ROOM, uid="b", start="DTSTART:20261205T103000", end="DTEND:20261205T113000"),
            event(ROOM, uid="c", start="DTSTART:20261205T110000", end="DTEND:20261205T120000"),
        )
    )
    assert (report.counts["new"], report.counts["refused"]) == (2, 1)
    reason = next(e["reason"] for e in report.events if e["outcome"] == "refused")
    assert reason["code"] == "OVERLAP"
    assert "2026-12-05 10:00-11:00" in reason["ja"]
    assert "秘密" not in str(reason)


def test_change_that_collides_leaves_the_old_booking_and_its_key(town: Town) -> None:
    town.take(
        calendar(
            event(ROOM),
            event(ROOM, uid="b", start="DTSTART:20261205T130000", end="DTEND:20261205T140000"),
        )
    )
    before, keys = held(town), live_tokens(town)
    report = town.take(
        calendar(
            event(ROOM, "SEQUENCE:1", start="DTSTART:20261205T133000", end="DTEND:20261205T143000")
        )
    )
    assert report.counts["refused"] == 1
    assert held(town) == before
    assert {k: v.cti for k, v in live_tokens(town).items()} == {k: v.cti for k, v in keys.items()}


def test_booking_takes_a_place_that_the_same_file_frees(town: Town) -> None:
    later = {"start": "DTSTART:20261205T120000", "end": "DTEND:20261205T130000"}
    town.take(calendar(event(ROOM), event(ROOM, uid="b", **later)))
    report = town.take(
        calendar(
            event(ROOM, "SEQUENCE:1", **later),
            event(
                ROOM,
                "SEQUENCE:1",
                uid="b",
                start="DTSTART:20261205T150000",
                end="DTEND:20261205T160000",
            ),
        )
    )
    assert (report.counts["changed"], report.counts["refused"]) == (2, 0)


def test_later_exclusion_cancels_only_that_instance(town: Town) -> None:
    town.take(
        calendar(
            event(ROOM, "RRULE:FREQ=WEEKLY;COUNT=3"),
            event(ROOM, uid="other", start="DTSTART:20261206T100000", end="DTEND:20261206T110000"),
        )
    )
    report = town.take(
        calendar(
            event(
                ROOM,
                "RRULE:FREQ=WEEKLY;COUNT=3",
                "SEQUENCE:1",
                "EXDATE;TZID=Asia/Tokyo:20261212T100000",
            )
        )
    )
    assert report.counts["cancelled"] == 1
    assert [row[3] for row in held(town) if row[0] == "a"] == [START, at(2026, 12, 19, 10)]
    assert any(row[0] == "other" for row in held(town))


def test_older_file_never_brings_back_what_was_cancelled(town: Town) -> None:
    old = calendar(event(ROOM, "RRULE:FREQ=WEEKLY;COUNT=3"))
    town.take(old)
    town.take(calendar(event(ROOM, "RRULE:FREQ=WEEKLY;COUNT=3", "SEQUENCE:1", "STATUS:CANCELLED")))
    assert held(town) == []
    town.take(old)
    assert held(town) == []


def test_same_sequence_with_later_dtstamp_replaces(town: Town) -> None:
    town.take(calendar(event(ROOM)))
    newer = event("LOCATION:音楽室").replace("20261101T000000Z", "20261102T000000Z")
    assert town.take(calendar(newer)).counts["changed"] == 1
    assert town.take(calendar(event(ROOM))).counts["changed"] == 0
    assert held(town)[0][2] == "room-3"


def test_room_named_by_calendar_or_by_option(town: Town) -> None:
    assert town.take(calendar(event(), head="X-WR-CALNAME:和室\n")).counts["new"] == 1
    assert town.take(calendar(event(uid="b")), default_room="音楽室").counts["new"] == 1
    assert [row[2] for row in held(town)] == ["room-2", "room-3"]


def test_booking_longer_than_a_month_is_refused(town: Town) -> None:
    long = event(ROOM, start="DTSTART:20261205T100000", end="DTEND:20270205T100000")
    report = town.take(calendar(long))
    assert report.events[0]["reason"]["code"] == "TOO_LONG"


def test_locks_hung_later_get_their_keys_then(tmp_path: Path) -> None:
    with open_town(tmp_path, hung=0) as town:
        town.take(FIRST)
        assert live_tokens(town) == {}
        town.hang(1)
        assert {claims.audience for claims in live_tokens(town).values()} == {"bbbbbbbb"}
        assert len(live_tokens(town)) == sum(
            row[2:6:3] == ("room-2", "confirmed") for row in held(town)
        )


def test_a_lock_exchanged_gets_new_keys_and_the_old_one_is_told(town: Town) -> None:
    town.take(FIRST)
    town.locks[0].lock_id = "dddddddd"
    town.hang(0)
    audiences = {claims.audience for claims in live_tokens(town).values()}
    assert audiences == {"dddddddd", "bbbbbbbb", "cccccccc"}
    with town.service.database.read() as session:
        assert session.get_one(StatusOutbox, "aaaaaaaa").version == 1


def test_failure_in_the_middle_leaves_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("power cut")

    monkeypatch.setattr("cloud.importing.ask_for_keys", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        town.take(FIRST)
    assert held(town) == []


def test_more_withdrawals_than_a_list_holds_keep_the_collected_ones(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloud.models import KeyLink

    monkeypatch.setattr("cloud.lists.MAX_ENTRIES", 20)

    def days(sequence: int, status: str) -> bytes:
        rule = "RRULE:FREQ=DAILY;COUNT=30"
        return calendar(event(ROOM, rule, f"SEQUENCE:{sequence}", f"STATUS:{status}"))

    town.take(days(0, "CONFIRMED"))
    with town.service.database.write() as session:
        kept = session.query(Credential).order_by(Credential.expires_at).first()
        assert kept is not None
        session.add(
            KeyLink(
                secret_sha256=b"s",
                ticket_sha256=b"t",
                booking_id=kept.booking_id,
                device_key=b"d",
                created_at=1,
                claimed_at=1,
            )
        )
    assert town.take(days(1, "CANCELLED")).counts["cancelled"] == 30
    with town.service.database.read() as session:
        outbox = session.get_one(StatusOutbox, "bbbbbbbb")
    listed = as_held(outbox)
    assert 10 <= listed.header.count <= 11  # half of it, and the one if it came later
    assert listed.lists(kept.cti)
