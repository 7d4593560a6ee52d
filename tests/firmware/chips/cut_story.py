"""A lock's life on a flash that forgets nothing and may die at any operation. For MicroPython.

Everything but the radio, the curve arithmetic and the flash is real: LittleFS, FileStorage, the
lock with its sessions, a holder that presents tokens, a town that signs every kind of document.
`Life.live` plays a story made from a seed; `Witness` notes what was acknowledged and after which
operation; `check` boots what a cut has left and raises AssertionError when any of it is missing.
"""

from firmware.core import enrolment, journal, secrets
from firmware.core import identity as identities
from firmware.core.door import OFF, RETRACT, Sensors
from firmware.core.identity import Identity, NotEnrolled
from firmware.core.lock import Lock
from firmware.core.session import SEND
from firmware.hal.ciphers import aes
from firmware.hal.storage import FileStorage
from protocol import (
    audit,
    cose,
    frames,
    holder,
    keys,
    keyset,
    lockconfig,
    reasons,
    session,
    statuslist,
)
from protocol import token as tokens
from protocol.audit import Head
from protocol.crypto import Crypto, sha256
from protocol.keyset import IssuerKey, Keyset
from protocol.lockconfig import DoorConfig, LockConfig
from simulator.chip.cut_flash import CutFlash
from tests.firmware.chips.cut_bench import MOUNT, Dice, mount, unmount

LOCK_ID, NOW = "aaaaaaaa", 1796000000
SLOTS, SEGMENTS = 4, 3
BOOKING, STATUS, CONFIG, ACK, VAULT = b"b" * 32, b"s" * 32, b"c" * 32, b"a" * 32, b"v" * 32
ROOTS = (b"1" * 32, b"2" * 32)
KID_BOOKING = keys.key_id(BOOKING)
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
    secrets.x25519 = lambda private, public: sha256(private, public)
    secrets.public_key = lambda private: sha256(private)
    secrets.make = lambda random_bytes: random_bytes(128)


class Witness(FileStorage):
    """Notes in `acknowledged` (operations so far, what, value) whatever storage said is kept.

    what: None with the raw record of an append to the journal, or a file's name with its content.
    """

    def __init__(self, root: str, flash: CutFlash, acknowledged: list) -> None:
        super().__init__(root)
        self._flash = flash
        self._acknowledged = acknowledged

    def write(self, name: str, data: bytes) -> None:
        super().write(name, data)
        self._acknowledged.append((self._flash.operations, name, data))

    def append(self, name: str, data: bytes) -> None:
        super().append(name, data)
        if name.startswith("journal/"):
            self._acknowledged.append((self._flash.operations, None, journal.decode_slot(data)))


def identity() -> Identity:
    return Identity("yamagawa", LOCK_ID, 1, ROOTS, (NOW, 0))


def keyset_document(version: int) -> bytes:
    rows = [
        IssuerKey(BOOKING, keyset.ROLE_BOOKING, tokens.ALL_PERMISSIONS, 100 * 86400, 86400),
        IssuerKey(STATUS, keyset.ROLE_STATUS, 0, 0, 0),
        IssuerKey(CONFIG, keyset.ROLE_CONFIG, 0, 0, 0),
        IssuerKey(ACK, keyset.ROLE_ACK, 0, 0, 0),
    ]
    content = Keyset("yamagawa", version, NOW, rows, {1: VAULT}, ROOTS)
    return document(ROOTS[version % 2], keyset.encode(content), keyset.CONTEXT)


def document(key: bytes, payload: bytes, context: bytes = b"") -> bytes:
    """`payload` under a sum in the place of a signature."""
    kid = keys.key_id(key)
    return cose.encode(kid, payload, signature(key, cose.to_sign(kid, payload, context)))


def signature(public_key: bytes, message: bytes) -> bytes:
    return sha256(public_key, message) + bytes(32)


def crypto_of(dice: Dice) -> Crypto:
    return Crypto(
        lambda key, message, given: given == signature(key, message), dice.random_bytes, aes
    )


class Rtc:
    """A clock chip that stands still."""

    def read(self) -> int:
        return NOW

    def set(self, unix_s: int) -> None:
        pass


def boot(storage: FileStorage, dice: Dice, sensors: Sensors, ticks: object = lambda: 0) -> Lock:
    """What firmware/app.py does with power; raises NotEnrolled when the lock is not enrolled."""
    who = identities.load(storage)
    made = secrets.load(storage)
    return Lock(who, made, storage, crypto_of(dice), ticks, Rtc(), sensors)


