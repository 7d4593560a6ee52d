"""`kannuki cloud serve`: HTTP and the broker worker in one process.

The composition root of the server: reads files and the machine's clock, opens sockets, prints one
ready line. Decides nothing about bookings or keys.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click
import uvicorn

from cloud.broker_worker import BrokerWorker
from cloud.cli_options import FILE, TownService, town_options
from cloud.keyring.mail import Mailer
from cloud.keyring.worker import KeySteps, KeyWorker
from cloud.mail_options import mail_options
from cloud.people.relying_party import RelyingParty, open_relying_party
from cloud.rekey import follow_keyset
from cloud.service import TIME_ERROR_S
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from cloud.web.listening import listen
from kannuki.errors import InputError
from kannuki.mqtt import LinkSettings
from kannuki.settings import read_secret_file
from protocol.signedtime import MAX_ERROR_S

MIN_STAFF_SECRET_BYTES = 16


@click.command()
@click.option("--town-name", default="", help="The town's name for people. [default: its id]")
@click.option("--broker", default="127.0.0.1:1883", help="MQTT 5 broker, host:port.")
@click.option("--http-host", default="127.0.0.1", help="Address to listen on.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=8080, help="0: any free one.")
@click.option(
    "--staff-secret-file", type=FILE, required=True, help="What staff show as bearer (0600)."
)
@click.option(
    "--time-error-s",
    type=click.IntRange(1, MAX_ERROR_S),
    default=TIME_ERROR_S,
    show_default=True,
    help="How wrong this machine's clock may be, at most.",
)
@click.option("--book-url", default="", help="Origin of the booking site, https://host.")
@click.option("--console-url", default="", help="Origin of the clerk's desk, https://host.")
@click.option("--providers", type=FILE, help="Table of sign-in providers, TOML or JSON.")
@click.option("--sign-in-key", type=FILE, help="Made by `cloud sign-in-key`; for --providers.")
@click.option(
    "--limits",
    type=click.FloatRange(0, 1000),
    default=1.0,
    show_default=True,
    help="Widens the rate limits by this factor; 0 switches them off (load tests).",
)
@mail_options
@town_options
def serve(
    service: TownService,
    mailer: Mailer | None,
    mail_pins: bool,
    book_url: str,
    console_url: str,
    providers: Path | None,
    sign_in_key: Path | None,
    limits: float,
    time_error_s: int,
    town_name: str,
    broker: str,
    http_host: str,
    http_port: int,
    staff_secret_file: Path,
) -> None:
    """Serve the town until stopped; prints one JSON line on stdout when ready."""
    secret = read_secret_file(staff_secret_file).strip()
    if len(secret) < MIN_STAFF_SECRET_BYTES:
        raise InputError(f"{staff_secret_file} is too short", "a staff secret has 16 bytes or more")
    settings = _link_settings(service.town, broker)
    service = replace(
        service,
        time_error_s=time_error_s,
        sends_mail=mailer is not None,
        mail_pins=mail_pins,
    )
    follow_keyset(service)
    urls = _site_urls(book_url, service.key_page_url, console_url)
    sign_in = _sign_in(service, urls, providers, sign_in_key)
    listener = _listen(http_host, http_port)
    try:
        name = town_name or service.town
        keys = KeySteps(service, name, mailer)
        asyncio.run(_serve(keys, settings, listener, secret, urls, limits, sign_in))
    finally:
        listener.close()


def _link_settings(town: str, broker: str) -> LinkSettings:
    host, colon, port = broker.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"'{broker}' is not host:port", "for example --broker 127.0.0.1:1883")
    return LinkSettings(host=host, port=int(port), client_id=f"kannuki-cloud-{town}")


def _site_urls(book: str, key_page: str, console: str) -> SiteUrls:
    """Origins of the sites; the key page is one only where it is the root of its own host."""
    key = key_page.rstrip("/")
    urls = SiteUrls(book.rstrip("/"), key if not urlsplit(key).path else "", console.rstrip("/"))
    for url in (urls.book, urls.key, urls.console):
        parts = urlsplit(url)
        if url and (parts.path or parts.query or parts.scheme not in ("http", "https")):
            raise InputError(f"'{url}' is not an origin", "for example https://book.town.example")
    told = [url for url in (urls.book, urls.key, urls.console) if url]
    if len(set(told)) != len(told):
        raise InputError("two sites have one origin", "give each a host name of its own")
    return urls


def _sign_in(
    service: TownService, urls: SiteUrls, providers: Path | None, key: Path | None
) -> RelyingParty | None:
    if providers is None:
        return None
    if not urls.book:
        raise InputError("--providers needs a booking site", "name its origin with --book-url")
    if key is None:
        raise InputError("--providers needs --sign-in-key", "make it: kannuki cloud sign-in-key")
    return open_relying_party(
        service.town, urls.book, providers, key, service.clock, service.random_bytes
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        problem = f"cannot listen on {host}:{port}: {error.strerror}"
        raise InputError(problem, "name another --http-port") from None


async def _serve(
    keys: KeySteps,
    settings: LinkSettings,
    listener: socket.socket,
    staff_secret: bytes,
    urls: SiteUrls,
    limits: float,
    sign_in: RelyingParty | None,
) -> None:
    service, town_name = keys.service, keys.town_name
    worker = BrokerWorker(service, settings, monotonic=time.monotonic, random=random.random)
    key_worker = KeyWorker(keys, worker.poke)

    def poke() -> None:
        key_worker.poke()
        worker.poke()

    limiter = Limiter(time.monotonic, limits)
    context = ApiContext(service, town_name, worker.hub, poke, staff_secret, limiter, urls, sign_in)
    server = _Server(
        uvicorn.Config(
            create_sites([context]),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=3,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    jobs = {
        asyncio.create_task(server.serve(sockets=[listener]), name="http"),
        asyncio.create_task(worker.run(), name="broker worker"),
        asyncio.create_task(key_worker.run(), name="key worker"),
    }
    done, left = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    for job in left:
        job.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if sign_in is not None:
        await sign_in.http.close()
    for job in done:
        job.result()


class _Server(uvicorn.Server):
    """Leaves signals to us, and says when it answers."""

    def capture_signals(self) -> AbstractContextManager[None]:
        """Signals are the composition root's."""
        return nullcontext()

    def stop(self) -> None:
        """Ends serving in order."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        assert sockets
        port = sockets[0].getsockname()[1]
        click.echo(json.dumps({"ready": True, "port": port}))
        click.get_text_stream("stdout").flush()
