"""Key files: one private key each, readable by their owner alone, that say what they are for.

Decides their form and refuses one key in the place of another. Never prints what they hold.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from nacl.bindings import crypto_scalarmult_base
from nacl.signing import SigningKey
from pydantic import BaseModel, ConfigDict, ValidationError

from kannuki.errors import InputError
from kannuki.messages import Bytes
from kannuki.settings import read_secret_file, write_secret_file

RandomBytes = Callable[[int], bytes]
Purpose = Literal[
    "booking-issuer",
    "staff-issuer",
    "gateway-issuer",
    "status",
    "time",
    "config",
    "firmware",
    "emergency",
    "ack",
    "vault",
    "root",
]
ROOT: Purpose = "root"
VAULT: Purpose = "vault"
OPERATIONAL: tuple[Purpose, ...] = (
    "booking-issuer",
    "staff-issuer",
    "gateway-issuer",
    "status",
    "time",
    "config",
    "firmware",
    "emergency",
    "ack",
)
PURPOSES: tuple[Purpose, ...] = (*OPERATIONAL, VAULT)
SECRET_BYTES = 32
FIRST_EPOCH = 1


class KeyFile(BaseModel):
    """`secret`: an Ed25519 seed, or for the vault an X25519 private key; `epoch`: the vault's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["kannuki-key-1"] = "kannuki-key-1"
    purpose: Purpose
    secret: Bytes
    epoch: int = FIRST_EPOCH

    @property
    def public_key(self) -> bytes:
        """32 bytes: Ed25519, or X25519 for the vault."""
        if self.purpose == VAULT:
            return crypto_scalarmult_base(self.secret)
        return bytes(SigningKey(self.secret).verify_key)


def key_path(folder: Path, purpose: Purpose, epoch: int = FIRST_EPOCH) -> Path:
    """Where the key of `purpose` lies in a folder of keys; the vault has a file for each epoch."""
    return folder / (f"{purpose}-{epoch}.key" if purpose == VAULT else f"{purpose}.key")


def new_key(purpose: Purpose, random_bytes: RandomBytes, epoch: int = FIRST_EPOCH) -> KeyFile:
    """A fresh key."""
    return KeyFile(purpose=purpose, secret=random_bytes(SECRET_BYTES), epoch=epoch)


def read_vault_key(folder: Path, epoch: int) -> KeyFile:
    """The vault's key of an epoch. Raises InputError, also when the file is of another epoch."""
    path = key_path(folder, VAULT, epoch)
    key = read_key(path, VAULT)
    if key.epoch != epoch:
        raise InputError(f"{path} holds epoch {key.epoch}", "do not rename vault keys")
    return key


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
