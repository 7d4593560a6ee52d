"""Where somebody saw a lock's journal stand, kept to hold its records against.

Decides which sightings are kept and what contradicts them. A phone's word is hearsay (it holds the
proof key, so it could have made the outcome up); a head that the lock signed is not. A sighting
that the records contradict, or that a lock's later word falls behind, is an alarm: a tail was cut
off, or an old image was restored. Reads no clock.
"""

from __future__ import annotations

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.alarms import raise_alarm
from cloud.models import AuditRecord, Lock, SeenHead
from protocol import audit, cose
from protocol.audit import AuditError, Head
from protocol.cose import CoseError
from protocol.keys import key_id

PHONE = "phone"
SIGNED = "signed"
FORK = "AUDIT_FORK"
WENT_BACK = "AUDIT_WENT_BACK"
MAX_KEPT = 200


def note(session: Session, head: Head, source: str, now: int) -> None:
    """Keeps a sighting and compares it with the records that are here."""
    row = session.get(AuditRecord, (head.lock_id, head.journal_epoch, head.seq))
    if row is not None and audit.record_hash(row.raw) != head.record_hash:
        _alarm(session, head, FORK, f"record {head.seq} was seen otherwise by a {source}", now)
    session.merge(
        SeenHead(
            lock_id=head.lock_id,
            journal_epoch=head.journal_epoch,
            seq=head.seq,
            record_hash=head.record_hash,
            source=source,
            seen_at=now,
        )
    )
    session.flush()
    _forget_old(session, head.lock_id)


def note_signed(session: Session, document: bytes, nonce: bytes | None, now: int) -> bool:
    """Keeps a head that a lock signed; False when it is not genuine, or not about `nonce`."""
    try:
        signed = cose.decode(document)
        head, told_nonce = audit.decode_head(signed.payload)
    except (CoseError, AuditError):
        return False
    lock = session.get(Lock, head.lock_id)
    if lock is None or lock.signing_key is None or (nonce is not None and nonce != told_nonce):
        return False
    if not is_signed_by(lock.signing_key, signed):
        return False
    newest = newest_seen(session, head.lock_id, head.journal_epoch)
    if nonce is not None and head.seq < newest:
        _alarm(session, head, WENT_BACK, f"it stands at {head.seq}, was seen at {newest}", now)
    note(session, head, SIGNED, now)
    return True


def is_about(document: bytes, lock_id: str) -> bool:
    """Whether a head, genuine or not, names this lock."""
    try:
        head: Head = audit.decode_head(cose.decode(document).payload)[0]
    except (CoseError, AuditError):
        return False
    return head.lock_id == lock_id


def is_signed_by(signing_key: bytes, signed: cose.Signed) -> bool:
    """Whether this lock's own key signed the head."""
    if signed.kid != key_id(signing_key):
        return False
    try:
        VerifyKey(signing_key).verify(signed.signed_bytes(audit.HEAD_CONTEXT), signed.signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def contradicts(
    session: Session, lock_id: str, journal_epoch: int, seq: int, record_hash: bytes
) -> bool:
    """Whether somebody saw another record of this number."""
    query = select(SeenHead.record_hash).where(
        SeenHead.lock_id == lock_id, SeenHead.journal_epoch == journal_epoch, SeenHead.seq == seq
    )
    return any(seen != record_hash for seen in session.scalars(query))


def newest_seen(session: Session, lock_id: str, journal_epoch: int) -> int:
    """The highest number that the records or anyone's sighting prove to exist."""
    seen = session.scalar(
        select(func.max(SeenHead.seq)).where(
            SeenHead.lock_id == lock_id, SeenHead.journal_epoch == journal_epoch
        )
    )
    stored = session.scalar(
        select(func.max(AuditRecord.seq)).where(
            AuditRecord.lock_id == lock_id, AuditRecord.journal_epoch == journal_epoch
        )
    )
    return max(seen or 0, stored or 0)


def _alarm(session: Session, head: Head, kind: str, detail: str, now: int) -> None:
    raise_alarm(session, kind, head.lock_id, f"journal {head.journal_epoch}: {detail}", now)


def _forget_old(session: Session, lock_id: str) -> None:
    """Keeps the newest sightings, and so bounds what phones can fill."""
    query = (
        select(SeenHead.journal_epoch, SeenHead.seq, SeenHead.record_hash)
        .where(SeenHead.lock_id == lock_id)
        .order_by(SeenHead.seen_at.desc(), SeenHead.seq.desc())
        .offset(MAX_KEPT)
    )
    for epoch, seq, record_hash in session.execute(query).all():
        session.execute(
            delete(SeenHead).where(
                SeenHead.lock_id == lock_id,
                SeenHead.journal_epoch == epoch,
                SeenHead.seq == seq,
                SeenHead.record_hash == record_hash,
            )
        )
