"""What people are told, in plain Japanese (ja), easy Japanese (ja-simple) and English (en).

Decides wording only; codes and their parameters come from the caller. Texts live in texts/*.json,
one file a language, the same codes and placeholders in each (a test holds them together). Values
are put in as they are: the page escapes.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

LANGUAGES = ("ja", "ja-simple", "en")
LONG_WAIT_MINUTES = 120


@cache
def _texts(lang: str) -> dict[str, str]:
    if lang not in LANGUAGES:
        raise ValueError(f"no texts in {lang!r}; there are {', '.join(LANGUAGES)}")
    source = files("kannuki").joinpath("texts", f"{lang}.json")
    return json.loads(source.read_text(encoding="utf-8"))


def codes() -> frozenset[str]:
    """Every code that has a text."""
    return frozenset(_texts("en"))


def text(code: str, lang: str, **params: object) -> str:
    """The sentence for a code.

    Raises KeyError for an unknown code or a missing parameter, ValueError for an unknown language.
    """
    return _texts(lang)[code].format_map(params)


def too_early(lang: str, seconds_left: int, opens_at: str) -> str:
    """NOT_YET_VALID, in minutes (rounded up) when the wait is short, else with the time of day."""
    minutes = max(1, -(-seconds_left // 60))
    if minutes <= LONG_WAIT_MINUTES:
        return text("NOT_YET_VALID", lang, minutes=minutes)
    return text("NOT_YET_VALID_LONG", lang, opens_at=opens_at)
