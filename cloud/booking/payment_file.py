"""The town's payment service as a file (0600): where its checkout is, and the shared secrets.

Decides the file's form. It holds secrets, so it is no option and no row; the first secret signs,
and all of them are believed, so that one can replace the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.booking.payments import Hosted, Providers, providers
from kannuki.errors import InputError
from kannuki.settings import read_secret_file

Secret = Annotated[str, Field(min_length=32, max_length=200)]
_REMEDY = 'it is JSON: {"checkout_url": "https://...", "merchant": "...", "secrets": ["..."]}'


class PaymentFile(BaseModel):
    """checkout_url: the payment service's page; secrets: 32 characters or more each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkout_url: str = Field(pattern=r"^https?://[^\s?#]{1,300}$")
    merchant: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    secrets: list[Secret] = Field(min_length=1, max_length=3)


def open_providers(path: Path | None) -> Providers:
    """The ways to pay, with the payment service of the file where there is one."""
    if path is None:
        return providers()
    try:
        told = PaymentFile.model_validate_json(read_secret_file(path))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])  # never the value
        raise InputError(f"{path} cannot be used ({where or 'no JSON'})", _REMEDY) from None
    secrets = tuple(secret.encode() for secret in told.secrets)
    return providers(Hosted(told.checkout_url, told.merchant, secrets))
