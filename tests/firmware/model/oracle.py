"""What the lock must say and record: keys, papers, revocations, and nothing of how a lock works.

Decides the one reason that must come for each presentation and each PIN, given the interval that
the lock announces as its time, and the journal entries that go with it. Knows the town's intentions
from the keys and papers it made, not from their bytes. Whether that interval is right is checked
against the true time, in world.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol import audit, keyset, reasons, session
from protocol import token as tokens
from protocol.holder import Credential
from protocol.lockconfig import DoorConfig
from protocol.pin import Pin
from protocol.timebound import FOREVER, TimeBound
from simulator.town_keys import TownKeys
from tests.firmware.town import LOCK_ID

NEEDS = {
    session.COMMAND_UNLOCK: tokens.UNLOCK,
    session.COMMAND_UNLOCK_REMOTE: tokens.UNLOCK_REMOTE,
    session.COMMAND_LOCK: tokens.LOCK,
    session.COMMAND_SYNC: tokens.MAINTAIN,
    session.COMMAND_HOLD_OPEN: tokens.HOLD_OPEN,
    session.COMMAND_EVACUATE: tokens.EVACUATE,
}
OPERATIONS = {
    session.COMMAND_UNLOCK: audit.OPERATION_UNLOCK,
    session.COMMAND_UNLOCK_REMOTE: audit.OPERATION_UNLOCK,
    session.COMMAND_LOCK: audit.OPERATION_LOCK,
    session.COMMAND_HOLD_OPEN: audit.OPERATION_HOLD_OPEN,
    session.COMMAND_EVACUATE: audit.OPERATION_EVACUATE,
}
ISSUERS = (keyset.ROLE_BOOKING, keyset.ROLE_STAFF, keyset.ROLE_EMERGENCY)
LONGEST_S = 100 * 86400
WEEK_S = 7 * 86400
MONDAY_S = 4 * 86400
RESTS_S = {3: 60, 4: 300, 5: 900}
NEAR_S = 31 * 86400
REFUSED_WITHIN_MS = 600_000 + 60_100  # the lock looks once a minute whether they are over
Entry = tuple[int, int, int, bytes | None, int | None]  # event, code, source, subject, value


@dataclass(frozen=True)
class Key:
    """A credential, and what is wrong with it beyond what it says."""

    credential: Credential
    kid: bytes
    forged: bool = False
    stolen: bool = False  # without its proof key

    @property
    def token(self) -> tokens.Token:
        return self.credential.token


@dataclass(frozen=True)
class KeysetPaper:
    """A keyset that somebody signed: `keys` are the private halves behind it."""

    raw: bytes
    version: int
    signer: bytes
    town: str
    roots: tuple[bytes, bytes]
    roles: dict[bytes, int]
    epochs: frozenset[int]
    keys: TownKeys


@dataclass(frozen=True)
class ConfigPaper:
    raw: bytes
    version: int
    signer: bytes
    lock_id: str
    groups: tuple[str, ...]
    door: DoorConfig


@dataclass(frozen=True)
class StatusPaper:
    """What it withdraws: names, and by (kid, audience) what was issued before a second."""

    raw: bytes
    entries: bytes
    version: int
    signer: bytes
    issued_at: int
    kept_from_s: int
    names: frozenset[bytes]
    rows: dict[tuple[bytes, str | None], int]


@dataclass(frozen=True)
class GivenPin:
    digits: str
    pin: Pin
    name: bytes
    epoch: int


NOTHING = StatusPaper(b"", b"", 0, b"", 0, 0, frozenset(), {})
FACTORY = ConfigPaper(b"", 0, b"", LOCK_ID, (), DoorConfig())


def windows(token: tokens.Token, t: int) -> list[tuple[int, int]]:
    """Every window of the token that ends after `t`, as far as two weeks ahead, in order."""
    if token.weekly is None:
        return [(token.not_before, token.expires_at)]
    t = max(t, token.not_before)
    shift = token.weekly.utc_offset_minutes * 60
    week = (t + shift - MONDAY_S) // WEEK_S * WEEK_S + MONDAY_S - shift
    found = []
    for monday in (week - WEEK_S, week, week + WEEK_S):
        for start, length in token.weekly.windows:
            begins = max(monday + start * 60, token.not_before)
            ends = min(monday + (start + length) * 60, token.expires_at)
            if begins < ends and ends > t:
                found.append((begins, ends))
    return sorted(found)


def is_open(token: tokens.Token, t: int) -> bool:
    """Whether the token is good at this very second."""
    return any(begins <= t < ends for begins, ends in windows(token, t))


def window(token: tokens.Token, t: int) -> tuple[int, int] | None:
    """The window that counts: the one open, else the next; None when all are past."""
    left = [each for each in windows(token, t) if each[1] > t]
    return left[0] if left else None


@dataclass
class Oracle:
    """What the lock must hold: papers, marks, failures."""

    keyset: KeysetPaper
    config: ConfigPaper = FACTORY
    status: StatusPaper = NOTHING
    spent: dict[bytes, int] = field(default_factory=dict)
    pin_failures: int = 0
    acked: int = 0
    keypad_rests_until_ms: int = 0
    held_until_ms: int = -1
    refused: list[tuple[int, bytes]] = field(default_factory=list)  # (when, whose) of late
    left_out: int = 0  # refusals that were counted and not recorded one by one

    # --- presentations ---

    def unproven(self, key: Key) -> int | None:
        """What this holder is told without a MAC, or None."""
        if key.token.audience not in (LOCK_ID, *self.config.groups):
            return reasons.WRONG_LOCK
        if key.kid not in self.keyset.roles or key.token.epoch not in self.keyset.epochs:
            return reasons.UNKNOWN_ISSUER
        return reasons.BAD_MAC if key.stolen else None

    def reason(self, key: Key, command: int, relayed: bool, now: TimeBound) -> int:
        """What a holder that proves this key must be told."""
        token = key.token
        if key.forged:
            return reasons.BAD_SIGNATURE
        if not self._may_issue(key):
            return reasons.NOT_ALLOWED_TO_ISSUE
        reason = self._time_reason(key, now)
        if reason != session.OK:
            return reason
        if relayed and command == session.COMMAND_UNLOCK:
            command = session.COMMAND_UNLOCK_REMOTE
        if not token.permissions & NEEDS.get(command, 0):
            return reasons.SCOPE
        opens = command not in (session.COMMAND_LOCK, session.COMMAND_SYNC)
        if token.once and opens and token.cti in self.spent:
            return reasons.SPENT
        if self._is_withdrawn(key):
            return reasons.REVOKED
        if command == session.COMMAND_HOLD_OPEN and self.hold_s(key, command, now) <= 0:
            return reasons.TIME_UNKNOWN
        return session.OK

    def standing(self, key: Key, now: TimeBound) -> int:
        """What has become, in an open session, of a key that was good at its start."""
        reason = self.unproven(key)
        if reason is None:
            reason = session.OK if self._may_issue(key) else reasons.NOT_ALLOWED_TO_ISSUE
        if reason == session.OK:
            reason = self._time_reason(key, now)
        if reason == session.OK and self._is_withdrawn(key):
            return reasons.REVOKED
        return reason

    def was_refused(self, key: Key, at: int, is_recorded: bool) -> None:
        """Of one token the first four in ten minutes are recorded, of sixteen tokens at once."""
        self.refused = [each for each in self.refused if at - each[0] < REFUSED_WITHIN_MS]
        mine = sum(1 for _, cti in self.refused if cti == key.token.cti)
        assert is_recorded or mine >= 4 or len({cti for _, cti in self.refused}) >= 16
        self.left_out += not is_recorded
        self.refused.append((at, key.token.cti))

    def hold_s(self, key: Key, command: int, now: TimeBound) -> int:
        """How long this key holds the door open."""
        open_now = window(key.token, now.lo)
        left = (open_now[1] if open_now else 0) - now.hi
        if command == session.COMMAND_EVACUATE and left <= 0:
            return self.config.door.max_hold_s
        return min(left, self.config.door.max_hold_s)

    def is_emergency(self, key: Key) -> bool:
        return self.keyset.roles.get(key.kid) == keyset.ROLE_EMERGENCY

    def _may_issue(self, key: Key) -> bool:
        token = key.token
        if self.is_emergency(key) and tokens.is_group_id(token.audience):
            return False
        lasts = token.expires_at - token.not_before
        return self.keyset.roles[key.kid] in ISSUERS and lasts <= LONGEST_S

    def _time_reason(self, key: Key, now: TimeBound) -> int:
        counts = window(key.token, now.lo)
        if counts is None:
            return reasons.EXPIRED
        if now.hi < counts[0]:
            return reasons.NOT_YET_VALID
        surely = counts[0] <= now.lo and now.hi < counts[1]
        bears = self.is_emergency(key) or now.hi - now.lo <= self.config.door.doubt_s
        return session.OK if surely or bears else reasons.TIME_UNKNOWN

    def _is_withdrawn(self, key: Key) -> bool:
        rows, token = self.status.rows, key.token
        least = max(rows.get((key.kid, None), 0), rows.get((key.kid, token.audience), 0))
        return token.issued_at < least or token.cti in self.status.names

    def entries(self, key: Key, command: int, relayed: bool, reason: int) -> list[Entry]:
        """The journal entries of a decision; a keeper that begins to sync has none."""
        cti, source = key.token.cti, audit.SOURCE_NONE
        if command in OPERATIONS:
            remote = relayed or command == session.COMMAND_UNLOCK_REMOTE
            source = audit.SOURCE_REMOTE if remote else audit.SOURCE_HOLDER
        if reason != session.OK:
            return [(audit.LOCK_OPERATION_ERROR, reason, source, cti, None)]
        if command == session.COMMAND_SYNC:
            return []
        spends = key.token.once and command != session.COMMAND_LOCK
        mark = key.token.expires_at if spends else None
        found: list[Entry] = [(audit.LOCK_OPERATION, OPERATIONS[command], source, cti, mark)]
        if self.is_emergency(key):
            found.append((audit.DOOR_LOCK_ALARM, audit.ALARM_EMERGENCY_KEY, source, cti, None))
        if command == session.COMMAND_EVACUATE:
            found.append((audit.DOOR_LOCK_ALARM, audit.ALARM_EVACUATION, source, None, None))
        return found

    # --- papers ---

    def keyset_answer(self, paper: KeysetPaper) -> int:
        if paper.version <= self.keyset.version:
            return session.OK
        if paper.signer not in self.keyset.roots:
            return reasons.BAD_SIGNATURE
        if paper.town != self.keyset.town or not set(paper.roots) & set(self.keyset.roots):
            return reasons.NOT_ALLOWED_TO_ISSUE
        return session.OK

    def config_answer(self, paper: ConfigPaper) -> int:
        if paper.lock_id != LOCK_ID:
            return reasons.WRONG_LOCK
        if paper.version <= self.config.version:
            return session.OK
        trusted = paper.signer == bytes(self.keyset.keys.config.verify_key)
        return session.OK if trusted else reasons.BAD_SIGNATURE

    def status_answer(self, paper: StatusPaper, now: TimeBound) -> int:
        """No list counts that dropped what is not past, as far as the lock can know."""
        if paper.version <= self.status.version:
            return session.OK
        if paper.kept_from_s > min(now.hi, max(now.lo, paper.issued_at)) or self._gives_back(paper):
            return reasons.MALFORMED
        trusted = paper.signer == bytes(self.keyset.keys.status.verify_key)
        return session.OK if trusted else reasons.BAD_SIGNATURE

    def _gives_back(self, paper: StatusPaper) -> bool:
        """Whether it forgets what a row withdrew of a key that the lock believes."""
        for (kid, audience), least in self.status.rows.items():
            kept = max(paper.rows.get((kid, None), 0), paper.rows.get((kid, audience), 0))
            if kid in self.keyset.roles and kept < least:
                return True
        return False

    # --- the keypad ---

    def rest_ms(self) -> int:
        """How long the keypad rests after as many failures as there are."""
        if self.pin_failures < 3:
            return 0
        return RESTS_S.get(self.pin_failures, 3600) * 1000

    def keypad_closed(self, at: int) -> int | None:
        """Why it does not listen at all."""
        if not self.config.door.pin_allowed:
            return reasons.PIN_NOT_HERE
        if self.pin_failures >= 100:
            return reasons.PIN_DISABLED
        return reasons.PIN_WAIT if at < self.keypad_rests_until_ms else None

    def pin_opens(self, given: GivenPin | None, now: TimeBound) -> bool:
        if given is None or given.epoch not in self.keyset.epochs:
            return False
        starts, ends, doubt = given.pin.starts_at, given.pin.ends_at, now.hi - now.lo
        surely = starts <= now.lo and now.hi < ends
        perhaps = now.lo < ends and starts <= now.hi
        bears = doubt <= min(self.config.door.doubt_s, 900)
        return (surely or (perhaps and bears)) and given.name not in self.status.names

    def pin_is_near(self, given: GivenPin | None, now: TimeBound) -> bool:
        """Whether a refusal is worth a record with the PIN's name."""
        if given is None or given.epoch not in self.keyset.epochs or now.hi == FOREVER:
            return False
        starts, ends = given.pin.starts_at, given.pin.ends_at
        near = starts <= now.hi + NEAR_S and now.lo - NEAR_S <= ends
        return near and now.hi - now.lo <= NEAR_S

    def learn(self, record: Any) -> None:
        """A record that storage refused and yet wrote has come to light: it counts from now on."""
        if record.event == audit.PIN_ATTEMPT:
            self.pin_failures = record.value
        elif record.event == audit.KEYPAD:
            self.pin_failures = 0
        elif record.event == audit.LOCK_OPERATION and record.code != audit.OPERATION_LOCK:
            if record.value is not None:
                self.spent[record.subject] = record.value
            if record.source == audit.SOURCE_KEYPAD:
                self.pin_failures = 0
