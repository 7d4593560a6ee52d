"""What staff did: rows that are only ever added, each sealing the one before.

`note` is called in the transaction of the deed itself: what was done is noted, or neither. A row's
hash covers the row and the hash before it, so a row edited, taken out or put in between shows; a
tail cut off shows to whoever kept a later `head`. Rows name nobody's secret: a detail is a few
words and numbers, never a link, a cookie, a PIN, a token or a key.

The row of a member of staff holds an id; the name is looked up when it is shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cloud.database import town_of
from cloud.models import Action, StaffMember
from cloud.people.principals import Principal

MAX_DETAIL_CHARS = 2000
_PAGE = 1000
Detail = Mapping[str, Any]  # plain values: text, numbers, lists of them


@dataclass(frozen=True)
class ChainState:
    """What a check found. broken_at: the first row that does not fit; None when all do."""

    rows: int
    head: str
    broken_at: int | None

    def as_dict(self) -> dict[str, Any]:
        """For answers and files."""
        return {
            "ok": self.broken_at is None,
            "rows": self.rows,
            "head": self.head,
            "broken_at": self.broken_at,
        }


def note(
    session: Session,
    principal: Principal,
    action: str,
    object_id: str,
    detail: Detail,
    now: int,
) -> Action:
    """Adds a row. object_id: what it was done to, at most 64 characters; detail: plain values."""
    take_turn(session)
    last = session.scalars(select(Action).order_by(Action.seq.desc()).limit(1)).first()
    row = Action(
        town=town_of(session),
        seq=last.seq + 1 if last else 1,
        at=now,
        principal_id=principal.staff_id,
        action=action,
        object_id=object_id[:64],
        detail=_as_text(detail),
    )
    row.row_hash = _seal(row, last.row_hash if last else _genesis(row.town))
    session.add(row)
    session.flush()
    return row


def take_turn(session: Session) -> None:
    """One writer of this town's list at a time, until the transaction ends.

    SQLite has one writer anyway. Whoever decides by what is in the tables of staff, and will note
    it, takes the turn first: so two managers cannot both be the last but one.
    """
    if session.get_bind().dialect.name == "postgresql":
        digest = hashlib.sha256(f"kannuki actions {town_of(session)}".encode()).digest()
        turn = int.from_bytes(digest[:8], "big", signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": turn})


def _as_text(detail: Detail) -> str:
    told = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if len(told) > MAX_DETAIL_CHARS:
        raise ValueError("a detail of an action is a few words")
    return told


def _genesis(town: str) -> bytes:
    return hashlib.sha256(f"kannuki actions of {town}".encode()).digest()


def _seal(row: Action, previous: bytes) -> bytes:
    """SHA-256 over the hash before and the row's values as a JSON list."""
    values = [row.town, row.seq, row.at, row.principal_id, row.action, row.object_id, row.detail]
    told = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha256(previous + told).digest()


def check(session: Session) -> ChainState:
    """Reads the whole list and says where it first does not fit."""
    town = town_of(session)
    previous, count = _genesis(town), 0
    for row in _all(session):
        count += 1
        if row.seq != count or row.town != town or row.row_hash != _seal(row, previous):
            return ChainState(count, previous.hex(), count)
        previous = row.row_hash
    return ChainState(count, previous.hex(), None)


def _all(session: Session) -> Iterator[Action]:
    """Page by page: a list of years does not fit into memory, and no cursor is left open."""
    after = -1
    while True:
        query = select(Action).where(Action.seq > after).order_by(Action.seq).limit(_PAGE)
        page = list(session.scalars(query))
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq
        for row in page:
            session.expunge(row)


def lines(session: Session, *, before: int | None = None, limit: int) -> Iterator[dict[str, Any]]:
    """Rows with names, newest first. before: only rows with a smaller number."""
    query = select(Action, StaffMember.name).outerjoin(
        StaffMember, StaffMember.staff_id == Action.principal_id
    )
    if before is not None:
        query = query.where(Action.seq < before)
    query = query.order_by(Action.seq.desc()).limit(limit)
    for row, name in session.execute(query).all():
        yield {
            "seq": row.seq,
            "at": row.at,
            "staff_id": row.principal_id,
            "name": name or row.principal_id,
            "action": row.action,
            "object_id": row.object_id,
            "detail": json.loads(row.detail),
            "hash": row.row_hash.hex(),
        }
