"""How a page looks and lets itself be used: accessibility, width, zoom, keyboard, pictures.

Decides what is asked of every page: no violation of WCAG 2.2 AA that axe-core finds, nothing that
sticks out at 320 px or at 200 %, every control reached by Tab in sight and with a visible focus,
targets of 44 px. A picture is for people to look at; no test compares pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.browser.parts import npm_file

PICTURES = Path(__file__).resolve().parents[2] / "var" / "screenshots"
WCAG_22_AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
HTML_LANG = {"ja": "ja", "ja-simple": "ja", "en": "en"}
NARROWEST_PX, HALF_DESKTOP_PX = 320, 640  # 640: what 200 % leaves of a window of 1280
TARGET_PX = 44
MOST_STOPS = 250

_RUN_AXE = """async (tags) => {
  const found = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
  return found.violations.map(({ id, help, nodes }) => ({
    id, help, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })),
  }));
}"""

_STICKING_OUT = """() => {
  const limit = document.documentElement.clientWidth;
  const scrolls = (node) => node && node !== document.body && (
    ['auto', 'scroll'].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const wide = [...document.body.querySelectorAll('*')].filter((node) => {
    const box = node.getBoundingClientRect();
    const hidden = box.width <= 1 || box.height <= 1 || !node.checkVisibility();
    return !hidden && Math.floor(box.right) > limit && box.left < limit && !scrolls(node);
  });
  const cut = [...document.body.querySelectorAll('*')].filter((node) => {
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && node.checkVisibility()
      && ['hidden', 'clip'].includes(style.overflowX) && node.scrollWidth > node.clientWidth + 1
      && node.textContent.trim();
  });
  const page = document.scrollingElement.scrollWidth > limit ? ['the page scrolls sideways'] : [];
  return [...page, ...wide.map((n) => 'sticks out: ' + n.outerHTML.slice(0, 160)),
          ...cut.map((n) => 'cut off: ' + n.outerHTML.slice(0, 160))];
}"""

_SMALL_TARGETS = """(least) => {
  const controls = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
  const isInText = (node) => node.matches('a') && getComputedStyle(node).display === 'inline';
  const area = (node) => (node.labels?.length && node.matches('[type=checkbox],[type=radio]')
    ? node.labels[0] : node).getBoundingClientRect();
  return [...document.querySelectorAll(controls)]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && !isInText(node))
    .filter((node) => node.getBoundingClientRect().width > 1)
    .filter((node) => Math.round(area(node).height) < least)
    .map((node) => Math.round(area(node).height) + ' px: ' + node.outerHTML.slice(0, 160));
}"""

# A heading that took the focus is where Tab would go on from: begin before everything instead.
_FROM_THE_TOP = """() => {
  const dialog = [...document.querySelectorAll('dialog[open]')].at(-1);
  const top = dialog ?? document.body;
  top.tabIndex = -1;
  top.focus({ preventScroll: true });
  top.blur();
  top.removeAttribute('tabindex');
}"""

_FOCUSED = """() => {
  const node = document.activeElement;
  if (!node || node === document.body || node === document.documentElement) return null;
  const style = getComputedStyle(node);
  const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)
    || style.boxShadow !== 'none';
  const box = node.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const top = document.elementFromPoint(x, y);
  const inSight = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const covered = inSight && top && !node.contains(top) && !top.contains(node)
    && ![...(node.labels ?? [])].some((label) => label.contains(top));
  node.dataset.walked ??= String(document.querySelectorAll('[data-walked]').length);
  return { name: node.outerHTML.slice(0, 160), number: Number(node.dataset.walked),
           ring, inSight, covered,
           label: (node.ariaLabel || node.innerText || node.labels?.[0]?.innerText
                   || node.name || '').trim() };
}"""

_NOT_WALKED = """() => {
  const controls = 'a[href], button, input:not([type=hidden]), select, textarea, summary, '
    + '[tabindex]:not([tabindex="-1"])';
  const sameGroup = (node) => node.type === 'radio'
    && document.querySelector(`[type=radio][name="${node.name}"][data-walked]`);
  const root = [...document.querySelectorAll('dialog:modal')].at(-1) ?? document;
  const left = [...root.querySelectorAll(controls)].filter((node) => !node.disabled
    && node.checkVisibility({ visibilityProperty: true }) && node.tabIndex >= 0
    && !node.closest('[inert]') && node.dataset.walked === undefined && !sameGroup(node));
  document.querySelectorAll('[data-walked]').forEach((node) => delete node.dataset.walked);
  return left.map((node) => node.outerHTML.slice(0, 160));
}"""


@cache
def _axe_source() -> str:
    return npm_file("axe-core", "axe.min.js").read_text(encoding="utf-8")


async def axe(page: Page, lang: str) -> list[str]:
    """Fails on any violation of WCAG 2.2 AA; the ids of other good advice that is not followed.

    The page must be shown in `lang` ("ja", "ja-simple", "en") and say so.
    """
    said = await page.evaluate("document.documentElement.lang")
    assert said.split("-")[0] == HTML_LANG[lang], f"{page.url} says it is in {said!r}"
    await _bring_axe(page)
    violations = await page.evaluate(_RUN_AXE, list(WCAG_22_AA))
    assert violations == [], f"{page.url} in {lang}:\n{_readable(violations)}"
    return [each["id"] for each in await page.evaluate(_RUN_AXE, ["best-practice"])]


async def _bring_axe(page: Page) -> None:
    """By the debugger, which the page's content policy does not bind."""
    if not await page.evaluate("'axe' in globalThis"):
        session = await page.context.new_cdp_session(page)
        answer = await session.send("Runtime.evaluate", {"expression": _axe_source()})
        assert "exceptionDetails" not in answer, answer
        await session.detach()


