// The frame of a page: skip link, header with the town's name, languages, way around, footer.
//
// Decides nothing about a page's content. A page gives `render(main)`; it is called again after a
// change of language, so a page keeps what a person typed in its own state, not in the document.

import { h, replace } from "./dom.js";
import { LANGUAGES, htmlLang, lang, loadTexts, onLang, setLang, t } from "./texts.js";

const NAMES = { ja: "日本語", "ja-simple": "やさしい日本語", en: "English" };

/**
 * Loads texts, draws the frame and the page. `name()`: the service's name; `town()`: the town's, or
 * null; `nav()`: [{href, text, current}]; `foot()`: links of the footer; `side()`: nodes beside the
 * language. All are called again when the language changes or on `update()`.
 */
export async function startShell({ name, town = () => null, home = "/", nav = () => [], foot = () => [], side = () => [], render }) {
  await loadTexts();
  const top = h("header", { class: "top" });
  const main = h("main", { id: "main", tabindex: "-1" });
  const bottom = h("footer", { class: "bottom" });
  const live = h("div", { class: "visually-hidden", role: "status" });
  const skip = h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } });
  const update = () => {
    replace(skip, t("ui.skip"));
    keepFocus(top, () => replace(top, headRow(name(), town(), home, side()), ways(nav())));
    replace(bottom, footRow(name(), town(), foot()));
  };
  const draw = () => {
    update();
    return render(main);
  };
  replace(document.body, skip, top, main, bottom, live);
  onLang(draw);
  const shell = { main, update, draw, say: (text) => replace(live, text), arrive: (heading) => arrive(heading, name(), town()) };
  await draw();
  return shell;
}

/** Names the window after its heading and moves the focus there: the page has changed under it. */
export function arrive(heading, name, town, { focus = true } = {}) {
  document.title = [heading.textContent, name, town].filter(Boolean).join(" | ");
  if (!focus) return;
  heading.setAttribute("tabindex", "-1");
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function headRow(name, town, home, side) {
  return h("div", { class: "top-row" },
    h("a", { class: "brand", href: home },
      h("img", { src: "/shared/mark.svg", alt: "", width: "40", height: "40" }),
      h("span", {}, town && h("span", { class: "brand-town" }, town), h("span", { class: "brand-name" }, name))),
    side,
    languages());
}

function languages() {
  return h("div", { class: "languages", role: "group", "aria-label": t("ui.language") },
    LANGUAGES.map((each) => h("button", {
      id: `language-${each}`, type: "button", lang: htmlLang(each),
      "aria-pressed": String(each === lang()), onclick: () => setLang(each),
    }, NAMES[each])));
}

function ways(items) {
  if (!items.length) return null;
  return h("nav", { class: "nav", "aria-label": t("ui.menu") },
    h("ul", {}, items.map(({ href, text, current }) =>
      h("li", {}, h("a", { href, "aria-current": current ? "page" : null }, text)))));
}

function footRow(name, town, links) {
  return h("div", { class: "bottom-row" },
    h("p", { class: "bottom-name" }, [town, name].filter(Boolean).join(" ")),
    links.map(({ href, text }) => h("a", { href }, text)));
}

/** Redraws and gives the focus back to the element of the same id. */
function keepFocus(root, redraw) {
  const id = root.contains(document.activeElement) ? document.activeElement.id : "";
  redraw();
  if (id) document.getElementById(id)?.focus();
}
