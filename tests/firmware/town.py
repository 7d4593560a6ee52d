"""A town's keys and one virtual lock for tests: issue credentials, present them, read records."""

from __future__ import annotations

import os
from typing import Any

import nacl.bindings
import nacl.public
import nacl.signing

from firmware.core.config import Config
from firmware.core.session import HANG_UP, SEND
from protocol import audit, cose, frames, holder, keys, statuslist, verify
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from simulator.virtual.lock import VirtualLock

TOWN, LOCK_ID, START = "yamagawa", "aaaaaaaa", 1_796_000_000
BOOKING = nacl.signing.SigningKey(b"b" * 32)
STATUS = nacl.signing.SigningKey(b"s" * 32)
VAULT = nacl.public.PrivateKey(b"v" * 32)
ALL = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK


def config(lock_id: str = LOCK_ID) -> Config:
    """Whom the lock trusts in tests."""
    rows = [
        verify.IssuerKey(
            bytes(BOOKING.verify_key), verify.ROLE_BOOKING, tokens.ALL_PERMISSIONS, 100 * 86400
        ),
        verify.IssuerKey(bytes(STATUS.verify_key), verify.ROLE_STATUS, 0, 0),
    ]
    keyset = {keys.key_id(row.public_key): row for row in rows}
    return Config(TOWN, lock_id, 1, keyset, 1, bytes(VAULT.public_key), 1)


class Town:
    """One virtual lock, its clock, and the keys to issue for it."""

    def __init__(self, lock_id: str = LOCK_ID) -> None:
        self.now = START
        self.lock = VirtualLock(config(lock_id), lambda: self.now)
        shared = nacl.bindings.crypto_scalarmult(bytes(VAULT), self.lock.public_key)
        self.kdk = keys.lock_kdk(shared, TOWN, lock_id, 1)
        self._handles = 0

    def credential(
        self,
        begins: int = -60,
        ends: int = 3600,
        permissions: int = ALL,
        cti: bytes | None = None,
        lock_id: str = LOCK_ID,
        signer: Any = BOOKING,
    ) -> Credential:
        """A token whose window is relative to now, with its proof key."""
        token = tokens.Token(
            lock_id,
            self.now + begins,
            self.now + ends,
            self.now,
            cti or os.urandom(8),
            permissions,
            1,
        )
        payload, kid = tokens.encode_claims(token), keys.key_id(bytes(BOOKING.verify_key))
        raw = cose.encode(kid, payload, signer.sign(cose.to_sign(kid, payload)).signature)
        return Credential(raw, keys.proof_key(self.kdk, raw))

    def status_list(
        self, version: int, revoked: list[tuple[bytes, int]], signer: Any = STATUS, min_iat: int = 0
    ) -> bytes:
        """A signed status list for the lock."""
        listed = statuslist.build(LOCK_ID, version, self.now, min_iat, revoked)
        kid, payload = keys.key_id(bytes(STATUS.verify_key)), statuslist.encode(listed)
        signed = signer.sign(cose.to_sign(kid, payload, statuslist.CONTEXT)).signature
        return cose.encode(kid, payload, signed)

    def connect(self, mtu: int = 247) -> Peer:
        """A central that has connected and agreed on an MTU."""
        self._handles += 1
        sessions = self.lock.core.sessions
        sessions.connected(self._handles, self.lock.now_ms)
        sessions.mtu_changed(self._handles, mtu)
        return Peer(self, self._handles, mtu - 3)

    def present(self, credential: Credential, command: int, mtu: int = 247) -> tuple[Any, ...]:
        """The last event of one whole attempt, e.g. (OUTCOME, Outcome) or (ADVISORY, reason)."""
        return self.connect(mtu).attempt(credential, command)

    def records(self) -> list[audit.Record]:
        """Every record of the journal, its chain checked."""
        journal = self.lock.core.journal
        raw = []
        while chunk := journal.read(len(raw) + 1, 24):
            raw += chunk
        return audit.check_run(raw, 1, audit.genesis(LOCK_ID, 1))[0]


class Peer:
    """One connection to the virtual lock; messages whole, fragments inside."""

    def __init__(self, town: Town, handle: int, max_fragment: int) -> None:
        self.town, self.handle, self.max_fragment = town, handle, max_fragment
        self.hung_up = False
        self._inbox = frames.Reassembler()
        self.received: list[bytes] = []

    def write(self, fragment: bytes) -> None:
        """One raw write, then everything the lock has to say."""
        self.town.lock.core.sessions.received(self.handle, fragment, self.town.lock.now_ms)
        self.collect()

    def send(self, message: bytes) -> None:
        """One whole message."""
        for fragment in frames.fragment(message, self.max_fragment):
            self.write(fragment)

    def collect(self) -> None:
        """Take in what the lock sent to this peer."""
        for action in self.town.lock.core.sessions.drain():
            if action[1] != self.handle:
                continue
            if action[0] == SEND:
                message = self._inbox.push(action[2])
                self.received += [message] if message else []
            elif action[0] == HANG_UP:
                self.hung_up = True

    def attempt(self, credential: Credential, command: int) -> tuple[Any, ...]:
        """Greet and present; the machine stays in `self.machine` for requests."""
        self.machine = HolderSession(credential, command, os.urandom)
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
