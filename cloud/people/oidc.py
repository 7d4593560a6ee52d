"""OpenID Connect as a relying party: what we ask a provider, and whether we believe its answer.

Pure: builds requests and judges tokens; fetches nothing, keeps nothing. Keys, time and randomness
are arguments. After OpenID Connect Core 1.0 (sections 3.1.2, 3.1.3, 5.3, 9), RFC 7636 (S256 only),
RFC 7523, RFC 9207 and RFC 9700. Invariant: claims leave `check_id_token` only when signature,
algorithm, issuer, audience, times and nonce are all right.

A refusal is `Untrusted(reason)`; the reason is for the log, never a token or a name.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from cloud.people.attempts import Attempt, RandomBytes
from cloud.people.providers import Provider
from kannuki.messages import to_base64url

MAX_TOKEN_CHARS = 16 * 1024
MAX_KEYS = 32
CLOCK_LEEWAY_S = 60
OLDEST_TOKEN_S = 600  # an ID token is fetched at once: an old one is replayed or a clock is wrong
ASSERTION_LIVES_S = 60
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_KEY_TYPES = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_ALG_OF_CURVE = {"P-256": "ES256", "P-384": "ES384", "Ed25519": "EdDSA"}


class Untrusted(Exception):
    """A provider's answer that we do not believe. `reason`: a short code for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class TokenRequest:
    """A form for the token endpoint, and headers that go with it."""

    form: dict[str, str]
    headers: dict[str, str]


def authorization_url(provider: Provider, attempt: Attempt, redirect_uri: str) -> str:
    """Where the browser goes to sign in."""
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    }
    if provider.acr_values:
        query["acr_values"] = " ".join(provider.acr_values)
    if provider.prompt:
        query["prompt"] = provider.prompt
    endpoint = provider.authorization_endpoint
    joint = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint}{joint}{urlencode(query, quote_via=quote)}"


def check_response(provider: Provider, iss: str | None, error: str | None) -> None:
    """The answer in the browser's address: from this provider (RFC 9207), and no refusal."""
    if iss is None and provider.response_iss:
        raise Untrusted("RESPONSE_WITHOUT_ISSUER")
    if iss is not None and iss != provider.issuer:
        raise Untrusted("RESPONSE_OF_ANOTHER_ISSUER")
    if error is not None:
        raise Untrusted("DENIED" if error == "access_denied" else "PROVIDER_ERROR")


