"""`kannuki keys`: makes the town's keys and signs its keysets. Never shows a private one.

Decides how keys lie in files: the service's in one folder, each root in a file of its own, to be
kept in a safe apart. The service needs no root.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cloud import keysets
from cloud.keyfiles import (
    FIRST_EPOCH,
    OPERATIONAL,
    PURPOSES,
    ROOT,
    VAULT,
    KeyFile,
    key_path,
    new_key,
    read_key,
    read_vault_key,
    write_key,
)
from cloud.keysets import KeysetOrderError, SignedKeyset
from kannuki.errors import InputError
from kannuki.settings import write_file_whole
from protocol.keys import KEY_BYTES, key_id
from protocol.keyset import MAX_VAULTS, Keyset

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_offset = click.option("--clock-offset-s", type=int, default=0, help="Moves the clock (for demos).")
_dir = click.option(
    "--dir", "folder", type=_FOLDER, required=True, help="Folder of the service's key files."
)


@click.group()
def keys() -> None:
    """Make and keep the town's keys."""


@keys.command()
@_dir
@click.option("--with-roots", type=_FOLDER, help="Also two roots, here, and the first keyset.")
@click.option("--town", default="", help="The town's id; needed for the first keyset.")
@_offset
@_json
def init(
    folder: Path, with_roots: Path | None, town: str, clock_offset_s: int, as_json: bool
) -> None:
    """Make the keys of a town's service, one file each, 0600 (the folder 0700).

    Refuses to write over keys that are there: locks would no longer believe the town. With
    --with-roots everything for a first start is made in one go; move the roots away afterwards.
    """
    if with_roots is not None and not town:
        raise click.UsageError("--with-roots needs --town")
    paths = [key_path(folder, purpose) for purpose in PURPOSES]
    root_paths = [with_roots / f"root-{n}.key" for n in (1, 2)] if with_roots else []
    there = [path for path in (*paths, *root_paths) if path.exists()]
    if there:
        raise InputError(f"{there[0]} already exists", "name another folder, or keep these keys")
    _make_folder(folder)
    for purpose, path in zip(PURPOSES, paths, strict=True):
        write_key(path, new_key(purpose, secrets.token_bytes))
    if with_roots is not None:
        _make_folder(with_roots)
        paths += [*root_paths, _first_keyset(folder, root_paths, town, _now(clock_offset_s))]
    names = [str(path) for path in paths]
    click.echo(json.dumps({"files": names}) if as_json else "\n".join(names))


def _first_keyset(folder: Path, root_paths: Sequence[Path], town: str, now: int) -> Path:
    roots = [new_key(ROOT, secrets.token_bytes) for _ in root_paths]
    for path, root in zip(root_paths, roots, strict=True):
        write_key(path, root)
    vaults = {FIRST_EPOCH: read_vault_key(folder, FIRST_EPOCH).public_key}
    both = (roots[0].public_key, roots[1].public_key)
    made = _signed(folder, town, vaults, both, roots[0], now, None)
    path = folder / keysets.FILE_NAME
    write_file_whole(path, made.document)
    return path


@keys.command()
@click.option("--out", type=_FILE, required=True, help="File for the key (0600); keep it apart.")
@_json
def root(out: Path, as_json: bool) -> None:
    """Make one root key. A town has two, in two safes; the command tells the public half."""
    key = new_key(ROOT, secrets.token_bytes)
    write_key(out, key)
    public = key.public_key.hex()
    click.echo(json.dumps({"file": str(out), "public_key": public}) if as_json else public)


@keys.command()
@_dir
@click.option("--root", "root_path", type=_FILE, required=True, help="The root key that signs.")
@click.option("--other-root-public", help="The other root: hex, or a file (root key, or hex).")
@click.option("--town", required=True, help="The town's id: a-z, 0-9, hyphen.")
@click.option("--new-epoch", is_flag=True, help="Make a new vault key; locks agree anew with it.")
@click.option("--retire-epoch", type=click.IntRange(1, 255), help="End an epoch and its tokens.")
@click.option("--out", type=_FILE, help="File for the keyset. [default: DIR/keyset.cose]")
@_offset
@_json
def keyset(
    folder: Path,
    root_path: Path,
    other_root_public: str | None,
    town: str,
    new_epoch: bool,
    retire_epoch: int | None,
    out: Path | None,
    clock_offset_s: int,
    as_json: bool,
) -> None:
    """Sign the next keyset: version 1, or one more than the one that is there.

    To replace a root, sign with the one that stays and name the new one as the other.
    """
    out = out or folder / keysets.FILE_NAME
    previous = keysets.read_file(out).keyset if out.exists() else None
    signer = read_key(root_path, ROOT)
    roots = _both_roots(signer.public_key, other_root_public, previous)
    fresh = _new_vault_key(folder, previous) if new_epoch else None
    vaults = _vaults(folder, previous, fresh, retire_epoch)
    made = _signed(folder, town, vaults, roots, signer, _now(clock_offset_s), previous)
    told = keysets.changes(previous, made.keyset)
    if not told:
        raise InputError(
            f"nothing differs from keyset {made.keyset.version - 1}", "there is nothing to sign"
        )
    if fresh is not None:
        write_key(key_path(folder, VAULT, fresh.epoch), fresh)
    write_file_whole(out, made.document)
    answer = {"file": str(out), "version": made.keyset.version, "changes": told}
    text = "\n".join([f"keyset {made.keyset.version}: {out}", *(f"  {line}" for line in told)])
    click.echo(json.dumps(answer) if as_json else text)


