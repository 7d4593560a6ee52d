"""The clerk's console in Chromium: a day at the desk, and how its pages look and let themselves be
used.

The town is the real service; behind one door is a lock's real core (desk_town.py). The pages' words
are never evidence of an opening: the bolt is.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Playwright, expect
from sqlalchemy import select

from cloud.models import Action, Alarm, Booking, Credential, StaffKey
from cloud.people.principals import Grant
from tests.browser import looks
from tests.browser.chromium import DESKTOP_WIDTH, FLAGS, PHONE_WIDTH, Visitor, welcome
from tests.browser.desk_town import DeskTown, desk_town
from tests.browser.passkeys import authenticator_of

LANGS = ("ja", "ja-simple", "en")
HELD_MS = 1600
DEEDS = (
    "booking.approve",
    "booking.decline",
    "booking.book",
    "booking.paid",
    "key.pin",
    "key.reissue",
)
expect.set_options(timeout=20_000)  # a loaded machine is slow, not wrong
UNAUTHORISED = "401"  # asking who is signed in before anybody is


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain_browser(playwright: Playwright, chromium: Path) -> AsyncIterator[Browser]:
    """Chromium without a Bluetooth of its own."""
    started = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
    yield started
    await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def town(tmp_path: Path) -> AsyncIterator[DeskTown]:
    async with desk_town(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def person(plain_browser: Browser) -> AsyncIterator[Visitor]:
    """Somebody at a computer with an authenticator."""
    visitor = await welcome(plain_browser, DESKTOP_WIDTH, has_bluetooth=False)
    visitor.forgive(UNAUTHORISED)
    await authenticator_of(visitor.page)
    yield visitor
    await visitor.context.close()
    assert visitor.complaints == []


async def join(person: Visitor, town: DeskTown, name: str, *grants: Grant) -> Page:
    """Follow an invitation and make a passkey: that signs in."""
    page = person.page
    await page.goto(town.invite(name, *grants))
    await page.locator("main form button[type=submit]").click()
    await expect(page.locator(".who-name")).to_have_text(name)
    return page


async def go(page: Page, town: DeskTown, place: str) -> None:
    """To a section, once it is drawn."""
    await page.goto(f"{town.console}/#/{place}")
    await expect(page.locator("main .loading")).to_have_count(0)
    await expect(page.locator("main h1")).to_be_visible()


async def hold(button: Locator) -> None:
    """A press that lasts."""
    await button.hover()
    await button.page.mouse.down()
    await button.page.wait_for_timeout(HELD_MS)
    await button.page.mouse.up()


def actions(town: DeskTown) -> list[str]:
    with town.service.database.read() as session:
        return list(session.scalars(select(Action.action).order_by(Action.seq)))


async def test_a_passkey_is_made_by_invitation_once_and_signs_in_again(
    town: DeskTown, person: Visitor
) -> None:
    page = person.page
    link = town.invite("窓口 花子", Grant("clerk"))
    await page.goto(link)
    assert "#" not in page.url.split("/invite")[1] or page.url.endswith("#")
    await page.locator("main form button[type=submit]").click()
    await expect(page.locator("main h1")).to_contain_text("12月5日")
    await page.get_by_role("button", name="サインアウト").click()
    await page.get_by_role("button", name="パスキーでサインイン").click()
    await expect(page.locator(".who-name")).to_have_text("窓口 花子")
    person.forgive("404")
    await page.goto("about:blank")
    await page.goto(link)
    await page.locator("main form button[type=submit]").click()
    await expect(page.locator("[role=alert]")).to_be_visible()
    assert "staff.invite" in actions(town) and "session.start" in actions(town)


async def test_the_clerks_day(town: DeskTown, person: Visitor) -> None:
    made = town.a_day()
    page = await join(person, town, "窓口 花子", Grant("clerk"))

    # Today: the withdrawn key that its lock does not know of is told honestly, beside the alarm.
    first = page.locator(".attention li")
    await expect(first.filter(has_text="錠はまだ知りません")).to_contain_text("09:12")
    await expect(page.locator(".way [data-way=approvals] .way-count")).to_have_text("2")
    await expect(page.locator(".as-of")).to_contain_text("10:02 現在")
    nav = await page.locator(".way a").all_inner_texts()
    assert not any("職員" in each or "記録" in each for each in nav)  # not a clerk's

    # Approve one, decline the other with words to the resident.
    await page.locator(".way [data-way=approvals]").click()
    card = page.get_by_role("article").filter(has_text="みさき商店")
    await expect(card).to_contain_text("営利")
    await card.get_by_role("button", name="承認する").click()
    await page.locator("dialog").get_by_role("button", name="承認する").click()
    await expect(card).to_have_count(0)
    card = page.get_by_role("article").filter(has_text="合唱団みさき")
    await card.get_by_role("button", name="承認しない").click()
    await page.get_by_label("利用者への理由").fill("定員を超えています")
    await page.locator("dialog").get_by_role("button", name="承認しない").click()
    await expect(page.locator("main .empty")).to_be_visible()
    assert town.booking(made["commercial"]).status == "confirmed"
    assert town.booking(made["many"]).status == "declined"
    assert town.booking(made["many"]).decision_note == "定員を超えています"

    # Book for somebody who telephones; they have no mail, so the link is told now.
    await go(page, town, "book")
    await page.get_by_role("button", name="空きを探す").click()
    await page.get_by_role("button", name="第1会議室 17:00").click()
    await page.get_by_label("受付").select_option("phone")
    await page.get_by_label("利用する人").fill("高橋 ウメ")
    await page.get_by_label("連絡先").fill("0460-11-2222")
    await page.get_by_role("button", name="予約する", exact=True).click()
    await expect(page.get_by_text("予約しました")).to_be_visible()
    link = await page.locator(".secret-link").inner_text()
    assert link.startswith(town.origin) and "#" in link
    with town.service.database.read() as session:
        booked = session.scalars(select(Booking).where(Booking.holder_name == "高橋 ウメ")).one()
    assert (booked.channel, booked.status) == ("phone", "confirmed")

    # Mark the one who stands there as paid.
    await go(page, town, f"bookings/{made['now']}")
    await page.get_by_role("button", name="支払いを受け取った").click()
    await page.locator("dialog").get_by_role("button", name="支払いを受け取った").click()
    await expect(page.locator("main")).to_contain_text("支払い済み")
    assert town.booking(made["now"]).payment_state == "settled"

    # The slip for somebody without a smartphone.
    await page.get_by_role("button", name="暗証番号の紙を印刷").click()
    await page.get_by_role("button", name="番号を表示").click()
    shown = await page.locator(".slip .pin").inner_text()
    assert re.fullmatch(r"\d{10}", re.sub(r"\s", "", shown))
    await page.emulate_media(media="print")
    assert (
        not await page.locator(".way").is_visible() and not await page.locator(".top").is_visible()
    )
    await expect(page.locator(".slip")).to_be_visible()
    await page.emulate_media(media="screen")

    # A lost phone: the old key is withdrawn, a new link shown once.
    await go(page, town, f"bookings/{made['now']}")
    await page.get_by_role("button", name="鍵を作り直す").click()
    await page.get_by_label("理由（控え）").fill("スマホを紛失")
    await page.locator("dialog").get_by_role("button", name="鍵を作り直す").click()
    await expect(page.locator(".secret-link")).to_contain_text("#")

    noted = actions(town)
    for deed in (
        "booking.approve",
        "booking.decline",
        "booking.book",
        "booking.paid",
        "key.pin",
        "key.reissue",
    ):
        assert deed in noted, deed


async def test_a_clerk_opens_the_door_with_a_reason_and_their_own_key(
    town: DeskTown, person: Visitor
) -> None:
    made = town.a_day()
    page = await join(person, town, "窓口 花子", Grant("clerk"))
    await go(page, town, f"bookings/{made['now']}")
    await page.get_by_role("button", name="扉を開ける").click()
    button = page.get_by_role("button", name="押し続けて開ける")
    await button.click()  # a tap is not enough
    await hold(button)
    await expect(page.locator("dialog")).to_contain_text("先に理由を選んでください")
    assert town.openings() == 0 and "door.open" not in actions(town)
    await page.locator("#open-reason").select_option("phone_dead")
    await hold(button)
    await expect(page.locator("dialog [role=status]")).to_contain_text("開きました")
    assert town.openings() == 1
    with town.service.database.read() as session:
        key = session.scalars(select(StaffKey)).one()
    assert (key.staff_name, key.booking_id) == ("窓口 花子", made["now"])
    assert key.reason == "スマホの電池切れ"
    assert "door.open" in actions(town)
    kept = await page.evaluate(
        """() => new Promise((done) => {
          const asked = indexedDB.open("kannuki-desk");
          asked.onsuccess = () => {
            const all = asked.result.transaction("keys").objectStore("keys").getAll();
            all.onsuccess = () => done(all.result.map((each) => each.privateKey.extractable));
          };
        })"""
    )
    assert kept == [False]


async def test_an_opening_that_the_gateway_cannot_reach_is_told_and_opens_nothing(
    town: DeskTown, person: Visitor
) -> None:
    made = town.a_day()
    town.reached = "UNREACHABLE"
    person.forgive("502")
    page = await join(person, town, "窓口 花子", Grant("clerk"))
    await go(page, town, f"bookings/{made['now']}")
    await page.get_by_role("button", name="扉を開ける").click()
    await page.locator("#open-reason").select_option("no_phone")
    await hold(page.get_by_role("button", name="押し続けて開ける"))
    await expect(page.locator("dialog [role=status] .alert-bad")).to_be_visible()
    assert town.openings() == 0


async def test_alarms_are_seen_and_handled_by_name(town: DeskTown, person: Visitor) -> None:
    town.a_day()
    page = await join(person, town, "窓口 花子", Grant("clerk"))
    await go(page, town, "alarms")
    await page.get_by_role("button", name="対応した").click()
    await page.get_by_label("したこと").fill("閉めに行った")
    await page.locator("dialog").get_by_role("button", name="対応した").click()
    await expect(page.locator("main .empty")).to_be_visible()
    await page.get_by_label("対応済みも表示").check()
    await expect(page.get_by_role("article")).to_contain_text("窓口 花子")
    with town.service.database.read() as session:
        assert session.scalars(select(Alarm)).one().times == 1


async def test_the_auditor_saves_the_record_for_excel(town: DeskTown, person: Visitor) -> None:
    made = town.a_day()
    with town.service.database.read() as session:
        assert session.scalars(select(Credential)).first() is not None
    town.street.opens_for(made["now"])
    page = await join(person, town, "監査 次郎", Grant("auditor"))
    await go(page, town, "audit")
    await page.locator("#audit-event").select_option("LockOperation")
    await page.get_by_role("button", name="探す").click()
    row = page.get_by_role("row").filter(has_text="田中 正")
    await expect(row.first).to_contain_text("解錠")
    async with page.expect_download() as download:
        await page.get_by_text("Excel 用に保存").click()
    saved = Path(await (await download.value).path()).read_bytes()
    assert saved.startswith(b"\xef\xbb\xbf") and "田中 正".encode() in saved
    assert "audit.export" in actions(town)


async def test_a_fee_is_waived_with_a_reason_and_the_months_totals_say_so(
    town: DeskTown, person: Visitor
) -> None:
    made = town.a_day()
    fee = town.booking(made["later"]).fee_yen
    assert fee > 0
    page = await join(person, town, "館長 一郎", Grant("manager"))
    await go(page, town, "totals")
    sums = page.get_by_role("row").filter(has_text="合計").get_by_role("cell")
    with town.service.database.read() as session:
        confirmed = session.scalars(select(Booking).where(Booking.status == "confirmed")).all()
    open_yen = sum(row.fee_yen for row in confirmed if row.payment_state == "counter")
    await expect(sums.nth(0)).to_have_text(str(len(confirmed)))
    await expect(sums.nth(6)).to_have_text(f"{open_yen:,}円")

    await go(page, town, f"bookings/{made['later']}")
    await page.get_by_role("button", name="料金を免除する").click()
    await expect(page.locator("dialog")).to_contain_text(f"{fee:,}円")
    await page.get_by_label("免除の理由").fill("災害の見舞い")
    await page.locator("dialog").get_by_role("button", name="料金を免除する").click()
    await expect(page.locator("main")).to_contain_text("災害の見舞い")
    assert town.booking(made["later"]).payment_state == "exempt"
    assert "booking.waive" in actions(town)

    await go(page, town, "totals")
    await expect(sums.nth(6)).to_have_text(f"{open_yen - fee:,}円")
    await expect(sums.nth(2)).to_have_text("1")
    async with page.expect_download() as download:
        await page.get_by_text("Excel 用に保存").click()
    saved = Path(await (await download.value).path()).read_bytes()
    assert saved.startswith(b"\xef\xbb\xbffacility_id,month,uses")
    await page.get_by_label("月", exact=True).fill("2031-01")
    await page.get_by_role("button", name="計算").click()
    await expect(page.locator("main .empty")).to_have_text("この月の利用はありません。")


async def test_a_member_of_a_group_is_added_by_the_number_that_they_tell(
    town: DeskTown, person: Visitor
) -> None:
    town.a_day()
    page = await join(person, town, "館長 一郎", Grant("manager"))
    await go(page, town, "groups")
    card = page.get_by_role("article").filter(has_text="みさき書道会")
    await card.get_by_role("button", name="人を加える").click()
    dialog = page.locator("dialog")
    await dialog.get_by_label("利用者番号").fill("zz99-zz99-zz")
    await dialog.get_by_role("button", name="保存").click()
    await expect(dialog).to_contain_text("見つかりません")
    await dialog.get_by_label("利用者番号").fill("A1")
    await dialog.get_by_role("button", name="保存").click()
    row = card.get_by_role("row").filter(has_text="試験")
    await expect(row).to_contain_text("a1")
    await looks.axe(page, "ja")
    await row.get_by_role("button", name="外す").click()
    await dialog.get_by_role("button", name="外す").click()
    await expect(row).to_have_count(0)
    assert actions(town).count("group.member") == 2


async def test_a_manager_invites_a_clerk_of_one_house_who_sees_that_house_alone(
    town: DeskTown, person: Visitor, plain_browser: Browser
) -> None:
    town.a_day()
    page = await join(person, town, "館長 一郎", Grant("manager"))
    await go(page, town, "people")
    await page.get_by_role("button", name="職員を招待").click()
    await page.locator("#person-name").fill("東 小町")
    await page.locator("#role-clerk-east").check()
    await page.get_by_role("button", name="リンクを作る").click()
    link = await page.locator(".secret-link").inner_text()
    other = await welcome(plain_browser, DESKTOP_WIDTH, has_bluetooth=False)
    other.forgive(UNAUTHORISED)
    await authenticator_of(other.page)
    await other.page.goto(link)
    await other.page.locator("main form button[type=submit]").click()
    await expect(other.page.locator(".room h3")).to_have_text(["音楽室"])
    await other.context.close()
    assert other.complaints == []


async def test_today_asks_again_by_itself_and_says_when_it_cannot(
    town: DeskTown, person: Visitor
) -> None:
    town.a_day()
    page = await join(person, town, "窓口 花子", Grant("clerk"))
    await expect(page.locator(".as-of")).to_contain_text("10:02")
    town.tell_lock("aaaaaaaa", bolt="unlocked", door="open")
    room = page.get_by_role("article").filter(has_text="第1会議室")
    await expect(room).to_contain_text("扉が開いている", timeout=20_000)


PLACES = ("today", "bookings/{now}", "approvals", "book", "groups", "closed", "alarms", "fleet",
          "audit", "audit?tab=staff", "totals", "effect", "people", "me", "slip/{now}")  # fmt: skip


@pytest.mark.parametrize("lang", LANGS)
async def test_every_page_follows_wcag_fits_and_is_used_by_keyboard(
    town: DeskTown, person: Visitor, lang: str
) -> None:
    made = town.a_day()
    page = person.page
    await page.goto(f"{town.console}/?lang={lang}")
    await expect(page.locator("main h1")).to_be_visible()
    await looks.axe(page, lang)
    await looks.fits(page)
    await authenticator_of(page)  # the debugger that brought axe took the other one along
    await join(person, town, "館長 一郎", Grant("manager"))
    for place in PLACES:
        await go(page, town, place.format(**made))
        if place == "book":
            await page.locator("main form button[type=submit]").click()
            await page.locator(".rooms .button").first.click()
            await expect(page.locator("#book-name")).to_be_visible()
        if place.startswith("slip"):
            await page.locator("#slip-show").click()
            await expect(page.locator(".slip")).to_be_visible()
        await looks.axe(page, lang)
        await looks.fits(page)
        await looks.targets_can_be_hit(page)
        if lang == "ja":
            await looks.walk_by_keyboard(page)
            for width in (PHONE_WIDTH, DESKTOP_WIDTH):
                await looks.picture(page, f"console-{place.split('/')[0].split('?')[0]}", width)
