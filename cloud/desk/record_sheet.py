"""Records of locks as rows of a sheet: words for people, and the exact values beside them.

Decides the columns. A time is the town's own, to the second; where a lock was in doubt, both ends
of its doubt are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cloud.calendar import TOWN_ZONE
from kannuki import texts

_COLUMNS = (
    "earliest",
    "latest",
    "room",
    "what",
    "result",
    "reason",
    "path",
    "who",
    "staff",
    "staff_reason",
    "booking",
    "lock",
    "journal",
    "number",
    "received",
    "hash",
)


def header(lang: str) -> list[str]:
    """The names of the columns."""
    return [texts.text(f"desk.csv.{name}", lang) for name in _COLUMNS]


def row(line: Mapping[str, Any], lang: str) -> list[object]:
    """One record of `cloud.desk.audit_search`."""
    return [
        _time(line["time_lo"]),
        _time(line["time_hi"]),
        line["room"],
        event_words(line["event"], lang),
        line["result"],
        line["reason"],
        line["path"],
        line["holder_name"],
        line["staff_name"],
        line["staff_reason"],
        line["booking_id"],
        line["lock_id"],
        line["journal_epoch"],
        line["seq"],
        _time(line["received_at"]),
        line["hash"],
    ]


def event_words(event: str, lang: str) -> str:
    """An event in words; one that is newer than the words as it is."""
    code = f"desk.event.{event}"
    return texts.text(code, lang) if code in texts.codes() else event


def _time(at: int | None) -> str | None:
    if not at:
        return None
    try:
        return datetime.fromtimestamp(at, TOWN_ZONE).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(at)
