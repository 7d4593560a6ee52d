"""The number by which an account is named at the counter."""

from __future__ import annotations

import pytest

from cloud.models import Account
from cloud.people.numbers import account_of, number_of
from cloud.problems import Problem
from tests.cloud.support import Town

ON_BOTH_DATABASES = True
FIRST, SECOND = "ab12cd34ef0102030405aabb", "ab12cd34ef0102030405aabc"


def has(town: Town, *ids: str) -> None:
    with town.service.database.write() as session:
        for each in ids:
            session.add(
                Account(
                    account_id=each,
                    name=each,
                    name_from="",
                    created_at=1,
                    consent_version="1",
                    consented_at=1,
                    last_sign_in_at=1,
                )
            )


def found(town: Town, told: str) -> str:
    with town.service.database.read() as session:
        try:
            return account_of(session, told).account_id
        except Problem as problem:
            return problem.code


@pytest.mark.parametrize(
    "told",
    [
        "ab12-cd34-ef",
        "AB12-CD34-EF",
        "ab12cd34ef",
        " ab12 cd34 ef ",
        "ａｂ１２ーｃｄ３４－ｅｆ",
        FIRST,
    ],
)
def test_however_it_is_typed_it_finds_whose_it_is(town: Town, told: str) -> None:
    has(town, FIRST, "ff12cd34ef0102030405aabb")
    assert number_of(FIRST) == "ab12-cd34-ef"
    assert found(town, told) == FIRST


@pytest.mark.parametrize("told", ["", "-", "ab12-cd34-e", "ab12cd34e%", "__________", "%", "山田"])
def test_a_part_of_a_number_finds_nobody(town: Town, told: str) -> None:
    has(town, FIRST)
    assert found(town, told) == "UNKNOWN_NUMBER"


def test_where_two_have_one_number_the_whole_id_is_needed(town: Town) -> None:
    has(town, FIRST, SECOND)
    assert found(town, "ab12-cd34-ef") == "UNKNOWN_NUMBER"
    assert found(town, SECOND) == SECOND
