"""One scenario at two depths, and bad days in a virtual town: what comes home is what happened."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from kannuki import messages
from kannuki.errors import EXIT_FAILED, EXIT_OK
from kannuki.messages import AuditEvent, EventAck
from protocol import audit
from simulator.cli import sim
from simulator.scenarios import run, telling
from simulator.scenarios.home import Home
from simulator.scenarios.storm import LOCK_IDS, Aftermath, Storm
from simulator.scenarios.story import DOUBT_S, EXPECTED_ANSWERS, LOCK_ID, T0, Story, Told
from simulator.scenarios.virtual import VirtualDepth
from simulator.town_keys import aes
from simulator.virtual.clock import STEP_MS, VirtualTime
from simulator.virtual.phone import run_now

SEEDS = range(30)
STORY = [
    "the lock started",
    "unlocked at the door, A",
    "door opened",
    "door closed",
    "locked by itself",
    "refused at the door: NOT_YET_VALID, D",
    "unlocked by relay, B",
    "locked by itself",
    "status list 1 adopted",
    "refused at the door: REVOKED, C",
    "the lock started",
    "refused at the door: EXPIRED, A",
    "unlocked by the exit button",
    "locked by itself",
]


# --- virtual time ---


def test_time_moves_only_when_told() -> None:
    time, steps = VirtualTime(), []
    time.at_every_step(lambda: steps.append(time.ms))
    assert (time.ms, steps) == (0, [])
    time.advance(3 * STEP_MS)
    assert steps == [STEP_MS, 2 * STEP_MS, 3 * STEP_MS]


def test_things_put_off_happen_in_order_and_not_before_their_time() -> None:
    time, done = VirtualTime(), []
    time.after(40, lambda: done.append("late"))
    time.after(20, lambda: done.append("first"))
    time.after(20, lambda: done.append("second"))
    time.advance(30)
    assert done == ["first", "second"]
    time.advance(10)
    assert done == ["first", "second", "late"]


def test_waiting_in_vain_ends_when_its_time_is_over() -> None:
    time = VirtualTime()
    assert not time.until(lambda: False, 500)
    assert time.ms == 500


def test_a_virtual_coroutine_that_waits_for_real_time_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="waited for real time"):
        run_now(asyncio.sleep(0))


# --- the scenario ---


@pytest.fixture(scope="module")
def virtual() -> Told:
    return run.run_virtual()


def test_everyone_is_told_what_they_must_hear(virtual: Told) -> None:
    assert virtual.answers == EXPECTED_ANSWERS


def test_the_records_at_home_tell_the_evening(virtual: Told) -> None:
    records = virtual.decoded()
    told = [telling.words(record) for record in records if record.event != audit.TIME]
    assert told == STORY
    assert virtual.faults == []


def test_a_locks_time_is_an_interval_that_moves_on_and_stays_narrow(virtual: Told) -> None:
    """Between two starts; a start begins at the floor, which is kept once an hour."""
    records = virtual.decoded()
    assert records[0].time.lo <= T0 <= records[0].time.hi
    assert all(record.time.doubt < DOUBT_S for record in records)
    for before, after in itertools.pairwise(records):
        assert after.time.lo >= before.time.lo or after.event == audit.BOOT
        assert after.time.hi >= before.time.lo


def test_what_came_home_is_what_the_lock_wrote() -> None:
    async def tell() -> tuple[list[bytes], list[bytes]]:
        async with VirtualDepth(LOCK_ID, T0) as depth:
            told = await Story(depth).tell()
            journal = depth.lock.core.journal
            return told.records, journal.read(1, journal.head_seq)

    at_home, in_the_lock = run_now(tell())
    assert at_home == in_the_lock


def test_no_random_byte_of_lock_or_phone_is_in_the_records(virtual: Told) -> None:
    assert telling.happenings(run.run_virtual(seed=99)) == telling.happenings(virtual)


@pytest.mark.slow
def test_both_depths_give_the_same_records_but_for_the_seconds(virtual: Told) -> None:
    real = run.run_real()
    assert telling.complaints([virtual, real]) == []
    assert telling.happenings(real) == telling.happenings(virtual)


# --- what is told of it ---


def test_depths_that_differ_in_one_code_are_complained_of(virtual: Told) -> None:
    last = audit.decode_record(virtual.records[-1])
    last.code += 1
    other = replace(virtual, records=[*virtual.records[:-1], audit.encode_record(last)])
    assert telling.complaints([virtual, other]) == ["the records differ between the depths"]
    assert not telling.as_json([virtual, other])["equal"]


def test_missing_record_breaks_the_chain(virtual: Told) -> None:
    gap = replace(virtual, records=virtual.records[:3] + virtual.records[4:])
    assert telling.complaints([gap]) == ["virtual: expected record 4, got 5"]
    assert telling.lines([gap])[-1].startswith("NOT as it must be")


def test_scenario_command_shows_the_story() -> None:
    done = CliRunner().invoke(sim, ["scenario", "--json"], standalone_mode=False)
    assert done.return_value == EXIT_OK
    shown = json.loads(done.output)
    assert shown["ok"] and shown["depths"] == ["virtual"]
    assert [t for t in (each["text"] for each in shown["records"]) if t != "time set"] == STORY


def test_scenario_command_fails_when_an_answer_is_wrong(
    virtual: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(virtual, answers=[*virtual.answers[:-1], ("A", "OPENED")])
    monkeypatch.setattr(run, "run", lambda _depth: wrong)
    done = CliRunner().invoke(sim, ["scenario"], standalone_mode=False)
    assert done.return_value == EXIT_FAILED
    assert "NOT as it must be: virtual: the answers" in done.output


# --- the cloud's side ---

KDK, SALT = b"a" * 32, b"s" * audit.SALT_BYTES
TOPIC = messages.topic("bench", "gw-1", "event")


def event_of(records: list[bytes], kdk: bytes = KDK) -> bytes:
    first = audit.Head(LOCK_ID, 1, audit.decode_record(records[0]).seq, b"")
    raw, seal = audit.pack(aes, kdk, SALT, first, 1, records)
    return messages.encode(AuditEvent(id="event-1", lock=LOCK_ID, parcel=raw, seal=seal))


def home_that_says(said: list[bytes]) -> Home:
    return Home("bench", {LOCK_ID: KDK}, lambda _topic, payload: said.append(payload))


def test_sealed_parcel_is_kept_then_acknowledged(virtual: Told) -> None:
    said: list[bytes] = []
    home = home_that_says(said)
    home.hear(TOPIC, event_of(virtual.records[:2]))
    assert home.of(LOCK_ID) == virtual.records[:2]
    assert messages.decode("command", said[0]) == EventAck(ids=["event-1"])


def test_parcel_under_a_wrong_seal_is_neither_kept_nor_acknowledged(virtual: Told) -> None:
    said: list[bytes] = []
    home = home_that_says(said)
    home.hear(TOPIC, event_of(virtual.records[:2], kdk=b"x" * 32))
    assert (home.of(LOCK_ID), said) == ([], [])
    assert home.faults == ["event event-1: the seal is not this lock's"]


def test_second_different_record_of_one_number_is_a_fault(virtual: Told) -> None:
    said: list[bytes] = []
    home = home_that_says(said)
    home.hear(TOPIC, event_of(virtual.records[:1]))
    forged = audit.decode_record(virtual.records[0])
    forged.code += 1
    home.hear(TOPIC, event_of([audit.encode_record(forged)]))
    assert len(said) == 1
    assert "two different records" in home.faults[0]


# --- bad days ---


@pytest.fixture(scope="module")
def bad_days(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Aftermath]:
    """Thirty storms, each from its own seed."""
    folder: Path = tmp_path_factory.mktemp("storms")
    return {seed: Storm(seed, folder / str(seed)).run() for seed in SEEDS}


def test_storms_did_blow(bad_days: dict[int, Aftermath]) -> None:
    blown = sum((after.went_wrong for after in bad_days.values()), Counter[str]())
    kinds = {
        "link lost",
        "gateway killed",
        "broker lost",
        "cloud away",
        "duplicate",
        "power cut",
        "NotCarriedOut",
        "VirtualRadioError",
    }
    assert {kind for kind in kinds if blown[kind]} == kinds
    heard = sum(after.home.records_heard for after in bad_days.values())
    kept = sum(len(after.home.records) for after in bad_days.values())
    assert heard > kept, "no record came home twice"
    opened = sum(len(openings_of(after)) for after in bad_days.values())
    told = sum(len(after.granted) for after in bad_days.values())
    assert opened > told, "no answer was lost after an opening"


def openings_of(after: Aftermath) -> Counter[tuple[str, bytes]]:
    """How often each right opened its lock, by the records at home."""
    return Counter(
        (lock_id, record.subject)
        for (lock_id, _, _), record in after.home.decoded.items()
        if record.event == audit.LOCK_OPERATION and record.subject is not None
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_records_come_home_complete_and_once_whatever_goes_wrong(
    bad_days: dict[int, Aftermath], seed: int
) -> None:
    after = bad_days[seed]
    assert after.is_calm, "records or acknowledgements are still missing"
    assert after.home.faults == []
    for lock_id in LOCK_IDS:
        at_home = after.home.of(lock_id)
        assert at_home == after.journals[lock_id]
        audit.check_run(at_home, 1, audit.genesis(lock_id, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_right_opens_twice_and_each_opening_told_is_in_the_record(
    bad_days: dict[int, Aftermath], seed: int
) -> None:
    after = bad_days[seed]
    openings = openings_of(after)
    assert set(openings.values()) <= {1}
    assert set(after.granted) <= set(openings)


@pytest.mark.parametrize("seed", SEEDS)
def test_status_list_answered_as_carried_is_held(bad_days: dict[int, Aftermath], seed: int) -> None:
    after = bad_days[seed]
    for lock_id, version in after.carried.items():
        assert after.held[lock_id] >= version


def test_storm_of_one_seed_is_repeatable(bad_days: dict[int, Aftermath], tmp_path: Path) -> None:
    again, first = Storm(SEEDS[0], tmp_path).run(), bad_days[SEEDS[0]]
    assert (again.went_wrong, again.granted) == (first.went_wrong, first.granted)
    assert again.journals == first.journals
