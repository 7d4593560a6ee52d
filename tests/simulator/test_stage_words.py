"""The stage's words: the same in all languages, all there, all used; and no HTML made of text."""

from __future__ import annotations

import json
import re

from simulator.stage.site import WEB

LANGUAGES = ("ja", "ja-simple", "en")


def texts(lang: str) -> dict[str, str]:
    return json.loads((WEB / "texts" / f"{lang}.json").read_text(encoding="utf-8"))


def test_languages_have_the_same_keys_and_places() -> None:
    japanese = texts("ja")
    for lang in LANGUAGES:
        table = texts(lang)
        assert list(table) == list(japanese)
        for key, text in table.items():
            assert text.strip(), key
            assert set(re.findall(r"\{\w+\}", text)) == set(
                re.findall(r"\{\w+\}", japanese[key])
            ), key


def used_keys() -> set[str]:
    heads = {key.partition(".")[0] for key in texts("ja")}
    sources = [file.read_text(encoding="utf-8") for file in (*WEB.glob("*.js"), WEB / "index.html")]
    quoted = re.findall(r'"([a-z]+)\.([A-Za-z_]+)"', "\n".join(sources))
    return {f"{head}.{tail}" for head, tail in quoted if head in heads}


def test_every_key_in_use_has_a_text_and_every_text_is_used() -> None:
    assert used_keys() == set(texts("ja"))


def test_easy_japanese_uses_no_hard_kanji() -> None:
    hard = {
        key: text for key, text in texts("ja-simple").items() if re.search(r"[\u4e00-\u9fff]", text)
    }

    assert set(hard) <= {"page.title"}  # the name of the product


def test_page_builds_nothing_from_html_text() -> None:
    for file in WEB.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.read_text()
        )
