"""`kannuki gateway run | check | broker-config | broker`.

Decides options and what is printed. Imports bleak and MQTT only when a command runs, so that
`--help` needs neither.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway import broker_cli
from gateway.health.choice import HealthChoice, health_options
from kannuki import settings
from kannuki.broker_options import Access, broker_access_options
from kannuki.ending import run_bounded
from kannuki.errors import EXIT_OK


class Broker(click.ParamType):
    """`host` or `host:port`, IPv6 in brackets. Port 0: not named."""

    name = "host[:port]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or value.endswith("]"):
            host, colon, port = value, "", ""
        if not host or (colon and not (port.isdecimal() and 0 < int(port) < 65536)):
            self.fail(f"'{value}' is not host:port, as in 127.0.0.1:1883", param, ctx)
        return host.strip("[]"), int(port or 0)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option(
            "--gateway-file",
            required=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="This gateway's locks and credentials, from the town's service.",
        ),
        click.option(
            "--broker",
            type=Broker(),
            default="127.0.0.1",
            help="The MQTT broker. Port: 8883 with a certificate, else 1883.",
        ),
        broker_access_options,
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path, file_okay=False),
            default=lambda: settings.data_dir(os.environ) / "gateway",
            show_default="the user's data folder",
            help="Where unacknowledged events are kept.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def gateway() -> None:
    """Relay between MQTT and the locks of a building."""


@gateway.command()
@_common
@click.option(
    "--sync-interval-s",
    type=click.FloatRange(min=0.1),
    default=60.0,
    help="How often each lock is visited.",
)
@click.option("--max-links", type=click.IntRange(1, 20), default=3, help="Bluetooth links at once.")
@click.option(
    "--disk-reserve-mib",
    type=click.IntRange(min=0),
    default=64,
    help="With less left on the disk, records stay in their locks.",
)
@click.option("--clock-offset-s", type=float, default=0.0, help="Added to this computer's time.")
@click.option("--ready", is_flag=True, help="Print a JSON line when the broker is connected.")
@health_options
def run(
    gateway_file: Path,
    broker: tuple[str, int],
    access: Access,
    data_dir: Path,
    sync_interval_s: float,
    max_links: int,
    disk_reserve_mib: int,
    clock_offset_s: float,
    ready: bool,
    health: HealthChoice,
) -> None:
    """Run a gateway until it is told to stop."""
    from gateway import app
    from gateway.machine import Settings
    from kannuki.cli import own_version

    options = app.Options(
        gateway_file,
        broker[0],
        broker[1] or access.default_port,
        data_dir,
        Settings(
            sync_interval_s=sync_interval_s,
            max_links=max_links,
            disk_reserve_bytes=disk_reserve_mib << 20,
        ),
        clock_offset_s,
        own_version(),
        access=access,
        health=health.options(),
    )

    def say_ready() -> None:
        if ready:
            click.echo(json.dumps({"ready": True, "pid": os.getpid()}))

    running = app.run(options, lambda: time.time() + clock_offset_s, say_ready)
    run_bounded(running, app.LEAVE_WITHIN_S)


@gateway.command()
@_common
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--listen-s",
    type=click.FloatRange(0, 120),
    default=12.0,
    help="How long to listen for locks.",
)
def check(
    gateway_file: Path,
    broker: tuple[str, int],
    access: Access,
    data_dir: Path,
    as_json: bool,
    listen_s: float,
) -> int:
    """Say whether this computer is fit to be a gateway, and what to do if not.

    Exit code 0: fit (a LOOK can wait); 1: something does not work; 3: a part has to be installed.
    """
    from gateway import checks
    from gateway.health import findings

    ask = checks.Questions(
        gateway_file,
        broker[0],
        broker[1] or access.default_port,
        data_dir,
        time.time(),
        access,
        listen_s,
    )
    found = asyncio.run(checks.check(ask))
    code = findings.exit_code(found)
    if as_json:
        told = [finding.as_json() for finding in found]
        click.echo(json.dumps({"ok": code == EXIT_OK, "checks": told}, ensure_ascii=False))
    else:
        for line in checks.lines(found):
            click.echo(line)
    return code


broker_cli.add_to(gateway)
