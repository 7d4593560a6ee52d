"""A town's keys and one virtual lock for tests: issue credentials, present them, read records."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import nacl.public
from nacl.signing import SigningKey

from firmware.core.identity import Identity
from firmware.core.session import HANG_UP, SEND
from kannuki.enrolment import EnrolmentFile
from protocol import audit, frames, holder, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from simulator.town_keys import JOURNAL_EPOCH, TOWN, VAULT_EPOCH, TownKeys
from simulator.virtual.lock import VirtualLock

LOCK_ID, START = "aaaaaaaa", 1_796_000_000
ALL = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK
KEYS = TownKeys(
    booking=SigningKey(b"b" * 32),
    staff=SigningKey(b"f" * 32),
    status=SigningKey(b"s" * 32),
    time=SigningKey(b"t" * 32),
    config=SigningKey(b"c" * 32),
    emergency=SigningKey(b"e" * 32),
    ack=SigningKey(b"a" * 32),
    roots=(SigningKey(b"1" * 32), SigningKey(b"2" * 32)),
    vaults={VAULT_EPOCH: nacl.public.PrivateKey(b"v" * 32)},
)


def identity(lock_id: str = LOCK_ID) -> Identity:
    """Who the lock is in tests; the bench knew the time to the second."""
    return Identity(TOWN, lock_id, JOURNAL_EPOCH, KEYS.public_roots, (START, 0))


class Town:
    """One virtual lock, the world's time, and the keys to issue for it."""

    def __init__(
        self,
        lock_id: str = LOCK_ID,
        random_bytes: Callable[[int], bytes] = os.urandom,
        keys: TownKeys = KEYS,
    ) -> None:
        self.now = START
        self.keys = keys
        self.random_bytes = random_bytes
        self.peers: dict[int, Peer] = {}
        document = keys.keyset_document()
        self.lock = VirtualLock(identity(lock_id), document, lambda: self.now, random_bytes)
        self.enrolment = EnrolmentFile(
            town=TOWN,
            lock_id=lock_id,
            public_key=self.lock.public_key,
            signing_key=self.lock.signing_key,
            journal_epoch=JOURNAL_EPOCH,
            enrolled_at=START,
        )
        self._handles = 0

    @property
    def kdk(self) -> bytes:
        """What the lock shares with the vault of the first epoch."""
        return self.keys.kdk(self.enrolment)

    def pass_time(self, seconds: int) -> None:
        """Time passes, for the world and for the lock's clocks alike."""
        self.now += seconds
        self.lock.leap(seconds)

    def credential(self, begins: int = -60, ends: int = 3600, **details: Any) -> Credential:
        """A token whose window is relative to now; details as TownKeys.credential has them."""
        details = {"permissions": ALL, "issued_at": self.now, **details}
        details["cti"] = details.get("cti") or self.random_bytes(tokens.CTI_BYTES)
        not_before, expires_at = self.now + begins, self.now + ends
        return self.keys.credential(self.enrolment, not_before, expires_at, **details)

    def keeper(self) -> Credential:
        """A gateway's housekeeping token."""
        return self.credential(permissions=tokens.MAINTAIN, signer=self.keys.staff)

    def staff(self) -> Credential:
        """Of somebody who looks after the lock and may open it."""
        permissions = tokens.MAINTAIN | tokens.UNLOCK
        return self.credential(permissions=permissions, signer=self.keys.staff)

    def bring(self, operation: int, argument: Any, by: Credential | None = None) -> tuple[Any, ...]:
        """One request of a keeper in a session of its own."""
        peer = self.connect()
        event = peer.attempt(by or self.keeper(), session.COMMAND_SYNC)
        assert event[0] == holder.OUTCOME, event
        answer = peer.request(operation, argument)
        peer.leave()
        return answer

    def put_status(self, version: int, revoked: list[tuple[bytes, int]]) -> tuple[Any, ...]:
        """Bring a whole status list in one part."""
        document, entries = self.keys.status_list(LOCK_ID, version, self.now, revoked)
        return self.bring(session.REQUEST_STATUS_PART, [document, 0, entries])

    def connect(self, mtu: int = 247) -> Peer:
        """A central that has connected and agreed on an MTU."""
        self._handles += 1
        sessions = self.lock.core.sessions
        sessions.connected(self._handles, self.lock.now_ms)
        sessions.mtu_changed(self._handles, mtu)
        peer = self.peers[self._handles] = Peer(self, self._handles, mtu - 3)
        self.deliver()
        return peer

    def deliver(self) -> None:
        """Hand what the lock has to say to those whom it concerns; some may have gone."""
        for action in self.lock.core.sessions.drain():
            peer = self.peers.get(action[1])
            if peer is not None:
                peer.take(action)

    def present(self, credential: Credential, command: int, mtu: int = 247) -> tuple[Any, ...]:
        """The last event of one whole attempt, e.g. (OUTCOME, Outcome) or (ADVISORY, reason)."""
        return self.connect(mtu).attempt(credential, command)

    def records(self) -> list[audit.Record]:
        """Every record that the journal still has, its chain checked."""
        journal = self.lock.core.journal
        raw, first = [], journal.oldest_seq
        while chunk := journal.read(first + len(raw), 24):
            raw += chunk
        previous = audit.genesis(LOCK_ID, 1)
        if first > 1:
            previous = audit.decode_record(raw[0]).previous
        return audit.check_run(raw, first, previous)[0]


class Peer:
    """One connection to the virtual lock; messages whole, fragments inside."""

    def __init__(self, town: Town, handle: int, max_fragment: int) -> None:
        self.town, self.handle, self.max_fragment = town, handle, max_fragment
        self.hung_up = False
        self._inbox = frames.Reassembler()
        self.received: list[bytes] = []
        self.sent = b""  # the last whole message

    def write(self, fragment: bytes) -> None:
        """One raw write, then everything the lock has to say."""
        self.town.lock.core.sessions.received(self.handle, fragment, self.town.lock.now_ms)
        self.collect()

    def send(self, message: bytes) -> None:
        """One whole message."""
        self.sent = message
        for fragment in frames.fragment(message, self.max_fragment):
            self.write(fragment)

    def collect(self) -> None:
        """Take in what the lock sent, to this peer and to all others."""
        self.town.deliver()

    def take(self, action: tuple[Any, ...]) -> None:
        """One action of the lock that concerns this peer."""
        if action[0] == SEND:
            message = self._inbox.push(action[2])
            self.received += [message] if message else []
        elif action[0] == HANG_UP:
            self.hung_up = True
            self.town.peers.pop(self.handle, None)

    def leave(self) -> None:
        """The link is gone."""
        self.town.lock.core.sessions.disconnected(self.handle)
        self.town.peers.pop(self.handle, None)

    def attempt(self, credential: Credential, command: int) -> tuple[Any, ...]:
        """Greet and present; the machine stays in `self.machine` for requests."""
        self.machine = HolderSession(credential, command, self.town.random_bytes)
        return self._talk(self.machine.start())

    def request(self, operation: int, argument: Any) -> tuple[Any, ...]:
        """One request in the open session."""
        return self._talk(self.machine.request(operation, argument))

    def _talk(self, events: list[tuple[Any, ...]]) -> tuple[Any, ...]:
        while events and events[-1][0] == holder.SEND:
            self.received.clear()
            self.send(events[-1][1])
            if not self.received:
                return ("silence",)
            events = self.machine.receive(self.received[-1])
        return events[-1]
