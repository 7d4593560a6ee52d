"""Makes, reads and compares keysets: the one document by which a root says which keys count.

Decides which keyset may follow which: one version more, one root kept and signing, at most two
vault epochs live, no epoch's key ever changed. Holds no root longer than one signature takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from cloud.issuer import Signer
from cloud.keyfiles import OPERATIONAL, KeyFile, Purpose, key_path, read_key
from cloud.roles import ROLES
from kannuki.errors import InputError
from protocol import keyset
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.keys import key_id
from protocol.keyset import IssuerKey, Keyset, KeysetError

FILE_NAME = "keyset.cose"
MAX_KEYSET_BYTES = 8192
ROLE_NAMES = {
    keyset.ROLE_BOOKING: "booking-issuer",
    keyset.ROLE_STAFF: "staff-issuer",
    keyset.ROLE_STATUS: "status",
    keyset.ROLE_TIME: "time",
    keyset.ROLE_CONFIG: "config",
    keyset.ROLE_FIRMWARE: "firmware",
    keyset.ROLE_EMERGENCY: "emergency",
    keyset.ROLE_ACK: "ack",
}
PERMISSION_NAMES = {
    "unlock": tokens.UNLOCK,
    "unlock-remote": tokens.UNLOCK_REMOTE,
    "lock": tokens.LOCK,
    "hold-open": tokens.HOLD_OPEN,
    "status": tokens.STATUS,
    "maintain": tokens.MAINTAIN,
    "evacuate": tokens.EVACUATE,
}


class KeysetOrderError(ValueError):
    """This keyset must not follow the one that is there."""


@dataclass(frozen=True)
class SignedKeyset:
    """A keyset and the document in which a root signed it."""

    document: bytes
    keyset: Keyset


def compose(
    town: str,
    rows: Mapping[Purpose, bytes],
    vaults: Mapping[int, bytes],
    roots: tuple[bytes, bytes],
    issued_at: int,
    previous: Keyset | None,
) -> Keyset:
    """The keyset that follows `previous`. Raises KeysetOrderError.

    rows: {purpose: public key}; vaults: {epoch: public key}.
    """
    issuer_keys = [_row(purpose, key) for purpose, key in rows.items()]
    version = previous.version + 1 if previous else 1
    try:
        made = Keyset(town, version, issued_at, issuer_keys, dict(vaults), roots)
        keyset.encode(made)
    except KeysetError as error:
        raise KeysetOrderError(f"these keys make no keyset: {error}") from None
    if previous is not None:
        _check_order(previous, made)
    return made


def _row(purpose: Purpose, public_key: bytes) -> IssuerKey:
    role = ROLES[purpose]
    return IssuerKey(public_key, role.role, role.permissions, role.max_lifetime_s, role.max_ahead_s)


def _check_order(previous: Keyset, made: Keyset) -> None:
    if previous.town != made.town:
        raise KeysetOrderError(f"the keyset that is there is of the town '{previous.town}'")
    if not previous.may_be_followed_by(made):
        raise KeysetOrderError("one of the two roots must stay, or no lock takes the keyset")
    for epoch, key in made.vaults.items():
        if previous.vaults.get(epoch, key) != key:
            raise KeysetOrderError(f"the key of vault epoch {epoch} has changed")


def sign(made: Keyset, root: KeyFile, previous: Keyset | None) -> SignedKeyset:
    """`made` under a root that locks know already. Raises KeysetOrderError."""
    allowed = previous.roots if previous else made.roots
    if root.public_key not in allowed:
        raise KeysetOrderError("locks do not know this root: sign with the one that stays")
    return SignedKeyset(Signer(root).sign(keyset.encode(made)), made)


def changes(previous: Keyset | None, made: Keyset) -> list[str]:
    """What is new, in words."""
    if previous is None:
        return [f"first keyset: {len(made.keys)} keys"]
    told = [f"key {_named(made, kid)} is new" for kid in made.keys if kid not in previous.keys]
    told += [
        f"key {_named(previous, kid)} is gone" for kid in previous.keys if kid not in made.keys
    ]
    told += [
        f"key {_named(made, kid)} has other limits"
        for kid in made.keys
        if kid in previous.keys and _limits(made.keys[kid]) != _limits(previous.keys[kid])
    ]
    told += [f"vault epoch {epoch} is new" for epoch in made.vaults if epoch not in previous.vaults]
    told += [f"vault epoch {e} is retired" for e in previous.vaults if e not in made.vaults]
    told += [f"root {key_id(r).hex()} is new" for r in made.roots if r not in previous.roots]
    told += [f"root {key_id(r).hex()} is gone" for r in previous.roots if r not in made.roots]
    return told


def open_document(document: bytes) -> SignedKeyset:
    """The keyset in a document that one of its own roots signed. Raises InputError.

    Whether those roots are the town's is for whoever knows them: a lock does.
    """
    try:
        signed, made = keyset.parse(document)
        root = made.root_named(signed.kid)
        if root is None:  # a root that this very document replaces cannot sign it
            raise KeysetError("none of its roots signed it")
        VerifyKey(root).verify(signed.signed_bytes(keyset.CONTEXT), signed.signature)
    except (CoseError, KeysetError, BadSignatureError, ValueError) as error:
        raise InputError(f"this is no keyset: {error}", "make one: kannuki keys keyset") from None
    return SignedKeyset(document, made)


def read_file(path: Path) -> SignedKeyset:
    """The keyset in a file. Raises InputError."""
    try:
        with open(path, "rb") as file:
            document = file.read(MAX_KEYSET_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", "make one with: kannuki keys keyset"
        ) from None
    return open_document(document)


def check_keys(folder: Path, made: Keyset) -> None:
    """Raises InputError when a key in `folder` is not the one that the keyset names."""
    known = {(row.role, row.public_key) for row in made.keys.values()}
    for purpose in OPERATIONAL:
        path = key_path(folder, purpose)
        if path.exists() and (ROLES[purpose].role, read_key(path, purpose).public_key) not in known:
            raise InputError(
                f"{path} is not in keyset {made.version}: no lock would believe it",
                "sign the next keyset: kannuki keys keyset",
            )


def as_dict(made: Keyset) -> dict[str, Any]:
    """A keyset for people and programs; keys as hex."""
    return {
        "town": made.town,
        "version": made.version,
        "issued_at": made.issued_at,
        "keys": [
            {
                "kid": kid.hex(),
                "role": ROLE_NAMES.get(row.role, f"role-{row.role}"),
                "public_key": row.public_key.hex(),
                "permissions": [n for n, bit in PERMISSION_NAMES.items() if row.permissions & bit],
                "max_lifetime_s": row.max_lifetime_s,
                "max_ahead_s": row.max_ahead_s,
            }
            for kid, row in made.keys.items()
        ],
        "vaults": {str(epoch): key.hex() for epoch, key in sorted(made.vaults.items())},
        "roots": [root.hex() for root in made.roots],
    }


def _named(made: Keyset, kid: bytes) -> str:
    return f"{ROLE_NAMES.get(made.keys[kid].role, '?')} {kid.hex()}"


def _limits(row: IssuerKey) -> tuple[int, int, int, int]:
    return row.role, row.permissions, row.max_lifetime_s, row.max_ahead_s
