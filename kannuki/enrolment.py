"""The files that pass between the town's service, the technician's bench and a gateway.

Decides their shape. A trust file (service -> bench) and an enrolment file (bench -> service) hold
public halves only; a gateway's credential file holds proof keys and is kept like a password.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kannuki.messages import Bytes, DeviceId, GatewayId, UnixSeconds

LockId = str
_LOCK_ID = Field(pattern=r"^[a-z2-7]{8}$")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrustFile(_File):
    """What a lock is told to believe at enrolment: two roots, and the keyset that one signed."""

    format: Literal["kannuki-trust-2"] = "kannuki-trust-2"
    town: DeviceId
    roots: list[Bytes] = Field(min_length=2, max_length=2)  # Ed25519
    keyset: Bytes  # COSE_Sign1 (protocol/keyset.py)


class EnrolmentFile(_File):
    """What a lock says of itself once it has made its own keys."""

    format: Literal["kannuki-enrolment-2"] = "kannuki-enrolment-2"
    town: DeviceId
    lock_id: str = _LOCK_ID
    public_key: Bytes  # X25519: what the vault agrees secrets with
    signing_key: Bytes  # Ed25519: what signs the head of the journal
    journal_epoch: int
    enrolled_at: UnixSeconds


class LockCredential(_File):
    """A gateway's housekeeping token for one lock, with its proof key."""

    lock_id: str = _LOCK_ID
    token: Bytes
    proof_key: Bytes


class GatewayFile(_File):
    """Everything one gateway needs to know of its town and locks."""

    format: Literal["kannuki-gateway-1"] = "kannuki-gateway-1"
    town: DeviceId
    gateway_id: GatewayId
    locks: list[LockCredential]


class FileError(ValueError):
    """A file that is missing or not of the expected kind."""


_F = TypeVar("_F", bound=_File)


def read_file(path: Path, kind: type[_F]) -> _F:
    """The file of `kind` at `path`. Raises FileError that says what is wrong."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise FileError(f"{path} is not a {kind.__name__}: {where}: {first['msg']}") from error


def write_file(path: Path, content: _File, secret: bool = False) -> None:
    """Write `content` whole or not at all; readable by its owner alone when `secret`."""
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.touch(mode=0o600 if secret else 0o644)
    temporary.write_text(content.model_dump_json(indent=2) + "\n")
    temporary.replace(path)
