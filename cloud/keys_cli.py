"""`kannuki keys`: makes the town's keys. Never shows one."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import click

from cloud.keyfiles import PURPOSES, SECRET_BYTES, KeyFile, key_path, write_key
from kannuki.errors import InputError


@click.group()
def keys() -> None:
    """Make and keep the town's keys."""


@keys.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the key files (made, 0700, when missing).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def init(folder: Path, as_json: bool) -> None:
    """Make the keys of a town: two issuers, status, vault; one file each, 0600.

    Refuses to write over keys that are there: locks would no longer believe the town.
    """
    paths = [key_path(folder, purpose) for purpose in PURPOSES]
    there = [path for path in paths if path.exists()]
    if there:
        raise InputError(f"{there[0]} already exists", "name another folder, or keep these keys")
    _make_folder(folder)
    for purpose, path in zip(PURPOSES, paths, strict=True):
        write_key(path, KeyFile(purpose=purpose, secret=secrets.token_bytes(SECRET_BYTES)))
    names = [str(path) for path in paths]
    click.echo(json.dumps({"files": names}) if as_json else "\n".join(names))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"cannot make {folder}: {error.strerror}", "name another folder") from None
