"""One real lock, the town that looks after it, its residents, and an oracle of who may open.

Decides what a legitimate opening is: a resident asked for it, at this lock, a moment ago; the
answer that his phone gave was made under a key whose window holds by the true time, which no list
that the lock has taken withdraws, whose issuer the lock's keyset still names; and it counts once.
The lock's own journal and the way of its bolt are held against that. Knows nothing of attacks.
Invariant: `check` has looked at every record and at the bolt after whatever happened.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field

from nacl.signing import SigningKey

from firmware.core import door
from protocol import audit, holder, session
from protocol.audit import Head
from protocol.holder import Credential, HolderSession
from protocol.lockconfig import DoorConfig
from simulator.town_keys import TownKeys
from simulator.virtual.lock import VirtualLock
from tests.firmware.town import LOCK_ID, START, Town

FRESH_MS = 31_000  # a session nested in a housekeeper's is hung up after 30 s of silence
EXTENDED = 0.95  # of the bolt's way: further in it holds no door
STEP_MS, BUSY_MS = 500, 8000  # after which a door that nobody touches rests


@dataclass
class Ticket:
    """What a resident's booking gave him."""

    credential: Credential
    issuer: bytes
    begins: int
    ends: int

    @property
    def cti(self) -> bytes:
        return bytes(self.credential.token.cti)

    def is_good_at(self, now: int) -> bool:
        """By the true time."""
        return self.begins <= now < self.ends


@dataclass
class Gesture:
    """A resident pressed: one presentation that his phone made. It may open once."""

    ticket: Ticket
    command: int
    made_at_ms: int
    used: bool = False


class Phone:
    """A resident who wants in: an honest holder that hears only what it is given."""

    def __init__(self, street: Street, ticket: Ticket, command: int) -> None:
        self._street, self._ticket, self._command = street, ticket, command
        self._machine = HolderSession(ticket.credential, command, street.town.random_bytes)
        ((_, self.hello),) = self._machine.start()
        self.was_told_open = False

    def hear(self, message: bytes) -> bytes | None:
        """What it answers; an answer to a challenge is a gesture."""
        name, *values = self._machine.receive(message)[-1]
        if name == holder.SEND:
            self._street.pressed(self._ticket, self._command)
            return bytes(values[0])
        if name == holder.OUTCOME and values[0].reason == session.OK:
            self._street.was_told(self._ticket)
            self.was_told_open = True
        return None


@dataclass
class Mailbag:
    """What the town signed for the lock and handed to the gateway, newest last."""

    lists: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    keysets: list[bytes] = field(default_factory=list)
    configs: list[bytes] = field(default_factory=list)
    acks: list[bytes] = field(default_factory=list)
    times: list[bytes] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)


