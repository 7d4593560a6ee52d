"""The keys of a town that exists for one bench, test or scenario.

Decides nothing that the town's service decides: issues whatever it is told to, also wrong things.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import nacl.bindings
import nacl.public
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from nacl.signing import SigningKey

from kannuki.enrolment import EnrolmentFile, TrustFile
from protocol import audit, cose, keys, lockconfig, signedtime, statuslist
from protocol import keyset as keysets
from protocol import pin as pins
from protocol import token as tokens
from protocol.audit import Head
from protocol.holder import Credential
from protocol.keyset import IssuerKey, Keyset
from protocol.lockconfig import DoorConfig, LockConfig
from protocol.pin import Pin
from protocol.signedtime import SignedTime
from protocol.token import Token, Weekly

TOWN = "bench"
VAULT_EPOCH = 1
JOURNAL_EPOCH = 1
RESIDENT = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK
DAY_S = 86400
_MAX_LIFETIME_S = 100 * DAY_S
_MAX_AHEAD_S = 400 * DAY_S
_ISSUING = (keysets.ROLE_BOOKING, keysets.ROLE_STAFF, keysets.ROLE_EMERGENCY)


def aes(key: bytes) -> Callable[[bytes], bytes]:
    """A function that encrypts one block of 16 bytes, as protocol.crypto.Crypto asks for."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update  # noqa: S305


def _key() -> SigningKey:
    return SigningKey.generate()


