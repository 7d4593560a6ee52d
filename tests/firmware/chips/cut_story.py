"""A lock's life on a flash that forgets nothing and may die at any operation. For MicroPython.

Everything but the radio, the curve arithmetic and the flash is real: LittleFS, FileStorage, the
composition root's `load`, the lock with its sessions, a holder that presents tokens. `Life.live`
plays a story made from a seed; `Witness` notes what was acknowledged and after which operation;
`check` boots what a cut has left and raises AssertionError when any of it is missing.
"""

import os

from firmware import app
from firmware.core import config as configs
from firmware.core import enrolment, journal
from firmware.core.door import OFF, RETRACT, Sensors
from firmware.core.lock import STATUS_FILE, Lock
from firmware.core.session import SEND
from firmware.hal.storage import FileStorage
from protocol import audit, cose, frames, holder, keys, session, statuslist, verify
from protocol import token as tokens
from protocol.crypto import Crypto, sha256
from protocol.timebound import TimeBound
from simulator.chip.cut_flash import BLOCK_BYTES, CutFlash

LOCK_ID, NOW = "aaaaaaaa", 1796000000
BLOCKS = 32
MOUNT = "/cut"
SLOTS, SEGMENTS = 4, 3
BOOKING, STATUS, VAULT = b"b" * 32, b"s" * 32, b"v" * 32
KID_BOOKING, KID_STATUS = keys.key_id(BOOKING), keys.key_id(STATUS)
AT_REST = (
    Sensors(True, False, True, False, False),
    Sensors(False, True, True, False, False),
    Sensors(False, False, True, False, False),
    Sensors(False, True, False, False, False),
)


def prepare() -> None:
    """Short segments, and sums in the place of curves: this is about storage."""
    journal.SLOTS_PER_SEGMENT = SLOTS
    journal.MAX_SEGMENTS = SEGMENTS
    app.x25519 = lambda private, public: sha256(private, public)
    enrolment.public_key = lambda private: sha256(private)


