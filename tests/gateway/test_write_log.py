"""The gateway's database is cut off at every write: what it promised is there, and nothing else.

Each call of the store is held against a plain model. After a cut the file must hold the model as it
was before the call under way, or as it was to be after it: nothing lost, nothing half done.
"""

from __future__ import annotations

import copy
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.machine import Errand, Pending, StorageError, StoredEvent
from gateway.store import SqliteStore, StoreFault
from tests.gateway.fakelock import LOCK_A, LOCK_B
from tests.gateway.writelog import Connection, Disk, Done, Entry, Recorder, lay_out

CHECKPOINT_PAGES = 12  # of 1,000: many of them in a short life
CALLS, LONG_CALLS = 40, 400
NAMES = itertools.count(1)


@dataclass
class Model:
    """What a store holds, in dictionaries."""

    outbox: dict[str, bytes] = field(default_factory=dict)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    inbox: dict[str, tuple[str, str, int, int, bytes | None]] = field(default_factory=dict)
    pending: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)

    def put_event(self, event: StoredEvent, lock: str, epoch: int, next_seq: int) -> None:
        self.outbox.setdefault(event.id, event.payload)
        self.positions[lock, epoch] = next_seq

    def forget_events(self, ids: list[str]) -> None:
        for key in ids:
            self.outbox.pop(key, None)

    def accept(self, errand: Errand, pending: Pending, expires_at: int) -> None:
        self.inbox[errand.id] = errand.lock, errand.what, errand.version, expires_at, None
        known = self.pending.get((errand.lock, errand.what))
        if known is None or pending.version >= known[0]:
            self.pending[errand.lock, errand.what] = pending.version, pending.document

    def answer(self, lock: str, what: str, answers: dict[str, bytes], carried: int | None) -> None:
        for key, said in answers.items():
            self.inbox[key] = *self.inbox[key][:4], said
        known = self.pending.get((lock, what))
        waits = any(
            (row[0], row[1], row[4]) == (lock, what, None) and known and row[2] == known[0]
            for row in self.inbox.values()
        )
        if known and (known[0] <= (-1 if carried is None else carried) or not waits):
            del self.pending[lock, what]

    def sweep(self, wall: float) -> None:
        self.inbox = {k: r for k, r in self.inbox.items() if r[4] is None or r[3] > wall}


def held(path: Path) -> Model:
    """What the file holds, read without the store."""
    database = sqlite3.connect(path)
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = {name: database.execute(f"SELECT {what} FROM {name}").fetchall() for name, what in (
            ("outbox", "id, payload"),
            ("audit_position", "lock, journal_epoch, next_seq"),
            ("inbox", "id, lock, what, version, expires_at, answer"),
            ("pending_document", "lock, what, version, document"),
        )}  # fmt: skip
    finally:
        database.close()
    return Model(
        dict(rows["outbox"]),
        {(lock, epoch): seq for lock, epoch, seq in rows["audit_position"]},
        {row[0]: tuple(row[1:]) for row in rows["inbox"]},
        {(lock, what): (version, doc) for lock, what, version, doc in rows["pending_document"]},
    )


class Life:
    """A store at work on a recorded disk. `models[n]`: what it has promised after n calls."""

    def __init__(
        self,
        folder: Path,
        store_type: type[SqliteStore] = SqliteStore,
        extra: tuple[str, ...] = (),
        first: Model | None = None,
    ) -> None:
        self.path = folder / "gateway.sqlite"
        self.before = self.path.read_bytes() if self.path.exists() else None
        self.recorder = Recorder(f"recorder-{next(NAMES)}", self.path)
        self.models = [first or Model()]
        self._type, self._extra = store_type, extra
        self.store = self._open()

    def _open(self) -> SqliteStore:
        return self._type(
            self.path,
            connect=lambda path: Connection(path, self.recorder, CHECKPOINT_PAGES, self._extra),
        )

    def do(self, name: str, *arguments: Any) -> None:
        model = copy.deepcopy(self.models[-1])
        getattr(model, name)(*arguments)
        self.models.append(model)
        getattr(self.store, name)(*arguments)
        self.recorder.log.append(Done(len(self.models) - 1))

    def restart(self) -> None:
        self.store.close()
        self.store = self._open()

    def cuts(self) -> Iterator[tuple[Disk, list[Model]]]:
        """The disk at every prefix of the log, and what it may hold then."""
        base = {} if self.before is None else {"": bytearray(self.before)}
        disk = Disk(base, {suffix: bytes(content) for suffix, content in base.items()})
        done = 0
        for entry in (Done(0), *self.recorder.log):
            disk.apply(entry)
            if isinstance(entry, Done):
                done = entry.number
            yield disk, self.models[done : done + 2]

    @property
    def log(self) -> list[Entry]:
        return self.recorder.log