@dataclass
class TownKeys:
    """Fresh each time unless keys are given; `roots` are the two safes."""

    booking: SigningKey = field(default_factory=_key)
    staff: SigningKey = field(default_factory=_key)
    status: SigningKey = field(default_factory=_key)
    time: SigningKey = field(default_factory=_key)
    config: SigningKey = field(default_factory=_key)
    emergency: SigningKey = field(default_factory=_key)
    ack: SigningKey = field(default_factory=_key)
    roots: tuple[SigningKey, SigningKey] = field(default_factory=lambda: (_key(), _key()))
    vaults: dict[int, nacl.public.PrivateKey] = field(
        default_factory=lambda: {VAULT_EPOCH: nacl.public.PrivateKey.generate()}
    )

    # --- documents of the roots ---

    def keyset(self, version: int = 1, issued_at: int = 0) -> Keyset:
        """Whom a lock of this bench shall believe."""
        by_role = {
            keysets.ROLE_BOOKING: self.booking,
            keysets.ROLE_STAFF: self.staff,
            keysets.ROLE_STATUS: self.status,
            keysets.ROLE_TIME: self.time,
            keysets.ROLE_CONFIG: self.config,
            keysets.ROLE_EMERGENCY: self.emergency,
            keysets.ROLE_ACK: self.ack,
        }
        rows = [_row(role, bytes(key.verify_key)) for role, key in by_role.items()]
        vaults = {epoch: bytes(key.public_key) for epoch, key in self.vaults.items()}
        return Keyset(TOWN, version, issued_at, rows, vaults, self.public_roots)

    @property
    def public_roots(self) -> tuple[bytes, bytes]:
        """Both roots' public halves."""
        return bytes(self.roots[0].verify_key), bytes(self.roots[1].verify_key)

    def keyset_document(
        self, keyset: Keyset | None = None, root: SigningKey | None = None
    ) -> bytes:
        """A keyset, signed by the first root unless another key is given."""
        payload = keysets.encode(keyset or self.keyset())
        return envelope(root or self.roots[0], payload, keysets.CONTEXT)

    def trust(self) -> TrustFile:
        """What the bench tells a new lock."""
        return TrustFile(town=TOWN, roots=list(self.public_roots), keyset=self.keyset_document())

    def time_reset(self, lock_id: str, nonce: bytes, t: int, error_s: int = 1) -> bytes:
        """A root's word on the time."""
        payload = signedtime.encode(SignedTime(lock_id, nonce, t, error_s))
        return envelope(self.roots[1], payload, signedtime.RESET_CONTEXT)

    # --- tokens ---

    def kdk(self, enrolment: EnrolmentFile, epoch: int = VAULT_EPOCH) -> bytes:
        """The key-derivation key shared with one lock."""
        vault = self.vaults[epoch]
        shared = nacl.bindings.crypto_scalarmult(bytes(vault), enrolment.public_key)
        return keys.lock_kdk(
            shared,
            TOWN,
            enrolment.lock_id,
            epoch,
            enrolment.public_key,
            bytes(vault.public_key),
        )

    def credential(
        self,
        enrolment: EnrolmentFile,
        not_before: int,
        expires_at: int,
        permissions: int = RESIDENT,
        cti: bytes | None = None,
        issued_at: int | None = None,
        *,
        audience: str | None = None,
        weekly: Weekly | None = None,
        once: bool = False,
        signer: SigningKey | None = None,
        claimed: SigningKey | None = None,
        epoch: int = VAULT_EPOCH,
    ) -> Credential:
        """A signed token for the lock, with its proof key; times are Unix seconds.

        `signer` signs (the booking key unless given) under the key id of `claimed`, if that is
        given; a token of an epoch that the town does not have gets the proof key of the first.
        """
        token = Token(
            audience or enrolment.lock_id,
            not_before,
            expires_at,
            not_before if issued_at is None else issued_at,
            cti or os.urandom(tokens.CTI_BYTES),
            permissions,
            epoch,
            weekly,
            once,
        )
        signer = signer or self.booking
        raw = envelope(signer, tokens.encode_claims(token), b"", claimed)
        kdk = self.kdk(enrolment, epoch if epoch in self.vaults else VAULT_EPOCH)
        return Credential(raw, {enrolment.lock_id: keys.proof_key(kdk, raw)})

    def pin(
        self,
        enrolment: EnrolmentFile,
        starts_at: int,
        quarters: int,
        serial: int,
        epoch: int = VAULT_EPOCH,
    ) -> str:
        """The ten digits for the lock; starts_at: Unix seconds, on a quarter hour.

        Raises protocol.pin.PinError for a window that no PIN can say.
        """
        encrypt_block = aes(pins.pin_key(self.kdk(enrolment, epoch)))
        return pins.encode(encrypt_block, enrolment.lock_id, Pin(starts_at, quarters, serial))

    # --- other documents ---

    def status_list(
        self,
        lock_id: str,
        version: int,
        issued_at: int,
        revoked: list[tuple[bytes, int]],
        min_iat: list[tuple[bytes, str | None, int]] | None = None,
        kept_from_hour: int = 0,
    ) -> tuple[bytes, bytes]:
        """(signed header, entries)."""
        header, entries = statuslist.build(
            lock_id, version, issued_at, revoked, min_iat, kept_from_hour
        )
        return envelope(self.status, statuslist.encode(header), statuslist.CONTEXT), entries

    def config_document(
        self,
        lock_id: str,
        version: int,
        door: DoorConfig | None = None,
        groups: list[str] | None = None,
        issued_at: int = 0,
    ) -> bytes:
        """How a door shall behave."""
        config = LockConfig(lock_id, version, issued_at, groups or [], door or DoorConfig())
        return envelope(self.config, lockconfig.encode(config), lockconfig.CONTEXT)

    def time_answer(self, lock_id: str, nonce: bytes, t: int, error_s: int = 1) -> bytes:
        """The time key's word."""
        payload = signedtime.encode(SignedTime(lock_id, nonce, t, error_s))
        return envelope(self.time, payload, signedtime.TIME_CONTEXT)

    def acknowledge(self, head: Head) -> bytes:
        """The town has committed everything up to this record."""
        return envelope(self.ack, audit.encode_ack(head), audit.ACK_CONTEXT)


def envelope(
    key: SigningKey, payload: bytes, context: bytes, claimed: SigningKey | None = None
) -> bytes:
    """`payload` signed by `key`, under the key id of `claimed` if that is given."""
    kid = keys.key_id(bytes((claimed or key).verify_key))
    return cose.encode(kid, payload, key.sign(cose.to_sign(kid, payload, context)).signature)


def _row(role: int, public_key: bytes) -> IssuerKey:
    if role not in _ISSUING:
        return IssuerKey(public_key, role, 0, 0, 0)
    return IssuerKey(public_key, role, tokens.ALL_PERMISSIONS, _MAX_LIFETIME_S, _MAX_AHEAD_S)
