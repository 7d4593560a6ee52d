"""One lock under Hypothesis: bookings, doors, clocks, power, and every attack over the air.

Each rule says what the oracle expects of it: the answer, and exactly which records. Invariants are
checked after every rule. Storage fails when a rule says so: before the write, in the middle, or
after everything was written.
"""

from __future__ import annotations

import random
from typing import Any

import nacl.signing
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from firmware.core import door
from firmware.core.journal import decode_slot
from firmware.core.session import MAX_SLOTS
from protocol import audit, frames, holder, reasons, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from tests.firmware.model.counts import Counts
from tests.firmware.model.oracle import Document, Entry, Key, Oracle
from tests.firmware.model.people import Caller
from tests.firmware.town import ALL, LOCK_ID, STATUS, Town

FORGER = nacl.signing.SigningKey(b"f" * 32)
DAY_S = 86400
MTUS = st.sampled_from([23, 24, 50, 185, 247, 517])
COMMANDS = st.sampled_from([1, 1, 1, 2, 3, 4, 0, 5, 99, (1 << 64) - 1])
LENGTHS = st.sampled_from([1, 600, 3600, 4 * DAY_S, 99 * DAY_S]) | st.integers(1, 7200)
WINDOWS = st.tuples(st.sampled_from([-7200, -600, -600, -1, 0, 1, 600]), LENGTHS)
PERMISSIONS = st.sampled_from([ALL, tokens.UNLOCK, tokens.UNLOCK_REMOTE, tokens.MAINTAIN, 127])
FAULTS = st.sampled_from(["before", "torn", "after"])
RESTING = (door.LOCKED, door.UNLOCKED, door.JAMMED)

COUNTS = Counts()
when_powered = precondition(lambda self: self.lock.is_powered)


def _entry(record: audit.Record) -> Entry:
    return record.event, record.code, record.source, record.subject


