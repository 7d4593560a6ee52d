"""`kannuki gateway broker-config` and `kannuki gateway broker ...`: the broker kit for a person.

Decides options and what is printed, reads the clock and the system's randomness, nothing else.
Imports the kit only when a command runs.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kannuki import settings
from kannuki.errors import EXIT_FAILED, EXIT_OK, InputError

if TYPE_CHECKING:
    from gateway.brokerkit.kit import Kit, Outcome

LEAF_DAYS = 6 * 365
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
SYSTEM_DIR = Path("/etc/kannuki/broker")


def _default_dir() -> Path:
    """One place for a machine, or for whoever tries it without being root."""
    return SYSTEM_DIR if os.geteuid() == 0 else settings.data_dir(os.environ) / "broker"


_NAME = click.argument("name")
_TOWN = click.argument("town")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_DIR = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_default_dir,
    show_default=f"{SYSTEM_DIR}, or the user's data folder when not root",
    help="Where the broker's configuration and the towns' authorities are kept.",
)
_DAYS = click.option(
    "--days",
    type=click.IntRange(1, 30 * 365),
    default=LEAF_DAYS,
    show_default="six years",
    help="How long the certificate is good.",
)


@click.command("broker-config")
@_TOWN
@_DIR
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address that clients reach the broker by; repeat it for more.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="This town's port, from 8883 on.")
@click.option("--bind", help="Address to listen on; every address when not given.")
@click.option(
    "--gateway-file",
    "gateway_files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="A gateway's file, or a folder of them: whose locks are whose. Repeat it for more.",
)
@click.option(
    "--no-keys",
    is_flag=True,
    help="Make no keys for gateways: each keeps its own and sends a request.",
)
@click.option("--user", help="The user that Mosquitto runs as; `mosquitto` when root sets it up.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where Mosquitto keeps sessions and retained states; in --dir when not given.",
)
@_JSON
def broker_config(
    town: str,
    folder: Path,
    hosts: tuple[str, ...],
    port: int | None,
    bind: str | None,
    gateway_files: tuple[Path, ...],
    no_keys: bool,
    user: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Write a Mosquitto configuration for TOWN, with certificates for all who speak there.

    Run it again whenever a gateway or its locks change: only what must change does.
    """
    from gateway.brokerkit.kit import Wishes

    wishes = Wishes(
        hosts=[host.lower() for host in hosts] or None,
        port=port,
        address=_address(bind),
        gateways=_gateways(town, gateway_files),
        make_keys=not no_keys,
        user=user,
        data_dir=data_dir,
    )
    kit = _kit(folder)
    _tell(kit, kit.set_up(town, wishes, [socket.gethostname().lower(), "localhost"]), as_json)


@click.group()
def broker() -> None:
    """Certificates of a town's broker: issue, renew, revoke, list."""


@broker.command()
@_TOWN
@_NAME
@_DIR
@click.option(
    "--request",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A certificate request of whoever keeps the key to itself.",
)
@_DAYS
@_JSON
def issue(
    town: str, name: str, folder: Path, request: Path | None, days: int, as_json: bool
) -> None:
    """Make a certificate for NAME: a gateway, `cloud`, `home`, `cloud-2`, ..."""
    kit = _kit(folder)
    asked = None if request is None else request.read_bytes()
    _tell(kit, kit.issue(town, name, asked, days), as_json)


@broker.command()
@_TOWN
@click.argument("names", nargs=-1)
@_DIR
@click.option(
    "--within-days",
    type=click.IntRange(0),
    default=180,
    help="Without names: whatever ends within so many days.",
)
@click.option("--new-key", is_flag=True, help="With a new key, which has to travel as well.")
@_DAYS
@_JSON
def renew(
    town: str,
    names: tuple[str, ...],
    folder: Path,
    within_days: int,
    new_key: bool,
    days: int,
    as_json: bool,
) -> None:
    """Make new certificates for the same keys; `broker` names the broker's own."""
    kit = _kit(folder)
    _tell(kit, kit.renew(town, names, within_days, days, new_key), as_json)


@broker.command()
@_TOWN
@_NAME
@_DIR
@click.option("--old", is_flag=True, help="Only those before the newest: NAME stays.")
@_JSON
def revoke(town: str, name: str, folder: Path, old: bool, as_json: bool) -> None:
    """Take back the certificates of NAME, and its rights."""
    kit = _kit(folder)
    _tell(kit, kit.revoke(town, name, old), as_json)


