"""ID tokens and requests, bent in every way: what is not right in everything is not believed."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

from cloud.people import attempts, claims, oidc
from cloud.people.attempts import Attempt
from cloud.people.oidc import Untrusted
from cloud.people.provider_http import KEYS_AGAIN_S, KEYS_FRESH_S, ProviderHttp
from cloud.people.providers import Provider

NOW = 1_796_432_400
ISSUER = "https://auth.example/api/realms/main"
ATTEMPT = Attempt("b" * 43, "n" * 22)
SIGNER = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "two"})
KEYS: dict[str, Key] = {"one": SIGNER, "two": OTHER}
PROVIDER = Provider.model_validate(
    {
        "id": "card",
        "shape": "digital-authentication-app",
        "base_url": ISSUER,
        "client_id": "RP00000001",
        "resident_prefixes": ["北海道みさき市"],
    }
)
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "RP00000001",
    "sub": "pairwise",
    "nonce": ATTEMPT.nonce,
    "iat": NOW,
    "exp": NOW + 300,
    "acr": "aal3",
}


def token(key: Any = SIGNER, header: dict[str, Any] | None = None, **members: Any) -> str:
    told = {name: value for name, value in (GOOD | members).items() if value is not None}
    head = {"alg": "ES256", "kid": "one"} | (header or {})
    return jwt.encode(head, told, key, algorithms=[head["alg"]])


def by_hand(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return ".".join(
        (part(json.dumps(header).encode()), part(json.dumps(payload).encode()), part(signature))
    )


def check(raw: Any, provider: Provider = PROVIDER, now: int = NOW) -> dict[str, Any]:
    return oidc.check_id_token(raw, provider, KEYS, ATTEMPT.nonce, now)


def test_token_that_is_right_in_everything_is_believed() -> None:
    assert check(token())["sub"] == "pairwise"
    assert check(token(aud=["RP00000001"]))["sub"] == "pairwise"
    assert check(token(aud=["RP00000001", "other"], azp="RP00000001"))["sub"] == "pairwise"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"iss": "https://evil.example"}, "ISSUER"),
        ({"iss": ISSUER + "/"}, "ISSUER"),
        ({"iss": None}, "ISSUER"),
        ({"aud": "RP00000002"}, "AUDIENCE"),
        ({"aud": ["other"]}, "AUDIENCE"),
        ({"aud": None}, "AUDIENCE"),
        ({"aud": ["RP00000001", "other"]}, "AUTHORIZED_PARTY"),
        ({"azp": "other"}, "AUTHORIZED_PARTY"),
        ({"exp": NOW - 61}, "EXPIRED"),
        ({"exp": None}, "TIMES_MALFORMED"),
        ({"exp": "9999999999"}, "TIMES_MALFORMED"),
        ({"exp": True}, "TIMES_MALFORMED"),
        ({"iat": None}, "TIMES_MALFORMED"),
        ({"iat": NOW + 61}, "ISSUED_AT"),
        ({"iat": NOW - 601}, "ISSUED_AT"),
        ({"nbf": NOW + 61}, "NOT_YET"),
        ({"nonce": None}, "NONCE"),
        ({"nonce": "another"}, "NONCE"),
        ({"nonce": ["x"]}, "NONCE"),
        ({"sub": None}, "SUBJECT"),
        ({"sub": ""}, "SUBJECT"),
        ({"sub": 7}, "SUBJECT"),
        ({"sub": "s" * 256}, "SUBJECT"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_claim_that_is_wrong_is_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(Untrusted) as refused:
        check(token(**members))
    assert refused.value.reason == reason


def test_algorithm_none_is_refused_however_it_is_spelt() -> None:
    for name in ("none", "None", "NONE", "", None, 7, ["ES256"]):
        with pytest.raises(Untrusted, match="ALGORITHM|TOKEN_MALFORMED"):
            check(by_hand({"alg": name, "kid": "one"}, GOOD))


def test_public_key_is_no_secret_of_an_hmac() -> None:
    """Algorithm confusion: HS256 under the bytes of the public key."""
    head = {"alg": "HS256", "kid": "one"}
    signed = by_hand(head, GOOD).rpartition(".")[0].encode()
    for secret in (SIGNER.as_pem(private=False), json.dumps(SIGNER.as_dict()).encode()):
        forged = by_hand(head, GOOD, hmac.digest(secret, signed, "sha256"))
        with pytest.raises(Untrusted, match="ALGORITHM"):
            check(forged)


def test_key_that_the_token_brings_along_is_not_believed() -> None:
    stranger = ECKey.generate_key("P-256", {"kid": "one"})
    for more in (
        {"jwk": stranger.as_dict(private=False)},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
    ):
        with pytest.raises(Untrusted, match="HEADER|TOKEN_MALFORMED"):
            check(token(stranger, more))
    with pytest.raises(Untrusted, match="SIGNATURE"):
        check(token(stranger))


def test_unknown_key_and_no_key_name_among_several_are_refused() -> None:
    with pytest.raises(Untrusted, match="UNKNOWN_KEY"):
        check(token(header={"kid": "three"}))
    nameless = jwt.encode({"alg": "ES256"}, GOOD, SIGNER, algorithms=["ES256"])
    with pytest.raises(Untrusted, match="UNKNOWN_KEY"):
        check(nameless)
    only = {"one": SIGNER}
    assert oidc.check_id_token(nameless, PROVIDER, only, ATTEMPT.nonce, NOW)["sub"] == "pairwise"


def test_signature_of_another_known_key_or_another_payload_is_refused() -> None:
    with pytest.raises(Untrusted, match="SIGNATURE"):
        check(token(OTHER))
    head, _, signature = token().split(".")
    payload = token(sub="somebody-else").split(".")[1]
    with pytest.raises(Untrusted, match="SIGNATURE"):
        check(".".join((head, payload, signature)))


def test_key_signs_with_the_one_algorithm_of_its_kind() -> None:
    rsa = RSAKey.generate_key(2048, {"kid": "one", "alg": "PS256"})
    raw = jwt.encode({"alg": "RS256", "kid": "one"}, GOOD, rsa_without_alg(rsa), ["RS256"])
    with pytest.raises(Untrusted, match="ALGORITHM"):
        oidc.check_id_token(raw, PROVIDER, {"one": rsa}, ATTEMPT.nonce, NOW)
    good = jwt.encode({"alg": "PS256", "kid": "one"}, GOOD, rsa, ["PS256"])
    assert oidc.check_id_token(good, PROVIDER, {"one": rsa}, ATTEMPT.nonce, NOW)
    only_es = PROVIDER.model_copy(update={"id_token_algorithms": ("ES256",)})
    with pytest.raises(Untrusted, match="ALGORITHM"):
        oidc.check_id_token(good, only_es, {"one": rsa}, ATTEMPT.nonce, NOW)


def rsa_without_alg(key: RSAKey) -> RSAKey:
    told = key.as_dict(private=True)
    return RSAKey.import_key({k: v for k, v in told.items() if k not in ("alg", "kid")})


@given(st.one_of(st.text(max_size=300), st.none(), st.integers(), st.binary(max_size=40)))
def test_garbage_is_refused_and_is_no_fault(raw: Any) -> None:
    with pytest.raises(Untrusted):
        check(raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(_JSON)
def test_claims_of_any_form_are_judged_and_are_no_fault(value: Any) -> None:
    told = {"acr": value, "birthdate": value, "address": value, "name": value}
    fact = claims.fact_of(PROVIDER, told, date(2026, 11, 22), NOW)
    assert fact.level in ("none", "aal2", "aal3")
    assert len(claims.name_of(told)) <= 100


def test_keys_that_do_not_sign_are_left_out() -> None:
    rows: list[Any] = [
        SIGNER.as_dict(private=False),
        OTHER.as_dict(private=False) | {"use": "enc"},
        {"kty": "oct", "k": "AAAA", "kid": "secret"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"},
        {"kty": "XX", "kid": "new"},
        "nonsense",
        None,
    ]
    assert list(oidc.read_keys({"keys": rows})) == ["one"]
    for document in (None, [], {}, {"keys": {}}, {"keys": None}):
        with pytest.raises(Untrusted):
            oidc.read_keys(document)


def test_private_half_that_a_provider_publishes_by_mistake_is_not_taken() -> None:
    (key,) = oidc.read_keys({"keys": [SIGNER.as_dict(private=True)]}).values()
    assert not key.is_private


def test_request_carries_what_the_card_app_asks_for() -> None:
    url = oidc.authorization_url(PROVIDER, ATTEMPT, "https://book.example/v1/sign-in/callback")
    assert url.startswith(f"{ISSUER}/protocol/openid-connect/auth?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert query["scope"] == "openid name address birthdate"
    assert query["acr_values"] == "aal3 crl"
    assert query["state"] == ATTEMPT.state and query["nonce"] == ATTEMPT.nonce
    assert ATTEMPT.verifier not in url and ATTEMPT.browser not in url


def test_client_assertion_is_short_lived_and_for_the_token_endpoint_alone() -> None:
    raw = oidc.client_assertion(PROVIDER, SIGNER, secrets.token_bytes, NOW)
    told = jwt.decode(raw, SIGNER, algorithms=["ES256"])
    assert told.header["kid"] == "one"
    assert told.claims["aud"] == f"{ISSUER}/protocol/openid-connect/token"
    assert told.claims["iss"] == told.claims["sub"] == "RP00000001"
    assert told.claims["exp"] - told.claims["iat"] == 60
    other = oidc.client_assertion(PROVIDER, SIGNER, secrets.token_bytes, NOW)
    assert jwt.decode(other, SIGNER, algorithms=["ES256"]).claims["jti"] != told.claims["jti"]


def test_userinfo_of_another_person_is_refused() -> None:
    assert oidc.check_userinfo({"sub": "pairwise"}, PROVIDER, KEYS, "pairwise")
    signed = token(nonce=None)
    assert oidc.check_userinfo(signed, PROVIDER, KEYS, "pairwise")["sub"] == "pairwise"
    for answer in ({"sub": "other"}, {}, None, [], "x.y.z", token(sub="other")):
        with pytest.raises(Untrusted):
            oidc.check_userinfo(answer, PROVIDER, KEYS, "pairwise")


def test_every_secret_of_an_attempt_differs_and_none_is_another_attempts() -> None:
    first = attempts.begin(None, secrets.token_bytes)
    second = attempts.begin(first.browser, secrets.token_bytes)
    assert second.browser == first.browser
    told = [first.state, first.nonce, first.verifier, second.state, second.nonce, second.verifier]
    assert len(set(told)) == 6
    assert attempts.resume(first.browser, first.state) == first
    assert attempts.resume(first.browser, first.number + second.state[22:]) is None
    assert attempts.resume(secrets.token_urlsafe(32), first.state) is None
    assert attempts.begin("planted", secrets.token_bytes).browser != "planted"


@pytest.mark.parametrize(
    ("told", "adult"),
    [
        ("20081122", True),
        ("2008-11-22", True),
        ("２００８１１２２", True),
        ("20081123", False),
        ("2008-11-23", False),
        ("1951-04-02T00:00:00+09:00", True),
        ("20261123", None),
        ("2008", None),
        ("0000-11-22", None),
        ("20080231", None),
        (20081122, None),
        (None, None),
    ],
)
def test_adult_is_read_from_either_form_and_never_guessed(told: Any, adult: bool | None) -> None:
    assert claims.adult_of(told, 18, date(2026, 11, 22)) is adult


def test_born_on_the_29th_of_february_comes_of_age_on_the_first_of_march() -> None:
    assert claims.adult_of("20080229", 18, date(2026, 2, 28)) is False
    assert claims.adult_of("20080229", 18, date(2026, 3, 1)) is True


@pytest.mark.parametrize(
    ("address", "resident"),
    [
        ("北海道みさき市本町1-2-3", True),
        ("〒012-3456 北海道 みさき市 本町１－２－３", True),
        ("日本国北海道みさき市本町", True),
        ({"formatted": "北海道みさき市本町"}, True),
        ({"region": "北海道", "locality": "みさき市", "street_address": "本町"}, True),
        ('{"formatted": "北海道みさき市本町"}', True),
        ({"region": "北海道", "locality": "となり市", "formatted": "北海道みさき市"}, False),
        ("青森県みさき市本町", False),
        ("", None),
        ({}, None),
        ("{broken", None),
        ({"formatted": 7}, None),
        (None, None),
    ],
    ids=str,
)
def test_resident_is_read_from_text_and_object(address: Any, resident: bool | None) -> None:
    assert claims.resident_of(PROVIDER, address) is resident
    nobody_asked = PROVIDER.model_copy(update={"resident_prefixes": ()})
    assert claims.resident_of(nobody_asked, address) is None


@pytest.mark.parametrize(
    ("acr", "level"),
    [
        ("aal3", "aal3"),
        ("aal2 crl", "aal2"),
        (["aal2", "aal3"], "aal3"),
        ("aal9", "none"),
        ("AAL3", "none"),
        (None, "none"),
    ],
    ids=str,
)
def test_level_is_what_the_table_says_of_acr(acr: Any, level: str) -> None:
    assert claims.level_of(PROVIDER, {"acr": acr}) == level


async def test_unknown_key_names_make_us_ask_at_most_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [NOW]
    http = ProviderHttp(lambda: clock[0])
    asked: list[str] = []

    async def fetch(_self: ProviderHttp, _method: str, url: str, *_more: Any) -> Any:
        asked.append(url)
        return {"keys": [SIGNER.as_dict(private=False)]}

    monkeypatch.setattr(ProviderHttp, "_json", fetch)
    for _ in range(5):
        assert "one" in await http.keys(PROVIDER, "one")
        await http.keys(PROVIDER, secrets.token_hex(8))
    assert len(asked) == 1
    clock[0] += KEYS_AGAIN_S
    for _ in range(5):
        await http.keys(PROVIDER, secrets.token_hex(8))
    assert len(asked) == 2
    clock[0] += KEYS_FRESH_S
    await http.keys(PROVIDER, "one")
    assert len(asked) == 3
