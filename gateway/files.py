"""The gateway's own file: which locks are its, and the housekeeping credential for each.

Decides whether a file can be used as a whole; one bad lock makes it unusable, so that a typing
error shows at once and a running gateway keeps what it had.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kannuki.enrolment import FileError, GatewayFile, read_file
from protocol.holder import Credential, CredentialError
from protocol.keys import KEY_BYTES


@dataclass(frozen=True)
class Place:
    """Where this gateway is and whose doors it keeps."""

    town: str
    gateway_id: str
    credentials: dict[str, Credential]


def read_place(path: Path) -> Place:
    """The content of a gateway file. Raises FileError naming the lock that is wrong."""
    content = read_file(path, GatewayFile)
    credentials: dict[str, Credential] = {}
    for entry in content.locks:
        if entry.lock_id in credentials or entry.lock_id == content.gateway_id:
            raise FileError(f"{path} names {entry.lock_id} twice")
        credentials[entry.lock_id] = _credential(path, entry.lock_id, entry.token, entry.proof_key)
    return Place(content.town, content.gateway_id, credentials)


def _credential(path: Path, lock_id: str, token: bytes, proof_key: bytes) -> Credential:
    try:
        credential = Credential(token, {lock_id: proof_key})
    except CredentialError as error:
        raise FileError(f"{path}: the token for {lock_id} cannot be read: {error}") from error
    if credential.token.audience != lock_id:
        raise FileError(f"{path}: the token for {lock_id} is for another lock")
    if len(proof_key) != KEY_BYTES:
        raise FileError(f"{path}: the key for {lock_id} does not have {KEY_BYTES} bytes")
    return credential


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes when the file does; None while it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
