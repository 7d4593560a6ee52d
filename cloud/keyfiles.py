"""Key files: one private key each, readable by their owner alone, that say what they are for.

Decides their form and refuses one key in the place of another. Never prints what they hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from kannuki.errors import InputError
from kannuki.messages import Bytes
from kannuki.settings import read_secret_file, write_secret_file

Purpose = Literal["booking-issuer", "staff-issuer", "status", "vault"]
PURPOSES: tuple[Purpose, ...] = ("booking-issuer", "staff-issuer", "status", "vault")
SECRET_BYTES = 32


class KeyFile(BaseModel):
    """`secret`: an Ed25519 seed, or for the vault an X25519 private key; `epoch`: the vault's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["kannuki-key-1"] = "kannuki-key-1"
    purpose: Purpose
    secret: Bytes
    epoch: int = 1


def key_path(folder: Path, purpose: Purpose) -> Path:
    """Where the key of `purpose` lies in a folder of keys."""
    return folder / f"{purpose}.key"


def read_key(path: Path, *purposes: Purpose) -> KeyFile:
    """The key in a file. Raises InputError when it is not one of `purposes`."""
    try:
        key = KeyFile.model_validate_json(read_secret_file(path))
    except ValidationError:
        raise InputError(f"{path} is not a key file", "make keys with: kannuki keys init") from None
    if key.purpose not in purposes or len(key.secret) != SECRET_BYTES:
        wanted = " or ".join(purposes)
        raise InputError(f"{path} holds the {key.purpose} key", f"name the {wanted} key file")
    return key


def write_key(path: Path, key: KeyFile) -> None:
    """Keeps a new key; refuses to write over another."""
    write_secret_file(path, key.model_dump_json().encode() + b"\n")