def _readable(violations: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"- {each['id']}: {each['help']}\n    {node['html'][:200]}\n    {node['failureSummary']}"
        for each in violations
        for node in each["nodes"]
    )


async def fits(page: Page) -> None:
    """Fails when something sticks out or is cut off at 320 px, at 200 % zoom or with large letters.

    Leaves the window as it was.
    """
    before = page.viewport_size
    assert before is not None
    try:
        await _check_width(page, NARROWEST_PX, "at 320 px")
        await _check_width(page, HALF_DESKTOP_PX, "at 200 %")
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        await _check_width(page, HALF_DESKTOP_PX, "with letters of twice the size")
    finally:
        await page.evaluate("document.documentElement.style.fontSize = ''")
        await page.set_viewport_size(before)


async def _check_width(page: Page, width: int, what: str) -> None:
    await page.set_viewport_size({"width": width, "height": 640})
    found = await page.evaluate(_STICKING_OUT)
    assert found == [], f"{page.url} {what}: {found}"


async def targets_can_be_hit(page: Page) -> None:
    """Fails when a control outside of running text is lower than 44 px."""
    small = await page.evaluate(_SMALL_TARGETS, TARGET_PX)
    assert small == [], f"{page.url}: {small}"


@dataclass(frozen=True)
class Stop:
    """Where Tab leads: the control's label and its markup."""

    label: str
    markup: str


async def walk_by_keyboard(page: Page) -> list[Stop]:
    """Tab through the page; fails on a control that is not reached, not in sight, or whose focus
    nobody sees. Leaves the focus on nothing."""
    await page.evaluate(_FROM_THE_TOP)
    stops: list[Stop] = []
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        found = await page.evaluate(_FOCUSED)
        if found is not None and found["number"] == len(stops) - 1:
            continue  # a field for a date has several stops inside
        if found is None or found["number"] < len(stops):
            break
        assert found["ring"], f"{page.url}: nobody sees the focus on {found['name']}"
        assert found["inSight"] and not found["covered"], f"{page.url}: hidden: {found['name']}"
        stops.append(Stop(found["label"], found["name"]))
    await page.evaluate(_FROM_THE_TOP)
    missed = await page.evaluate(_NOT_WALKED)
    assert missed == [], f"{page.url}: Tab does not reach {missed}"
    return stops


async def picture(page: Page, name: str, width: int) -> Path:
    """A picture of the whole page at `width`, for people; kept out of the repository."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    before = page.viewport_size
    assert before is not None
    await page.set_viewport_size({"width": width, "height": before["height"]})
    await page.evaluate("scrollTo(0, 0)")  # what sticks to the window is drawn where it belongs
    file = PICTURES / f"{name}-{width}.png"
    await page.screenshot(path=file, full_page=True, animations="disabled")
    await page.set_viewport_size(before)
    return file
