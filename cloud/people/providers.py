"""The table of a town's sign-in providers: one row each, read from a TOML or JSON file.

Decides what a row may say and refuses one that could not be safe: an endpoint without TLS (except
on this machine), `none` or a symmetric algorithm, two rows of one issuer and client. Fetches
nothing. Invariant: a row is complete (every endpoint is known), or it says `discover`.

`shape = "digital-authentication-app"` fills in what the Digital Agency's デジタル認証アプリ has in
common everywhere; issuer, client id and the town's own words stay to be said. That shape was tested
against a provider of that form, never against the real one.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cloud.people.levels import NONE, Level, highest, reaches
from kannuki.errors import InputError
from kannuki.settings import read_secret_file

ASYMMETRIC = ("ES256", "ES384", "PS256", "RS256", "EdDSA")
Algorithm = Literal["ES256", "ES384", "PS256", "RS256", "EdDSA"]
ClientAuth = Literal["private_key_jwt", "client_secret_basic", "client_secret_post", "none"]
MAX_FILE_BYTES = 256 * 1024
_TAKEN = ("providers", "callback")  # other paths under /v1/sign-in
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ENDPOINTS = {
    "authorization_endpoint": "auth",
    "token_endpoint": "token",
    "userinfo_endpoint": "userinfo",
    "jwks_uri": "certs",
}
_NAMES = {
    "ja": "マイナンバーカード（デジタル認証アプリ）",
    "ja-simple": "マイナンバーカード （デジタル にんしょう アプリ）",
    "en": "My Number card (Digital Authentication App)",
}
_DIGITAL_AUTHENTICATION_APP: dict[str, Any] = {
    "name": _NAMES,
    "client_auth": "private_key_jwt",
    "scopes": ["openid", "name", "address", "birthdate"],
    "acr_values": ["aal3", "crl"],
    "levels": {"aal2": "aal2", "aal3": "aal3"},
    "id_token_algorithms": ["ES256", "PS256", "RS256"],
}


class Names(BaseModel):
    """What people call a provider."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    ja: str = Field(min_length=1, max_length=80)
    ja_simple: str = Field(alias="ja-simple", min_length=1, max_length=80)
    en: str = Field(min_length=1, max_length=80)

    def all(self) -> dict[str, str]:
        """`{"ja", "ja-simple", "en"}`."""
        return self.model_dump(by_alias=True)


