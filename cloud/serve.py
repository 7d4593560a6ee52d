"""`kannuki cloud serve`: HTTP and, for each town, the workers beside it, in one process.

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

import click
import uvicorn

from cloud.booking.payment_file import open_providers
from cloud.booking.sweeping import sweep_for_ever
from cloud.broker_worker import BrokerWorker
from cloud.cli_options import FILE, TownService, town_options
from cloud.keyring.mail import Mailer
from cloud.keyring.worker import KeySteps, KeyWorker
from cloud.mail_options import mail_options
from cloud.rekey import follow_keyset
from cloud.served_towns import (
    ServedTown,
    check_hosts,
    link_settings,
    read_further_towns,
    read_staff_secret,
    site_urls,
)
from cloud.service import TIME_ERROR_S
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext
from cloud.web.limits import Limiter
from cloud.web.listening import listen
from kannuki.broker_options import Access, broker_access_options
from kannuki.errors import InputError
from protocol.signedtime import MAX_ERROR_S


@click.command()
@click.option("--town-name", default="", help="The town's name for people. [default: its id]")
@click.option(
    "--broker",
    default="127.0.0.1",
    help="MQTT 5 broker, host[:port]. Port: 8883 with a certificate, else 1883.",
)
@broker_access_options
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
@click.option("--payments-file", type=FILE, help="The town's payment service, JSON (0600).")
@click.option(
    "--limits",
    type=click.FloatRange(0, 1000),
    default=1.0,
    show_default=True,
    help="Widens the rate limits by this factor; 0 switches them off (load tests).",
)
@click.option(
    "--more-towns",
    type=FILE,
    help="TOML: further towns of the same database, a table for each (docs/howto/run-a-town.md).",
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
    payments_file: Path | None,
    more_towns: Path | None,
    limits: float,
    time_error_s: int,
    town_name: str,
    broker: str,
    access: Access,
    http_host: str,
    http_port: int,
    staff_secret_file: Path,
) -> None:
    """Serve the town until stopped; prints one JSON line on stdout when ready."""
    first = ServedTown(
        service=replace(
            service,
            time_error_s=time_error_s,
            sends_mail=mailer is not None,
            mail_pins=mail_pins,
        ),
        name=town_name or service.town,
        broker=broker,
        staff_secret=read_staff_secret(staff_secret_file),
        urls=site_urls(book_url, service.key_page_url, console_url),
        providers=providers,
        sign_in_key=sign_in_key,
        payments=open_providers(payments_file),
        mailer=mailer,
        access=access,
    )
    towns = [first, *read_further_towns(more_towns, first)]
    check_hosts(towns)
    for town in towns:
        follow_keyset(town.service)
    listener = _listen(http_host, http_port)
    try:
        asyncio.run(_serve(towns, listener, Limiter(time.monotonic, limits)))
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        problem = f"cannot listen on {host}:{port}: {error.strerror}"
        raise InputError(problem, "name another --http-port") from None


async def _serve(towns: list[ServedTown], listener: socket.socket, limiter: Limiter) -> None:
    running = [_RunningTown(town, limiter) for town in towns]
    server = _Server(
        uvicorn.Config(
            create_sites([town.context for town in running]),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=3,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    jobs = {asyncio.create_task(server.serve(sockets=[listener]), name="http")}
    for town in running:
        jobs |= town.start()
    done, left = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    for job in left:
        job.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for town in running:
        await town.close()
    for job in done:
        job.result()


class _RunningTown:
    """One town's part of the process: its handlers' context and the jobs beside them."""

    def __init__(self, town: ServedTown, limiter: Limiter) -> None:
        self._town = town
        settings = link_settings(town.service.town, town.broker, town.access, time.time)
        self._worker = BrokerWorker(
            town.service, settings, monotonic=time.monotonic, random=random.random
        )
        keys = KeySteps(town.service, town.name, town.mailer)
        self._key_worker = KeyWorker(keys, self._worker.poke)
        self._sign_in = town.open_sign_in()
        self.context = ApiContext(
            town.service,
            town.name,
            self._worker.hub,
            self._poke,
            town.staff_secret,
            limiter,
            town.urls,
            self._sign_in,
            town.payments,
        )

    def start(self) -> set[asyncio.Task[None]]:
        """Its jobs, under way."""
        name = self._town.service.town
        return {
            asyncio.create_task(self._worker.run(), name=f"{name}: broker worker"),
            asyncio.create_task(self._key_worker.run(), name=f"{name}: key worker"),
            asyncio.create_task(sweep_for_ever(self._town.service), name=f"{name}: holds"),
        }

    async def close(self) -> None:
        """Gives back what it holds."""
        if self._sign_in is not None:
            await self._sign_in.http.close()

    def _poke(self) -> None:
        self._key_worker.poke()
        self._worker.poke()


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
