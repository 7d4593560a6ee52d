// The pages that only tell something: how it works, and what is kept about people.

import { h, replace } from "../shared/dom.js";
import { t } from "../shared/texts.js";
import { startPage } from "./frame.js";
import { PAGES } from "./ways.js";

const which = document.documentElement.dataset.page === "privacy" ? "privacy" : "help";
const PARTS = { help: ["book", "key", "phone", "door", "change", "pay", "group", "contact"], privacy: ["what", "not", "long", "who", "cookies", "rights"] };

await startPage({
  current: which,
  draw(main) {
    const title = t(`book.${which}_title`);
    document.title = `${title} | ${t("book.site")}`;
    replace(main, h("div", { class: "stack-l" },
      h("h1", { class: "page-title" }, title),
      h("p", { class: "lead" }, t(`book.${which}_lead`)),
      which === "help" && h("nav", { "aria-label": t("book.on_this_page") }, h("ul", { class: "jump" }, PARTS.help.map((each) => h("li", {}, h("a", { href: `#${each}` }, t(`book.help_${each}`)))))),
      h("div", { class: "pair words" }, PARTS[which].map((each) => h("section", { class: "card stack-s", id: each, tabindex: "-1" },
        h("h2", {}, t(`book.${which}_${each}`)), paragraphs(t(`book.${which}_${each}_text`))))),
      which === "help" && h("p", {}, h("a", { class: "button", href: PAGES.search }, t("book.nav_search")))));
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  },
});

/** A text of several lines: one line is a paragraph, lines that begin with ・ or - are a list. */
function paragraphs(text) {
  const lines = text.split("\n"), isItem = (line) => /^[・-] ?/.test(line);
  const items = lines.filter(isItem), rest = lines.filter((each) => !isItem(each));
  return [rest.map((each) => h("p", {}, each)), items.length > 0 && h("ul", { class: "ticks" }, items.map((each) => h("li", {}, each.replace(/^[・-] ?/, ""))))];
}
