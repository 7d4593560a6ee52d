"""A month's uses and money by facility, for the office that keeps the books.

Decides that a use belongs to the month in which it starts, in the town's zone, and that sums are of
bookings that were confirmed or had money move. Names nobody.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.booking import states
from cloud.booking.hours import moment_of
from cloud.models import Booking, Room

COLUMNS = (
    "facility_id",
    "month",
    "uses",
    "exempt_uses",
    "external_uses",
    "cancelled",
    "minutes",
    "full_fee_yen",
    "fee_yen",
    "reduced_yen",
    "settled_yen",
    "counter_yen",
    "invoice_yen",
    "pending_yen",
    "refund_due_yen",
    "refunded_yen",
)


def monthly(session: Session, year: int, month: int) -> list[dict[str, Any]]:
    """One line for each facility that had anything in that month."""
    lines: dict[str, dict[str, Any]] = {}
    for row in session.execute(_query(year, month)):
        line = lines.setdefault(row.facility_id, _empty(row.facility_id, year, month))
        _count(line, row)
    return [lines[facility_id] for facility_id in sorted(lines)]


def as_csv(lines: list[dict[str, Any]]) -> str:
    """For a spreadsheet: a heading and a line for each facility."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _query(year: int, month: int) -> Any:
    starts_at = moment_of(date(year, month, 1), 0)
    ends_at = moment_of(date(year + month // 12, month % 12 + 1, 1), 0)
    kept = Booking.paid_yen - Booking.refund_due_yen - Booking.refunded_yen
    return (
        select(
            Room.facility_id,
            Booking.status,
            Booking.payment_state,
            func.count().label("uses"),
            func.sum(Booking.ends_at - Booking.starts_at).label("seconds"),
            func.sum(Booking.full_fee_yen).label("full"),
            func.sum(Booking.fee_yen).label("fee"),
            func.sum(kept).label("kept"),
            func.sum(Booking.refund_due_yen).label("due"),
            func.sum(Booking.refunded_yen).label("refunded"),
        )
        .join(Room, (Room.town == Booking.town) & (Room.room_id == Booking.room_id))
        .where(Booking.starts_at >= starts_at, Booking.starts_at < ends_at)
        .where((Booking.status.in_((states.CONFIRMED, states.CANCELLED))) | (Booking.paid_yen > 0))
        .group_by(Room.facility_id, Booking.status, Booking.payment_state)
    )


def _empty(facility_id: str, year: int, month: int) -> dict[str, Any]:
    counts: dict[str, Any] = defaultdict(int, facility_id=facility_id, month=f"{year}-{month:02}")
    return {name: counts[name] for name in COLUMNS}


def _count(line: dict[str, Any], row: Any) -> None:
    """Numbers as int: a database's sums may be decimals."""
    fee, kept = int(row.fee), int(row.kept)
    if row.status == states.CONFIRMED:
        line["uses"] += row.uses
        line["minutes"] += int(row.seconds) // 60
        line["full_fee_yen"] += int(row.full)
        line["reduced_yen"] += int(row.full) - fee
        line["exempt_uses"] += row.uses if row.payment_state == states.EXEMPT else 0
        line["external_uses"] += row.uses if row.payment_state == states.EXTERNAL else 0
    elif row.status == states.CANCELLED:
        line["cancelled"] += row.uses
    line["fee_yen"] += fee
    line["settled_yen"] += kept
    line["refund_due_yen"] += int(row.due)
    line["refunded_yen"] += int(row.refunded)
    if row.payment_state in (states.COUNTER, states.INVOICE, states.UNPAID):
        line[f"{row.payment_state}_yen"] += max(0, fee - kept)


def year_and_month(text: str) -> tuple[int, int]:
    """(2026, 12) of "2026-12"; the caller has checked its form."""
    year, month = text.split("-")
    return int(year), int(month)
