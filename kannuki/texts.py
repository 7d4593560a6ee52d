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


def refusal(
    reason: str,
    lang: str,
    *,
    seconds_left: int | None = None,
    opens_at: str | None = None,
    room: str | None = None,
) -> str:
    """What a refused person is told; says less when less is known, and never fails on a reason.

    reason is a name of protocol/reasons.py or a code of ours; one that is newer than these texts
    gets the general sentence. seconds_left and opens_at (a local time of day) go with
    NOT_YET_VALID, room (the right one) with WRONG_LOCK.
    """
    if reason == "NOT_YET_VALID" and seconds_left is not None:
        minutes = max(1, -(-seconds_left // 60))
        if minutes <= LONG_WAIT_MINUTES or opens_at is None:
            return text(reason, lang, minutes=minutes)
    if reason == "NOT_YET_VALID" and opens_at is not None:
        return text("NOT_YET_VALID_LONG", lang, opens_at=opens_at)
    if reason == "WRONG_LOCK" and room is not None:
        return text(reason, lang, room=room)
    plain = f"{reason}_PLAIN" if f"{reason}_PLAIN" in codes() else reason
    return text(plain if plain in codes() else "REFUSED", lang)