def token_request(
    provider: Provider,
    code: str,
    attempt: Attempt,
    redirect_uri: str,
    assertion: str,
) -> TokenRequest:
    """How the code is exchanged. assertion: of `client_assertion`, for private_key_jwt."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": attempt.verifier,
    }
    headers: dict[str, str] = {}
    if provider.client_auth == "client_secret_basic":
        pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret(), safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return TokenRequest(form, headers)
    form["client_id"] = provider.client_id
    if provider.client_auth == "private_key_jwt":
        form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    elif provider.client_auth == "client_secret_post":
        form["client_secret"] = provider.client_secret()
    return TokenRequest(form, headers)


def client_assertion(provider: Provider, key: ECKey, random_bytes: RandomBytes, now: int) -> str:
    """RFC 7523: we are the client, said with the key whose public half is registered."""
    by_issuer = provider.assertion_audience == "issuer"
    claims = {
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": provider.issuer if by_issuer else provider.token_endpoint,
        "jti": to_base64url(random_bytes(16)),
        "iat": now,
        "exp": now + ASSERTION_LIVES_S,
    }
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"])


def read_keys(document: Any) -> dict[str, Key]:
    """{kid: key} of a provider's JWKS: public signing keys of types we know; others are left out.

    A single key without a kid is kept under ''.
    """
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise Untrusted("KEYS_MALFORMED")
    found: dict[str, Key] = {}
    for row in rows[:MAX_KEYS]:
        key = _signing_key(row)
        if key is not None:
            found[row.get("kid") or ""] = key
    return found


def _signing_key(row: Any) -> Key | None:
    if not isinstance(row, dict) or row.get("kty") not in _KEY_TYPES:
        return None  # a symmetric key in a public document signs nothing for us
    if row.get("use", "sig") != "sig" or not isinstance(row.get("kid", ""), str):
        return None
    public = {name: value for name, value in row.items() if name not in _PRIVATE}
    try:
        return import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "key_ops", "x5c", "x5u", "x5t", "x5t#S256"}


def token_kid(raw_token: Any, provider: Provider) -> str:
    """The key that a token names; '' when it names none. Refuses what the row does not allow."""
    header = _header(raw_token)
    if header.get("alg") not in provider.id_token_algorithms:
        raise Untrusted("ALGORITHM")
    if "crit" in header or "jwk" in header or "jku" in header or "x5u" in header:
        raise Untrusted("HEADER")
    kid = header.get("kid", "")
    if not isinstance(kid, str):
        raise Untrusted("HEADER")
    return kid


def _header(raw_token: Any) -> dict[str, Any]:
    if not isinstance(raw_token, str) or len(raw_token) > MAX_TOKEN_CHARS:
        raise Untrusted("TOKEN_MALFORMED")
    try:
        return dict(jws.extract_compact(raw_token.encode("ascii")).headers())
    except (JoseError, ValueError, TypeError):
        raise Untrusted("TOKEN_MALFORMED") from None


def check_id_token(
    raw_token: Any, provider: Provider, keys: Mapping[str, Key], nonce: str, now: int
) -> dict[str, Any]:
    """The claims of an ID token that is right in everything. Raises Untrusted."""
    claims = _verified(raw_token, provider, keys)
    _check_audience(claims, provider)
    _check_times(claims, now)
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise Untrusted("NONCE")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Untrusted("SUBJECT")
    return claims


def check_userinfo(
    answer: Any, provider: Provider, keys: Mapping[str, Key], subject: str
) -> dict[str, Any]:
    """What the userinfo endpoint told of the same person: JSON, or a signed JWT."""
    claims = answer
    if isinstance(answer, str):
        claims = _verified(answer, provider, keys)
        _check_audience(claims, provider)
    if not isinstance(claims, dict) or claims.get("sub") != subject:
        raise Untrusted("USERINFO_OF_ANOTHER")
    return claims


def _verified(raw_token: Any, provider: Provider, keys: Mapping[str, Key]) -> dict[str, Any]:
    kid = token_kid(raw_token, provider)
    key = keys.get(kid)
    if key is None and not kid and len(keys) == 1:
        key = next(iter(keys.values()))
    if key is None:
        raise Untrusted("UNKNOWN_KEY")
    algorithm = _header(raw_token)["alg"]
    if not _fits(key, algorithm):
        raise Untrusted("ALGORITHM")
    try:
        return jwt.decode(raw_token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError):
        raise Untrusted("SIGNATURE") from None


def _fits(key: Key, algorithm: str) -> bool:
    """One algorithm for a curve, and the one that the key itself names, if it does."""
    if key.get("alg") not in (None, algorithm):
        return False
    if isinstance(key, RSAKey):
        return algorithm in ("PS256", "RS256")
    return _ALG_OF_CURVE.get(str(key.get("crv"))) == algorithm


def _check_audience(claims: Mapping[str, Any], provider: Provider) -> None:
    if claims.get("iss") != provider.issuer:
        raise Untrusted("ISSUER")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if provider.client_id not in named:
        raise Untrusted("AUDIENCE")
    if (len(named) > 1 or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise Untrusted("AUTHORIZED_PARTY")


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    issued_at = _time(claims, "iat")
    if now >= _time(claims, "exp") + CLOCK_LEEWAY_S:
        raise Untrusted("EXPIRED")
    if issued_at > now + CLOCK_LEEWAY_S or issued_at < now - OLDEST_TOKEN_S:
        raise Untrusted("ISSUED_AT")
    if "nbf" in claims and _time(claims, "nbf") > now + CLOCK_LEEWAY_S:
        raise Untrusted("NOT_YET")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 40:
        raise Untrusted("TIMES_MALFORMED")
    return value


def acr_words(claims: Mapping[str, Any]) -> Sequence[str]:
    """The words of `acr`: one string of several, or a list."""
    acr = claims.get("acr")
    if isinstance(acr, str):
        return acr.split()
    return [word for word in acr if isinstance(word, str)] if isinstance(acr, list) else []
