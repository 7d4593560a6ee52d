"""What people are told: the same codes and placeholders in every language, and plain words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kannuki import texts
from protocol import reasons

PLACEHOLDER = re.compile(r"{(\w+)}")


def table(checkout: Path, lang: str) -> dict[str, str]:
    path = checkout / "kannuki" / "texts" / f"{lang}.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("lang", texts.LANGUAGES)
def test_every_language_has_the_same_codes_and_placeholders(checkout: Path, lang: str) -> None:
    english, other = table(checkout, "en"), table(checkout, lang)
    assert set(other) == set(english)
    for code, sentence in other.items():
        assert set(PLACEHOLDER.findall(sentence)) == set(PLACEHOLDER.findall(english[code])), code


@pytest.mark.parametrize("lang", texts.LANGUAGES)
def test_every_text_can_be_filled_in_and_ends_like_a_sentence(checkout: Path, lang: str) -> None:
    for code, template in table(checkout, lang).items():
        places = dict.fromkeys(PLACEHOLDER.findall(template), "12")
        sentence = texts.text(code, lang, **places)
        assert "{" not in sentence
        if code.isupper():  # codes in lower case are labels and headings of pages
            assert sentence.endswith(("。", "."))


@pytest.mark.parametrize("lang", texts.LANGUAGES)
def test_every_reason_of_the_protocol_has_a_text_without_any_detail_known(lang: str) -> None:
    for reason in reasons.NAMES.values():
        assert reason in texts.codes()
        assert "{" not in texts.refusal(reason, lang)
    general = texts.text("REFUSED", lang)
    assert texts.refusal(reasons.name(9999), lang) == general


def test_easy_japanese_is_kana_in_short_sentences(checkout: Path) -> None:
    for code, sentence in table(checkout, "ja-simple").items():
        for part in filter(None, re.split("[。\n]", sentence)):
            assert len(PLACEHOLDER.sub("", part)) <= 36, code
        kanji = re.findall(r"[\u4e00-\u9fff]", sentence)
        assert len(kanji) <= 1, code


def test_japanese_letters_are_not_mixed_up_with_look_alikes(checkout: Path) -> None:
    """Simplified forms that a Japanese reader sees as mistakes, and half-width punctuation."""
    for lang in ("ja", "ja-simple"):
        everything = "".join(table(checkout, lang).values())
        assert not set("门锁开们时间约边话") & set(everything)
        assert not re.search(r"[｡-ﾟ]|[ぁ-ん一-龥][,.!?]", everything)


@pytest.mark.parametrize(
    ("seconds_left", "wanted"),
    [(1, "あと1分で"), (60, "あと1分で"), (61, "あと2分で"), (7200, "あと120分で")],
)
def test_a_short_wait_is_told_in_minutes_rounded_up(seconds_left: int, wanted: str) -> None:
    told = texts.refusal("NOT_YET_VALID", "ja", seconds_left=seconds_left, opens_at="14:30")
    assert told.startswith(wanted)


def test_a_long_wait_is_told_as_a_time_of_day() -> None:
    told = texts.refusal("NOT_YET_VALID", "en", seconds_left=7201, opens_at="14:30")
    assert told == "Not yet. You can open this door from 14:30."


def test_the_wrong_room_names_the_right_one() -> None:
    assert "「和室」" in texts.refusal("WRONG_LOCK", "ja", room="和室")


def test_a_mistake_in_a_code_or_language_is_ours_and_raised() -> None:
    with pytest.raises(KeyError):
        texts.text("NO_SUCH_CODE", "ja")
    with pytest.raises(KeyError):
        texts.text("NOT_YET_VALID", "ja")
    with pytest.raises(ValueError, match="ja-simple"):
        texts.text("OPENED", "../../etc/passwd")