class Provider(BaseModel):
    """One row.

    levels: what each `acr` of an ID token is worth; `level_without_acr` when none is known.
    response_iss: the provider names itself in its answer (RFC 9207). One that does not gets a
    callback of its own, so that two providers cannot be mixed up.
    resident_prefixes: an address that begins so lies in the town; without any, nobody is asked.
    fact_days: how long what was verified stands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    name: Names
    issuer: str = Field(min_length=1, max_length=255)
    discover: bool = False
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    jwks_uri: str = ""
    client_id: str = Field(min_length=1, max_length=255)
    client_auth: ClientAuth = "private_key_jwt"
    client_secret_file: Path | None = None
    assertion_audience: Literal["token_endpoint", "issuer"] = "token_endpoint"
    scopes: tuple[str, ...] = ("openid",)
    acr_values: tuple[str, ...] = ()
    levels: dict[str, Level] = Field(default_factory=dict)
    level_without_acr: Level = NONE
    id_token_algorithms: tuple[Algorithm, ...] = ("ES256",)
    response_iss: bool = True
    prompt: Literal["", "login", "consent", "select_account"] = ""
    resident_prefixes: tuple[str, ...] = ()
    adult_age: int = Field(default=18, ge=0, le=120)
    fact_days: int = Field(default=365, ge=1, le=3660)

    @model_validator(mode="before")
    @classmethod
    def _fill_shape(cls, row: Any) -> Any:
        if not isinstance(row, dict) or "shape" not in row:
            return row
        rest = dict(row)
        shape, base = rest.pop("shape"), rest.pop("base_url", "")
        if shape != "digital-authentication-app" or not isinstance(base, str) or not base:
            raise ValueError("the one shape is 'digital-authentication-app', with a base_url")
        base = base.rstrip("/")
        paths = {n: f"{base}/protocol/openid-connect/{p}" for n, p in _ENDPOINTS.items()}
        return {**_DIGITAL_AUTHENTICATION_APP, **paths, "issuer": base, **rest}

    @model_validator(mode="after")
    def _is_safe(self) -> Provider:
        if self.id in _TAKEN:
            raise ValueError(f"'{self.id}' is the name of something else")
        for name in ("issuer", *_ENDPOINTS):
            url = getattr(self, name)
            if url:
                check_url(name, url)
            elif not self.discover and name != "userinfo_endpoint":
                raise ValueError(f"{name} is missing (or say: discover = true)")
        if "openid" not in self.scopes or any(" " in scope for scope in self.scopes):
            raise ValueError("scopes hold 'openid', one word each")
        if self.client_auth.startswith("client_secret") != (self.client_secret_file is not None):
            raise ValueError("client_secret_file goes with client_auth = client_secret_...")
        if not self.id_token_algorithms:
            raise ValueError("name at least one of id_token_algorithms")
        return self

    @property
    def best_level(self) -> Level:
        """The highest level that a sign-in here can reach."""
        return highest([self.level_without_acr, *self.levels.values()])

    def client_secret(self) -> str:
        """From its file, each time: it may be replaced while we run. Raises InputError."""
        if self.client_secret_file is None:
            return ""
        return read_secret_file(self.client_secret_file).decode("utf-8", "replace").strip()


class ProviderTable(BaseModel):
    """The rows in the order in which people see them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: tuple[Provider, ...] = Field(max_length=20)

    @model_validator(mode="after")
    def _are_different(self) -> ProviderTable:
        names = [row.id for row in self.provider]
        clients = [(row.issuer, row.client_id) for row in self.provider]
        if len(set(names)) < len(names) or len(set(clients)) < len(clients):
            raise ValueError("two rows have one id, or one issuer and client_id")
        return self

    def find(self, provider_id: str) -> Provider | None:
        """The row of that id."""
        return next((row for row in self.provider if row.id == provider_id), None)

    def reaching(self, minimum: str) -> list[Provider]:
        """Who can lift somebody to that level."""
        return [row for row in self.provider if reaches(row.best_level, minimum)]


NO_PROVIDERS = ProviderTable(provider=())


def check_url(name: str, url: str) -> None:
    """Raises ValueError for what must not carry a sign-in: no TLS beyond this machine, user, #."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rsplit("@", 1)[-1]
        local = (f"[{parts.hostname}]" if "[" in host else parts.hostname) in _LOOPBACK
    except ValueError:
        raise ValueError(f"{name} is no address") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError(f"{name} must begin with https://")
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError(f"{name} must be a plain address")


def read_providers(path: Path) -> ProviderTable:
    """The table in a file; secrets' files are named from its folder. Raises InputError."""
    try:
        raw = path.read_bytes()[: MAX_FILE_BYTES + 1]
        content = json.loads(raw) if path.suffix == ".json" else tomllib.loads(raw.decode("utf-8"))
        table = ProviderTable.model_validate(content)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check --providers") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where}: {first['msg']}", "correct the provider table") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}", "it is TOML, or JSON when named .json") from None
    rows = [_beside(row, path.parent) for row in table.provider]
    for row in rows:
        row.client_secret()  # a missing or readable secret is told now, not at the first sign-in
    return ProviderTable(provider=tuple(rows))


def _beside(row: Provider, folder: Path) -> Provider:
    if row.client_secret_file is None or row.client_secret_file.is_absolute():
        return row
    return row.model_copy(update={"client_secret_file": folder / row.client_secret_file})
