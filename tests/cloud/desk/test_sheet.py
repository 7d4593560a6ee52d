"""A sheet is read by Excel: nothing that a stranger typed may act in it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.desk import sheet

ATTACKS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+81-90-1234",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u3000＝1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(A1)",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\x00=1+1",
    '"=1+1',
    "|calc",
    "%0A=1",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_formula_in_a_name_stays_text(attack: str) -> None:
    told = sheet.cell(attack)
    assert told.startswith("'") or told.lstrip("\u200b\ufeff\u3000 ")[:1] not in "=+-@＝＋－＠|%"


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=5))
def test_every_row_comes_back_as_one_line_with_its_cells(rows: list[list[str]]) -> None:
    text = "".join(sheet.lines(["a", "b", "c"], rows))
    assert text.startswith("\ufeff")
    back = list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))
    assert len(back) == len(rows) + 1 and all(len(row) == 3 for row in back)
    assert text.count("\r\n") == len(rows) + 1
    for row in back[1:]:
        for each in row:
            assert each[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_numbers_of_ours_stay_numbers_and_nothing_is_empty() -> None:
    assert [sheet.cell(v) for v in (-5, 0, True, None)] == ["-5", "0", "1", ""]


def test_japanese_and_quotes_are_kept() -> None:
    assert (
        "".join(sheet.lines(["名"], [['山田 "花"子, 様']]))
        == '\ufeff"名"\r\n"山田 ""花""子, 様"\r\n'
    )
