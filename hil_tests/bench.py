"""The bench: one enrolled lock and everything to hold against it, simulated or on a cable.

Decides what a bench must offer; the tests use nothing else, so the same suite runs on both. A bench
knows the issuing keys of its own small town, so it can make any credential, also a wrong one.
Talking to the lock is always the same: Bluetooth LE through unmodified bleak.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import nacl.bindings
import nacl.public
import nacl.signing

from kannuki.enrolment import EnrolmentFile, TrustedKey, TrustFile
from protocol import cose, keys, lockstate, session, statuslist, verify
from protocol import token as tokens
from protocol.holder import Credential
from simulator.phone.ble import LockLink
from simulator.phone.opening import Result, attempt

TOWN = "bench"
VAULT_EPOCH = 1
RESIDENT = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK
_MAX_LIFETIME_S = 100 * 86400


@dataclass
class BenchTown:
    """Keys of a town that exists for one bench; fresh each time unless seeds are given."""

    booking: nacl.signing.SigningKey = field(default_factory=nacl.signing.SigningKey.generate)
    status: nacl.signing.SigningKey = field(default_factory=nacl.signing.SigningKey.generate)
    vault: nacl.public.PrivateKey = field(default_factory=nacl.public.PrivateKey.generate)

    def trust(self) -> TrustFile:
        """What a lock of this bench believes."""
        rows = [
            TrustedKey(public_key=bytes(self.booking.verify_key), role=verify.ROLE_BOOKING,
                       permissions=tokens.ALL_PERMISSIONS, max_lifetime_s=_MAX_LIFETIME_S),
            TrustedKey(public_key=bytes(self.status.verify_key), role=verify.ROLE_STATUS,
                       permissions=0, max_lifetime_s=0),
        ]
        return TrustFile(town=TOWN, keyset_version=1, keys=rows, vault_epoch=VAULT_EPOCH,
                         vault_public_key=bytes(self.vault.public_key))

    def kdk(self, enrolment: EnrolmentFile) -> bytes:
        """The key-derivation key shared with one lock."""
        shared = nacl.bindings.crypto_scalarmult(bytes(self.vault), enrolment.public_key)
        return keys.lock_kdk(shared, TOWN, enrolment.lock_id, VAULT_EPOCH)

    def credential(
        self, enrolment: EnrolmentFile, not_before: int, expires_at: int,
        permissions: int = RESIDENT, cti: bytes | None = None, issued_at: int | None = None,
    ) -> Credential:
        """A signed token for the lock, with its proof key; times are Unix seconds."""
        token = tokens.Token(enrolment.lock_id, not_before, expires_at, issued_at or not_before,
                             cti or os.urandom(tokens.CTI_BYTES), permissions, VAULT_EPOCH)
        payload = tokens.encode_claims(token)
        raw = self._envelope(self.booking, payload, b"")
        return Credential(raw, keys.proof_key(self.kdk(enrolment), raw))

    def status_list(
        self, lock_id: str, version: int, issued_at: int, revoked: list[tuple[bytes, int]]
    ) -> bytes:
        """A signed status list."""
        listed = statuslist.build(lock_id, version, issued_at, 0, revoked)
        return self._envelope(self.status, statuslist.encode(listed), statuslist.CONTEXT)

    @staticmethod
    def _envelope(key: nacl.signing.SigningKey, payload: bytes, context: bytes) -> bytes:
        kid = keys.key_id(bytes(key.verify_key))
        signature = key.sign(cose.to_sign(kid, payload, context)).signature
        return cose.encode(kid, payload, signature)


class Bench(ABC):
    """One lock on a bench. `town` made its keys, `enrolment` is what the lock said of itself."""

    town: BenchTown
    enrolment: EnrolmentFile

    @abstractmethod
    def now(self) -> int:
        """The lock's time, Unix seconds."""

    @abstractmethod
    async def restart(self) -> None:
        """Take power away and give it back; returns when the lock advertises again."""

    def credential(self, begins: int, ends: int, permissions: int = RESIDENT) -> Credential:
        """A credential whose window is given in seconds from now."""
        now = self.now()
        return self.town.credential(self.enrolment, now + begins, now + ends, permissions)

    async def present(
        self, credential: Credential, command: int = session.COMMAND_UNLOCK, confirm: bool = True
    ) -> Result:
        """One whole attempt over Bluetooth LE, waiting for the bolt when it was granted."""
        async with LockLink(self.enrolment.lock_id) as link:
            return await attempt(link, credential, command, confirm)

    async def bolt(self) -> int | None:
        """What the lock says of its bolt (protocol numbers), under its MAC."""
        state = await self.ask(session.REQUEST_STATE, None)
        return state[lockstate.STATE_BOLT] if state else None

    async def ask(self, operation: int, argument: Any) -> Any:
        """One housekeeping request; its value, or None when it was refused."""
        from protocol import holder

        keeper = self.credential(-60, 3600, tokens.MAINTAIN)
        machine = holder.HolderSession(keeper, session.COMMAND_SYNC, os.urandom)
        async with LockLink(self.enrolment.lock_id) as link:
            events = machine.start()
            while events[-1][0] == holder.SEND:
                await link.send(events[-1][1])
                events = machine.receive(await link.receive())
            ((_, request),) = machine.request(operation, argument)
            await link.send(request)
            ((kind, *answer),) = machine.receive(await link.receive())
            return answer[1] if kind == holder.REPLY else None


def system_clock() -> int:
    """The PC's time, for benches whose lock was set from it."""
    return int(time.time())
