"""The locks as a technician looks at them: last contact, clock, papers, and what nobody tells.

Gathers rows for `cloud.desk.doors`; decides nothing itself. A lock that hangs nowhere is shown to
those who may see the whole town.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import documents, fleet, reports
from cloud.desk import scope
from cloud.desk.doors import Papers, fleet_line
from cloud.desk.today import report_of
from cloud.models import (
    DocumentOutbox,
    Facility,
    Lock,
    LockReport,
    LockSettings,
    Room,
    StatusOutbox,
)
from protocol import statuslist


def fleet_lines(
    session: Session, shown: scope.Facilities, keyset_version: int, now: int
) -> dict[str, Any]:
    """Locks with their rooms, and (for the whole town) gateways."""
    query = (
        select(Lock, Room, LockReport)
        .outerjoin(Room, Room.room_id == Lock.room_id)
        .outerjoin(LockReport, LockReport.lock_id == Lock.lock_id)
        .order_by(Room.facility_id, Room.room_id, Lock.lock_id)
    )
    if shown is not None:
        query = query.where(Room.facility_id.in_(shown))
    rows = session.execute(query).all()
    houses = {row.facility_id: scope.name_of(row) for row in session.scalars(select(Facility))}
    papers = _papers(session, keyset_version)
    return {
        "as_of": now,
        "locks": [
            {
                "room": room.name if room else None,
                "facility": houses.get(room.facility_id) if room else None,
                "enrolled_at": lock.enrolled_at,
                **fleet_line(
                    lock.lock_id,
                    report_of(report),
                    papers.get(lock.lock_id, Papers(keyset_version=keyset_version)),
                    not fleet.gateway_is_offline(session, lock.lock_id),
                ),
            }
            for lock, room, report in rows
        ],
        "gateways": reports.gateway_lines(session) if shown is None else [],
    }


def _papers(session: Session, keyset_version: int) -> dict[str, Papers]:
    lists = {row.lock_id: row for row in session.scalars(select(StatusOutbox))}
    configs = {row.lock_id: row.version for row in session.scalars(select(LockSettings))}
    sent = session.scalars(select(DocumentOutbox).where(DocumentOutbox.what == documents.CONFIG))
    configs |= {row.lock_id: row.version for row in sent}
    return {
        lock_id: Papers(
            status_version=lists[lock_id].version if lock_id in lists else 0,
            keyset_version=keyset_version,
            config_version=configs.get(lock_id, 0),
            list_issued_at=_issued_at(lists[lock_id]) if lock_id in lists else None,
        )
        for lock_id in lists.keys() | configs.keys()
    }


def _issued_at(row: StatusOutbox) -> int:
    return int(statuslist.parse(row.document)[1].issued_at)
