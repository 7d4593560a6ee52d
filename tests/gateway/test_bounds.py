"""Much, for long, and more than there is room for: a big outbox, a month offline, a full disk."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli import gateway
from gateway.machine import Gateway, Settings, StorageError, StoredEvent
from gateway.machine.outbox import Outbox
from gateway.store import SqliteStore, StoreFault, connect
from kannuki.enrolment import GatewayFile, LockCredential, write_file
from kannuki.errors import InputError
from kannuki.messages import AuditEvent, DocumentPut, GatewayState, StatusPut
from protocol import audit, session
from tests.gateway.fakelock import (
    LOCK_A,
    LOCK_B,
    LOCK_C,
    T0,
    ack_document,
    credential,
    status_document,
)
from tests.gateway.world import GATEWAY, World

MANY = 100_000
DAY_S = 86_400


# --- 100,000 events ---


def fill(path: Path, count: int) -> SqliteStore:
    """A store with so many events, put there in one go."""
    store = SqliteStore(path, reserve_bytes=0)
    rows = ((f"{LOCK_A}-1-{n:x}-{n:x}-digest", bytes(200)) for n in range(1, count + 1))
    with store._changing() as database:
        database.executemany(
            "INSERT INTO outbox (id, channel, device, payload) VALUES (?, 'event', 'gw-1', ?)", rows
        )
    store.close()
    return SqliteStore(path, reserve_bytes=0)


def work(store: SqliteStore, do: Callable[[], Any]) -> int:
    """How many instructions of SQLite's machine a call takes: a measure without a clock."""
    count = 0

    def one_more() -> int:
        nonlocal count
        count += 1
        return 0

    store._database.set_progress_handler(one_more, 1)
    do()
    store._database.set_progress_handler(None, 0)
    return count


