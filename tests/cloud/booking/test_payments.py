"""Ways to pay, and what is signed between the town and a payment service."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.booking import payments, webhooks
from cloud.booking.policy import Rules
from cloud.booking.windows import Refusal

NOW = 1_796_432_100
SECRET, NEXT = b"a secret of the payment service", b"the one that replaces it"
HOSTED = payments.Hosted("https://pay.example/checkout", "misaki", (SECRET, NEXT))
ORDER = payments.Order("ref-1", 1200, NOW + 1800, "https://book.example/done")
PRICES = {"resident": 1, "outside": 1, "commercial": 1}


def rules(**said: object) -> Rules:
    return Rules.model_validate({"hours": {}, "fees": {"base": PRICES}, "payments": said})


def test_only_ways_that_the_policy_names_and_the_town_has_are_offered() -> None:
    named = rules(methods=["hosted", "counter"])
    assert payments.providers(HOSTED).offered(named, 100, 0) == ["hosted", "counter"]
    assert payments.providers().offered(named, 100, 0) == ["counter"]
    assert payments.providers().offered(named, 0, 100) == ["exempt"]
    assert payments.providers().offered(named, 0, 0) == ["free"]
    assert payments.providers().offered(None, 0, 0) == ["free"]


def test_the_key_comes_first_only_where_the_policy_trusts() -> None:
    trusting = rules(methods=["counter", "invoice"], key_before_paying=["invoice"])
    counter, invoice = payments.AtCounter(), payments.ByInvoice()
    assert counter.begin(trusting, ORDER, NOW) == payments.Begun(pay_later=False)
    assert invoice.begin(trusting, ORDER, NOW) == Refusal("NO_INVOICE")
    agreed = payments.Order("r", 1, NOW, "", invoice_allowed=True)
    assert invoice.begin(trusting, agreed, NOW) == payments.Begun(pay_later=True)


def test_the_checkout_takes_the_towns_order_and_no_other() -> None:
    begun = HOSTED.begin(None, ORDER, NOW)
    assert isinstance(begun, payments.Begun) and begun.waits and begun.redirect_url
    address, _, query = begun.redirect_url.partition("?")
    asked = payments.checkout_order(query, SECRET, NOW + 10)
    assert (address, asked and asked["amount_yen"]) == ("https://pay.example/checkout", "1200")
    assert payments.checkout_order(query.replace("=1200", "=1"), SECRET, NOW) is None
    assert payments.checkout_order(query, b"another", NOW) is None
    assert payments.checkout_order(query, SECRET, NOW + 301) is None
    assert payments.checkout_order("", SECRET, NOW) is None


@given(st.binary(max_size=200), st.integers(0, 1 << 40))
def test_what_the_service_signed_is_believed_for_five_minutes(body: bytes, at: int) -> None:
    for secret in (SECRET, NEXT):
        header = webhooks.sign(secret, body, at)
        assert HOSTED.is_from_service(header, body, at + webhooks.TOLERANCE_S)
        assert not HOSTED.is_from_service(header, body, at + webhooks.TOLERANCE_S + 1)
        assert not HOSTED.is_from_service(header, body + b" ", at)
        assert not HOSTED.is_from_service(header.replace(f"t={at}", f"t={at + 1}"), body, at)


@given(st.text(max_size=60))
def test_garbage_in_the_header_is_no_signature(header: str) -> None:
    assert not HOSTED.is_from_service(header, b"{}", NOW)


@pytest.mark.parametrize(
    "header",
    ["", "t=,v1=", "v1=00", f"t={NOW}", f"t={NOW},v1=", "t=٣,v1=00", f"t={NOW},v1=" + "é" * 64],
)
def test_headers_that_lack_a_part_are_no_signature(header: str) -> None:
    assert not HOSTED.is_from_service(header, b"{}", NOW)


def test_a_signature_by_nobodys_secret_is_refused() -> None:
    assert not HOSTED.is_from_service(webhooks.sign(b"stranger", b"{}", NOW), b"{}", NOW)
