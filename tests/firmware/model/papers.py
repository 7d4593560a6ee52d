"""What the town signs and somebody carries: keysets, configurations, status lists, time, acks."""

from __future__ import annotations

import dataclasses
from typing import Any

import nacl.public
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule
from nacl.signing import SigningKey

from protocol import audit, reasons, session, statuslist
from protocol.lockconfig import DoorConfig
from simulator.town_keys import TownKeys
from tests.firmware.model.base import DAY_S, KEYS_MADE, keyset_paper, kid_of
from tests.firmware.model.oracle import (
    NOTHING,
    ConfigPaper,
    GivenPin,
    Key,
    KeysetPaper,
    StatusPaper,
)
from tests.firmware.model.people import Caller
from tests.firmware.model.visits import FORGER, GROUP, Visits
from tests.firmware.town import LOCK_ID

KEYSETS, CONFIGS, STATUSES, PINS = (Bundle(n) for n in ("keysets", "configs", "statuses", "pins"))
ROLES = ["booking", "staff", "status", "time", "config", "emergency", "ack"]
CHANGES = [*ROLES, "nothing", "new epoch", "new epoch", "drop epoch", "one root"]
DOORS = st.builds(
    DoorConfig,
    doubt_s=st.sampled_from([0, 0, 900]),
    pin_allowed=st.sampled_from([1, 1, 0]),
    relock_after_ms=st.sampled_from([500, 5000, 60000]),
    max_hold_s=st.sampled_from([0, 60, 28800]),
)
OFFSETS_S = st.sampled_from([-40 * DAY_S, -9000, -1800, -60, 60, 1800, 9000, 40 * DAY_S])
MAX_ROWS = 12
KEPT_AFTER_S = 7 * DAY_S


