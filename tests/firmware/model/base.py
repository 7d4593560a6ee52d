"""What all rules of the model share: one lock, its journal under watch, and conversations with it.

Every answer of the lock is compared with the oracle's as it comes, and every record with what was
expected. Storage fails when a rule says so: before the write, in the middle, or after everything
was written.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from hypothesis.stateful import Bundle, RuleBasedStateMachine
from nacl.signing import SigningKey

from firmware.core import door
from firmware.core.journal import decode_slot
from firmware.core.lock import KEEP_TIME_EVERY_MS
from firmware.core.refusals import MAX_TOKENS, RECORDED, WITHIN_MS
from firmware.core.session import MAX_SLOTS
from protocol import audit, holder, keys, reasons, session
from protocol import token as tokens
from protocol.holder import HolderSession
from protocol.timebound import TimeBound
from simulator.town_keys import TownKeys
from simulator.virtual.lock import verify_signature
from tests.firmware.model import counts
from tests.firmware.model.oracle import Entry, Key, KeysetPaper, Oracle, is_open, window
from tests.firmware.model.people import Caller
from tests.firmware.model.world import World
from tests.firmware.town import KEYS, LOCK_ID, START, TOWN, Town

DAY_S = 86400
OPENS = (
    session.COMMAND_UNLOCK,
    session.COMMAND_UNLOCK_REMOTE,
    session.COMMAND_HOLD_OPEN,
    session.COMMAND_EVACUATE,
)
BOOT: Entry = (audit.BOOT, 1, audit.SOURCE_NONE, None, None)

KEYS_MADE = Bundle("keys")


def entry_of(record: audit.Record) -> Entry:
    return record.event, record.code, record.source, record.subject, record.value


def keyset_paper(town_keys: TownKeys, version: int, **details: Any) -> KeysetPaper:
    """A keyset of these private halves; `signer`, `town`, `issued_at` if they are unusual."""
    made = town_keys.keyset(version, details.get("issued_at", START))
    made.town = details.get("town", TOWN)
    signer = details.get("signer") or town_keys.roots[version % 2]
    return KeysetPaper(
        town_keys.keyset_document(made, signer),
        version,
        bytes(signer.verify_key),
        made.town,
        made.roots,
        {kid: row.role for kid, row in made.keys.items()},
        frozenset(made.vaults),
        town_keys,
    )


class LockModel(RuleBasedStateMachine):
    """The plumbing; rules are in the classes that inherit from this."""

    # --- the beginning ---

    def begin(self) -> None:
        counts.COUNTS.examples += 1
        self.town = Town(random_bytes=random.Random(1).randbytes)
        self.lock = self.town.lock
        self.world = World(self.town)
        self.oracle = Oracle(keyset_paper(KEYS, 1, issued_at=0))
        self.newest = self.oracle.keyset
        self.callers: list[Caller] = []
        self.fault = ""
        self.ghosts: list[audit.Record] = []  # refused by storage, yet written
        self.tape: list[bytes] = []  # every record that the journal ever showed
        self.head_hash = audit.genesis(LOCK_ID, 1)
        self.lowest_lo = self.floor = 0
        self.refused: list[tuple[int, bytes]] = []  # (ms, cti) of those on record
        self.left_out = 0  # refusals that the lock counts and has not told of
        self.may_retract = False
        self.lowest_bolt = 1.0
        self.checked = set[bytes]()  # signatures found good under this keyset since the boot
        self.checks = 0
        self._wire_signatures()
        self._wire_storage()
        self.expect([BOOT])

    def _wire_signatures(self) -> None:
        def watched(public_key: bytes, message: bytes, signature: bytes) -> bool:
            self.checks += 1
            good = verify_signature(public_key, message, signature)
            if good:
                self.checked.add(signature)
            return good

        self.lock._crypto.verify_signature = watched

    def _wire_storage(self) -> None:
        append = self.lock.storage.append

        def failing(name: str, data: bytes) -> None:
            fault = self.fault if name.startswith("journal/") else ""
            if fault:
                self.fault = ""
                append(name, {"before": b"", "torn": data[:50], "after": data}[fault])
                if fault == "after":
                    self.ghosts.append(audit.decode_record(decode_slot(data) or b""))
                raise OSError(5, "EIO")
            append(name, data)

        self.lock.storage.append = failing  # type: ignore[method-assign]

    def count(self, rule: str) -> None:
        counts.COUNTS.rules[rule] += 1

    # --- the journal: what was expected is there, and nothing else ---

    @property
    def head_seq(self) -> int:
        return len(self.tape)

    def new_records(self) -> list[Entry]:
        """Entries since the last look, but housekeeping; their chain checked up to the head."""
        journal, seq = self.lock.core.journal, self.head_seq
        raw: list[bytes] = []
        while journal.head_seq > seq + len(raw):
            chunk = journal.read(seq + 1 + len(raw), 24)
            assert chunk, "the journal does not show what it says it has"
            raw += chunk
        found, self.head_hash = audit.check_run(raw, seq + 1, self.head_hash)
        self.tape += raw
        assert (self.head_seq, self.head_hash) == (journal.head_seq, journal.head_hash)
        found = self._without_ghosts(found)
        found = [record for record in found if not self._is_a_count(record)]
        return [entry_of(record) for record in found if not self._is_housekeeping(record)]

    def _is_a_count(self, record: audit.Record) -> bool:
        """Refusals that were not recorded one by one are told of later, once, or never."""
        if record.event != audit.LOCK_OPERATION_ERROR or record.value is None:
            return False
        self.left_out -= record.value
        assert self.left_out >= 0
        return True

    def _recorded_of(self, entries: list[Entry], faulty: bool) -> list[Entry]:
        """A refusal may be left out when there were many of late."""
        (subject,) = [entry[3] for entry in entries]
        assert subject is not None
        late = self.lock.now_ms - WITHIN_MS - KEEP_TIME_EVERY_MS
        self.refused = [(at, cti) for at, cti in self.refused if at >= late]
        ctis = [cti for _, cti in self.refused]
        asked_storage = faulty and not self.fault
        if self.lock.core.journal.head_seq > self.head_seq or asked_storage:
            self.refused.append((self.lock.now_ms, subject))
            return entries
        assert ctis.count(subject) >= RECORDED or len(set(ctis)) >= MAX_TOKENS
        self.left_out += 1
        return []

    def _without_ghosts(self, records: list[audit.Record]) -> list[audit.Record]:
        """What was written although storage said no may show later, once."""
        left = []
        for record in records:
            ghosts = [ghost for ghost in self.ghosts if entry_of(ghost) == entry_of(record)]
            if ghosts and ghosts[0].seq == record.seq:
                self.ghosts.remove(ghosts[0])
                self.oracle.learn(record)
                self._is_housekeeping(record)
            else:
                left.append(record)
        return left

    def _is_housekeeping(self, record: audit.Record) -> bool:
        """Time is written down when it is due, and never goes back; refusals when they are many."""
        if record.event == audit.LOCK_OPERATION_ERROR and record.value is not None:
            self.oracle.left_out -= record.value
            assert self.oracle.left_out >= 0
            return True
        if record.event == audit.DOOR_LOCK_ALARM and record.code == audit.ALARM_TIME:
            assert self.world.may_alarm, "a false alarm about time"
            return True
        if record.event != audit.TIME:
            return False
        assert record.value == record.time.lo
        assert record.value >= self.floor or record.code == audit.TIME_RESET
        self.floor = record.value
        return True

    def expect(self, entries: list[Entry]) -> None:
        found = self.new_records()
        assert found == entries

    def is_faulty(self) -> bool:
        """Whether the next append to the journal fails."""
        return bool(self.fault)

    def expect_after(self, entries: list[Entry], faulty: bool) -> None:
        """The first of these records was lost if storage was to refuse it (and was asked)."""
        found = self.new_records()
        lost = faulty and not self.fault
        assert found == entries or (lost and found in (entries[1:], []))

    # --- time ---

    def now(self) -> TimeBound:
        """What the lock says of the time; the truth lies in it while it can."""
        now = self.lock.core.now()
        self.world.check(now)
        assert now.lo >= self.lowest_lo
        self.lowest_lo = now.lo
        return now

    def pass_ms(self, ms: int) -> None:
        """A leap: deadlines and windows run out; the bolt's way is not simulated meanwhile."""
        self.world.pass_ms(ms)
        self.lock.now_ms += ms
        self.advance(40)

    def advance(self, ms: int) -> None:
        self.world.pass_ms(ms)
        self.lock.advance(ms)
        self.town.deliver()
        self.forget_gone()
        for event, code, source, subject, _ in self.new_records():
            assert subject is None
            if (event, code) == (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK):
                assert source == audit.SOURCE_BUTTON and self.may_retract
        self.check_the_bolt()

    def check_the_bolt(self) -> None:
        """It is drawn back only after a granted opening or the exit button."""
        bolt, core = self.lock.door.bolt, self.lock.core.door
        assert self.may_retract or bolt >= self.lowest_bolt
        self.lowest_bolt = bolt
        if core.state == door.LOCKED and not core.held_open:
            self.may_retract = False

    # --- keys ---

    def issue(self, begins: int, ends: int, how: str = "booking", **details: Any) -> Key:
        """A token by the keys that the lock was last known to hold, or by the newest."""
        paper = self.newest if details.pop("newest", False) else self.oracle.keyset
        signer = getattr(paper.keys, how)
        claimed = details.pop("claimed", signer)
        forged = details.pop("forger", None)
        epoch = details.setdefault("epoch", max(paper.epochs))
        vaults = paper.keys.vaults
        if epoch not in vaults:
            vaults = {epoch: vaults[max(vaults)]}
        enrolment, now = self.town.enrolment, self.town.now
        given = dataclasses.replace(paper.keys, vaults=vaults).credential(
            enrolment,
            now + begins,
            now + ends,
            cti=self.town.random_bytes(8),
            issued_at=now,
            signer=forged or signer,
            claimed=claimed,
            **details,
        )
        return Key(given, kid_of(claimed), forged is not None)

    # --- conversations ---

    def arrive(self, mtu: int) -> Caller:
        """A newcomer; it is turned away only when proven peers have every slot."""
        proven = [caller for caller in self.callers if caller.is_proven]
        caller = Caller(self.town, mtu)
        caller.heard()
        assert caller.peer.hung_up == (len(proven) >= MAX_SLOTS)
        assert all(other.is_there for other in proven)
        self.callers.append(caller)
        self.forget_gone()
        return caller

    def keeper(self) -> Caller:
        """A gateway's link; its session is open unless every slot was taken."""
        caller = self.arrive(247)
        key = self.issue(-60, 3600, "staff", permissions=tokens.MAINTAIN)
        self.present_to(caller, key, session.COMMAND_SYNC)
        return caller

    def leave(self, caller: Caller) -> None:
        caller.peer.leave()
        self.callers = [other for other in self.callers if other is not caller]

    def forget_gone(self) -> None:
        self.callers = [caller for caller in self.callers if caller.is_there]

    def everyone_is_gone(self) -> None:
        self.callers.clear()
        self.town.peers.clear()

    def present_to(self, caller: Caller, key: Key, command: int) -> int | None:
        """A whole attempt; the lock's reason under its MAC, None when it gave none."""
        if not caller.is_there:
            return None
        self.greet_by(caller)
        return self.answer_by(caller, key, command)

    def greet_by(self, caller: Caller) -> None:
        may, now = caller.may_greet, self.now()
        answer = caller.say(session.encode_hello())
        if may:
            assert answer is not None and answer[0] == session.CHALLENGE
            challenge = session.decode_challenge(answer[1:])
            held = (self.oracle.keyset.version, self.oracle.status.version)
            assert challenge.versions == (*held, self.oracle.config.version)
            assert (challenge.time.lo, challenge.time.hi) == (now.lo, now.hi)
            assert set(challenge.epochs) == self.oracle.keyset.epochs
        else:
            assert answer is None or answer == session.encode_refusal(reasons.NO_SESSION)
        self.nothing_happened()

    def answer_by(self, caller: Caller, key: Key, command: int) -> int | None:
        if not caller.is_there:
            return None
        if not caller.challenge:
            self.attack_by(caller, caller.presentation(key, command))
            return None
        unproven = self.oracle.unproven(key)
        if unproven is not None:
            answer = caller.say(caller.presentation(key, command))
            counts.COUNTS.answers[reasons.name(unproven)] += 1
            assert answer == session.encode_refusal(unproven)
            self.nothing_happened()
            return None
        return self._prove(caller, key, command)

    def _prove(self, caller: Caller, key: Key, command: int) -> int:
        faulty, now, relayed = self.is_faulty(), self.now(), caller.is_housekeeper
        reason = self.oracle.reason(key, command, relayed, now)
        entries = self.oracle.entries(key, command, relayed, reason)
        if faulty and entries and reason == session.OK:
            reason, entries = reasons.STORAGE, []
        machine = HolderSession(key.credential, command, self.town.random_bytes)
        machine.start()
        ((_, presentation),) = machine.receive(caller.challenge)
        answer = caller.say(presentation)
        assert answer is not None
        ((kind, outcome),) = machine.receive(answer)
        counts.COUNTS.answers[reasons.name(reason) if reason else "OK"] += 1
        assert (kind, outcome.reason) == (holder.OUTCOME, reason)
        if reason != session.OK and entries:
            entries = self._recorded_of(entries, faulty)
        if reason in (session.OK, reasons.STORAGE):
            self.expect_after(entries, faulty)
        else:
            self._expect_refusal(key, entries, faulty)
        assert (outcome.head_seq, outcome.head_hash) == (self.head_seq, self.head_hash)
        if reason == reasons.NOT_YET_VALID:
            counts_next = window(key.token, now.lo)
            assert counts_next and outcome.detail[session.DETAIL_OPENS_AT] == counts_next[0]
        if session.stays_open(reason):
            caller.opened(key, machine, reason)
        else:
            caller.turned_away()
        if reason == session.OK:
            self._granted(key, command, now)
        return reason

    def _expect_refusal(self, key: Key, entries: list[Entry], faulty: bool) -> None:
        """On record, unless this holder has been refused again and again."""
        found = self.new_records()
        assert found in (entries, [])
        lost = faulty and not self.fault
        self.oracle.was_refused(key, self.lock.now_ms, bool(found) or lost)

    def rights(self, caller: Caller, permission: int = 0) -> int:
        """What an open session may still ask for with its key: OK or the reason that it is told."""
        assert caller.key is not None
        if not caller.granted or caller.key.token.permissions & permission != permission:
            return reasons.SCOPE
        return self.oracle.standing(caller.key, self.now())

    def _granted(self, key: Key, command: int, now: TimeBound) -> None:
        assert key.credential.raw_token[-64:] in self.checked, "never checked under this keyset"
        self._check_true_time(key)
        if command in OPENS:
            if key.token.once:
                self.oracle.spent[key.token.cti] = key.token.expires_at
            self.may_retract = True
            if command in OPENS[2:]:
                until = self.lock.now_ms + self.oracle.hold_s(key, command, now) * 1000
                self.oracle.held_until_ms = max(until, self.oracle.held_until_ms)
            assert self.lock.core.door.state in (door.UNLOCKING, door.UNLOCKED)
        elif command == session.COMMAND_LOCK:
            self.oracle.held_until_ms = -1
        self.lock.carry_out()

    def _check_true_time(self, key: Key) -> None:
        """A strict door opens to nobody outside the token's window, by the true time."""
        is_strict = self.oracle.config.door.doubt_s == 0 and not self.oracle.is_emergency(key)
        if self.world.honest and is_strict:
            assert is_open(key.token, self.world.true_s)

    def ask(self, caller: Caller, operation: int, argument: Any) -> tuple[int, Any]:
        """(reason, value) of a request in the caller's open session."""
        assert caller.machine is not None
        ((_, request),) = caller.machine.request(operation, argument)
        answer = caller.say(request)
        assert answer is not None
        caller.was_busy()
        ((kind, reason, value),) = caller.machine.receive(answer)
        assert kind == holder.REPLY
        return reason, value

    def attack_by(self, caller: Caller, message: bytes) -> None:
        checks = self.checks
        answer = caller.say(message)
        assert answer is None or answer[0] == session.REFUSAL
        assert self.checks == checks, "a stranger made the lock verify a signature"
        self.nothing_happened()

    def nothing_happened(self) -> None:
        self.expect([])
        self.forget_gone()


def kid_of(signer: SigningKey) -> bytes:
    return keys.key_id(bytes(signer.verify_key))
