"""The ways to pay, behind one interface: nothing, at the counter, by invoice, at a hosted checkout.

Decides what happens when a booking with a fee is made: whether the room stays on hold until the
money is there, whether the key may come first, and where a resident is sent. It never sees a card:
the hosted checkout is the payment service's own page, reached by a signed address, and what became
of it arrives as a signed message (`cloud.booking.webhooks`). Changes no booking and reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

from cloud.booking import states, webhooks
from cloud.booking.policy import Rules
from cloud.booking.windows import Refusal


@dataclass(frozen=True)
class Order:
    """What is to be paid. `reference` is the only name of it that leaves the town."""

    reference: str
    yen: int
    expires_at: int
    return_url: str
    invoice_allowed: bool = False


@dataclass(frozen=True)
class Begun:
    """How a payment stands once it was asked for."""

    waits: bool = False  # the room is only held until the money came
    pay_later: bool = False  # the key comes before the money
    redirect_url: str | None = None


class Provider(Protocol):
    """A way to pay."""

    method: str

    def begin(self, rules: Rules | None, order: Order, now: int) -> Begun | Refusal: ...


@dataclass(frozen=True)
class Immediate:
    """Nothing is to pay: no fee, or an exemption that covers all of it."""

    method: str

    def begin(self, rules: Rules | None, order: Order, now: int) -> Begun | Refusal:
        """Done."""
        return Begun()


@dataclass(frozen=True)
class AtCounter:
    """Cash at the counter, before the use; the key waits for it unless the policy trusts."""

    method: str = states.COUNTER

    def begin(self, rules: Rules | None, order: Order, now: int) -> Begun | Refusal:
        """Due at the counter."""
        return Begun(pay_later=_trusts(rules, self.method))


@dataclass(frozen=True)
class ByInvoice:
    """A bill for groups that the town has agreed it with."""

    method: str = states.INVOICE

    def begin(self, rules: Rules | None, order: Order, now: int) -> Begun | Refusal:
        """Due by invoice, where the group may have one."""
        if not order.invoice_allowed:
            return Refusal("NO_INVOICE")
        return Begun(pay_later=_trusts(rules, self.method))


@dataclass(frozen=True)
class Hosted:
    """A payment service's own page; its messages are signed with one of `secrets`."""

    checkout_url: str
    merchant: str
    secrets: tuple[bytes, ...]
    method: str = field(default=states.HOSTED)

    def begin(self, rules: Rules | None, order: Order, now: int) -> Begun | Refusal:
        """Sends the resident there; the room is held meanwhile."""
        return Begun(waits=True, redirect_url=self.address(order, now))

    def address(self, order: Order, now: int) -> str:
        """The checkout with what is asked, signed: nobody can pay another amount."""
        asked = {
            "merchant": self.merchant,
            "reference": order.reference,
            "amount_yen": order.yen,
            "expires_at": order.expires_at,
            "return_url": order.return_url,
        }
        text = urlencode(asked)
        return f"{self.checkout_url}?{text}&" + urlencode(
            {"signature": webhooks.sign(self.secrets[0], text.encode(), now)}
        )

    def is_from_service(self, header: str, body: bytes, now: int) -> bool:
        """Whether the service itself sent this, just now."""
        return webhooks.is_signed(self.secrets, header, body, now)


def checkout_order(query: str, secret: bytes, now: int) -> dict[str, str] | None:
    """What a signed checkout address asks for, for the service's side; None for a forged one."""
    text, _, signature = query.rpartition("&signature=")
    shown = dict(parse_qsl(f"signature={signature}")).get("signature", "")
    if not text or not webhooks.is_signed([secret], shown, text.encode(), now):
        return None
    return dict(parse_qsl(text))


@dataclass(frozen=True)
class Providers:
    """The ways to pay that this town has."""

    by_method: Mapping[str, Provider]

    def offered(self, rules: Rules | None, yen: int, percent: int) -> list[str]:
        """How this fee can be paid in this room, in the policy's order."""
        if yen == 0:
            return [states.EXEMPTION if percent == 100 else states.FREE]
        wanted: Sequence[str] = rules.payments.methods if rules is not None else ()
        return [method for method in wanted if method in self.by_method]

    def of(self, method: str) -> Provider | None:
        """The way to pay of that name."""
        return self.by_method.get(method)

    @property
    def hosted(self) -> Hosted | None:
        """The payment service, where the town has one."""
        provider = self.by_method.get(states.HOSTED)
        return provider if isinstance(provider, Hosted) else None


def providers(hosted: Hosted | None = None) -> Providers:
    """Counter and invoice are always there; a payment service where the town has one."""
    ways: list[Provider] = [
        Immediate(states.FREE),
        Immediate(states.EXEMPTION),
        AtCounter(),
        ByInvoice(),
    ]
    return Providers({way.method: way for way in ways + ([hosted] if hosted else [])})


def _trusts(rules: Rules | None, method: str) -> bool:
    return rules is not None and method in rules.payments.key_before_paying
