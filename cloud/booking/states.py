"""The states of a booking and of its money, and the one place that says who gets a key.

Decides which status can follow which, what the payment state is (always computed from the amounts,
never set by hand), what comes back on a cancellation, and `keyed`. Pure: knows no database.

    held -> confirmed | pending | cancelled | expired      a resident fills the form, or pays
    pending -> confirmed | held | declined | cancelled      a clerk decides; held: pay first
    confirmed -> pending | cancelled                        pending: a calendar became tentative
    cancelled, declined, expired                            the end, except for a calendar's word
                                                            and for money that came too late

Invariants: a key exists only for a confirmed booking that is settled, exempt, settled elsewhere, or
may be paid later; what is refunded or due back was paid before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cloud.booking.policy import Rules

HELD = "held"
PENDING = "pending"
CONFIRMED = "confirmed"
CANCELLED = "cancelled"
DECLINED = "declined"
EXPIRED = "expired"
STATUSES = (HELD, PENDING, CONFIRMED, CANCELLED, DECLINED, EXPIRED)
HOLDS_ROOM = (HELD, PENDING, CONFIRMED)
ENDED = (CANCELLED, DECLINED, EXPIRED)
FOLLOWS = {
    HELD: {CONFIRMED, PENDING, CANCELLED, EXPIRED},
    PENDING: {CONFIRMED, HELD, DECLINED, CANCELLED},
    CONFIRMED: {PENDING, CANCELLED},
    CANCELLED: {CONFIRMED},
    DECLINED: set[str](),
    EXPIRED: {CONFIRMED},
}

# How a fee is paid.
FREE, EXEMPTION, OUTSIDE = "free", "exempt", "external"
COUNTER, INVOICE, HOSTED = "counter", "invoice", "hosted"
METHODS = (FREE, EXEMPTION, OUTSIDE, COUNTER, INVOICE, HOSTED)

# How the payment stands. COUNTER and INVOICE: due there.
SETTLED, EXEMPT, EXTERNAL, UNPAID = "settled", "exempt", "external", "pending"
REFUND_DUE, REFUNDED, VOID = "refund_due", "refunded", "void"
PAYMENT_STATES = (
    SETTLED,
    EXEMPT,
    EXTERNAL,
    COUNTER,
    INVOICE,
    UNPAID,
    REFUND_DUE,
    REFUNDED,
    VOID,
)
PAID_ENOUGH = (SETTLED, EXEMPT, EXTERNAL)
CAN_BE_LATER = (COUNTER, INVOICE)


class Keyable(Protocol):
    """What `keyed` looks at."""

    status: str
    payment_state: str
    pay_later: bool


def keyed(booking: Keyable) -> bool:
    """Whether a booking has a key: the only definition."""
    if booking.status != CONFIRMED:
        return False
    if booking.payment_state in PAID_ENOUGH:
        return True
    return booking.pay_later and booking.payment_state in CAN_BE_LATER


@dataclass(frozen=True)
class Amounts:
    """A booking's money in yen. `fee`: what is owed in all, after a cancellation what is kept."""

    fee: int
    paid: int = 0
    refund_due: int = 0
    refunded: int = 0

    @property
    def kept(self) -> int:
        """What the town has and keeps."""
        return self.paid - self.refund_due - self.refunded

    @property
    def outstanding(self) -> int:
        """What is still to be paid."""
        return max(0, self.fee - self.kept)


def payment_state(status: str, method: str, money: Amounts) -> str:
    """How the payment stands, from the amounts alone."""
    if method == OUTSIDE:
        return EXTERNAL
    if status == HELD:
        return UNPAID
    if status in ENDED:
        return _state_at_the_end(method, money)
    if money.outstanding:
        return UNPAID if method == HOSTED else INVOICE if method == INVOICE else COUNTER
    return EXEMPT if method == EXEMPTION else SETTLED


def _state_at_the_end(method: str, money: Amounts) -> str:
    if money.refund_due:
        return REFUND_DUE
    if money.outstanding:
        return INVOICE if method == INVOICE else COUNTER
    if money.refunded:
        return REFUNDED
    return SETTLED if money.kept else VOID


def rebalanced(money: Amounts, fee: int) -> Amounts:
    """The same payments against another fee: what is too much becomes due back."""
    kept = money.paid - money.refunded
    return Amounts(fee, money.paid, max(0, kept - fee), money.refunded)


def with_payment(money: Amounts, yen: int) -> Amounts:
    """After so much came in."""
    paid = Amounts(money.fee, money.paid + yen, money.refund_due, money.refunded)
    return rebalanced(paid, money.fee)


def with_refund(money: Amounts, yen: int) -> Amounts:
    """After so much went back. Raises ValueError for more than was due back."""
    if not 0 < yen <= money.refund_due:
        raise ValueError("no such refund is due")
    return Amounts(money.fee, money.paid, money.refund_due - yen, money.refunded + yen)


def refund_percent(rules: Rules | None, starts_at: int, now: int) -> int:
    """How much of the fee a resident who cancels now does not owe."""
    if rules is None:
        return 100
    left = starts_at - now
    return max((s.percent for s in rules.refunds if left >= s.minutes_before * 60), default=0)


def fee_after_cancelling(fee: int, percent: int) -> int:
    """What is still owed; the broken yen is the resident's."""
    return fee * (100 - percent) // 100
