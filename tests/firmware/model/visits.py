"""People at the door, those who speak through a gateway, and attackers on the air."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule
from nacl.signing import SigningKey

from protocol import audit, cose, frames, lockstate, reasons, session
from protocol import token as tokens
from protocol.holder import Credential
from protocol.token import Weekly
from simulator.town_keys import aes
from simulator.virtual.lock import verify_signature
from tests.firmware.model.base import DAY_S, KEYS_MADE, LockModel
from tests.firmware.model.oracle import Key
from tests.firmware.model.people import Caller
from tests.firmware.town import ALL, LOCK_ID

FORGER = SigningKey(b"F" * 32)
GROUP = "+gggggggg"
MTUS = st.sampled_from([23, 24, 50, 185, 247, 517])
COMMANDS = st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6, 0, 7, 99, (1 << 64) - 1])
LENGTHS = st.sampled_from([1, 600, 3600, 4 * DAY_S, 99 * DAY_S]) | st.integers(1, 7200)
WINDOWS = st.tuples(st.sampled_from([-7200, -600, -600, -1, 0, 1, 600]), LENGTHS)
HOLDS = tokens.UNLOCK | tokens.HOLD_OPEN | tokens.EVACUATE
PERMISSIONS = st.sampled_from(
    [ALL, tokens.UNLOCK, tokens.UNLOCK_REMOTE, tokens.MAINTAIN, HOLDS, 127]
)
WEEKS = st.builds(
    lambda offset, first, length: Weekly(
        offset, [((first + each * 1440) % 10080, length) for each in range(0, 7, 2)]
    ),
    st.sampled_from([0, 540, -300]),
    st.integers(0, 10079),
    st.sampled_from([30, 120, 1400]),
)
FLAWS = ["forged", "too long", "status key", "emergency group"]
UNPROVEN = ["other lock", "other epoch", "stranger", "stolen"]
RECORDED = Bundle("recorded")


class Visits(LockModel):
    """Bookings, presentations, requests, attacks."""

    # --- the town gives out keys ---

    def usual_keys(self) -> Any:
        permissions = (ALL, tokens.UNLOCK, tokens.MAINTAIN, 127)
        return multiple(*(self.issue(-60, 30 * DAY_S, permissions=p) for p in permissions))

    @rule(target=KEYS_MADE, window=WINDOWS, permissions=PERMISSIONS, command=COMMANDS)
    def book(self, window: tuple[int, int], permissions: int, command: int) -> Key:
        """A booking made a moment ago, and its holder at the door."""
        self.count("book")
        begins, length = window
        key = self.issue(begins, begins + length, permissions=permissions)
        self.visit(key, command)
        return key

    @rule(target=KEYS_MADE)
    def book_ahead_of_the_lock(self) -> Key:
        """By the newest keys, of which the lock may not have heard."""
        self.count("book_ahead_of_the_lock")
        key = self.issue(-600, 3600, newest=True)
        self.visit(key, session.COMMAND_UNLOCK)
        return key

    @rule(
        target=KEYS_MADE,
        window=WINDOWS,
        how=st.sampled_from(["group", "weekly", "weekly", "once", "emergency", "staff"]),
        week=WEEKS,
        command=COMMANDS,
    )
    def book_otherwise(self, window: tuple[int, int], how: str, week: Weekly, command: int) -> Key:
        self.count("book_otherwise")
        key = self._unusual(window[0], sum(window), how, week)
        self.visit(key, command)
        if key.token.once:
            self.visit(key, session.COMMAND_LOCK)
            self.visit(key, command)
        return key

    def _unusual(self, begins: int, ends: int, how: str, week: Weekly) -> Key:
        if how == "group":
            return self.for_group(begins, ends)
        if how == "weekly":
            return self.issue(begins - 8 * DAY_S, ends + 20 * DAY_S, weekly=week)
        if how == "once":
            return self.issue(begins, ends, permissions=HOLDS | ALL, once=True)
        return self.issue(begins, ends, how, permissions=127)

    def for_group(self, begins: int, ends: int, how: str = "booking") -> Key:
        return self.issue(begins, ends, how, audience=GROUP)

    @rule(
        target=KEYS_MADE,
        length=st.sampled_from([30, 600, 9 * 3600]),
        command=st.sampled_from([session.COMMAND_HOLD_OPEN, session.COMMAND_EVACUATE]),
    )
    def hold_open(self, length: int, command: int) -> Key:
        """For an event: no longer than the key, and not in doubt about the time."""
        self.count("hold_open")
        key = self.issue(-60, length, permissions=HOLDS)
        self.visit(key, command)
        return key

    @rule(target=KEYS_MADE, key=KEYS_MADE, by=st.integers(1, 7200))
    def extend(self, key: Key, by: int) -> Key:
        """A new token for the same booking; the old one goes on to its own end."""
        self.count("extend")
        old, now = key.token, self.town.now
        begins, ends = old.not_before - now, old.expires_at + by - now
        if ends - begins > 99 * DAY_S:
            return key
        return self.issue(begins, ends, permissions=old.permissions)

    @rule(target=KEYS_MADE, kind=st.sampled_from(FLAWS + UNPROVEN))
    def make_bad(self, kind: str) -> Key:
        """Keys that no honest town gives out."""
        self.count("make_bad")
        for usual in ("forged", "stolen"):
            self.visit(self._bad(usual), session.COMMAND_UNLOCK)
        key = self._bad(kind)
        self.visit(key, session.COMMAND_UNLOCK)
        return key

    def _bad(self, kind: str) -> Key:
        if kind == "forged":
            return self.issue(-60, 3600, forger=FORGER)
        if kind == "too long":
            return self.issue(-60, 101 * DAY_S)
        if kind == "status key":
            return self.issue(-60, 3600, "status")
        if kind == "emergency group":
            return self.for_group(-60, 3600, "emergency")
        if kind == "other lock":
            return self.issue(-60, 3600, audience="bbbbbbbb")
        if kind == "other epoch":
            return self.issue(-60, 3600, epoch=255)
        if kind == "stranger":
            return self.issue(-60, 3600, claimed=FORGER, forger=FORGER)
        made = self.issue(-60, 3600)
        return Key(
            Credential(made.credential.raw_token, {LOCK_ID: bytes(32)}), made.kid, stolen=True
        )

    # --- people at the door ---

    @rule(visits=st.lists(st.tuples(KEYS_MADE, COMMANDS, MTUS), min_size=1, max_size=4))
    def present(self, visits: list[tuple[Key, int, int]]) -> None:
        """People come one after the other."""
        self.count("present")
        for key, command, mtu in visits:
            self.visit(key, command, mtu)

    @rule(key=KEYS_MADE, command=COMMANDS)
    def present_twice(self, key: Key, command: int) -> None:
        """The second time the token is remembered; a single opening is spent."""
        self.count("present_twice")
        self.visit(key, command)
        self.visit(key, command)

    @rule(target=RECORDED, key=KEYS_MADE, command=COMMANDS, mtu=MTUS)
    def present_and_stay(self, key: Key, command: int, mtu: int) -> bytes:
        """The connection stays, so that others come between; what was said is on tape."""
        self.count("present_and_stay")
        caller = self.arrive(mtu)
        self.present_to(caller, key, command)
        return caller.peer.sent or b"\x03nothing was said"

    @rule(mtu=MTUS)
    def connect(self, mtu: int) -> None:
        self.count("connect")
        self.arrive(mtu)

    @rule(data=st.data())
    def greet(self, data: st.DataObject) -> None:
        """Also a second time, after documents were brought, and nested in a keeper's link."""
        self.count("greet")
        self.greet_by(self._someone(data))

    @rule(data=st.data(), key=KEYS_MADE, command=COMMANDS)
    def answer(self, data: st.DataObject, key: Key, command: int) -> None:
        """Whoever was challenged, or not, presents now."""
        self.count("answer")
        self.answer_by(self._someone(data), key, command)

    @rule(data=st.data(), key=KEYS_MADE, command=COMMANDS)
    def nest(self, data: st.DataObject, key: Key, command: int) -> None:
        """A phone speaks through a housekeeper's link: whatever it says is remote."""
        self.count("nest")
        keepers = [caller for caller in self.callers if caller.is_keeper and caller.is_there]
        caller = data.draw(st.sampled_from(keepers)) if keepers else self.keeper()
        if caller.is_there and caller.is_keeper:
            self.greet_by(caller)
            self.answer_by(caller, key, command)

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """The phone walks out of reach, in whatever state it is."""
        self.count("drop")
        self.leave(self._someone(data))

    # --- requests ---

    @rule(data=st.data(), first=st.integers(0, 400), most=st.integers(0, 12))
    def read_audit(self, data: st.DataObject, first: int, most: int) -> None:
        """Whoever has a session carries sealed records home; they are those of the journal."""
        self.count("read_audit")
        caller = self.with_session(data)
        if caller is None or caller.key is None:
            return
        first, epoch = first % (self.head_seq + 2), caller.key.token.epoch
        reason, value = self.ask(caller, session.REQUEST_AUDIT, [first, most])
        if epoch not in self.oracle.keyset.epochs:
            assert (reason, value) == (reasons.UNKNOWN_ISSUER, None)
            return
        assert reason == session.OK
        kdk = self.oracle.keyset.keys.kdk(self.town.enrolment, epoch)
        records = audit.unpack(aes, kdk, *value)
        begins = max(first, 1)
        assert records == self.tape[begins - 1 : begins - 1 + min(most, 8)]
        self.expect([])

    @rule(data=st.data())
    def ask_state(self, data: st.DataObject) -> None:
        self.count("ask_state")
        caller = self.with_session(data)
        if caller is None:
            return
        rights = self.rights(caller)
        reason, state = self.ask(caller, session.REQUEST_STATE, None)
        assert reason == rights
        if reason == session.OK:
            oracle, now = self.oracle, self.now()
            assert state[lockstate.STATE_ACKED_SEQ] == oracle.acked
            assert state[lockstate.STATE_HEAD_SEQ] == self.head_seq
            assert state[lockstate.STATE_KEYSET_VERSION] == oracle.keyset.version
            assert state[lockstate.STATE_TIME_LO] == now.lo
            assert state[lockstate.STATE_HELD_OPEN] == self.lock.core.door.held_open
        self.expect([])

    @rule(data=st.data())
    def ask_head(self, data: st.DataObject) -> None:
        """The lock signs where its journal stands, for this nonce alone."""
        self.count("ask_head")
        caller = self.with_session(data)
        if caller is None:
            return
        nonce, rights = self.town.random_bytes(16), self.rights(caller)
        reason, value = self.ask(caller, session.REQUEST_HEAD, nonce)
        assert reason == rights
        if reason == session.OK:
            self._check_head(value, nonce)
        assert self.ask(caller, session.REQUEST_HEAD, nonce[1:])[0] != session.OK
        self.expect([])

    def _check_head(self, document: bytes, nonce: bytes) -> None:
        signed = cose.decode(document)
        to_sign = signed.signed_bytes(audit.HEAD_CONTEXT)
        assert verify_signature(self.lock.signing_key, to_sign, signed.signature)
        head, said = audit.decode_head(signed.payload)
        assert (head.seq, head.record_hash, said) == (self.head_seq, self.head_hash, nonce)

    @rule(data=st.data(), key=KEYS_MADE)
    def bring_ahead(self, data: st.DataObject, key: Key) -> None:
        """A gateway lets the lock check a token before its holder comes."""
        self.count("bring_ahead")
        caller = self.with_session(data)
        if caller is None or caller.key is None:
            return
        raw, rights = key.credential.raw_token, self.rights(caller, tokens.MAINTAIN)
        reason, _ = self.ask(caller, session.REQUEST_TOKEN, raw)
        if rights != session.OK:
            assert reason == rights
        elif key.token.audience not in (LOCK_ID, *self.oracle.config.groups):
            assert reason == reasons.WRONG_LOCK
        elif key.kid not in self.oracle.keyset.roles:
            assert reason == reasons.UNKNOWN_ISSUER
        else:
            is_forged = key.forged
            assert reason == (reasons.BAD_SIGNATURE if is_forged else session.OK)
        self.expect([])

    @rule(data=st.data(), operation=st.sampled_from([0, 3, 4, 5, 6, 7, 8, 9, 13, 77]))
    def ask_nonsense(self, data: st.DataObject, operation: int) -> None:
        self.count("ask_nonsense")
        caller = self.with_session(data)
        if caller is not None:
            nonsense = data.draw(st.sampled_from([None, [], b"", [b"", 0, b""], {1: 2}]))
            reason, value = self.ask(caller, operation, nonsense)
            assert (reason, value) == (reasons.MALFORMED, None)
            self.expect([])

    # --- attackers ---

    @rule(data=st.data(), tape=RECORDED)
    def replay(self, data: st.DataObject, tape: bytes) -> None:
        self.count("replay")
        self.attack_by(self._someone(data), tape)

    @rule(data=st.data())
    def reflect(self, data: st.DataObject) -> None:
        """Something that the lock said to anyone, sent back to it."""
        self.count("reflect")
        caller = self._someone(data)
        said = [message for other in self.callers for message in other.said]
        if not said:
            self.greet_by(caller)
            said = caller.said
        if said:
            self.attack_by(caller, data.draw(st.sampled_from(said)))

    @rule(
        data=st.data(),
        key=KEYS_MADE,
        command=COMMANDS,
        at=st.integers(0, 400),
        bit=st.integers(0, 7),
    )
    def tamper(self, data: st.DataObject, key: Key, command: int, at: int, bit: int) -> None:
        """A genuine presentation with one bit turned on the way."""
        self.count("tamper")
        challenged = [c for c in self.callers if c.is_there and c.challenge]
        caller = data.draw(st.sampled_from(challenged)) if challenged else self._someone(data)
        if not challenged and caller.may_greet:
            self.greet_by(caller)
        if caller.challenge:
            message = bytearray(caller.presentation(key, command))
            message[at % len(message)] ^= 1 << bit
            self.attack_by(caller, bytes(message))

    @rule(data=st.data(), fragment=st.binary(max_size=40) | st.binary(min_size=200, max_size=600))
    def throw_garbage(self, data: st.DataObject, fragment: bytes) -> None:
        """Any fragment; those that make a greeting are another rule's."""
        self.count("throw_garbage")
        if fragment[1:2] != bytes([session.HELLO]):
            caller = self._someone(data)
            caller.peer.received.clear()
            caller.peer.write(fragment[: frames.MAX_FRAGMENT_BYTES])
            caller.heard()
            self.nothing_happened()

    # --- helpers ---

    def visit(self, key: Key, command: int, mtu: int = 247) -> None:
        """Somebody comes, presents a key, and goes."""
        caller = self.arrive(mtu)
        self.present_to(caller, key, command)
        self.leave(caller)

    def _someone(self, data: st.DataObject) -> Caller:
        """Any open connection; a new one when there is none."""
        return data.draw(st.sampled_from(self.callers)) if self.callers else self.arrive(185)

    def with_session(self, data: st.DataObject) -> Caller | None:
        """Somebody whose session is open; a keeper when there is nobody; None: no slot is free."""
        able = [caller for caller in self.callers if caller.is_open]
        caller = data.draw(st.sampled_from(able)) if able else self.keeper()
        return caller if caller.is_open else None
