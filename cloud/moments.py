"""Moments as people type and read them at a terminal, in the town's zone. Decides nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from cloud.calendar import TOWN_ZONE
from kannuki.errors import InputError

TOWN_OFFSET_MINUTES = 540  # Japan has no summer time


def time_text(at: int) -> str:
    """ISO 8601, or words for what no calendar has."""
    try:
        return datetime.fromtimestamp(at, TOWN_ZONE).isoformat()
    except (OverflowError, ValueError, OSError):
        return "beyond the calendar"


def moment(text: str) -> int:
    """Unix seconds; ISO text without a zone is in the town's. Raises InputError."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"'{text}' is no time", "for example 2026-12-05T10:00:00+09:00, or Unix seconds"
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=TOWN_ZONE)
    return int(aware.astimezone(UTC).timestamp())
