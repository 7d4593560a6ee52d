"""Nothing acknowledged is lost and nothing counts twice, however often the gateway is killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.machine import Errand, Pending, Settings, StorageError, StoredEvent
from gateway.machine.errands import kind_of
from gateway.store import MIGRATIONS, SqliteStore, StoreFault
from kannuki.messages import DocumentPut, StatusPut
from protocol import audit
from tests.gateway.fakelock import (
    LOCK_A,
    LOCK_B,
    T0,
    ack_document,
    config_document,
    keyset_document,
    status_document,
    status_entries,
)
from tests.gateway.world import World

WRITER = """
import sys
from pathlib import Path
from gateway.machine import StoredEvent
from gateway.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for seq in range(1, 1000000):
    event = StoredEvent(0, f"e{seq}", "event", "gw-1", bytes(200))
    store.put_event(event, "aaaaaaaa", 1, seq + 1)
    print(seq, flush=True)
"""


def event(name: str) -> StoredEvent:
    return StoredEvent(0, name, "event", "gw-1", b"payload")


@pytest.mark.parametrize("after", [1, 7, 40])
def test_what_the_store_has_taken_survives_kill_minus_nine(tmp_path, checkout, after):
    path = tmp_path / "s.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=checkout
    )
    with writer:
        for _ in range(after):
            promised = int(writer.stdout.readline())
        writer.kill()
        rest = writer.stdout.read().split()
    promised = int(rest[-1]) if rest and rest[-1].isdigit() else promised
    store = SqliteStore(path)
    assert store.waiting_events() >= promised
    assert store.next_seq(LOCK_A, 1) == store.waiting_events() + 1
    store.close()


@pytest.mark.parametrize("seed", range(12))
def test_every_record_comes_home_once_through_random_kills(tmp_path, seed):
    chance = random.Random(seed)
    w = World(tmp_path, [LOCK_A, LOCK_B], Settings(sync_interval_s=2, max_records=5))
    w.broker_up()
    acknowledged: set[str] = set()
    for _ in range(40):
        choose(w, chance, acknowledged)
    finish(w)
    for lock_id, lock in w.locks.items():
        assert w.records_home(lock_id) == lock.records
        audit.check_run(w.records_home(lock_id), 1, audit.genesis(lock_id, 1))
    assert w.store.waiting_events() == 0
    w.store.close()


def choose(w: World, chance: random.Random, acknowledged: set[str]) -> None:
    what = chance.randrange(6)
    if what == 0:
        w.kill()
        w.start()
        w.broker_up()
    elif what == 1:
        w.locks[chance.choice([LOCK_A, LOCK_B])].happen(times=chance.randrange(12))
    elif what == 2:
        w.lose(chance.choice([LOCK_A, LOCK_B]))
    elif what == 3 and w.events():
        some = chance.sample(w.events(), min(3, len(w.events())))
        acknowledged.update(each.id for each in some)
        w.ack(*some)
    elif what == 4:
        w.broker_down()
        w.run(chance.uniform(0, 3))
        w.broker_up()
    w.run(chance.uniform(0, 1.5))


def finish(w: World) -> None:
    w.run(30)
    for _ in range(20):
        if w.store.waiting_events():
            for sent in {each.id: each for each in w.events()}.values():
                w.ack(sent)
            w.run(31)


def test_status_lists_reach_the_lock_once_through_random_kills(tmp_path):
    chance = random.Random(3)
    w = World(tmp_path, [LOCK_A], Settings(sync_interval_s=30), latency_s=0.2)
    for version in range(1, 15):
        w.command(
            LOCK_A,
            StatusPut(
                id=f"put-{version}",
                document=status_document(LOCK_A, version),
                version=version,
                entries=b"",
                expires_at=T0 + 10**6,
            ),
        )
        w.run(chance.uniform(0, 3))
        w.kill()
        w.start()
    w.run(60)
    assert w.locks[LOCK_A].trust.status.version == 14
    assert w.store.errands(LOCK_A, "status") == []
    assert not w.store.has_pending(LOCK_A)
    w.store.close()


@pytest.mark.parametrize("seed", range(8))
def test_documents_of_every_kind_reach_the_lock_through_random_kills_and_losses(tmp_path, seed):
    chance = random.Random(seed)
    settings = Settings(sync_interval_s=20, status_piece_bytes=160)
    w = World(tmp_path, [LOCK_A], settings, latency_s=0.05)
    w.locks[LOCK_A].happen(times=30)
    w.broker_up()
    commands = [give(w, chance, version) for version in range(2, 30)]
    w.run(120)
    lock = w.locks[LOCK_A]
    for command in commands:
        last = w.results(command.id)[-1]
        assert last.ok and last.version >= command.version
    newest = {kind_of(command): command.version for command in commands}
    held = {
        "status": lock.trust.status.version,
        "keyset": lock.trust.keyset.version,
        "config": lock.config_version,
        "ack": lock.acked_seq,
    }
    assert {what: held[what] for what in newest} == newest
    assert not w.store.has_pending(LOCK_A)
    assert w.most_links == 1
    w.store.close()


def give(w: World, chance: random.Random, version: int) -> StatusPut | DocumentPut:
    """One command of any kind; then something goes wrong, and it is said again until answered."""
    command = any_document(chance, version)
    w.command(LOCK_A, command)
    w.run(chance.uniform(0, 2))
    if chance.random() < 0.5:
        w.kill()
        w.start()
        w.broker_up()
    else:
        w.lose(LOCK_A)
    w.command(LOCK_A, command)
    return command


def any_document(chance: random.Random, version: int) -> StatusPut | DocumentPut:
    what = chance.choice(["status", "status", "keyset", "config", "ack"])
    until = T0 + 10**6
    if what == "status":
        entries = status_entries(chance.randrange(200))
        base = chance.choice([None, version - 1])
        return StatusPut(
            id=f"put-{version}",
            document=status_document(LOCK_A, version, entries=entries),
            version=version,
            entries=entries,
            base_version=base,
            additions=None if base is None else entries[:80],  # mostly wrong: parts must cure it
            expires_at=until,
        )
    document = {
        "keyset": lambda: keyset_document(version),
        "config": lambda: config_document(LOCK_A, version),
        "ack": lambda: ack_document(LOCK_A, version),
    }[what]()
    return DocumentPut(
        id=f"put-{version}", what=what, document=document, version=version, expires_at=until
    )


def test_a_full_disk_is_said_and_leaves_nothing_half_done(tmp_path):
    path = tmp_path / "s.sqlite"
    store = SqliteStore(path)
    store.put_event(event("before"), LOCK_A, 1, 2)
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    big = StoredEvent(0, "big", "event", "gw-1", bytes(200_000))
    with pytest.raises(StorageError, match="full"):
        store.put_event(big, LOCK_A, 1, 3)
    assert store.next_seq(LOCK_A, 1) == 2
    assert [each.id for each in store.events_after(0, 9)] == ["before"]
    store.close()


def test_a_visit_that_cannot_store_fetches_again_when_it_can(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].happen(times=5)
    w.broker_up()
    real, w.store.put_event = w.store.put_event, broken
    w.run(10)
    assert w.events() == []
    assert any("storage" in note.text for note in w.notes)
    w.store.put_event = real
    w.run(60)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records


def broken(*_arguments: object) -> None:
    raise StorageError("the disk is full")


def test_a_status_command_that_cannot_be_stored_says_so(world):
    w = world([LOCK_A])
    w.store.accept = broken
    document = status_document(LOCK_A, 1)
    put = StatusPut(id="p", document=document, version=1, entries=b"", expires_at=T0 + 99)
    w.command(LOCK_A, put)
    assert w.results("p")[0].error == "STORAGE"


def test_the_same_event_twice_is_one(tmp_path):
    store = SqliteStore(tmp_path / "s.sqlite")
    store.put_event(event("one"), LOCK_A, 1, 2)
    store.put_event(event("one"), LOCK_A, 1, 2)
    assert store.waiting_events() == 1
    store.forget_events(["one", "unknown"])
    assert store.waiting_events() == 0
    store.close()


def test_the_inbox_forgets_only_what_is_answered_and_over(tmp_path):
    store = SqliteStore(tmp_path / "s.sqlite")
    store.accept(Errand("open", LOCK_A, "config", 1), Pending(1, b"1"), 100)
    store.accept(Errand("done", LOCK_B, "config", 1), Pending(1, b"1"), 100)
    store.answer(LOCK_B, "config", {"done": b"{}"}, 1)
    store.sweep(99)
    assert store.handled("done") is not None
    store.sweep(101)
    assert store.handled("done") is None
    assert store.handled("open") is not None
    assert [errand.id for errand in store.expired(101)] == ["open"]
    store.close()


def old_file(folder: Path) -> Path:
    """A store as a gateway of wire version 0 left it."""
    path = folder / "gateway.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((Path(__file__).parent / "kept" / "store_schema_1.sql").read_text())
    database.close()
    return path


def test_a_store_of_wire_version_0_is_brought_up_to_date_once(tmp_path):
    path = old_file(tmp_path)
    for _ in range(2):
        store = SqliteStore(path)
        assert store._rows("PRAGMA user_version") == [(2,)]
        assert store.handled("done").answer is not None, "an answered command stays answered"
        assert store.handled("open") is None, "its list is of a form that no lock takes any more"
        assert store.waiting_events() == 0
        assert store.next_seq(LOCK_A, 1) is None, "records are read again from the lock"
        assert not store.has_pending(LOCK_A)
        store.close()


def test_a_gateway_goes_on_with_the_store_of_an_older_one(tmp_path):
    old_file(tmp_path)
    w = World(tmp_path, [LOCK_A])
    w.locks[LOCK_A].happen(times=4)
    w.broker_up()
    document = status_document(LOCK_A, 4)
    again = StatusPut(id="open", document=document, version=4, entries=b"", expires_at=T0 + 3600)
    w.command(LOCK_A, again)
    assert w.result("open").version == 4
    w.run(2)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records
    w.store.close()


def test_an_upgrade_cut_off_in_the_middle_leaves_the_old_store(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    broken_step = MIGRATIONS[1] + "INSERT INTO no_such_table VALUES (1);"
    monkeypatch.setattr("gateway.store.MIGRATIONS", (MIGRATIONS[0], broken_step))
    with pytest.raises(StorageError):
        SqliteStore(path)
    monkeypatch.undo()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM pending_status").fetchone() == (1,)
    database.close()
    SqliteStore(path).close()


def test_documents_of_one_kind_do_not_touch_those_of_another(tmp_path):
    store = SqliteStore(tmp_path / "s.sqlite")
    status = Pending(3, b"header", b"entries!", 2, b"addition")
    store.accept(Errand("s", LOCK_A, "status", 3), status, 100)
    store.accept(Errand("k", LOCK_A, "keyset", 3), Pending(3, b"keyset"), 100)
    store.accept(Errand("k-old", LOCK_A, "keyset", 2), Pending(2, b"older"), 100)
    store.answer(LOCK_A, "keyset", {"k": b"{}", "k-old": b"{}"}, 3)
    assert store.pending(LOCK_A, "keyset") is None
    assert store.pending(LOCK_A, "status") == status
    assert [errand.id for errand in store.errands(LOCK_A, "status")] == ["s"]
    store.close()


def test_a_file_of_a_newer_version_is_refused_untouched(tmp_path):
    path = tmp_path / "s.sqlite"
    SqliteStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreFault, match="newer"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreFault, match="damaged") as caught:
        SqliteStore(path)
    assert "the locks still hold every record" in caught.value.remedy
