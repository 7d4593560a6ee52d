"""`kannuki cloud vault`: the vault's keys in a process, and under a user, of their own.

The composition root of that process: reads the keyset and the vault's key files, listens, prints
one ready line. Decides nothing about keys.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import threading
from pathlib import Path

import click

from cloud import keysets
from cloud.cli_options import FOLDER
from cloud.vault import open_vault
from cloud.vault_socket import VaultServer
from kannuki.errors import InputError


@click.command("vault")
@click.option(
    "--keys-dir", type=FOLDER, required=True, help="Folder with vault-*.key and the keyset."
)
@click.option("--town", required=True, help="The town's id: a-z, 0-9, hyphen.")
@click.option(
    "--socket",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to listen (a Unix socket); `cloud serve --vault-socket` names the same.",
)
@click.option(
    "--allow-user",
    "users",
    multiple=True,
    help="User of `cloud serve`, by name or number; repeat. [default: the own one]",
)
def serve_vault(keys_dir: Path, town: str, path: Path, users: tuple[str, ...]) -> None:
    """Hold the vault's keys apart from the service that asks for what they derive."""
    keyset = keysets.read_file(keys_dir / keysets.FILE_NAME).keyset
    if keyset.town != town:
        raise InputError(f"the keyset is of the town '{keyset.town}'", f"use --town {keyset.town}")
    vault = open_vault(keys_dir, town, keyset.vaults)
    server = VaultServer(path, vault, town, {os.getuid()} | {_uid(name) for name in users})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    click.echo(json.dumps({"ready": True, "pid": os.getpid(), "epochs": sorted(vault.public_keys)}))
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
        path.unlink(missing_ok=True)


def _uid(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise InputError(f"there is no user '{name}' here", "name one that exists") from None