def test_a_hundred_thousand_events_cost_each_call_no_more_than_a_thousand_do(tmp_path):
    calls: dict[str, Callable[[SqliteStore], Any]] = {
        "put": lambda s: s.put_event(StoredEvent(0, "new", "event", "gw-1", b"x"), LOCK_A, 1, 2),
        "page at the start": lambda s: s.events_after(0, 50),
        "page in the middle": lambda s: s.events_after(s.waiting_events() // 2, 50),
        "acknowledge": lambda s: s.forget_events([s.events_after(500, 1)[0].id]),
        "count": lambda s: s.waiting_events(),
        "newest": lambda s: s.newest_event(),
        "room": lambda s: s.has_room(),
    }
    few, many = fill(tmp_path / "few.sqlite", 1000), fill(tmp_path / "many.sqlite", MANY)
    for name, call in calls.items():
        less, more = (work(store, lambda c=call, s=store: c(s)) for store in (few, many))
        assert more <= 2 * less + 20, name
    assert many.waiting_events() == MANY
    few.close()
    many.close()


def test_a_hundred_thousand_events_go_out_in_order_a_page_at_a_time(tmp_path):
    store = fill(tmp_path / "many.sqlite", MANY)
    outbox = Outbox(store, Settings(outbox_window=250))
    outbox.broker_up()
    last, at, peak = 0, 0.0, 0
    while events := outbox.to_send(at):
        if last >= MANY // 2 and not peak and not tracemalloc.is_tracing():
            tracemalloc.start()
        elif last >= MANY // 2 + 5000 and tracemalloc.is_tracing():
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert [event.number for event in events] == list(range(last + 1, last + 1 + len(events)))
        last, at = events[-1].number, at + 0.1
        outbox.acknowledged([event.id for event in events])
    assert (last, store.waiting_events()) == (MANY, 0)
    assert 0 < peak < 1 << 20, "it holds more than pages"
    store.close()


# --- a month offline ---


class WatchedTown:
    """Commits every event; notes in which order records came first, and how many were under way."""

    def __init__(self, w: World) -> None:
        self.came: dict[str, list[int]] = {lock: [] for lock in w.locks}
        self.events: list[str] = []
        self.most_under_way = 0
        self._under_way: set[str] = set()
        self._real_ack, w.ack = w.ack, self._ack
        w.town_commits = self._commit

    def _commit(self, event: AuditEvent) -> bool:
        self.events.append(event.id)
        self._under_way.add(event.id)
        self.most_under_way = max(self.most_under_way, len(self._under_way))
        parcel = audit.decode_parcel(event.parcel)
        self.came[event.lock] += range(parcel.first_seq, parcel.first_seq + parcel.count)
        return True

    def _ack(self, *events: AuditEvent) -> None:
        self._under_way -= {event.id for event in events}
        self._real_ack(*events)


def test_thirty_days_without_a_broker_and_then_everything_once_and_in_order(tmp_path):
    chance = random.Random(30)
    locks = [LOCK_A, LOCK_B, LOCK_C]
    w = World(tmp_path, locks, Settings(sync_interval_s=3 * 3600, outbox_window=5))
    town = WatchedTown(w)
    for day in range(30):
        for _ in range(4):
            w.locks[chance.choice(locks)].happen(times=chance.randrange(9))
            w.run(DAY_S / 4)
        if day % 7 == 3:
            w.kill()
            w.start()
    assert w.events() == []
    waiting = w.store.waiting_events()
    assert waiting > 60
    w.broker_up()
    w.until(lambda: w.store.waiting_events() == 0)
    assert len(town.events) == len(set(town.events)) == waiting
    assert town.most_under_way == 5
    for lock_id, lock in w.locks.items():
        assert town.came[lock_id] == list(range(1, lock.head_seq + 1))
        assert w.records_home(lock_id) == lock.records
    for lock_id, lock in w.locks.items():
        told = ack_document(lock_id, lock.head_seq)
        w.command(lock_id, DocumentPut(
            id=f"ack-{lock_id}", what="ack", document=told, version=lock.head_seq,
            expires_at=int(w.now.wall) + 600,
        ))  # fmt: skip
        assert w.result(f"ack-{lock_id}").ok
        assert lock.acked_seq == lock.head_seq
    w.store.close()


# --- no room ---


class LittleRoom:
    """A disk whose free bytes a test sets."""

    def __init__(self) -> None:
        self.free = 0

    def open(self, path: Path) -> SqliteStore:
        return SqliteStore(path, 1000, free_bytes=lambda _folder: self.free)


def own_states(w: World) -> list[GatewayState]:
    said = [p.message for p in w.published if (p.channel, p.device) == ("state", GATEWAY)]
    return [m for m in said if isinstance(m, GatewayState)]


def test_without_room_records_stay_in_their_locks_documents_are_carried_and_it_is_said(tmp_path):
    disk = LittleRoom()
    w = World(tmp_path, [LOCK_A], Settings(sync_interval_s=20), open_store=disk.open)
    w.town_commits = lambda _event: True
    w.locks[LOCK_A].happen(times=30)
    w.broker_up()
    w.run(60)
    assert session.REQUEST_AUDIT not in w.locks[LOCK_A].requests
    assert own_states(w)[-1].outbox_full
    assert [note.lock for note in w.notes if "disk is full" in note.text] == [GATEWAY]
    put = StatusPut(
        id="s", document=status_document(LOCK_A, 3), version=3, entries=b"", expires_at=T0 + 10**6
    )
    w.command(LOCK_A, put)
    assert w.result("s").version == 3
    disk.free = 10**6
    w.run(60)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records
    assert not own_states(w)[-1].outbox_full
    assert "room again" in w.notes[-1].text
    w.store.close()


def test_unused_pages_of_our_own_file_are_room(tmp_path):
    disk = LittleRoom()
    disk.free = 10**6
    store = disk.open(tmp_path / "s.sqlite")
    store.put_event(StoredEvent(0, "big", "event", "gw-1", bytes(100_000)), LOCK_A, 1, 2)
    disk.free = 10
    assert not store.has_room()
    store.forget_events(["big"])
    assert store.has_room()
    store.close()


@pytest.mark.parametrize("pages", [14, 16, 20])
def test_a_file_that_may_not_grow_loses_nothing_and_goes_on_as_the_town_acknowledges(
    tmp_path, pages
):
    def open_small(path: Path) -> SqliteStore:
        def small(path: Path) -> sqlite3.Connection:
            database = connect(path)
            database.execute(f"PRAGMA max_page_count = {pages}")
            return database

        return SqliteStore(path, reserve_bytes=0, connect=small)

    w = World(tmp_path, [LOCK_A, LOCK_B], Settings(sync_interval_s=20), open_store=open_small)
    w.town_commits = lambda _event: True
    for lock in w.locks.values():
        lock.happen(times=300)
    w.run(600)
    assert 0 < w.store.waiting_events() < 26, "nothing was ever too much"
    assert any("full" in note.text for note in w.notes)
    w.broker_up()
    w.run(3600)
    for lock_id, lock in w.locks.items():
        assert w.records_home(lock_id) == lock.records
    w.store.close()


LIMITED = """
import json, resource, sys
from pathlib import Path
from gateway.machine import StorageError, StoredEvent
from gateway.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]), reserve_bytes=0)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
promised, refused, room = 0, 0, []
for seq in range(1, 300):
    event = StoredEvent(0, f"e{seq}", "event", "gw-1", bytes(3000))
    try:
        store.put_event(event, "aaaaaaaa", 1, seq + 1)
        promised += 1
    except StorageError:
        refused += 1
        if refused == 40:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            room.append(store.has_room())
print(json.dumps([promised, refused, room, store.waiting_events()]))
"""


def test_a_disk_that_refuses_writes_refuses_events_and_takes_them_again_later(tmp_path, checkout):
    path = tmp_path / "s.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        stdout=subprocess.PIPE, cwd=checkout, check=True, text=True,
    )  # fmt: skip
    promised, refused, room, waiting = json.loads(done.stdout)
    assert refused == 40
    assert room == [True]
    assert promised == waiting == 259
    store = SqliteStore(path)
    assert store.waiting_events() == promised
    store.close()


# --- storage that fails now and then ---


