"""The bench finds what it is there to find: each check is shown a page with that fault.

A check that finds nothing anywhere would pass every page.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import pytest_asyncio

from kannuki.errors import MissingPart
from tests.browser import looks, parts
from tests.browser.chromium import Visitor
from tests.browser.conftest import Welcome
from tests.browser.passkeys import authenticator_of
from tests.browser.town import until

MAKE_PASSKEY = """async () => {
  const made = await navigator.credentials.create({ publicKey: {
    rp: { name: 'bench', id: location.hostname }, challenge: new Uint8Array(16),
    user: { id: new Uint8Array(4), name: 'a', displayName: 'a' },
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  } });
  return made.id;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def sound(visit: Welcome, static_url: str) -> Visitor:
    visitor = await visit()
    await visitor.page.goto(f"{static_url}/sound.html")
    return visitor


@pytest_asyncio.fixture(loop_scope="session")
async def faulty(visit: Welcome, static_url: str) -> Visitor:
    visitor = await visit()
    await visitor.page.goto(f"{static_url}/faulty.html")
    return visitor


async def complaints_of(visitor: Visitor) -> list[str]:
    """What a test provoked, taken away so that it is no fault."""

    async def some() -> bool:
        return bool(visitor.complaints)

    await until(some, "the page complains")
    found, visitor.complaints = visitor.complaints, []
    return found


async def test_sound_page_passes_every_check(sound: Visitor) -> None:
    await looks.axe(sound.page, "en")
    await looks.fits(sound.page)
    await looks.targets_can_be_hit(sound.page)
    stops = await looks.walk_by_keyboard(sound.page)

    assert [stop.label for stop in stops] == ["link in running text", "Name", "Do it"]
    assert sound.page.viewport_size == {"width": 1280, "height": 800}


async def test_pale_letters_and_a_nameless_field_are_violations(faulty: Visitor) -> None:
    with pytest.raises(AssertionError, match="color-contrast") as found:
        await looks.axe(faulty.page, "en")

    assert "label: " in str(found.value)


async def test_page_in_another_language_than_it_says_is_found(sound: Visitor) -> None:
    with pytest.raises(AssertionError, match="says it is in 'en'"):
        await looks.axe(sound.page, "ja-simple")


async def test_what_sticks_out_on_a_phone_is_found(faulty: Visitor) -> None:
    with pytest.raises(AssertionError, match="sticks out: <div class=.wide"):
        await looks.fits(faulty.page)

    assert faulty.page.viewport_size == {"width": 1280, "height": 800}


async def test_low_target_is_found_and_no_other(faulty: Visitor) -> None:
    with pytest.raises(AssertionError) as found:
        await looks.targets_can_be_hit(faulty.page)

    assert re.findall(r"class=.(\w+)", str(found.value)) == ["low"]


async def test_focus_that_nobody_sees_is_found(faulty: Visitor) -> None:
    with pytest.raises(AssertionError, match="nobody sees the focus on <button class=.blind"):
        await looks.walk_by_keyboard(faulty.page)


async def test_control_that_tab_does_not_reach_is_found(sound: Visitor) -> None:
    await sound.page.evaluate(
        "document.querySelector('button').addEventListener('focus', (e) => e.target.blur())"
    )
    with pytest.raises(AssertionError, match="Tab does not reach"):
        await looks.walk_by_keyboard(sound.page)


async def test_breach_of_the_content_policy_and_lost_exceptions_are_faults(
    sound: Visitor,
) -> None:
    await sound.page.evaluate(
        "() => { setTimeout(() => { document.body.innerHTML = '<b>x</b>'; }); }"
    )
    complaints = await complaints_of(sound)

    assert any("uncaught" in each and "TrustedHTML" in each for each in complaints)


async def test_missing_file_is_a_fault_and_a_refusal_by_the_api_is_not(
    sound: Visitor, static_url: str
) -> None:
    await sound.page.evaluate("fetch('/v1/no-such-thing')")
    await sound.page.evaluate("fetch('/no-such-file.js')")
    complaints = await complaints_of(sound)

    assert len(complaints) == 1
    assert "no-such-file.js" in complaints[0]


async def test_without_signal_nothing_is_reached_until_it_is_back(
    sound: Visitor, static_url: str
) -> None:
    await sound.lose_signal()
    away = await sound.page.evaluate(
        "fetch('/sound.css', { cache: 'no-store' }).then(() => 'here', () => 'away')"
    )
    await sound.find_signal()
    here = await sound.page.evaluate(
        "fetch('/sound.css', { cache: 'no-store' }).then(() => 'here', () => 'away')"
    )

    assert (away, here) == ("away", "here")


async def test_browser_without_bluetooth_is_like_one_that_never_heard_of_it(
    visit: Welcome, static_url: str
) -> None:
    having, lacking = await visit(), await visit(has_bluetooth=False)
    seen = []
    for visitor in (having, lacking):
        await visitor.page.goto(f"{static_url}/sound.html")
        seen.append(await visitor.page.evaluate("['bluetooth' in navigator, isSecureContext]"))

    assert seen == [[True, True], [False, True]]


async def test_virtual_authenticator_makes_a_passkey_that_can_be_copied(
    visit: Welcome, static_url: str
) -> None:
    visitor = await visit()
    await visitor.page.goto(f"{static_url}/sound.html")
    authenticator = await authenticator_of(visitor.page)
    await visitor.page.evaluate(MAKE_PASSKEY)
    other = await authenticator_of(await visitor.new_page())
    await authenticator.copy_to(other)

    made, copied = await authenticator.credentials(), await other.credentials()
    assert [each["credentialId"] for each in made] == [each["credentialId"] for each in copied]


def test_missing_browser_ends_the_run_with_3_and_the_line_to_type() -> None:
    def find() -> Path:
        raise MissingPart("the program 'chromium' is missing", "sudo apt-get install -y chromium")

    with pytest.raises(pytest.exit.Exception, match="-> sudo apt-get install") as ended:
        parts.needed(find)

    assert ended.value.returncode == 3
