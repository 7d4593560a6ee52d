"""`kannuki provision`: what a technician types at the bench."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from kannuki.enrolment import EnrolmentFile, FileError, TrustFile, read_file, write_file
from kannuki.errors import InputError
from protocol.token import is_lock_id
from provisioning import image
from provisioning.boards import open_board
from provisioning.enrol import FIRST_JOURNAL_EPOCH, new_lock_id
from provisioning.enrol import enrol as enrol_board
from provisioning.tree import BOARDS, architecture_of, device_tree
from provisioning.trust import check_config, read_trust

_FILE = click.Path(path_type=Path, dir_okay=False)
_CHIP = click.option(
    "--chip",
    default="simulator",
    show_default=True,
    help=f"Chip the machine code in the image is for: {', '.join(BOARDS)}.",
)


@click.group()
def provision() -> None:
    """Make, enrol and renew locks."""


@provision.command()
@click.option(
    "--trust",
    "trust_path",
    type=_FILE,
    required=True,
    help="Whom the lock shall trust: the file that `kannuki cloud trust` writes.",
)
@click.option(
    "--image",
    "image_path",
    type=_FILE,
    required=True,
    help="The lock's flash: a LittleFS image, made here.",
)
@click.option(
    "--out",
    "out_path",
    type=_FILE,
    required=True,
    help="Where to write the enrolment file for `kannuki cloud add-lock`.",
)
@click.option("--lock-id", help="8 characters a-z, 2-7. Default: a fresh one.")
@click.option(
    "--board",
    default="image",
    show_default=True,
    help="Kind of board: 'image' runs the image in a simulated chip.",
)
@_CHIP
@click.option(
    "--again",
    "previous_path",
    type=_FILE,
    help="The lock's former enrolment file: same id, and its journal begins anew.",
)
@click.option(
    "--journal-epoch",
    type=click.IntRange(1, 1 << 32),
    help="The journal's number; higher than any this lock had. [default: 1]",
)
@click.option(
    "--config",
    "config_path",
    type=_FILE,
    help="A signed configuration of the door (kannuki cloud door --out).",
)
@click.option("--clock-offset-s", type=int, default=0, help="Seconds to add to this PC's clock.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def enrol(
    trust_path: Path,
    image_path: Path,
    out_path: Path,
    lock_id: str | None,
    board: str,
    chip: str,
    previous_path: Path | None,
    journal_epoch: int | None,
    config_path: Path | None,
    clock_offset_s: int,
    as_json: bool,
) -> None:
    """Make a lock: firmware on its flash, keys of its own, their public halves in a file.

    The private keys are made by the lock's own code and stay in its image.
    """
    trust = _read_trust(trust_path)
    lock_id, journal_epoch = _name(trust, lock_id, journal_epoch, previous_path)
    config = _read_config(config_path, trust, lock_id) if config_path else None
    image.create(image_path, device_tree(architecture=architecture_of(chip)))
    try:
        enrolment = enrol_board(
            open_board(board, image_path),
            trust,
            lock_id,
            int(time.time()) + clock_offset_s,
            journal_epoch,
            config,
        )
    except BaseException:
        image_path.unlink()  # half a lock helps nobody
        raise
    write_file(out_path, enrolment)
    _say(
        as_json,
        {"lock_id": lock_id, "image": str(image_path), "enrolment": str(out_path)},
        f"lock {lock_id} enrolled: {image_path}\n"
        f"next: kannuki cloud add-lock {out_path} --room NAME",
    )


@provision.command()
@click.argument("image_path", metavar="IMAGE", type=_FILE)
@_CHIP
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def update(image_path: Path, chip: str, as_json: bool) -> None:
    """Renew the firmware in an image; the lock keeps its keys and its journal."""
    changed = image.update(image_path, device_tree(architecture=architecture_of(chip)))
    _say(
        as_json,
        {"image": str(image_path), "changed": changed},
        f"{image_path}: {'firmware renewed' if changed else 'already up to date'}",
    )


@provision.command()
@click.argument("image_path", metavar="IMAGE", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def inspect(image_path: Path, as_json: bool) -> None:
    """List what is on a lock's flash (names and sizes, never contents)."""
    files = image.listing(image_path)
    rows = "\n".join(f"{size:8d}  {name}" for name, size in files.items())
    _say(as_json, {"image": str(image_path), "files": files}, rows)


def _read_trust(path: Path) -> TrustFile:
    try:
        return read_trust(path)[0]
    except FileError as error:
        raise InputError(str(error), "write it with `kannuki cloud trust`") from error


def _name(
    trust: TrustFile, lock_id: str | None, journal_epoch: int | None, previous_path: Path | None
) -> tuple[str, int]:
    """(lock id, journal epoch) of the lock to be made."""
    least = FIRST_JOURNAL_EPOCH
    if previous_path is not None:
        previous = _read_previous(previous_path, trust)
        if lock_id not in (None, previous.lock_id):
            raise InputError(
                f"{previous_path} is of the lock {previous.lock_id}", "leave --lock-id away"
            )
        lock_id, least = previous.lock_id, previous.journal_epoch + 1
    lock_id = lock_id or new_lock_id()
    if not is_lock_id(lock_id):
        raise InputError(f"'{lock_id}' is no lock id", "use 8 characters out of a-z and 2-7")
    if journal_epoch is not None and journal_epoch < least:
        raise InputError(
            "the journal's number must rise when a lock is made anew", f"--journal-epoch {least}"
        )
    return lock_id, journal_epoch or least


def _read_previous(path: Path, trust: TrustFile) -> EnrolmentFile:
    try:
        previous = read_file(path, EnrolmentFile)
    except FileError as error:
        raise InputError(str(error), "name the file that the first enrolment wrote") from error
    if previous.town != trust.town:
        raise InputError(f"{path} is of the town '{previous.town}'", "name this town's file")
    return previous


def _read_config(path: Path, trust: TrustFile, lock_id: str) -> bytes:
    try:
        document = path.read_bytes()
        check_config(document, trust, lock_id)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except FileError as error:
        raise InputError(f"{path}: {error}", "write it with `kannuki cloud door`") from error
    return document


def _say(as_json: bool, result: dict[str, object], text: str) -> None:
    click.echo(json.dumps(result) if as_json else text)