class Papers(Visits):
    """`newest`: the town's newest keyset; `newest_status`, `newest_config` likewise."""

    def begin_papers(self) -> None:
        self.all_keysets = [self.newest]
        self.newest_status: StatusPaper = NOTHING
        self.newest_config = self.oracle.config
        self.withdrawn: dict[bytes, int] = {}  # name -> when it ends
        self.rows: dict[tuple[bytes, str | None], int] = {}
        self.is_online = True
        self._seeds = 0

    def fresh_key(self) -> SigningKey:
        self._seeds += 1
        return SigningKey(b"%032d" % self._seeds)

    # --- keysets ---

    @rule(target=KEYSETS, change=st.sampled_from(CHANGES))
    def new_keyset(self, change: str) -> KeysetPaper:
        """The roots sign a newer keyset; told to the lock at once when the town is online."""
        self.count("new_keyset")
        self.newest = self._made(self._changed(change))
        self.all_keysets.append(self.newest)
        self._tell()
        return self.newest

    def _made(self, keys: TownKeys, **details: Any) -> KeysetPaper:
        version = self.newest.version + 1
        # The old roots sign the keyset that replaces one of them.
        signer = details.pop("signer", None) or self.newest.keys.roots[1]
        return keyset_paper(keys, version, signer=signer, issued_at=self.town.now, **details)

    def _changed(self, change: str) -> TownKeys:
        keys = self.newest.keys
        if change in ROLES:
            return dataclasses.replace(keys, **{change: self.fresh_key()})
        if change == "new epoch":
            epoch = max(keys.vaults) + 1
            kept = dict(sorted(keys.vaults.items())[-1:])
            kept[epoch] = nacl.public.PrivateKey(bytes(self.fresh_key()))
            return dataclasses.replace(keys, vaults=kept)
        if change == "drop epoch":
            return dataclasses.replace(keys, vaults=dict(sorted(keys.vaults.items())[-1:]))
        if change == "one root":
            return dataclasses.replace(keys, roots=(keys.roots[1], self.fresh_key()))
        return keys

    @rule(target=KEYSETS, how=st.sampled_from(["both roots", "stranger", "town", "booking key"]))
    def bad_keyset(self, how: str) -> KeysetPaper:
        """What no lock may take."""
        self.count("bad_keyset")
        paper = self._bad_keyset(how)
        self._offer(self._bring_keyset, paper)
        return paper

    def _offer(self, bring: Any, paper: Any) -> None:
        """A gateway carries one paper in a session of its own."""
        caller = self.keeper()
        if caller.is_open:
            bring(caller, paper)
        self.leave(caller)

    def _bad_keyset(self, how: str) -> KeysetPaper:
        keys = self.newest.keys
        if how == "both roots":
            return self._made(dataclasses.replace(keys, roots=(self.fresh_key(), self.fresh_key())))
        if how == "town":
            return self._made(keys, town="elsewhere")
        return self._made(keys, signer=FORGER if how == "stranger" else keys.booking)

    @rule(data=st.data(), paper=KEYSETS)
    def carry_keyset(self, data: st.DataObject, paper: KeysetPaper) -> None:
        """Whoever comes brings whatever keyset they have."""
        self.count("carry_keyset")
        caller = self.with_session(data)
        if caller is not None:
            self._bring_keyset(caller, paper)
            self._bring_keyset(caller, paper)

    def _bring_keyset(self, caller: Caller, paper: KeysetPaper) -> None:
        faulty, expected = self.is_faulty(), self.oracle.keyset_answer(paper)
        newer = expected == session.OK and paper.version > self.oracle.keyset.version
        if newer:
            self.checked.clear()  # what was checked under the old one is forgotten
            self.oracle.keyset = paper
        reason, value = self.ask(caller, session.REQUEST_KEYSET, paper.raw)
        held = self.oracle.keyset.version
        assert (reason, value) == (expected, held if expected == session.OK else None)
        told = [(audit.KEYSET, held, audit.SOURCE_NONE, None, None)]
        self.expect_after(told if newer else [], faulty)

    # --- configurations ---

    @rule(target=CONFIGS, door=DOORS, grouped=st.booleans())
    def configure(self, door: DoorConfig, grouped: bool) -> ConfigPaper:
        self.count("configure")
        groups = (GROUP,) if grouped else ()
        self.newest_config = self._config(self.newest.keys.config, groups, door)
        self._tell()
        self.visit(self.for_group(-600, 3600), session.COMMAND_UNLOCK)
        self.visit(self.issue(0, 3600), session.COMMAND_UNLOCK)  # at the edge of its window
        return self.newest_config

    @rule(target=CONFIGS, how=st.sampled_from(["booking key", "other lock"]))
    def bad_configuration(self, how: str) -> ConfigPaper:
        self.count("bad_configuration")
        keys = self.newest.keys
        if how == "other lock":
            paper = self._config(keys.config, (GROUP,), DoorConfig(), "bbbbbbbb")
        else:
            paper = self._config(keys.booking, (GROUP,), DoorConfig())
        self._offer(self._bring_config, paper)
        return paper

    def _config(
        self, signer: SigningKey, groups: tuple[str, ...], door: DoorConfig, lock_id: str = LOCK_ID
    ) -> ConfigPaper:
        version = self.newest_config.version + 1
        keys = dataclasses.replace(self.newest.keys, config=signer)
        raw = keys.config_document(lock_id, version, door, list(groups), self.town.now)
        return ConfigPaper(raw, version, bytes(signer.verify_key), lock_id, groups, door)

    @rule(data=st.data(), paper=CONFIGS)
    def carry_configuration(self, data: st.DataObject, paper: ConfigPaper) -> None:
        self.count("carry_configuration")
        caller = self.with_session(data)
        if caller is not None:
            self._bring_config(caller, paper)
            self._bring_config(caller, paper)

    def _bring_config(self, caller: Caller, paper: ConfigPaper) -> None:
        faulty, expected = self.is_faulty(), self.oracle.config_answer(paper)
        newer = expected == session.OK and paper.version > self.oracle.config.version
        if newer:
            self.oracle.config = paper
        reason, value = self.ask(caller, session.REQUEST_CONFIG, paper.raw)
        held = self.oracle.config.version
        assert (reason, value) == (expected, held if expected == session.OK else None)
        told = [(audit.CONFIG, held, audit.SOURCE_NONE, None, None)]
        self.expect_after(told if newer else [], faulty)

    # --- status lists ---

    @rule(target=STATUSES, key=KEYS_MADE)
    def cancel(self, key: Key) -> StatusPaper:
        """Withdraw one key, told to the lock at once when the town is online; its holder comes."""
        self.count("cancel")
        self.withdrawn[key.token.cti] = key.token.expires_at
        paper = self._publish()
        self.visit(key, session.COMMAND_UNLOCK)
        return paper

    @rule(
        target=STATUSES,
        how=st.sampled_from(["booking", "booking", "staff", "emergency"]),
        audience=st.sampled_from([None, LOCK_ID, GROUP]),
        ago=st.sampled_from([0, 0, 600, DAY_S]),
        key=KEYS_MADE,
    )
    def revoke_all(self, how: str, audience: str | None, ago: int, key: Key) -> StatusPaper:
        """min_iat: everything that a key issued, for an audience or all, before a moment."""
        self.count("revoke_all")
        self.pass_ms(2000)
        row = kid_of(getattr(self.newest.keys, how)), audience
        if row in self.rows or len(self.rows) < MAX_ROWS:
            self.rows[row] = max(self.rows.get(row, 0), self.town.now - ago)
        paper = self._publish()
        self.visit(key, session.COMMAND_UNLOCK)
        return paper

    def _publish(self) -> StatusPaper:
        kept_s = 0
        if self.newest_status.version % 3 == 2:  # now and then the town drops what is past
            kept_s = (self.town.now - KEPT_AFTER_S) // 3600 * 3600
        kept_s = max(kept_s, self.newest_status.kept_from_s)
        self.withdrawn = {name: end for name, end in self.withdrawn.items() if end > kept_s - 3600}
        self.newest_status = self._status(self.newest.keys, kept_s)
        self._tell()
        return self.newest_status

    def _status(self, keys: TownKeys, kept_s: int) -> StatusPaper:
        version, now = self.newest_status.version + 1, self.town.now
        rows = [(kid, audience, iat) for (kid, audience), iat in self.rows.items()]
        raw, entries = keys.status_list(
            LOCK_ID, version, now, list(self.withdrawn.items()), rows, kept_s // 3600
        )
        header = statuslist.parse(raw)[1]
        kept = statuslist.in_memory(header, entries)
        names = frozenset(name for name in self.withdrawn if kept.lists(name))
        signer = bytes(keys.status.verify_key)
        return StatusPaper(raw, entries, version, signer, now, kept_s, names, dict(self.rows))

    @rule(target=STATUSES, how=st.sampled_from(["booking key", "gives back"]))
    def bad_status(self, how: str) -> StatusPaper:
        """A list under an issuer's key, or one by a thief who forgets every row of min_iat."""
        self.count("bad_status")
        keys, rows = self.newest.keys, self.rows
        if how == "booking key":
            keys = dataclasses.replace(keys, status=keys.booking)
        else:
            self.rows = {}
        paper = self._status(keys, self.newest_status.kept_from_s)
        self.rows = rows
        self._offer(self._bring_status, paper)
        return paper

    @rule(
        data=st.data(),
        paper=STATUSES,
        parts=st.integers(1, 3),
        stops=st.sampled_from(["", "", "leaves", "rotates"]),
    )
    def carry_status(self, data: st.DataObject, paper: StatusPaper, parts: int, stops: str) -> None:
        """In parts, from any outbox; midway the carrier leaves, or brings a new status key."""
        self.count("carry_status")
        caller = self.with_session(data)
        if caller is None:
            return
        self._bring_status(caller, paper, parts, not stops)
        if stops == "rotates":
            self.newest = self._made(self._changed("status"))
            self.all_keysets.append(self.newest)
            self._bring_keyset(caller, self.newest)
            self._bring_status(caller, paper, parts)

    def _bring_status(
        self, caller: Caller, paper: StatusPaper, parts: int = 1, all_of_it: bool = True
    ) -> None:
        size = max(8, len(paper.entries) // parts // 8 * 8)
        offset = 0
        while True:
            piece = paper.entries[offset : offset + size]
            reason, value = self._status_answer(caller, paper, offset, piece)
            if reason != session.OK or value[0] is None or not all_of_it:
                return
            # A part that does not fit where the list stands is answered with the offset wanted.
            assert offset == 0 or value[0] == offset + len(piece)
            offset = value[0]

    def _status_answer(
        self, caller: Caller, paper: StatusPaper, offset: int, piece: bytes
    ) -> tuple[int, Any]:
        faulty, expected = self.is_faulty(), self.oracle.status_answer(paper, self.now())
        newer = paper.version > self.oracle.status.version
        reason, value = self.ask(caller, session.REQUEST_STATUS_PART, [paper.raw, offset, piece])
        assert reason == expected
        entries = []
        if reason == session.OK and value[0] is None and newer:
            self.oracle.status = paper
            entries = [(audit.STATUS_LIST, paper.version, audit.SOURCE_NONE, None, None)]
        assert reason != session.OK or value[1] == self.oracle.status.version
        assert reason != session.OK or newer or value[0] is None
        self.expect_after(entries, faulty)
        return reason, value

    @rule(data=st.data(), base=STATUSES, paper=STATUSES)
    def carry_delta(self, data: st.DataObject, base: StatusPaper, paper: StatusPaper) -> None:
        """What is new since a version that the carrier believes the lock to hold."""
        self.count("carry_delta")
        caller = self.with_session(data)
        if caller is None or base.version >= paper.version:
            return
        faulty, expected = self.is_faulty(), self.oracle.status_answer(paper, self.now())
        newer = paper.version > self.oracle.status.version
        if newer and expected != reasons.MALFORMED and base.version != self.oracle.status.version:
            expected = reasons.OTHER_BASE
        old = _split(base.entries)
        additions = b"".join(each for each in _split(paper.entries) if each not in old)
        argument = [paper.raw, base.version, additions]
        reason, value = self.ask(caller, session.REQUEST_STATUS_DELTA, argument)
        is_base = base == self.oracle.status  # two may bear one version: the town's, and a forgery
        assert reason == expected or (newer and not is_base)
        entries = []
        if reason == session.OK and newer:
            self.oracle.status = paper
            entries = [(audit.STATUS_LIST, paper.version, audit.SOURCE_NONE, None, None)]
        self.expect_after(entries, faulty)

    # --- on and off ---

    @rule()
    def go_offline(self) -> None:
        self.count("go_offline")
        self.is_online = False

    @rule()
    def come_online(self) -> None:
        self.count("come_online")
        self.is_online = True
        self._tell()

    def _tell(self) -> None:
        """A gateway carries everything that is news: keysets first, in their order."""
        if not self.is_online:
            return
        caller = self.keeper()
        for paper in self.all_keysets:
            if caller.is_open and paper.version > self.oracle.keyset.version:
                self._bring_keyset(caller, paper)
        if caller.is_open and self.newest_config.version:
            self._bring_config(caller, self.newest_config)
        if caller.is_open and self.newest_status.version:
            self._bring_status(caller, self.newest_status)
        self.leave(caller)

    # --- time ---

    @rule(
        data=st.data(), error_s=st.sampled_from([1, 5, 60]), late_ms=st.sampled_from([0, 900, 9000])
    )
    def bring_time(self, data: st.DataObject, error_s: int, late_ms: int) -> None:
        """An honest answer, perhaps late, and the same once more."""
        self.count("bring_time")
        caller = self.with_session(data)
        if caller is None:
            return
        known = self._time_key_is_known()
        raw = self._time_answer(caller, self.world.true_s, error_s)
        if late_ms:
            self.pass_ms(late_ms)
        if not caller.is_open:
            return
        fresh = caller.nonce is not None
        reason, _ = self._bring_answer(caller, session.REQUEST_TIME, raw)
        if fresh and known and self.world.honest:
            assert reason == session.OK
            assert self.now().doubt <= 2 * error_s + late_ms // 1000 + 32
        if known and reason == session.OK:
            assert self._bring_answer(caller, session.REQUEST_TIME, raw)[0] == reasons.TIME_REJECTED

    def _time_answer(
        self, caller: Caller, t: int, error_s: int, nonce: bytes | None = None
    ) -> bytes:
        nonce = nonce or caller.nonce or bytes(16)
        return self.newest.keys.time_answer(LOCK_ID, nonce, t, error_s)

    def _time_key_is_known(self) -> bool:
        return self.newest.keys.time is self.oracle.keyset.keys.time

    def _bring_answer(self, caller: Caller, operation: int, raw: bytes) -> tuple[int, Any]:
        """Whatever the lock makes of it; an answer to this nonce counts once."""
        fresh = caller.nonce is not None
        reason, value = self.ask(caller, operation, raw)
        if reason not in (reasons.BAD_SIGNATURE, reasons.MALFORMED, reasons.WRONG_LOCK) and fresh:
            caller.nonce = None
        assert fresh or reason != session.OK
        if not self.world.honest or not self.rtc_follows():
            self.world.may_alarm = True
        self.expect([])
        return reason, value

    def rtc_follows(self) -> bool:
        """Whether the RTC shows the truth, more or less."""
        reading = self.world.rtc.read()
        return reading is None or abs(reading - self.world.true_s) < 3600

    @rule(data=st.data(), how=st.sampled_from(["key", "nonce", "lock", "stale key"]))
    def bring_false_time(self, data: st.DataObject, how: str) -> None:
        self.count("bring_false_time")
        caller = self.with_session(data)
        if caller is None or caller.nonce is None:
            return
        keys, t = self.newest.keys, self.world.true_s + 600
        if how == "key":
            keys = dataclasses.replace(keys, time=keys.booking)
        elif how == "stale key" and not self._time_key_is_known():
            keys = self.newest.keys
        elif how == "stale key":
            keys = dataclasses.replace(keys, time=FORGER)
        lock_id = "bbbbbbbb" if how == "lock" else LOCK_ID
        nonce = bytes(16) if how == "nonce" else caller.nonce
        reason, _ = self.ask(caller, session.REQUEST_TIME, keys.time_answer(lock_id, nonce, t, 1))
        expected = {"lock": reasons.WRONG_LOCK, "nonce": reasons.TIME_REJECTED}
        assert reason == expected.get(how, reasons.BAD_SIGNATURE)
        self.expect([])

    @rule(data=st.data(), by_s=OFFSETS_S)
    def steal_the_time_key(self, data: st.DataObject, by_s: int) -> None:
        """A healthy clock bears no lie of more than an hour."""
        self.count("steal_the_time_key")
        caller = self.with_session(data)
        if caller is None or caller.nonce is None or not self._time_key_is_known():
            return
        before, honest = self.now(), self.world.honest
        self.world.may_alarm = True
        raw = self._time_answer(caller, self.world.true_s + by_s, 1)
        reason, _ = self._bring_answer(caller, session.REQUEST_TIME, raw)
        if reason == session.OK:
            self.world.lied_to()
            knew = honest and before.doubt < 600
            assert not knew or abs(by_s) < 3600 + 600
            assert by_s > 0 or self.lock.core.now().lo >= before.lo
        else:
            assert reason == reasons.TIME_REJECTED

    @rule(data=st.data(), genuine=st.sampled_from([True, True, False]))
    def reset_time(self, data: st.DataObject, genuine: bool) -> None:
        """A root sets everything right, also a floor that is too high."""
        self.count("reset_time")
        caller = self.with_session(data)
        if caller is None or caller.nonce is None:
            return
        self.fault = ""
        keys = self.oracle.keyset.keys
        if not genuine:
            keys = dataclasses.replace(keys, roots=(keys.time, keys.time))
        raw = keys.time_reset(LOCK_ID, caller.nonce, self.world.true_s, 1)
        if genuine:
            self.world.was_reset()
            self.lowest_lo = 0
        reason, _ = self._bring_answer(caller, session.REQUEST_TIME_RESET, raw)
        assert reason == (session.OK if genuine else reasons.BAD_SIGNATURE)
        assert not genuine or self.now().doubt <= 2 * 1 + 32

    @rule(command=st.sampled_from([session.COMMAND_UNLOCK, session.COMMAND_LOCK]))
    def live_booker_with_a_path(self, command: int) -> None:
        """Whatever the clock says: with signed time, and a root's if need be, a booker gets in."""
        self.count("live_booker_with_a_path")
        if not self._time_key_is_known():
            return
        self.fault = ""
        caller, key = self.arrive(185), self.issue(-7200, 7200)
        reason = self.present_to(caller, key, command)
        if reason is not None and reason != session.OK:
            assert reason in session.OPEN_FOR_DOCUMENTS
            raw = self._time_answer(caller, self.world.true_s, 2)
            if self._bring_answer(caller, session.REQUEST_TIME, raw)[0] != session.OK:
                assert not self.world.honest
            assert self.answer_again(caller, key, command) == session.OK or not self.world.honest
        self.leave(caller)

    def answer_again(self, caller: Caller, key: Key, command: int) -> int | None:
        """On the same connection, in a new session."""
        assert caller.may_greet
        return self.present_to(caller, key, command)

    # --- PINs are withdrawn ---

    @rule(target=STATUSES, given=PINS)
    def withdraw_pin(self, given: GivenPin) -> StatusPaper:
        self.count("withdraw_pin")
        return self.withdraw(given)

    def withdraw(self, given: GivenPin) -> StatusPaper:
        self.withdrawn[given.name] = given.pin.ends_at
        return self._publish()


def _split(entries: bytes) -> list[bytes]:
    return [entries[at : at + 8] for at in range(0, len(entries), 8)]