class Street:
    """Everything honest. Time moves in `wait` only."""

    def __init__(self, seed: int) -> None:
        self.town = Town(random_bytes=random.Random(seed).randbytes)
        self.mail = Mailbag()
        self.tickets: list[Ticket] = []
        self.openings = 0
        self.retractions = 0
        self._withdrawn: list[Ticket] = []
        self._names: dict[int, set[bytes]] = {0: set()}
        self._issuers = {1: self._public(self.town.keys)}
        self._keyset_version = self._config_version = 1
        self._gestures: list[Gesture] = []
        self._told: list[bytes] = []
        self._seen_seq = self.town.lock.core.journal.head_seq
        self._may_retract = False
        self._was_out = True
        self._list_version = 0

    @property
    def lock(self) -> VirtualLock:
        return self.town.lock

    # --- what the town does ---

    def book(self, begins: int, ends: int) -> Ticket:
        """A booking whose window is relative to now; its token goes ahead by the gateway."""
        now, keys = self.town.now, self.town.keys
        credential = self.town.credential(begins, ends)
        ticket = Ticket(credential, self._public(keys), now + begins, now + ends)
        self.tickets.append(ticket)
        self.mail.tokens.append(credential.raw_token)
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Cancelled: the next list has its name."""
        self._withdrawn.append(ticket)
        version = max(self._names) + 1
        self._names[version] = {each.cti for each in self._withdrawn}
        rows = [(each.cti, each.ends) for each in self._withdrawn]
        self.mail.lists[version] = self.town.keys.status_list(LOCK_ID, version, self.town.now, rows)

    def replace_issuer(self) -> None:
        """A new keyset: the booking key of before is believed no more."""
        self._keyset_version += 1
        key = SigningKey(self.town.random_bytes(32))
        keys = self.town.keys = dataclasses.replace(self.town.keys, booking=key)
        self._issuers[self._keyset_version] = self._public(keys)
        self.mail.keysets.append(keys.keyset_document(keys.keyset(self._keyset_version)))

    def configure(self, relock_after_ms: int) -> None:
        self._config_version += 1
        figures = DoorConfig(relock_after_ms=relock_after_ms)
        document = self.town.keys.config_document(LOCK_ID, self._config_version, figures)
        self.mail.configs.append(document)

    def acknowledge(self) -> None:
        """The town has all that is on record now."""
        journal = self.lock.core.journal
        head = Head(LOCK_ID, 1, journal.head_seq, journal.head_hash)
        self.mail.acks.append(self.town.keys.acknowledge(head))

    def tell_time(self, nonce: bytes) -> None:
        """The town signs what time it is for any nonce that it is asked for."""
        answer = self.town.keys.time_answer(LOCK_ID, nonce, self.town.now)
        self.mail.times.append(answer)

    # --- what time and people do ---

    def wait(self, ms: int) -> None:
        """Doors move and locks sense; a long wait leaps over the quiet part of it."""
        for _ in range(min(ms, BUSY_MS) // STEP_MS):
            self.lock.advance(STEP_MS)
            self.town.now = self._true_s()
            self.check()
        if ms > BUSY_MS:
            self.lock.leap((ms - BUSY_MS) // 1000)
            self.town.now = self._true_s()
            self.wait(STEP_MS)

    def cut_power(self, stop_rtc: bool) -> None:
        """The power goes and comes; perhaps the clock's battery was empty."""
        self.lock.power_off()
        self.town.peers.clear()
        self.lock.rtc.stopped |= stop_rtc
        self.lock.power_on()
        self.check()

    def _true_s(self) -> int:
        return START + self.lock.now_ms // 1000

    @staticmethod
    def _public(keys: TownKeys) -> bytes:
        return bytes(keys.booking.verify_key)

    # --- the oracle ---

    def pressed(self, ticket: Ticket, command: int) -> None:
        self._gestures.append(Gesture(ticket, command, self.lock.now_ms))

    def was_told(self, ticket: Ticket) -> None:
        """A phone believes that the door opened for it: then it did, and told it once."""
        assert ticket.cti in self._told, "a phone was told of an opening that never was"
        self._told.remove(ticket.cti)

    def check(self) -> None:
        """Every new record, the list, and the bolt."""
        core = self.lock.core
        version = core.statuses.current.version
        assert version >= self._list_version, "a list went back"
        assert version in self._names, "a list that the town never made"
        self._list_version = version
        assert core.trust.keyset.version in self._issuers
        for raw in core.journal.read(self._seen_seq + 1, 1000):
            self._judge(audit.decode_record(raw))
        self._seen_seq = core.journal.head_seq
        self.lock.carry_out()
        self._check_bolt()

    def _judge(self, record: audit.Record) -> None:
        if record.event != audit.LOCK_OPERATION or record.code == audit.OPERATION_LOCK:
            return
        assert record.source in (audit.SOURCE_HOLDER, audit.SOURCE_REMOTE), "nobody asked"
        gesture = self._gesture_of(record)
        assert gesture is not None, "an opening that no resident asked for, or asked for once"
        gesture.used = True
        ticket, core = gesture.ticket, self.lock.core
        assert self.lock.now_ms - gesture.made_at_ms <= FRESH_MS, "an old gesture"
        assert ticket.is_good_at(self.town.now), "outside its window by the true time"
        assert ticket.cti not in self._names[core.statuses.current.version], "withdrawn"
        assert ticket.issuer == self._issuers[core.trust.keyset.version], "its issuer has gone"
        self._may_retract = True
        self.openings += 1
        self._told.append(ticket.cti)

    def _gesture_of(self, record: audit.Record) -> Gesture | None:
        remote = record.source == audit.SOURCE_REMOTE
        wanted = session.COMMAND_UNLOCK_REMOTE if remote else session.COMMAND_UNLOCK
        for gesture in reversed(self._gestures):
            same = (gesture.ticket.cti, gesture.command) == (record.subject, wanted)
            if same and not gesture.used:
                return gesture
        return None

    def _check_bolt(self) -> None:
        bolt, state = self.lock.door.bolt, self.lock.core.door.state
        if self._was_out and bolt < EXTENDED:
            assert self._may_retract, "the bolt moved for nobody"
            self.retractions += 1
            self._was_out = False
        elif bolt >= EXTENDED and state == door.LOCKED:
            self._was_out, self._may_retract = True, False
        assert self.retractions <= self.openings, "one opening moved the bolt twice"
