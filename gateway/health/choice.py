"""The options of `gateway run` about its health. Imports nothing that `--help` has no use for.

Decides what can be chosen: where metrics are served, whether Home Assistant is told, how logs look.
"""

from __future__ import annotations

import faulthandler
import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kannuki import logging as kannuki_logging

if TYPE_CHECKING:
    from gateway.health.monitor import HealthOptions

DEFAULT_PREFIX = "homeassistant"


class Address(click.ParamType):
    """`host:port`, IPv6 in brackets."""

    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            self.fail(f"'{value}' is not host:port, as in 127.0.0.1:9464", param, ctx)
        return host.strip("[]"), int(port)


class Prefix(click.ParamType):
    """A topic of MQTT without wildcards, under which discovery happens."""

    name = "prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        levels = str(value).split("/")
        if value and (not all(levels) or set(value) & set("+#$\0") or levels[0] == "kannuki"):
            self.fail(f"'{value}' is no prefix, as in {DEFAULT_PREFIX}", param, ctx)
        return str(value)


@dataclass(frozen=True)
class HealthChoice:
    """What was chosen."""

    metrics: tuple[str, int] | None
    home_assistant: str

    def options(self) -> HealthOptions:
        """As the monitor takes it."""
        from gateway.health.monitor import HealthOptions

        return HealthOptions(self.metrics, self.home_assistant)


def health_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options, sets up logging, and calls it with `health`."""

    @functools.wraps(command)
    def chosen(
        *args: Any,
        metrics_listen: tuple[str, int] | None,
        home_assistant: str,
        log_format: str | None,
        **kwargs: Any,
    ) -> Any:
        if log_format is not None:
            level = logging.getLevelName(logging.root.level)
            kannuki_logging.set_up(level, as_json=log_format == "json")
        if "WATCHDOG_USEC" in os.environ:
            faulthandler.enable()  # on SIGABRT of the watchdog: the lines where it hangs, no values
        return command(*args, health=HealthChoice(metrics_listen, home_assistant), **kwargs)

    for option in reversed(_OPTIONS):
        chosen = option(chosen)
    return chosen


_OPTIONS = (
    click.option(
        "--metrics-listen",
        type=Address(),
        help="Serve Prometheus metrics here, as 127.0.0.1:9464. Off by default.",
    ),
    click.option(
        "--home-assistant",
        type=Prefix(),
        is_flag=False,
        flag_value=DEFAULT_PREFIX,
        default="",
        help=f"Tell Home Assistant of the locks, read only, under this prefix ({DEFAULT_PREFIX}).",
    ),
    click.option(
        "--log-format",
        type=click.Choice(("text", "json")),
        help="Log lines as text, or a JSON object each (as the global --log-json).",
    ),
)
