"""What a phone may carry between the town and its lock: time, documents, records, sightings.

Decides that a relay ticket is enough and counts for its own lock alone, as with the relay: nothing
here opens a door, each document is signed for the lock that it names, and a parcel is sealed by the
lock that wrote it. Carrying twice is carrying once.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Header, Path
from sqlalchemy.orm import Session

from cloud import documents, heads, keylinks, lists, receipts, timesource
from cloud.audit import take_parcel
from cloud.models import DocumentOutbox, Lock, StatusOutbox
from cloud.problems import Problem
from cloud.web.api_models import CarriedHead, CarriedParcel, TimeNonce
from cloud.web.context import ApiContext
from cloud.web.credentials import limited
from kannuki.messages import to_base64url
from protocol import audit, statuslist
from protocol.audit import AuditError, Head
from protocol.crypto import HASH_BYTES

_CARRIER = "phone"
_LOCK = Path(pattern=r"^[a-z2-7]{8}$")


def bearer(authorization: str, otherwise: str) -> str:
    """What follows `Bearer `. Raises Problem `otherwise`."""
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "bearer" or not shown.strip():
        raise Problem(otherwise)
    return shown.strip()


def carry_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/locks/{lock_id}; each needs `Authorization: Bearer <relay ticket>`."""
    service = context.service

    def own_lock(lock_id: str = _LOCK, authorization: str = Header(default="")) -> str:
        shown = bearer(authorization, "NO_TICKET")
        with service.database.read() as session:
            own = keylinks.lock_of_ticket(session, shown, service.clock())
        if own != lock_id:
            raise Problem("OTHER_LOCK")
        return own

    counted = [Depends(limited(context))]
    router = APIRouter(prefix="/v1/locks/{lock_id}", dependencies=counted)
    _going(router, context, own_lock)
    _coming(router, context, own_lock)
    return router


def _going(router: APIRouter, context: ApiContext, own_lock: Any) -> None:
    service = context.service

    @router.post("/time")
    def tell_time(asked: TimeNonce, own: str = Depends(own_lock)) -> dict[str, str]:
        """The town's signed time for the nonce of this lock's challenge."""
        document = timesource.answer(service, own, asked.nonce)
        if document is None:
            raise Problem("BAD_NONCE")
        return {"document": to_base64url(document)}

    @router.get("/documents")
    def newest_documents(own: str = Depends(own_lock)) -> dict[str, Any]:
        """The newest documents for this lock; null where there is none."""
        with service.database.read() as session:
            told: dict[str, Any] = {what: _document(session, own, what) for what in documents.WHATS}
            signed = service.keyset
            told[documents.KEYSET] = {
                "version": signed.keyset.version,
                "document": to_base64url(signed.document),
            }
            return {"lock_id": own, "status": _status(session, own), **told}


def _coming(router: APIRouter, context: ApiContext, own_lock: Any) -> None:
    service = context.service

    @router.post("/parcels")
    def take(carried: CarriedParcel, own: str = Depends(own_lock)) -> dict[str, int]:
        """Take home records of this lock; those that are known already count as stored 0."""
        if _lock_of(carried.parcel) != own:
            raise Problem("OTHER_LOCK")
        now = service.clock()
        with service.database.write() as session:
            taken = take_parcel(session, service.vault, _CARRIER, carried.parcel, carried.seal, now)
            if taken.accepted:
                receipts.acknowledge(session, service.signers, own, taken.journal_epoch, now)
        if not taken.accepted:
            raise Problem("BAD_PARCEL")
        context.poke()
        return {"stored": taken.stored}

    @router.post("/heads", status_code=204)
    def sighting(carried: CarriedHead, own: str = Depends(own_lock)) -> None:
        """Note where this lock's journal stood when the phone saw it."""
        with service.database.write() as session:
            _note_head(session, own, carried, service.clock())


def _note_head(session: Session, own: str, carried: CarriedHead, now: int) -> None:
    if carried.document is not None:
        if not heads.is_about(carried.document, own) or not heads.note_signed(
            session, carried.document, None, now
        ):
            raise Problem("BAD_PARCEL")
    elif carried.seq is None or carried.hash is None or len(carried.hash) != HASH_BYTES:
        raise Problem("BAD_PARCEL")
    else:
        epoch = session.get_one(Lock, own).journal_epoch
        heads.note(session, Head(own, epoch, carried.seq, carried.hash), heads.PHONE, now)


def _lock_of(raw_parcel: bytes) -> str:
    try:
        lock_id: str = audit.decode_parcel(raw_parcel).lock_id
    except AuditError:
        raise Problem("BAD_PARCEL") from None
    return lock_id


def _document(session: Session, lock_id: str, what: str) -> dict[str, Any] | None:
    row = session.get(DocumentOutbox, (lock_id, what))
    if row is None:
        return None
    return {"version": row.version, "document": to_base64url(row.document)}


def _status(session: Session, lock_id: str) -> dict[str, Any] | None:
    row = session.get(StatusOutbox, lock_id)
    if row is None:
        return None
    header = statuslist.parse(row.document)[1]
    delta = lists.delta(session, lock_id, header, row.entries)
    return {
        "version": row.version,
        "document": to_base64url(row.document),
        "entries": to_base64url(row.entries),
        "base_version": delta.base_version if delta else None,
        "additions": to_base64url(delta.additions) if delta else None,
    }
