"""One lock under Hypothesis: bookings, papers, doors, clocks, power, and every attack over the air.

Each rule says what the oracle expects of it: the answer, and exactly which records. What must
always be so is checked after every rule. The rules of people and attackers are in visits.py, those
of everything that is signed and carried in papers.py; here are power, clocks, keypad and door.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from firmware.core import door
from firmware.core.session import MAX_SLOTS
from protocol import audit, lockstate, pin, reasons, session
from protocol import token as tokens
from protocol.audit import Head
from protocol.pin import Pin
from simulator.town_keys import TownKeys, aes
from tests.firmware.model import counts
from tests.firmware.model.base import BOOT, DAY_S, KEYS_MADE
from tests.firmware.model.oracle import GivenPin
from tests.firmware.model.papers import PINS, Papers
from tests.firmware.model.people import Caller
from tests.firmware.model.world import DRIFT_PPM
from tests.firmware.town import LOCK_ID

FAULTS = st.sampled_from(["before", "torn", "after"])
TURNS_S = st.sampled_from([60, 1800, 3 * DAY_S, -60, -1800, -3 * DAY_S, -40 * DAY_S])
RATES_PPM = st.sampled_from([0, 0, DRIFT_PPM, -DRIFT_PPM])
RESTING = (door.LOCKED, door.UNLOCKED, door.JAMMED)
WRONG = st.integers(0, 10**10 - 1)


class LockMachine(Papers):
    """The whole model."""

    @initialize(target=KEYS_MADE)
    def start(self) -> Any:
        self.begin()
        self.begin_papers()
        self._restart()
        return self.usual_keys()

    # --- power and storage ---

    @rule(
        off_s=st.sampled_from([0, 0, 1, 600, DAY_S]),
        meanwhile=st.sampled_from(["", "", "", "turn", "stop"]),
        by_s=TURNS_S,
    )
    def cut_power(self, off_s: int, meanwhile: str, by_s: int) -> None:
        """Power comes back: nothing acknowledged is lost, nothing opens."""
        self.count("cut_power")
        self.lock.power_off()
        self.everyone_is_gone()
        assert not any(self.lock.door.levels.values())
        self.world.pass_ms(off_s * 1000)
        if meanwhile == "turn":
            self.world.turn_rtc(by_s)
        elif meanwhile == "stop":
            self.world.stop_rtc()
        self._restart()

    def _restart(self) -> None:
        faulty = self.is_faulty()
        self.everyone_is_gone()
        self.world.booted()
        self.lock.power_on()
        self.may_retract = False
        self.lowest_bolt = self.lock.door.bolt
        self.checked.clear()
        self.lowest_lo = 0
        self.expect([] if faulty else [BOOT])
        self._after_restart()

    def _after_restart(self) -> None:
        oracle, core = self.oracle, self.lock.core
        assert core.journal.acked_seq <= oracle.acked
        oracle.acked = core.journal.acked_seq
        oracle.held_until_ms = -1
        oracle.refused, oracle.left_out = [], 0
        oracle.keypad_rests_until_ms = self.lock.now_ms + oracle.rest_ms()
        assert not core.door.held_open
        assert core.now().lo >= self.floor

    @rule(fault=FAULTS)
    def break_the_next_write(self, fault: str) -> None:
        self.count("break_the_next_write")
        self.fault = fault

    # --- clocks ---

    @rule(by_s=TURNS_S | st.just(0))
    def harm_rtc(self, by_s: int) -> None:
        """It stands still, or somebody has opened the case and turns it: a running lock notices."""
        self.count("harm_rtc")
        if by_s:
            self.world.turn_rtc(by_s)
        else:
            self.world.stop_rtc()

    @rule(crystal=RATES_PPM, rtc=RATES_PPM)
    def drift(self, crystal: int, rtc: int) -> None:
        self.count("drift")
        self.world.crystal_ppm, self.world.rtc_ppm = crystal, rtc

    @rule(steps=st.integers(1, 20))
    def let_time_pass(self, steps: int) -> None:
        self.count("let_time_pass")
        for _ in range(steps):
            self.advance(200)

    @rule(seconds=st.sampled_from([2, 10, 31, 600, 3600, 3600, DAY_S]))
    def let_long_time_pass(self, seconds: int) -> None:
        self.count("let_long_time_pass")
        self.pass_ms(seconds * 1000)

    # --- the door ---

    @rule()
    def walk_through(self) -> None:
        self.count("walk_through")
        self.lock.push_through()
        self.advance(200)

    @rule()
    def press_exit(self) -> None:
        self.count("press_exit")
        self.may_retract = True
        self.lock.press_exit()
        self.advance(40)

    # --- the keypad ---

    @rule(
        target=PINS,
        quarters=st.sampled_from([-6, -3, -1, 0, 0, 1, 4]),
        length=st.sampled_from([1, 4, 8, 48]),
        serial=st.integers(0, 31),
        is_withdrawn=st.sampled_from([False, False, True]),
    )
    def give_pin(self, quarters: int, length: int, serial: int, is_withdrawn: bool) -> GivenPin:
        """Somebody without a smartphone, at the door a moment later."""
        self.count("give_pin")
        starts_at = (self.town.now // pin.QUARTER_S + quarters) * pin.QUARTER_S
        window, epoch = Pin(starts_at, length, serial), max(self.oracle.keyset.epochs)
        kdk = self.oracle.keyset.keys.kdk(self.town.enrolment, epoch)
        digits = pin.encode(aes(pin.pin_key(kdk)), LOCK_ID, window)
        given = GivenPin(digits, window, pin.name(LOCK_ID, window), epoch)
        if is_withdrawn:
            self.withdraw(given)
        self.enter(digits, given)
        return given

    @rule(given=PINS)
    def enter_pin(self, given: GivenPin) -> None:
        """Somebody who was given a PIN: perhaps early, late, withdrawn, or during a rest."""
        self.count("enter_pin")
        self.enter(given.digits, given)

    @rule(digits=WRONG, times=st.sampled_from([1, 1, 2, 12]), waits=st.booleans())
    def guess_pin(self, digits: int, times: int, waits: bool) -> None:
        """Somebody who was not; a patient one waits for the keypad to listen again."""
        self.count("guess_pin")
        for each in range(times):
            if waits:
                self.pass_ms(max(0, self.oracle.keypad_rests_until_ms - self.lock.now_ms))
            self.enter(f"{(digits + each) % 10**10:010d}", None)

    def enter(self, digits: str, given: GivenPin | None) -> None:
        core, at = self.lock.core, self.lock.now_ms
        core.key_pressed("*", at)
        for digit in digits[:-1]:
            assert core.key_pressed(digit, at) is None
        faulty, now = self.is_faulty(), self.now()
        closed = self.oracle.keypad_closed(at)
        reason = core.key_pressed(digits[-1], at)
        counts.COUNTS.answers[f"keypad: {reasons.name(reason) if reason else 'OK'}"] += 1
        if closed is not None or faulty:
            assert reason == (reasons.STORAGE if closed is None else closed)
            self.expect([])
            return
        attempt = (audit.PIN_ATTEMPT, 0, audit.SOURCE_KEYPAD, None, self.oracle.pin_failures + 1)
        if self.oracle.pin_opens(given, now):
            assert given is not None and reason == session.OK
            self._pin_was_right(given, attempt)
        else:
            assert reason == reasons.PIN_REFUSED
            self._pin_was_wrong(self.oracle.pin_is_near(given, now), attempt)

    def _pin_was_right(self, given: GivenPin, attempt: Any) -> None:
        if self.world.honest and self.oracle.config.door.doubt_s == 0:
            assert given.pin.starts_at <= self.world.true_s < given.pin.ends_at
        unlocked = audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_KEYPAD
        self.expect([attempt, (*unlocked, given.name, None)])
        self.oracle.pin_failures, self.may_retract = 0, True
        self.lock.carry_out()

    def _pin_was_wrong(self, is_near: bool, attempt: Any) -> None:
        failures = attempt[-1]
        alarm, source = audit.DOOR_LOCK_ALARM, audit.SOURCE_KEYPAD
        expected = [attempt]
        if failures % 10 == 0:
            expected.append((alarm, audit.ALARM_WRONG_CODE, source, None, None))
        if failures == 100:
            expected.append((alarm, audit.ALARM_KEYPAD_DISABLED, source, None, None))
        found = self.new_records()
        self.oracle.pin_failures = failures
        self.oracle.keypad_rests_until_ms = self.lock.now_ms + self.oracle.rest_ms()
        # One guess in 3,739 names a PIN of these weeks that nobody was given.
        named = found[len(expected) :]
        assert found[: len(expected)] == expected and len(named) <= 1
        assert named or not is_near
        for event, code, by, subject, _ in named:
            assert (event, code, by) == (audit.LOCK_OPERATION_ERROR, reasons.PIN_REFUSED, source)
            assert subject is not None

    @rule(data=st.data())
    def clear_keypad(self, data: st.DataObject) -> None:
        """Staff have looked at it; nobody else may."""
        self.count("clear_keypad")
        caller = self.with_session(data)
        if caller is None or caller.key is None:
            return
        faulty, rights = self.is_faulty(), self.rights(caller, tokens.MAINTAIN)
        reason, _ = self.ask(caller, session.REQUEST_CLEAR_KEYPAD, None)
        if rights != session.OK:
            assert reason == rights
            self.expect([])
        elif faulty:
            assert reason == reasons.STORAGE
            self.expect([])
        else:
            assert reason == session.OK
            cti = caller.key.token.cti
            self.expect([(audit.KEYPAD, audit.KEYPAD_CLEARED, audit.SOURCE_HOLDER, cti, None)])
            self.oracle.pin_failures = 0
            self.oracle.keypad_rests_until_ms = self.lock.now_ms

    # --- acknowledgements ---

    @rule(data=st.data(), seq=st.integers(1, 400), how=st.sampled_from(["", "", "fork", "key"]))
    def acknowledge(self, data: st.DataObject, seq: int, how: str) -> None:
        """Of what the town has seen; of another history; by another key."""
        self.count("acknowledge")
        caller = self.with_session(data)
        if caller is None:
            return
        seq = (seq - 1) % self.head_seq + 1
        record = bytes(32) if how == "fork" else audit.record_hash(self.tape[seq - 1])
        keys = self.oracle.keyset.keys
        if how == "key":
            keys = dataclasses.replace(keys, ack=keys.status)
        old = seq <= self.oracle.acked
        expected = {"fork": reasons.NOT_ALLOWED_TO_ISSUE, "key": reasons.BAD_SIGNATURE}.get(how, 0)
        if how == "key" and old:
            expected = session.OK  # nothing new, whoever says it
        self._bring_ack(caller, keys, Head(LOCK_ID, 1, seq, record), expected)

    @rule(data=st.data(), ahead=st.integers(1, 1000))
    def acknowledge_the_future(self, data: st.DataObject, ahead: int) -> None:
        """The lock was restored from an old image, or somebody lies."""
        self.count("acknowledge_the_future")
        caller = self.with_session(data)
        if caller is not None:
            head = Head(LOCK_ID, 1, self.head_seq + ahead, bytes(32))
            expected = reasons.NOT_ALLOWED_TO_ISSUE
            self._bring_ack(caller, self.oracle.keyset.keys, head, expected)

    def _bring_ack(self, caller: Caller, keys: TownKeys, head: Head, expected: int) -> None:
        faulty = self.is_faulty()
        reason, value = self.ask(caller, session.REQUEST_ACK, keys.acknowledge(head))
        assert reason == expected
        entries = []
        if reason == session.OK:
            self.oracle.acked = max(self.oracle.acked, head.seq)
            assert value == self.oracle.acked
        elif reason == reasons.NOT_ALLOWED_TO_ISSUE:
            fork = audit.DOOR_LOCK_ALARM, audit.ALARM_FORK, audit.SOURCE_NONE, None, None
            entries = [fork]
        self.expect_after(entries, faulty)

    # --- what must always be so ---

    @invariant()
    def nothing_goes_back(self) -> None:
        core, oracle = self.lock.core, self.oracle
        assert core.journal.head_seq == self.head_seq
        assert core.journal.head_hash == self.head_hash
        assert core.trust.keyset.version == oracle.keyset.version
        assert core.trust.status.version == oracle.status.version
        assert core.config.version == oracle.config.version
        assert core.journal.memory.pin_failures == oracle.pin_failures
        assert core.journal.acked_seq == oracle.acked
        assert len(self.callers) <= MAX_SLOTS
        self.now()
        closed = oracle.keypad_closed(self.lock.now_ms)
        ready = core.keypad.state(self.lock.now_ms) == lockstate.KEYPAD_READY
        assert ready == (closed is None)

    @invariant()
    def the_bolt_obeys(self) -> None:
        core = self.lock.core.door
        self.check_the_bolt()
        assert (core.drive == door.OFF) == (core.state in RESTING)
        if core.held_open:
            assert self.lock.now_ms <= self.oracle.held_until_ms + 40

    def teardown(self) -> None:
        """The whole journal once more, as an auditor reads it, after a last restart."""
        if not hasattr(self, "town"):
            return
        self.fault = ""
        self._restart()
        journal, raw = self.lock.core.journal, list[bytes]()
        while chunk := journal.read(journal.oldest_seq + len(raw), 24):
            raw += chunk
        assert raw == self.tape[journal.oldest_seq - 1 :]
