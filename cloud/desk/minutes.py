"""How many minutes residents and staff were spared: counts from the log times stated assumptions.

Decides the arithmetic and owns the one table of assumptions, which the console shows beside every
result. The counts come from rows (`cloud.desk.effect`); nothing here is measured by a stop watch.

The pilot (a Japanese city, 2017-18) told two totals for each side and no more: 24 uses of a
resident's time 936 -> 784 minutes, 48 uses of staff time 360 -> 156, of which all that was left
were approvals at 5 minutes and key URLs at 2. What its model of a resident's 39 minutes contains
is not known to us: so a use counts here as the pilot's "after" when the resident's own key opened
the door, and as the pilot's "before" otherwise, and no use ever counts for less.
Invariant: exact fractions until the one rounding at the end; more work by hand never saves more.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

RESIDENT_USES, RESIDENT_BEFORE, RESIDENT_AFTER = 24, 936, 784
STAFF_USES, STAFF_BEFORE, STAFF_AFTER = 48, 360, 156


@dataclass(frozen=True)
class Assumption:
    """Minutes for one of something. `source`: the pilot's own figure, one that follows from its
    totals, or ours."""

    code: str
    minutes: Fraction
    source: Literal["pilot", "derived", "ours"]


ASSUMPTIONS = {
    each.code: each
    for each in (
        Assumption("resident.before", Fraction(RESIDENT_BEFORE, RESIDENT_USES), "derived"),
        Assumption("resident.after", Fraction(RESIDENT_AFTER, RESIDENT_USES), "derived"),
        Assumption("staff.before", Fraction(STAFF_BEFORE, STAFF_USES), "derived"),
        Assumption("staff.approval", Fraction(5), "pilot"),
        Assumption("staff.key", Fraction(2), "pilot"),
        Assumption("staff.booking", Fraction(5), "ours"),
        Assumption("staff.opening", Fraction(3), "ours"),
    )
}


@dataclass(frozen=True)
class Tally:
    """What rows of a span of time say.

    uses: confirmed bookings that ended in it; own_key: those whose door a resident's own key
    opened; approvals, keys, bookings, openings: what staff did by hand in it.
    """

    uses: int = 0
    own_key: int = 0
    approvals: int = 0
    keys: int = 0
    bookings: int = 0
    openings: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.own_key <= self.uses:
            raise ValueError("more uses with an own key than uses")


def effect(tally: Tally) -> dict[str, Any]:
    """Minutes before and now for these uses, and beside them the pilot's, scaled to nothing."""
    return {
        "counts": {
            "uses": tally.uses,
            "own_key": tally.own_key,
            "approvals": tally.approvals,
            "keys": tally.keys,
            "bookings": tally.bookings,
            "openings": tally.openings,
        },
        "residents": _side(tally.uses, "resident.before", _residents(tally), RESIDENT_USES),
        "staff": _side(tally.uses, "staff.before", _staff(tally), STAFF_USES),
        "pilot": {
            "residents": {
                "uses": RESIDENT_USES,
                "before": RESIDENT_BEFORE,
                "after": RESIDENT_AFTER,
            },
            "staff": {"uses": STAFF_USES, "before": STAFF_BEFORE, "after": STAFF_AFTER},
        },
        "assumptions": [
            {"code": each.code, "minutes": _rounded(each.minutes), "source": each.source}
            for each in ASSUMPTIONS.values()
        ],
    }


def _residents(tally: Tally) -> Fraction:
    by_hand = tally.uses - tally.own_key
    return tally.own_key * _each("resident.after") + by_hand * _each("resident.before")


def _staff(tally: Tally) -> Fraction:
    return (
        tally.approvals * _each("staff.approval")
        + tally.keys * _each("staff.key")
        + tally.bookings * _each("staff.booking")
        + tally.openings * _each("staff.opening")
    )


def _side(uses: int, before: str, now: Fraction, pilot_uses: int) -> dict[str, Any]:
    """`same_uses`: ours, for as many uses as the pilot told its totals for; null without uses."""
    would_be = uses * _each(before)
    return {
        "before": _rounded(would_be),
        "now": _rounded(now),
        "saved": _rounded(would_be - now),
        "same_uses": _rounded(now * pilot_uses / uses) if uses else None,
    }


def _each(code: str) -> Fraction:
    return ASSUMPTIONS[code].minutes


def _rounded(minutes: Fraction) -> float:
    """To a tenth of a minute, half away from zero."""
    tenths = abs(minutes) * 10
    whole = (tenths.numerator * 2 + tenths.denominator) // (tenths.denominator * 2)
    return (whole if minutes >= 0 else -whole) / 10