class Flaky:
    """A store of which one call in some fails, before or after it is done."""

    CHECKED = ("has_room", "waiting_events", "close")  # never fail

    def __init__(self, store: SqliteStore, chance: random.Random) -> None:
        self.store, self.chance, self.odds = store, chance, 0.3

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)
        if name in self.CHECKED or not callable(real):
            return real

        def call(*arguments: Any) -> Any:
            if self.chance.random() < self.odds:
                raise StorageError("the disk failed")
            done = real(*arguments)
            if self.chance.random() < self.odds / 3:
                raise StorageError("the disk failed in the end")
            return done

        return call


@pytest.mark.parametrize("seed", range(3))
def test_storage_that_fails_at_any_call_stops_nothing_for_good(tmp_path, seed):
    flaky: list[Flaky] = []

    def open_flaky(path: Path) -> Any:
        flaky.append(Flaky(SqliteStore(path, 0), random.Random(seed)))
        return flaky[-1]

    w = World(tmp_path, [LOCK_A, LOCK_B], Settings(sync_interval_s=5), open_store=open_flaky)
    w.town_commits = lambda _event: True
    w.broker_up()
    for version in range(1, 20):
        w.locks[LOCK_A].happen(times=7)
        w.locks[LOCK_B].happen(times=3)
        document = status_document(LOCK_A, version)
        w.command(LOCK_A, StatusPut(
            id=f"s{version}", document=document, version=version, entries=b"",
            expires_at=T0 + 10**6,
        ))  # fmt: skip
        w.run(10)
    flaky[-1].odds = 0.0
    w.command(LOCK_A, StatusPut(
        id="last", document=status_document(LOCK_A, 20), version=20, entries=b"",
        expires_at=T0 + 10**6,
    ))  # fmt: skip
    w.run(700)
    for lock_id, lock in w.locks.items():
        assert w.records_home(lock_id) == lock.records
    assert w.store.waiting_events() == 0
    assert w.result("last").version == 20
    w.store.close()


# --- a damaged file ---


def damaged(folder: Path) -> Path:
    """A gateway's file with one page of rubbish in the middle."""
    path = folder / "gateway.sqlite"
    fill(path, 2000).close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)
    return path


def test_a_damaged_file_is_refused_at_the_start_with_what_to_do(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    path = damaged(data)
    before = path.read_bytes()
    key = credential(LOCK_A)
    entry = LockCredential(lock_id=LOCK_A, token=key.raw_token, proof_key=key.proof_keys[LOCK_A])
    file = tmp_path / "g.json"
    write_file(file, GatewayFile(town="t", gateway_id="gw-1", locks=[entry]), secret=True)
    arguments = ["run", "--gateway-file", str(file), "--data-dir", str(data)]
    with pytest.raises(InputError, match="is damaged") as caught:
        CliRunner().invoke(gateway, arguments, standalone_mode=False, catch_exceptions=False)
    assert "move gateway.sqlite" in caught.value.remedy
    assert path.read_bytes() == before, "it is evidence"


def test_without_the_damaged_file_everything_is_read_again_from_the_locks(tmp_path):
    w = World(tmp_path, [LOCK_A])
    w.locks[LOCK_A].happen(times=40)
    w.run(30)
    w.kill()
    w.path.write_bytes(b"rubbish" * 10_000)
    with pytest.raises(StoreFault):
        w.start()
    for path in tmp_path.glob("gateway.sqlite*"):
        path.rename(path.with_name(f"aside-{path.name}"))
    w.town_commits = lambda _event: True
    w.start()
    w.broker_up()
    w.run(60)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records
    w.store.close()


async def test_a_file_that_is_damaged_under_a_running_gateway_ends_it_with_what_to_do(
    tmp_path, monkeypatch
):
    """Going on would forget what it promised; a supervisor starts it again and it says so again."""
    from gateway import app

    def meet_damage(_gateway: Gateway) -> float:
        raise StoreFault("the file is damaged", "move it away")

    key = credential(LOCK_A)
    entry = LockCredential(lock_id=LOCK_A, token=key.raw_token, proof_key=key.proof_keys[LOCK_A])
    file = tmp_path / "g.json"
    write_file(file, GatewayFile(town="t", gateway_id="gw-1", locks=[entry]), secret=True)
    monkeypatch.setattr(Gateway, "next_timeout", meet_damage)
    options = app.Options(file, "127.0.0.1", 1, tmp_path / "data", Settings(), 0.0, "test")
    with pytest.raises((StoreFault, BaseExceptionGroup)) as caught:
        await app.run(options, lambda: float(T0), lambda: None)
    fault: BaseException = caught.value
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    assert isinstance(fault, StoreFault)


def test_a_page_that_is_damaged_while_the_gateway_runs_is_no_passing_fault_of_the_disk(tmp_path):
    path = tmp_path / "gateway.sqlite"
    store = fill(path, 2000)
    store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    store._database.execute("PRAGMA shrink_memory")
    with pytest.raises(StoreFault, match="damaged"):
        store.events_after(0, 2000)
    store.close()
