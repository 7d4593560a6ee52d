"""A town's keys and one virtual lock for tests: issue credentials, present them, read records."""

from __future__ import annotations

import os
from collections.abc import Callable
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

    def __init__(
        self, lock_id: str = LOCK_ID, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.now = START
        self.lock_is_ahead_by: int | None = 0  # seconds; None: the lock has lost the time
        self.random_bytes = random_bytes
        self.peers: dict[int, Peer] = {}
        self.lock = VirtualLock(config(lock_id), self.lock_time, random_bytes)
        shared = nacl.bindings.crypto_scalarmult(bytes(VAULT), self.lock.public_key)
        self.kdk = keys.lock_kdk(shared, TOWN, lock_id, 1)
        self._handles = 0

    def lock_time(self) -> int | None:
        """What the lock believes: Unix seconds, or None."""
        return None if self.lock_is_ahead_by is None else self.now + self.lock_is_ahead_by

    def credential(
        self,
        begins: int = -60,
        ends: int = 3600,
        permissions: int = ALL,
        cti: bytes | None = None,
        lock_id: str = LOCK_ID,
        signer: Any = BOOKING,
        epoch: int = 1,
        claimed_issuer: Any = BOOKING,
    ) -> Credential:
        """A token whose window is relative to now, with its proof key.

        `signer` signs it under the key id of `claimed_issuer`.
        """
        token = tokens.Token(
            lock_id,
            self.now + begins,
            self.now + ends,
            self.now,
            cti or self.random_bytes(8),
            permissions,
            epoch,
        )
        kid = keys.key_id(bytes(claimed_issuer.verify_key))
        payload = tokens.encode_claims(token)
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
