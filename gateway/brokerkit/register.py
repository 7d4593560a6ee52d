"""What the kit remembers of a town and of its broker: JSON files next to the CA's key.

Decides shapes and questions about them; no keys in here. Invariant of whoever writes: a certificate
is in the register before it exists anywhere, so that none is ever out there that cannot be revoked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.brokerkit.acl import Rights, role_of
from gateway.brokerkit.authority import SERVER_NAME, Revoked
from kannuki.errors import InputError
from kannuki.messages import DeviceId, UnixSeconds


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Issued(_Kept):
    """One certificate. `key`: made here, or kept by its owner who sent a request."""

    serial: str = Field(pattern=r"^[0-9a-f]{1,40}$")
    name: DeviceId
    not_before: UnixSeconds
    not_after: UnixSeconds
    key: Literal["kit", "request"] = "kit"
    revoked_at: UnixSeconds | None = None


class Register(_Kept):
    """A town: its listener, its gateways with their locks, and every certificate ever signed."""

    format: Literal["kannuki-broker-town-1"] = "kannuki-broker-town-1"
    town: DeviceId
    port: int = Field(gt=0, lt=65536)
    address: str = ""
    hosts: list[str]
    crl_number: int = 0
    gateways: dict[DeviceId, list[DeviceId]] = {}
    gone: dict[DeviceId, list[DeviceId]] = {}
    issued: list[Issued] = []

    def newest(self, name: str) -> Issued | None:
        """The latest certificate of this name that is not revoked."""
        found = self.unrevoked(name)
        return found[-1] if found else None

    def unrevoked(self, name: str) -> list[Issued]:
        """Certificates of this name that are believed until they expire, oldest first."""
        return [one for one in self.issued if one.name == name and one.revoked_at is None]

    def revoked(self) -> list[Revoked]:
        """For the revocation list."""
        return [
            Revoked(int(one.serial, 16), one.revoked_at)
            for one in self.issued
            if one.revoked_at is not None
        ]

    def rights(self) -> Rights:
        """For the ACL."""
        names = {one.name for one in self.issued if one.revoked_at is None} - {SERVER_NAME}
        clouds = sorted(name for name in names if role_of(name) == "cloud")
        homes = sorted(name for name in names if role_of(name) == "home")
        return Rights(self.town, self.gateways, clouds, homes, self.gone)


class BrokerSettings(_Kept):
    """What all towns of one broker share."""

    format: Literal["kannuki-broker-1"] = "kannuki-broker-1"
    user: str
    data_dir: str


_K = TypeVar("_K", bound=_Kept)


def load(path: Path, kind: type[_K]) -> _K | None:
    """The file's content; None when there is none. Raises InputError."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check its owner") from error
    except ValidationError as error:
        raise InputError(f"{path} is damaged", "put it back from the backup") from error


def dump(content: _Kept) -> bytes:
    """As it is kept."""
    return content.model_dump_json(indent=2).encode() + b"\n"