@broker.command("list")
@click.argument("town", required=False)
@_DIR
@click.option(
    "--check-days",
    type=click.IntRange(0),
    help="Exit with 1 when something in use ends within so many days.",
)
@_JSON
def list_(town: str | None, folder: Path, check_days: int | None, as_json: bool) -> int:
    """Show every certificate and when it ends."""
    rows = _kit(folder).rows(town)
    ending = [
        row
        for row in rows
        if check_days is not None
        and row.state in ("valid", "expired")
        and row.days_left <= check_days
    ]
    if as_json:
        told = [{**vars(row), "not_after": _date(row.not_after)} for row in rows]
        click.echo(json.dumps({"ok": not ending, "certificates": told}))
    else:
        for row in rows:
            name, ends = f"{row.town}.{row.name}", _date(row.not_after)[:10]
            click.echo(f"{name:<40} {row.state:<10} until {ends} ({row.days_left} days)")
    return EXIT_FAILED if ending else EXIT_OK


@broker.command()
@_TOWN
@_NAME
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="here",
    help="Where the key is made, and stays.",
)
def request(town: str, name: str, out: Path) -> None:
    """On a gateway: make a key that never leaves it, and a request to have it signed."""
    from gateway.brokerkit.requests import make_request

    key, asked = make_request(out, town, name, _new_key)
    click.echo(f"{asked}: carry this to the broker's machine, and there:")
    click.echo(f"  kannuki gateway broker issue {town} {name} --request {asked.name}")
    click.echo(f"{key}: stays here")


# --- pieces ---


def _kit(folder: Path) -> Kit:
    from gateway.brokerkit.kit import Kit

    return Kit(folder, int(time.time()), secrets.token_bytes, _new_key)


def _new_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _address(bind: str | None) -> str | None:
    import ipaddress

    if not bind:
        return bind
    try:
        return str(ipaddress.ip_address(bind))
    except ValueError as error:
        raise InputError(f"'{bind}' is no address", "for example --bind 192.0.2.7") from error


def _gateways(town: str, paths: Sequence[Path]) -> dict[str, list[str]]:
    """Which locks are whose. Raises InputError."""
    from kannuki.enrolment import FileError, GatewayFile, read_file

    found: dict[str, list[str]] = {}
    for path in _each_file(paths):
        try:
            content = read_file(path, GatewayFile)
        except FileError as error:
            raise InputError(
                str(error), "get the gateway's file from the town's service"
            ) from error
        if content.town != town:
            raise InputError(f"{path} is of {content.town}, not of {town}", "give its own town")
        if content.gateway_id in found:
            raise InputError(f"{path}: {content.gateway_id} comes twice", "give one file for each")
        found[content.gateway_id] = [lock.lock_id for lock in content.locks]
    return found


def _each_file(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"there is no *.json in {path}", "name the gateway files themselves")
        files += inside
    return files


def _tell(kit: Kit, done: Outcome, as_json: bool) -> None:
    lines = _to_type(kit, done)
    if as_json:
        issued = [
            {"name": one.name, "not_after": _date(one.not_after), "files": _texts(one.files)}
            for one in done.issued
        ]
        told = {
            "town": done.town,
            "config": str(kit.config),
            "changed": _texts(done.changed),
            "issued": issued,
            "waiting": done.waiting,
            "notes": done.notes,
            "action": done.action,
            "type": lines,
        }
        click.echo(json.dumps(told))
        return
    for path in done.changed:
        click.echo(f"wrote {path}")
    for one in done.issued:
        if one.name != "broker":
            click.echo(f"for {done.town}.{one.name}, until {_date(one.not_after)[:10]}, carry:")
            _show(f"  {path}" for path in one.files)
    for name in done.waiting:
        click.echo(
            f"{name} has no certificate yet. There: kannuki gateway broker request", nl=False
        )
        click.echo(f" {done.town} {name}")
    _show(f"note: {note}" for note in done.notes)
    _show(lines or ["nothing has to be done with a running broker"])


def _to_type(kit: Kit, done: Outcome) -> list[str]:
    """What a person does with the broker now, as lines of a shell."""
    start = f"mosquitto -c {kit.config}"
    if done.action == "start":
        return [f"start it: {start}"]
    if done.action == "restart":
        stop = f'kill "$(cat {kit.pid_file()})"; sleep 1'  # or its ports are still taken
        again = "systemctl restart mosquitto" if SYSTEMD.exists() else f"{stop}; {start} -d"
        return [f"restart it: {again}"]
    return []


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _texts(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]


def _date(unix_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_s))


def add_to(group: click.Group) -> None:
    """Puts the kit's commands under `kannuki gateway`."""
    group.add_command(broker_config)
    group.add_command(broker)
