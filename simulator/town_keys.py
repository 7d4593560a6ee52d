"""The keys of a town that exists for one bench, test or scenario.

Decides nothing that the town's service decides: issues whatever it is told to, also wrong things.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import nacl.bindings
import nacl.public
import nacl.signing

from kannuki.enrolment import EnrolmentFile, TrustedKey, TrustFile
from protocol import cose, keys, statuslist, verify
from protocol import token as tokens
from protocol.holder import Credential

TOWN = "bench"
VAULT_EPOCH = 1
RESIDENT = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK
_MAX_LIFETIME_S = 100 * 86400


@dataclass
class TownKeys:
    """Fresh each time unless keys are given."""

    booking: nacl.signing.SigningKey = field(default_factory=nacl.signing.SigningKey.generate)
    status: nacl.signing.SigningKey = field(default_factory=nacl.signing.SigningKey.generate)
    vault: nacl.public.PrivateKey = field(default_factory=nacl.public.PrivateKey.generate)

    def trust(self) -> TrustFile:
        """What a lock of this bench believes."""
        rows = [
            TrustedKey(
                public_key=bytes(self.booking.verify_key),
                role=verify.ROLE_BOOKING,
                permissions=tokens.ALL_PERMISSIONS,
                max_lifetime_s=_MAX_LIFETIME_S,
            ),
            TrustedKey(
                public_key=bytes(self.status.verify_key),
                role=verify.ROLE_STATUS,
                permissions=0,
                max_lifetime_s=0,
            ),
        ]
        return TrustFile(
            town=TOWN,
            keyset_version=1,
            keys=rows,
            vault_epoch=VAULT_EPOCH,
            vault_public_key=bytes(self.vault.public_key),
        )

    def kdk(self, enrolment: EnrolmentFile) -> bytes:
        """The key-derivation key shared with one lock."""
        shared = nacl.bindings.crypto_scalarmult(bytes(self.vault), enrolment.public_key)
        return keys.lock_kdk(shared, TOWN, enrolment.lock_id, VAULT_EPOCH)

    def credential(
        self,
        enrolment: EnrolmentFile,
        not_before: int,
        expires_at: int,
        permissions: int = RESIDENT,
        cti: bytes | None = None,
        issued_at: int | None = None,
    ) -> Credential:
        """A signed token for the lock, with its proof key; times are Unix seconds."""
        token = tokens.Token(
            enrolment.lock_id,
            not_before,
            expires_at,
            issued_at or not_before,
            cti or os.urandom(tokens.CTI_BYTES),
            permissions,
            VAULT_EPOCH,
        )
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
