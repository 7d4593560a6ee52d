"""The town's own key at sign-in providers, and the key that hides who is who there.

Decides the file (0600): signing keys, newest first, whose public halves are published as a JWKS
and registered with providers; and a `subject_key`, under which a provider's name for a person is
stored as a keyed hash. Replacing a signing key keeps the older one published until it is dropped;
the subject key never changes, or nobody would be recognised again.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.people.attempts import RandomBytes
from kannuki.errors import InputError
from kannuki.messages import Bytes
from kannuki.settings import read_secret_file

FILE_NAME = "sign-in.key"
KEPT_KEYS = 2
SUBJECT_KEY_BYTES = 32


class SignInKeyFile(BaseModel):
    """`keys`: private P-256 JWKs, newest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["kannuki-sign-in-1"] = "kannuki-sign-in-1"
    subject_key: Bytes
    keys: tuple[dict[str, str], ...] = Field(min_length=1, max_length=KEPT_KEYS)


@dataclass(frozen=True)
class SignInKeys:
    """What a running service holds of the file."""

    signing: tuple[ECKey, ...]
    subject_key: bytes

    @property
    def current(self) -> ECKey:
        """The key that signs."""
        return self.signing[0]

    def jwks(self) -> dict[str, Any]:
        """The public halves, to register: RFC 7517."""
        return {
            "keys": [
                key.as_dict(private=False) | {"alg": "ES256", "use": "sig"} for key in self.signing
            ]
        }

    def subject_hash(self, town: str, issuer: str, subject: str) -> bytes:
        """A person's name at a provider as the database keeps it: 32 bytes, useless elsewhere."""
        parts = [part.encode() for part in (town, issuer, subject)]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self.subject_key, b"kannuki subject" + message, "sha256")


def new_file(random_bytes: RandomBytes) -> SignInKeyFile:
    """A first file."""
    return SignInKeyFile(subject_key=random_bytes(SUBJECT_KEY_BYTES), keys=(_new_key(),))


def renewed(old: SignInKeyFile) -> SignInKeyFile:
    """A fresh signing key before the newest of the old ones; the same subject key."""
    return old.model_copy(update={"keys": (_new_key(), *old.keys)[:KEPT_KEYS]})


def _new_key() -> dict[str, str]:
    key = ECKey.generate_key("P-256", auto_kid=True)
    return {name: str(value) for name, value in key.as_dict(private=True).items()}


def read_file(path: Path) -> SignInKeyFile:
    """Raises InputError."""
    try:
        told = SignInKeyFile.model_validate_json(read_secret_file(path))
    except ValidationError:
        raise _not_ours(path) from None
    if len(told.subject_key) != SUBJECT_KEY_BYTES:
        raise _not_ours(path)
    return told


def open_keys(path: Path) -> SignInKeys:
    """The keys in a file. Raises InputError."""
    told = read_file(path)
    try:
        signing = tuple(ECKey.import_key(dict(row)) for row in told.keys)
    except ValueError:
        raise _not_ours(path) from None
    return SignInKeys(signing, told.subject_key)


def _not_ours(path: Path) -> InputError:
    return InputError(f"{path} is not a sign-in key", "make one with: kannuki cloud sign-in-key")