@keys.command()
@click.argument("path", metavar="FILE", type=_FILE)
@_json
def inspect(path: Path, as_json: bool) -> None:
    """Show what a keyset says."""
    shown = keysets.as_dict(keysets.read_file(path).keyset)
    click.echo(json.dumps(shown) if as_json else _readable(shown))


def _signed(
    folder: Path,
    town: str,
    vaults: dict[int, bytes],
    roots: tuple[bytes, bytes],
    signer: KeyFile,
    now: int,
    previous: Keyset | None,
) -> SignedKeyset:
    rows = {purpose: read_key(key_path(folder, purpose), purpose) for purpose in OPERATIONAL}
    publics = {purpose: key.public_key for purpose, key in rows.items()}
    try:
        made = keysets.compose(town, publics, vaults, roots, now, previous)
        return keysets.sign(made, signer, previous)
    except KeysetOrderError as error:
        raise InputError(str(error), "see: kannuki keys keyset --help") from None


def _both_roots(signer: bytes, other: str | None, previous: Keyset | None) -> tuple[bytes, bytes]:
    if other is not None:
        second = _public_root(other)
    elif previous is not None and signer in previous.roots:
        second = next(root for root in previous.roots if root != signer)
    else:
        raise InputError("the other root is not known", "name it with --other-root-public")
    if second == signer:
        raise InputError("both roots are the same key", "make two: kannuki keys root")
    kept_second = previous is not None and previous.roots[1] == signer
    return (second, signer) if kept_second else (signer, second)


def _public_root(text: str) -> bytes:
    """A root's public half: hex, a file of hex, or the root's own key file."""
    path = Path(text)
    if len(text) < 255 and path.is_file():
        content = path.read_bytes()[:4096]
        if content.lstrip().startswith(b"{"):
            return read_key(path, ROOT).public_key
        text = content.decode(errors="replace").strip()
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise InputError("the other root is 64 hex digits or a file", "kannuki keys root tells it")
    return raw


def _new_vault_key(folder: Path, previous: Keyset | None) -> KeyFile:
    """The key of the epoch after all that ever were here."""
    known = [epoch for epoch in range(1, 256) if key_path(folder, VAULT, epoch).exists()]
    newest = max([0, *known, *(previous.vaults if previous else ())])
    if newest >= 255:
        raise InputError("there are 255 vault epochs, and all were used", "found the town anew")
    return new_key(VAULT, secrets.token_bytes, newest + 1)


def _vaults(
    folder: Path, previous: Keyset | None, fresh: KeyFile | None, retired: int | None
) -> dict[int, bytes]:
    """{epoch: public key} of the next keyset."""
    if previous is not None:
        vaults = dict(previous.vaults)
    else:
        vaults = {FIRST_EPOCH: read_vault_key(folder, FIRST_EPOCH).public_key}
    if retired is not None and vaults.pop(retired, None) is None:
        raise InputError(f"vault epoch {retired} is not live", "see: kannuki keys inspect")
    if fresh is not None:
        vaults[fresh.epoch] = fresh.public_key
    if len(vaults) > MAX_VAULTS:
        oldest = min(vaults)
        raise InputError("two vault epochs are live already", f"add --retire-epoch {oldest}")
    if not vaults:
        raise InputError("a town needs a live vault epoch", "add --new-epoch")
    return vaults


def _readable(shown: dict[str, Any]) -> str:
    lines = [f"town {shown['town']}  version {shown['version']}  issued_at {shown['issued_at']}"]
    for row in shown["keys"]:
        limits = f"{row['max_lifetime_s'] // 86_400} d, {row['max_ahead_s'] // 86_400} d ahead"
        may = f"  {', '.join(row['permissions'])}; {limits}" if row["permissions"] else ""
        lines.append(f"key   {row['kid']}  {row['role']:15}{may}".rstrip())
    lines += [f"vault epoch {epoch}  {key}" for epoch, key in shown["vaults"].items()]
    lines += [f"root  {key_id(bytes.fromhex(key)).hex()}  {key}" for key in shown["roots"]]
    return "\n".join(lines)


def _now(offset_s: int) -> int:
    return int(time.time()) + offset_s


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"cannot make {folder}: {error.strerror}", "name another folder") from None
