"""What a provider told of a person, reduced to what the town keeps: a dated fact. Pure.

Decides level, "lives in this town" and "is adult" from claims whose form differs between providers,
and forgets the rest. Invariant: neither birth date nor address leaves this module. What cannot be
decided is None (nobody said), never a guess.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cloud.people.levels import Level, highest
from cloud.people.oidc import acr_words
from cloud.people.providers import Provider

MAX_NAME_CHARS = 100
DAY_S = 86_400
_DIGITS = re.compile(r"\d{8}")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T.*)?")
_POST_CODE = re.compile(r"^〒?\d{3}-?\d{4}")
_ADDRESS_PARTS = ("region", "locality", "street_address")


@dataclass(frozen=True)
class Fact:
    """Verified at `verified_at`, until `expires_at`; resident, adult: None when nobody said."""

    provider: str
    level: Level
    resident: bool | None
    adult: bool | None
    verified_at: int
    expires_at: int


def fact_of(provider: Provider, claims: Mapping[str, Any], today: date, now: int) -> Fact:
    """The fact that these claims are. today: in the town's zone."""
    return Fact(
        provider=provider.id,
        level=level_of(provider, claims),
        resident=resident_of(provider, claims.get("address")),
        adult=adult_of(claims.get("birthdate"), provider.adult_age, today),
        verified_at=now,
        expires_at=now + provider.fact_days * DAY_S,
    )


def level_of(provider: Provider, claims: Mapping[str, Any]) -> Level:
    """The best level that a word of `acr` is worth in the table."""
    told = [provider.levels[word] for word in acr_words(claims) if word in provider.levels]
    return highest(told) if told else provider.level_without_acr


def adult_of(birthdate: Any, age: int, today: date) -> bool | None:
    """Whether somebody born then has reached `age`. YYYYMMDD or ISO 8601."""
    born = _birth_date(birthdate)
    if born is None or born > today:
        return None
    # Born on 29 February: the age is reached on 1 March of a common year.
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (0 if had_birthday else 1) >= age


def _birth_date(value: Any) -> date | None:
    text = unicodedata.normalize("NFKC", value).strip() if isinstance(value, str) else ""
    try:
        if _DIGITS.fullmatch(text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        iso = _ISO.fullmatch(text)
        return date(*(int(part) for part in iso.groups())) if iso else None
    except ValueError:
        return None


def resident_of(provider: Provider, address: Any) -> bool | None:
    """Whether the address begins as the town's do."""
    text = _plain(_address_text(address))
    if not text or not provider.resident_prefixes:
        return None
    return text.startswith(tuple(_plain(prefix) for prefix in provider.resident_prefixes))


def _address_text(address: Any) -> str:
    if isinstance(address, str):
        if not address.lstrip().startswith("{"):
            return address
        try:
            address = json.loads(address)
        except ValueError:
            return ""
    if not isinstance(address, dict):
        return ""
    parts = [address.get(name) for name in _ADDRESS_PARTS]
    if isinstance(parts[0], str) or isinstance(parts[1], str):
        return "".join(part for part in parts if isinstance(part, str))
    formatted = address.get("formatted")
    return formatted if isinstance(formatted, str) else ""


def _plain(text: str) -> str:
    """One spelling: no spaces, no full-width Latin, no post code in front."""
    text = "".join(unicodedata.normalize("NFKC", text).split())
    return _POST_CODE.sub("", text.removeprefix("日本国").removeprefix("日本"))


def name_of(claims: Mapping[str, Any]) -> str:
    """What to call somebody; '' when nothing fit to print was told."""
    name = claims.get("name")
    if not isinstance(name, str):
        return ""
    printable = "".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable())
    return " ".join(printable.split())[:MAX_NAME_CHARS]
