"""Whether the rules confirm a booking by themselves, or leave it to a clerk, and why.

Decides from the policy and from plain facts about the wish; looks nothing up. A reason is a code
with a text, for the resident who waits and for the clerk who decides.
Invariant: `auto` has no reasons, `clerk` at least one; a policy that asks for less never leaves
more to the clerk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloud.booking.policy import Category, Quotas, Rules
from cloud.booking.windows import Refusal
from cloud.people.levels import reaches

# Reasons are kept with each booking: append-only.
ALWAYS = "CLERK_ALWAYS"
FIRST_USE = "CLERK_FIRST_USE"
COMMERCIAL = "CLERK_COMMERCIAL"
OUTSIDE = "CLERK_OUTSIDE"
MANY_PEOPLE = "CLERK_MANY_PEOPLE"
LONG_USE = "CLERK_LONG_USE"
LOW_ASSURANCE = "CLERK_LOW_ASSURANCE"
OVER_QUOTA = "CLERK_OVER_QUOTA"
EVIDENCE_OVER = "CLERK_EVIDENCE_OVER"
REASONS = (
    ALWAYS,
    FIRST_USE,
    COMMERCIAL,
    OUTSIDE,
    MANY_PEOPLE,
    LONG_USE,
    LOW_ASSURANCE,
    OVER_QUOTA,
    EVIDENCE_OVER,
)

AUTO: Literal["auto"] = "auto"
CLERK: Literal["clerk"] = "clerk"


@dataclass(frozen=True)
class Wish:
    """The facts that the rules look at. Counts are of bookings that are not over."""

    category: Category
    people: int
    minutes: int
    assurance: str
    is_group: bool = False
    is_first_use: bool = False
    evidence_is_over: bool = False
    open_of_person: int = 0
    open_of_group: int = 0


@dataclass(frozen=True)
class Decision:
    """`auto`: confirmed at once. `clerk`: waits for one, for these reasons."""

    by: Literal["auto", "clerk"]
    reasons: tuple[str, ...] = ()


def decide(rules: Rules | None, wish: Wish) -> Decision:
    """What the policy says to this wish; without a policy everything is confirmed."""
    if rules is None:
        return Decision(AUTO)
    asks = rules.approval
    found = {
        ALWAYS: asks.always,
        FIRST_USE: asks.first_use_of_group and wish.is_group and wish.is_first_use,
        COMMERCIAL: asks.commercial and wish.category == "commercial",
        OUTSIDE: asks.outside and wish.category == "outside",
        MANY_PEOPLE: asks.people_over is not None and wish.people > asks.people_over,
        LONG_USE: asks.minutes_over is not None and wish.minutes > asks.minutes_over,
        LOW_ASSURANCE: not reaches(wish.assurance, asks.assurance_below),
        OVER_QUOTA: quota_refusal(rules.quotas, wish) is not None,
        EVIDENCE_OVER: wish.is_group and wish.evidence_is_over,
    }
    reasons = tuple(code for code in REASONS if found[code])
    return Decision(CLERK, reasons) if reasons else Decision(AUTO)


def quota_refusal(quotas: Quotas, wish: Wish) -> Refusal | None:
    """Which quota one more booking would break. A group's bookings count for the group."""
    if wish.is_group:
        over, most = wish.open_of_group >= quotas.open_per_group, quotas.open_per_group
    else:
        over, most = wish.open_of_person >= quotas.open_per_person, quotas.open_per_person
    return Refusal("QUOTA_REACHED", {"count": most}) if over else None
