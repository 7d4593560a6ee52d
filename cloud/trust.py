"""The files that the town hands out: what locks shall believe, and a gateway's own tokens."""

from __future__ import annotations

from sqlalchemy import select

from cloud.issuer import DAY_S, ROLES
from cloud.keylinks import lock_key
from cloud.models import Lock
from cloud.ports import TokenOrder
from cloud.service import TownService
from kannuki.enrolment import GatewayFile, LockCredential, TrustedKey, TrustFile
from protocol import token as tokens

KEYSET_VERSION = 1
GATEWAY_LIFETIME_S = 90 * DAY_S
GATEWAY_PERMISSIONS = tokens.MAINTAIN | tokens.STATUS
_BACKDATED_S = 600  # a lock whose clock lags shall not refuse its gateway


def trust_file(service: TownService) -> TrustFile:
    """The keyset with the permissions of each key, and the vault's public key."""
    public_keys = {
        "booking-issuer": service.signers.issuer.public_key,
        "staff-issuer": service.staff_issuer.public_key,
        "status": service.signers.status.public_key,
    }
    return TrustFile(
        town=service.town,
        keyset_version=KEYSET_VERSION,
        keys=[
            TrustedKey(
                public_key=public_key,
                role=ROLES[purpose].role,
                permissions=ROLES[purpose].permissions,
                max_lifetime_s=ROLES[purpose].max_lifetime_s,
            )
            for purpose, public_key in public_keys.items()
        ],
        vault_epoch=service.vault.epoch,
        vault_public_key=service.vault.public_key,
    )


def gateway_file(service: TownService, gateway_id: str) -> GatewayFile:
    """Housekeeping tokens for every lock that hangs at a room, good for 90 days."""
    with service.database.read() as session:
        query = select(Lock).where(Lock.room_id.is_not(None)).order_by(Lock.lock_id)
        locks = [_credential(service, lock) for lock in session.scalars(query)]
    return GatewayFile(town=service.town, gateway_id=gateway_id, locks=locks)


def _credential(service: TownService, lock: Lock) -> LockCredential:
    now = service.clock()
    not_before = now - _BACKDATED_S
    order = TokenOrder(
        lock.lock_id,
        not_before,
        not_before + GATEWAY_LIFETIME_S,
        GATEWAY_PERMISSIONS,
        lock.vault_epoch,
    )
    raw_token = service.staff_issuer.issue(order, now).raw_token
    proof_key = service.vault.proof_key(lock_key(lock), raw_token)
    return LockCredential(lock_id=lock.lock_id, token=raw_token, proof_key=proof_key)