def live(life: Life, chance: random.Random, calls: int) -> None:
    """Records come, are acknowledged; documents come, are answered; now and then a restart."""
    seqs, commands = itertools.count(1), itertools.count(1)
    while len(life.models) <= calls:
        model, lock = life.models[-1], chance.choice([LOCK_A, LOCK_B])
        opened = [key for key, row in model.inbox.items() if row[4] is None]
        match chance.choice(["put", "put", "put", "forget", "accept", "answer", "sweep", "end"]):
            case "put":
                event = StoredEvent(
                    0, f"{lock}-{next(seqs)}", "event", "gw-1", chance.randbytes(1500)
                )
                life.do("put_event", event, lock, 1, chance.randrange(9) + len(model.outbox))
            case "forget" if model.outbox:
                some = chance.sample(list(model.outbox), min(3, len(model.outbox)))
                life.do("forget_events", [*some, "unknown"])
            case "accept":
                number = next(commands)
                errand = Errand(f"c{number}", lock, chance.choice(["status", "ack"]), number)
                pending = Pending(number, chance.randbytes(3000))
                life.do("accept", errand, pending, chance.randrange(100))
            case "answer" if opened:
                key = chance.choice(opened)
                owner, what, version = model.inbox[key][:3]
                life.do("answer", owner, what, {key: b"{}"}, chance.choice([None, version]))
            case "sweep" if any(row[4] is not None for row in model.inbox.values()):
                life.do("sweep", chance.randrange(100))
            case "end" if chance.random() < 0.3:
                life.restart()
    life.store.close()


def failures(
    life: Life, images: Callable[[Disk], list[dict[str, bytes]]], path: Path
) -> Iterator[str]:
    """What is wrong with the images of each cut."""
    for number, (disk, allowed) in enumerate(life.cuts()):
        for files in images(disk):
            lay_out(files, path)
            try:
                SqliteStore(path).close()
            except (StorageError, StoreFault) as error:
                yield f"cut {number}: does not open: {error}"
                continue
            if held(path) not in allowed:
                yield f"cut {number}: neither before nor after the call under way"


def killed(disk: Disk) -> list[dict[str, bytes]]:
    return [disk.kept_by_a_kill()]


def without_power(seed: int, times: int) -> Callable[[Disk], list[dict[str, bytes]]]:
    chance = random.Random(seed)
    return lambda disk: [
        disk.kept_by_a_power_cut(chance) for _ in range(times if disk.unsynced else 1)
    ]


def lived(folder: Path, seed: int = 1, calls: int = CALLS, **options: Any) -> Life:
    life = Life(folder, **options)
    live(life, random.Random(seed), calls)
    return life


@pytest.fixture
def cut_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a folder: thousands of images are synced for nothing."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder) / "gateway.sqlite"


def test_a_gateway_killed_at_any_write_has_all_that_it_promised(tmp_path, cut_path):
    life = lived(tmp_path)
    assert len(life.log) > 300, "there is hardly anything to cut"
    assert list(failures(life, killed, cut_path)) == []


def test_a_power_cut_at_any_write_with_sectors_lost_and_torn_takes_nothing(tmp_path, cut_path):
    life = lived(tmp_path, seed=2)
    assert list(failures(life, without_power(2, times=2), cut_path)) == []


def test_an_upgrade_may_be_cut_off_at_any_write(tmp_path, cut_path):
    path = tmp_path / "gateway.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((Path(__file__).parent / "kept" / "store_schema_1.sql").read_text())
    database.close()
    SqliteStore(cut_path).close()
    lay_out({"": path.read_bytes()}, cut_path)
    SqliteStore(cut_path).close()
    upgraded = held(cut_path)
    assert list(upgraded.inbox) == ["done"]
    life = Life(tmp_path, first=upgraded)
    life.store.close()
    assert len(life.log) > 5
    assert list(failures(life, killed, cut_path)) == []
    assert list(failures(life, without_power(3, times=4), cut_path)) == []


class AcknowledgesEarly(SqliteStore):
    """The classic mistake: says that it is stored, and stores it with the next."""

    _late: tuple[Any, ...] | None = None

    def put_event(self, *event: Any) -> None:
        late, self._late = self._late, event
        if late is not None:
            super().put_event(*late)


class MovesThePositionFirst(SqliteStore):
    """Another: position and event in two transactions."""

    def put_event(self, event: StoredEvent, lock: str, journal_epoch: int, next_seq: int) -> None:
        with self._changing() as database:
            database.execute(
                "INSERT INTO audit_position VALUES (?, ?, ?) "
                "ON CONFLICT (lock, journal_epoch) DO UPDATE SET next_seq = excluded.next_seq",
                (lock, journal_epoch, next_seq),
            )
        super().put_event(event, lock, journal_epoch, next_seq)


@pytest.mark.parametrize("mistaken", [AcknowledgesEarly, MovesThePositionFirst])
def test_a_store_with_a_classic_mistake_is_found_out_by_kills(tmp_path, cut_path, mistaken):
    assert any(failures(lived(tmp_path, store_type=mistaken), killed, cut_path))


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_a_database_that_does_not_sync_is_found_out_by_power_cuts(tmp_path, cut_path, level):
    life = lived(tmp_path, extra=(f"PRAGMA synchronous = {level}",))
    assert any(failures(life, without_power(1, times=2), cut_path))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20, 24))
def test_long_lives_survive_every_cut(tmp_path, cut_path, seed):
    life = lived(tmp_path, seed, LONG_CALLS)
    assert list(failures(life, killed, cut_path)) == []
    assert list(failures(life, without_power(seed, times=4), cut_path)) == []
