"""Follows the keyset: what was signed with keys of before is made anew, once for each keyset.

Decides what that is: tokens of a key or vault epoch that no longer counts, status lists and door
configurations that another key must sign. Runs before the service answers anyone.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import documents
from cloud.credentials import renew
from cloud.lock_settings import sign_again
from cloud.models import LockSettings, Setting, StatusOutbox
from cloud.service import TownService
from protocol.crypto import sha256

_SETTING = "keyset"
_WITH_LISTS = select(StatusOutbox.lock_id)


def follow_keyset(service: TownService) -> bool:
    """Makes anew what this keyset asks for; False when that was done already."""
    digest = sha256(service.keyset.document).hex()
    with service.database.read() as session:
        known = session.get(Setting, _SETTING)
        if known is not None and known.value == digest:
            return False
    with service.database.write() as session:
        now = service.clock()
        renew(session, service.signers, now, publish=set(session.scalars(_WITH_LISTS)))
        _sign_settings(session, service, now)
        session.merge(Setting(name=_SETTING, value=digest))
    return True


def _sign_settings(session: Session, service: TownService, now: int) -> None:
    for row in session.scalars(select(LockSettings)).all():
        sign_again(session, service.signers, row, now)
        documents.put(session, row.lock_id, documents.CONFIG, row.version, row.document, now)
