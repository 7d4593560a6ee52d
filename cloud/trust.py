"""The files that the town hands out: what locks shall believe, and a gateway's own tokens."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.credentials import epoch_for
from cloud.keylinks import lock_key
from cloud.models import Lock
from cloud.ports import TokenOrder
from cloud.roles import DAY_S
from cloud.service import TownService
from kannuki.enrolment import GatewayFile, LockCredential, TrustFile
from protocol import token as tokens

GATEWAY_LIFETIME_S = 90 * DAY_S
GATEWAY_PERMISSIONS = tokens.MAINTAIN | tokens.STATUS
_BACKDATED_S = 600  # a lock whose clock lags shall not refuse its gateway


def trust_file(service: TownService) -> TrustFile:
    """The roots, and the keyset that one of them signed."""
    signed = service.keyset
    return TrustFile(town=service.town, roots=list(signed.keyset.roots), keyset=signed.document)


def gateway_file(service: TownService, gateway_id: str) -> GatewayFile:
    """Housekeeping tokens for every lock that hangs at a room, good for 90 days."""
    with service.database.read() as session:
        query = select(Lock).where(Lock.room_id.is_not(None)).order_by(Lock.lock_id)
        locks = [_credential(service, session, lock) for lock in session.scalars(query)]
    return GatewayFile(town=service.town, gateway_id=gateway_id, locks=locks)


def _credential(service: TownService, session: Session, lock: Lock) -> LockCredential:
    now = service.clock()
    not_before = now - _BACKDATED_S
    order = TokenOrder(
        lock.lock_id,
        not_before,
        not_before + GATEWAY_LIFETIME_S,
        GATEWAY_PERMISSIONS,
        epoch_for(session, service.signers, lock.lock_id),
    )
    raw_token = service.gateway_issuer.issue(order, now).raw_token
    proof_key = service.vault.proof_key(lock_key(lock), raw_token)
    return LockCredential(lock_id=lock.lock_id, token=raw_token, proof_key=proof_key)