class LockMachine(RuleBasedStateMachine):
    """`keys`: all booked; `documents`: every status list; `recorded`: presentations on tape."""

    keys = Bundle("keys")
    documents = Bundle("documents")
    recorded = Bundle("recorded")

    @initialize(target=keys)
    def start(self) -> Any:
        COUNTS.examples += 1
        self.town = Town(random_bytes=random.Random(1).randbytes)
        self.lock = self.town.lock
        self.oracle = Oracle()
        self.callers: list[Caller] = []
        self.newest = self.oracle.held
        self.cancelled: list[tuple[bytes, int]] = []
        self.is_online = True
        self.fault = ""
        self.may_retract = False
        self.ghosts: list[Entry] = []  # refused by storage, yet written
        self.lowest_bolt = 1.0
        self.checked = (0, audit.genesis(LOCK_ID, 1))
        self.expect([(audit.BOOT, 1, audit.SOURCE_NONE, None)])
        self._wire_storage()
        usual = (ALL, tokens.UNLOCK, tokens.MAINTAIN, tokens.ALL_PERMISSIONS)
        return multiple(*(Key(self.town.credential(-60, 30 * DAY_S, p)) for p in usual))

    def _wire_storage(self) -> None:
        append = self.lock.storage.append

        def failing(name: str, data: bytes) -> None:
            fault, self.fault = self.fault, ""
            if fault:
                append(name, {"before": b"", "torn": data[:50], "after": data}[fault])
                if fault == "after":
                    self.ghosts.append(_entry(audit.decode_record(decode_slot(data))))
                raise OSError(5, "EIO")
            append(name, data)

        self.lock.storage.append = failing  # type: ignore[method-assign]

    # --- the journal: what was expected is there, and nothing else

    def new_records(self) -> list[Entry]:
        """Entries since the last look, their chain checked up to the head."""
        journal, (seq, previous) = self.lock.core.journal, self.checked
        raw: list[bytes] = []
        while chunk := journal.read(seq + 1 + len(raw), 24):
            raw += chunk
        found, previous = audit.check_run(raw, seq + 1, previous)
        assert (seq + len(found), previous) == (journal.head_seq, journal.head_hash)
        self.checked = (journal.head_seq, journal.head_hash)
        return self._without_ghosts([_entry(record) for record in found])

    def _without_ghosts(self, entries: list[Entry]) -> list[Entry]:
        """What was written although storage said no may show later, once."""
        for ghost in list(self.ghosts):
            if ghost in entries:
                entries.remove(ghost)
                self.ghosts.remove(ghost)
        return entries

    def expect(self, entries: list[Entry]) -> None:
        assert self.new_records() == entries

    def expect_decision(self, entries: list[Entry], faulty: bool) -> None:
        """A write that failed leaves nothing that counts."""
        self.expect([] if faulty else entries)

    # --- what the town does

    @rule(target=keys, window=WINDOWS, permissions=PERMISSIONS)
    def book(self, window: tuple[int, int], permissions: int) -> Key:
        COUNTS.rules["book"] += 1
        begins, length = window
        return Key(self.town.credential(begins, begins + length, permissions))

    @rule(target=keys, key=keys, by=st.integers(1, 7200))
    def extend(self, key: Key, by: int) -> Key:
        """A new token for the same booking; the old one goes on to its own end."""
        COUNTS.rules["extend"] += 1
        old, now = key.credential.token, self.town.now
        begins, ends = old.not_before - now, old.expires_at + by - now
        if ends - begins > 99 * DAY_S:
            return key
        return Key(self.town.credential(begins, ends, old.permissions))

    @rule(
        target=keys,
        kind=st.sampled_from(
            ["forged", "too long", "status key", "other lock", "other epoch", "stolen", "stranger"]
        ),
    )
    def make_bad(self, kind: str) -> Key:
        """Keys that no honest town gives out."""
        COUNTS.rules["make_bad"] += 1
        make = self.town.credential
        if kind == "forged":
            return Key(make(signer=FORGER), flaw=reasons.BAD_SIGNATURE)
        if kind == "too long":
            return Key(make(ends=101 * DAY_S), flaw=reasons.NOT_ALLOWED_TO_ISSUE)
        if kind == "status key":
            bad = make(signer=STATUS, claimed_issuer=STATUS)
            return Key(bad, flaw=reasons.NOT_ALLOWED_TO_ISSUE)
        if kind == "other lock":
            return Key(make(lock_id="bbbbbbbb"), unproven=reasons.WRONG_LOCK)
        if kind == "other epoch":
            return Key(make(epoch=2), unproven=reasons.UNKNOWN_ISSUER)
        if kind == "stranger":
            bad = make(signer=FORGER, claimed_issuer=FORGER)
            return Key(bad, unproven=reasons.UNKNOWN_ISSUER)
        return Key(Credential(make().raw_token, bytes(32)), unproven=reasons.BAD_MAC)

    @rule(target=documents, key=keys)
    def cancel(self, key: Key) -> Document:
        """Withdraw one key; told to the lock at once when the town is online."""
        COUNTS.rules["cancel"] += 1
        token = key.credential.token
        self.cancelled.append((token.cti, token.expires_at))
        return self._publish(self.newest.min_iat)

    @rule(target=documents, ago=st.sampled_from([0, 600, DAY_S, DAY_S, 30 * DAY_S]))
    def revoke_all(self, ago: int) -> Document:
        """min_iat: everything issued before a moment."""
        COUNTS.rules["revoke_all"] += 1
        return self._publish(max(self.newest.min_iat, self.town.now - ago))

    def _publish(self, min_iat: int) -> Document:
        version = self.newest.version + 1
        raw = self.town.status_list(version, self.cancelled, min_iat=min_iat)
        withdrawn = frozenset(cti for cti, _ in self.cancelled)
        self.newest = Document(raw, version, withdrawn, min_iat)
        if self.is_online and self.lock.is_powered:
            self._carry(self.newest)
        return self.newest

    @rule(document=documents)
    def carry_any_version(self, document: Document) -> None:
        """A gateway with an old outbox offers whatever it has."""
        COUNTS.rules["carry_any_version"] += 1
        if self.lock.is_powered:
            self._carry(document)

    @rule()
    def go_offline(self) -> None:
        COUNTS.rules["go_offline"] += 1
        self.is_online = False

    @rule()
    def come_online(self) -> None:
        COUNTS.rules["come_online"] += 1
        self.is_online = True
        if self.lock.is_powered and self.newest.version:
            self._carry(self.newest)

    def _carry(self, document: Document) -> None:
        caller = self._keeper()
        if caller.proven_key is not None:
            faulty = bool(self.fault)
            entries = self.oracle.take(document)
            answer = self._ask(caller, session.REQUEST_STATUS_LIST, document.raw)
            assert answer == (holder.REPLY, session.OK, self.oracle.held.version)
            self.expect_decision(entries, faulty and bool(entries))
        self._leave(caller)

    # --- people at the door

    @when_powered
    @rule(visits=st.lists(st.tuples(keys, COMMANDS, MTUS), min_size=1, max_size=5))
    def present(self, visits: list[tuple[Key, int, int]]) -> None:
        """People come one after the other."""
        COUNTS.rules["present"] += 1
        for key, command, mtu in visits:
            caller = self._arrive(mtu)
            self._present(caller, key, command)
            self._leave(caller)

    @when_powered
    @rule(target=recorded, key=keys, command=COMMANDS, mtu=MTUS)
    def present_and_stay(self, key: Key, command: int, mtu: int) -> bytes:
        """The connection stays, so that others come between; what was said is on tape."""
        COUNTS.rules["present_and_stay"] += 1
        caller = self._arrive(mtu)
        self._present(caller, key, command)
        return caller.peer.sent or b"\x03nothing was said"

    @when_powered
    @rule(mtu=MTUS)
    def connect(self, mtu: int) -> None:
        COUNTS.rules["connect"] += 1
        self._arrive(mtu)

    @when_powered
    @rule(data=st.data())
    def greet(self, data: st.DataObject) -> None:
        """Also a second time, and nested in a keeper's link."""
        COUNTS.rules["greet"] += 1
        self._greet(self._someone(data))

    @when_powered
    @rule(data=st.data(), key=keys, command=COMMANDS)
    def answer(self, data: st.DataObject, key: Key, command: int) -> None:
        """Whoever was challenged, or not, presents now."""
        COUNTS.rules["answer"] += 1
        self._answer(self._someone(data), key, command)

    @when_powered
    @rule(data=st.data(), key=keys, command=COMMANDS)
    def nest(self, data: st.DataObject, key: Key, command: int) -> None:
        """A phone speaks through a housekeeper's link."""
        COUNTS.rules["nest"] += 1
        keepers = [caller for caller in self.callers if caller.is_keeper and caller.is_there]
        caller = data.draw(st.sampled_from(keepers)) if keepers else self._keeper()
        if caller.is_there:
            self._greet(caller)
            self._answer(caller, key, command)

    @when_powered
    @rule(data=st.data(), operation=st.sampled_from([1, 1, 2, 2, 3, 77]))
    def ask(self, data: st.DataObject, operation: int) -> None:
        """A request in an open session: state for all, records for keepers."""
        COUNTS.rules["ask"] += 1
        proven = [c for c in self.callers if c.is_there and c.machine is not None]
        caller = data.draw(st.sampled_from(proven)) if proven else self._keeper()
        if caller.proven_key is None:
            return
        keeps = caller.proven_key.credential.token.permissions & tokens.MAINTAIN
        kind, reason, _ = self._ask(caller, operation, [1, 5] if operation == 2 else None)
        expected = session.OK if operation == 1 or (keeps and operation == 2) else None
        expected = reasons.SCOPE if expected is None and not keeps else expected
        assert (kind, reason) == (
            holder.REPLY,
            reasons.MALFORMED if expected is None else expected,
        )
        self.expect([])

    @when_powered
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """The phone walks out of reach, in whatever state it is."""
        COUNTS.rules["drop"] += 1
        self._leave(self._someone(data))

    # --- attackers

    @when_powered
    @rule(data=st.data(), tape=recorded)
    def replay(self, data: st.DataObject, tape: bytes) -> None:
        COUNTS.rules["replay"] += 1
        self._attack_by(self._someone(data), tape)

    @when_powered
    @rule(data=st.data())
    def reflect(self, data: st.DataObject) -> None:
        """Something that the lock said to anyone, sent back to it."""
        COUNTS.rules["reflect"] += 1
        caller = self._someone(data)
        said = [message for other in self.callers for message in other.said]
        if not said:
            self._greet(caller)
            said = caller.said
        if said:
            self._attack_by(caller, data.draw(st.sampled_from(said)))

    @when_powered
    @rule(data=st.data(), key=keys, command=COMMANDS, at=st.integers(0, 400), bit=st.integers(0, 7))
    def tamper(self, data: st.DataObject, key: Key, command: int, at: int, bit: int) -> None:
        """A genuine presentation with one bit turned on the way."""
        COUNTS.rules["tamper"] += 1
        challenged = [c for c in self.callers if c.is_there and c.challenge]
        caller = data.draw(st.sampled_from(challenged)) if challenged else self._someone(data)
        if not challenged and caller.may_greet:
            self._greet(caller)
        if caller.challenge:
            message = bytearray(caller.presentation(key, command))
            message[at % len(message)] ^= 1 << bit
            self._attack_by(caller, bytes(message))

    @when_powered
    @rule(data=st.data(), fragment=st.binary(max_size=40) | st.binary(min_size=200, max_size=600))
    def throw_garbage(self, data: st.DataObject, fragment: bytes) -> None:
        """Any fragment; those that make a greeting are another rule's."""
        COUNTS.rules["throw_garbage"] += 1
        if fragment[1:2] != bytes([session.HELLO]):
            caller = self._someone(data)
            caller.peer.received.clear()
            caller.peer.write(fragment)
            caller.heard()
            self._nothing_happened()

    def _attack_by(self, caller: Caller, message: bytes) -> None:
        answer = caller.say(message[: frames.MAX_MESSAGE_BYTES])
        assert answer is None or answer[0] == session.REFUSAL
        self._nothing_happened()

    def _nothing_happened(self) -> None:
        self.expect([])
        self._forget_gone()

    # --- power, clocks, storage, time, the door

    @rule()
    def power_off(self) -> None:
        COUNTS.rules["power_off"] += 1
        self.lock.power_off()
        self._everyone_is_gone()

    @rule()
    def reboot(self) -> None:
        """Power comes (back): nothing acknowledged is lost, nothing opens."""
        COUNTS.rules["reboot"] += 1
        faulty = bool(self.fault)
        head = self.checked
        self._everyone_is_gone()
        self.lock.power_on()
        self.may_retract = False
        self.lowest_bolt = self.lock.door.bolt
        found = self.new_records()
        assert self.checked[0] >= head[0]
        boot = [] if faulty else [(audit.BOOT, 1, audit.SOURCE_NONE, None)]
        assert found == boot

    @rule(ahead=st.sampled_from([0, 0, 0, 1, 600, 3 * DAY_S, -1, -600, -3 * DAY_S, None]))
    def change_clock(self, ahead: int | None) -> None:
        """Right, fast, slow, or lost."""
        COUNTS.rules["change_clock"] += 1
        self.town.lock_is_ahead_by = ahead

    @rule(fault=FAULTS)
    def break_the_next_write(self, fault: str) -> None:
        COUNTS.rules["break_the_next_write"] += 1
        self.fault = fault

    @rule(steps=st.integers(1, 30))
    def let_time_pass(self, steps: int) -> None:
        COUNTS.rules["let_time_pass"] += 1
        for _ in range(steps):
            self._advance(200)
        self.town.now += steps // 5

    @rule(seconds=st.sampled_from([2, 10, 31, 600, 3600, DAY_S]))
    def let_long_time_pass(self, seconds: int) -> None:
        """Deadlines and windows run out; the bolt's way is not simulated meanwhile."""
        COUNTS.rules["let_long_time_pass"] += 1
        self.town.now += seconds
        self.lock.now_ms += seconds * 1000
        self._advance(40)

    @rule()
    def walk_through(self) -> None:
        COUNTS.rules["walk_through"] += 1
        self.lock.push_through()
        self._advance(200)

    @rule()
    def press_exit(self) -> None:
        COUNTS.rules["press_exit"] += 1
        self.may_retract = self.may_retract or self.lock.is_powered
        self.lock.press_exit()
        self._advance(40)

    def _advance(self, ms: int) -> None:
        self.lock.advance(ms)
        self.town.deliver()
        self._forget_gone()
        for event, code, source, subject in self.new_records():
            assert subject is None
            if (event, code) == (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK):
                assert source == audit.SOURCE_BUTTON and self.may_retract
        self.the_bolt_obeys()

    # --- conversations

    def _arrive(self, mtu: int) -> Caller:
        """A newcomer; it is turned away only when proven peers have every slot."""
        proven = [caller for caller in self.callers if caller.is_proven]
        caller = Caller(self.town, mtu)
        caller.heard()
        assert caller.peer.hung_up == (len(proven) >= MAX_SLOTS)
        assert all(other.is_there for other in proven)
        self.callers.append(caller)
        self._forget_gone()
        return caller

    def _someone(self, data: st.DataObject) -> Caller:
        """Any open connection; a new one when there is none."""
        return data.draw(st.sampled_from(self.callers)) if self.callers else self._arrive(185)

    def _keeper(self) -> Caller:
        """A housekeeper's link, if the lock grants one now."""
        caller = self._arrive(247)
        key = Key(self.town.credential(-60, 3600, tokens.MAINTAIN))
        self._present(caller, key, session.COMMAND_SYNC)
        return caller

    def _leave(self, caller: Caller) -> None:
        caller.peer.leave()
        self.callers = [other for other in self.callers if other is not caller]

    def _forget_gone(self) -> None:
        self.callers = [caller for caller in self.callers if caller.is_there]

    def _everyone_is_gone(self) -> None:
        self.callers.clear()
        self.town.peers.clear()

    def _present(self, caller: Caller, key: Key, command: int) -> bool:
        """A whole attempt on a connection just made; whether it was granted."""
        if not caller.is_there:
            return False
        self._greet(caller)
        return self._answer(caller, key, command)

    def _greet(self, caller: Caller) -> None:
        may = caller.may_greet
        answer = caller.say(session.encode_hello())
        if may:
            assert answer is not None and answer[0] == session.CHALLENGE
        else:
            assert answer is None or answer == session.encode_refusal(reasons.NO_SESSION)
        self._nothing_happened()

    def _answer(self, caller: Caller, key: Key, command: int) -> bool:
        if not caller.is_there:
            return False
        if not caller.challenge:
            self._attack_by(caller, caller.presentation(key, command))
            return False
        if key.unproven is not None:
            answer = caller.say(caller.presentation(key, command))
            COUNTS.answers[reasons.name(key.unproven)] += 1
            assert answer == session.encode_refusal(key.unproven)
            self._nothing_happened()
            return False
        return self._prove(caller, key, command)

    def _prove(self, caller: Caller, key: Key, command: int) -> bool:
        faulty = bool(self.fault)
        reason = self.oracle.reason(key, command, self.town.lock_time())
        entries = self.oracle.entry(key, command, reason)
        if faulty and entries and reason == session.OK:
            reason = reasons.STORAGE
        machine = HolderSession(key.credential, command, self.town.random_bytes)
        machine.start()
        ((_, presentation),) = machine.receive(caller.challenge)
        answer = caller.say(presentation)
        assert answer is not None
        ((kind, outcome),) = machine.receive(answer)
        COUNTS.answers[reasons.name(reason) if reason else "OK"] += 1
        assert (kind, outcome.reason) == (holder.OUTCOME, reason)
        self.expect_decision(entries, faulty)
        assert (outcome.head_seq, outcome.head_hash) == self.checked
        if reason == session.OK:
            caller.granted(key, machine)
            self._act(command)
        else:
            caller.turned_away()
        return reason == session.OK

    def _act(self, command: int) -> None:
        if command in (session.COMMAND_UNLOCK, session.COMMAND_UNLOCK_REMOTE):
            self.may_retract = True
            state = self.lock.core.door.state
            assert state in (door.UNLOCKING, door.UNLOCKED)
        self.lock.carry_out()

    def _ask(self, caller: Caller, operation: int, argument: Any) -> tuple[Any, ...]:
        assert caller.machine is not None
        ((_, request),) = caller.machine.request(operation, argument)
        answer = caller.say(request)
        assert answer is not None
        caller.was_busy()
        (event,) = caller.machine.receive(answer)
        return event

    # --- what must always be so

    @invariant()
    def nothing_goes_back(self) -> None:
        core = self.lock.core
        assert core.journal.head_seq == self.checked[0]
        assert core.journal.head_hash == self.checked[1]
        assert core.trust.status.version == self.oracle.held.version

    @invariant()
    def slots_are_bounded(self) -> None:
        assert len([c for c in self.callers if c.is_there]) <= MAX_SLOTS

    @invariant()
    def the_motor_rests_when_the_bolt_rests(self) -> None:
        core = self.lock.core.door
        assert (core.drive == door.OFF) == (core.state in RESTING)
        assert self.lock.is_powered or not any(self.lock.door.levels.values())

    @invariant()
    def the_bolt_obeys(self) -> None:
        """It is drawn back only after a granted unlock or the exit button."""
        bolt = self.lock.door.bolt
        assert self.may_retract or bolt >= self.lowest_bolt
        self.lowest_bolt = bolt
        if self.lock.core.door.state == door.LOCKED:
            self.may_retract = False

    def teardown(self) -> None:
        """The whole journal once more, as an auditor reads it, after a last restart."""
        if not hasattr(self, "town"):
            return
        self.fault = ""
        self.reboot()
        journal, raw = self.lock.core.journal, list[bytes]()
        while chunk := journal.read(journal.oldest_seq + len(raw), 24):
            raw += chunk
        first = audit.decode_record(raw[0])
        records, head = audit.check_run(raw, journal.oldest_seq, first.previous)
        assert (records[-1].seq, head) == (journal.head_seq, journal.head_hash)
