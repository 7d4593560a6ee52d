// Signing in: who vouches for me, what the town is told and what it keeps, and back to where I was.

import { h, replace } from "../shared/dom.js";
import { alert } from "../shared/parts.js";
import { has, t, theirs } from "../shared/texts.js";
import { me, startPage } from "./frame.js";
import * as service from "./service.js";
import { backTo, PAGES, signInAt } from "./ways.js";

const query = new URLSearchParams(location.search);
const back = backTo(query.get("to"));
let providers = [];

await startPage({
  current: "signIn",
  async load() {
    if (me() && !query.has("again")) location.replace(back);
    providers = await service.providers();
  },
  draw(main) {
    document.title = `${t("book.sign_in_title")} | ${t("book.site")}`;
    const reason = `book.sign_in_for_${query.get("reason")}`;
    replace(main, h("div", { class: "stack-l" },
      h("h1", { class: "page-title" }, t("book.sign_in_title")),
      problem(query.get("problem")),
      h("p", { class: "lead column" }, has(reason) ? t(reason) : t("book.sign_in_lead")),
      providers.length ? h("ul", { class: "plain-list pair" }, providers.map((each) => h("li", {}, way(each)))) : h("p", { class: "empty" }, t("book.sign_in_none")),
      h("section", { class: "stack-s column", "aria-labelledby": "without" },
        h("h2", { id: "without" }, t("book.sign_in_without")), h("p", {}, t("book.sign_in_without_text"))),
      h("p", {}, h("a", { href: PAGES.privacy }, t("book.nav_privacy")))));
  },
});

/** A code that came back in the address: said only if it is one of ours. */
function problem(code) {
  if (!code) return null;
  return alert("bad", /^[A-Z_]{1,40}$/.test(code) && has(code) ? t(code) : t("ui.failed"));
}

/** One provider: pressing is consent, so beside the button stands what it tells the town. */
function way(provider) {
  const told = `told-${provider.id}`;
  return h("section", { class: "card stack", "aria-label": theirs(provider.name) },
    h("a", { class: "button button-big button-wide", href: signInAt(provider.id, back), "aria-describedby": told }, theirs(provider.name)),
    h("div", { class: "stack-s", id: told },
      h("p", {}, h("strong", {}, t("book.level")), " ", t(`book.level_${provider.level}`)),
      provider.asks.length > 0 && h("p", {}, t("sign-in.asks")),
      provider.asks.length > 0 && h("ul", { class: "ticks" }, provider.asks.map((each) => h("li", {}, has(`sign-in.asks.${each}`) ? t(`sign-in.asks.${each}`) : each))),
      h("p", { class: "hint" }, t("sign-in.keeps"))));
}
