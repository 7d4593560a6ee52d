"""Residents on the booking site, in a real browser, against the real service and policies.

What a page says is checked against what the town has in its database: a booking is a row there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Playwright, expect

from cloud.people.numbers import number_of
from tests.browser import looks
from tests.browser.book_town import TODAY, BookTown, at, book_town, furnish
from tests.browser.chromium import DESKTOP_WIDTH, PHONE_WIDTH, Visitor, launch, welcome
from tests.cloud.people.test_sign_in import open_sites, open_surroundings
from tests.cloud.support import open_town

REPOSITORY = Path(__file__).resolve().parents[2]
LANGUAGES = ("ja", "ja-simple", "en")
TUESDAY = "2026-12-08"


def words(lang: str, code: str) -> str:
    table = json.loads((REPOSITORY / f"kannuki/texts/{lang}.json").read_text(encoding="utf-8"))
    text: str = table[code]
    return text


@dataclass
class Resident:
    """A person at the booking site; `account_id` is '' for somebody who is not signed in."""

    town: BookTown
    visitor: Visitor
    account_id: str

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def go(self, path: str, lang: str = "ja", **query: str) -> None:
        await self.page.goto(self.town.address(path, lang=lang, **query))
        await expect(self.page.locator("main h1")).to_be_visible()
        await expect(self.page.locator(".loading")).to_have_count(0)

    def window(self, room: str, hours: str) -> Locator:
        return self.page.get_by_role("button", name=f"{room} {hours}")

    async def choose(self, room: str, hours: str, start: str, until: str) -> Locator:
        """Opens the question for a free window and answers it; the dialog."""
        await self.window(room, hours).click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("何時から").select_option(label=start)
        ends = dialog.get_by_label("何時まで")
        wanted = await ends.locator("option", has_text=until).get_attribute("value")
        await ends.select_option(value=wanted)
        return dialog

    async def hold(self, start: str = "10:00", until: str = "12:00", day: str = TUESDAY) -> None:
        """Meeting room 1 is kept, the form is open."""
        await self.go("/", facility="main", day=day)
        opens = "10:00" if day == TODAY else "09:00"  # it is 09:55
        dialog = await self.choose("第1会議室", f"{opens}–21:30", start, until)
        await dialog.get_by_role("button", name="この時間で進む").click()
        await expect(self.page.locator("h1")).to_have_text("予約の内容を入力する")

    async def book(self, start: str = "10:00", until: str = "12:00", day: str = TUESDAY) -> str:
        """A confirmed booking, to be paid at the counter; its id."""
        await self.hold(start, until, day)
        await self.page.get_by_label("使う目的").fill("俳句の会")
        await self.page.get_by_role("button", name="予約する", exact=True).click()
        await expect(self.page.locator("h1")).to_have_text("予約できました")
        return parse_qs(urlsplit(self.page.url).query)["id"][0]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain_browser(playwright: Playwright, chromium: Path) -> AsyncIterator[Browser]:
    """A browser on a computer without Bluetooth: this site needs none."""
    started = await launch(playwright.chromium, chromium, os.environ)
    yield started
    await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def town(tmp_path: Path) -> AsyncIterator[BookTown]:
    async with book_town(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(plain_browser: Browser, town: BookTown) -> AsyncIterator[Resident]:
    """Somebody who is not signed in; in the end no page may have complained."""
    visitor = await welcome(plain_browser)
    yield Resident(town, visitor, "")
    await visitor.context.close()
    assert visitor.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def hanako(plain_browser: Browser, town: BookTown) -> AsyncIterator[Resident]:
    """A resident, signed in."""
    visitor = await welcome(plain_browser)
    account_id = town.account()
    await town.sign_in(visitor, account_id)
    yield Resident(town, visitor, account_id)
    await visitor.context.close()
    assert visitor.complaints == []


# --- from a free time to a key


async def test_resident_finds_a_room_books_it_and_opens_the_key(hanako: Resident) -> None:
    page, town = hanako.page, hanako.town
    await hanako.go("/", facility="main", day=TUESDAY)
    dialog = await hanako.choose("第1会議室", "09:00–21:30", "10:00", "12:00")
    await expect(dialog.locator(".choose-fee")).to_contain_text("800円")
    await dialog.get_by_role("button", name="この時間で進む").click()

    await expect(page.locator("h1")).to_have_text("予約の内容を入力する")
    (held,) = town.rows(hanako.account_id)
    assert (held.status, held.starts_at, held.ends_at) == ("held", at("10:00", 3), at("12:00", 3))
    await expect(page.locator(".countdown")).to_contain_text(re.compile(r"1[45]:\d\d"))

    await page.get_by_label("使う目的").fill("俳句の会")
    await page.get_by_label("人数").fill("8")
    await page.get_by_role("button", name="予約する", exact=True).click()
    await expect(page.locator("h1")).to_have_text("予約できました")
    (row,) = town.rows(hanako.account_id)
    assert (row.status, row.purpose, row.people, row.fee_yen) == ("confirmed", "俳句の会", 8, 800)
    assert (row.holder_name, row.payment_state, row.booking_id) == (
        "山田 花子", "counter", held.booking_id,
    )  # fmt: skip
    await expect(page.locator("main")).to_contain_text("800円は窓口でお支払いください")

    await hanako.go("/my/")
    await expect(page.locator(".next-card")).to_contain_text("2026年12月8日（火） 10:00–12:00")
    await page.get_by_role("button", name="鍵を開く").click()
    await page.wait_for_url(re.compile(re.escape(town.key_origin)))


async def test_key_link_is_made_once_a_device_and_its_secret_is_kept_nowhere(
    hanako: Resident,
) -> None:
    page = hanako.page
    booking_id = await hanako.book()
    made: list[str] = []
    page.on("request", lambda r: made.append(r.url) if r.url.endswith("/key-link") else None)
    async with page.expect_request(re.compile(re.escape(hanako.town.key_origin))):
        await page.get_by_role("button", name="鍵を開く").click()
    await page.wait_for_url(re.compile(re.escape(hanako.town.key_origin)))

    await hanako.go("/booking/", id=booking_id)
    button = page.get_by_role("link", name="鍵を開く")
    assert await button.get_attribute("href") == f"{hanako.town.key_origin}/"
    kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert booking_id in kept and "#" not in kept
    assert len(made) == 1


async def test_when_somebody_was_faster_the_answer_says_so_and_the_time_is_gone(
    hanako: Resident,
) -> None:
    await hanako.go("/", facility="main", day=TUESDAY)
    dialog = await hanako.choose("第1会議室", "09:00–21:30", "10:00", "12:00")
    hanako.town.taken_by_another("第1会議室", at("11:00", 3), at("13:00", 3))
    await dialog.get_by_role("button", name="この時間で進む").click()

    await expect(dialog.get_by_role("alert")).to_contain_text("第1会議室")
    assert hanako.town.rows(hanako.account_id) == []
    await dialog.get_by_role("button", name="戻る").click()
    await expect(hanako.window("第1会議室", "13:30–21:30")).to_be_visible()
    await expect(hanako.window("第1会議室", "09:00–21:30")).to_have_count(0)


async def test_commercial_use_waits_for_a_clerk_and_says_why(hanako: Resident) -> None:
    page = hanako.page
    await hanako.hold()
    await page.get_by_label("使う目的").fill("即売会")
    await page.get_by_label("営利の利用").check()
    await expect(page.locator("aside")).to_contain_text("3,200円")
    reason = words("ja", "CLERK_COMMERCIAL")
    await expect(page.locator("aside")).to_contain_text(reason)
    await page.get_by_role("button", name="予約する", exact=True).click()

    await expect(page.locator("h1")).to_have_text("予約を受け付けました")
    await expect(page.locator("main")).to_contain_text(reason)
    await expect(page.get_by_role("button", name="鍵を開く")).to_have_count(0)
    (row,) = hanako.town.rows(hanako.account_id)
    assert (row.status, row.reasons) == ("pending", "CLERK_COMMERCIAL")


async def test_group_pays_less_only_while_its_evidence_counts(hanako: Resident) -> None:
    hanako.town.group(hanako.account_id, "みさき俳句会", 30)
    hanako.town.group(hanako.account_id, "みさき子ども会", None)
    page = hanako.page
    await hanako.hold()
    await page.get_by_label("みさき俳句会").check()
    await expect(page.locator("aside")).to_contain_text("400円")
    await page.get_by_label("みさき子ども会").check()
    await expect(page.locator("aside")).to_contain_text("800円")

    await hanako.go("/account/")
    held = page.locator("li", has_text="みさき俳句会")
    await expect(held).to_contain_text("2027年1月4日（月）まで有効")
    await expect(page.locator("li", has_text="みさき子ども会")).to_contain_text("期限切れ")
    told_at_the_counter = number_of(hanako.account_id)
    await expect(page.locator("section", has_text="登録は施設の窓口")).to_contain_text(
        told_at_the_counter
    )


async def test_paying_online_keeps_the_room_and_leads_to_the_payment_service(
    hanako: Resident,
) -> None:
    page = hanako.page
    await page.context.route("https://pay.invalid/**", lambda route: route.fulfill(body="checkout"))
    await hanako.hold()
    await page.get_by_label("使う目的").fill("練習")
    await page.get_by_label("オンラインで払う").check()
    await page.get_by_role("button", name="予約する", exact=True).click()
    await page.wait_for_url(re.compile(r"https://pay\.invalid/checkout\?.*amount_yen=800"))

    (row,) = hanako.town.rows(hanako.account_id)
    assert (row.status, row.payment_state) == ("held", "pending")
    await hanako.go("/my/")
    await expect(page.locator(".next-card")).to_contain_text("支払い待ち")
    await page.get_by_role("button", name="支払いのページへ").click()
    await page.wait_for_url(re.compile(r"https://pay\.invalid/checkout"))


async def test_hold_that_ran_out_keeps_what_was_typed_and_can_be_had_again(
    hanako: Resident,
) -> None:
    page, town = hanako.page, hanako.town
    await page.clock.install()
    await hanako.hold()
    first = town.rows(hanako.account_id)[0].booking_id
    await page.get_by_label("使う目的").fill("俳句の会")
    town.pass_time(16 * 60)
    await page.clock.fast_forward(16 * 60 * 1000)
    await expect(page.get_by_role("alert")).to_contain_text("お取り置きの時間が過ぎました")

    await page.get_by_role("button", name="もう一度お取り置きする").click()
    await expect(page.locator(".countdown")).to_contain_text("お取り置きの残り時間")
    await expect(page.get_by_label("使う目的")).to_have_value("俳句の会")
    await page.get_by_role("button", name="予約する", exact=True).click()
    await expect(page.locator("h1")).to_have_text("予約できました")
    booked = [row for row in town.rows(hanako.account_id) if row.status == "confirmed"]
    assert len(booked) == 1 and booked[0].booking_id != first


async def test_form_says_at_the_field_what_is_missing(hanako: Resident) -> None:
    page = hanako.page
    await hanako.hold()
    await page.get_by_label("人数").fill("13")
    await page.get_by_role("button", name="予約する", exact=True).click()
    told = page.locator("form").get_by_role("alert")
    await expect(told).to_contain_text("使う目的を書いてください。")
    await expect(page.get_by_label("使う目的")).to_be_focused()
    await expect(page.get_by_label("使う目的")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("人数")).to_have_accessible_description(
        re.compile("この部屋は12人までです。")
    )
    await page.get_by_role("link", name="この部屋は12人までです。").click()
    await expect(page.get_by_label("人数")).to_be_focused()


# --- what is mine


async def test_change_moves_the_booking_and_keeps_everything_else(hanako: Resident) -> None:
    page = hanako.page
    booking_id = await hanako.book()
    await page.get_by_role("link", name="日時を変える").click()
    await expect(page.locator("h1")).to_have_text("日時を変える")
    dialog = await hanako.choose("第1会議室", "09:00–21:30", "14:00", "17:00")
    await expect(dialog.locator(".choose-fee")).to_contain_text("1,200円")
    await expect(dialog.locator(".choose-fee")).to_contain_text("いまの予約は800円です。")
    await dialog.get_by_role("button", name="この時間に変える").click()

    await expect(page.get_by_role("status").first).to_contain_text("日時を変えました")
    (row,) = hanako.town.rows(hanako.account_id)
    assert (row.booking_id, row.starts_at, row.ends_at, row.fee_yen, row.purpose) == (
        booking_id, at("14:00", 3), at("17:00", 3), 1200, "俳句の会",
    )  # fmt: skip


async def test_cancel_tells_the_deadline_and_the_cost_before_it_is_done(hanako: Resident) -> None:
    page = hanako.page
    await hanako.book(start="20:00", until="21:00", day=TODAY)
    await expect(page.locator("main")).to_contain_text("取り消しは12月5日（土） 20:00まで")
    await page.get_by_role("button", name="予約を取り消す").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("いま取り消すと200円かかります。")
    await dialog.get_by_role("button", name="取り消さない").click()
    assert hanako.town.rows(hanako.account_id)[0].status == "confirmed"
    await expect(page.get_by_role("button", name="予約を取り消す")).to_be_focused()

    await page.get_by_role("button", name="予約を取り消す").click()
    await dialog.get_by_role("button", name="取り消す", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("予約を取り消しました。")
    await expect(page.locator("main")).to_contain_text("取り消し済み")
    (row,) = hanako.town.rows(hanako.account_id)
    assert (row.status, row.fee_yen) == ("cancelled", 200)


async def test_change_and_cancel_are_not_offered_after_their_deadlines(hanako: Resident) -> None:
    booking_id = await hanako.book(start="11:00", until="12:00", day=TODAY)
    hanako.town.pass_time(66 * 60)  # 11:01
    await hanako.go("/booking/", id=booking_id)
    await expect(hanako.page.locator("main")).to_contain_text("日時を変えられる期限が過ぎました")
    await expect(hanako.page.get_by_role("link", name="日時を変える")).to_have_count(0)
    await expect(hanako.page.get_by_role("button", name="予約を取り消す")).to_have_count(0)


async def test_key_holders_are_named_while_booking_and_later(hanako: Resident) -> None:
    page = hanako.page
    await hanako.hold()
    await page.get_by_label("使う目的").fill("俳句の会")
    await page.get_by_role("button", name="鍵を持つ人を加える").click()
    await page.get_by_label("鍵を持つ人 1").first.fill("佐藤 一郎")
    await page.get_by_role("button", name="予約する", exact=True).click()
    await expect(page.locator(".holders")).to_contain_text("佐藤 一郎")

    await page.get_by_role("button", name="鍵を持つ人を加える").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("名前").fill("<img src=x onerror=alert(1)>")
    await dialog.get_by_label("メールアドレス").fill("jiro@example.jp")
    await dialog.get_by_role("button", name="加える").click()
    await expect(page.locator(".holders")).to_contain_text("<img src=x onerror=alert(1)>")
    assert await page.locator("main img").count() == 0

    await page.get_by_role("button", name="鍵を持つ人 佐藤 一郎 を外す").click()
    await dialog.get_by_role("button", name="外す").click()
    await expect(page.locator(".holders")).not_to_contain_text("佐藤 一郎")


async def test_booking_of_somebody_else_is_answered_as_if_there_were_none(
    hanako: Resident, plain_browser: Browser
) -> None:
    booking_id = await hanako.book()
    visitor = await welcome(plain_browser)
    await hanako.town.sign_in(visitor, hanako.town.account("佐藤 一郎"))
    other = Resident(hanako.town, visitor, "")
    told = []
    for wanted in (booking_id, "0" * 24):
        await other.go("/booking/", id=wanted)
        told.append(await visitor.text("main"))
    await visitor.context.close()
    assert told[0] == told[1] and "俳句の会" not in told[0]
    assert visitor.complaints == []


# --- without an account


async def test_stranger_looks_around_and_is_sent_to_sign_in_and_back(stranger: Resident) -> None:
    page = stranger.page
    await stranger.go("/", facility="main", day=TUESDAY)
    await stranger.window("第1会議室", "09:00–21:30").click()
    await page.get_by_role("dialog").get_by_role("button", name="この時間で進む").click()
    await expect(page.locator("h1")).to_have_text("サインイン")
    await expect(page.locator("main")).to_contain_text("この施設の予約にはサインインが必要です。")
    assert "to=%2F%3Ffacility%3Dmain%26day%3D2026-12-08" in page.url


async def test_house_that_asks_nobody_is_booked_without_an_account(stranger: Resident) -> None:
    page = stranger.page
    await stranger.go("/", facility="barn", day=TUESDAY)
    dialog = await stranger.choose("集会室", "09:00–21:30", "13:00", "15:00")
    await expect(dialog.locator(".choose-fee")).to_contain_text("無料")
    await dialog.get_by_role("button", name="この時間で進む").click()
    await page.get_by_label("使う目的").fill("漁協の会議")
    await page.get_by_label("お名前").fill("浜田 さち")
    await page.get_by_role("button", name="予約する", exact=True).click()
    await expect(page.locator("h1")).to_have_text("予約できました")
    link = await page.get_by_role("link", name="鍵を開く").get_attribute("href")
    assert link is not None and link.startswith(f"{stranger.town.key_origin}/#")
    (row,) = stranger.town.rows()
    assert (row.status, row.holder_name, row.starts_at) == (
        "confirmed", "浜田 さち", at("13:00", 3),
    )  # fmt: skip


async def test_account_that_is_not_sure_enough_is_asked_for_a_stronger_sign_in(
    stranger: Resident,
) -> None:
    await stranger.town.sign_in(stranger.visitor, stranger.town.account(level="none"))
    await stranger.go("/", facility="main", day=TUESDAY)
    await stranger.window("第1会議室", "09:00–21:30").click()
    await stranger.page.get_by_role("button", name="この時間で進む").click()
    await expect(stranger.page.locator("h1")).to_have_text("サインイン")
    await expect(stranger.page.locator("main")).to_contain_text("より確かな本人確認が必要です。")


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "/\\evil.example", ""])
async def test_sign_in_page_leads_back_to_this_site_only(stranger: Resident, to: str) -> None:
    page = stranger.page
    await page.goto(stranger.town.address("/sign-in/", to=to, problem="SIGN_IN_EXPIRED"))
    await expect(page.get_by_role("alert")).to_have_text(words("ja", "SIGN_IN_EXPIRED"))
    led = await page.evaluate("async (to) => (await import('/ways.js')).signInAt('card', to)", to)
    assert led == "/v1/sign-in/card?to=%2F"


async def test_code_in_the_address_that_is_none_of_ours_is_not_repeated(stranger: Resident) -> None:
    await stranger.page.goto(stranger.town.address("/sign-in/", problem="PAY_TO_EVIL"))
    await expect(stranger.page.get_by_role("alert")).to_have_text(words("ja", "ui.failed"))


async def test_mine_asks_a_stranger_to_sign_in_and_remembers_the_way(stranger: Resident) -> None:
    await stranger.page.goto(stranger.town.address("/my/"))
    await expect(stranger.page.locator("h1")).to_have_text("サインイン")
    assert stranger.page.url.endswith("/sign-in/?to=%2Fmy%2F")


async def test_without_a_signal_the_page_says_so_and_tries_again(stranger: Resident) -> None:
    page = stranger.page
    await stranger.go("/", facility="main", day=TUESDAY)
    await stranger.visitor.lose_signal()
    await page.get_by_role("link", name="次の週").click()
    await expect(page.get_by_role("alert")).to_contain_text("つながりません。")
    await stranger.visitor.find_signal()
    await page.get_by_role("button", name="もう一度試す").click()
    await expect(page.locator("#day-title")).to_have_text("12月15日（火）")
    await expect(stranger.window("第1会議室", "09:00–21:30")).to_be_visible()


async def test_resident_signs_in_at_a_real_provider_and_out_again(
    plain_browser: Browser, tmp_path: Path
) -> None:
    with open_town(tmp_path) as bare, open_surroundings(tmp_path) as around:
        furnish(bare)
        async with open_sites(bare, around) as sites:
            visitor = await welcome(plain_browser)
            visitor.forgive("favicon")  # the provider's pages have none
            await sign_in_and_out(visitor.page, sites.book)
            await visitor.context.close()
    assert visitor.complaints == []


async def sign_in_and_out(page: Page, origin: str) -> None:
    card = page.get_by_role("link", name="マイナンバーカード（デジタル認証アプリ）").first
    await page.goto(f"{origin}/my/?lang=ja")
    await expect(card).to_have_accessible_description(re.compile("保存しません"))
    await card.click()
    await page.get_by_role("button", name="やめる").click()
    await expect(page.get_by_role("alert")).to_have_text(words("ja", "SIGN_IN_DENIED"))

    await card.click()
    await page.get_by_role("button", name=re.compile("山田 花子")).click()
    await expect(page.locator("h1")).to_have_text("私の予約")
    await page.get_by_role("link", name="山田 花子").click()
    known = page.locator("section", has_text="本人確認の強さ").first
    await expect(known).to_contain_text("マイナンバーカードなどによる確かな確認")
    await expect(known).to_contain_text(re.compile("町内にお住まい.*はい", re.DOTALL))

    await page.get_by_role("button", name="サインアウト", exact=True).click()
    await expect(page.get_by_role("link", name="サインイン")).to_be_visible()
    await page.goto(f"{origin}/my/")
    await expect(page.locator("h1")).to_have_text("サインイン")


# --- search


async def test_number_of_people_leaves_out_rooms_that_are_too_small(stranger: Resident) -> None:
    page = stranger.page
    await stranger.go("/", facility="main", day=TUESDAY, people="25")
    await expect(page.locator(".day-free")).to_have_count(1)
    await expect(page.locator(".day-free")).to_contain_text("音楽室")
    await expect(page.locator(".day-small")).to_have_count(2)
    await page.get_by_label("人数").fill("15")
    await page.get_by_role("button", name="空きを見る").click()
    await expect(page.locator(".day-free")).to_have_count(2)
    assert "people=15" in page.url


async def test_week_leads_from_day_to_day_and_survives_a_reload(stranger: Resident) -> None:
    page = stranger.page
    await stranger.go("/", facility="main")
    await expect(page.locator("[aria-current=date]")).to_contain_text("今日")
    await page.get_by_role("link", name=re.compile("12月7日（月）")).click()
    await expect(page.locator("#day-title")).to_have_text("12月7日（月）")
    await expect(page.get_by_role("link", name=re.compile("12月7日（月）"))).to_be_focused()
    await page.reload()
    await expect(page.locator("#day-title")).to_have_text("12月7日（月）")


# --- languages, keyboard, looks


async def test_language_changes_in_place_and_keeps_what_was_typed(hanako: Resident) -> None:
    page = hanako.page
    await hanako.hold()
    await page.get_by_label("使う目的").fill("Haiku 俳句")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("h1")).to_have_text("Your booking")
    await expect(page.locator("aside")).to_contain_text("Meeting room 1")
    await expect(page.get_by_label("Purpose")).to_have_value("Haiku 俳句")
    assert await page.evaluate("document.documentElement.lang") == "en"
    await page.get_by_role("button", name="やさしい日本語").click()
    await expect(page.locator("aside")).to_contain_text("だい1 かいぎしつ")
    await expect(page.get_by_role("button", name="やさしい日本語")).to_be_focused()
    await page.goto(hanako.town.address("/help/"))
    await expect(page.locator("h1")).to_have_text(words("ja-simple", "book.help_title"))


async def test_room_is_booked_with_the_keyboard_alone(hanako: Resident) -> None:
    page = hanako.page
    await hanako.go("/", facility="main", day=TUESDAY)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="本文へ移動")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await tab_to(page, hanako.window("和室", "09:00–21:30"))
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("button", name="この時間で進む"))
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("予約の内容を入力する")
    await tab_to(page, page.get_by_label("使う目的"))
    await page.keyboard.type("Tea")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("予約できました")
    await expect(page.locator("h1")).to_be_focused()


async def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_every_page_is_accessible_fits_and_can_be_walked(hanako: Resident, lang: str) -> None:
    town, page = hanako.town, hanako.page
    town.group(hanako.account_id, "みさき俳句会", 30)
    first = await hanako.book(day=TODAY, start="13:00", until="15:00")
    await hanako.hold(start="15:00", until="17:00")
    (held,) = [r.booking_id for r in town.rows(hanako.account_id) if r.status == "held"]
    pages = {
        "search": ("/", {"facility": "main", "day": TUESDAY}),
        "reserve": ("/reserve/", {"hold": held}),
        "my": ("/my/", {}),
        "done": ("/booking/", {"id": first, "new": "1"}),
        "booking": ("/booking/", {"id": first}),
        "change": ("/change/", {"id": first, "day": TUESDAY}),
        "sign-in": ("/sign-in/", {"again": "1"}),
        "account": ("/account/", {}),
        "help": ("/help/", {}),
        "privacy": ("/privacy/", {}),
    }
    for name, (path, query) in pages.items():
        await hanako.go(path, lang, **query)
        await expect(page.locator(".countdown")).to_have_count(1 if name == "reserve" else 0)
        await check_looks(page, lang, f"book-{name}-{lang}")
    await hanako.go("/", lang, facility="main", day=TUESDAY)
    await page.locator(".window").first.click()
    await expect(page.locator(".choose-yen")).to_be_visible()
    await looks.axe(page, lang)
    await looks.targets_can_be_hit(page)
    for width in (PHONE_WIDTH, DESKTOP_WIDTH):
        await looks.picture(page, f"book-choose-{lang}", width)


async def check_looks(page: Page, lang: str, name: str) -> None:
    said = await page.evaluate("[document.title, document.body.innerText]")
    assert said[0].strip() and not re.search(r"\b(book|ui)\.\w+", " ".join(said)), said
    for width in (DESKTOP_WIDTH, PHONE_WIDTH):
        await page.set_viewport_size({"width": width, "height": 800})
        await looks.picture(page, name, width)
        await looks.axe(page, lang)
        await looks.targets_can_be_hit(page)
        await looks.walk_by_keyboard(page)
    await looks.fits(page)
