"""A small town for tests: database, keys, rooms, and locks that derive and seal as real ones."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from cloud import bookings, keysets
from cloud.calendar import read_calendar
from cloud.database import Database, migrate, open_database
from cloud.database import database_url as url_of
from cloud.importing import ImportReport, import_calendar
from cloud.keyfiles import OPERATIONAL, PURPOSES, KeyFile, key_path, new_key, read_key, write_key
from cloud.keyring.worker import KeySteps
from cloud.models import Lock
from cloud.service import TownService, open_service
from cloud.vault import aes
from kannuki.enrolment import EnrolmentFile
from protocol import audit, cose, keys
from protocol.audit import Head, Record
from protocol.crypto import Crypto
from protocol.timebound import TimeBound

TOWN = "misaki"


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """libsodium's verdict."""
    try:
        VerifyKey(public_key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


CRYPTO = Crypto(verify_signature, secrets.token_bytes, aes)
DATA = Path(__file__).resolve().parents[2] / "simulator" / "data"
FIRST = (DATA / "space-sharing.ics").read_bytes()
CHANGES = (DATA / "changes.ics").read_bytes()
START = 1_796_432_400  # 2026-12-05 10:00 in Tokyo: the first confirmed booking
ROOMS = ("第1会議室", "和室", "音楽室")
LOCK_IDS = ("aaaaaaaa", "bbbbbbbb", "cccccccc")


def newest_version() -> str:
    """The number of the last migration."""
    folder = Path(bookings.__file__).parent / "migrations" / "versions"
    return max(path.name[:4] for path in folder.glob("0*.py"))


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
    signing_seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    journal_epoch: int = 1
    records: list[bytes] = field(default_factory=list)

    def enrolment(self, enrolled_at: int = START) -> EnrolmentFile:
        return EnrolmentFile(
            town=TOWN,
            lock_id=self.lock_id,
            public_key=crypto_scalarmult_base(self.secret),
            signing_key=bytes(SigningKey(self.signing_seed).verify_key),
            journal_epoch=self.journal_epoch,
            enrolled_at=enrolled_at,
        )

    def kdk(self, vault_public_keys: dict[int, bytes], epoch: int = 1) -> bytes:
        vault = vault_public_keys[epoch]
        shared = crypto_scalarmult(self.secret, vault)
        own = crypto_scalarmult_base(self.secret)
        return keys.lock_kdk(shared, TOWN, self.lock_id, epoch, own, vault)

    def record(
        self,
        event: int,
        code: int,
        source: int = 1,
        subject: bytes | None = None,
        value: int | None = None,
    ) -> bytes:
        seq = len(self.records) + 1
        time = TimeBound(START + seq, START + seq)
        record = Record(seq, time, event, code, source, subject, value, self.head().record_hash)
        self.records.append(audit.encode_record(record))
        return self.records[-1]

    def head(self, seq: int | None = None) -> Head:
        """Where the journal stood after record `seq`, now unless said."""
        seq = len(self.records) if seq is None else seq
        before = audit.genesis(self.lock_id, self.journal_epoch)
        name = audit.record_hash(self.records[seq - 1]) if seq else before
        return Head(self.lock_id, self.journal_epoch, seq, name)

    def signed_head(self, nonce: bytes = bytes(16), seq: int | None = None) -> bytes:
        """What the lock answers to REQUEST_HEAD."""
        key = SigningKey(self.signing_seed)
        kid = keys.key_id(bytes(key.verify_key))
        payload = audit.encode_head(self.head(seq), nonce)
        signature = key.sign(cose.to_sign(kid, payload, audit.HEAD_CONTEXT)).signature
        return cose.encode(kid, payload, signature)

    def parcel(
        self, vault_public_keys: dict[int, bytes], records: list[bytes], epoch: int = 1
    ) -> tuple[bytes, bytes]:
        """(raw parcel, seal)"""
        try:
            first = audit.decode_record(records[0]).seq
        except (audit.AuditError, IndexError):
            first = 1
        head = Head(self.lock_id, self.journal_epoch, first, bytes(32))
        kdk = self.kdk(vault_public_keys, epoch)
        raw, seal = audit.pack(aes, kdk, secrets.token_bytes(16), head, epoch, records)
        return raw, seal


@dataclass
class Town:
    """The service with three rooms and, once hung, three locks."""

    service: TownService
    clock: Clock
    folder: Path
    roots: list[KeyFile]
    locks: list[TestLock] = field(default_factory=lambda: [TestLock(i) for i in LOCK_IDS])

    def add_rooms(self) -> None:
        with self.service.database.write() as session:
            for name in ROOMS:
                bookings.add_room(session, name, None)

    def settle(self) -> None:
        """The worker of the keys does everything that is asked for."""
        KeySteps(self.service, "みさき市").drain()

    def hang(self, number: int, enrolled_at: int = START) -> None:
        """Puts lock `number` to room `number`."""
        with self.service.database.write() as session:
            room = bookings.match_room(ROOMS[number], list(session.query(bookings.Room)))
            assert room is not None
            told = self.locks[number].enrolment(enrolled_at)
            bookings.hang_lock(session, self.service.signers, told, room, self.clock())
        self.settle()

    def take(self, ics: bytes, default_room: str = "") -> ImportReport:
        with self.service.database.write() as session:
            report = import_calendar(
                session,
                read_calendar(ics, self.clock()),
                self.service.random_bytes,
                self.clock(),
                default_room,
            )
        self.settle()
        return report

    def all_locks(self) -> list[str]:
        with self.service.database.read() as session:
            return [lock.lock_id for lock in session.query(Lock)]


def make_keys(folder: Path, town: str = TOWN, issued_at: int = START - 86_400) -> list[KeyFile]:
    """Fresh keys for every purpose, and the first keyset; returns the roots."""
    for purpose in PURPOSES:
        write_key(key_path(folder, purpose), new_key(purpose, secrets.token_bytes))
    roots = [new_key("root", secrets.token_bytes) for _ in range(2)]
    rows = {p: read_key(key_path(folder, p), p).public_key for p in OPERATIONAL}
    vaults = {1: read_key(key_path(folder, "vault"), "vault").public_key}
    both = (roots[0].public_key, roots[1].public_key)
    made = keysets.compose(town, rows, vaults, both, issued_at, None)
    (folder / keysets.FILE_NAME).write_bytes(keysets.sign(made, roots[0], None).document)
    return roots


@cache
def _empty_tables() -> bytes:
    """A SQLite file with our tables and no town: laid out once, for migrating takes its time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        database = Database(url_of(str(path)))
        migrate(database)
        database.close()
        return path.read_bytes()


@contextmanager
def open_town(folder: Path, hung: int = 3, database_url: str = "") -> Iterator[Town]:
    """A town of its own with `hung` locks; in SQLite unless told otherwise."""
    roots = make_keys(folder / "keys")
    clock = Clock()
    if not database_url:
        (folder / "town.db").write_bytes(_empty_tables())
    database = open_database(database_url or str(folder / "town.db"), TOWN)
    service = open_service(TOWN, database, folder / "keys", clock, "https://key.example/open")
    town = Town(service, clock, folder, roots)
    town.add_rooms()
    for number in range(hung):
        town.hang(number)
    try:
        yield town
    finally:
        database.close()
