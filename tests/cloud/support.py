"""A small town for tests: database, keys, rooms, and locks that derive and seal as real ones."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from cloud import bookings
from cloud.calendar import read_calendar
from cloud.database import open_database
from cloud.importing import ImportReport, import_calendar
from cloud.keyfiles import PURPOSES, KeyFile, key_path, write_key
from cloud.models import Lock
from cloud.service import TownService, open_service
from kannuki.enrolment import EnrolmentFile
from protocol import audit, keys
from protocol.timebound import TimeBound

TOWN = "misaki"
DATA = Path(__file__).resolve().parents[2] / "simulator" / "data"
FIRST = (DATA / "space-sharing.ics").read_bytes()
CHANGES = (DATA / "changes.ics").read_bytes()
START = 1_796_432_400  # 2026-12-05 10:00 in Tokyo: the first confirmed booking
ROOMS = ("第1会議室", "和室", "音楽室")
LOCK_IDS = ("aaaaaaaa", "bbbbbbbb", "cccccccc")


@dataclass
class Clock:
    """Moves only when told."""

    now: int = START - 300

    def __call__(self) -> int:
        return self.now


@dataclass
class TestLock:
    """A lock's keys and journal; nothing of its firmware."""

    __test__ = False

    lock_id: str
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    journal_epoch: int = 1
    records: list[bytes] = field(default_factory=list)

    def enrolment(self, enrolled_at: int = START) -> EnrolmentFile:
        return EnrolmentFile(
            town=TOWN,
            lock_id=self.lock_id,
            public_key=crypto_scalarmult_base(self.secret),
            vault_epoch=1,
            journal_epoch=self.journal_epoch,
            enrolled_at=enrolled_at,
        )

    def kdk(self, vault_public_key: bytes) -> bytes:
        shared = crypto_scalarmult(self.secret, vault_public_key)
        return keys.lock_kdk(shared, TOWN, self.lock_id, 1)

    def record(self, event: int, code: int, source: int = 1, subject: bytes | None = None) -> bytes:
        previous = (
            audit.record_hash(self.records[-1])
            if self.records
            else audit.genesis(self.lock_id, self.journal_epoch)
        )
        seq = len(self.records) + 1
        time = TimeBound(START + seq, START + seq)
        raw = audit.encode_record(audit.Record(seq, time, event, code, source, subject, previous))
        self.records.append(raw)
        return raw

    def batch(self, vault_public_key: bytes, records: list[bytes]) -> tuple[bytes, bytes]:
        """(raw batch, seal)"""
        raw = audit.encode_batch(audit.Batch(self.lock_id, 1, self.journal_epoch, records))
        return raw, audit.seal(keys.audit_key(self.kdk(vault_public_key)), raw)


@dataclass
class Town:
    """The service with three rooms and, once hung, three locks."""

    service: TownService
    clock: Clock
    folder: Path
    locks: list[TestLock] = field(default_factory=lambda: [TestLock(i) for i in LOCK_IDS])

    def add_rooms(self) -> None:
        with self.service.database.write() as session:
            for name in ROOMS:
                bookings.add_room(session, name, None)

    def hang(self, number: int) -> None:
        """Puts lock `number` to room `number`."""
        with self.service.database.write() as session:
            room = bookings.match_room(ROOMS[number], list(session.query(bookings.Room)))
            assert room is not None
            bookings.hang_lock(
                session, self.service.signers, self.locks[number].enrolment(), room, self.clock()
            )

    def take(self, ics: bytes, default_room: str = "") -> ImportReport:
        with self.service.database.write() as session:
            return import_calendar(
                session,
                self.service.signers,
                read_calendar(ics, self.clock()),
                self.service.random_bytes,
                self.clock(),
                default_room,
            )

    def all_locks(self) -> list[str]:
        with self.service.database.read() as session:
            return [lock.lock_id for lock in session.query(Lock)]


def make_keys(folder: Path) -> None:
    """Fresh keys for every purpose."""
    for purpose in PURPOSES:
        key = KeyFile(purpose=purpose, secret=secrets.token_bytes(32))
        write_key(key_path(folder, purpose), key)


@contextmanager
def open_town(folder: Path, hung: int = 3) -> Iterator[Town]:
    """A town of its own with `hung` locks."""
    make_keys(folder / "keys")
    clock = Clock()
    database = open_database(str(folder / "town.db"), TOWN)
    service = open_service(TOWN, database, folder / "keys", clock, "https://key.example/open")
    town = Town(service, clock, folder)
    town.add_rooms()
    for number in range(hung):
        town.hang(number)
    try:
        yield town
    finally:
        database.close()
