"""The provider table: the example holds, and rows that could not be safe are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloud.people import sign_in_keys
from cloud.people.providers import read_providers
from kannuki.errors import InputError

ROW: dict[str, Any] = {
    "id": "city",
    "name": {"ja": "市", "ja-simple": "し", "en": "City"},
    "issuer": "https://id.example",
    "authorization_endpoint": "https://id.example/auth",
    "token_endpoint": "https://id.example/token",
    "jwks_uri": "https://id.example/keys",
    "client_id": "kannuki",
}


def table(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "providers.json"
    path.write_text(json.dumps({"provider": list(rows)}))
    return path


def test_example_is_a_table_with_the_card_app_in_its_first_row(checkout: Path) -> None:
    card, city = read_providers(checkout / "cloud/people/providers.example.toml").provider
    base = "https://auth-and-sign.go.jp/api/realms/main"
    assert (card.issuer, card.token_endpoint) == (base, f"{base}/protocol/openid-connect/token")
    assert card.jwks_uri == f"{base}/protocol/openid-connect/certs"
    assert (card.client_auth, card.best_level) == ("private_key_jwt", "aal3")
    assert (city.discover, city.best_level) == (True, "aal1")


def test_issuer_of_the_card_app_can_be_said_for_sources_differ(tmp_path: Path) -> None:
    row = {"id": "card", "shape": "digital-authentication-app", "client_id": "x"}
    base = "https://sb-auth-and-sign.go.jp/api/realms/main"
    told = row | {"base_url": base, "issuer": "https://sb-auth-and-sign.go.jp/"}
    (card,) = read_providers(table(tmp_path, told)).provider
    assert card.issuer == "https://sb-auth-and-sign.go.jp/"
    assert card.userinfo_endpoint.startswith(base)


@pytest.mark.parametrize(
    "bent",
    [
        {"token_endpoint": "http://id.example/token"},
        {"token_endpoint": "http://127.0.0.1.evil.example/token"},
        {"token_endpoint": "https://user@id.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ""},
        {"authorization_endpoint": "https://id.example/auth#x"},
        {"id_token_algorithms": ["none"]},
        {"id_token_algorithms": ["HS256"]},
        {"id_token_algorithms": []},
        {"scopes": ["profile"]},
        {"scopes": ["openid profile"]},
        {"levels": {"x": "aal9"}},
        {"client_auth": "client_secret_basic"},
        {"client_secret_file": "x"},
        {"id": "callback"},
        {"id": "A"},
        {"secret": "in the table"},
        {"shape": "other"},
        {"name": {"ja": "市"}},
    ],
    ids=str,
)
def test_row_that_could_not_be_safe_is_refused(tmp_path: Path, bent: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_providers(table(tmp_path, ROW | bent))


def test_two_rows_of_one_name_or_one_client_are_refused(tmp_path: Path) -> None:
    for more in ({}, {"id": "other"}):
        with pytest.raises(InputError, match="two rows"):
            read_providers(table(tmp_path, ROW, ROW | more))


def test_secret_that_others_can_read_is_refused_at_the_start(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret-of-the-client\n")
    row = ROW | {"client_auth": "client_secret_basic", "client_secret_file": "secret"}
    secret.chmod(0o644)
    with pytest.raises(InputError, match="read by others"):
        read_providers(table(tmp_path, row))
    secret.chmod(0o600)
    (read,) = read_providers(table(tmp_path, row)).provider
    assert read.client_secret() == "s3cret-of-the-client"


def test_renewed_key_signs_first_and_the_old_one_stays_published(tmp_path: Path) -> None:
    first = sign_in_keys.new_file(lambda n: bytes(n))
    second = sign_in_keys.renewed(first)
    third = sign_in_keys.renewed(second)
    assert second.keys[1] == first.keys[0] and second.keys[0] != first.keys[0]
    assert len(third.keys) == 2 and first.keys[0] not in third.keys
    assert third.subject_key == first.subject_key
    path = tmp_path / "sign-in.key"
    path.write_text(second.model_dump_json())
    with pytest.raises(InputError, match="read by others"):
        sign_in_keys.open_keys(path)
    path.chmod(0o600)
    keys = sign_in_keys.open_keys(path)
    assert keys.current.kid == second.keys[0]["kid"]
    published = keys.jwks()["keys"]
    assert [row["kid"] for row in published] == [row["kid"] for row in second.keys]
    assert not any("d" in row for row in published)


def test_person_has_another_hash_in_every_town_provider_and_key() -> None:
    one, two = (sign_in_keys.new_file(lambda n, b=b: bytes([b]) * n) for b in (1, 2))
    hashes = {
        keys.subject_hash(town, issuer, "sub")
        for keys in (sign_in_keys.SignInKeys((), told.subject_key) for told in (one, two))
        for town in ("misaki", "tonari")
        for issuer in ("https://a.example", "https://b.example")
    }
    assert len(hashes) == 8
