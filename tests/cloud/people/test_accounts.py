"""What the town knows of a resident: dated facts, the level a facility asks for, and forgetting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from cloud.models import Account, AccountFact, AccountLink, SignInAttempt, WebSession
from cloud.people import accounts, attempts, sessions
from cloud.people.accounts import Standing
from cloud.people.claims import DAY_S, Fact
from cloud.people.levels import ORDER, reaches
from cloud.people.providers import ProviderTable
from cloud.people.relying_party import Verified
from cloud.people.sessions import BOOK, DESK, Owner
from cloud.problems import Problem
from kannuki import texts
from tests.cloud.support import START, Town

ON_BOTH_DATABASES = True
CARD = Fact("card", "aal3", True, True, START, START + 365 * DAY_S)
CITY = Fact("city", "aal1", None, None, START, START + 365 * DAY_S)
HANAKO = Verified(b"h" * 32, "山田 花子", CARD)
ICHIRO = Verified(b"i" * 32, "佐藤 一郎", CARD)
BY_CITY = Verified(b"c" * 32, "やまだ", CITY)


def provider(name: str, level: str) -> dict[str, object]:
    return {
        "id": name,
        "name": {"ja": f"{name}の札", "ja-simple": f"{name} の ふだ", "en": f"{name} card"},
        "issuer": f"https://{name}.example",
        "authorization_endpoint": "https://x.example/a",
        "token_endpoint": "https://x.example/t",
        "jwks_uri": "https://x.example/k",
        "client_id": name,
        "level_without_acr": level,
    }


TABLE = ProviderTable.model_validate(
    {"provider": [provider("card", "aal3"), provider("city", "aal1"), provider("pref", "aal3")]}
)


def sign_in(town: Town, verified: Verified, now: int = START) -> Account:
    with town.service.database.write() as session:
        return accounts.sign_in(session, verified, town.service.random_bytes, now)


def standing(town: Town, account: Account, now: int = START) -> Standing:
    with town.service.database.read() as session:
        return accounts.standing(session, account.account_id, now)


def test_same_person_gets_the_same_account_and_another_another(town: Town) -> None:
    first = sign_in(town, HANAKO)
    assert sign_in(town, HANAKO, START + 5).account_id == first.account_id
    assert sign_in(town, ICHIRO).account_id != first.account_id


def test_same_hash_in_another_town_is_another_account(town: Town) -> None:
    first = sign_in(town, HANAKO)
    database = town.service.database.whole
    database.add_town("tonari", "となり市", 1)
    with database.of("tonari").read() as session:
        assert session.get(Account, first.account_id) is None
        assert session.get(AccountLink, HANAKO.subject_hash) is None
        assert accounts.standing(session, first.account_id, START) == Standing()


def test_standing_lasts_as_long_as_its_fact(town: Town) -> None:
    account = sign_in(town, HANAKO)
    assert standing(town, account) == Standing("aal3", True, True)
    assert standing(town, account, START + 365 * DAY_S - 1).level == "aal3"
    assert standing(town, account, START + 365 * DAY_S) == Standing()
    assert standing(town, account, START - 1) == Standing()


def test_who_moved_away_is_no_resident_by_an_older_word(town: Town) -> None:
    account = sign_in(town, HANAKO)
    moved = replace(CITY, resident=False, verified_at=START + 9)
    with town.service.database.write() as session:
        told = replace(BY_CITY, fact=moved)
        accounts.add_link(session, account.account_id, told, START + 9)
    assert standing(town, account, START + 10) == Standing("aal3", False, True)


def test_name_of_the_surer_provider_stays(town: Town) -> None:
    account = sign_in(town, BY_CITY)
    with town.service.database.write() as session:
        accounts.add_link(session, account.account_id, HANAKO, START)
    sign_in(town, BY_CITY, START + 1)
    with town.service.database.read() as session:
        assert session.get_one(Account, account.account_id).name == "山田 花子"


def test_own_word_for_a_name_is_not_put_over_a_providers(town: Town) -> None:
    nameless = sign_in(town, replace(BY_CITY, name=""))
    with town.service.database.write() as session:
        assert accounts.rename(session, nameless.account_id, "花子").name == "花子"
    sign_in(town, BY_CITY, START + 1)
    with town.service.database.write() as session:
        with pytest.raises(Problem, match="NAME_IS_VERIFIED"):
            accounts.rename(session, nameless.account_id, "町長")


def test_way_in_of_another_account_is_not_taken_and_the_last_one_not_given_up(town: Town) -> None:
    first, second = sign_in(town, BY_CITY), sign_in(town, ICHIRO)
    with town.service.database.write() as session:
        with pytest.raises(Problem, match="LINKED_ELSEWHERE"):
            accounts.add_link(session, first.account_id, ICHIRO, START)
        with pytest.raises(Problem, match="ALREADY_LINKED"):
            accounts.add_link(session, second.account_id, HANAKO, START)
        with pytest.raises(Problem, match="LAST_LINK"):
            accounts.unlink(session, first.account_id, "city")
        with pytest.raises(Problem, match="UNKNOWN_PROVIDER"):
            accounts.unlink(session, first.account_id, "card")
        accounts.add_link(session, first.account_id, HANAKO, START)
        accounts.unlink(session, first.account_id, "card")
    assert standing(town, first).level == "aal1"  # what the card said went with it


@pytest.mark.parametrize("level", ORDER)
@pytest.mark.parametrize("minimum", ORDER)
def test_facility_lets_in_who_is_known_well_enough(level: str, minimum: str) -> None:
    enough = ORDER.index(level) >= ORDER.index(minimum)  # type: ignore[arg-type]
    assert reaches(level, minimum) is enough
    known = Standing(level)  # type: ignore[arg-type]
    if enough:
        accounts.need_level(known, minimum, TABLE)
    else:
        with pytest.raises(Problem, match="LEVEL_TOO_LOW"):
            accounts.need_level(known, minimum, TABLE)


def test_refusal_says_with_what_to_sign_in_in_each_language() -> None:
    with pytest.raises(Problem) as refused:
        accounts.need_level(Standing("aal1"), "aal2", TABLE)
    told = refused.value.body()
    assert "「cardの札」または「prefの札」でサインイン" in told["ja"]
    assert "「card の ふだ」 か 「pref の ふだ」で" in told["ja-simple"]
    assert "sign in with card card or pref card." in told["en"]
    only_city = ProviderTable.model_validate({"provider": [provider("city", "aal1")]})
    with pytest.raises(Problem, match="LEVEL_OUT_OF_REACH"):
        accounts.need_level(Standing("aal1"), "aal2", only_city)
    assert not reaches("aal9", "aal1") and not reaches("aal3", "aal9")
    assert set(told) == {"code", *texts.LANGUAGES}


def test_attempt_is_taken_once_by_its_browser_in_time(town: Town) -> None:
    database, random_bytes = town.service.database, town.service.random_bytes
    attempt = attempts.begin(None, random_bytes)
    with database.write() as session:
        accounts.begin(session, attempt, "card", "/x", None, START)
    other = attempts.Attempt("o" * 43, attempt.number)
    with database.write() as session:
        assert accounts.take(session, other, START) is None
    with database.write() as session:
        row = accounts.take(session, attempt, START + 599)
        assert row is not None and (row.provider, row.return_to) == ("card", "/x")
    with database.write() as session:
        assert accounts.take(session, attempt, START) is None
        accounts.begin(session, attempt, "card", "/x", None, START)
    with database.write() as session:
        assert accounts.take(session, attempt, START + 600) is None
        assert session.query(SignInAttempt).count() == 0


def test_deleting_forgets_everything_and_a_hook_can_refuse(town: Town) -> None:
    account, other = sign_in(town, HANAKO), sign_in(town, ICHIRO)
    owner = Owner(account_id=account.account_id)
    database = town.service.database
    with database.write() as session:
        sessions.start(session, owner, "", None, town.service.random_bytes, START)

    def refuse(*_args: object) -> None:
        raise Problem("BOOKINGS_OPEN")

    with pytest.raises(Problem, match="BOOKINGS_OPEN"), database.write() as session:
        accounts.delete_account(session, account.account_id, [refuse], START)
    assert standing(town, account).level == "aal3"
    with database.write() as session:
        accounts.delete_account(session, account.account_id, [], START)
    with database.read() as session:
        left = [row.account_id for row in session.scalars(select(Account))]
        assert left == [other.account_id]
        for table in (AccountFact, AccountLink, WebSession):
            assert account.account_id not in set(session.scalars(select(table.account_id)))


def test_resident_session_ends_when_idle_for_half_a_day_and_after_a_week(town: Town) -> None:
    owner = Owner(account_id=sign_in(town, HANAKO).account_id)
    with town.service.database.write() as session:
        cookie = sessions.start(session, owner, "", None, town.service.random_bytes, START)
        assert sessions.find(session, BOOK, cookie, START + BOOK.idle_s - 1) is not None
        assert sessions.find(session, BOOK, cookie, START + BOOK.idle_s) is None
        row = sessions.find(session, BOOK, cookie, START)
        assert row is not None and not sessions.needs_note(row, START + 59)
        for day in range(14):
            sessions.note_seen(session, row, START + day * 12 * 3600)
        assert sessions.find(session, BOOK, cookie, START + BOOK.lives_s - 1) is not None
        assert sessions.find(session, BOOK, cookie, START + BOOK.lives_s) is None
        assert sessions.find(session, BOOK, cookie, START - 1) is None


def test_cookie_of_one_kind_is_no_session_of_the_other(town: Town) -> None:
    owner = Owner(account_id=sign_in(town, HANAKO).account_id)
    with town.service.database.write() as session:
        cookie = sessions.start(session, owner, "", None, town.service.random_bytes, START)
        assert sessions.find(session, DESK, cookie, START) is None
        for wrong in (None, "", "A" * 43, cookie + "A", "漢" * 43, cookie[:-1]):
            assert sessions.find(session, BOOK, wrong, START) is None
