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

import click
import uvicorn

from cloud.api import ApiContext, create_app
from cloud.broker_worker import BrokerWorker
from cloud.cli_options import FILE, TownService, town_options
from cloud.rekey import follow_keyset
from cloud.service import TIME_ERROR_S
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
@town_options
def serve(
    service: TownService,
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
    service = replace(service, time_error_s=time_error_s)
    follow_keyset(service)
    listener = _listen(http_host, http_port)
    try:
        asyncio.run(_serve(service, town_name or service.town, settings, listener, secret))
    finally:
        listener.close()


def _link_settings(town: str, broker: str) -> LinkSettings:
    host, colon, port = broker.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"'{broker}' is not host:port", "for example --broker 127.0.0.1:1883")
    return LinkSettings(host=host, port=int(port), client_id=f"kannuki-cloud-{town}")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=256)
    except OSError as error:
        problem = f"cannot listen on {host}:{port}: {error.strerror}"
        raise InputError(problem, "name another --http-port") from None


async def _serve(
    service: TownService,
    town_name: str,
    settings: LinkSettings,
    listener: socket.socket,
    staff_secret: bytes,
) -> None:
    worker = BrokerWorker(service, settings, monotonic=time.monotonic, random=random.random)
    context = ApiContext(service, town_name, worker.hub, worker.poke, staff_secret)
    server = _Server(
        uvicorn.Config(
            create_app(context),
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
    }
    done, left = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    for job in left:
        job.cancel()
    await asyncio.gather(*left, return_exceptions=True)
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
