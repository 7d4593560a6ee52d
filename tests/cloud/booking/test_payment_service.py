"""Paying online over real sockets: the town, and the simulated payment service's page."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from aiohttp.test_utils import TestServer

from cloud.booking import lifecycle
from cloud.booking.lifecycle import Asked
from cloud.booking.money import Office
from cloud.booking.payments import Hosted, providers
from cloud.web.apps import create_app
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from simulator.payment_service import PaymentService
from tests.cloud.booking.support import SECRET, at, booker, put_policy, row_of, wanted
from tests.cloud.support import Town


@pytest.fixture
def served(town: Town) -> Iterator[str]:
    """The town's interface for programs at a port."""
    town.clock.now = at(-24)
    put_policy(town)
    context = ApiContext(
        town.service,
        "",
        None,  # type: ignore[arg-type]
        lambda: None,
        b"x" * 20,
        Limiter(lambda: 0.0, 0),
        SiteUrls("https://book.test"),
        payments=providers(Hosted("http://unused", "misaki", (SECRET,))),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(context), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)
    listener.close()


async def test_a_resident_pays_on_the_services_page_and_the_booking_is_confirmed(
    town: Town, served: str
) -> None:
    service = PaymentService(f"{served}/v1/payments/hosted", SECRET, town.clock, wait_s=0.01)
    async with TestServer(service.app()) as checkout, httpx.AsyncClient() as browser:
        hosted = Hosted(str(checkout.make_url("/checkout")), "misaki", (SECRET,))
        random_bytes = town.service.random_bytes
        office = Office(random_bytes, providers(hosted), "https://book.test/my/")
        with town.service.database.write() as session:
            booked = lifecycle.book(
                session, office, booker(), wanted(), Asked("x", method="hosted"), town.clock()
            )
        url = booked.redirect_url
        assert url is not None
        page = await browser.get(url)
        assert page.status_code == 200 and "SIMULATED" in page.text and "600" in page.text
        cheaper = await browser.post(url.replace("=600", "=6"), data={"outcome": "succeeded"})
        assert (cheaper.status_code, service.told) == (403, [])
        done = await browser.post(url, data={"outcome": "succeeded"})
        assert (done.status_code, done.headers["location"]) == (303, "https://book.test/my/")
        row = row_of(town, booked.booking.booking_id)
        assert (row.status, row.payment_state, row.paid_yen) == ("confirmed", "settled", 600)
        with town.service.database.write() as session:
            lifecycle.cancel(session, session.merge(row), town.clock())
        assert await service.refund(str(service.told[0]["reference"]), 600)
    assert row_of(town, booked.booking.booking_id).payment_state == "refunded"


async def test_a_town_that_does_not_answer_is_told_again(town: Town, served: str) -> None:
    service = PaymentService("http://127.0.0.1:9/", SECRET, town.clock, wait_s=0.001)
    assert not await service.refund("nothing", 1)
    service.webhook = f"{served}/v1/payments/hosted"
    assert not await service.refund("nothing", 1)  # 404: not its reference
