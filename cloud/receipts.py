"""Acknowledges records to the lock that wrote them: a signed document that it may forget them.

Decides how far: up to the newest record before which nothing is missing. A lock that is told of a
record it does not have raises the alarm itself. Reads no clock.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cloud import documents
from cloud.audit import newest_whole
from cloud.models import DocumentOutbox
from cloud.signers import Signers
from protocol import audit
from protocol.audit import Head


def acknowledge(
    session: Session, signers: Signers, lock_id: str, journal_epoch: int, now: int
) -> None:
    """Puts the newest acknowledgement of a journal into the outbox, when it says more."""
    last = documents.newest(session, lock_id, documents.ACK)
    known = _head(last) if last is not None else None
    if known is not None and known.journal_epoch > journal_epoch:
        return  # records of an older journal: the lock that wrote them is no more
    after = known.seq if known is not None and known.journal_epoch == journal_epoch else 0
    row = newest_whole(session, lock_id, journal_epoch, after)
    if row is None:
        return
    head = Head(lock_id, journal_epoch, row.seq, audit.record_hash(row.raw))
    document = signers.ack.sign(audit.encode_ack(head))
    documents.put(session, lock_id, documents.ACK, row.seq, document, now)


def _head(row: DocumentOutbox) -> Head:
    head: Head = audit.parse_ack(row.document)[1]
    return head
