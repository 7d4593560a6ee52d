"""The options by which a program is told how to reach its broker. Imports no TLS and no MQTT.

Decides what belongs together: a CA, a certificate and a key make TLS; with none of them the line is
plain, and that goes no further than this machine unless `--broker-plain` says so.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kannuki.errors import InputError

PLAIN_PORT = 1883
TLS_PORT = 8883
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class AccessFiles:
    """What TLS with a client certificate needs, in PEM. `crl`: what the CA has revoked."""

    ca: Path
    cert: Path
    key: Path
    crl: Path | None = None


@dataclass(frozen=True)
class Access:
    """How a broker is reached. Without `files` in plain text."""

    files: AccessFiles | None = None
    plain_allowed: bool = False

    @property
    def default_port(self) -> int:
        """The port where none is named."""
        return PLAIN_PORT if self.files is None else TLS_PORT

    def check_host(self, host: str) -> None:
        """Raises InputError when what is said would cross a network for all to read."""
        if self.files is None and not self.plain_allowed and not is_this_machine(host):
            raise InputError(
                f"the broker {host} is not this machine, and the line would be plain text",
                "name --broker-ca, --broker-cert and --broker-key"
                " (or --broker-plain where the network itself is private)",
            )


def is_this_machine(host: str) -> bool:
    """Whether a name or an address means the loopback interface."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def access_of(
    ca: Path | None, cert: Path | None, key: Path | None, crl: Path | None, plain: bool
) -> Access:
    """What was told, as a whole. Raises InputError when a part is missing or contradicts."""
    told = {"--broker-ca": ca, "--broker-cert": cert, "--broker-key": key}
    missing = [name for name, path in told.items() if path is None]
    if ca is not None and cert is not None and key is not None:
        if plain:
            raise InputError("--broker-plain contradicts a certificate", "leave one of them out")
        return Access(AccessFiles(ca, cert, key, crl))
    if len(missing) < len(told) or crl is not None:
        needed = " and ".join(missing)
        raise InputError(f"{needed} not named", f"TLS needs {', '.join(told)}")
    return Access(None, plain)


def broker_access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options, and calls it with `access`: an Access."""

    @functools.wraps(command)
    def told(
        *args: Any,
        broker_ca: Path | None,
        broker_cert: Path | None,
        broker_key: Path | None,
        broker_crl: Path | None,
        broker_plain: bool,
        **kwargs: Any,
    ) -> Any:
        access = access_of(broker_ca, broker_cert, broker_key, broker_crl, broker_plain)
        return command(*args, access=access, **kwargs)

    for option in reversed(_OPTIONS):
        told = option(told)
    return told


_OPTIONS = (
    click.option(
        "--broker-ca",
        type=_FILE,
        envvar="KANNUKI_BROKER_CA",
        help="The town's CA (PEM): only a broker certified by it is believed.",
    ),
    click.option(
        "--broker-cert",
        type=_FILE,
        envvar="KANNUKI_BROKER_CERT",
        help="This program's certificate (PEM); a renewed one is used without a restart.",
    ),
    click.option(
        "--broker-key",
        type=_FILE,
        envvar="KANNUKI_BROKER_KEY",
        help="The certificate's key (PEM, 0600).",
    ),
    click.option(
        "--broker-crl",
        type=_FILE,
        envvar="KANNUKI_BROKER_CRL",
        help="What the CA has revoked (PEM): refuses a broker on it, and any once it is out of"
        " date.",
    ),
    click.option(
        "--broker-plain",
        is_flag=True,
        envvar="KANNUKI_BROKER_PLAIN",
        help="Allow plain text to a broker that is not this machine.",
    ),
)
