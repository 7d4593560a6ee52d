"""What a lock knows of a withdrawal, told honestly: a list that waits here withdraws nothing there.

Decides when a lock counts as knowing: it has acknowledged, or reported, a list of the version that
first withdraws the key, or a later one. Changes nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.credentials import live_credential
from cloud.keyring.pins import live_pin
from cloud.models import (
    Credential,
    IssuedPin,
    KeyDelivery,
    KeyLink,
    LockReport,
    StaffKey,
    StatusOutbox,
)

Withdrawable = Credential | IssuedPin | StaffKey


def lock_knowledge(session: Session, key: Withdrawable) -> dict[str, Any]:
    """{"lock_id", "revoked_at", "list_version_with_it", "lock_has_version", "last_contact_at",
    "known_by_lock"}; times are Unix seconds, null where there is none."""
    list_row = session.get(StatusOutbox, key.lock_id)
    report = session.get(LockReport, key.lock_id)
    has = list_row.acknowledged_version if list_row is not None else 0
    return {
        "lock_id": key.lock_id,
        "revoked_at": key.revoked_at,
        "list_version_with_it": key.listed_version or None,
        "lock_has_version": has,
        "last_contact_at": report.seen_at if report is not None else None,
        "known_by_lock": bool(key.listed_version) and has >= (key.listed_version or 0),
    }


def knowledge_of_booking(session: Session, booking_id: str) -> list[dict[str, Any]]:
    """The same for everything of a booking that was withdrawn and has not expired by itself when
    it was: `what` (key or pin), `holder_id`, the latest withdrawal first."""
    found: list[tuple[str, Credential | IssuedPin]] = []
    for what, table in (("key", Credential), ("pin", IssuedPin)):
        query = select(table).where(table.booking_id == booking_id, table.revoked_at.is_not(None))
        found += [(what, row) for row in session.scalars(query)]
    found.sort(key=lambda pair: pair[1].revoked_at or 0, reverse=True)
    return [
        {"what": what, "holder_id": row.holder_id} | lock_knowledge(session, row)
        for what, row in found
    ]


def state_of_holder(session: Session, booking_id: str, holder_id: str) -> dict[str, Any]:
    """{"issued", "collected", "pin_told", "letter"}: how far the key of a holder has come."""
    links = select(KeyLink.secret_sha256).where(
        KeyLink.booking_id == booking_id,
        KeyLink.holder_id == holder_id,
        KeyLink.claimed_at.is_not(None),
        KeyLink.replaced_at.is_(None),
    )
    letter = session.get(KeyDelivery, (booking_id, holder_id))
    return {
        "issued": live_credential(session, booking_id, holder_id) is not None,
        "collected": session.scalar(links.limit(1)) is not None,
        "pin_told": live_pin(session, booking_id, holder_id) is not None,
        "letter": letter.state if letter is not None else None,
    }


def names_of(session: Session, subjects: list[bytes]) -> dict[bytes, dict[str, Any]]:
    """Whose an audit record's subject is: a resident's token, a number, or a staff key."""
    told: dict[bytes, dict[str, Any]] = {}
    for what, table, name in (
        ("key", Credential, Credential.cti),
        ("pin", IssuedPin, IssuedPin.name),
    ):
        for row in session.scalars(select(table).where(name.in_(subjects))):
            said = row.cti if isinstance(row, Credential) else row.name
            told[said] = {"what": what, "booking_id": row.booking_id, "holder_id": row.holder_id}
    for key in session.scalars(select(StaffKey).where(StaffKey.cti.in_(subjects))):
        told[key.cti] = {
            "what": "staff",
            "booking_id": key.booking_id,
            "staff_id": key.staff_id,
            "staff_name": key.staff_name,
            "reason": key.reason,
        }
    return told
