"""`kannuki gateway run | check`.

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

from kannuki import settings
from kannuki.errors import EXIT_FAILED, EXIT_OK

BROKER_PORT = 1883


class Broker(click.ParamType):
    """`host` or `host:port`, IPv6 in brackets."""

    name = "host[:port]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or value.endswith("]"):
            host, port = value, str(BROKER_PORT)
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"'{value}' is not host:port, as in 127.0.0.1:1883", param, ctx)
        return host.strip("[]"), int(port)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option(
            "--gateway-file",
            required=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="This gateway's locks and credentials, from the town's service.",
        ),
        click.option(
            "--broker", type=Broker(), default=f"127.0.0.1:{BROKER_PORT}", help="The MQTT broker."
        ),
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
def run(
    gateway_file: Path,
    broker: tuple[str, int],
    data_dir: Path,
    sync_interval_s: float,
    max_links: int,
    disk_reserve_mib: int,
    clock_offset_s: float,
    ready: bool,
) -> None:
    """Run a gateway until it is told to stop."""
    from gateway import app
    from gateway.machine import Settings
    from kannuki.cli import own_version

    options = app.Options(
        gateway_file,
        *broker,
        data_dir,
        Settings(
            sync_interval_s=sync_interval_s,
            max_links=max_links,
            disk_reserve_bytes=disk_reserve_mib << 20,
        ),
        clock_offset_s,
        own_version(),
    )

    def say_ready() -> None:
        if ready:
            click.echo(json.dumps({"ready": True, "pid": os.getpid()}))

    asyncio.run(app.run(options, lambda: time.time() + clock_offset_s, say_ready))


@gateway.command()
@_common
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(gateway_file: Path, broker: tuple[str, int], data_dir: Path, as_json: bool) -> int:
    """Say whether this computer is fit to be a gateway, and what to do if not."""
    from gateway import checks

    findings = asyncio.run(checks.check(gateway_file, *broker, data_dir))
    ok = all(finding.ok for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [vars(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.ok else 'NO '} {finding.name}: {finding.text}")
            if not finding.ok:
                click.echo(f"    -> {finding.remedy}")
    return EXIT_OK if ok else EXIT_FAILED
