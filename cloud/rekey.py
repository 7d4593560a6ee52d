"""Follows the keyset: what was signed with keys of before is made anew, once for each keyset.

Decides what that is: tokens of a key or vault epoch that no longer counts, status lists and door
configurations that another key must sign. Runs before the service answers anyone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import documents
from cloud.credentials import renew
from cloud.database import town_of
from cloud.lock_settings import sign_again
from cloud.models import LockSettings, Setting, StatusOutbox
from cloud.service import TownService
from protocol import lockconfig, statuslist
from protocol.crypto import sha256
from protocol.keys import key_id

_SETTING = "keyset"


def follow_keyset(service: TownService) -> bool:
    """Makes anew what this keyset asks for; False when that was done already."""
    digest = sha256(service.keyset.document).hex()
    with service.database.read() as session:
        known = session.get(Setting, (town_of(session), _SETTING))
        if known is not None and known.value == digest:
            return False
    with service.database.write() as session:
        now = service.clock()
        renew(session, service.signers, now, publish=_lists_of_others(session, service))
        _sign_settings(session, service, now)
        session.merge(Setting(town=town_of(session), name=_SETTING, value=digest))
    return True


def _lists_of_others(session: Session, service: TownService) -> set[str]:
    """Locks whose list another key has signed, or this one in the form of before."""
    own = service.signers.status.public_key
    rows = session.scalars(select(StatusOutbox))
    return {row.lock_id for row in rows if not _is_ours(row.document, own, statuslist.parse)}


def _sign_settings(session: Session, service: TownService, now: int) -> None:
    own = service.signers.config.public_key
    for row in session.scalars(select(LockSettings)).all():
        if not _is_ours(row.document, own, lockconfig.parse):
            sign_again(session, service.signers, row, now)
            documents.put(session, row.lock_id, documents.CONFIG, row.version, row.document, now)


def _is_ours(document: bytes, public_key: bytes, parse: Callable[[bytes], Any]) -> bool:
    try:
        return bool(parse(document)[0].kid == key_id(public_key))
    except ValueError:
        return False