class Dice:
    """Repeatable randomness: `random_bytes` and `below`."""

    def __init__(self, seed: int) -> None:
        self._state = sha256(b"dice %d" % seed)

    def random_bytes(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            self._state = sha256(self._state)
            out += self._state
        return out[:size]

    def below(self, bound: int) -> int:
        return int.from_bytes(self.random_bytes(4), "big") % bound


class Witness(FileStorage):
    """Notes in `acknowledged` (operations so far, file, bytes) whatever storage said is kept."""

    def __init__(self, root: str, flash: CutFlash, acknowledged: list) -> None:
        super().__init__(root)
        self._flash = flash
        self._acknowledged = acknowledged

    def write(self, name: str, data: bytes) -> None:
        super().write(name, data)
        self._acknowledged.append((self._flash.operations, name, data))

    def append(self, name: str, data: bytes) -> None:
        super().append(name, data)
        self._acknowledged.append((self._flash.operations, None, journal.decode_slot(data)))


def formatted() -> bytearray:
    """A flash with an empty file system, as a board leaves the bench."""
    image = bytearray(b"\xff" * (BLOCKS * BLOCK_BYTES))
    os.VfsLfs2.mkfs(CutFlash(image))
    return image


_mounted = []


def mount(flash: CutFlash) -> None:
    os.mount(os.VfsLfs2(flash), MOUNT)
    _mounted.append(flash)


def unmount() -> None:
    """The old life's last file objects must not write any more: its flash is dead from now on."""
    while _mounted:
        _mounted.pop()
        os.umount(MOUNT)


def config() -> configs.Config:
    issuer = verify.IssuerKey(BOOKING, verify.ROLE_BOOKING, tokens.ALL_PERMISSIONS, 100 * 86400)
    keyset = {KID_BOOKING: issuer, KID_STATUS: verify.IssuerKey(STATUS, verify.ROLE_STATUS, 0, 0)}
    return configs.Config("yamagawa", LOCK_ID, 1, keyset, 1, VAULT, 1)


def signature(public_key: bytes, message: bytes) -> bytes:
    return sha256(public_key, message) + bytes(32)


def boot(storage: FileStorage, dice: Dice, sensors: Sensors) -> Lock:
    """What firmware/app.py does with power; raises ConfigError when the lock is not enrolled."""
    loaded, kdks = app.load(storage)
    crypto = Crypto(lambda key, message, given: given == signature(key, message), dice.random_bytes)
    return Lock(loaded, kdks, storage, crypto, lambda: TimeBound(NOW, NOW), sensors, 0)


class Life:
    """One life of a lock on `flash`; `acknowledged` is what it may never forget."""

    def __init__(self, flash: CutFlash, seed: int) -> None:
        self.flash = flash
        self.acknowledged = []
        self._dice = Dice(seed)
        self._versions = 0
        self._handles = 0
        self._at = 0

    def live(self, steps: int) -> None:
        """Enrol, boot, then `steps` times something that happens to locks. Ends with the power."""
        mount(self.flash)
        try:
            self._live(steps)
        except OSError:
            assert self.flash.dead, "storage failed though the flash lives"
        finally:
            unmount()

    def _live(self, steps: int) -> None:
        try:
            enrolment.enrol(config(), self._storage(), self._dice.random_bytes)
        except OSError:  # the bench tries again
            enrolment.enrol(config(), self._storage(), self._dice.random_bytes)
        self._boot(self._storage())
        chores = (self._open, self._refuse, self._withdraw, self._restart, self._open)
        for step in range(steps):
            chores[step if step < len(chores) else self._dice.below(len(chores))]()

    def _storage(self) -> Witness:
        return Witness(MOUNT + "/data", self.flash, self.acknowledged)

    def _boot(self, storage: Witness) -> None:
        self._lock = boot(storage, self._dice, AT_REST[0])

    def _restart(self) -> None:
        unmount()
        mount(self.flash)
        self._boot(self._storage())

    def _open(self) -> None:
        before = len(self.acknowledged)
        outcome = self._present(NOW - 60, session.COMMAND_UNLOCK)[0]
        kept = len(self.acknowledged) > before
        assert (outcome.reason == session.OK) == kept, "an answer that storage did not back"
        assert kept or self._lock.door.drive != RETRACT, "the door opened without a record"
        self._close_door()

    def _close_door(self) -> None:
        for sensors in (AT_REST[1], AT_REST[1], AT_REST[0]):
            self._at += 6000
            self._lock.sense(sensors, self._at)
        assert self._lock.door.drive == OFF

    def _refuse(self) -> None:
        outcome = self._present(NOW + 600, session.COMMAND_UNLOCK)[0]
        assert outcome.reason != session.OK
        assert self._lock.door.drive != RETRACT

    def _withdraw(self) -> None:
        """A gateway brings the next status list."""
        version = self._versions + 1
        revoked = [(self._dice.random_bytes(8), NOW + 3600) for _ in range(20 * version)]
        listed = statuslist.encode(statuslist.build(LOCK_ID, version, NOW, 0, revoked))
        signed = signature(STATUS, cose.to_sign(KID_STATUS, listed, statuslist.CONTEXT))
        document = cose.encode(KID_STATUS, listed, signed)
        _, ask = self._present(NOW - 60, session.COMMAND_SYNC)
        reason, value = ask(session.REQUEST_STATUS_LIST, document)
        if reason == session.OK:
            assert value == version
            self._versions = version

    def _present(self, not_before: int, command: int) -> tuple:
        """(outcome, a function that asks in the open session)."""
        claims = tokens.encode_claims(
            tokens.Token(
                LOCK_ID,
                not_before,
                not_before + 3600,
                NOW,
                self._dice.random_bytes(8),
                tokens.ALL_PERMISSIONS,
                1,
            )
        )
        signed = signature(BOOKING, cose.to_sign(KID_BOOKING, claims))
        raw = cose.encode(KID_BOOKING, claims, signed)
        credential = holder.Credential(raw, keys.proof_key(self._lock.trust.kdks[1], raw))
        machine = holder.HolderSession(credential, command, self._dice.random_bytes)
        self._lock.sessions.disconnected(self._handles)
        self._handles += 1
        self._lock.sessions.connected(self._handles, self._at)
        self._lock.sessions.mtu_changed(self._handles, 517)
        event = self._talk(machine, machine.start())
        assert event[0] == holder.OUTCOME, event

        def ask(operation: int, argument: object) -> tuple:
            return self._talk(machine, machine.request(operation, argument))[1:]

        return event[1], ask

    def _talk(self, machine: holder.HolderSession, events: list) -> tuple:
        while events[-1][0] == holder.SEND:
            for fragment in frames.fragment(events[-1][1], 244):
                self._lock.sessions.received(self._handles, fragment, self._at)
            inbox = frames.Reassembler()
            for action in self._lock.sessions.drain():
                message = inbox.push(action[2]) if action[0] == SEND else None
                if message is not None:
                    events = machine.receive(message)
        return events[-1]


def check(image: bytearray, acknowledged: list, operations: int, dice: Dice) -> int:
    """Boot what is left after `operations`; the head then. `image` is used up."""
    kept = [row for row in acknowledged if row[0] <= operations]
    files = {name: data for _, name, data in kept if name is not None}
    records = [audit_seq(data) for _, name, data in kept if name is None]
    mount(CutFlash(image))
    try:
        head = _check_boot(files, records, dice)
    finally:
        unmount()
    if head:
        _check_second_boot(image, records, head)
    return head


def stumble(image: bytearray, operations: int, dice: Dice) -> list:
    """Boot what a cut has left and cut that boot too, early; what it acknowledged."""
    flash, rows = CutFlash(image, cut_at=dice.below(8)), []
    try:
        mount(flash)
        boot(Witness(MOUNT + "/data", flash, rows), dice, AT_REST[0])
    except (OSError, configs.ConfigError):
        pass  # it dies or is not enrolled: what counts is how it boots afterwards
    unmount()
    return [(operations, name, data) for _, name, data in rows]


def audit_seq(raw: bytes) -> tuple:
    return audit.decode_record(raw).seq, raw


def _check_boot(files: dict, records: list, dice: Dice) -> int:
    storage = FileStorage(MOUNT + "/data")
    sensors = AT_REST[dice.below(len(AT_REST))]
    try:
        lock = boot(storage, dice, sensors)
    except configs.ConfigError:
        assert enrolment.CONFIG_FILE not in files, "an enrolled lock does not boot"
        return 0
    assert storage.read(enrolment.KEY_FILE) == files[enrolment.KEY_FILE], "another key"
    assert configs.encode(lock.config) == configs.encode(config()), "another configuration"
    _check_status(lock, files)
    head = lock.journal.head_seq
    assert lock.lost_records == 0, "the boot could not be recorded"
    assert head > max([seq for seq, _ in records] or [0]), "the head fell"
    _check_records(lock.journal, records)
    assert lock.record(audit.DOOR_STATE, 0, 0, None), "the next record could not be written"
    assert lock.journal.head_seq == head + 1
    _check_door(lock, sensors)
    return lock.journal.head_seq


def _check_second_boot(image: bytearray, records: list, head: int) -> None:
    mount(CutFlash(image))
    try:
        again = journal.Journal(FileStorage(MOUNT + "/data"), LOCK_ID, 1)
        assert again.head_seq == head, "the head moved between two boots"
        _check_records(again, records)
    finally:
        unmount()


def _check_status(lock: Lock, files: dict) -> None:
    document = files.get(STATUS_FILE)
    if document is not None:
        wanted = statuslist.parse(document)[1].version
        assert lock.trust.status.version >= wanted, "the status list went back"


def _check_records(found: journal.Journal, records: list) -> None:
    oldest, head = found.oldest_seq, found.head_seq
    assert oldest <= max(1, head - (SEGMENTS - 1) * SLOTS), "more was dropped than had to be"
    raw = found.read(oldest, head + 1)
    assert len(raw) == head - oldest + 1, "records are missing"
    previous = audit.genesis(LOCK_ID, 1) if oldest == 1 else audit.decode_record(raw[0]).previous
    audit.check_run(raw, oldest, previous)
    for seq, record in records:
        assert seq < oldest or raw[seq - oldest] == record, "a record is not the one acknowledged"


def _check_door(lock: Lock, sensors: Sensors) -> None:
    assert lock.door.drive == OFF, "the motor turns at boot"
    for at in (20, 4000, 6000, 9000):
        assert lock.sense(sensors, at) != RETRACT, "a restart opens the door"
