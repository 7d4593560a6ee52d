"""A booking's money between its row and `cloud.booking.states`: the one way to write it.

Invariant: after `put`, `payment_state` is what the amounts, the method and the status say.
"""

from __future__ import annotations

from cloud.booking import states
from cloud.booking.states import Amounts
from cloud.models import Booking


def amounts_of(booking: Booking) -> Amounts:
    """The booking's money."""
    return Amounts(booking.fee_yen, booking.paid_yen, booking.refund_due_yen, booking.refunded_yen)


def put(booking: Booking, money: Amounts) -> None:
    """Writes amounts and the state that follows from them."""
    booking.fee_yen, booking.paid_yen = money.fee, money.paid
    booking.refund_due_yen, booking.refunded_yen = money.refund_due, money.refunded
    booking.payment_state = states.payment_state(booking.status, booking.payment_method, money)


def owe(booking: Booking, fee: int) -> None:
    """Another fee for the same payments: what is too much becomes due back."""
    put(booking, states.rebalanced(amounts_of(booking), fee))
