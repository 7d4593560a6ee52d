"""`kannuki demo` from outside: what it prints, keeps, survives and leaves behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from kannuki.proc import listens_on
from protocol import gatt
from tests.system.processes import Run, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ONCE = ("demo", "--once", "--json")
BTSNOOP_MAGIC = b"btsnoop\0"
REPORT_KEYS = {"ok", "openings", "refusals", "audit", "versions"}
PARTS = {"world", "broker", "cloud", "gateway", "phones"}

EVENT = """BEGIN:VEVENT
UID:{uid}
DTSTAMP:20261101T000000Z
DTSTART;TZID=Asia/Tokyo:{starts}
DTEND;TZID=Asia/Tokyo:{ends}
SUMMARY:{summary}
{more}END:VEVENT
"""


def calendar(folder: Path, *events: str) -> Path:
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n"
    folder.mkdir(exist_ok=True)
    path = folder / "own.ics"
    text = (head + "".join(events) + "END:VCALENDAR\n").replace("\n", "\r\n")
    path.write_bytes(text.encode())
    return path


def event(uid: str, place: str | None = None, hour: int = 9) -> str:
    return EVENT.format(
        uid=uid,
        starts=f"20270115T{hour:02}0000",
        ends=f"20270115T{hour + 2:02}0000",
        summary="茶道クラブ",
        more=f"LOCATION:{place}\n" if place else "",
    )


def finished(run: Run) -> dict:
    """The report of a run whose every expectation held."""
    code = run.wait()
    assert code == 0, f"exit {code}\n{run.out[-3000:]}\n{run.err[-3000:]}"
    return run.report()


def story(report: dict) -> tuple[set[str], set[str]]:
    return (
        {each["path"] for each in report["openings"]},
        {each["reason"] for each in report["refusals"]},
    )


WHOLE_STORY = ({"offline", "relay"}, {"REVOKED", "NOT_YET_VALID", "WRONG_LOCK"})


# --- the report and what is kept ---


def test_once_keeps_what_a_stranger_needs_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(tmp_path, *ONCE, "--data", str(data)) as run:
        report = finished(run)
        assert run.processes() == set()
    assert report.keys() >= REPORT_KEYS
    assert report["ok"] is True
    assert story(report) == WHOLE_STORY
    assert all(each["ms"] > 0 for each in report["openings"])
    assert all(each[lang] for each in report["refusals"] for lang in ("ja", "ja-simple", "en"))
    assert report["audit"]["chain_ok"] is True
    assert report["audit"]["lock"] == report["audit"]["cloud"] > 0
    _see_what_is_kept(data, {each["lock"] for each in report["openings"]})
    assert list(run.temp.iterdir()) == []
    _kill_one_in_the_middle(tmp_path, data)
    with running(tmp_path, *ONCE, "--data", str(data)) as run:
        _see_nothing_was_reset(report, finished(run))


def _see_what_is_kept(data: Path, locks: set[str]) -> None:
    capture = (data / "radio.btsnoop").read_bytes()
    assert capture.startswith(BTSNOOP_MAGIC)
    for lock_id in locks:
        assert gatt.advertised_name(lock_id).encode() in capture
        assert (data / "locks" / f"{lock_id}.img").stat().st_size > 0
    assert "New client connected" in (data / "broker" / "mosquitto.log").read_text()


def _kill_one_in_the_middle(tmp_path: Path, data: Path) -> None:
    with running(tmp_path, *ONCE, "--data", str(data)) as run:
        until(lambda: any(n.startswith("lock-") for n in run.child_names()), what="locks run")
        os.kill(run.process.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        until(lambda: run.processes() == set(), what="the children die with their parent")
        assert json.loads(run.ask("demo", "status", "--json")) == []


def _see_nothing_was_reset(first: dict, second: dict) -> None:
    """The same locks, one journal going on, the same bookings known."""
    assert story(second) == WHOLE_STORY
    assert {each["lock"] for each in second["openings"]} == {
        each["lock"] for each in first["openings"]
    }
    assert second["audit"]["lock"] > first["audit"]["lock"]
    for file in second["imported"]:
        assert (file["new"], file["changed"], file["cancelled"]) == (0, 0, 0)
    read = sum(
        sum(file[kind] for kind in ("new", "changed", "cancelled", "unchanged"))
        for file in first["imported"]
    )
    assert sum(file["unchanged"] for file in second["imported"]) == read


def test_two_demos_side_by_side_with_calendars_of_other_people(tmp_path: Path) -> None:
    """A single booking without a place; and one with new rooms only, at a time without a zone."""
    one = calendar(tmp_path / "a", event("one@test"))
    new = calendar(tmp_path / "b", *(event(f"{p}@test", p) for p in ("体育館", "茶室", "調理室")))
    keep = ("--data", str(tmp_path / "a" / "data"))
    with (
        running(tmp_path / "a", *ONCE, "--ics", str(one), *keep) as first,
        running(tmp_path / "b", *ONCE, "--ics", str(new), "--at", "2027-01-15T09:30") as second,
    ):
        _see_status(first)
        reports = finished(first), finished(second)
    assert [story(report) for report in reports] == [WHOLE_STORY, WHOLE_STORY]
    assert [report["imported"][0]["new"] for report in reports] == [1, 3]
    assert {each["room"] for each in reports[1]["openings"]} <= {"体育館", "茶室", "調理室"}
    assert json.loads(first.ask("demo", "status", "--json")) == []
    assert list(first.temp.iterdir()) == list(second.temp.iterdir()) == []


def _see_status(run: Run) -> None:
    """Every part is told of; not all at one moment, as the story switches some off and on."""
    told: set[str] = set()

    def every_part() -> bool:
        told.update(run.child_names())
        return told >= PARTS

    until(every_part, what="status tells of every part")
    (note,) = json.loads(run.ask("demo", "status", "--json"))
    assert note["pid"] == run.process.pid
    mine = run.processes()
    for child in note["children"]:
        if child["state"] != "ready":
            continue  # the story is switching it off and on
        assert child["pid"] in mine
        assert Path(child["log"]).exists()
        assert child["port"] is None or listens_on(child["pid"], child["port"])
    assert sum(c["name"].startswith("lock-") for c in note["children"]) >= 3


# --- ends ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_ends_every_child_in_order(
    number: signal.Signals, tmp_path: Path
) -> None:
    with running(tmp_path, *ONCE) as run:
        until(lambda: any(n.startswith("lock-") for n in run.child_names()), what="locks run")
        os.kill(run.process.pid, number)
        assert run.wait() == 130
        assert run.processes() == set()
        assert "fault in kannuki" not in run.err
    assert list(run.temp.iterdir()) == []
    assert json.loads(run.ask("demo", "status", "--json")) == []


BROKEN = {
    "no calendar": b"hello",
    "cut off": b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:x\r\n",
    "empty": b"",
    "no booking": b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n",
    "binary": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_calendar_is_told_and_starts_nothing(kind: str, tmp_path: Path) -> None:
    ics = tmp_path / "broken.ics"
    ics.write_bytes(BROKEN[kind])
    _refused_at_once(tmp_path, "broken.ics", "--ics", str(ics))


def test_a_calendar_that_is_not_there_is_told(tmp_path: Path) -> None:
    _refused_at_once(tmp_path, "nothing.ics", "--ics", str(tmp_path / "nothing.ics"))


@pytest.mark.parametrize("at", ["tomorrow", "", "2027-13-40T99:99", "0001-01-01T00:00"])
def test_a_time_that_is_none_is_told(at: str, tmp_path: Path) -> None:
    _refused_at_once(tmp_path, "--at", "--at", at)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    _refused_at_once(tmp_path, "file", "--data", str(tmp_path / "file"))


def _refused_at_once(tmp_path: Path, named: str, *options: str) -> None:
    with running(tmp_path, *ONCE, *options) as run:
        assert run.wait() == 2, run.err
        assert run.processes() == set()
    assert named in run.err
    assert "->" in run.err
    assert "fault in kannuki" not in run.err
    assert run.out == ""
    assert list(run.temp.iterdir()) == []
