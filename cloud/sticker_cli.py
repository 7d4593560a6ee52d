"""`kannuki cloud door-sticker`: the QR code and NFC address for a door. Decides options only."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cloud import sticker
from cloud.cli_options import FILE, TownService, json_option, town_options
from cloud.web.key_pages import door_address, door_line
from kannuki.errors import InputError
from kannuki.settings import write_file_whole

_DRAWN = {".svg": "sheet", ".png": "code"}


@click.command("door-sticker")
@click.argument("lock_id", metavar="LOCK")
@click.option("--out", type=FILE, required=True, help="x.svg: a sheet to print; x.png: the code.")
@json_option
@town_options
def door_sticker(service: TownService, lock_id: str, out: Path, as_json: bool) -> None:
    """Make the sticker of a door: it leads a visitor to their own key, and holds no secret.

    Prints the address, and the same as an NDEF message (hex) for an NFC tag.
    """
    if out.suffix not in _DRAWN:
        raise InputError(f"'{out}' is neither .svg nor .png", "name the file door.svg or door.png")
    address = door_address(service.key_page_url, lock_id)
    with service.database.read() as session:
        told = door_line(session, lock_id)
    if told is None:
        raise InputError(f"no lock {lock_id} hangs at a room", "see: kannuki cloud rooms")
    if out.suffix == ".svg":
        content = sticker.sheet(address, told["room"], told["facility"]).encode()
    else:
        content = sticker.code_png(address)
    write_file_whole(out, content)
    answer = {"url": address, "ndef": sticker.ndef_message(address).hex(), "file": str(out)}
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else _plain(answer))


def _plain(answer: dict[str, str]) -> str:
    return "\n".join(f"{name:5} {value}" for name, value in answer.items())
