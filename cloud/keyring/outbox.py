"""The transactional outbox of keys: a booking asks for its keys in its own commit.

One row a booking: `wanted` counts what was asked for, `done` what was fulfilled, so asking twice is
asking once and nothing that was asked for is lost with a process. The row is also the turn: whoever
settles a booking's keys holds it until commit, so that two never issue for the same holder
(PostgreSQL; on SQLite the one write lock does it). Order of locks: booking, links, turn, list.
Reads no clock, signs nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Insert, Select, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.database import town_of
from cloud.keyring.entitlement import keyed_rows
from cloud.models import Booking, Credential, KeyWork, Lock
from kannuki.backoff import Backoff

RETRY = Backoff(first_s=2.0, max_s=600.0, spread=0.0)
_CHUNK = 200  # SQLite takes 32,766 values in one statement, older ones 999


def ask_for_keys(session: Session, booking_ids: Collection[str], now: int) -> None:
    """The keys of these bookings shall be brought in step; call it in their own transaction."""
    session.flush()
    ids = sorted(booking_ids)
    for at in range(0, len(ids), _CHUNK):
        rows = [_row(session, booking_id, now, 1) for booking_id in ids[at : at + _CHUNK]]
        again = {"wanted": KeyWork.wanted + 1, "attempts": 0, "next_attempt_at": now}
        statement = _insert(session, rows).on_conflict_do_update(  # type: ignore[attr-defined]
            index_elements=["booking_id"], set_=again
        )
        session.connection().execute(statement)


def take_turn(session: Session, booking_id: str, now: int) -> KeyWork:
    """The booking's row, held until the transaction ends; made when it had none."""
    row = _held(session, booking_id)
    if row is None:
        made = _insert(session, [_row(session, booking_id, now, 0)])
        session.connection().execute(made.on_conflict_do_nothing())  # type: ignore[attr-defined]
        row = _held(session, booking_id)
    assert row is not None
    return row


def due(session: Session, now: int, limit: int) -> list[KeyWork]:
    """Wishes to fulfil now, held until the transaction ends; those that another holds are left."""
    return list(session.scalars(_due(now).limit(limit).with_for_update(skip_locked=True)))


def has_due(session: Session, now: int) -> bool:
    """Whether `due` would give any, without taking the write lock."""
    return session.scalar(_due(now).limit(1)) is not None


def put_off(row: KeyWork, now: int) -> None:
    """It could not be fulfilled; ever later it is tried again."""
    row.attempts += 1
    row.next_attempt_at = now + int(RETRY.delay_s(row.attempts, 0.0))


def ask_for_missing(session: Session, now: int, pad_s: int, limit: int) -> int:
    """Asks for up to `limit` bookings whose keys are not as they should be and that nobody asked
    for: those from before there was an outbox, or written by hand. How many there were."""
    asked = select(KeyWork.booking_id).where(
        KeyWork.booking_id == Booking.booking_id, KeyWork.done < KeyWork.wanted
    )
    live = select(Credential.cti).where(
        Credential.booking_id == Booking.booking_id, Credential.revoked_at.is_(None)
    )
    hung = select(Lock.lock_id).where(Lock.town == Booking.town, Lock.room_id == Booking.room_id)
    current = Booking.ends_at > now - pad_s
    lacking = keyed_rows() & current & hung.exists() & ~live.exists()
    left_over = ~keyed_rows() & current & live.exists()
    query = select(Booking.booking_id).where(lacking | left_over, ~asked.exists())
    ids = session.scalars(query.order_by(Booking.starts_at, Booking.booking_id).limit(limit)).all()
    ask_for_keys(session, ids, now)
    return len(ids)


def _due(now: int) -> Select[tuple[KeyWork]]:
    return (
        select(KeyWork)
        .where(KeyWork.done < KeyWork.wanted, KeyWork.next_attempt_at <= now)
        .order_by(KeyWork.next_attempt_at, KeyWork.booking_id)
        .execution_options(populate_existing=True)
    )


def _held(session: Session, booking_id: str) -> KeyWork | None:
    return session.get(KeyWork, booking_id, with_for_update=True, populate_existing=True)


def _row(session: Session, booking_id: str, now: int, wanted: int) -> dict[str, Any]:
    return {
        "town": town_of(session),
        "booking_id": booking_id,
        "wanted": wanted,
        "done": 0,
        "attempts": 0,
        "next_attempt_at": now,
    }


def _insert(session: Session, rows: list[dict[str, Any]]) -> Insert:
    dialect = session.connection().dialect.name
    made = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return made(KeyWork.__table__).values(rows)  # type: ignore[arg-type]
