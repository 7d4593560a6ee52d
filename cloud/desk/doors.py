"""What may honestly be said of a door at this moment.

Decides from a lock's last report, its gateway and the clock: whether the state is of now or of the
past, whether the lock knows the time well enough, and how far it is behind the town's papers. What
a lock does not tell (its battery, its firmware) is None, never a guess. Pure; reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

CLOCK_SURE_S = 900  # within this a lock decides every window as people would
Contact = Literal["now", "earlier", "never", "none"]


@dataclass(frozen=True)
class Report:
    """A lock's own words as a gateway brought them; `seen_at`: when it spoke."""

    reachable: bool
    seen_at: int
    bolt: str
    door: str
    held_open: bool
    keypad: str
    status_version: int
    keyset_version: int
    config_version: int
    head_seq: int
    acked_seq: int
    time_lo: int | None
    time_hi: int | None
    battery: int | None = None
    firmware: str = ""
    lost_records: int = 0


@dataclass(frozen=True)
class Papers:
    """The newest the town has signed for a lock. `list_issued_at`: when it signed that list."""

    status_version: int = 0
    keyset_version: int = 0
    config_version: int = 0
    list_issued_at: int | None = None


def contact(has_lock: bool, report: Report | None, gateway_online: bool) -> Contact:
    """now: a gateway that is there reaches it; earlier: it did; never: no word yet; none: no
    lock hangs there."""
    if not has_lock:
        return "none"
    if report is None:
        return "never"
    return "now" if report.reachable and gateway_online else "earlier"


def clock_line(report: Report | None) -> dict[str, Any] | None:
    """What the lock knew of the time when it last spoke; null when it has not said.

    `sure`: it can tell every window; `off_by_s`: how far the truth lies outside what it believed.
    """
    if report is None or not report.time_lo:
        return None
    if report.time_hi is None:
        return {"lo": report.time_lo, "hi": None, "width_s": None, "sure": False, "off_by_s": 0}
    width = report.time_hi - report.time_lo
    off = max(0, report.time_lo - report.seen_at, report.seen_at - report.time_hi)
    return {
        "lo": report.time_lo,
        "hi": report.time_hi,
        "width_s": width,
        "sure": width <= CLOCK_SURE_S and off <= CLOCK_SURE_S,
        "off_by_s": off,
    }


def door_line(lock_id: str | None, report: Report | None, gateway_online: bool) -> dict[str, Any]:
    """A door for the list of today."""
    seen = report is not None
    return {
        "lock_id": lock_id,
        "contact": contact(lock_id is not None, report, gateway_online),
        "last_contact": report.seen_at if seen else None,
        "bolt": report.bolt if seen else "unknown",
        "door": report.door if seen else "unknown",
        "held_open": report.held_open if seen else False,
        "keypad": report.keypad if seen else "unknown",
        "clock": clock_line(report),
    }


def fleet_line(
    lock_id: str, report: Report | None, papers: Papers, gateway_online: bool
) -> dict[str, Any]:
    """The same for a technician: versions held beside the newest, and what nobody tells."""
    held = report is not None
    return door_line(lock_id, report, gateway_online) | {
        "battery": report.battery if held else None,  # a lock on mains has none to tell
        "firmware": (report.firmware or None) if held else None,
        "lost_records": report.lost_records if held else 0,
        "list": {
            "held": report.status_version if held else None,
            "newest": papers.status_version,
            "newest_issued_at": papers.list_issued_at,
        },
        "keyset": {
            "held": report.keyset_version if held else None,
            "newest": papers.keyset_version,
        },
        "config": {
            "held": report.config_version if held else None,
            "newest": papers.config_version,
        },
        "journal": {
            "head": report.head_seq if held else None,
            "acknowledged": report.acked_seq if held else None,
        },
    }