class Life:
    """One life of a lock on `flash`; `acknowledged` is what it may never forget."""

    def __init__(self, flash: CutFlash, seed: int) -> None:
        self.flash = flash
        self.acknowledged = []
        self._dice = Dice(seed)
        self._versions = {"status": 0, "keyset": 1, "config": 0}
        self._revoked = []
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
            self._enrol()
        except OSError:  # the bench tries again
            self._enrol()
        self._boot(self._storage())
        chores = (
            self._open,
            self._refuse,
            self._withdraw,
            self._restart,
            self._new_keyset,
            self._new_config,
            self._acknowledge,
            self._withdraw,
            self._open,
        )
        for step in range(steps):
            chores[step if step < len(chores) else self._dice.below(len(chores))]()

    def _storage(self) -> Witness:
        return Witness(MOUNT + "/data", self.flash, self.acknowledged)

    def _enrol(self) -> None:
        first = keyset_document(1)
        enrolment.enrol(identity(), first, None, self._storage(), crypto_of(self._dice))

    def _boot(self, storage: Witness) -> None:
        self._lock = boot(storage, self._dice, AT_REST[0], lambda: self._at)

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
        """A gateway brings the next status list, in two parts or as a delta."""
        version = self._versions["status"] + 1
        revoked = [(self._dice.random_bytes(8), NOW + 3600) for _ in range(3)]
        listed = self._revoked + revoked
        header, entries = statuslist.build(LOCK_ID, version, NOW, listed)
        signed = document(STATUS, statuslist.encode(header), statuslist.CONTEXT)
        _, ask = self._present(NOW - 60, session.COMMAND_SYNC)
        if version % 2:
            added = b"".join(sorted(statuslist.entry(*row) for row in revoked))
            answer = ask(session.REQUEST_STATUS_DELTA, [signed, version - 1, added])
        else:
            answer = ask(session.REQUEST_STATUS_PART, [signed, 0, entries[:16]])
            if answer == (session.OK, [16, version - 1]):
                answer = ask(session.REQUEST_STATUS_PART, [signed, 16, entries[16:]])
        if self._held("status", version, answer, [None, version]):
            self._revoked = listed

    def _new_keyset(self) -> None:
        version = self._versions["keyset"] + 1
        _, ask = self._present(NOW - 60, session.COMMAND_SYNC)
        answer = ask(session.REQUEST_KEYSET, keyset_document(version))
        self._held("keyset", version, answer, version)

    def _new_config(self) -> None:
        version = self._versions["config"] + 1
        content = LockConfig(LOCK_ID, version, NOW, ["+abcdefgh"], DoorConfig())
        signed = document(CONFIG, lockconfig.encode(content), lockconfig.CONTEXT)
        _, ask = self._present(NOW - 60, session.COMMAND_SYNC)
        self._held("config", version, ask(session.REQUEST_CONFIG, signed), version)

    def _acknowledge(self) -> None:
        """The town has everything up to now; nothing that it lacks may be dropped for that."""
        kept = self._lock.journal
        head = Head(LOCK_ID, kept.epoch, kept.head_seq, kept.head_hash)
        _, ask = self._present(NOW - 60, session.COMMAND_SYNC)
        ask(session.REQUEST_ACK, document(ACK, audit.encode_ack(head), audit.ACK_CONTEXT))

    def _held(self, what: str, version: int, answer: tuple, wanted: object) -> bool:
        """The lock said that it holds a version: it may never go back behind it."""
        if answer[0] != session.OK:
            assert answer[0] == reasons.STORAGE, (what, answer)
            return False
        assert answer[1] == wanted, (what, answer)
        self._versions[what] = version
        self.acknowledged.append((self.flash.operations, what, version))
        return True

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
        raw = document(BOOKING, claims)
        key = keys.proof_key(self._lock.trust.kdks[1], raw)
        credential = holder.Credential(raw, {LOCK_ID: key})
        machine = holder.HolderSession(credential, command, self._dice.random_bytes)
        self._lock.sessions.disconnected(self._handles)
        self._handles += 1
        self._lock.sessions.connected(self._handles, self._at)
        self._lock.sessions.mtu_changed(self._handles, 517)
        event = self._talk(machine, machine.start())
        assert event[0] == holder.OUTCOME, event

        def ask(operation: int, argument: object) -> tuple:
            if event[1].reason == reasons.STORAGE:  # its status list cannot be read any more
                return reasons.STORAGE, None
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
    files = {name: data for _, name, data in kept if name is not None}  # the newest of each
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
    except (OSError, NotEnrolled):
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
    except NotEnrolled:
        assert identities.IDENTITY_FILE not in files, "an enrolled lock does not boot"
        return 0
    assert storage.read(secrets.SECRET_FILE) == files[secrets.SECRET_FILE], "another key"
    _check_versions(lock, files)
    head = lock.journal.head_seq
    assert lock.lost_records == 0, "the boot could not be recorded"
    assert head > max([seq for seq, _ in records] or [0]), "the head fell"
    _check_records(lock.journal, records)
    assert lock.record(audit.DOOR_STATE, 0, 0), "the next record could not be written"
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


def _check_versions(lock: Lock, files: dict) -> None:
    """No document that the lock said it holds has gone back."""
    held = {
        "status": lock.trust.status.version,
        "keyset": lock.trust.keyset.version,
        "config": lock.config.version,
    }
    for what, version in held.items():
        assert version >= files.get(what, 0), f"the {what} went back"


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
